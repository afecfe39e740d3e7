"""One stack: its directory, settings, ports and addresses."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from urllib.parse import quote, urlsplit

from include.embedded.credentials import Credentials, read_credentials
from include.embedded.programs import postgres
from include.embedded.programs.ports import HOST
from include.embedded.settings import StackSettings
from include.tracking_server.routes import READER, WRITER


@dataclass(frozen=True)
class Stack:
    """Everything that is known of a stack before it runs.

    Attributes:
        home: The directory that holds all of its files.
        settings: What `.env` and the environment say of it.
        ports: Program -> the port that it listens on.
        credentials: Its secrets.
    """

    home: Path
    settings: StackSettings
    ports: dict[str, int]
    credentials: Credentials

    @property
    def airflow_address(self) -> str:
        """Where a browser finds Airflow."""
        return f"http://{HOST}:{self.ports['airflow']}"

    @property
    def mlflow_address(self) -> str:
        """Where a browser finds MLflow, and clients track."""
        return f"http://{HOST}:{self.ports['mlflow']}"

    def mlflow_login(self, role: str) -> tuple[str, str]:
        """Name and password of one of MLflow's two logins, `reader` and `writer`."""
        passwords = {
            READER: self.credentials.mlflow_reader_password,
            WRITER: self.credentials.mlflow_writer_password,
        }
        return role, passwords[role]

    @property
    def serving_address(self) -> str:
        """Where predictions are served."""
        return f"http://{HOST}:{self.ports['serving']}"

    @property
    def admin_url(self) -> str:
        """Libpq address of a login that may create databases."""
        if self.settings.warehouse_url:
            return self.settings.warehouse_url.get_secret_value()
        return self._embedded_url(postgres.SUPERUSER, self.credentials.postgres_password, "postgres")

    @property
    def airflow_url(self) -> str:
        """Libpq address of Airflow's database."""
        return self._database_url(self.settings.airflow_database, self.credentials.airflow_database_password)

    @property
    def mlflow_url(self) -> str:
        """Libpq address of MLflow's database."""
        return self._database_url(self.settings.mlflow_database, self.credentials.mlflow_database_password)

    @property
    def warehouse_url(self) -> str:
        """Libpq address of the warehouse."""
        return self._database_url(self.settings.warehouse_database, self.credentials.warehouse_password)

    def with_warehouse(self, database: str) -> "Stack":
        """The same stack with another of its server's warehouses."""
        return replace(self, settings=self.settings.model_copy(update={"warehouse_database": database}))

    @property
    def mail_directory(self) -> Path:
        """Where sent mail is kept."""
        return self.home / "mail"

    @property
    def passwords_file(self) -> Path:
        """Where Airflow reads the passwords of its users."""
        return self.home / "airflow" / "passwords.json"

    @cached_property
    def server(self) -> postgres.Server:
        """The embedded Postgres server's parts."""
        return postgres.place_server(self.home)

    def _database_url(self, name: str, password: str) -> str:
        if self.settings.warehouse_url:
            # Somebody else's server: its login may create databases, roles are not ours to make.
            return urlsplit(self.admin_url)._replace(path=f"/{name}").geturl()
        return self._embedded_url(name, password, name)

    def _embedded_url(self, user: str, password: str, database: str) -> str:
        return f"postgresql://{quote(user)}:{quote(password)}@{HOST}:{self.ports['postgres']}/{quote(database)}"


def wanted_ports(settings: StackSettings) -> dict[str, int]:
    """Program -> the port that its setting names."""
    return {
        "airflow": settings.airflow_port,
        "mlflow": settings.mlflow_port,
        "postgres": settings.postgres_port,
        "smtp": settings.smtp_port,
        "supervisor": settings.supervisor_port,
        "serving": settings.serving_port,
    }


def open_stack(home: Path, settings: StackSettings, ports: dict[str, int]) -> Stack:
    """The stack in `home`, whose directory and credentials are created if they are missing."""
    home.mkdir(parents=True, exist_ok=True)
    return Stack(home, settings, ports, read_credentials(home))
