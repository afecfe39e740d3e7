"""A registered model on a sample of rows: its predictions and the contributions of features to them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql
from psycopg.rows import dict_row

from include.dashboards.context import Context
from include.dashboards.drawing.outcomes import Outcome, list_outcomes
from include.dashboards.reading.kept import keep
from include.dashboards.reading.registered import Registered, connect_tracker, find_registered
from include.dashboards.reading.value_names import find_names, show_name
from include.models import explanation
from include.models.artifact import Model
from include.prediction.value_names import Names
from include.problem.data import Columns, columns_of_records
from include.problem.declaration import Problem
from include.problem.parts import Column
from include.problem.values import to_plain
from include.problem.words import show_amount
from include.sets.examples import table_of
from include.tracking import registry
from include.tracking.store import load_version
from include.warehouse import connect

SECONDS_KEPT = 900
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Evenly spread over the validation split of the model's training set, or of the newest one where that was dropped.
_CHOSEN = """
    SELECT version, coalesce((counts->>'validation')::bigint, 0), version::text = %(version)s, declaration
    FROM training.published
    ORDER BY (version::text = %(version)s) DESC, version DESC LIMIT 1
"""
_SAMPLE = sql.SQL("""
    SELECT {columns}
    FROM (
        SELECT *, row_number() OVER (ORDER BY month, row_number) AS n FROM {examples} WHERE split = 'validation'
    ) e
    WHERE e.n * %(size)s / greatest(%(rows)s, 1) > (e.n - 1) * %(size)s / greatest(%(rows)s, 1) ORDER BY e.n
""")
# What a line says of a row: so many of its inputs.
MOST_TOLD = 4


@dataclass(frozen=True)
class Explained:
    """A sample of n rows as one model sees them.

    Attributes:
        names: Column -> value -> name, see `find_names`.
        rows: As stored, the inputs and what really was as `target`.
        outcomes: What is predicted of each.
        explanation: Contributions; None where this kind of model has none.
        values: Feature -> its n values; categories are missing.
        texts: For each row: feature -> its value as people read it.
    """

    problem: Problem
    names: Mapping[str, Names]
    version: Registered
    rows: Sequence[Mapping[str, Any]]
    outcomes: Sequence[Outcome]
    explanation: explanation.Explanation | None
    values: Columns
    texts: Sequence[Mapping[str, str]]

    def describe(self, at: int) -> str:
        """One of the rows in a line, see `describe_row`."""
        return describe_row(self.problem, self.names, self.rows[at])


def load_model(context: Context, version: Registered) -> Model:
    """The version's model, kept in memory: a version never changes."""
    tracker = connect_tracker(context)
    name = context.settings.registered_model

    def load() -> Model:
        return load_version(tracker, registry.get_version(tracker, name, version.version)).model

    return keep(("model", tracker.uri, name, version.run_id), load, SECONDS_KEPT)


def explain_rows(model: Model, rows: Columns) -> explanation.Explanation | None:
    """Contributions of features; None where this kind of model has none."""
    return explanation.explain(model, rows) if explanation.can_explain(model) else None


def explain_sample(context: Context) -> Explained | None:
    """The explained sample of the model that the page shows; None without a model or a training set."""
    version = find_registered(context)
    if version is None:
        return None
    key = ("explained", context.sources.warehouse_url(), version.run_id, version.version)
    return keep(key, lambda: _explain(context, version), SECONDS_KEPT)


def _explain(context: Context, version: Registered) -> Explained | None:
    model, names = load_model(context, version), find_names(context)
    # Its own: columns may have been declared, or given up, since it was trained.
    problem = model.problem
    rows = _read_sample(context.sources.warehouse_url(), version, problem)
    if not rows:
        return None
    inputs = columns_of_records(problem, rows)
    computed = model.encoder.compute(inputs)
    return Explained(
        problem,
        names,
        version,
        rows,
        list_outcomes(model, model.predict(inputs), inputs),
        explain_rows(model, inputs),
        {name: computed[name] for name in computed if name not in model.encoder.features.categorical},
        [_show_features(model, names, computed, inputs, at) for at in range(len(rows))],
    )


def _read_sample(url: str, version: Registered, problem: Problem) -> list[dict[str, Any]]:
    """The inputs and targets of the sample; none where no set is there that has them."""
    with connect(url) as connection:
        chosen = connection.execute(_CHOSEN, {"version": version.set_version}).fetchone()
        if chosen is None:
            return []
        number, count, is_own, declaration = chosen
        if not (is_own or _stands_in(Problem.from_dict(declaration), problem)):
            return []
        columns = sql.SQL(", ").join(map(sql.Identifier, (*problem.dtypes, "target")))
        query = _SAMPLE.format(columns=columns, examples=table_of(number))
        parameters = {"rows": count, "size": explanation.SAMPLE_ROWS}
        return connection.cursor(row_factory=dict_row).execute(query, parameters).fetchall()


def _stands_in(newest: Problem, problem: Problem) -> bool:
    """Whether the newest set's rows are such as a model was trained with."""
    return problem.input_kinds.items() <= newest.input_kinds.items() and problem.labels == newest.labels


def name_features(context: Context, model: Model, rows: Columns) -> dict[str, str]:
    """Each feature of the first row with its value as people read it."""
    computed = model.encoder.compute(rows)
    return _show_features(model, find_names(context), computed, rows, 0)


def _show_features(
    model: Model, names: Mapping[str, Names], features: Columns, rows: Columns, at: int
) -> dict[str, str]:
    problem, cyclic = model.problem, model.encoder.features.cyclic
    values = {name: to_plain(kind, rows[name][at : at + 1])[0] for name, kind in problem.input_kinds.items()}
    shown = {name: show_value(problem.columns[name], names, value) for name, value in values.items()}
    # A category that a problem's own code makes of others is a code that nobody can read: it says what it is made of.
    crossed = " → ".join(text for name, text in shown.items() if problem.columns[name].of_kind.view == "frequencies")
    # The many features of a free text are explained together: as the text.
    texts = {name: text for name, text in shown.items() if problem.columns[name].kind == "text"}
    return texts | {
        name: shown[name] if name in shown and problem.columns[name].kind != "number"
        else crossed if features[name].dtype.kind != "f" and name not in shown
        else _show_number(name if name in cyclic else "", float(features[name][at]))
        for name in features if name.partition("=")[0] not in texts
    }  # fmt: skip


def show_value(column: Column, names: Mapping[str, Names], value: Any) -> str:
    """A value of a column as people read it; long texts and categories are cut."""
    if value is None:
        return "unknown"
    match column.kind:
        case "number":
            return show_amount(value)
        case "flag":
            return "yes" if value else "no"
        case "time":
            return f"{value:%Y-%m-%d %H:%M}"
    return show_name(names, column.name, value)


def _show_number(feature: str, value: float) -> str:
    """A number as people read it; that of a part of a time as such.

    Args:
        feature: The name of a cyclic one, which says what part it is; else empty.
    """
    if math.isnan(value):
        return "unknown"
    part = feature.rpartition("_")[2]
    if part == "hour" and 0 <= value < 24:
        hour, minute = divmod(round(value * 60), 60)
        return f"{hour:02}:{minute:02}"
    if part == "weekday" and value in range(len(WEEKDAYS)):
        return WEEKDAYS[int(value)]
    return show_amount(value)


def describe_row(problem: Problem, names: Mapping[str, Names], row: Mapping[str, Any]) -> str:
    """A row in a line, by its first inputs: when, where, how much."""
    told = []
    for column in [each for each in problem.inputs if row[each.name] is not None][:MOST_TOLD]:
        text = show_value(column, names, row[column.name])
        if column.kind == "time":
            text = f"{row[column.name]:%a %b %d %H:%M}"
        elif column.name not in names and column.kind in ("code", "flag"):
            text = f"{column.label} {text}"
        told.append(f"{text} {column.unit}".strip())
    return " · ".join(told)
