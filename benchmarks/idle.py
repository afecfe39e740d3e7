"""What an embedded stack that does nothing costs: the processor time of each of its programs."""

import time

import psutil

from benchmarks.report import Report
from benchmarks.running import running_stack
from include.embedded.programs.patience import measure_work
from include.embedded.programs.supervision import connect, program_states
from include.embedded.stack import Stack

GOAL_SHARE = 0.1
# All DAG files have been parsed, and what programs do only once is done.
SECONDS_TO_SETTLE = 90
# DAG files are parsed once in this time.
SECONDS = 180


def run() -> Report:
    """Measures all programs of an empty stack over the same three minutes."""
    with running_stack() as stack:
        time.sleep(SECONDS_TO_SETTLE)
        before, begun = measure_programs(stack), time.monotonic()
        time.sleep(SECONDS)
        after, seconds = measure_programs(stack), time.monotonic() - begun
    shares = {name: (after[name] - before[name]) / seconds for name in before}
    rows = [[name, f"{share:.1%}"] for name, share in sorted(shares.items(), key=lambda each: -each[1])]
    return Report(
        "An idle embedded stack",
        f"at most {GOAL_SHARE:.0%} of a core in all",
        ["program", "of a core"],
        [*rows, ["all", f"{sum(shares.values()):.1%}"]],
        [f"user and system time over {seconds:.0f} s, with that of the processes that each program starts"],
    )


def measure_programs(stack: Stack) -> dict[str, float]:
    """Seconds of processor time by program so far, the supervisor's own included."""
    supervisor = psutil.Process(connect(stack).getPID())
    own = supervisor.cpu_times()
    used = {name: measure_work(entry["pid"]) + _ended(entry["pid"]) for name, entry in program_states(stack).items()}
    return {"supervisor": own.user + own.system} | used


def _ended(process: int) -> float:
    """Seconds of processor time of the processes that a program has started and that have ended."""
    first = psutil.Process(process)
    times = [one.cpu_times() for one in (first, *first.children(recursive=True))]
    return sum(each.children_user + each.children_system for each in times)
