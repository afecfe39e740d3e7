"""Reading the training split of a large set, from Postgres and from its Parquet files."""

import os
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.idle import measure_programs
from benchmarks.published import publish_set
from benchmarks.report import Report
from benchmarks.running import running_stack, settings_of
from include.embedded.stack import Stack
from include.sets.examples import get_training_set, open_rows, stream_share
from include.settings import HOME
from include.warehouse import connect

GOAL = 2
TURNS, SHARES = 5, 4
# The first of two months trains.
MONTHS = ("2024-01", "2024-02")
DEFAULT_ROWS = "1000000"
WAYS: dict[str, Callable[[str, int], Any]] = {
    "all columns": lambda url, version: open_rows(url, version, ["train"]).load(),
    "targets": lambda url, version: open_rows(url, version, ["train"]).target,
    f"one share of {SHARES}": lambda url, version: list(stream_share(url, version, "train", 0, SHARES)),
}
_KEPT_APART = "CREATE TABLE public.parts AS SELECT version, parts FROM training.files"
_FROM_POSTGRES = "UPDATE training.files SET parts = NULL"
_FROM_FILES = "UPDATE training.files f SET parts = p.parts FROM public.parts p WHERE p.version = f.version"

Cost = tuple[float, float]


def run() -> Report:
    """Reads the same rows from both, by turns."""
    rows = os.environ.get("READING_ROWS") or DEFAULT_ROWS
    seconds: dict[str, float] = {}

    def do(name: str, function: Callable[..., Any], *arguments: Any) -> Any:
        begun = time.perf_counter()
        result = function(*arguments)
        seconds[name] = time.perf_counter() - begun
        return result

    with running_stack(("postgres",)) as stack:
        url = stack.warehouse_url
        version = publish_set(
            url,
            settings_of(
                {"SOURCE": "sample", "ZONES_SOURCE": "sample", "SAMPLE_ROWS": rows},
                months=MONTHS,
                parquet_location=str(HOME / "sets"),
                parquet_minimum_rows=1,
            ),
            do,
        )
        with connect(url) as connection:
            connection.execute(_KEPT_APART)
            # Some of the month's rows are rejected.
            count = get_training_set(url, version).counts["train"]
            size = connection.execute(f"SELECT pg_table_size('training.examples_{version}')").fetchone()
        kept = sum(path.stat().st_size for path in (HOME / "sets").rglob("*.parquet"))
        measured = [_compare(stack, version, name) for name in WAYS]
    assert size
    return Report(
        "Reading a training set from Postgres and from Parquet files",
        f"at most 1/{GOAL} of the time",
        ["what is read", "Postgres", "Parquet", "wall time", "processor time"],
        measured,
        [
            f"synthetic sample, {count:,} rows in the training split; {TURNS} turns, medians; files on this disk",
            "wall time, and processor time of the reader and of Postgres together",
            f"all splits take {size[0] / 1e6:.0f} MB in Postgres, {kept / 1e6:.0f} MB as files",
            f"to publish the set with its files took {seconds['publish']:.1f} of {sum(seconds.values()):.0f} s",
        ],
    )


def _compare(stack: Stack, version: int, name: str) -> list[str]:
    costs: dict[str, list[Cost]] = {_FROM_POSTGRES: [], _FROM_FILES: []}
    for _ in range(TURNS):
        for statement, found in costs.items():
            with connect(stack.warehouse_url) as connection:
                connection.execute(statement)
            found.append(_measure(stack, version, WAYS[name]))
    postgres, files = costs.values()
    ratios = [median(one[part] / two[part] for one, two in zip(files, postgres, strict=True)) for part in range(2)]
    return [name, _show(postgres), _show(files), *(f"{ratio:.2f}" for ratio in ratios)]


def _measure(stack: Stack, version: int, read: Callable[[str, int], Any]) -> Cost:
    before, own, begun = measure_programs(stack), time.process_time(), time.perf_counter()
    read(stack.warehouse_url, version)
    wall, own = time.perf_counter() - begun, time.process_time() - own
    time.sleep(0.5)  # a server process that has ended is counted when its parent has noticed
    return wall, own + measure_programs(stack)["postgres"] - before["postgres"]


def _show(costs: list[Cost]) -> str:
    wall, processor = (median(cost[part] for cost in costs) for part in range(2))
    return f"{wall:.2f} s, {processor:.2f} s"
