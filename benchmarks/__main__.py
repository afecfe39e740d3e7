"""`python -m benchmarks [names]`: measures, prints each table and writes it to benchmarks/results."""

import argparse
import shutil
import sys
import tempfile
import traceback
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from benchmarks.report import measure

NAMES = (
    "parse", "gate", "trial", "ingest", "memory", "idle", "job", "rest", "batch", "serving", "dashboards", "tables",
    "watching", "intervals", "accuracy", "automl", "workers", "scale", "reading",
)  # fmt: skip
RESULTS = Path(__file__).parent / "results"


def main() -> int:
    """Measures the benchmarks named on the command line, or all, each in a process of its own.

    Returns:
        1 where one of them failed, which does not keep the others from being measured.
    """
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=f"of: {', '.join(NAMES)}; all of them without one")
    names = parser.parse_args().names
    if unknown := set(names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; choose of: {', '.join(NAMES)}")
    RESULTS.mkdir(exist_ok=True)
    failed: list[str] = []
    for name in names or NAMES:
        home = Path(tempfile.mkdtemp(prefix="mltrain-bench-"))
        # The embedded Postgres runs as another user under root.
        home.chmod(0o755)
        try:
            with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
                table = pool.submit(measure, name, str(home)).result()
        except Exception:
            traceback.print_exc()
            failed.append(name)
            continue
        finally:
            shutil.rmtree(home, ignore_errors=True)
        (RESULTS / f"{name}.md").write_text(table, encoding="utf-8")
        print(table, flush=True)
    if failed:
        print(f"Failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
