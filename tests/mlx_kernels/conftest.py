"""Prints how many kernels of each family compile, after the tests."""


def pytest_terminal_summary(terminalreporter):
    rows = []
    for reports in terminalreporter.stats.values():
        for report in reports:
            count = dict(getattr(report, "user_properties", [])).get("compiled")
            if count and report.when == "call":
                rows.append((report.nodeid.split("[")[-1].rstrip("]"), count))
    if not rows:
        return
    terminalreporter.section("kernels of MLX that compile")
    for name, count in rows:
        terminalreporter.write_line(f"{name:28} {count}")
    done, wanted = (sum(int(count.split()[at]) for _, count in rows) for at in (0, 2))
    terminalreporter.write_line(f"{'all':28} {done} of {wanted}")
