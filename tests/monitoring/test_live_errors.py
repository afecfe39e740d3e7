"""The error of logged probabilities, once the classes are known."""

from math import log

import pytest
from psycopg.types.json import Jsonb

from include.monitoring.live_errors import measure_live_errors
from include.problem.declaration import Problem
from include.raw.tables import ensure_columns
from include.settings import Settings
from include.warehouse import connect, create_partition
from tests.classified import LEAVING, TIERS
from tests.warehouse_rows import RawTrip, query, store_month


def store_customers(url: str, problem: Problem, customers: list[tuple[float, str, str]]) -> None:
    """Rows by tenure, contract and label."""
    ensure_columns(url, problem)
    rows = [
        (number, tenure, contract, float(problem.labels.index(label)))
        for number, (tenure, contract, label) in enumerate(customers)
    ]
    with connect(url) as connection:
        create_partition(connection, "raw", "rows", "2024_02", "month", "2024-02")
        connection.cursor().executemany(
            "INSERT INTO raw.rows (month, row_number, tenure, contract, target) VALUES ('2024-02', %s, %s, %s, %s)",
            rows,
        )
        connection.execute(
            "INSERT INTO raw.sources (month, location, sha256, columns, reading, rows)"
            " VALUES ('2024-02', 'file:///customers', '', '{}', '', %s)",
            [len(rows)],
        )


def log_probabilities(url: str, tenure: float, contract: str, *probabilities: float) -> None:
    with connect(url) as connection:
        connection.execute(
            "INSERT INTO prediction.log (at, source, model_version, tenure, contract, predicted_class, probabilities)"
            " VALUES ('2024-02-06', 'service', 3, %s, %s, '', %s)",
            [tenure, contract, list(probabilities)],
        )


@pytest.mark.parametrize(
    ("problem", "probabilities"),
    [(LEAVING, [(0.75, 0.25), (0.5, 0.5)]), (TIERS, [(0.5, 0.25, 0.25), (0.5, 0.3, 0.2)])],
    ids=["two", "three"],
)
def test_live_error_is_the_log_loss_of_the_classes_that_were_found(
    warehouse_url: str, problem: Problem, probabilities: list[tuple[float, ...]]
) -> None:
    first, second = problem.labels[:2]
    store_customers(warehouse_url, problem, [(3, "monthly", second), (40, "yearly", first)])
    log_probabilities(warehouse_url, 3, "monthly", *probabilities[0])
    log_probabilities(warehouse_url, 40, "yearly", *probabilities[1])
    log_probabilities(warehouse_url, 59, "yearly", *probabilities[1])
    assert measure_live_errors(warehouse_url, Settings(problem=problem)) == 2
    [(rows, error)] = query(warehouse_url, "SELECT rows, error FROM monitoring.live_errors")
    assert (rows, error) == (2, pytest.approx(-(log(0.25) + log(0.5)) / 2))


def test_customers_that_look_alike_count_as_the_most_frequent_class_among_them(warehouse_url: str) -> None:
    store_customers(warehouse_url, LEAVING, [(3, "monthly", label) for label in ("Yes", "No", "Yes")])
    log_probabilities(warehouse_url, 3, "monthly", 0.2, 0.8)
    assert measure_live_errors(warehouse_url, Settings(problem=LEAVING)) == 1
    assert query(warehouse_url, "SELECT error FROM monitoring.live_errors") == [(pytest.approx(-log(0.8)),)]


def test_numbers_that_an_earlier_model_has_predicted_are_left_out(warehouse_url: str) -> None:
    store_customers(warehouse_url, LEAVING, [(3, "monthly", "Yes")])
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO prediction.log (at, source, model_version, tenure, contract, predicted)"
            " VALUES (now(), 'rest', 2, 3, 'monthly', 7.5)"
        )
    assert measure_live_errors(warehouse_url, Settings(problem=LEAVING)) == 0


def test_probabilities_of_other_classes_are_left_out(warehouse_url: str) -> None:
    store_customers(warehouse_url, LEAVING, [(3, "monthly", "Yes")])
    log_probabilities(warehouse_url, 3, "monthly", 0.2, 0.8)
    note_version(warehouse_url, 3, Problem(**{**LEAVING.to_dict(), "positive": "No"}))
    assert measure_live_errors(warehouse_url, Settings(problem=LEAVING)) == 0
    note_version(warehouse_url, 3, LEAVING)
    assert measure_live_errors(warehouse_url, Settings(problem=LEAVING)) == 1


def test_nothing_is_compared_until_the_columns_that_were_declared_are_there(warehouse_url: str) -> None:
    store_customers(warehouse_url, LEAVING, [(3, "monthly", "Yes")])
    log_probabilities(warehouse_url, 3, "monthly", 0.2, 0.8)
    columns = {name: column.model_dump(exclude={"name"}) for name, column in LEAVING.columns.items()}
    changed = Problem(**{**LEAVING.to_dict(), "columns": {**columns, "age": {}}})
    assert measure_live_errors(warehouse_url, Settings(problem=changed)) == 0
    ensure_columns(warehouse_url, changed)
    assert measure_live_errors(warehouse_url, Settings(problem=changed)) == 1


def note_version(url: str, version: int, problem: Problem) -> None:
    """Notes what problem a version was trained on, as its judgement does."""
    name = Settings(problem=problem).registered_model
    with connect(url) as connection:
        row = connection.execute(
            "INSERT INTO training.sets (state, months, declaration, settings, sources, left_out)"
            " VALUES ('published', '{all}', %s, '{}', '{}', '[]') RETURNING version",
            [Jsonb(problem.to_dict())],
        ).fetchone()
        assert row is not None
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, set_version, reason, state, run_key)"
            " VALUES ('judgement', %s, %s, %s, '', 'promoted', 'model_promotion/1')"
            " ON CONFLICT (name, version) WHERE kind = 'judgement' DO UPDATE SET set_version = excluded.set_version",
            [name, version, *row],
        )


@pytest.mark.parametrize("name", ["time", "run", "sold_at"])
def test_predictions_can_be_found_by_their_time_whatever_it_is_called(warehouse_url: str, name: str) -> None:
    columns = {name: {"kind": "time", "required": True}, "area": {}}
    problem = Problem(name="sales", source="file:///sales.csv", target="price", time=name, columns=columns)  # type: ignore[call-arg, arg-type]
    ensure_columns(warehouse_url, problem)
    indexed = query(
        warehouse_url,
        "SELECT DISTINCT attname FROM pg_index i JOIN pg_attribute a ON attrelid = indrelid AND attnum = indkey[0]"
        " WHERE indrelid = 'prediction.log'::regclass",
    )
    assert (name,) in indexed


INDEXES = "SELECT indexrelid, indexrelid::regclass::text FROM pg_index WHERE indrelid = 'prediction.log'::regclass"


def test_index_of_an_earlier_release_is_renamed_and_not_made_again(warehouse_url: str) -> None:
    problem = Settings().problem
    index = f"prediction.log_by_column_{problem.time}"
    made = dict(query(warehouse_url, INDEXES))
    assert index in made.values()
    with connect(warehouse_url) as connection:
        connection.execute(f"ALTER INDEX {index} RENAME TO log_by_{problem.time}".encode())
    ensure_columns(warehouse_url, problem)
    assert dict(query(warehouse_url, INDEXES)) == made


# Once measured


def log_trips(url: str, *pickups: str, version: int = 3, made: str = "2024-02-01") -> None:
    """A prediction of 12 for each of these times, made long ago."""
    with connect(url) as connection:
        connection.cursor().executemany(
            "INSERT INTO prediction.log (at, source, model_version, pickup_at, pickup_zone, dropoff_zone,"
            " trip_distance, predicted) VALUES (%s, 'service', %s, %s, 1, 2, 1.5, 12)",
            [(made, version, f"{pickup} 12:00") for pickup in pickups],
        )


def store_trips(url: str, month: str, trips: dict[str, float]) -> None:
    """Replaces a month by trips at noon of these days, of so many minutes."""
    store_month(url, month, [RawTrip(f"{day}T12:00:00", minutes) for day, minutes in trips.items()])


def read_live_errors(url: str) -> dict[str, tuple[int, float]]:
    """Week -> rows and error."""
    found = query(url, "SELECT week::text, rows, error FROM monitoring.live_errors")
    return {week: (rows, round(error, 6)) for week, rows, error in found}


def test_version_is_compared_by_the_columns_that_it_learnt(warehouse_url: str) -> None:
    problem = Settings().problem
    note_version(warehouse_url, 3, problem)
    log_trips(warehouse_url, "2024-02-06", "2024-02-07")
    declared = problem.to_dict()
    added = {"name": "passengers", "kind": "number"}
    changed = Problem.from_dict({**declared, "columns": {**declared["columns"], "passengers": added}})
    ensure_columns(warehouse_url, changed)
    store_trips(warehouse_url, "2024-02", {"2024-02-06": 10, "2024-02-07": 10})
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE raw.rows SET passengers = row_number")
    # Of a version that learnt the new column, it is compared.
    note_version(warehouse_url, 4, changed)
    log_trips(warehouse_url, "2024-02-06", version=4)
    assert measure_live_errors(warehouse_url, Settings(problem=changed)) == 2
    assert query(warehouse_url, "SELECT model_version, rows, error FROM monitoring.live_errors") == [("3", 2, 2)]


def test_error_stays_as_it_was_when_its_predictions_are_pruned(warehouse_url: str) -> None:
    log_trips(warehouse_url, "2024-02-05", "2024-02-06", "2024-02-07")
    store_trips(warehouse_url, "2024-02", {"2024-02-05": 10, "2024-02-06": 10, "2024-02-07": 18})
    assert measure_live_errors(warehouse_url, Settings()) == 3
    measured = read_live_errors(warehouse_url)
    with connect(warehouse_url) as connection:
        connection.execute("DELETE FROM prediction.log WHERE pickup_at < '2024-02-07'")
    for _ in range(2):
        measure_live_errors(warehouse_url, Settings())
        assert read_live_errors(warehouse_url) == measured
        # Also where the month is loaded again.
        store_trips(warehouse_url, "2024-02", {"2024-02-07": 12})


def test_error_of_a_former_release_stays_where_fewer_rows_are_found(warehouse_url: str) -> None:
    log_trips(warehouse_url, "2024-02-05", "2024-02-13")
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO monitoring.live_errors (model_version, week, rows, error)"
            " VALUES (3, '2024-02-05', 7, 1), (3, '2024-02-12', 1, 1)"
        )
    store_trips(warehouse_url, "2024-02", {"2024-02-05": 10, "2024-02-13": 10})
    measure_live_errors(warehouse_url, Settings())
    assert read_live_errors(warehouse_url) == {"2024-02-05": (7, 1), "2024-02-12": (1, 2)}


def test_month_that_is_corrected_is_measured_again_also_by_fewer_rows(warehouse_url: str) -> None:
    log_trips(warehouse_url, "2024-02-05", "2024-02-06", "2024-02-13")
    store_trips(warehouse_url, "2024-02", {"2024-02-05": 10, "2024-02-06": 10, "2024-02-13": 10})
    measure_live_errors(warehouse_url, Settings())
    assert read_live_errors(warehouse_url) == {"2024-02-05": (2, 2), "2024-02-12": (1, 2)}
    store_trips(warehouse_url, "2024-02", {"2024-02-05": 15})
    assert measure_live_errors(warehouse_url, Settings()) == 1
    assert read_live_errors(warehouse_url) == {"2024-02-05": (1, 3)}


def test_week_is_that_of_all_its_rows_also_those_of_another_month_or_file(warehouse_url: str) -> None:
    # A week of two months; the last day is in the file of the month after it.
    log_trips(warehouse_url, "2024-01-30", "2024-02-01", "2024-02-28")
    store_trips(warehouse_url, "2024-01", {"2024-01-30": 10})
    assert measure_live_errors(warehouse_url, Settings()) == 1
    store_trips(warehouse_url, "2024-02", {"2024-02-01": 14})
    store_trips(warehouse_url, "2024-03", {"2024-02-28": 15})
    assert measure_live_errors(warehouse_url, Settings()) == 3
    assert read_live_errors(warehouse_url) == {"2024-01-29": (2, 2), "2024-02-26": (1, 3)}


def test_only_what_is_new_is_measured(warehouse_url: str) -> None:
    log_trips(warehouse_url, "2024-01-10", "2024-03-06")
    store_trips(warehouse_url, "2024-01", {"2024-01-10": 10})
    assert measure_live_errors(warehouse_url, Settings()) == 1
    assert measure_live_errors(warehouse_url, Settings()) == 0
    store_trips(warehouse_url, "2024-03", {"2024-03-06": 10})
    assert measure_live_errors(warehouse_url, Settings()) == 1
    with connect(warehouse_url) as connection:
        connection.execute("UPDATE raw.sources SET validated_at = now() WHERE month = '2024-01'")
        connection.execute("INSERT INTO raw.rejected VALUES ('2024-01', 0, 'pickup_zone: below 1', '0')")
    assert measure_live_errors(warehouse_url, Settings()) == 0
    assert read_live_errors(warehouse_url) == {"2024-03-04": (1, 2)}


def test_prediction_for_a_row_that_is_there_already_is_compared(warehouse_url: str) -> None:
    store_trips(warehouse_url, "2024-02", {"2024-02-06": 10})
    assert measure_live_errors(warehouse_url, Settings()) == 0
    log_trips(warehouse_url, "2024-02-06", "9999-12-31", made="now")
    assert measure_live_errors(warehouse_url, Settings()) == 1


def test_everything_is_measured_again_by_another_measure(warehouse_url: str) -> None:
    log_trips(warehouse_url, "2024-02-06", "2024-02-07")
    store_trips(warehouse_url, "2024-02", {"2024-02-06": 12, "2024-02-07": 16})
    measure_live_errors(warehouse_url, Settings())
    assert read_live_errors(warehouse_url) == {"2024-02-05": (2, round(8**0.5, 6))}
    settings = Settings().change(target_max=15)
    assert measure_live_errors(warehouse_url, settings) == 1
    assert read_live_errors(warehouse_url) == {"2024-02-05": (1, 0)}


def test_rows_of_a_source_without_months_are_compared_week_by_week(warehouse_url: str) -> None:
    log_trips(warehouse_url, "2024-01-10", "2024-03-06")
    trips = {"2024-01-10": 10.0}
    store_trips(warehouse_url, "all", trips)
    assert measure_live_errors(warehouse_url, Settings()) == 1
    store_trips(warehouse_url, "all", {**trips, "2024-03-06": 15})
    assert measure_live_errors(warehouse_url, Settings()) == 2
    assert read_live_errors(warehouse_url) == {"2024-01-08": (1, 2), "2024-03-04": (1, 3)}
