"""The people of a team, in FAB's auth manager with a database of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from include.settings import ROOT

MANAGER = "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager"
# What is given, one set of users after the other, and which of all passwords can log in at the end.
PROGRAM = """
import json, sys
from airflow.providers.fab.auth_manager.cli_commands.utils import get_application_builder
from include.team.users import save_users

given = json.load(sys.stdin)
told = [save_users(roles, passwords) for roles, passwords in given]
with get_application_builder() as builder:
    logins = {login for _, passwords in given for login in passwords.items()}
    works = sorted(login for login in logins if builder.sm.auth_user_db(*login, rotate_session_id=False))
    roles = {user.username: [role.name for role in user.roles] for user in builder.sm.get_all_users()}
print(json.dumps([told, works, roles]))
"""


@pytest.mark.slow
def test_passwords_of_people_are_set_once_and_that_of_the_tasks_always(tmp_path: Path) -> None:
    environment = os.environ | {
        "AIRFLOW_HOME": str(tmp_path),
        "AIRFLOW__CORE__AUTH_MANAGER": MANAGER,
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path / 'airflow.db'}",
        "PYTHONPATH": str(ROOT),
    }

    def run(*arguments: str, given: str = "") -> str:
        command = [sys.executable, *arguments]
        done = subprocess.run(command, env=environment, input=given, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    run("-m", "include.team.airflow", "db", "migrate")
    before = {"ann": "Viewer", "automation": "User"}, {"ann": "first", "automation": "old"}
    after = {"ann": "Op", "automation": "User"}, {"ann": "second", "automation": "new"}
    told, works, roles = json.loads(run("-c", PROGRAM, given=json.dumps([before, after, after])).splitlines()[-1])
    assert told == [
        ["ann was created as Viewer", "automation was created as User"],
        ["ann is Op from now on", "automation has a new password"],
        ["ann is Op", "automation is User"],
    ]
    assert works == [["ann", "first"], ["automation", "new"]]
    assert roles == {"ann": ["Op"], "automation": ["User"]}
    # As docs/production.md says how to change it; the next migrations leave it.
    run("-m", "include.team.airflow", "users", "reset-password", "--username", "ann", "--password", "third")
    again = {"ann": "Op"}, {"ann": "first"}, {"ann": "Op"}, {"ann": "third"}
    _, works, _ = json.loads(run("-c", PROGRAM, given=json.dumps([again[:2], again[2:]])).splitlines()[-1])
    assert works == [["ann", "third"]]
