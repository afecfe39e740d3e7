"""What the pages of a classification show of the probabilities of its models."""

import numpy as np
import pytest

from include.dashboards.drawing.charts import CHARTS, charts_of
from include.dashboards.drawing.palette import MUTED, PALETTE
from include.dashboards.pages import training_run_probabilities as pages
from include.dashboards.reading.registered import connect_tracker
from include.models.outputs.curves import measure_classes
from include.problem.declaration import Problem
from include.problem.problem_file import read_problem
from include.tracking.runs import open_tracker
from tests.classified import LEAVING, declare
from tests.dashboards.conftest import OpenSite, Site, store_trials
from tests.registered import LASSO

OF_CLASSES = ("calibration_of_classes", "classes", "confusion_matrix", "precision_and_recall",
              "probabilities_by_class", "roc_curves")  # fmt: skip
# Two labels are digits that are not their numbers.
GRADES = declare("1", "0", "none")
ACTUAL, YES = np.array([1.0, 0.0, 1.0, 0.0]), np.array([0.9, 0.6, 0.4, 0.1])
TABLES = measure_classes(LEAVING.labels, ACTUAL, np.column_stack([1 - YES, YES]), 0.4)
GRADED_ROWS = np.array([[0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.2, 0.7, 0.1], [0, 0, 1]])
GRADED = measure_classes(GRADES.labels, np.array([0.0, 1, 1, 2]), GRADED_ROWS, None)


def rows_of(tables: dict[str, list[dict]], name: str) -> list[dict]:
    """A table as the page's query gives it."""
    limits = [(row["label"], row["threshold"]) for row in tables["classes"] if row["threshold"] is not None]
    return [{**row, "model": LASSO, "decided_at": (limits or [("", None)])[0]} for row in tables[name]]


def test_only_pages_of_classes_have_these_cards() -> None:
    def list_cards(problem: Problem) -> set[str]:
        return {chart.name for chart in charts_of("training_run", problem)}

    assert list_cards(LEAVING) - list_cards(read_problem("taxi")) == set(OF_CLASSES)
    assert list_cards(read_problem("taxi")) < list_cards(LEAVING), "and all others as well"


@pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range")
def test_cards_show_what_training_stored_with_the_best_model(
    open_site: OpenSite, mlflow_url: str, warehouse_url: str
) -> None:
    # Another problem's page on the same server has just been looked at.
    connect_tracker(open_site(warehouse_url, mlflow_url).context())
    site = open_site(warehouse_url, mlflow_url, "leaving-shown", problem=LEAVING)
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [0.4])
    for name in OF_CLASSES:
        assert site.answer(name) == {"kind": "empty", "text": CHARTS[name].empty}
    _store_tables(site, "sklearn_training/b")
    store_trials(warehouse_url, "sklearn_training/b", LASSO, [0.3])
    shown = {name: site.answer(name, dag_id="sklearn_training", run_id="b") for name in OF_CLASSES}
    assert {name: each["kind"] for name, each in shown.items()} == dict.fromkeys(OF_CLASSES, "figure") | {
        "classes": "table"
    }
    assert shown["classes"]["rows"][1][-1] == "0.4"
    assert shown["roc_curves"]["figure"]["data"][1]["name"] == "Yes, threshold 0.4"


def _store_tables(site: Site, run_key: str) -> None:
    settings = site.sources.settings()
    tracker = open_tracker(settings)
    tags = {"role": "model", "run_key": run_key, "model": LASSO}
    run = tracker.client.create_run(tracker.experiment_id, tags=tags).info.run_id
    for name, rows in TABLES.items():
        tracker.client.log_dict(run, {"rows": rows}, f"{name}.json")


def test_roc_curve_is_that_of_the_class_looked_for_with_its_threshold() -> None:
    drawn = pages.roc_curves(rows_of(TABLES, "roc"), LEAVING)
    curve, threshold = drawn.data
    assert (curve.name, list(curve.x), list(curve.y)) == ("Yes", [0, 0, 0.5, 0.5, 1], [0, 0.5, 0.5, 1, 1])
    assert list(curve.customdata[:2]) == ["no row taken", "taken from 0.9 on"]
    assert (threshold.x[0], threshold.y[0]) == (0.5, 1), "0.4: one of two others is taken for it"
    assert curve.line.color == threshold.marker.color == PALETTE[1]
    assert drawn.layout.xaxis.title.text == "false positive rate, Lasso"
    assert drawn.layout.yaxis.title.text == "true positive rate"
    [chance] = drawn.layout.shapes
    assert (chance.x0, chance.y0, chance.x1, chance.y1, chance.line.color) == (0, 0, 1, 1, MUTED)


def test_precision_and_recall_have_no_point_without_a_threshold() -> None:
    drawn = pages.precision_and_recall(rows_of(GRADED, "pr"), GRADES)
    assert [trace.name for trace in drawn.data] == ["1", "0", "none"]
    assert (list(drawn.data[2].x), list(drawn.data[2].y)) == ([0, 1, 1], [1, 1, pytest.approx(1 / 4)])


def test_calibration_names_the_rows_of_each_bin() -> None:
    drawn = pages.calibration_of_classes(rows_of(TABLES, "calibration"), LEAVING)
    [curve] = drawn.data
    assert (list(curve.x), list(curve.y), list(curve.customdata)) == ([0.1, 0.4, 0.6, 0.9], [0, 1, 0, 1], [1] * 4)
    assert "customers" in curve.hovertemplate
    [note] = drawn.layout.annotations
    assert (note.text, note.font.color) == ("as often as it says", None), "in the color of the theme"


def test_probabilities_are_shares_of_each_class_with_the_threshold() -> None:
    drawn = pages.probabilities_by_class(rows_of(TABLES, "scores"), LEAVING)
    no, yes = drawn.data
    assert (no.name, yes.name, len(no.x)) == ("No", "Yes", 21)
    assert [x for x, share in zip(yes.x, yes.y, strict=True) if share][:2] == [0.4, 0.9]
    assert max(yes.y) == 50
    assert [(shape.x0, shape.x1) for shape in drawn.layout.shapes] == [(0.4, 0.4)]
    assert drawn.layout.xaxis.title.text == "probability of Yes, Lasso"
    graded = pages.probabilities_by_class(rows_of(GRADED, "scores"), GRADES)
    assert graded.layout.xaxis.title.text == "probability of the most probable class, Lasso"
    assert not graded.layout.shapes


def test_class_without_rows_has_no_distribution() -> None:
    tables = measure_classes(LEAVING.labels, np.zeros(2), np.array([[0.9, 0.1], [0.8, 0.2]]), 0.5)
    assert [trace.name for trace in pages.probabilities_by_class(rows_of(tables, "scores"), LEAVING).data] == ["No"]
    counted = pages.confusion_matrix(rows_of(tables, "confusion"), LEAVING).data[0]
    assert [list(row) for row in counted.z] == [[1, 0], [None, None]]
    [_, yes] = pages.classes(rows_of(tables, "classes")).rows
    assert yes == ("Yes", "0", "0.0%", "15.0%", "", "", "", "", "0.5")


def test_confusion_matrix_says_what_decides() -> None:
    drawn = pages.confusion_matrix(rows_of(TABLES, "confusion"), LEAVING)
    [cells] = drawn.data
    assert (list(cells.x), list(cells.y)) == (["No", "Yes"], ["No", "Yes"])
    assert [list(row) for row in cells.text] == [["1", "1"], ["0", "2"]]
    assert [list(row) for row in cells.z] == [[0.5, 0.5], [0, 1]]
    assert drawn.layout.xaxis.title.text == "decided by Lasso: Yes from 0.4 on"
    graded = pages.confusion_matrix(rows_of(GRADED, "confusion"), GRADES)
    assert graded.layout.xaxis.title.text == "decided by Lasso: the most probable class"
    assert (graded.layout.xaxis.type, graded.layout.yaxis.type) == ("category", "category"), "digits are names"


def test_classes_are_a_table_with_what_is_decided() -> None:
    table = pages.classes(rows_of(TABLES, "classes"))
    assert table.columns[:3] == ("Lasso, class", "rows", "share")
    assert table.rows[1] == ("Yes", "2", "50.0%", "50.0%", "0.75", "0.8333", "66.7%", "100.0%", "0.4")


def test_many_classes_wait_in_the_legend() -> None:
    labels = tuple(f"c{at}" for at in range(20))
    problem = declare(*labels)
    probabilities = np.full((20, 20), 0.01) + np.eye(20) * 0.8
    tables = measure_classes(labels, np.arange(20.0), probabilities, None)
    drawn = pages.roc_curves(rows_of(tables, "roc"), problem)
    assert [trace.visible for trace in drawn.data] == [True] * 8 + ["legendonly"] * 12
    assert pages.confusion_matrix(rows_of(tables, "confusion"), problem).data[0].texttemplate == ""


def test_classes_of_a_model_trained_on_others_are_drawn_too() -> None:
    others = declare("left", "stayed")
    assert pages.roc_curves(rows_of(TABLES, "roc"), others).data[0].name == "Yes"
