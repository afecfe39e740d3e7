"""Who may log in, as `.env` says it."""

import pytest
from pydantic import ValidationError

from include.team.settings import TeamSettings


def test_people_are_read_with_their_roles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_USERS", "ann:Admin, bob:Viewer,")
    assert TeamSettings().team_users == {"ann": "Admin", "bob": "Viewer"}


@pytest.mark.parametrize("users", ["ann:Boss", "ann"])
def test_role_that_there_is_not_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, users: str) -> None:
    monkeypatch.setenv("TEAM_USERS", users)
    with pytest.raises(ValidationError, match=f"'{users}:?.*' is not name:role; roles are Admin, Op, User, Viewer"):
        TeamSettings()


def test_nobody_but_the_administrator_is_a_team_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEAM_USERS", "")
    assert TeamSettings().team_users == {}
