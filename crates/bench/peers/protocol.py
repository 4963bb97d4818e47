"""The Python twin of ../src/protocol.rs: reads requests, times calls, answers."""

import statistics
import sys
import time

THREADS = int(sys.argv[1]) if len(sys.argv) > 1 else 1
# A call that takes longer, in seconds, is its own measurement.
LONG = 0.25


class Workload:
    """One workload: `op`, `dtype` and its sizes as attributes (numbers where they are numbers)."""

    def __init__(self, op, dtype, *pairs):
        self.op, self.dtype = op, dtype
        for key, value in (pair.split("=") for pair in pairs):
            setattr(self, key, int(value) if value.isdigit() else value)


def visible(lq, lk):
    """The boolean mask of the workloads, shaped (1, 1, lq, lk): nine keys of ten are visible."""
    import numpy as np

    rows, columns = np.arange(lq)[:, None], np.arange(lk)[None, :]
    return ((rows * 7 + columns * 13) % 10 != 0)[None, None]


def time_calls(call, seconds):
    """Median seconds of a call, and the number of calls; as `time_calls` in the Rust protocol."""
    clock = time.perf_counter
    warm, calls = clock(), 0
    while calls < 2 or clock() - warm < seconds * 0.1:
        call()
        calls += 1
        if calls == 1 and clock() - warm > LONG:
            return clock() - warm, 1
    one = (clock() - warm) / calls
    group = range(max(1, int(50e-6 / one)))
    times, start = [], clock()
    while len(times) < 2 or clock() - start < seconds:
        begin = clock()
        for _ in group:
            call()
        times.append((clock() - begin) / len(group))
        if clock() - start > 2:
            break
    return statistics.median(times), len(times) * len(group)


def one_line(error):
    return " ".join(str(error).split())[:160]


def serve(prepare):
    """Answers requests; `prepare(workload)` yields (name, make), where `make()` gives the call."""
    # Libraries that print must not disturb the answers.
    answers, sys.stdout = sys.stdout, sys.stderr
    ready = {}
    for line in sys.stdin:
        verb, *words = line.split()
        try:
            if verb == "prepare":
                # The last workload's buffers go before the next one's come.
                ready.clear()
                fields = ["ready"]
                for name, make in prepare(Workload(*words)):
                    try:
                        call = make()
                        call()
                        ready[name] = call
                        fields.append(name)
                    except Exception as error:
                        fields.append(f"!{name}: {one_line(error)}")
                answer = "\t".join(fields)
            else:
                answer = "time {} {}".format(*time_calls(ready[words[0]], float(words[1])))
        except Exception as error:
            answer = f"error {one_line(repr(error))}"
        print(answer, file=answers, flush=True)
