"""MLflow's database, brought to the form that the installed MLflow needs."""

# Any number that only programs of this kind lock: replicas start at once, and one of them migrates.
LOCK = 5_171_004


class DatabaseTooNew(Exception):
    """A later MLflow has changed the database."""


def migrate(address: str) -> None:
    """Creates MLflow's tables, or brings them up to date, which MLflow itself leaves to a command of its own.

    Args:
        address: SQLAlchemy's, of a Postgres database.

    Raises:
        DatabaseTooNew: The database is of a later MLflow, whose changes cannot be undone.
    """
    from alembic.util import CommandError
    from mlflow.store.db import utils

    engine = utils.create_sqlalchemy_engine_with_retry(address)
    try:
        with engine.begin() as connection:
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({LOCK})")
            if not utils._all_tables_exist(engine):
                utils._initialize_tables(engine)
            elif utils._get_schema_version(engine) != utils._get_latest_schema_revision():
                utils._upgrade_db(engine)
    except CommandError as error:
        raise DatabaseTooNew(
            f"MLflow's database is of a later version than the installed MLflow ({error}): install that version again,"
            " or restore the backup from before the upgrade."
        ) from None
    finally:
        engine.dispose()
