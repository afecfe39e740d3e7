"""`docs/settings.md` and `.env` say what the code says."""

import json
import re
import tomllib

import jsonschema
import pytest

from include.configuration.layers import ENV_FILE
from include.problem.problem_file import PROBLEMS, list_problems
from scripts.settings_reference import REFERENCE, SCHEMA, list_settings, render_file, render_page, render_schema

PAGE = REFERENCE.read_text(encoding="utf-8")
FILE = ENV_FILE.read_text(encoding="utf-8")


def test_page_of_settings_is_what_the_code_says() -> None:
    assert render_page(PAGE, list_settings()) == PAGE, "`make docs` writes it again"


def test_comments_of_the_env_file_are_what_the_code_says() -> None:
    assert render_file(FILE, list_settings()) == FILE, "`make docs` writes them again"


def test_schema_of_problems_is_what_the_code_says() -> None:
    assert SCHEMA.read_text(encoding="utf-8") == render_schema(), "`make docs` writes it again"


@pytest.mark.parametrize("name", list_problems())
def test_shipped_problem_is_valid_for_editors(name: str) -> None:
    text = (PROBLEMS / name / "problem.toml").read_text(encoding="utf-8")
    assert text.startswith("#:schema ../../problem/problem.schema.json\n")
    jsonschema.validate(tomllib.loads(text), json.loads(render_schema()))


def test_no_two_settings_share_a_description() -> None:
    descriptions = [setting.description for setting in list_settings()]
    assert len(set(descriptions)) == len(descriptions)


def test_every_setting_belongs_to_a_section() -> None:
    headings = re.findall(r"^## (.+)$", PAGE, re.MULTILINE)
    assert headings == [setting.heading for setting in list_settings() if setting.heading]
    assert list_settings()[0].heading


def test_every_setting_that_a_description_refers_to_is_one() -> None:
    keys = {setting.key for setting in list_settings()}
    named = {key for setting in list_settings() for key in re.findall(r"`([A-Z]+_?[A-Z_]*)`", setting.description)}
    assert named - {"DEBUG", "INFO", "WARNING", "ERROR"} <= keys


def test_values_that_somebody_has_changed_are_kept() -> None:
    changed = FILE.replace("\nSOURCE=\n", "\nSOURCE='file:///my data/{month}.csv' # ours\n")
    assert render_file(changed, list_settings()) == changed


def test_setting_without_a_line_gets_one_with_its_default() -> None:
    assert render_file(FILE.replace("\nMAX_EVALUATIONS=10\n", "\n"), list_settings()) == FILE


def test_line_that_is_no_setting_is_not_dropped_in_silence() -> None:
    with pytest.raises(ValueError, match="MY_DIRECTORY: no setting"):
        render_file(f"{FILE}MY_DIRECTORY=/data\n", list_settings())
