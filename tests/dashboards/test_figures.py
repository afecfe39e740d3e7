from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from include.dashboards.figures import GOOD, color_of, counted, short, stacked_bars, template
from include.dashboards.pages import data, data_sets, explainability, overview, overview_data, pipeline, training_run
from include.dashboards.playground import Predicted, draw_predictions
from include.dashboards.tables import Cell, show_age, show_bytes, show_minutes, show_seconds

LASSO, GAMMA = "linear_model.Lasso", "gbtree.gamma"
NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)


def trace(figure: Any, at: int = 0) -> dict[str, Any]:
    """One trace as plain values."""
    return figure.to_dict()["data"][at]


def test_error_over_time_is_a_line_for_each_model() -> None:
    rows = [
        {"model": LASSO, "rmse": 6.0, "finished_at": NOON},
        {"model": LASSO, "rmse": 5.5, "finished_at": NOON + timedelta(days=1)},
        {"model": GAMMA, "rmse": 5.0, "finished_at": NOON},
    ]
    drawn = overview.error_over_time(rows)
    assert [(t.name, list(t.y)) for t in drawn.data] == [("Lasso", [6.0, 5.5]), (GAMMA, [5.0])]
    assert [t.line.color for t in drawn.data] == [color_of(LASSO), color_of(GAMMA)]
    assert drawn.layout.yaxis.title.text == "validation RMSE, minutes"


def test_single_moment_stands_in_the_middle_of_an_hour() -> None:
    drawn = overview.error_over_time([{"model": LASSO, "rmse": 6.0, "finished_at": NOON}])
    assert list(drawn.layout.xaxis.range) == [NOON - timedelta(minutes=30), NOON + timedelta(minutes=30)]


def test_error_per_run_puts_the_models_of_a_run_side_by_side() -> None:
    rows = [
        {"run_key": "sklearn_training/a", "model": LASSO, "rmse": 6.0, "finished_at": NOON},
        {"run_key": "sklearn_training/a", "model": "linear_model.LinearRegression", "rmse": 7.0, "finished_at": NOON},
        {"run_key": "xgboost_training/b", "model": GAMMA, "rmse": 5.0, "finished_at": NOON},
    ]
    drawn = overview.error_per_run(rows)
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


def test_runs_by_model_as_bars_and_as_shares() -> None:
    rows = [{"model": LASSO, "runs": 3}, {"model": GAMMA, "runs": 1}]
    assert trace(overview.runs_by_model(rows))["x"] == [3, 1]
    pie = trace(overview.share_of_runs(rows))
    assert (pie["labels"], pie["values"]) == (["Lasso", GAMMA], [3, 1])


def test_counts_below_six_have_no_halves() -> None:
    assert overview.runs_by_model([{"model": LASSO, "runs": 2}]).layout.xaxis.dtick == 1


def test_training_set_versions_show_rows_size_and_state() -> None:
    row = {"version": 3, "months": ["2024-01", "2024-02"], "rows": 1234, "size": 2_500_000, "feature_set": "rich",
           "state": "published", "at": NOON}  # fmt: skip
    [shown] = overview_data.training_set_versions([row]).rows
    assert shown == (3, "2024-01, 2024-02", "1,234", "2.5 MB", "rich", Cell("published", tone="good"), NOON)
    [shown] = overview_data.training_set_versions([{**row, "size": None, "state": "superseded"}]).rows
    assert shown[3] == "dropped"


def test_drifted_columns_stand_out() -> None:
    rows = [
        {"column_name": "trip_distance", "psi": 0.4, "drifted": True},
        {"column_name": "hour", "psi": 0.01, "drifted": False},
    ]
    colors = trace(overview_data.newest_drift(rows))["marker"]["color"]
    assert colors[1] == GOOD != colors[0]


def test_runs_a_day_are_stacked_by_state() -> None:
    rows = [{"day": NOON, "state": "success", "runs": 3}, {"day": NOON, "state": "failed", "runs": 1}]
    drawn = pipeline.runs_a_day(rows)
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
    }
    [(dag_id, run, at, lasted)] = pipeline.failed_runs([row]).rows
    assert (dag_id, run.to, at, lasted) == ("d", "/dags/d/runs/r%2B1", NOON, "3 min")


@pytest.mark.parametrize(
    ("schedule", "assets", "words"),
    [
        (None, None, "by hand or REST"),
        ("0 3 * * *", None, "0 3 * * *"),
        ("Asset", {"all": [{"asset": {"name": "a", "uri": "u"}}]}, "asset a"),
        ("Asset", {"any": [{"asset": {"name": "b"}}, {"all": [{"asset": {"name": "a"}}]}]}, "asset a or b"),
    ],
)
def test_trigger_is_described_in_words(schedule: str | None, assets: Any, words: str) -> None:
    assert pipeline.describe_trigger(schedule, assets) == words


def test_error_by_trial_shows_the_best_so_far() -> None:
    rows = [{"model": LASSO, "number": at, "loss": loss} for at, loss in enumerate([6.0, 7.0, 5.0])]
    points, best = training_run.error_by_trial(rows).data
    assert (list(points.y), list(best.y)) == ([6.0, 7.0, 5.0], [6.0, 6.0, 5.0])


def test_models_are_compared_by_each_measure() -> None:
    metrics = {"rmse": 6.0, "mae": 4.0, "p50_error": 3.0, "p90_error": 9.0}
    drawn = training_run.models_compared([{"model": LASSO, "metrics": metrics}])
    assert [(t.name, t.y[0]) for t in drawn.data] == [
        ("RMSE", 6.0), ("MAE", 4.0), ("median error", 3.0), ("90 % quantile of errors", 9.0),
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
    axes = {axis["label"]: axis for axis in trace(training_run.parameters_of_trials(rows))["dimensions"]}
    assert axes["alpha"]["values"] == pytest.approx([-2, -1])
    assert list(axes["alpha"]["ticktext"]) == ["0.01", "0.1"]
    assert (list(axes["selection"]["values"]), list(axes["selection"]["ticktext"])) == ([0, 1], ["cyclic", "random"])
    assert list(axes["max_iter"]["values"]) == [10, 20]
    assert list(axes["RMSE of Lasso"]["values"]) == [6.0, 5.0]


def test_slices_stand_in_the_order_of_their_bands() -> None:
    row = {"model": LASSO, "slicing": "distance", "rows": 5, "mae": 1.0, "p90_error": 2.0}
    rows = [{**row, "value": "over 8 miles", "rmse": 7.0}, {**row, "value": "under 1 mile", "rmse": 2.0}]
    drawn = trace(training_run.slices(rows))
    assert (list(drawn["y"][1]), list(drawn["x"])) == (["under 1 mile", "over 8 miles"], [2.0, 7.0])


def test_waterfall_adds_up_to_the_prediction_and_joins_the_weak() -> None:
    contributions = {f"f{at}": float(at) for at in range(12)}
    drawn = trace(explainability.waterfall(10.0, contributions, "minutes"))
    assert list(drawn["x"][:2]) == ["mean", "f11"]
    assert list(drawn["x"][-2:]) == ["all others", "prediction"]
    assert drawn["y"][-2] == 0 + 1 + 2
    assert drawn["text"][-1] == "76.00"


def test_points_of_equal_value_are_moved_apart() -> None:
    offsets = explainability._spread(np.array([1.0, 1.0, 1.0, 9.0]))
    assert len(set(offsets[:3])) == 3
    assert offsets[3] == 0
    assert np.abs(offsets).max() <= 0.4


def test_values_are_colored_by_rank_with_the_missing_in_the_middle() -> None:
    assert explainability._ranks(np.array([1.0, np.nan, 1000.0, 3.0])).tolist() == [0, 0.5, 1, 0.5]


def test_interval_stands_around_each_prediction() -> None:
    predictions = [
        Predicted(2, "Lasso v2", "champion", LASSO, 12.0, 4.0, 20.0),
        Predicted(1, "x v1", "version", GAMMA, 9.0, None, None),
    ]
    drawn = trace(draw_predictions(predictions))
    assert list(drawn["y"]) == ["Lasso v2 (champion)", "x v1"]
    assert (list(drawn["error_x"]["array"]), list(drawn["error_x"]["arrayminus"])) == ([8.0, 0.0], [8.0, 0.0])


def test_raw_profile_shows_what_is_missing() -> None:
    row = {"month": "2024-01", "column": "trip_distance", "type": "number", "rows": 1000, "missing": 2, "distinct": 9,
           "min": "0.1", "mean": "2.34567", "median": "2.0", "max": "1e3", "frequent": None}  # fmt: skip
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
        "1000",
        "",
    )


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
        {"version": 4, "column": "weekday", "count": 10, "distinct": 2, "frequent": {"0": 3, "5": 7}},
    ]
    target, weekday = data_sets.set_profile(rows).rows
    assert target[5:9] == ("0.000", "12.000", "5.000", "10.000")
    assert weekday[-1] == "5 (70.0%)"


def test_drift_by_column_fills_the_windows_that_drifted() -> None:
    rows = [
        {"column_name": "hour", "window_start": date(2024, 3, 1), "psi": 0.1, "drifted": False},
        {"column_name": "hour", "window_start": date(2024, 3, 8), "psi": 0.5, "drifted": True},
    ]
    drawn = trace(data_sets.drift_by_column(rows))
    assert list(drawn["marker"]["symbol"]) == ["circle-open", "circle"]


def test_state_without_a_color_of_its_own_is_muted() -> None:
    drawn = stacked_bars([{"day": 1, "runs": 1, "state": "odd"}], "day", "runs", "state", colors={})
    assert trace(drawn)["marker"]["color"] == "#8c97a4"


def test_templates_differ_by_theme_in_ink_and_grid() -> None:
    light, dark = (template(theme).layout for theme in ("light", "dark"))
    assert light.font.color != dark.font.color
    assert light.xaxis.gridcolor != dark.xaxis.gridcolor
    assert light.paper_bgcolor == dark.paper_bgcolor == "rgba(0,0,0,0)"


def test_figures_are_told_in_their_largest_fitting_unit() -> None:
    assert [show_seconds(s) for s in (0.5, 45, 300, 7300, 200_000)] == ["0.5 s", "45 s", "5 min", "2 h", "2 d"]
    assert [show_bytes(b) for b in (10, 2_000, 3_000_000)] == ["10 B", "2.0 kB", "3.0 MB"]
    assert show_minutes(4.4111) == "4.41 min"
    assert show_age(NOON, NOON + timedelta(hours=3)) == "3 h ago"
    assert show_age(None) == "never"
    assert short("linear_model.Lasso") == "Lasso"
    assert short(GAMMA) == GAMMA
