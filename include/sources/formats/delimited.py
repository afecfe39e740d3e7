"""Text with a line for each row: which character separates the values, which mark the decimals, and all rows."""

import csv
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from include.configuration.values import show_setting
from include.errors import SettingsError, SourceInvalid
from include.problem.parts import TAB
from include.problem.reading import DETECT, Reading
from include.sources.contents import Opened, Read, name_columns
from include.sources.formats.encoding import read_text
from include.sources.location import mask

DELIMITERS = ",;\t|"
SNIFFED = 20_000
MOST_LINES = 10  # that may be blank, before the names
# A line that some spreadsheets write, and read, before the names.
DELIMITER_LINE = re.compile(r"\s*\"?sep=(.)\"?\s*$", re.IGNORECASE)
# What stands between groups of three digits where a comma marks the decimals.
_MARK = r"[.'\x{2019}\p{Zs}]"
# One number with a decimal comma; a currency or a unit around it stays there. A word before it makes it a text.
DECIMAL_COMMA = (
    rf"^(?:[^\p{{L}}\d,]|[A-Za-z]{{1,3}}\p{{Sc}})*(?:[1-9]\d{{0,2}}(?:{_MARK}\d{{3}})+|\d+)(?:,\d+)?[^\d,]*$"
)
WITH_COMMA = r"\d,\d"
# A number as above that is a thousand where a point marks the decimals.
AMBIGUOUS_COMMA = r"^\D*[1-9]\d{0,2},\d{3}\D*$"
# Two answers to one question are written like this, too.
PAIR = r"^\d,\d$"
POINT = r"\."
DETECTED_SHARE = 0.95
DECLARED_SHARE = 0.5
# So much of a file is looked through for a decimal comma: a few tens of MB.
MOST_BATCHES = 32


@dataclass(frozen=True)
class Commas:
    """What was found of decimal commas in a file.

    Attributes:
        thousands: Column of numbers with a comma before the decimals -> what marks thousands in it, an expression.
        shown_by: Columns that show that commas mark decimals; empty where that is declared.
        guessed: Columns without a comma -> a value whose point is taken for a mark of thousands.
    """

    thousands: Mapping[str, str] = field(default_factory=dict)
    shown_by: Sequence[str] = ()
    guessed: Mapping[str, str] = field(default_factory=dict)


def open_csv(path: Path, url: str, wanted: Collection[str] = (), reading: Reading = DETECT) -> Opened:
    """Opens a text file with a line for each row and the names in the first one; every value is text.

    Args:
        wanted: Columns that tell which delimiter is right: where one gives fewer of them than another one.

    Raises:
        SourceInvalid: It is in an encoding that nothing shows, or has a name twice, or one column alone.
        SettingsError: What is declared cannot be.
    """
    text = read_text(path, url, reading)
    lines = text.head.lstrip("\r\n").splitlines()[:MOST_LINES] or [""]
    named = DELIMITER_LINE.match(lines[0])
    header = next((line for line in lines[1 if named else 0 :] if line.strip()), "")
    delimiter = named[1] if named else _choose_delimiter(reading, text.head, header, wanted)
    if header.count('"') % 2 == 0:  # else a name goes on in the next line
        _refuse_single_column(list(name_columns(_split(header, delimiter), url)), delimiter, url)
    skipped = text.head[: len(text.head) - len(text.head.lstrip("\r\n"))].count("\n") + 1 if named else 0

    def open_reader(names: Sequence[str] | None = None) -> pa.csv.CSVStreamingReader:
        # Everything as text: a value of the wrong type is then one refused row, not a file that cannot be read.
        return pa.csv.open_csv(
            pa.input_stream(str(path), compression=None),
            # Arrow skips the mark of UTF-8 by itself.
            read_options=pa.csv.ReadOptions(
                encoding="utf8" if text.encoding.startswith("utf-8") else text.encoding, skip_rows=skipped
            ),
            # To look for values that go on in the next line takes longer.
            parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=text.has_quotes),
            convert_options=pa.csv.ConvertOptions(
                include_columns=names,
                column_types=dict.fromkeys(names or (), pa.string()),
                strings_can_be_null=True,
                null_values=[""],
            ),
        )

    raw = name_columns(open_reader().schema.names, url)
    names = list(raw)

    def read_as_it_is(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for batch in open_reader([raw[name] for name in wanted]):
            yield batch.rename_columns(list(wanted))

    commas = _find_decimal_commas(read_as_it_is, names, delimiter, reading)

    def read(wanted: Sequence[str]) -> Iterator[pa.RecordBatch]:
        changed = {name: mark for name, mark in commas.thousands.items() if name in wanted}
        for batch in read_as_it_is(wanted):
            yield _write_points(batch, changed) if changed else batch

    return Opened(dict.fromkeys(names, "text"), read, (*text.warnings, *_tell_guessed(commas, url)))


def _choose_delimiter(reading: Reading, head: str, header: str, wanted: Collection[str]) -> str:
    if reading.delimiter is not None:
        if len(reading.delimiter) != 1 or reading.delimiter in '"\r\n':
            raise SettingsError(f"DELIMITER {reading.delimiter!r} is not one character: give one such as ; or tab")
        return reading.delimiter
    sniffed = _sniff(head)

    def judge(delimiter: str) -> tuple[int, bool, int]:
        names = _split(header, delimiter)
        return len(set(names) & set(wanted)), delimiter == sniffed, len(names)

    return max(DELIMITERS, key=judge)


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:  # a name without end
        return [header]


def _sniff(head: str) -> str | None:
    sample = head[:SNIFFED]
    if len(head) > SNIFFED:
        sample = sample[: sample.rfind("\n") + 1] or sample
    try:
        return csv.Sniffer().sniff(sample, DELIMITERS).delimiter
    except csv.Error:
        return None


def _refuse_single_column(names: list[str], delimiter: str, url: str) -> None:
    others = [other for other in DELIMITERS if len(names) == 1 and other != delimiter and other in names[0]]
    if others:
        likely = max(others, key=names[0].count)
        shown = TAB if likely == "\t" else likely
        raise SourceInvalid(
            f"{mask(url)}: one column was found, '{names[0][:80]}': the file seems to be separated by '{shown}'. "
            f"Set {show_setting('DELIMITER', shown)}"
        )


def _find_decimal_commas(read: Read, names: Sequence[str], delimiter: str, reading: Reading) -> Commas:
    """In which columns of numbers a comma marks the decimals, judged by the first rows that show one.

    Where one column has decimal commas, a point is a mark of thousands in all others, too. Texts show nothing.
    """
    if reading.decimal not in (None, ".", ","):
        raise SettingsError(f"DECIMAL {reading.decimal!r} is not known: give . or ,")
    names = [name for name in names if name not in reading.texts]
    if not names or reading.decimal == "." or (reading.decimal is None and delimiter == ","):
        return Commas()
    least = DECLARED_SHARE if reading.decimal else DETECTED_SHARE
    marks = pa.array(sorted(reading.marks), pa.string())
    for batch in islice(read(names), MOST_BATCHES):
        shown_by = []
        if not reading.decimal:
            with_comma = [name for name in names if _has_comma(batch[name])]
            taken = {name: _take_numbers(batch[name], least, marks) for name in with_comma}
            shown_by = [name for name, numbers in taken.items() if _has_decimal_commas(numbers, delimiter)]
        if reading.decimal or shown_by:
            return _judge({name: _take_numbers(batch[name], least, marks) for name in names}, shown_by)
    return Commas()


def _judge(found: Mapping[str, pa.Array | None], shown_by: Sequence[str]) -> Commas:
    thousands, guessed = {}, {}
    for name, numbers in found.items():
        if numbers is None:
            continue
        has_comma = _has_comma(numbers)
        # Other marks than a point are those of numbers without decimal commas, too, and of telephone numbers.
        thousands[name] = _MARK if has_comma else POINT
        grouped = numbers.filter(pc.match_substring_regex(numbers, rf"\d{POINT}\d{{3}}"))
        if len(grouped) and not has_comma:
            guessed[name] = grouped[0].as_py()
    return Commas(thousands, shown_by, guessed)


def _tell_guessed(commas: Commas, url: str) -> list[str]:
    if not (commas.shown_by and commas.guessed):
        return []
    values = " and ".join(f"'{value}' in column '{name}'" for name, value in commas.guessed.items())
    said = f"{mask(url)}: the point of {values} is taken for a mark of thousands"
    why = f"as column '{commas.shown_by[0]}' has decimal commas"
    right = f"If that is right, {show_setting('DECIMAL', ',')} has every file read like this"
    return [f"{said}, {why}. {right}; else write decimals with a comma there, or declare codes as a category"]


def _has_comma(texts: pa.Array) -> bool:
    """Whether one of the texts has a comma between digits."""
    some = texts.filter(pc.match_substring(texts, ","))
    return bool(pc.any(pc.match_substring_regex(some, WITH_COMMA)).as_py())


def _take_numbers(column: pa.Array, least: float, marks: pa.Array) -> pa.Array | None:
    """The values that are numbers if a comma marks the decimals; None where less than this share of all are."""
    text = pc.utf8_trim_whitespace(column).drop_null()
    text = text.filter(pc.invert(pc.is_in(text, marks)))
    fitting = text.filter(pc.match_substring_regex(text, DECIMAL_COMMA))
    return fitting if len(fitting) >= least * len(text) else None


def _has_decimal_commas(numbers: pa.Array | None, delimiter: str) -> bool:
    if numbers is None:
        return False
    with_comma = numbers.filter(pc.match_substring_regex(numbers, WITH_COMMA))
    # Who separates values by semicolons does so because of decimal commas.
    if delimiter == ";":
        return len(with_comma) > 0
    doubtful = pc.match_substring_regex(with_comma, AMBIGUOUS_COMMA)
    if len(with_comma) >= DETECTED_SHARE * len(numbers):
        doubtful = pc.or_(doubtful, pc.match_substring_regex(with_comma, PAIR))
    return doubtful.true_count < DETECTED_SHARE * len(with_comma)


def _write_points(batch: pa.RecordBatch, thousands: Mapping[str, str]) -> pa.RecordBatch:
    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name, mark in thousands.items():
        text = pc.utf8_trim_whitespace(columns[name])
        ungrouped = pc.replace_substring_regex(text, rf"{mark}(\d{{3}})", r"\1")
        grouped = pc.match_substring_regex(text, rf"\d{mark}\d{{3}}")
        written = pc.replace_substring(pc.if_else(grouped, ungrouped, text), ",", ".")
        columns[name] = pc.if_else(pc.match_substring_regex(text, DECIMAL_COMMA), written, columns[name])
    return pa.record_batch(columns)
