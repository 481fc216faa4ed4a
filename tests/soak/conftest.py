"""Says at the end how much was injected."""

from support.tally import report_lines


def pytest_terminal_summary(terminalreporter):
    lines = report_lines()
    if lines:
        terminalreporter.section("faults")
        for line in lines:
            terminalreporter.line(line)
