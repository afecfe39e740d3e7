"""scripts/start.sh: secrets at the first start, one command for the engine."""

import json
import re
import stat
import subprocess
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest

from include.deployment.checklist import review
from include.embedded import settings as stack_module
from include.embedded.places import check_home
from include.embedded.settings import StackSettings
from include.settings import reading as domain_module
from include.settings import team as team_module
from include.settings.team import TeamSettings
from include.team.users import read_passwords
from tests.team.compose_file import load_compose
from tests.team.starting import lay_out, read_calls, run_script


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "a project")


def read_secrets(project: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in sorted((project / "secrets").glob("[!.]*"))}


def drop_lines(project: Path, *keys: str) -> None:
    """Removes settings from the project's `.env`."""
    file = project / ".env"
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(line for line in lines if line.partition("=")[0] not in keys))


def test_first_start_generates_every_secret_of_the_compose_file_and_no_other(project: Path) -> None:
    done = run_script(project)
    assert done.returncode == 0, done.stderr
    secrets = read_secrets(project)
    assert secrets.keys() == load_compose()["secrets"].keys()
    generated = [value for name, value in secrets.items() if name not in ("alert_urls", "smtp_connection")]
    assert len(set(generated)) == len(generated), "no two are the same"
    assert all(re.fullmatch("[0-9a-f]{48}\n", secrets[name]) for name in secrets if name.endswith("_password"))
    assert len(urlsafe_b64decode(secrets["fernet_key"].strip())) == 32
    assert len(secrets["jwt_secret"].strip()) >= 64, "HMAC with SHA-512 asks for as many"
    assert json.loads(secrets["smtp_connection"])["host"] == "mailpit"


def test_secrets_are_behind_a_directory_that_only_its_owner_can_enter(project: Path) -> None:
    run_script(project)
    assert stat.S_IMODE((project / "secrets").stat().st_mode) == 0o700
    # The accounts of the containers read the files that are mounted for them.
    assert {stat.S_IMODE(path.stat().st_mode) for path in (project / "secrets").glob("[!.]*")} == {0o444}


def test_second_start_keeps_secrets_and_adds_what_lacks(project: Path) -> None:
    run_script(project)
    before = read_secrets(project)
    (project / "secrets" / "broker_password").unlink()
    run_script(project, TEAM_USERS="guest:Viewer,new:Op")
    after = read_secrets(project)
    assert after.pop("broker_password") != before.pop("broker_password")
    users, users_before = (read_passwords(secrets.pop("user_passwords")) for secrets in (after, before))
    assert after == before
    assert set(users_before) == {"admin", "operator", "analyst", "guest"}
    assert users.keys() - users_before.keys() == {"new"}
    assert users.items() >= users_before.items()


def test_secret_that_was_cut_off_by_a_full_disk_is_generated_at_the_next_start(project: Path) -> None:
    full = "trap '' XFSZ; ulimit -f 0; exec bash \"$@\""
    assert run_script(project, shell=full).returncode != 0
    (project / "secrets" / "broker_password").touch()
    assert run_script(project).returncode == 0
    secrets = read_secrets(project)
    assert secrets.keys() == load_compose()["secrets"].keys()
    assert all(re.fullmatch("[0-9a-f]{48}\n", secrets[name]) for name in secrets if name.endswith("_password"))


def test_passwords_are_kept_when_the_disk_is_full(project: Path) -> None:
    run_script(project)
    before = read_secrets(project)
    full = "trap '' XFSZ; ulimit -f 0; exec bash \"$@\""
    assert run_script(project, shell=full, TEAM_USERS="new:Op").returncode != 0
    assert read_secrets(project) == before


def test_people_whose_names_are_alike_get_a_password_each(project: Path) -> None:
    done = run_script(project, ADMIN_USER="a.b", TEAM_USERS="a-b:User,ann-lee:User,ann.lee:Op,ann+lee:Op")
    passwords = read_passwords(read_secrets(project)["user_passwords"])
    assert passwords.keys() == {"a.b", "a-b", "ann-lee", "ann.lee", "ann+lee"}
    assert len(set(passwords.values())) == len(passwords)
    assert f"a.b / {passwords['a.b']}\n" in done.stdout


@pytest.mark.parametrize("line", ["", "{}=\n"])
def test_setting_that_says_nothing_has_the_default_of_the_code(project: Path, line: str) -> None:
    keys = ("ADMIN_USER", "AIRFLOW_PORT", "MLFLOW_PORT", "SERVING_PORTS", "MAILPIT_PORT", "XGBOOST_DEVICE")
    drop_lines(project, *keys, "TEAM_USERS")
    with (project / ".env").open("a") as file:
        file.write("".join(line.format(key) for key in keys))
    done = run_script(project)
    stack, team = StackSettings(), TeamSettings()
    assert read_passwords(read_secrets(project)["user_passwords"]).keys() == {stack.admin_user, *team.team_users}
    assert f"http://localhost:{stack.airflow_port}  {stack.admin_user} / " in done.stdout
    assert f"http://localhost:{stack.mlflow_port}  reader" in done.stdout
    assert f"http://localhost:{team.serving_ports.partition('-')[0]}/docs" in done.stdout
    assert f"http://localhost:{team.mailpit_port}\n" in done.stdout


def test_nobody_beside_the_administrator_gets_a_password_where_the_settings_name_nobody(project: Path) -> None:
    run_script(project, TEAM_USERS="")
    assert read_passwords(read_secrets(project)["user_passwords"]).keys() == {"admin"}


def test_checkout_that_has_a_team_server_can_have_a_stack_too(project: Path) -> None:
    assert run_script(project).returncode == 0
    check_home(project / ".local")
    assert not (project / ".local").exists()


def test_engine_is_asked_once_and_waited_for_and_where_everything_is_gets_printed(project: Path) -> None:
    done = run_script(project, "--scale", "worker-cpu=3")
    assert [call[2] for call in read_calls(project)] == [
        "compose version",
        "compose --file - config",
        "compose build",
        "compose run --rm --no-deps migrations python -m include.embedded.settings_check",
        "compose up --detach --wait --scale worker-cpu=3",
    ]
    assert f"admin / {read_passwords(read_secrets(project)['user_passwords'])['admin']}" in done.stdout
    assert "http://localhost:8080" in done.stdout
    assert "http://localhost:8100/docs" in done.stdout


def test_replaced_secret_has_containers_started_anew_once(project: Path) -> None:
    run_script(project)
    run_script(project, TEAM_USERS="new:Op")
    (project / "secrets" / "warehouse_password").chmod(0o644)
    (project / "secrets" / "warehouse_password").write_text("another\n")
    assert run_script(project, DOCKER_REFUSES="up").returncode != 0
    run_script(project)
    run_script(project)
    ups = [call[2] for call in read_calls(project) if call[2].startswith("compose up")]
    anew = "compose up --detach --wait --force-recreate"
    assert ups == ["compose up --detach --wait", "compose up --detach --wait", anew, anew, "compose up --detach --wait"]


def test_gpu_profile_is_chosen_by_the_device(project: Path) -> None:
    run_script(project)
    run_script(project, XGBOOST_DEVICE="cuda")
    assert [call[0] for call in read_calls(project) if call[2].startswith("compose up")] == ["", "gpu"]


def test_dask_profile_is_chosen_by_the_engine(project: Path) -> None:
    run_script(project, TRAINING_ENGINE="dask")
    run_script(project, TRAINING_ENGINE="dask", XGBOOST_DEVICE="cuda")
    assert [call[0] for call in read_calls(project) if call[2].startswith("compose up")] == ["dask", "gpu,dask"]


@pytest.mark.parametrize(
    ("refused", "message"),
    [("version", "docker compose is needed"), ("config", "Docker Compose could not read the settings")],
)
def test_missing_compose_is_said_before_anything_is_written(project: Path, refused: str, message: str) -> None:
    done = run_script(project, DOCKER_REFUSES=refused)
    assert done.returncode == 1
    assert message in done.stderr
    assert not (project / "secrets").exists()


def test_nothing_that_runs_is_touched_when_a_setting_cannot_be_used(project: Path) -> None:
    assert run_script(project, DOCKER_REFUSES="run").returncode == 1
    assert not [call for call in read_calls(project) if call[2].startswith("compose up")]


def test_settings_are_those_that_compose_reads(project: Path) -> None:
    with (project / ".env").open("a") as file:
        file.write("export ADMIN_USER='boss' # quoted\r\nAIRFLOW_PORT=\"${MAILPIT_PORT}\"\nTEAM_USERS=ann:Op # one\n")
    done = run_script(project)
    assert "http://localhost:8025  boss / " in done.stdout
    assert set(read_passwords(read_secrets(project)["user_passwords"])) == {"boss", "ann"}


def test_script_is_read_by_bash_as_old_as_that_of_macos() -> None:
    text = (Path(__file__).resolve().parents[2] / "scripts" / "start.sh").read_text()
    assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0
    # Of bash 4: associative arrays, mapfile, lower and upper case; of GNU's tools alone: sed -i, readlink -f.
    assert not re.search(r"declare -A|mapfile|readarray|\$\{\w+(,,|\^\^)|sed -i|readlink -f|grep -P", text)


@pytest.mark.parametrize(
    "line",
    [
        "{key}={value}",
        "{key} = {value} ",
        "export {key}={value}",
        "{key}={value} # a comment",
        "{key}='{value}'",
        "{key}='{value}' # a comment",
        '{key}="{value}"',
        "{key}=${{NOBODY:-{value}}}",
        "PART={value}\n{key}=$PART",
        "{key}={value}\r",
        "{key}=another\n{key}={value}",
    ],
)
def test_all_readers_read_the_same_from_a_line(project: Path, monkeypatch: pytest.MonkeyPatch, line: str) -> None:
    wanted = {"ADMIN_USER": "boss", "REGISTERED_MODEL": "rides", "IMAGE_TAG": "new", "SOURCE": "sample"}
    file = project / ".env"
    file.write_text("".join(line.format(key=key, value=value) + "\n" for key, value in wanted.items()))
    for module in (domain_module, stack_module, team_module):
        monkeypatch.setattr(module, "ENV_FILE", file)
    for key in wanted:
        monkeypatch.delenv(key, raising=False)
    read = {
        "ADMIN_USER": stack_module.read_stack_settings({}).admin_user,
        "REGISTERED_MODEL": domain_module.read_settings().registered_model,
        "IMAGE_TAG": team_module.read_team_settings({}).image_tag,
        "SOURCE": domain_module.read_settings().problem.source,
    }
    assert read == wanted
    assert any("SOURCE is the synthetic sample" in str(finding.problem) for finding in review(project, "helm"))
    # The script asks compose: it is the engine here that answers by these rules.
    assert "  boss / " in run_script(project).stdout
