"""The one parser of `.env` files, by the rules of Docker Compose, which reads the same file.

https://docs.docker.com/compose/how-tos/environment-variables/variable-interpolation/. In short: `KEY=value`, also after
`export`; a comment begins with `#` at the start of a line or after a blank; single quotes keep everything as it is;
double quotes know escapes; outside of single quotes `$NAME`, `${NAME}` and `${NAME:-default}` are replaced, and `$$`
is a dollar. python-dotenv differs: it replaces within single quotes, and knows neither `$NAME` nor `$$`.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from include.errors import SettingsError

BLANK = re.compile(r"(?:\s|#[^\n]*)*")
KEY = re.compile(r"(?:export[^\S\n]+)?([A-Za-z_][A-Za-z0-9_.]*)[^\S\n]*(?:([=:])|(?=#|\n|\Z))")
SPACE = re.compile(r"[^\S\n]*")
LINE = re.compile(r"[^\n]*")
QUOTED = {"'": re.compile(r"'((?:\\'|[^'])*)'"), '"': re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL)}
REST_OF_LINE = re.compile(r"[^\S\n]*(?:#[^\n]*)?(?:\n|\Z)")
COMMENT = re.compile(r"\s#.*")
ESCAPE = re.compile(r'\\(?:([abfnrtv"\\$])|0([0-7]{1,3}))')
ESCAPED = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "$": "$$"}
VARIABLE = re.compile(r"\$(?:(\$)|([A-Za-z_]\w*)|\{(?:([A-Za-z_]\w*)(:?[-?+]|(?=\})))?)")
PLAIN_DOLLAR = "write a literal dollar as $$"
BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
# Name, and whether it counts as unset where it is not found -> value.
LookUp = Callable[[str, bool], str | None]


@dataclass(frozen=True)
class EnvFile:
    """What a file says.

    Attributes:
        values: Key -> value; of a key that is there twice, the last one.
        lines: Key -> the line that the value begins in, from 1 on.
        names: Variables that values refer to.
        unset: Those of them that were nowhere to be found, so that they count as empty.
    """

    values: Mapping[str, str]
    lines: Mapping[str, int]
    names: frozenset[str]
    unset: frozenset[str]


def read_env_file(path: Path, environment: Mapping[str, str]) -> EnvFile:
    """Reads a file; one that is not there says nothing.

    Args:
        environment: Where variables that values refer to are looked up first, before the lines above.

    Raises:
        SettingsError: The file is not UTF-8, or a line cannot be understood; the message names file and line.
    """
    if not path.exists():
        return EnvFile({}, {}, frozenset(), frozenset())
    values: dict[str, str] = {}
    lines: dict[str, int] = {}
    names: set[str] = set()
    unset: set[str] = set()

    def look_up(name: str, is_needed: bool) -> str | None:
        names.add(name)
        found = environment.get(name, values.get(name))
        if found is None and is_needed:
            unset.add(name)
        return found

    for line, key, raw, quote in _split(_decode(path), path):
        if raw is None:
            # A key alone takes its value from the environment.
            names.add(key)
            if key in environment:
                values[key], lines[key] = environment[key], line
            continue
        try:
            values[key] = raw if quote == "'" else _interpolate(_unescape(raw) if quote else raw, look_up)
        except ValueError as error:
            raise SettingsError(f"{path}, line {line}: {key}: {error}") from None
        lines[key] = line
    return EnvFile(values, lines, frozenset(names), frozenset(unset))


def quote(value: str) -> str:
    """The value as it is written into a file, to be read as it is."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$").replace("\n", "\\n")
    return f'"{escaped}"'


def _decode(path: Path) -> str:
    data = path.read_bytes()
    if data.startswith(BYTE_ORDER_MARKS) or b"\0" in data:
        raise SettingsError(f"{path} is in UTF-16 or another encoding than UTF-8, from line 1 on: save it as UTF-8")
    try:
        return data.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise SettingsError(
            f"{path}, line {line}: the byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8"
        ) from None


def _split(text: str, path: Path) -> Iterator[tuple[int, str, str | None, str]]:
    """Line, key, raw value (None: a key alone) and quote of each statement."""
    position = 0
    while True:
        position = BLANK.match(text, position).end()  # type: ignore[union-attr]
        if position == len(text):
            return
        line = text.count("\n", 0, position) + 1
        statement = KEY.match(text, position)
        if not statement:
            raise SettingsError(f"{path}, line {line}: this is neither a comment nor KEY=value")
        key, position = statement[1], statement.end()
        if not statement[2]:
            yield line, key, None, ""
            continue
        begin = SPACE.match(text, position).end()  # type: ignore[union-attr]
        sign = text[begin : begin + 1]
        if sign not in QUOTED:
            value = LINE.match(text, position)
            assert value
            position = value.end()
            yield line, key, COMMENT.sub("", value[0]).strip(), ""
            continue
        quoted = QUOTED[sign].match(text, begin)
        if not quoted or not REST_OF_LINE.match(text, quoted.end()):
            raise SettingsError(
                f"{path}, line {line}: the quote ({sign}) that the value of {key} begins with is not closed at the end"
                " of the value"
            )
        position = quoted.end()
        yield line, key, quoted[1].replace("\\'", "'") if sign == "'" else quoted[1], sign
        position = REST_OF_LINE.match(text, position).end()  # type: ignore[union-attr]


def _unescape(text: str) -> str:
    return ESCAPE.sub(lambda found: ESCAPED.get(found[1], found[1]) if found[1] else chr(int(found[2], 8)), text)


def _interpolate(text: str, look_up: LookUp) -> str:
    done, position = "", 0
    while found := VARIABLE.search(text, position):
        done += text[position : found.start()]
        position = found.end()
        if found[1]:
            done += "$"
        elif found[2]:
            done += look_up(found[2], True) or ""
        elif not found[3]:
            raise ValueError(f"'{found[0]}' does not start a variable ({PLAIN_DOLLAR})")
        else:
            end = _find_brace(text, position)
            done += _choose(found[3], found[4], text[position:end], look_up)
            position = end + 1
    return done + text[position:]


def _find_brace(text: str, position: int) -> int:
    depth = 0
    while position < len(text):
        if text.startswith("${", position):
            depth += 1
        elif text[position] == "}":
            if not depth:
                return position
            depth -= 1
        position += 1
    raise ValueError(f"a ${{ has no }} ({PLAIN_DOLLAR})")


def _choose(name: str, operator: str, word: str, look_up: LookUp) -> str:
    """What `${name operator word}` stands for."""
    value = look_up(name, not operator)
    is_there = bool(value) if operator.startswith(":") else value is not None
    match operator[-1:]:
        case "+":
            return _interpolate(word, look_up) if is_there else ""
        case "-" if not is_there:
            return _interpolate(word, look_up)
        case "?" if not is_there:
            raise ValueError(f"{name} must be set: {_interpolate(word, look_up)}")
    return value or ""
