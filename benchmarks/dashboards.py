"""How long a page of the dashboards takes on the server, all of its charts one after the other."""

import os
from statistics import median
from time import perf_counter

from benchmarks.champion import register, train
from benchmarks.dashboard_data import DAGS, RUNS, TRIALS, store_history
from benchmarks.report import Report
from benchmarks.running import running_stack
from include.embedded.stack import Stack

REPEATS = 15
GOAL_MS = 300
# Everything that is stored, and what a page shows unless it is told otherwise.
PERIODS = {"30 days": "?days=30", "all": "?days=0"}


def run() -> Report:
    """Asks for pages in this process: no network, but everything that the server does for them."""
    rows = []
    trained = train()
    with running_stack(("postgres", "mlflow", "api-server")) as stack:
        store_history(stack, trained)
        register(stack, trained)
        rows = measure_pages(stack)
    return Report(
        "Pages of the dashboards",
        f"a page with all of its charts in at most {GOAL_MS} ms (p50)",
        ["page", "period", "page alone", "slowest chart", "with all charts (p50)", "slowest of all"],
        rows,
        [
            f"{RUNS:,} runs with 5 tasks each and {TRIALS:,} trials over a year",
            f"{REPEATS} looks at each page after a first one; charts one after the other, on one core",
        ],
    )


def measure_pages(stack: Stack) -> list[list[str]]:
    """A row for each page and period."""
    os.environ["MLFLOW_TRACKING_URI"] = stack.mlflow_address
    from airflow.utils.session import create_session
    from fastapi.testclient import TestClient

    from include.dashboards.app import create_app
    from include.dashboards.context import Sources, Viewer
    from include.dashboards.drawing.charts import charts_of
    from include.dashboards.pages import PAGES
    from include.settings import read_settings

    # Without the tag of a DAG, a model is nobody's to see.
    readable = frozenset({*DAGS, "prediction", ""})
    viewer = Viewer("benchmark", readable, readable)
    app = create_app(lambda: viewer, Sources(lambda: stack.warehouse_url, read_settings, create_session))
    rows, problem = [], read_settings().problem
    with TestClient(app) as client:

        def ask(path: str) -> float:
            begun = perf_counter()
            answer = client.get(path)
            assert answer.status_code == 200, f"{path}: {answer.text[:300]}"
            assert '"kind": "error"' not in answer.text, f"{path}: {answer.text[:300]}"
            return 1000 * (perf_counter() - begun)

        for page in PAGES:
            for period, query in PERIODS.items():
                paths = [f"/{page}{query}", *(f"/charts/{chart.name}{query}" for chart in charts_of(page, problem))]
                looks = [[ask(path) for path in paths] for _ in range(REPEATS + 1)][1:]
                whole = [sum(look) for look in looks]
                medians = {path: median(look[at] for look in looks) for at, path in enumerate(paths)}
                slowest = max(paths[1:] or paths, key=medians.__getitem__)
                name = slowest.split("/")[-1].partition("?")[0]
                rows.append(
                    [page, period, f"{medians[paths[0]]:.0f} ms", f"{name}, {medians[slowest]:.0f} ms",
                     f"{median(whole):.0f} ms", f"{max(whole):.0f} ms"]
                )  # fmt: skip
    return rows
