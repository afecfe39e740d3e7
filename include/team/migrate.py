"""`python -m include.team.migrate`: databases, schemas and users as this release needs them; then it ends.

It runs before everything else at each start, and changes nothing where all is as it should be.
"""

import os
import subprocess
import sys
from urllib.parse import unquote, urlsplit

from include.embedded import settings_check
from include.embedded.programs.postgres import create_database
from include.raw.tables import ensure_columns
from include.settings import read_settings
from include.settings.team import AUTOMATION, read_team_settings
from include.team.users import read_passwords, save_users
from include.warehouse import migrate

# Each names a database, its owner and the owner's password.
DATABASES = ("AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", "MLFLOW_BACKEND_STORE_URI", "WAREHOUSE_ADDRESS")
SECONDS_TO_MIGRATE = 600


def create_databases() -> None:
    """Creates missing databases and owners; each owner's password is set to the value of its secret."""
    for key in DATABASES:
        address = urlsplit(os.environ[key])
        name, role, password = (unquote(part or "") for part in (address.path[1:], address.username, address.password))
        create_database(os.environ["DATABASE_ADMIN_ADDRESS"], name, role, password)
        print(f"Database {name} is ready, owned by {role}", flush=True)


def main() -> None:
    """Does one step after the other; the first error ends it."""
    stack = settings_check.main()
    create_databases()
    print("Warehouse: applied", migrate(os.environ["WAREHOUSE_ADDRESS"]) or "nothing", flush=True)
    ensure_columns(os.environ["WAREHOUSE_ADDRESS"], read_settings().problem)
    migration = [sys.executable, "-m", "include.team.airflow", "db", "migrate"]
    subprocess.run(migration, check=True, timeout=SECONDS_TO_MIGRATE)
    people = {**read_team_settings().team_users, stack.admin_user: "Admin"}
    passwords = {AUTOMATION: os.environ["AUTOMATION_PASSWORD"], **read_passwords(os.environ["USER_PASSWORDS"])}
    if missing := people.keys() - passwords.keys():
        sys.exit(
            f"secrets/user_passwords has no line for {', '.join(sorted(missing))}: scripts/start.sh adds it, where the"
            " shell does not set ADMIN_USER or TEAM_USERS to something else than .env"
        )
    for line in save_users({**people, AUTOMATION: "User"}, passwords):
        print(line, flush=True)


if __name__ == "__main__":
    main()
