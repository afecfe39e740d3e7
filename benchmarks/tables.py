"""Tables of any kind, from a file to a served champion: its error beside that of untuned models, and its time."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.report import Report
from include.embedded.lifecycle import find_running, reset
from include.problem.problem_file import PROBLEMS
from include.sets.examples import load_split, read_problem_of
from include.settings import HOME, ROOT

EVALUATIONS = "5"
MOST_CATEGORIES = 200
GOAL_RATIO = 1.05
NAME = "benchmark"


@dataclass(frozen=True)
class Table:
    """A table, and what a person has to say of it.

    Attributes:
        file: Below the directory of tables; `{month}` in it is a month.
        given: Keys of `make problem` beside NAME, SOURCE and TARGET.
        expected: What is known to be right: a promotion, or that no model beats the best baseline.
        make: Writes the file, where it is a made-up one.
    """

    name: str
    file: str
    target: str
    given: Mapping[str, str] = field(default_factory=dict)
    expected: str = "promoted"
    make: Callable[[], pd.DataFrame] | None = None


def make_classes(rows: int, classes: int, rarest: float) -> pd.DataFrame:
    """A made-up table with a class of that share, and all others alike."""
    from sklearn.datasets import make_classification

    shares = [(1 - rarest) / (classes - 1)] * (classes - 1)
    # Half a percent of the labels are drawn by chance, whatever the columns say.
    values, target = make_classification(
        rows, 12, n_informative=6, n_classes=classes, weights=shares, flip_y=0.005, random_state=42
    )
    frame = pd.DataFrame(values, columns=[f"measured_{number}" for number in range(values.shape[1])])
    return frame.assign(kind=[f"kind {number}" for number in target])


CLASSES = {"TASK": "classification"}
ENERGY = {"TIME": "Time", "TIMEZONE": "Australia/Melbourne"}
TABLES = (
    Table("insurance", "insurance/insurance.csv", "charges"),
    Table("used cars", "cars_used/car_details.csv", "selling_price"),
    Table("house prices", "house_prices_ames/AmesHousing.csv", "SalePrice"),
    Table(
        "rented bikes",
        "bike_seoul/SeoulBikeData.csv",
        "Rented Bike Count",
        {"TIME": "Date,Hour", "TIMEZONE": "Asia/Seoul"},
    ),
    Table(
        "flights",
        "flights_nyc/flights_{month}.csv.gz",
        "arr_delay",
        {
            "MONTHS": "2013-01,2013-02,2013-03",
            "TIME": "time_hour",
            "TIMEZONE": "America/New_York",
            "KNOWN_LATER": "dep_delay,dep_time,arr_time,air_time",
        },
        expected="none",
    ),
    Table("energy, a week ahead", "energy_victoria/vic_elec.parquet", "Demand", {**ENERGY, "HORIZON": "336"}),
    Table("energy, one step", "energy_victoria/vic_elec.parquet", "Demand", {**ENERGY, "HORIZON": "1"}, "none"),
    Table(
        "weekly sales",
        "retail_walmart/walmart_store_sales.csv",
        "Weekly_Sales",
        {"TIME": "Date", "TIME_FORMAT": "%d-%m-%Y", "SERIES": "Store", "HORIZON": "1"},
        expected="none",
    ),
    Table("churn", "churn_telco/Telco-Customer-Churn.csv", "Churn", {**CLASSES, "POSITIVE": "Yes"}),
    Table(
        "one in a hundred",
        "one_in_a_hundred.csv",
        "kind",
        {**CLASSES, "POSITIVE": "kind 1"},
        make=partial(make_classes, 20_000, 2, 0.01),
    ),
    Table("five classes", "five_classes.csv", "kind", CLASSES, make=partial(make_classes, 10_000, 5, 0.2)),
)


def run() -> Report:
    """Takes each table from its file to a champion through a stack of its own."""
    directory = find_directory()
    rows, failures = [], []
    for table in filter(is_wanted, TABLES):
        try:
            rows.append(_measure(table, directory))
        except RuntimeError as error:
            # What the other tables took minutes for is not to be lost.
            rows.append([table.name, "", "failed", *[""] * 4, table.expected, ""])
            failures.append(f"{table.name}: {str(error).splitlines()[-1]}".replace(str(directory), "TABLES"))
    return Report(
        "Tables of any kind",
        f"the champion's error on the rows that judge at most {GOAL_RATIO} of the better untuned model's, or no"
        " promotion where no model beats the best baseline; within 300 s",
        [
            "table",
            "rows",
            "champion",
            "error",
            "best untuned",
            "ratio",
            "best baseline",
            "expected",
            "seconds",
        ],
        rows,
        [
            f"{EVALUATIONS} trials per model type; a stack from nothing for each table, with packages installed",
            "error: RMSE; of classes the log loss",
            "untuned: HistGradientBoosting and XGBoost, fitted on the rows that the judged twin has learned from",
            *failures,
        ],
    )


def is_wanted(table: Table) -> bool:
    """Whether BENCHMARK_TABLES, names between semicolons, holds the table; without it, all are wanted."""
    wanted = [name.strip() for name in os.environ.get("BENCHMARK_TABLES", "").split(";") if name.strip()]
    return not wanted or table.name in wanted


def find_directory() -> Path:
    """The directory of tables, TABLES."""
    return Path(os.environ.get("TABLES") or ROOT.parent / "shared" / "data" / "tables").resolve()


def _measure(table: Table, directory: Path) -> list[str]:
    with declare(table, directory):
        begun = time.monotonic()
        try:
            _call("include.embedded", "run", {"PROBLEM": NAME, "MAX_EVALUATIONS": EVALUATIONS})
            seconds = time.monotonic() - begun
            report = json.loads((HOME / "run.json").read_text(encoding="utf-8"))
            stack = find_running(HOME)
            assert stack
            untuned = min(_fit_untuned(stack.warehouse_url).values())
        finally:
            reset(HOME)
    champion = report["champion"]
    # Without a test split, as where months are named, the validation split judges.
    error = (champion["errors"]["test"] or champion["errors"]["validation"]) if champion else None
    name, baseline = min(report["baselines"].items(), key=lambda item: item[1])
    return [
        table.name,
        f"{sum(report['rows'].values()):,}",
        champion["name"] if champion else "none",
        _show(error) if error else "",
        _show(untuned),
        f"{error / untuned:.2f}" if error else "",
        f"{_show(baseline)} ({name})",
        table.expected,
        f"{seconds:.0f}",
    ]


def _show(error: float) -> str:
    return f"{error:,.1f}" if error > 10 else f"{error:.4f}"


@contextmanager
def declare(table: Table, directory: Path) -> Iterator[str]:
    """Declares the table as a person does, by `make problem`; the name of the problem, which is gone afterwards."""
    folder = PROBLEMS / NAME
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as made:
        if table.make:
            directory = Path(made)
            table.make().to_csv(directory / table.file, index=False)
        keys = {"NAME": NAME, "SOURCE": f"file://{directory}/{table.file}", "TARGET": table.target, **table.given}
        try:
            _call("include.declaring", "", keys)
            yield NAME
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def _call(module: str, command: str, keys: Mapping[str, str]) -> None:
    words = [sys.executable, "-m", module, *filter(None, [command])]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env={**os.environ, **keys},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(words[1:])}: {done.stdout[-3000:]}{done.stderr[-2000:]}")


def _fit_untuned(url: str) -> dict[str, float]:
    """Errors on the rows that judge, those of the test split, else of the validation split, after the training split.

    The twin that is judged has learned from the training split alone.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from xgboost import XGBClassifier, XGBRegressor

    problem = read_problem_of(url, 1)
    learned = load_split(url, 1, "train")
    test = load_split(url, 1, "test")
    judged = test if len(test) else load_split(url, 1, "validation")
    rows, judged_rows = _encode([learned.rows, judged.rows])
    gradient, xgb = (
        (HistGradientBoostingClassifier, XGBClassifier)
        if problem.labels
        else (HistGradientBoostingRegressor, XGBRegressor)
    )
    models = {
        "HGB": gradient(random_state=0, categorical_features="from_dtype"),
        "XGB": xgb(enable_categorical=True, random_state=0),
    }
    errors = {}
    for name, model in models.items():
        fitted = model.fit(rows, learned.target)
        predicted = fitted.predict_proba(judged_rows) if problem.labels else fitted.predict(judged_rows)
        errors[name] = problem.objective.measure_error(judged.target, predicted)
    return errors


def _encode(parts: list[Any]) -> list[pd.DataFrame]:
    """Texts as categories, the most frequent of those learnt; times as year, month, day, weekday, hour and minute."""
    frames = [pd.DataFrame({name: pd.Series(values) for name, values in rows.items()}) for rows in parts]
    for name in map(str, frames[0]):
        if frames[0][name].dtype.kind == "M":
            for frame in frames:
                times = frame.pop(name).dt
                for part in ("year", "month", "day", "weekday", "hour", "minute"):
                    frame[f"{name}_{part}"] = getattr(times, part)
                frame[f"{name}_days"] = times.normalize().astype("int64") / 86_400_000_000
        elif frames[0][name].dtype.kind not in "fiu":
            known = pd.concat([frame[name] for frame in frames[:-1]]).value_counts().index[:MOST_CATEGORIES]
            for frame in frames:
                frame[name] = pd.Categorical(frame[name], categories=known)
    return frames
