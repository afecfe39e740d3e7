"""MLflow's database after an upgrade of MLflow, and after a way back."""

from collections.abc import Iterator

import pytest
import sqlalchemy
from alembic import command
from mlflow.store.db import utils
from mlflow.store.tracking.dbmodels.initial_models import Base as FirstTables
from sqlalchemy import Engine

from include.tracking_server.database import DatabaseTooNew, migrate
from tests.conftest import create_database

# An earlier version of the database; what has come since then is not only tables.
EARLIER = "17e22815139b"


@pytest.fixture
def address(postgres_url: str) -> Iterator[str]:
    """SQLAlchemy's, of an empty database."""
    with create_database(postgres_url, "template0") as url:
        yield url.replace("://", "+psycopg://")


@pytest.fixture
def engine(address: str) -> Iterator[Engine]:
    """Connects to the database."""
    made = sqlalchemy.create_engine(address)
    yield made
    made.dispose()


def test_database_of_an_earlier_mlflow_is_brought_up_to_date(
    address: str, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    FirstTables.metadata.create_all(engine)
    with engine.begin() as connection:
        config = utils._get_alembic_config(address)
        config.attributes["connection"] = connection
        command.upgrade(config, EARLIER)
    # MLflow would notice by itself that a table is missing, but not that a column is.
    monkeypatch.setattr(utils, "_all_tables_exist", lambda engine: True)
    migrate(address)
    utils._verify_schema(engine)
    migrate(address)


def test_database_of_a_later_mlflow_is_left_as_it_is(address: str, engine: Engine) -> None:
    migrate(address)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'ffffffffffff'")
    with pytest.raises(DatabaseTooNew, match="ffffffffffff.*restore the backup"):
        migrate(address)
    assert utils._get_schema_version(engine) == "ffffffffffff"
