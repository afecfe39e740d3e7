"""Training runs, of classes: how good the probabilities of the best model are, on the rows that judge it."""

from collections.abc import Iterable, Mapping
from typing import Any

from plotly.graph_objects import Figure, Heatmap, Scatter

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Query, Rows, chart
from include.dashboards.drawing.figures import by, column, figure, short
from include.dashboards.drawing.palette import LOW_TO_HIGH, MUTED, Mark, faint, mark
from include.dashboards.drawing.tables import Table
from include.dashboards.pages.training_run import read_best
from include.problem.declaration import Problem
from include.problem.words import show_amount

# The legend brings the others back.
MOST_SHOWN = 8
# Of more classes, cells are too small for a number.
MOST_WRITTEN = 12
_OF_CLASSES: dict[str, Any] = {
    "tasks": ("classification",),
    "empty": "Curves and counts by class appear once the final model is trained, after tuning.",
    "columns": 6,
    "height": 400,
}
_SHARES = {"range": [-0.02, 1.02], "tickformat": ".0%"}


def _read(table: str) -> Query:
    def read(context: Context) -> Rows:
        limits = {row["label"]: row["threshold"] for row in read_best(context, "classes")}
        decided = next(((label, limit) for label, limit in limits.items() if limit is not None), ("", None))
        return [{**row, "decided_at": decided} for row in read_best(context, table)]

    return read


@chart("training_run", "ROC curve", _read("roc"), **_OF_CLASSES)
def roc_curves(rows: Rows, problem: Problem) -> Figure:
    """How many rows of a class the best model finds, by how many others it takes for it.

    Of two classes, the one that is looked for; of more, each against all others. The dashed line is chance; the large
    point is the threshold.
    """
    drawn = _draw_curves(rows, problem, "false_positive_rate", "true_positive_rate")
    return _add_diagonal(drawn, "chance")


@chart("training_run", "Precision and recall", _read("pr"), **_OF_CLASSES)
def precision_and_recall(rows: Rows, problem: Problem) -> Figure:
    """How many of the rows taken for a class are of it, by how many of its rows are found.

    The large point is the threshold.
    """
    return _draw_curves(rows, problem, "recall", "precision", shape="vh")


def _draw_curves(rows: Rows, problem: Problem, x: str, y: str, shape: str = "linear") -> Figure:
    names = [key.replace("_", " ") for key in (x, y)]
    traces = []
    for label, points in by(rows, "label").items():
        place, looks = _find_mark(problem, label)
        traces.append(
            Scatter(
                **_name(label, place),
                x=column(points, x),
                y=column(points, y),
                mode="lines",
                line={"width": 2, "color": looks.color, "dash": looks.dash, "shape": shape},
                customdata=[_name_limit(point["probability"]) for point in points],
                hovertemplate=f"%{{fullData.name}}, %{{customdata}}:\n{names[0]} %{{x:.1%}}, {names[1]} %{{y:.1%}}"
                "<extra></extra>",
            )
        )
        traces += [_mark_threshold(label, looks, point, x, y) for point in _find_decided(label, points)]
    drawn = figure(traces, x_title=f"{names[0]}, {short(rows[0]['model'])}", y_title=names[1], showlegend=True)
    return drawn.update_xaxes(**_SHARES, showgrid=True).update_yaxes(**_SHARES)


def _find_mark(problem: Problem, label: str) -> tuple[int, Mark]:
    """The place of a class and its mark, the same in every chart; that of a model trained on others is behind them."""
    place = problem.labels.index(label) if label in problem.labels else len(problem.labels)
    return place, mark(place)


def _name(label: str, place: int) -> dict[str, Any]:
    return {"name": label, "legendgroup": label, "visible": True if place < MOST_SHOWN else "legendonly"}


def _name_limit(probability: float | None) -> str:
    return "no row taken" if probability is None else f"taken from {show_amount(probability)} on"


def _find_decided(label: str, points: Rows) -> list[Mapping[str, Any]]:
    """The point of the curve where the threshold is, of the class that has one."""
    of, limit = points[0]["decided_at"]
    if of != label or limit is None:
        return []
    return [point for point in points if point["probability"] is None or point["probability"] >= limit][-1:]


def _mark_threshold(label: str, looks: Mark, point: Mapping[str, Any], x: str, y: str) -> Scatter:
    limit = show_amount(point["decided_at"][1])
    return Scatter(
        x=[point[x]],
        y=[point[y]],
        name=f"{label}, threshold {limit}",
        legendgroup=label,
        mode="markers",
        marker={"size": 12, "color": looks.color, "symbol": looks.symbol},
        hovertemplate=f"threshold {limit}: {x.replace('_', ' ')} %{{x:.1%}}, {y.replace('_', ' ')} %{{y:.1%}}"
        "<extra></extra>",
    )


def _add_diagonal(drawn: Figure, name: str) -> Figure:
    line = {"dash": "dash", "color": MUTED, "width": 1.5}
    return drawn.add_shape(type="line", x0=0, y0=0, x1=1, y1=1, line=line, layer="below").add_annotation(
        x=0.5, y=0.5, text=name, showarrow=False, xanchor="left", yanchor="top", font={"size": 11}
    )


@chart("training_run", "Calibration", _read("calibration"), **_OF_CLASSES)
def calibration_of_classes(rows: Rows, problem: Problem) -> Figure:
    """How often a class comes where the best model gives it a probability: on the dashed line, as often as it says.

    Ten bins of equal width; hover for their rows. Of two classes, the one that is looked for.
    """
    traces = []
    for label, bins in by(rows, "label").items():
        place, looks = _find_mark(problem, label)
        traces.append(
            Scatter(
                **_name(label, place),
                x=column(bins, "mean_probability"),
                y=column(bins, "frequency"),
                mode="lines+markers",
                line={"width": 2, "color": looks.color, "dash": looks.dash},
                marker={"size": 8, "symbol": looks.symbol},
                customdata=column(bins, "rows"),
                hovertemplate=f"%{{fullData.name}}: mean probability %{{x:.1%}}, frequency %{{y:.1%}},"
                f" %{{customdata:,}} {problem.row[1]}<extra></extra>",
            )
        )
    drawn = figure(traces, x_title=f"mean probability, {short(rows[0]['model'])}", y_title="frequency", showlegend=True)
    return _add_diagonal(drawn.update_xaxes(**_SHARES, showgrid=True).update_yaxes(**_SHARES), "as often as it says")


@chart("training_run", "Probabilities by class", _read("scores"), **_OF_CLASSES)
def probabilities_by_class(rows: Rows, problem: Problem) -> Figure:
    """The probabilities that the best model gives rows of each class: the farther apart, the better.

    Of two classes, those of the one that is looked for; of more, those of the most probable class. The dashed line is
    the threshold.
    """
    traces = []
    for label, bins in by([row for row in rows if row["share"] is not None], "label").items():
        place, looks = _find_mark(problem, label)
        shares = [100 * part["share"] for part in bins]
        traces.append(
            Scatter(
                **_name(label, place),
                # A step ends where the next one begins: the last one would have no width.
                x=[*column(bins, "low"), bins[-1]["high"]],
                y=[*shares, shares[-1]],
                mode="lines",
                line={"width": 2, "color": looks.color, "dash": looks.dash, "shape": "hv"},
                fill="tozeroy",
                fillcolor=faint(looks.color),
                customdata=[*column(bins, "rows"), bins[-1]["rows"]],
                hovertemplate="%{fullData.name}, from %{x:.0%} on: %{y:.1f} %,"
                f" %{{customdata:,}} {problem.row[1]}<extra></extra>",
            )
        )
    of, limit = rows[0]["decided_at"]
    whose = of or (problem.labels[-1] if len(problem.labels) == 2 else "the most probable class")
    title = f"probability of {whose}, {short(rows[0]['model'])}"
    drawn = figure(traces, x_title=title, y_title="% of the class", showlegend=True)
    if limit is not None:
        drawn.add_vline(limit, line={"dash": "dash", "color": MUTED, "width": 1.5}, annotation_position="top right",
                        annotation={"text": f"threshold {show_amount(limit)}", "font": {"size": 11}})  # fmt: skip
    return drawn.update_xaxes(**_SHARES).update_yaxes(rangemode="tozero")


@chart("training_run", "Confusion matrix", _read("confusion"), **_OF_CLASSES)
def confusion_matrix(rows: Rows, problem: Problem) -> Figure:
    """How many rows of each class the best model takes for which; colored by their share of the actual class.

    Of two classes, the threshold decides; of more, the most probable one.
    """
    actual, decided = list(by(rows, "actual")), list(by(rows, "decided"))
    matrix = list(by(rows, "actual").values())
    of, limit = rows[0]["decided_at"]
    how = "the most probable class" if limit is None else f"{of} from {show_amount(limit)} on"
    bar = {"title": {"text": "share of the actual class", "side": "right"}, "thickness": 8, "outlinewidth": 0,
           "tickformat": ".0%"}  # fmt: skip
    cells = Heatmap(
        x=decided,
        y=actual,
        z=[column(group, "share") for group in matrix],
        text=[[f"{row['rows']:,}" for row in group] for group in matrix],
        texttemplate="%{text}" if len(actual) <= MOST_WRITTEN else "",
        colorscale=LOW_TO_HIGH,
        zmin=0,
        zmax=1,
        xgap=2,
        ygap=2,
        colorbar=bar,
        hovertemplate=f"%{{y}} taken for %{{x}}: %{{text}} {problem.row[1]}, %{{z:.1%}} of %{{y}}<extra></extra>",
    )
    drawn = figure([cells], x_title=f"decided by {short(rows[0]['model'])}: {how}", y_title="actual")
    # Labels can be digits, which are names all the same.
    return drawn.update_xaxes(type="category").update_yaxes(type="category", autorange="reversed", showgrid=False)


@chart("training_run", "Classes", _read("classes"), **_OF_CLASSES)
def classes(rows: Rows) -> Table:
    """The best model class by class, on the rows that judge it.

    Precision and recall are those of what is decided. The mean probability of all rows should be the class's share.
    """
    head = (f"{short(rows[0]['model'])}, class", "rows", "share", "mean probability", "ROC AUC", "PR AUC", "precision",
            "recall", "threshold")  # fmt: skip
    return Table(
        head,
        [
            (
                row["label"],
                f"{row['rows']:,}",
                *_show_shares(row["share"], row["mean_probability"]),
                show_amount(row["roc_auc"]),
                show_amount(row["pr_auc"]),
                *_show_shares(row["precision"], row["recall"]),
                show_amount(row["threshold"]),
            )
            for row in rows
        ],
    )


def _show_shares(*shares: float | None) -> Iterable[str]:
    return ("" if share is None else f"{share:.1%}" for share in shares)
