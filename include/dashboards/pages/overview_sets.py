"""Overview, the training sets."""

from include.dashboards.context import PREPARATION_DAG
from include.dashboards.drawing.charts import Rows, chart
from include.dashboards.drawing.figures import Figure, count_stacks, stacked_bars
from include.dashboards.drawing.palette import HATCHES, SPLITS
from include.dashboards.drawing.tables import Cell, Table, show_bytes
from include.problem.declaration import Problem
from include.problem.words import name_parts, show_amount

PREPARE_FIRST = "No training set yet: start data_preparation."


@chart(
    "overview",
    "Training-set versions",
    """
    SELECT version, months, state, coalesce(published_at, created_at) AS at,
           (SELECT sum(value::bigint) FROM jsonb_each_text(counts)
            WHERE key IN ('train', 'validation', 'test')) AS rows,
           pg_total_relation_size(to_regclass('training.examples_' || version)) AS size
    FROM training.sets ORDER BY version DESC LIMIT 200
    """,
    empty=PREPARE_FIRST,
    dags=(PREPARATION_DAG,),
    columns=8,
)
def training_set_versions(rows: Rows) -> Table:
    """Months, rows and size of each version."""
    tones = {"published": "good", "failed": "bad"}
    return Table(
        ("version", "months", "rows", "size", "state", "since"),
        [
            (
                row["version"],
                name_parts(row["months"]),
                row["rows"] and f"{row['rows']:,}",
                show_bytes(row["size"]) or "dropped",
                Cell(row["state"], tone=tones.get(row["state"], "")),
                row["at"],
            )
            for row in rows
        ],
    )


@chart(
    "overview",
    "Rows of training sets",
    """
    SELECT version, s.key AS split, s.value::bigint AS rows
    FROM (SELECT * FROM training.sets WHERE counts IS NOT NULL ORDER BY version DESC LIMIT 30) v,
         LATERAL jsonb_each_text(v.counts) s
    WHERE s.key IN ('train', 'validation', 'test') AND s.value::bigint > 0 ORDER BY version, s.key
    """,
    empty=PREPARE_FIRST,
    dags=(PREPARATION_DAG,),
    columns=4,
)
def training_set_rows(rows: Rows) -> Figure:
    """Rows of each version by split."""
    named = [{**row, "version": f"v{row['version']}"} for row in rows]
    drawn = stacked_bars(named, "version", "rows", "split", colors=SPLITS, patterns=HATCHES, y_title="rows",
                         x_title="version")  # fmt: skip
    drawn.update_xaxes(type="category")
    return count_stacks(drawn, "y", rows, "version", "rows")


@chart(
    "overview",
    "Baselines",
    """
    SELECT s.version, entry ->> 'name' AS name, split, errors
    FROM training.newest n JOIN training.sets s USING (version),
         LATERAL jsonb_array_elements(s.baselines) WITH ORDINALITY e(entry, at),
         LATERAL jsonb_each(entry -> 'errors') m(split, errors)
    ORDER BY split DESC, at
    """,
    empty=PREPARE_FIRST,
    dags=(PREPARATION_DAG,),
    columns=8,
)
def baselines(rows: Rows, problem: Problem) -> Table:
    """Predictions that need no model, on the newest training set. A first model has to beat the best of them."""
    objective = problem.objective
    others = (measure.name for measure in objective.of_baselines[1:])
    header = ("baseline", f"rows of v{rows[0]['version']}", objective.title, *others)
    errors = [[show_amount(row["errors"].get(measure.key)) for measure in objective.of_baselines] for row in rows]
    return Table(header, [(row["name"], row["split"], *shown) for row, shown in zip(rows, errors, strict=True)])
