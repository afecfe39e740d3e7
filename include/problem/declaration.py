"""The problem: what is predicted from what, declared once in `include/problems/<name>/problem.toml`.

Any top-level key can be given by the environment in capitals, and so can each column's name in the source
(`COLUMN_<NAME>`) and bounds (`<NAME>_MIN`, `<NAME>_MAX`), and each reference's address (`<NAME>_SOURCE`). The
environment wins, so that what must not be in git need not be.

It is read whenever a DAG file is, so that it imports nothing slow.
"""

import math
import re
import tomllib
from collections.abc import Mapping
from datetime import datetime
from functools import cached_property, lru_cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from include.configuration.layers import UNUSABLE, SettingsModel
from include.configuration.values import Names, OptionalText, Text, TimeZone, none_if_blank, split_list, suggest
from include.errors import SettingsError
from include.problem.kinds import KINDS, Kind, KindName
from include.problem.reading import ISO, Reading

PROBLEMS = Path(__file__).resolve().parents[1] / "problems"
# The private package that travels with a model has another root.
ROOT_PACKAGE = __name__.partition(".")[0]
SAMPLE = "sample"
# What a frozen declaration says instead of addresses.
NO_SOURCE = "none"
DEFAULT_FEATURES = "default"
TAB = "tab"
TAB_NAMES = (TAB, "\t", "\\t")
UNIX = ("unix", "unix_ms")
# What slices may be of besides columns: the hour of the problem's time.
HOUR = "hour"
NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
# Columns that the warehouse's tables have beside those of the problem, and the list of rows in a request.
RESERVED = frozenset(
    (
        "at",
        "inputs",
        "model_version",
        "month",
        "predicted",
        "request_id",
        "row_number",
        "source",
        "split",
        "target",
        "version",
    )
)
DotName = Annotated[str, Field(pattern=r"^[a-z_][a-z0-9_.]*(:[A-Za-z_][A-Za-z0-9_]*)?$")]
_SECONDS = {"seconds": 1, "minutes": 60, "hours": 3600, "days": 86_400}
_SHORT_UNITS = {"seconds": "s", "minutes": "min", "hours": "h"}


class DeclarationError(SettingsError):
    """A problem that cannot be used; says which key of which file is wrong, and what would be right.

    Attributes:
        fields: The keys that the environment gave and that are wrong, in small letters.
    """

    def __init__(self, message: str, fields: frozenset[str] = frozenset()) -> None:
        super().__init__(message)
        self.fields = fields


def _check_time_format(time_format: str) -> str:
    if time_format in ("", ISO, *UNIX):
        return time_format
    some = datetime(2003, 4, 5, 16, 7, 8)
    try:
        day = datetime.strptime(some.strftime(time_format), time_format).date()
    except ValueError:
        day = None
    if day != some.date():
        raise ValueError(f"{time_format!r} is no format of times with a day: give one such as %d/%m/%Y %H:%M, or unix")
    return time_format


TimeFormat = Annotated[str, AfterValidator(_check_time_format)]


class _Declared(BaseModel):
    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        str_strip_whitespace=True,
        allow_inf_nan=False,
        populate_by_name=True,
    )


class Column(_Declared):
    """A column of the source.

    Attributes:
        name: Its neutral name, the key in the file: what the warehouse, the API and the pages call it.
        source: Its name in the source; empty: the neutral one.
        kind: How it is read and used, see `include.problem.kinds`.
        title: What people read instead of its name.
        required: A row without it is rejected, and a request without it is refused.
        minimum: Smaller values are rejected and refused; `min` in the file.
        maximum: Greater ones are; `max` in the file.
        after: A time column that it must come after.
        reference: The reference whose names its values have.
        when_missing: What stands for a value that a request leaves out: `now`, for a time.
        time_format: How the source writes a time that is not in ISO 8601; empty: as the problem's `time_format` says.
    """

    name: str = ""
    source: str = ""
    kind: KindName = "number"
    title: str = ""
    description: str = ""
    unit: str = ""
    example: str | float | int | bool | None = None
    required: bool = False
    minimum: float | None = Field(default=None, alias="min")
    maximum: float | None = Field(default=None, alias="max")
    after: str = ""
    reference: str = ""
    when_missing: Literal["", "now"] = ""
    time_format: TimeFormat = ""

    @property
    def of_kind(self) -> Kind:
        """Its entry in the table of kinds."""
        return KINDS[self.kind]

    @property
    def label(self) -> str:
        """What people read: the title, else the name as words."""
        return self.title or self.name.replace("_", " ").capitalize()


class Reference(_Declared):
    """A table that the problem's features look up, such as positions; its contents are frozen with each set.

    Attributes:
        table: Dotted name of the object that loads and reads it, see `include.problem.references`.
        value: Dotted name of the class that holds it for features, with `from_dict` and `to_dict`.
        source: Where it comes from, in words that `table` understands.
    """

    table: DotName
    value: DotName
    source: str = "auto"


def _open_ends(bands: Any) -> Any:
    """Infinite ends as None, which unlike infinity can be kept as JSON."""
    if not isinstance(bands, Mapping):
        return bands
    return {
        name: [None if isinstance(end, float) and math.isinf(end) else end for end in ends]
        for name, ends in bands.items()
    }


Bands = Annotated[dict[str, tuple[float | None, float | None]], BeforeValidator(_open_ends)]


class Slice(_Declared):
    """A way to cut rows into parts whose errors are compared: by bands of a number, or by the most frequent values.

    Attributes:
        name: What reports call it; empty: the column's name.
        column: A column, or `hour` of the problem's time.
        bands: Label -> least value and the value that is no longer in; None where there is no end, `inf` in the file.
        most_frequent: So many values have a slice each, all others share one.
    """

    name: str = ""
    column: str
    bands: Bands = Field(default_factory=dict)
    most_frequent: int = Field(default=0, ge=0, le=50)

    @property
    def label(self) -> str:
        """What reports call it."""
        return self.name or self.column


def _as_pair(value: Any) -> Any:
    return (value, f"{value}s") if isinstance(value, str) else value


def _read_delimiter(value: Any) -> Any:
    # A tab alone would be taken for blanks around a value.
    if isinstance(value, str) and value.strip(" ").lower() in TAB_NAMES:
        return TAB
    return none_if_blank(value)


def _check_delimiter(delimiter: str | None) -> str | None:
    if delimiter is not None and delimiter != TAB and (len(delimiter) != 1 or delimiter in "\"'"):
        raise ValueError("give one character that is not a quote, such as ; or the word tab")
    return delimiter


def _as_texts(value: Any) -> Any:
    marks = split_list(value)
    return tuple(map(str, marks)) if isinstance(marks, list | tuple) else marks


def _check_unit(unit: str) -> str:
    if not unit.isprintable():
        raise ValueError("it contains a character that cannot be printed")
    return unit


class Problem(SettingsModel):
    """What is predicted from what; every part of the domain that depends on it takes it as an argument."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True, ignored_types=(cached_property,))

    name: str = Field(pattern=f"^{NAME.pattern}$")
    """The folder's name."""
    title: str = ""
    """What is predicted, in a few words, for pages and mails."""
    row: Annotated[tuple[str, str], BeforeValidator(_as_pair)] = ("row", "rows")
    """What a row is, one and several of them, for texts."""
    model: Text
    """Name of the experiment and of the registered model, where the settings do not name them."""
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
    unit: Annotated[str, AfterValidator(_check_unit)] = ""
    """Unit of the target, for people; of an elapsed time seconds, minutes, hours or days."""
    target_min: float | None = None
    """Minimum target; rows below it are left out. Empty: no minimum."""
    target_max: float | None = Field(default=None, validate_default=True)
    """Maximum target; rows above it are left out. Empty: no maximum."""
    time: Text
    """The column that says when a row was: rows are loaded, split and watched by it."""
    timezone: TimeZone = "UTC"
    """Time zone whose clock gives hours and days. Times with an offset become wall time of it; the time
    between two of them is the time that passed, even when the clock changes.
    """
    time_format: TimeFormat = ""
    """How the source writes times that are not in ISO 8601: a format of `strptime`, such as `%d/%m/%Y %H:%M`; `unix` or
    `unix_ms` for seconds or milliseconds since 1970. A column's own format wins.
    """
    delimiter: Annotated[str | None, BeforeValidator(_read_delimiter), AfterValidator(_check_delimiter)] = None
    """What separates the values in a line of the source's text files: one character, or `tab`. Empty: detected."""
    decimal: Annotated[Literal[".", ","] | None, BeforeValidator(none_if_blank)] = None
    """Decimal mark of the source's text files, `.` or `,`. Empty: detected."""
    encoding: OptionalText = None
    """Encoding of the source's text files, such as `latin-1`. Empty: a byte order mark, else UTF-8, else cp1252."""
    missing: Annotated[tuple[str, ...], BeforeValidator(_as_texts)] = ()
    """Values that mean a missing one, besides empty ones, NA, N/A, null, NaN, - and ?; for example -200."""
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
        """Each column's key in the file is its name, and its name in the source unless it says otherwise."""
        columns = values.get("columns")
        if not isinstance(columns, Mapping):
            return values
        named = {
            key: {**column, "name": key, "source": column.get("source") or key}
            if isinstance(column, Mapping)
            else column
            for key, column in columns.items()
        }
        return {**values, "columns": named}

    @model_validator(mode="after")
    def _fits_together(self) -> "Problem":
        _check_names(self)
        _check_slices(self)
        _check_sources(self)
        _check_bounds(self)
        if self.target is None and self.elapsed is None:
            raise ValueError("target: name the column to predict")
        return self

    @cached_property
    def stored(self) -> tuple[Column, ...]:
        """The columns that the warehouse keeps of each source row, but for the target."""
        return tuple(column for column in self.columns.values() if column.of_kind.sql)

    @cached_property
    def inputs(self) -> tuple[Column, ...]:
        """The columns that a model takes: known when one predicts, and of a kind that says something."""
        return tuple(
            column for column in self.stored if column.of_kind.is_feature and column.name not in self.known_later
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
    def reading(self) -> Reading:
        """How the source's text is read."""
        delimiter = "\t" if self.delimiter == TAB else self.delimiter
        return Reading(delimiter, self.decimal, self.encoding, self.missing)

    def time_format_of(self, name: str) -> str | None:
        """How the source writes the times of that column; None for ISO 8601, and for columns of other kinds."""
        column = self.columns.get(name)
        return (column.time_format or self.time_format or None) if column and column.kind == "time" else None

    @property
    def seconds_of_unit(self) -> int:
        """How many seconds the unit of an elapsed target has."""
        return _SECONDS[self.unit]

    @property
    def address(self) -> str:
        """The source's address, or `sample`."""
        return self.sources.get(self.source, self.source)

    @property
    def source_names(self) -> tuple[str, ...]:
        """What SOURCE may be instead of an address."""
        return (*((SAMPLE,) if self.sample else ()), *self.sources)

    @property
    def of_time(self) -> Column:
        """The column that rows are loaded, split and watched by."""
        return self.columns[self.time]

    def to_dict(self) -> dict[str, Any]:
        """The declaration as plain JSON values, as it is frozen with each training set and in each model.

        Where rows come from is left out: addresses can be secret, and nothing that is made of rows needs them.
        """
        frozen = self.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"sources"})
        for part in (frozen, *frozen.get("references", {}).values()):
            part["source"] = NO_SOURCE
        return frozen

    @classmethod
    def from_dict(cls, declaration: Mapping[str, Any]) -> "Problem":
        """The inverse of `to_dict`."""
        return cls(**declaration)

    def change(self, **given: Any) -> "Problem":
        """The problem with other values of the keys that the environment can give, see `keys_of`.

        Raises:
            DeclarationError: A value cannot be used.
        """
        document = self.model_dump(by_alias=True, exclude={"name"})
        try:
            return Problem(**_overlay(document, given), name=self.name)
        except ValidationError as error:
            raise _explain(self.name, error, given, {}) from None

    def resolve(self, name: str) -> Any:
        """What a dotted name of the problem's folder names: a module, or with a colon something in it."""
        module, _, attribute = name.partition(":")
        found = import_module(f"{ROOT_PACKAGE}.problems.{self.name}.{module}")
        return getattr(found, attribute) if attribute else found

    @property
    def label(self) -> str:
        """What is predicted, in a few words: the title, else the target, else the name."""
        return self.title or self.target or self.name.replace("_", " ").capitalize()

    def in_unit(self, value: float, decimals: int = 3) -> str:
        """An amount of the target in its unit, as short as people write it."""
        return f"{value:.{decimals}f} {_SHORT_UNITS.get(self.unit, self.unit)}".rstrip()


def _check_names(problem: Problem) -> None:
    for name in problem.columns:
        if not NAME.fullmatch(name) or name in RESERVED:
            why = "is reserved" if name in RESERVED else "is not made of small letters, digits and _"
            raise ValueError(f"columns.{name}: the name {why}; choose another one, and say source = {name!r}")
    mentioned = {
        "time": (problem.time,),
        "elapsed": problem.elapsed or (),
        "known_later": problem.known_later,
        "batch_order": problem.batch_order,
        "slices": tuple(part.column for part in problem.slices if part.column != HOUR),
        **{f"columns.{column.name}.after": (column.after,) for column in problem.columns.values() if column.after},
    }
    for key, names in mentioned.items():
        for name in names:
            if name not in problem.columns:
                near = suggest(name, problem.columns) or f"; the columns are {', '.join(problem.columns)}"
                raise ValueError(f"{key}: there is no column {name!r}{near}")
    for name in (problem.time, *(problem.elapsed or ())):
        if problem.columns[name].kind != "time":
            raise ValueError(f"columns.{name}: its kind must be time, not {problem.columns[name].kind}")
    for column in problem.columns.values():
        if column.when_missing and column.kind != "time":
            raise ValueError(f"columns.{column.name}.when_missing: only a time can be now, not a {column.kind}")
        if column.reference and column.reference not in problem.references:
            raise ValueError(f"columns.{column.name}.reference: there is no reference {column.reference!r}")
    if problem.elapsed and problem.unit not in _SECONDS:
        raise ValueError(f"unit: a time between two columns is in {', '.join(_SECONDS)}, not {problem.unit!r}")


def _check_slices(problem: Problem) -> None:
    for part in problem.slices:
        name = problem.time if part.column == HOUR and HOUR not in problem.columns else part.column
        if name not in problem.dtypes:
            raise ValueError(f"slices: {name!r} is not known when one predicts, or says nothing; choose another column")
        if not part.bands and not part.most_frequent:
            raise ValueError(f"slices: say for {part.column!r} what its slices are: bands, or most_frequent")


def _check_sources(problem: Problem) -> None:
    taken: dict[str, str] = {}
    for name, source in problem.read_columns.items():
        if not source.isprintable():
            raise ValueError(f"{_key_of(name)}: it contains a character that cannot be printed")
        if source in taken:
            raise ValueError(f"{_key_of(name)}: {source!r} is the name of {_key_of(taken[source])} already")
        taken[source] = name


def _key_of(name: str) -> str:
    """The key of the environment that names the column in the source."""
    return "TARGET" if name == "target" else f"COLUMN_{name.upper()}"


def _check_bounds(problem: Problem) -> None:
    bounds = {column.name: (column.minimum, column.maximum) for column in problem.columns.values()}
    for name, (low, high) in (bounds | {"target": (problem.target_min, problem.target_max)}).items():
        if low is not None and high is not None and high <= low:
            key = name.upper()
            raise ValueError(f"{key}_MAX: {high:g} is not above {key}_MIN, which is {low:g}")


# Top-level keys that are one value, so that the environment can give them.
SIMPLE_KEYS = (
    "title", "source", "target", "unit", "target_min", "target_max", "time", "timezone", "time_format", "delimiter",
    "decimal", "encoding", "missing", "known_later",
)  # fmt: skip
# The keys whose empty value says something; any other empty value of the environment leaves the file's.
_MAY_BE_EMPTY = frozenset(("target",))


def list_problems() -> list[str]:
    """The problems that there are, by name."""
    return sorted(path.parent.name for path in PROBLEMS.glob("*/problem.toml"))


def keys_of(name: str) -> frozenset[str]:
    """The keys, in small letters, by which the environment can change that problem; none where there is no such one."""
    try:
        document = _read(name)
    except SettingsError:
        return frozenset(SIMPLE_KEYS)
    columns = document.get("columns", {})
    return frozenset(
        (
            *SIMPLE_KEYS,
            *(f"column_{column}" for column in columns),
            *(f"{column}_{end}" for column in columns for end in ("min", "max")),
            *(f"{reference}_source" for reference in document.get("references", {})),
        )
    )


def read_problem(
    name: str, given: Mapping[str, Any] | None = None, origins: Mapping[str, str] | None = None
) -> Problem:
    """Reads a problem's file, and what the environment says instead of it.

    Args:
        given: Keys of `keys_of` in small letters -> value; an empty text leaves what the file says.
        origins: Key in capitals -> where its value is given, for messages.

    Raises:
        DeclarationError: There is no such problem, or it cannot be used; the message names the key, what is wrong and
            what would be right.
    """
    document = _overlay(_read(name), given or {})
    try:
        return Problem(**{**document, "name": name})
    except ValidationError as error:
        raise _explain(name, error, given or {}, origins or {}) from None


@lru_cache(maxsize=16)
def _load(path: Path, _changed_at: int) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{_show(path)} cannot be read: {error}. Correct that line.") from None


def _read(name: str) -> dict[str, Any]:
    path = PROBLEMS / name / "problem.toml"
    try:
        changed_at = path.stat().st_mtime_ns if NAME.fullmatch(name) else None
    except OSError:
        changed_at = None
    if changed_at is None:
        known = list_problems()
        near = suggest(name, known) or f"; there are {', '.join(known)}"
        raise DeclarationError(f"PROBLEM: there is no problem {name!r}{near}", frozenset(("problem",)))
    return _load(path, changed_at)


def _show(path: Path) -> str:
    return "/".join(path.parts[-4:])


def _overlay(document: dict[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """The file's contents with the environment's values in their places."""
    changed = {**document, "columns": {name: dict(column) for name, column in document.get("columns", {}).items()}}
    changed["references"] = {name: dict(each) for name, each in document.get("references", {}).items()}
    for key, value in given.items():
        if isinstance(value, str) and not value.strip() and key not in _MAY_BE_EMPTY:
            continue
        if key in SIMPLE_KEYS:
            changed[key] = value
        elif (column := key.removeprefix("column_")) in changed["columns"] and key.startswith("column_"):
            changed["columns"][column]["source"] = value
        elif (column := key.rpartition("_")[0]) in changed["columns"]:
            changed["columns"][column][key.rpartition("_")[2]] = value
        else:
            changed["references"][key.removesuffix("_source")]["source"] = value
    return changed


def _explain(
    name: str, error: ValidationError, given: Mapping[str, Any], origins: Mapping[str, str]
) -> DeclarationError:
    file = _show(PROBLEMS / name / "problem.toml")
    problems, fields = [], set()
    for entry in error.errors(include_url=False):
        where = [str(part) for part in entry["loc"]]
        message = entry["msg"].removeprefix("Value error, ")
        field = _field_of(where, message)
        if field in given:
            key = field.upper()
            fields.add(field)
            message = message.removeprefix(f"{key}: ")
            value = "" if entry["type"] == "value_error" else f", not {given[field]!r}"
            problems.append(
                f"{key} ({origins[key]}): {message}{value}" if key in origins else f"{key}: {message}{value}"
            )
        else:
            problems.append(f"{file}: {'.'.join(where)}: {message}" if where else f"{file}: {message}")
    return DeclarationError(f"{UNUSABLE}{'; '.join(problems)}", frozenset(fields))


def _field_of(where: list[str], message: str) -> str:
    """The key, in small letters, that the environment would give for that place."""
    match where:
        case ["columns", column, "source"]:
            return f"column_{column}"
        case ["columns", column, "min" | "minimum"]:
            return f"{column}_min"
        case ["columns", column, "max" | "maximum"]:
            return f"{column}_max"
        case ["references", reference, "source"]:
            return f"{reference}_source"
        case [key]:
            return key
    return message.partition(":")[0].lower()
