"""The rules that `.env` is read by: those of Docker Compose, as its documentation gives them."""

from pathlib import Path

import pytest

from include.configuration.env_file import quote, read_env_file
from include.errors import SettingsError

GIVEN = {"GIVEN": "from the environment", "EMPTY": ""}
# What a line says -> what KEY is then.
RULES = {
    "KEY=value": "value",
    "KEY='value'": "value",
    'KEY="value"': "value",
    "KEY=": "",
    "KEY=''": "",
    "  KEY = value  ": "value",
    "export KEY=value": "value",
    "KEY: value": "value",
    "KEY=value # comment": "value",
    "KEY=value# no comment": "value# no comment",
    "KEY=#no-comment": "#no-comment",
    "KEY= # comment": "",
    "KEY=a b": "a b",
    "KEY=a=b": "a=b",
    "KEY='value # no comment'": "value # no comment",
    "KEY='value' # comment": "value",
    "KEY='$GIVEN ${GIVEN} $$'": "$GIVEN ${GIVEN} $$",
    r"KEY='Let\'s go'": "Let's go",
    r"KEY='some\tvalue'": r"some\tvalue",
    r'KEY="{\"hello\": \"json\"}"': '{"hello": "json"}',
    r'KEY="some\tvalue\n"': "some\tvalue\n",
    r'KEY="back\\slash"': r"back\slash",
    r'KEY="\$GIVEN"': "$GIVEN",
    "KEY=\"say 'so'\"": "say 'so'",
    "KEY='one\ntwo'": "one\ntwo",
    "KEY=$GIVEN": "from the environment",
    "KEY=${GIVEN}!": "from the environment!",
    'KEY="<$GIVEN>"': "<from the environment>",
    "KEY=$$GIVEN": "$GIVEN",
    "KEY=costs 5$": "costs 5$",
    "KEY={month} $5": "{month} $5",
    "KEY=$LACKING.": ".",
    "KEY=${LACKING:-default}": "default",
    "KEY=${EMPTY:-default}": "default",
    "KEY=${EMPTY-default}": "",
    "KEY=${LACKING-default}": "default",
    "KEY=${GIVEN:-default}": "from the environment",
    "KEY=${GIVEN:+other}": "other",
    "KEY=${EMPTY:+other}": "",
    "KEY=${EMPTY+other}": "other",
    "KEY=${LACKING:-${ALSO:-${GIVEN}}}": "from the environment",
    "ABOVE=1\nKEY=${ABOVE}2": "12",
    "GIVEN=from the file\nKEY=$GIVEN": "from the environment",
    "KEY=first\nKEY=second": "second",
    "# KEY=comment\n\n \nKEY=value": "value",
    "KEY=value\r\nOTHER=1\r\n": "value",
    "\ufeffKEY=value": "value",
    "KEY=Größe": "Größe",
}


def read(directory: Path, text: str | bytes) -> dict[str, str]:
    path = directory / ".env"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return dict(read_env_file(path, GIVEN).values)


@pytest.mark.parametrize("text", RULES)
def test_line_says_what_it_says_to_compose(tmp_path: Path, text: str) -> None:
    assert read(tmp_path, text)["KEY"] == RULES[text]


def test_key_alone_takes_its_value_from_the_environment(tmp_path: Path) -> None:
    assert read(tmp_path, "GIVEN\nLACKING # comment\n") == {"GIVEN": "from the environment"}


@pytest.mark.parametrize(
    "value", ["", "a b#c", " # ", "it's", 'say "so"', "back\\slash", "end\\", "$HOME ${HOME} $$", "ä\n"]
)
def test_quoted_value_is_read_as_it_was(tmp_path: Path, value: str) -> None:
    assert read(tmp_path, f"KEY={quote(value)}\n") == {"KEY": value}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=1\nB='x\nC=2\n", r"line 2: the quote \('\) that the value of B begins with is not closed"),
        ('A=1\n\nB="x\nC=2\n', r'line 3: the quote \("\) that the value of B begins with is not closed'),
        ("A='x' y\n", "line 1: the quote"),
        ("A=1\nwhat is this\n", "line 2: this is neither a comment nor KEY=value"),
        ("A=1\n=2\n", "line 2: this is neither"),
        ("A=1\nB=${A\n", r"line 2: B: '\$\{' does not start a variable"),
        ("A=1\nB=${A:-1\n", r"line 2: B: a \$\{ has no \}"),
        ("A=${B:?name it}\n", "line 1: A: B must be set: name it"),
        ("A=1\nB=m\xfcller\n".encode("latin-1"), "line 2: the byte 0xfc is not UTF-8: save the file as UTF-8"),
        ("A=1\n".encode("utf-16"), "UTF-16"),
        ("A=1\n".encode("utf-16-le"), "UTF-16"),
    ],
)
def test_file_that_cannot_be_read_is_named_with_the_line(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        read(tmp_path, text)
    assert str(tmp_path / ".env") in str(raised.value)


def test_file_that_is_not_there_says_nothing(tmp_path: Path) -> None:
    assert read_env_file(tmp_path / ".env", {}).values == {}


def test_variables_that_are_referred_to_and_those_that_nobody_sets_are_known(tmp_path: Path) -> None:
    path = tmp_path / ".env"
    path.write_text("A=$GIVEN\nB=$LACKING ${A} ${OTHER:-1}\n")
    found = read_env_file(path, GIVEN)
    assert found.names == {"GIVEN", "LACKING", "A", "OTHER"}
    assert found.unset == {"LACKING"}
    assert found.lines == {"A": 1, "B": 2}
