"""What several test files need."""

import threading

import pytest


@pytest.fixture
def on_threads():
    """Calls a function with 0, 1, .. on as many threads at once; its exceptions are the test's."""

    def run(work, count=8):
        failures = []

        def guarded(i):
            try:
                work(i)
            except BaseException as error:  # noqa: BLE001
                failures.append(error)

        threads = [threading.Thread(target=guarded, args=(i,), daemon=True) for i in range(count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(timeout=120)
        assert not any(thread.is_alive() for thread in threads)
        if failures:
            raise failures[0]

    return run
