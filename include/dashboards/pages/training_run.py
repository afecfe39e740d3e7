"""Training runs: the trials of one run as they come, and the errors of its models."""

from plotly.graph_objects import Bar, Figure, Scatter

from include.dashboards.context import Context
from include.dashboards.drawing.charts import Rows, chart, read_rows
from include.dashboards.drawing.figures import AMOUNT, by, column, count_on, figure, short
from include.dashboards.drawing.palette import PALETTE, PATTERNS, fill, mark_of
from include.dashboards.drawing.tables import Fact, Facts, run_page, show_age, show_seconds
from include.dashboards.reading.registered import find_tracking_page, list_model_runs, list_registered, read_table
from include.problem.declaration import Problem

NO_TRIALS = "No trials in this run: it has not tuned a model yet, or it is not a training run."
# The run that the page is filtered to, else the newest one.
TRIALS = """
    SELECT run_key, model, number, set_version, loss, parameters, metrics, started_at, finished_at, has_ended
    FROM training.trials
    WHERE run_key = coalesce(
        nullif(%(run_key)s, ''),
        (SELECT run_key FROM training.trials WHERE split_part(run_key, '/', 1) = ANY(%(dag_ids)s)
         ORDER BY finished_at DESC LIMIT 1))
      AND split_part(run_key, '/', 1) = ANY(%(dag_ids)s) AND (%(model)s::text IS NULL OR model = %(model)s)
"""
BEST = f"SELECT DISTINCT ON (model) * FROM ({TRIALS}) t WHERE loss IS NOT NULL ORDER BY model, loss, number"


def read_best(context: Context, table: str) -> Rows:
    """A table that training stored with the chosen model type's model, else with the registered one; with `model`.

    Where the run has registered none, or long ago, with that of the model type with the best trial. None before that
    model is trained.
    """
    best = min(read_rows(BEST, context), key=lambda row: row["loss"], default=None)
    if best is None:
        return []
    runs = list_model_runs(context, best["run_key"])
    registered = set() if context.filters.model else {version.run_id for version in list_registered(context)}
    for run in sorted(runs, key=lambda run: run["run_id"] not in registered):
        if run["run_id"] in registered or run["model"] == best["model"]:
            return [{**row, "model": run["model"]} for row in read_table(context, run["run_id"], table)]
    return []


_RUN = f"""
    SELECT run_key, count(*) AS trials, count(*) FILTER (WHERE loss IS NULL) AS failed,
           count(*) FILTER (WHERE has_ended) AS ended, count(DISTINCT model) AS models,
           min(loss) AS loss, min(started_at) AS began, max(finished_at) AS finished,
           (array_agg(model ORDER BY loss))[1] AS best, max(set_version) AS set_version
    FROM ({TRIALS}) t GROUP BY run_key
"""


def _run(context: Context) -> Rows:
    return [{**row, "tracking": find_tracking_page(context, row["run_key"])} for row in read_rows(_RUN, context)]


@chart(
    "training_run",
    "Run summary",
    _run,
    empty=NO_TRIALS,
    columns=12,
    height=140,
    live=True,
)
def run_facts(rows: Rows, problem: Problem) -> Facts:
    """The results of the run so far."""
    [row] = rows
    lasted = (row["finished"] - row["began"]).total_seconds()
    dag_id, _, run_id = row["run_key"].partition("/")
    links = [Fact("Run in Airflow", dag_id, run_id, to=run_page(dag_id, run_id))]
    if row["tracking"]:
        links.append(Fact("Models in MLflow", "runs", "of this training", to=row["tracking"]))
    return Facts(
        [
            Fact(
                f"Best error, {problem.objective.name}",
                problem.objective.show(row["loss"]),
                f"{short(row['best'])} · training set {row['set_version']}",
            ),
            Fact(
                "Trials", str(row["trials"]), f"{row['failed'] or 'none'} failed, {row['ended'] or 'none'} ended early"
            ),
            Fact("Model types", str(row["models"])),
            Fact("Tuning time", show_seconds(lasted), f"latest trial {show_age(row['finished'])}"),
            *links,
        ]
    )


@chart(
    "training_run",
    "Error by trial",
    f"SELECT model, number, loss FROM ({TRIALS}) t WHERE loss IS NOT NULL ORDER BY model, number",
    empty=NO_TRIALS,
    columns=7,
    height=360,
    live=True,
)
def error_by_trial(rows: Rows, problem: Problem) -> Figure:
    """Each trial as a point, the best so far as a line."""
    traces, objective = [], problem.objective
    for model, trials in by(rows, "model").items():
        numbers, losses = column(trials, "number"), column(trials, "loss")
        best = [min(losses[: at + 1]) for at in range(len(losses))]
        looks = mark_of(model)
        marker = {"color": looks.color, "symbol": looks.symbol, "size": 8, "opacity": 0.7}
        said = f"%{{fullData.name}}, trial %{{x}}: %{{y:{AMOUNT}}} {objective.unit}<extra></extra>"
        traces += [
            Scatter(x=numbers, y=losses, name=short(model), legendgroup=model, mode="markers", marker=marker,
                    hovertemplate=said),
            Scatter(
                x=numbers,
                y=best,
                name=f"{short(model)}, best so far",
                legendgroup=model,
                showlegend=False,
                mode="lines",
                line={"color": looks.color, "dash": looks.dash, "width": 2, "shape": "hv"},
                hovertemplate=said,
            ),
        ]  # fmt: skip
    drawn = figure(traces, x_title="trial", y_title=f"validation {objective.title}")
    return count_on(drawn, "x", max(column(rows, "number")), from_zero=False)


@chart("training_run", "Model comparison", BEST, empty=NO_TRIALS, columns=5, height=360, live=True)
def models_compared(rows: Rows, problem: Problem) -> Figure:
    """Errors of each model type's best trial; of a small training set, means over its folds, unlike a final model's."""
    names = [short(row["model"]) for row in rows]
    traces = [
        Bar(x=names, y=[row["metrics"].get(measure.key) for row in rows], name=measure.name,
            marker=fill(PALETTE[at], PATTERNS[at % len(PATTERNS)]),
            hovertemplate=f"%{{x}}, %{{fullData.name}}: %{{y:{AMOUNT}}} {measure.unit}<extra></extra>")
        for at, measure in enumerate(problem.objective.in_bars)
    ]  # fmt: skip
    return figure(traces, barmode="group", y_title=problem.objective.unit or "error")
