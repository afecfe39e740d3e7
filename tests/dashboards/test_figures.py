from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from include.dashboards.drawing.figures import counted, short, stacked_bars
from include.dashboards.drawing.outcomes import NumberOutcome
from include.dashboards.drawing.palette import BAD, GOOD, MUTED, PALE, color_of, template
from include.dashboards.drawing.tables import Cell, show_age, show_bytes, show_seconds
from include.dashboards.pages import (
    data,
    data_sets,
    data_watch,
    explainability,
    overview_alarms,
    overview_errors,
    overview_sets,
    pipeline,
    training_run,
    training_run_details,
)
from include.dashboards.playground import Predicted, draw_predictions
from include.dashboards.reading.explanations import Explained, show_value
from include.models.explanation import Explanation
from include.models.factors import tick_factors
from include.models.scale import Scale
from include.problem.parts import Column
from include.settings import Settings
from tests.classified import LEAVING
from tests.rentals import RENTALS

PROBLEM = Settings().problem
NAMES = {"station": {"7": "Harbour"}}
LASSO, GAMMA = "linear_model.Lasso", "gbtree.gamma"
JOB = "Senior consultant for regulatory affairs and quality management (part time)"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def trace(figure: Any, at: int = 0) -> dict[str, Any]:
    """One trace as plain values."""
    return figure.to_dict()["data"][at]


def trained(model: str, loss: float, days: int = 0, version: int = 1, run_key: str = "sklearn_training/a") -> dict:
    """What a run came to with one model type."""
    return {"model": model, "loss": loss, "finished_at": NOON + timedelta(days=days), "set_version": version,
            "run_key": run_key, "runs": 1}  # fmt: skip


def test_error_over_time_is_a_line_for_each_model() -> None:
    rows = [
        trained(LASSO, 6.0),
        trained(LASSO, 5.5, days=1),
        trained(GAMMA, 5.0),
    ]
    drawn = overview_errors.error_over_time(rows, PROBLEM)
    assert [(t.name, list(t.y)) for t in drawn.data] == [("Lasso", [6.0, 5.5]), (GAMMA, [5.0])]
    assert [t.line.color for t in drawn.data] == [color_of(LASSO), color_of(GAMMA)]
    assert drawn.layout.yaxis.title.text == "validation RMSE, minutes"
    thinned = overview_errors.error_over_time([{**rows[0], "runs": 3}, rows[1]], PROBLEM).data[0]
    assert [told for *_, told in thinned.customdata] == [", mean of 3 runs", ""]


def test_errors_on_an_earlier_training_set_are_pale_and_the_change_is_marked() -> None:
    rows = [trained(LASSO, 4.0), trained(LASSO, 5.5, days=1, version=2), trained(GAMMA, 5.0)]
    before, now, other = (drawn := overview_errors.error_over_time(rows, PROBLEM)).data
    assert [(t.name, list(t.y), t.opacity) for t in (before, now, other)] == [
        ("Lasso", [4.0], PALE), ("Lasso", [5.5], 1), (GAMMA, [5.0], PALE),
    ]  # fmt: skip
    assert [t.showlegend for t in (before, now, other)] == [False, True, True]
    [line], [text] = drawn.layout.shapes, drawn.layout.annotations
    assert text.font.color is None, "it is that of the theme"
    assert (line.x0, line.x1, text.text) == (NOON + timedelta(days=1), NOON + timedelta(days=1), "set 2")
    bars = overview_errors.error_per_run([rows[0], {**rows[1], "run_key": "sklearn_training/b"}], PROBLEM).data[0]
    assert list(bars.marker.opacity) == [PALE, 1]


def test_single_moment_stands_in_the_middle_of_an_hour() -> None:
    drawn = overview_errors.error_over_time([trained(LASSO, 6.0)], PROBLEM)
    assert list(drawn.layout.xaxis.range) == [NOON - timedelta(minutes=30), NOON + timedelta(minutes=30)]


def test_error_per_run_puts_the_models_of_a_run_side_by_side() -> None:
    rows = [
        trained(LASSO, 6.0, run_key="sklearn_training/a"),
        trained("linear_model.LinearRegression", 7.0, run_key="sklearn_training/a"),
        trained(GAMMA, 5.0, run_key="xgboost_training/b"),
    ]
    drawn = overview_errors.error_per_run(rows, PROBLEM)
    assert [(t.name, list(t.x), list(t.y), t.offsetgroup) for t in drawn.data] == [
        ("Lasso", [0], [6.0], "0"),
        ("LinearRegression", [0], [7.0], "1"),
        (GAMMA, [1], [5.0], "0"),
    ]


def test_counts_become_a_histogram_of_the_same_ranges() -> None:
    rows = [
        {"model": LASSO, "low": 5.0, "high": 5.5, "trials": 3},
        {"model": LASSO, "low": 5.5, "high": 6.0, "trials": 1},
    ]
    drawn = trace(counted(rows, "low", "high", "trials", "model"))
    assert (drawn["x"], drawn["y"], drawn["width"]) == ([5.25, 5.75], [3, 1], [0.5, 0.5])


def test_stacks_of_many_small_parts_are_counted_by_their_whole_height() -> None:
    months = [f"{year}-{month:02}" for year in (2022, 2023) for month in range(1, 13)]
    left_out = data.rejected_rows([{"month": month, "rule": "distance: below 0", "rows": 5} for month in months])
    errors = counted(
        [{"model": model, "low": 5.0, "high": 5.5, "trials": 5} for model in (LASSO, GAMMA)],
        "low", "high", "trials", "model",
    )  # fmt: skip
    splits = overview_sets.training_set_rows([{"version": 1, "split": s, "rows": 5} for s in ("train", "test")])
    runs = pipeline.runs_a_day([{"day": NOON, "state": state, "runs": 5} for state in ("success", "failed")])
    axes = [left_out.layout.xaxis, errors.layout.yaxis, splits.layout.yaxis, runs.layout.yaxis]
    assert [(axis.dtick, axis.tickformat) for axis in axes] == [(None, ",d")] * 4


def test_runs_by_model_as_bars_and_as_shares() -> None:
    rows = [{"model": LASSO, "runs": 3}, {"model": GAMMA, "runs": 1}]
    assert trace(overview_errors.runs_by_model(rows))["x"] == [3, 1]
    pie = trace(overview_errors.share_of_runs(rows))
    assert (pie["labels"], pie["values"]) == (["Lasso", GAMMA], [3, 1])


def test_counts_below_six_have_no_halves() -> None:
    assert overview_errors.runs_by_model([{"model": LASSO, "runs": 2}]).layout.xaxis.dtick == 1


def test_times_of_runs_are_said_to_be_utc() -> None:
    rows = [trained(LASSO, 6.0)]
    over_time, per_run = overview_errors.error_over_time(rows, PROBLEM), overview_errors.error_per_run(rows, PROBLEM)
    assert "%H:%M UTC" in over_time.data[0].hovertemplate
    assert per_run.data[0].customdata[0][1] == "01 Mar 12:00 UTC"
    assert [drawn.layout.xaxis.title.text for drawn in (over_time, per_run)] == ["time, UTC", "run, time in UTC"]
    reaction = pipeline.reaction_times([{"dag_id": "d", "run_after": NOON, "seconds": 1.0}])
    assert "%H:%M UTC" in reaction.data[0].hovertemplate
    week = [{"model_version": "2", "week": date(2024, 2, 19), "error": 4.0, "rows": 9}]
    assert "UTC" not in overview_alarms.live_error(week, PROBLEM).data[0].hovertemplate, "a day has no time"


def test_baselines_are_shown_with_the_errors_of_each_split() -> None:
    errors = {"validation": {"rmse": 9.0, "mae": 7.0}, "test": {"rmse": 8.0, "mae": 6.0}}
    rows = [{"version": 1, "name": "mean", "split": split, "errors": errors[split]} for split in errors]
    shown = overview_sets.baselines(rows, PROBLEM).rows
    assert shown == [("mean", "validation", "9", "7"), ("mean", "test", "8", "6")]


def test_training_set_versions_show_rows_size_and_state() -> None:
    row = {"version": 3, "months": ["2024-01", "2024-02"], "rows": 1234, "size": 2_500_000,
           "state": "published", "at": NOON}  # fmt: skip
    [shown] = overview_sets.training_set_versions([row]).rows
    assert shown == (3, "2024-01, 2024-02", "1,234", "2.5 MB", Cell("published", tone="good"), NOON)
    [shown] = overview_sets.training_set_versions([{**row, "size": None, "state": "superseded"}]).rows
    assert shown[3] == "dropped"


DRIFT = {"psi": 0.3, "drifted": True, "window_start": date(2024, 2, 19), "champion_version": 2, "champion_now": 2,
         "threshold": 0.2, "missing": 0.0, "missing_learnt": 0.0, "unseen": None}  # fmt: skip


def test_drifted_columns_stand_out() -> None:
    rows = [
        {**DRIFT, "column_name": "trip_distance", "psi": 0.4, "drifted": True},
        {**DRIFT, "column_name": "hour", "psi": 0.01, "drifted": False},
    ]
    drawn = overview_alarms.newest_drift(rows)
    marker = trace(drawn)["marker"]
    assert list(marker["color"]) == [BAD, GOOD]
    assert list(marker["pattern"]["shape"]) == ["/", ""], "without color, too"
    assert [shape.x0 for shape in drawn.layout.shapes] == [0.2], "the threshold"
    assert drawn.layout.xaxis.title.text.endswith("\nagainst v2, week of 19 Feb 2024")


def test_drift_of_a_former_champion_is_grey_and_says_that_the_new_one_is_not_measured() -> None:
    drawn = overview_alarms.newest_drift([{**DRIFT, "champion_now": 4, "column_name": "hour", "drifted": True}])
    assert list(trace(drawn)["marker"]["color"]) == [MUTED]
    assert drawn.layout.xaxis.title.text.endswith("champion is now v4, not measured yet")
    by_week = data_watch.drift_by_column([{**DRIFT, "champion_now": 4, "column_name": "hour", "drifted": True}])
    assert by_week.layout.xaxis.title.text.endswith("champion is now v4, not measured yet")


def test_live_error_says_which_targets_count() -> None:
    rows = [{"model_version": "2", "week": date(2024, 2, 19), "error": 4.0, "rows": 9}]
    drawn = overview_alarms.live_error(rows, Settings().problem)
    assert drawn.layout.xaxis.title.text == "rows with a target of 1 to 60 minutes only"


def test_runs_a_day_are_stacked_by_state_and_end_today() -> None:
    rows = [{"day": NOON, "state": "success", "runs": 3}, {"day": NOON, "state": "failed", "runs": 1}]
    drawn = pipeline.runs_a_day(rows)
    today = datetime.now(UTC).date()
    assert drawn.layout.xaxis.range[1].date() == today
    assert [(t.name, list(t.y)) for t in drawn.data] == [("success", [3]), ("failed", [1])]
    assert drawn.layout.barmode == "stack"


def test_task_durations_keep_mapped_models_apart() -> None:
    rows = [
        {"dag_id": "d", "task_id": "tune", "label": LASSO, "tasks": 4, "median": 9.0, "p90": 12.0},
        {"dag_id": "d", "task_id": "tune", "label": GAMMA, "tasks": 4, "median": 7.0, "p90": 7.5},
        {"dag_id": "d", "task_id": "register", "label": "", "tasks": 4, "median": 2.0, "p90": 2.0},
    ]
    drawn = trace(pipeline.task_durations(rows))
    assert drawn["y"] == ["tune Lasso", "tune gbtree.gamma", "register"]
    assert (drawn["x"], drawn["error_x"]["array"]) == ([9.0, 7.0, 2.0], [3.0, 0.5, 0.0])


def test_failed_runs_link_to_their_run() -> None:
    row = {
        "dag_id": "d",
        "run_id": "r+1",
        "run_after": NOON,
        "start_date": NOON,
        "end_date": NOON + timedelta(minutes=3),
        "note": None,
        "tasks": "fit, load",
    }
    [(run, why, at, lasted)] = pipeline.failed_runs([row]).rows
    assert (run.text, run.to, run.tone, at, lasted) == ("✖ d", "/dags/d/runs/r%2B1", "bad", NOON, "3 min")
    assert why == "failed: fit, load"
    reasons = [{**row, "note": "No champion."}, {**row, "tasks": None}]
    assert [why for _, why, *_ in pipeline.failed_runs(reasons).rows] == [
        "No champion.", "no task failed: the run was ended as a whole",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("schedule", "assets", "airflow_says", "words"),
    [
        (None, None, None, "by hand or REST API"),
        ("None", None, "Never, external triggers only", "by hand or REST API"),
        ("0 3 * * *", None, None, "0 3 * * *"),
        ("*/5 * * * *", None, "Every 5 minutes", "every 5 minutes (*/5 * * * *)"),
        ("Asset", {"all": [{"asset": {"name": "a", "uri": "u"}}]}, "Triggered by assets", "asset a"),
        ("Asset", {"any": [{"asset": {"name": "b"}}, {"all": [{"asset": {"name": "a"}}]}]}, None, "asset a or b"),
        ("Asset or 0 6 * * *", {"all": [{"asset": {"name": "a"}}]}, "Triggered by assets or At 06:00",
         "asset a, or at 06:00 (0 6 * * *)"),
    ],
)  # fmt: skip
def test_trigger_is_described_in_words_schedule_and_assets(
    schedule: str | None, assets: Any, airflow_says: str | None, words: str
) -> None:
    assert pipeline.describe_trigger(schedule, assets, airflow_says) == words


def test_error_by_trial_shows_the_best_so_far() -> None:
    rows = [{"model": LASSO, "number": at, "loss": loss} for at, loss in enumerate([6.0, 7.0, 5.0])]
    points, best = training_run.error_by_trial(rows, PROBLEM).data
    assert (list(points.y), list(best.y)) == ([6.0, 7.0, 5.0], [6.0, 6.0, 5.0])


def test_models_are_compared_by_each_measure() -> None:
    metrics = {"rmse": 6.0, "mae": 4.0, "p50_error": 3.0, "p90_error": 9.0}
    drawn = training_run.models_compared([{"model": LASSO, "metrics": metrics}], PROBLEM)
    assert [(t.name, t.y[0]) for t in drawn.data] == [
        ("RMSE", 6.0), ("MAE", 4.0), ("median error", 3.0), ("90th percentile of errors", 9.0),
    ]  # fmt: skip


def test_parameters_have_an_axis_each_by_magnitude_where_they_were_drawn_so() -> None:
    rows = [
        {
            "model": LASSO,
            "number": 0,
            "loss": 6.0,
            "parameters": {"alpha": 0.01, "selection": "cyclic", "max_iter": 10},
        },
        {"model": LASSO, "number": 1, "loss": 5.0, "parameters": {"alpha": 0.1, "selection": "random", "max_iter": 20}},
    ]
    axes = {
        axis["label"]: axis for axis in trace(training_run_details.parameters_of_trials(rows, PROBLEM))["dimensions"]
    }
    assert axes["alpha"]["values"] == pytest.approx([-2, -1])
    assert list(axes["alpha"]["ticktext"]) == ["0.01", "0.1"]
    assert (list(axes["selection"]["values"]), list(axes["selection"]["ticktext"])) == ([0, 1], ["cyclic", "random"])
    assert list(axes["max_iter"]["values"]) == [10, 20]
    assert all(isinstance(tick, int) for tick in axes["max_iter"]["tickvals"])
    assert list(axes["RMSE of Lasso"]["values"]) == [6.0, 5.0]


def test_slices_stand_in_the_order_of_their_bands() -> None:
    row = {"model": LASSO, "slicing": "distance", "rows": 5, "mae": 1.0, "p90_error": 2.0}
    rows = [{**row, "value": "over 8 miles", "rmse": 7.0}, {**row, "value": "under 1 mile", "rmse": 2.0}]
    rows = [{**each, "shown": each["value"]} for each in rows]
    drawn = trace(training_run_details.slices(rows, PROBLEM))
    assert (list(drawn["y"][1]), list(drawn["x"])) == (["under 1 mile", "over 8 miles"], [2.0, 7.0])
    assert drawn["hovertemplate"] == (
        "RMSE %{x:,.4~r}, MAE %{customdata[1]:,.4~r}, 90th percentile %{customdata[2]:,.4~r} minutes,"
        " %{customdata[0]:,} trips<extra></extra>"
    )
    assert [list(each) for each in drawn["customdata"]] == [[5, 1.0, 2.0]] * 2


def test_slices_of_long_categories_are_cut_and_told_apart() -> None:
    values = [f"{JOB}, {place}" for place in ("north", "south")]
    named = training_run_details._name_slices([{"slicing": "job", "value": value} for value in values], PROBLEM, {})
    assert [row["shown"] for row in named] == [f"{JOB[:40]}...", f"{JOB[:40]}... (2)"]


def test_waterfall_adds_up_to_the_prediction_and_joins_the_weak() -> None:
    names = tuple(f"f{at}" for at in range(12))
    explanation = Explanation(names, np.arange(12.0)[None], np.array([10.0]), "minutes")
    drawn = trace(explainability.waterfall(explanation, 0, {"f11": "3.6"}, "minutes"))
    assert list(drawn["x"][:3]) == ["mean", "f11\n= 3.6", "f10"]
    assert list(drawn["x"][-2:]) == ["all others", "prediction"]
    assert drawn["y"][-2] == 0 + 1 + 2
    assert drawn["text"][-1] == "76"


def test_waterfall_of_a_log_link_is_in_the_unit_with_steps_as_factors() -> None:
    steps, start = np.log([[0.5, 3.0]]), np.log([20.0])
    explanation = Explanation(("a", "b"), steps, start, "log minutes", "the prediction", Scale("log"))
    drawn = explainability.waterfall(explanation, 0, {}, "minutes")
    assert drawn.layout.yaxis.title.text == "minutes"
    assert list(drawn.data[0].y) == pytest.approx([20.0, 40.0, -30.0, 0.0]), "b, the stronger, first"
    assert list(drawn.data[0].text) == ["20", "x 3.00", "x 0.50", "30"]
    assert drawn.data[0].increasing.marker.color != drawn.data[0].decreasing.marker.color


def test_contributions_that_multiply_are_factors_on_the_prediction_and_percentages_of_it() -> None:
    steps, start = np.log([[0.5], [3.0]]), np.log([20.0, 20.0])
    explanation = Explanation(("a",), steps, start, "log minutes", "the prediction", Scale("log"))
    explained: Any = SimpleNamespace(explanation=explanation, values={}, texts=[{"a": "9"}, {"a": "20"}])
    rows = [{"explained": explained, "row": 0}]
    assert explainability.beeswarm(rows, PROBLEM).layout.xaxis.title.text == "factor on the prediction"
    drawn = explainability.mean_contributions(rows, PROBLEM)
    assert drawn.layout.xaxis.title.text == "mean change, % of the prediction"
    assert list(drawn.data[0].x) == pytest.approx([100 * (np.sqrt(6) - 1)])


def test_contributions_to_a_small_target_stand_apart() -> None:
    explanation = Explanation(("a",), np.linspace(-2e-5, 2e-5, 250)[:, None], np.zeros(250), "")
    explained: Any = SimpleNamespace(explanation=explanation, values={}, texts=[{"a": "9"}] * 250)
    points = explainability.beeswarm([{"explained": explained, "row": 0}], PROBLEM).data[0]
    assert len(set(points.x)) == 250


def test_points_of_equal_value_are_moved_apart() -> None:
    offsets = explainability._spread(np.array([1.0, 1.0, 1.0, 9.0]))
    assert len(set(offsets[:3])) == 3
    assert offsets[3] == 0
    assert np.abs(offsets).max() <= 0.4


def test_values_are_colored_by_rank_with_the_missing_in_the_middle() -> None:
    assert explainability._ranks(np.array([1.0, np.nan, 1000.0, 3.0])).tolist() == [0, 0.5, 1, 0.5]


@pytest.mark.parametrize(
    ("column", "value", "shown"),
    [
        ("temperature", 21.456, "21.46"),
        ("holiday", True, "yes"),
        ("holiday", False, "no"),
        ("holiday", None, "unknown"),
        ("at_hour", datetime(2024, 1, 5, 18), "2024-01-05 18:00"),
        ("station", 7, "Harbour"),
    ],
)
def test_value_of_a_row_is_shown_as_people_read_it(column: str, value: object, shown: str) -> None:
    assert show_value(RENTALS.columns[column], NAMES, value) == shown


@pytest.mark.parametrize("kind", ["category", "text"])
def test_long_value_of_a_row_is_cut(kind: str) -> None:
    assert show_value(Column(name="job", kind=kind), {}, JOB) == f"{JOB[:40]}..."


def test_row_that_a_model_has_learnt_from_is_not_called_one_that_it_has_not_seen() -> None:
    details = []
    for has_twin in (False, True):
        version: Any = SimpleNamespace(label="Lasso v2", has_twin=has_twin)
        outcomes = [NumberOutcome(9.0, None, "minutes")]
        row = {"pickup_at": None, "pickup_zone": 1, "dropoff_zone": 2, "trip_distance": 1.5, "target": 10.0}
        explained = Explained(Settings().problem, {}, version, [row], outcomes, None, {}, [{}])
        facts = explainability.picked_row([{"explained": explained, "row": 0}]).facts
        details.append(facts[-1].detail)
    assert details == ["from the validation split", "a row that this model has learnt from"]


@pytest.mark.parametrize(("actual", "tone"), [(13.9, ""), (14.1, "bad"), (5.9, "bad")])
def test_row_whose_actual_value_is_outside_of_its_interval_is_marked(actual: float, tone: str) -> None:
    trip = {"pickup_at": datetime(2024, 1, 5, 18), "pickup_zone": 1, "dropoff_zone": 2, "trip_distance": 1.5}
    version: Any = SimpleNamespace(label="Lasso v2", has_twin=False)
    rows = [{**trip, "target": actual}]
    outcomes = [NumberOutcome(9.0, (6.0, 14.0), "minutes")]
    explained = Explained(Settings().problem, {}, version, rows, outcomes, None, {}, [{}])
    facts = explainability.picked_row([{"explained": explained, "row": 0}]).facts
    assert [(fact.label, fact.tone) for fact in facts] == [("Predicted", ""), ("Actual", ""), ("Error", tone)]
    assert facts[0].detail == "Lasso v2; 9 of 10: 6 to 14"


def test_interval_stands_around_each_prediction() -> None:
    predictions = [
        Predicted(2, "Lasso v2", "champion", LASSO, NumberOutcome(12.0, (4.0, 20.0), "minutes")),
        Predicted(1, "x v1", "version", GAMMA, NumberOutcome(9.0, None, "minutes")),
    ]
    lasso, other = draw_predictions(predictions).data
    assert [list(each.y) for each in (lasso, other)] == [["Lasso v2 (champion)"], ["x v1"]]
    assert (list(lasso.error_x.array), list(lasso.error_x.arrayminus)) == ([8.0], [8.0])
    assert (list(other.error_x.array), list(other.error_x.arrayminus)) == ([0.0], [0.0])
    assert lasso.error_x.color == lasso.marker.color == color_of(LASSO)


def test_raw_profile_shows_what_is_missing() -> None:
    row = {"month": "2024-01", "column": "trip_distance", "type": "number", "rows": 1000, "missing": 2, "distinct": 9,
           "min": "0.1", "mean": "2.34567", "median": "2.0", "max": "1e3", "frequent": ""}  # fmt: skip
    table = data.raw_profile([row])
    assert table.columns[0] == "2024-01, column"
    assert table.rows[0] == (
        "trip_distance",
        "number",
        "1,000",
        Cell("2", tone="warn"),
        "9",
        "0.1",
        "2.346",
        "2",
        "1,000",
        "",
    )
    [zone] = data.raw_profile([{**row, "column": "pickup_zone", "type": "code", "frequent": "Newark"}]).rows
    assert zone[5:] == ("", "", "", "", "Newark"), "codes have no mean"


def test_set_profile_shows_quantities_and_categories() -> None:
    rows = [
        {
            "version": 4,
            "column": "target",
            "count": 10,
            "mean": 12.0,
            "deviation": 1.0,
            "deciles": [float(n) for n in range(11)],
        },
        *(
            {"version": 4, "column": name, **data_sets.name_frequent(NAMES, name, figures)}
            for name, figures in (
                ("weekday", {"count": 10, "distinct": 2, "frequent": {"0": 3, "5": 7}}),
                ("station", {"count": 10, "distinct": 2, "missing": 4, "frequent": {"7": 6}}),
            )
        ),
    ]
    target, weekday, station = data_sets.set_profile(rows).rows
    assert (station[3], station[-1]) == ("4", "Harbour (60.0%)")
    assert target[5:9] == ("0", "12", "5", "10")
    assert weekday[-1] == "Saturday (70.0%)"


def test_set_profile_has_a_line_for_a_column_without_any_value() -> None:
    found = {
        "distance": {"count": 3, "missing": 3},
        "station": {"count": 3, "missing": 3, "distinct": 0, "frequent": {}},
    }
    rows = [
        {"version": 4, "column": name, **data_sets.name_frequent(NAMES, name, figures)}
        for name, figures in found.items()
    ]
    assert list(data_sets.set_profile(rows).rows) == [
        ("distance", "number", "3", "3", "", "", "", "", "", ""),
        ("station", "category", "3", "3", "0", "", "", "", "", ""),
    ]


def test_weekday_that_is_a_column_of_the_table_is_shown_as_it_is() -> None:
    figures = {"count": 10, "distinct": 2, "frequent": {"Mon": 3, "Sat": 7}}
    assert (
        data_sets.name_frequent(NAMES, "weekday", figures, {"weekday": Column(name="weekday", kind="category")})[
            "shown"
        ]
        == "Sat (70.0%)"
    )


def test_most_frequent_value_of_a_flag_is_yes_or_no() -> None:
    figures = {"count": 10, "distinct": 2, "frequent": {"0.0": 3, "1.0": 7}}
    assert (
        data_sets.name_frequent(NAMES, "open", figures, {"open": Column(name="open", kind="flag")})["shown"]
        == "yes (70.0%)"
    )


def test_most_frequent_value_is_cut_where_it_is_long() -> None:
    figures = {"count": 10, "distinct": 2, "frequent": {JOB: 7, "clerk": 3}}
    assert data_sets.name_frequent({}, "job", figures)["shown"] == f"{JOB[:40]}... (70.0%)"


def test_set_profile_marks_what_explains_the_target_alone() -> None:
    station = {"version": 4, "count": 10, "distinct": 2, "frequent": {"7": 6}, "shown": "Harbour (60.0%)"}
    rows = [{**station, "column": "from", "explains": None}, {**station, "column": "to", "explains": 0.81}]
    table = data_sets.set_profile(rows)
    assert table.columns[-1] == "explains alone"
    assert [row[-1] for row in table.rows] == ["", Cell("81%", tone="warn")]


def test_drift_by_column_fills_the_windows_that_drifted() -> None:
    rows = [
        {**DRIFT, "column_name": "hour", "window_start": date(2024, 3, 1), "psi": 0.1, "drifted": False},
        {
            **DRIFT,
            "column_name": "hour",
            "window_start": date(2024, 3, 8),
            "psi": 0.5,
            "drifted": True,
            "missing": 0.2,
            "unseen": 0.06,
        },
    ]
    drawn = trace(data_watch.drift_by_column(rows))
    assert list(drawn["marker"]["symbol"]) == ["circle-open", "circle"]
    assert list(drawn["customdata"]) == ["not drifted", "drifted, 20.0% missing, 0.0% learnt; 6.0% unseen"]


def test_error_by_week_fills_the_weeks_that_err_and_says_how() -> None:
    quiet = {
        "rows": 900, "error": 4.0, "error_limit": 4.6, "bias": 0.1, "is_high": False, "has_moved": False,
        "coverage": None, "is_uncovered": False, "champion_version": 2, "champion_now": 2,
        "window_start": date(2024, 3, 1),
    }  # fmt: skip
    wrong = {"error": 5.0, "bias": -1.5, "coverage": 0.84, "is_high": True, "has_moved": True, "is_uncovered": True}
    odd = {**quiet, **wrong, "window_start": date(2024, 3, 8)}
    drawn = data_watch.champion_error([quiet, odd], Settings().problem)
    assert list(trace(drawn)["marker"]["symbol"]) == ["circle-open", "circle"], "without color, too"
    assert [told for told, _ in trace(drawn)["customdata"]] == [
        "predicted minus actual +0.1 minutes (median)",
        "predicted minus actual -1.5 minutes (median), 84.0% in 90 % intervals: too high, moved, intervals off",
    ]
    assert [shape.y0 for shape in drawn.layout.shapes] == [4.6], "the limit"
    assert drawn.layout.xaxis.title.text == "v2, rows with a target of 1 to 60 minutes only"


def test_error_by_week_of_classes_speaks_of_probabilities() -> None:
    week = {
        "rows": 900, "error": 0.5, "error_limit": 0.4, "bias": 0.03, "is_high": True, "has_moved": False,
        "coverage": 0.84, "is_uncovered": True, "champion_version": 2, "champion_now": 2,
        "window_start": date(2024, 3, 1),
    }  # fmt: skip
    drawn = data_watch.champion_error([week], LEAVING)
    assert [told for told, _ in trace(drawn)["customdata"]] == [
        "predicted minus actual +0.03 (mean), 84.0% in 90 % label sets: too high, label sets off"
    ]
    assert (drawn.layout.yaxis.title.text, drawn.layout.xaxis.title.text) == ("log loss", "v2")


def test_drift_of_requests_says_since_when_they_were_made() -> None:
    drawn = data_watch.requests_drift([{**DRIFT, "column_name": "hour"}])
    assert trace(drawn)["hovertemplate"].startswith("%{fullData.name}, requests since ")


def test_classes_of_a_set_are_shares_of_each_split_in_their_order() -> None:
    rows = [
        {"split": "train", "low": 1.0, "share": 0.25},
        {"split": "train", "low": 0.0, "share": 0.75},
        {"split": "test", "low": 0.0, "share": 1.0},
    ]
    drawn = data_sets.set_classes(rows, LEAVING)
    assert [(t.name, list(t.x), list(t.y)) for t in drawn.data] == [
        ("train", ["Yes", "No"], [25, 75]), ("test", ["No"], [100]),
    ]  # fmt: skip
    assert (drawn.layout.xaxis.type, list(drawn.layout.xaxis.categoryarray)) == ("category", ["No", "Yes"])


def test_histogram_of_a_set_is_nothing_where_it_has_no_rows() -> None:
    rows = [
        {"split": "train", "low": low, "width": 1.0, "share": share} for low, share in ((0, 0.5), (1, 0.1), (5, 0.4))
    ]
    drawn = trace(data_sets.set_hours(rows))
    assert list(zip(drawn["x"], drawn["y"], strict=True)) == [(0, 50), (1, 10), (2, 0), (5, 40), (6, 0)]


def test_hover_text_of_slices_has_no_gap_without_a_unit() -> None:
    row = {"model": LASSO, "slicing": "plan", "value": "gold", "shown": "gold", "rows": 5, "log_loss": 0.4,
           "brier": 0.1, "accuracy": 0.9}  # fmt: skip
    assert trace(training_run_details.slices([row], LEAVING))["hovertemplate"] == (
        "log loss %{x:,.4~r}, Brier score %{customdata[1]:,.4~r}, accuracy %{customdata[2]:,.4~r},"
        " %{customdata[0]:,} customers<extra></extra>"
    )


def test_state_without_a_color_of_its_own_is_muted() -> None:
    drawn = stacked_bars([{"day": 1, "runs": 1, "state": "odd"}], "day", "runs", "state", colors={})
    assert trace(drawn)["marker"]["color"] == MUTED


def test_templates_differ_by_theme_in_ink_and_grid() -> None:
    light, dark = (template(theme).layout for theme in ("light", "dark"))
    assert light.font.color != dark.font.color
    assert light.xaxis.gridcolor != dark.xaxis.gridcolor
    assert light.paper_bgcolor == dark.paper_bgcolor == "rgba(0,0,0,0)"


def test_figures_are_told_in_their_largest_fitting_unit() -> None:
    assert [show_seconds(s) for s in (0.5, 45, 300, 7300, 200_000)] == ["0.5 s", "45 s", "5 min", "2 h", "2 d"]
    assert [show_bytes(b) for b in (10, 2_000, 3_000_000)] == ["10 B", "2.0 kB", "3.0 MB"]
    assert show_age(NOON, NOON + timedelta(hours=3)) == "3 h ago"
    assert show_age(None) == "never"
    assert short("linear_model.Lasso") == "Lasso"
    assert short(GAMMA) == GAMMA
    assert short("dart.squarederror") == "dart.squarederror"


@pytest.mark.parametrize(("low", "high"), [(-0.03, 0.02), (-1.2, 0.9), (-0.2, 3.0), (-9.0, 9.0)])
def test_axis_of_factors_names_one_and_a_few_others(low: float, high: float) -> None:
    factors = tick_factors(low, high)
    assert 1.0 in factors
    assert 2 <= len(factors) <= 10
    assert all(low <= np.log(factor) <= high for factor in factors)


def test_trials_are_counted_by_whole_numbers() -> None:
    rows = [{"model": LASSO, "number": at, "loss": 6.0} for at in range(4)]
    assert training_run.error_by_trial(rows, PROBLEM).layout.xaxis.dtick == 1
    assert training_run_details._whole_ticks(5, 9) == [5, 6, 7, 8, 9]
    assert training_run_details._whole_ticks(1, 40)[-1] == 40
