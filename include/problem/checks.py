"""Whether the parts of a problem fit together; what is wrong is said by key, with what would be right."""

import math
import re
import unicodedata
from typing import TYPE_CHECKING

from include.configuration.values import suggest
from include.problem.naming import CLOCK

if TYPE_CHECKING:
    from include.problem.declaration import Problem

NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
# What slices may be of besides columns: the hour of the problem's time.
HOUR = "hour"
MOST_CLASSES = 50
# What only a classification can declare; and of that, what only one of two classes can.
_OF_TWO = ("cost_missed", "cost_false_alarm", "least_precision", "least_recall", "positive")
_OF_CLASSES = ("classes", "class_weights", *_OF_TWO)
SECONDS_OF_UNIT = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
# The column of a training set that says where a row belongs that is not split by time.
PLACE = "place"
# The column of a training set that says how much a row counts, where rows do not count alike.
ROW_WEIGHT = "row_weight"
# The column of a training set's files that says which share of the rows a row is in.
ROW_HASH = "row_hash"
# Columns that every table of Postgres has.
_OF_POSTGRES = ("cmax", "cmin", "ctid", "tableoid", "xmax", "xmin")
# These, columns that the warehouse's tables have beside those of the problem, and the other parameters of a request.
RESERVED = frozenset(
    (
        *_OF_POSTGRES,
        "at",
        "inputs",
        "level",
        "model_version",
        "month",
        PLACE,
        "predicted",
        "predicted_class",
        "predicted_high",
        "predicted_low",
        "probabilities",
        "request_id",
        ROW_HASH,
        "row_number",
        ROW_WEIGHT,
        "source",
        "split",
        "target",
        "version",
    )
)


def check_problem(problem: "Problem") -> None:
    """Raises ValueError where the declaration contradicts itself."""
    _check_names(problem)
    _check_sources(problem)
    _check_bounds(problem)
    _check_split(problem)
    _check_slices(problem)
    _check_classes(problem)
    _check_row_weight(problem)
    if problem.target is None and problem.elapsed is None:
        raise ValueError("target: name the column to predict")


def _check_names(problem: "Problem") -> None:
    for name in problem.columns:
        if not NAME.fullmatch(name) or name in RESERVED:
            why = "is reserved" if name in RESERVED else "is not made of small letters, digits and _"
            raise ValueError(f"columns.{name}: the name {why}; choose another one, and say source = {name!r}")
    mentioned = {
        **{key: (name,) for key in ("time", "group", "series", "weight") if (name := getattr(problem, key))},
        "elapsed": problem.elapsed or (),
        "known_later": problem.known_later,
        "batch_order": problem.batch_order,
        "slices": tuple(part.column for part in problem.slices if part.column != HOUR),
        **{f"columns.{column.name}.after": (column.after,) for column in problem.columns.values() if column.after},
        **{f"columns.{column.name}.estimated_by": column.estimated_by for column in problem.columns.values()},
    }
    for key, names in mentioned.items():
        for name in names:
            if name not in problem.columns:
                near = suggest(name, problem.columns) or f"; the columns are {', '.join(problem.columns)}"
                raise ValueError(f"{key}: there is no column {name!r}{near}")
    for name in filter(None, (problem.time, *(problem.elapsed or ()))):
        if problem.columns[name].kind != "time":
            raise ValueError(f"columns.{name}: its kind must be time, not {problem.columns[name].kind}")
    _check_columns(problem)
    if problem.elapsed and problem.unit not in SECONDS_OF_UNIT:
        raise ValueError(f"unit: a time between two columns is in {', '.join(SECONDS_OF_UNIT)}, not {problem.unit!r}")


def _check_columns(problem: "Problem") -> None:
    for column in problem.columns.values():
        if column.clock and column.kind != "time":
            raise ValueError(f"columns.{column.name}.clock: only a time has a clock, not a {column.kind}")
        if column.estimated_by and column.kind != "number":
            raise ValueError(f"columns.{column.name}.estimated_by: only a number is estimated, not a {column.kind}")
        if unknown := [name for name in column.estimated_by if name in problem.columns and name not in problem.dtypes]:
            raise ValueError(f"columns.{column.name}.estimated_by: {unknown[0]} is not known when one predicts")
        if column.when_missing and column.kind != "time":
            raise ValueError(f"columns.{column.name}.when_missing: only a time can be now, not a {column.kind}")
        if column.reference and column.reference not in problem.references:
            raise ValueError(f"columns.{column.name}.reference: there is no reference {column.reference!r}")


def _check_row_weight(problem: "Problem") -> None:
    if problem.weight is None:
        return
    column = problem.columns[problem.weight]
    if column.kind != "number" or not column.required or column.minimum is None or column.minimum < 0:
        raise ValueError(
            f"weight: every row needs a number of 0 or more that says how much it counts: give columns.{column.name}"
            " the kind number, required = true and min = 0"
        )


def _check_split(problem: "Problem") -> None:
    for key in ("time", "group"):
        if problem.split == key and not getattr(problem, key):
            raise ValueError(f"split: there is no column for {key!r}: set {key.upper()}, or leave split out")
    if problem.split_by == "time" and problem.time and not problem.columns[problem.time].required:
        raise ValueError(
            f"columns.{problem.time}.required: rows are split by {problem.time}, so that one without it would belong"
            " nowhere: set it to true, or leave it out, or set SPLIT=hash"
        )
    for key in ("group", "series"):
        name = getattr(problem, key)
        if name and not problem.columns[name].of_kind.sql:
            raise ValueError(f"{key}: {name} is ignored, so that it is not loaded; give columns.{name} the kind id")
    if problem.validation_share == 0 or problem.validation_share + problem.test_share >= 1:
        raise ValueError(
            f"validation_share: {problem.validation_share:g} and test_share, {problem.test_share:g}, leave a split"
            " without rows; give a share above 0, and a sum below 1"
        )
    # Splits, checks and baselines look for it among the examples, which have a column for each input.
    if problem.time and problem.time not in problem.dtypes:
        raise ValueError(
            f"time: {problem.time} is no input, but the rows of a training set are put in order by it: take it out of"
            " known_later, or leave TIME out"
        )
    if problem.horizon and not problem.time:
        raise ValueError("horizon: a series needs a time: set TIME to the column that says when a row was")
    if problem.horizon and problem.series and problem.series not in problem.dtypes:
        raise ValueError(
            f"series: {problem.series} is no input, but the baselines of a series need it: take it out of known_later,"
            f" and give columns.{problem.series} the kind category"
        )


def _check_classes(problem: "Problem") -> None:
    given = [key for key in _OF_CLASSES if getattr(problem, key)]
    if problem.task != "classification":
        if given:
            raise ValueError(f"{given[0]}: only a classification has it: set TASK=classification, or leave it out")
        return
    if problem.elapsed:
        raise ValueError("task: the time between two columns is a number: name the TARGET, a column of classes")
    if problem.target_min is not None or problem.target_max is not None or problem.unit:
        raise ValueError("task: a class has no unit and no bounds: leave out unit, target_min and target_max")
    if len(set(problem.classes)) < max(2, len(problem.classes)):
        raise ValueError("classes: name the two or more values of the target, each once, such as CLASSES=No,Yes")
    if odd := [label for label in problem.classes if not label or label != label.strip()]:
        raise ValueError(f"classes: {odd[0]!r} is no value of a source, which is read without blanks around it")
    if len(problem.classes) > MOST_CLASSES:
        raise ValueError(f"classes: {len(problem.classes)} are too many to tell apart; at most {MOST_CLASSES} can be")
    if problem.horizon:
        raise ValueError("horizon: an earlier class says nothing of probabilities; leave it out")
    _check_weights(problem)
    _check_threshold(problem, [key for key in given if key in _OF_TWO])


def _check_weights(problem: "Problem") -> None:
    for label, weight in problem.class_weights.items() if isinstance(problem.class_weights, dict) else ():
        if label not in problem.classes:
            raise ValueError(f"class_weights: {label!r} is none of the classes {', '.join(problem.classes)}")
        if not 0 < weight < math.inf:
            raise ValueError(f"class_weights: the weight of {label!r} must be above 0, not {weight:g}")


def _check_threshold(problem: "Problem", given: list[str]) -> None:
    if given and len(problem.classes) > 2:
        raise ValueError(f"{given[0]}: it is for two classes, but there are {len(problem.classes)}; leave it out")
    if problem.positive and problem.positive not in problem.classes:
        raise ValueError(f"positive: {problem.positive!r} is none of the classes {', '.join(problem.classes)}")
    ways = {"costs" if key.startswith("cost") else key for key in given if key != "positive"}
    if len(ways) > 1:
        raise ValueError(f"{given[0]}: costs, least_precision and least_recall exclude each other; keep one of them")


def _check_slices(problem: "Problem") -> None:
    for part in problem.slices:
        name = (problem.time or "") if part.column == HOUR and HOUR not in problem.columns else part.column
        if name not in problem.dtypes:
            raise ValueError(f"slices: {name!r} is not known when one predicts, or says nothing; choose another column")
        if not part.bands and not part.most_frequent:
            raise ValueError(f"slices: say for {part.column!r} what its slices are: bands, or most_frequent")


def _check_sources(problem: "Problem") -> None:
    taken: dict[str, str] = {}
    for name, source in problem.read_columns.items():
        if not can_be_name(source):
            raise ValueError(f"{key_of(name)}: {source!r} contains a control character")
        if source in taken:
            raise ValueError(f"{key_of(name)}: {source!r} is the name of {key_of(taken[source])} already")
        taken[source] = name


def can_be_name(name: str) -> bool:
    """Whether a source's column can be called so: spreadsheets break names into lines, but control nothing by them."""
    return all(letter.isspace() or unicodedata.category(letter) not in ("Cc", "Cs") for letter in name)


def key_of(name: str) -> str:
    """The key of the environment that names the column in the source."""
    if name.endswith(CLOCK):
        return f"columns.{name}"
    return "TARGET" if name == "target" else f"COLUMN_{name.upper()}"


def _check_bounds(problem: "Problem") -> None:
    bounds = {column.name: (column.minimum, column.maximum) for column in problem.columns.values()}
    for name, (low, high) in (bounds | {"target": (problem.target_min, problem.target_max)}).items():
        if low is not None and high is not None and high <= low:
            key = name.upper()
            raise ValueError(f"{key}_MAX: {high:g} is not above {key}_MIN, which is {low:g}")
