"""The project's own files agree with each other."""

import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Any

from include.version import VERSION

ROOT = Path(__file__).resolve().parents[1]
RELEASE = re.compile(r"^## \[(\d+\.\d+\.\d+)\] - (\d{4}-\d{2}-\d{2})$", re.MULTILINE)


def read_metadata() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def find_releases() -> list[tuple[str, str]]:
    """Version and day of each release in the changelog, the newest first."""
    return RELEASE.findall((ROOT / "CHANGELOG.md").read_text(encoding="utf-8"))


def test_newest_version_of_the_changelog_is_that_of_the_code_which_the_metadata_names() -> None:
    metadata = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert metadata["project"]["dynamic"] == ["version"]
    assert metadata["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "include.version.VERSION"}
    assert find_releases()[0][0] == VERSION


def test_releases_of_the_changelog_go_from_the_newest_to_the_oldest() -> None:
    releases = [(tuple(map(int, version.split("."))), date.fromisoformat(day)) for version, day in find_releases()]
    assert releases == sorted(releases, reverse=True)


def test_security_fixes_are_promised_for_the_newest_version() -> None:
    minor = VERSION.rpartition(".")[0]
    assert re.search(rf"^\| {re.escape(minor)} \| yes \|$", (ROOT / "SECURITY.md").read_text(), re.MULTILINE)


def test_license_is_the_one_that_the_metadata_names() -> None:
    metadata = read_metadata()
    assert metadata["license"] == "Apache-2.0"
    text = "".join((ROOT / name).read_text(encoding="utf-8") for name in metadata["license-files"])
    assert re.search(r"Apache License\s+Version 2\.0, January 2004", text)
