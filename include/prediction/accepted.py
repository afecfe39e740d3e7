"""What a model accepts: its own declaration, with what today's says of where and how the source writes its columns."""

from collections.abc import Iterator

from include.problem.declaration import Problem
from include.problem.parts import Column
from include.settings import Settings
from include.warehouse import connect

# What says nothing of a model: where rows come from, how they are written, and in which order they are predicted.
_OF_SOURCE = (
    "source", "sources", "sample", "months", "time_format", "delimiter", "decimal", "encoding", "missing",
    "batch_order",
)  # fmt: skip
_OF_COLUMN = ("source", "clock", "time_format", "missing")
# Of what was promoted or rolled back to last.
_DECLARATION = """
    SELECT s.declaration FROM training.promotions p LEFT JOIN training.sets s ON s.version = p.set_version
    WHERE p.name = %s AND p.state = 'promoted' ORDER BY p.moved_at DESC NULLS LAST, p.id DESC LIMIT 1
"""


def find_accepted_now(url: str, settings: Settings) -> Problem:
    """The problem by which rows for the champion are read, as far as the warehouse knows it; today's without one.

    Raises:
        WarehouseUnavailable: The warehouse cannot be reached.
    """
    with connect(url) as connection:
        row = connection.execute(_DECLARATION, [settings.registered_model]).fetchone()
    own = Problem.from_dict(row[0]) if row and row[0] else settings.problem
    return find_accepted(own, settings.problem)


def find_accepted(own: Problem, today: Problem) -> Problem:
    """The problem by which rows for a model are read.

    Inputs, kinds, bounds and what is required are the model's; names in the source and formats are today's.

    Args:
        own: As it was declared when the model was trained.
        today: As the settings declare it now.
    """
    values = {name: getattr(today if name in _OF_SOURCE else own, name) for name in Problem.model_fields}
    # Not checked as a file is: of two declarations that each fit together, parts need not fit those of the other.
    return Problem.model_construct(**{**values, "columns": dict(_name_anew(own, today))})


def _name_anew(own: Problem, today: Problem) -> Iterator[tuple[str, Column]]:
    taken = {column.source for column in today.columns.values()}
    for name, column in own.columns.items():
        if declared := today.columns.get(name):
            # A format or a mark is for values of one kind.
            keys = _OF_COLUMN if declared.kind == column.kind else ("source",)
            yield name, column.model_copy(update={key: getattr(declared, key) for key in keys})
        else:
            # Under a name that is another column's now, there would be that one's values.
            yield name, column.model_copy(update={"source": name}) if column.source in taken else column
