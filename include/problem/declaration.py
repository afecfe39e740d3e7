"""The problem: what is predicted from what, as declared in `include/problems/<name>/problem.toml`.

It is read whenever a DAG file is, so that it imports nothing slow.
"""

from collections.abc import Mapping
from functools import cached_property
from importlib import import_module
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, model_validator

from include.configuration.layers import SettingsModel
from include.configuration.values import Months, Names, OptionalText, Share, Text, TimeZone, split_list, split_numbers
from include.problem.checks import NAME, SECONDS_OF_UNIT, check_problem
from include.problem.kinds import KindName
from include.problem.naming import name_clock, name_parts
from include.problem.objectives.objective import Objective
from include.problem.objectives.table import OBJECTIVES, Task
from include.problem.parts import (
    TAB,
    Column,
    DecimalMark,
    Delimiter,
    DotName,
    Marks,
    Pair,
    Reference,
    Slice,
    Time,
    TimeFormat,
    Unit,
)
from include.problem.reading import Reading

# The private package that travels with a model has another root.
ROOT_PACKAGE = __name__.partition(".")[0]
SAMPLE = "sample"
# What a frozen declaration says instead of addresses.
NO_SOURCE = "none"
DEFAULT_FEATURES = "default"


class Problem(SettingsModel):
    """What is predicted from what; every part of the domain that depends on it takes it as an argument."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, ignored_types=(cached_property,))

    name: str = Field(pattern=f"^{NAME.pattern}$")
    """The folder's name."""
    title: str = ""
    """What is predicted, in a few words, for pages and mails."""
    row: Pair = ("row", "rows")
    """What a row is, one and several of them, for texts."""
    model: Text = ""
    """Name of the experiment and of the registered model, where the settings do not name them. Empty: the folder's."""
    source: Text
    """Where rows come from: `sample` for made-up ones where the problem has a generator, a name among `sources`, or
    an address: `file://`, `https://`, an object store, a Postgres table or a JSON API; `{month}` in it is a month.
    """
    sources: dict[str, str] = Field(default_factory=dict)
    """Names for addresses that SOURCE may be."""
    sample: DotName | None = None
    """Dotted name of the module that makes rows up, see `include.sources.sample`."""
    target: OptionalText = None
    """The source's column to predict. Empty: what `elapsed` says."""
    elapsed: Annotated[tuple[str, str], BeforeValidator(split_list)] | None = None
    """Two time columns; the time between them is the target, in `unit`."""
    unit: Unit = ""
    """Unit of the target, for people; of an elapsed time seconds, minutes, hours or days."""
    target_min: float | None = None
    """Minimum target; rows below it are left out. Empty: no minimum."""
    target_max: float | None = Field(default=None, validate_default=True)
    """Maximum target; rows above it are left out. Empty: no maximum."""
    months: Months = ()
    """Months to load where the source is divided into months, as YYYY-MM. Empty: it is not, and is loaded whole."""
    time: Time = None
    """The column that says when a row was: rows are split and watched by it. Where a date and a time of day are two
    columns, both: `Date,Hour`, or `["Date", "Hour"]` in the file. Empty: no such column.
    """
    timezone: TimeZone = "UTC"
    """Time zone whose clock gives hours and days. Times with an offset become wall time of it; the time
    between two of them is the time that passed, even when the clock changes.
    """
    time_format: TimeFormat = ""
    """How the source writes times that are not in ISO 8601: a format of `strptime`, such as `%d/%m/%Y %H:%M`; `unix` or
    `unix_ms` for seconds or milliseconds since 1970. A column's own format wins.
    """
    delimiter: Delimiter = None
    """What separates the values in a line of the source's text files: one character, or `tab`. Empty: detected."""
    decimal: DecimalMark = None
    """Decimal mark of the source's text files, `.` or `,`. Empty: detected."""
    encoding: OptionalText = None
    """Encoding of the source's text files, such as `latin-1`. Empty: a byte order mark, else UTF-8, else cp1252."""
    missing: Marks = ()
    """Values that mean a missing one, besides empty ones, NA, N/A, n/a, #N/A, null, Null, NULL, NaN, nan, - and ?; for
    example -200.
    """
    group: OptionalText = None
    """The column whose rows of one value belong together, such as a customer: never in two splits."""
    split: Literal["", "time", "group", "hash"] = ""
    """How rows are split: by `time`, the newest ones are held out; by `group`; or by a `hash` of what a row says, so
    that it stays where it is when rows are added. Empty: by time where there is one, else by group, else by hash.
    """
    validation_share: Share = 0.15
    """Share of the rows that validate, where no day or month says which."""
    test_share: Share = 0.15
    """Share of the rows that test, where no day or month says which."""
    series: OptionalText = None
    """The column that tells several series of one table apart, such as a store."""
    horizon: int | None = Field(default=None, ge=1, le=1_000_000)
    """How many rows of its series ahead a row is predicted: makes the last value that is known then, and the seasonal
    one, baselines to beat. Empty: rows are no series.
    """
    task: Task = "regression"
    """What is predicted: `regression`, a number, or `classification`, the probability of each of the `classes`."""
    classes: Names = ()
    """The values that the target of a classification has, as the source writes them; a row with another one is
    rejected.
    """
    positive: OptionalText = None
    """Of two classes the one that is looked for, such as `Yes`. Empty: the second."""
    cost_missed: float | None = Field(default=None, gt=0)
    """Of two classes: what it costs to miss a row of `positive`, in any unit; empty: 1. With the cost of a false alarm
    it says from which probability on a row is taken for one.
    """
    cost_false_alarm: float | None = Field(default=None, gt=0)
    """Of two classes: what it costs to take a row for one of `positive` that is none, in the same unit; empty: 1."""
    least_precision: Share | None = None
    """Of two classes, instead of costs: the share of the rows taken for `positive` that have to be so."""
    least_recall: Share | None = None
    """Of two classes, instead of costs: the share of the rows of `positive` that have to be found."""
    class_weights: Annotated[dict[str, float] | Literal["balanced"], BeforeValidator(split_numbers)] = Field(
        default_factory=dict
    )
    """How much a row of a class counts when a model is fitted: a number by class, 1 where none is given, such as
    `Yes=10`; or `balanced`, so that all classes count alike. Probabilities are calibrated to the true shares
    afterwards.
    """
    weight: OptionalText = None
    """The column that says how much a row counts when a model is fitted, such as how many people an answer stands for;
    it is no feature, and errors are those of rows that count alike. Empty: all count alike.
    """
    known_later: Names = ()
    """Columns that are not known when one predicts: never features."""
    batch_order: Names = ()
    """Columns to sort by before many rows are predicted: rows that are alike take the same paths through trees."""
    columns: dict[str, Column]
    """The columns, by their neutral names."""
    references: dict[str, Reference] = Field(default_factory=dict)
    """What features look up."""
    feature_sets: dict[str, DotName] = Field(default_factory=dict)
    """Name of a feature set -> dotted name of its `FeatureSet`; `default` is made from the kinds."""
    slices: tuple[Slice, ...] = ()
    """How errors are cut into slices."""

    @model_validator(mode="before")
    @classmethod
    def _name_parts(cls, values: Any) -> Any:
        return name_parts(values)

    @model_validator(mode="after")
    def _fits_together(self) -> "Problem":
        check_problem(self)
        return self

    @property
    def objective(self) -> Objective:
        """What its models are searched, judged and watched by."""
        return OBJECTIVES[self.task](self)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """The classes in the order of their numbers, from 0; of two, `positive` is the second. Empty without classes.

        A target, in the warehouse and in arrays, is the number of its class.
        """
        if len(self.classes) != 2 or self.positive is None:
            return self.classes
        return tuple(sorted(self.classes, key=lambda label: label == self.positive))

    @cached_property
    def stored(self) -> tuple[Column, ...]:
        """The columns that the warehouse keeps of each source row, but for the target."""
        return tuple(column for column in self.columns.values() if column.of_kind.sql)

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that a model takes: known when one predicts, and of a kind that says something."""
        return tuple(
            column
            for column in self.stored
            if column.of_kind.is_feature and column.name not in (*self.known_later, self.weight)
        )

    @cached_property
    def dtypes(self) -> dict[str, str]:
        """The inputs by name, with their NumPy types."""
        return {column.name: column.of_kind.dtype for column in self.inputs}

    @cached_property
    def input_kinds(self) -> dict[str, KindName]:
        """The inputs by name, with their kinds."""
        return {column.name: column.kind for column in self.inputs}

    @property
    def feature_set_names(self) -> tuple[str, ...]:
        """What FEATURE_SET may be, the one to begin with first."""
        return (*self.feature_sets, DEFAULT_FEATURES)

    @property
    def read_columns(self) -> dict[str, str]:
        """Neutral name -> the source's name of every column that is read; `target` where it is one."""
        names = {column.name: column.source for column in self.stored}
        return names | ({"target": self.target} if self.target else {})

    @property
    def clocks(self) -> dict[str, str]:
        """The source's names of the times of day that are columns of their own, by what they are called here."""
        return {name_clock(column.name): column.clock for column in self.stored if column.clock}

    @property
    def reading(self) -> Reading:
        """How the source's text is read."""
        delimiter = "\t" if self.delimiter == TAB else self.delimiter
        return Reading(delimiter, self.decimal, self.encoding, self.missing)

    def marks_of(self, name: str) -> frozenset[str]:
        """The texts that mean a missing value in that column, or in the target."""
        column = self.columns.get(name)
        if column is None or column.missing is None:
            return self.reading.marks
        return frozenset(("", *column.missing))

    def time_format_of(self, name: str) -> str | None:
        """How the source writes the times of that column; None for ISO 8601, and for columns of other kinds."""
        column = self.columns.get(name)
        return (column.time_format or self.time_format or None) if column and column.kind == "time" else None

    @property
    def seconds_of_unit(self) -> int:
        """How many seconds the unit of an elapsed target has."""
        return SECONDS_OF_UNIT[self.unit]

    @property
    def address(self) -> str:
        """The source's address, or `sample`."""
        return self.sources.get(self.source, self.source)

    @property
    def source_names(self) -> tuple[str, ...]:
        """What SOURCE may be instead of an address."""
        return (*((SAMPLE,) if self.sample else ()), *self.sources)

    @property
    def split_by(self) -> Literal["time", "group", "hash"]:
        """How rows are split."""
        if self.split:
            return self.split
        if self.time:
            return "time"
        return "group" if self.group else "hash"

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain JSON values, as it is frozen with each training set and in each model.

        Where rows come from is left out: addresses can be secret, and nothing that is made of rows needs them.
        """
        frozen = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"sources"})
        for part in (frozen, *frozen.get("references", {}).values()):
            part["source"] = NO_SOURCE
        if self.time and not self.columns[self.time].required:
            # Where it is left out, a time is required.
            frozen["columns"][self.time]["required"] = False
        return frozen

    @classmethod
    def from_dict(cls, declaration: Mapping[str, Any]) -> "Problem":
        """The inverse of `to_dict`."""
        return cls(**declaration)

    def resolve(self, name: str) -> Any:
        """What a dotted name of the problem's folder names: a module, or with a colon something in it."""
        module, _, attribute = name.partition(":")
        found = import_module(f"{ROOT_PACKAGE}.problems.{self.name}.{module}")
        return getattr(found, attribute) if attribute else found

    @property
    def label(self) -> str:
        """What is predicted, in a few words: the title, else the target, else the name."""
        return self.title or " ".join((self.target or "").split()) or self.name.replace("_", " ").capitalize()
