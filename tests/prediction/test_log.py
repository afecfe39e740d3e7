from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest

from include.prediction.log import Predictions, replace_predictions, write_predictions
from include.settings import Settings
from include.warehouse import connect
from tests.splits import make_trips

KINDS = Settings().problem.input_kinds
AT = datetime(2024, 2, 14, 23, 30, tzinfo=UTC)
TRIPS = make_trips(["2024-02-14T18:30:00.5", "2024-02-15"], [(74, 75), (41, 42)], [1.98, 0.5])


def answer(**changes: Any) -> Predictions:
    values: dict[str, Any] = {
        "at": AT, "source": "service", "request_id": "r-1", "model_version": 3, "rows": TRIPS, "kinds": KINDS,
        "predicted": {"predicted": [9.5, 4.25]},
    }  # fmt: skip
    return Predictions(**{**values, **changes})


def read_log(url: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(url) as connection:
        return connection.execute(
            "SELECT at, source, request_id, model_version, pickup_at, pickup_zone, dropoff_zone, trip_distance,"
            " predicted FROM prediction.log ORDER BY at, request_id, pickup_at"
        ).fetchall()


def test_row_has_the_trip_as_it_was_predicted(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        assert write_predictions(connection, [answer()]) == 2
    assert read_log(warehouse_url) == [
        (AT, "service", "r-1", 3, datetime(2024, 2, 14, 18, 30, 0, 500_000), 74, 75, 1.98, 9.5),
        (AT, "service", "r-1", 3, datetime(2024, 2, 15), 41, 42, 0.5, 4.25),
    ]


def test_class_is_logged_with_the_probabilities_of_all(warehouse_url: str) -> None:
    of_classes = {"predicted_class": ["Yes", None], "probabilities": [[0.1 + 0.2, 0.7], [1.0, 0.0]]}
    with connect(warehouse_url) as connection:
        assert write_predictions(connection, [answer(), answer(predicted=of_classes), answer()]) == 6
        found = connection.execute(
            "SELECT predicted, predicted_class, probabilities FROM prediction.log ORDER BY 1, 2 LIMIT 6"
        ).fetchall()
    assert found == [
        (4.25, None, None), (4.25, None, None), (9.5, None, None), (9.5, None, None),
        (None, "Yes", [0.1 + 0.2, 0.7]), (None, None, [1.0, 0.0]),
    ]  # fmt: skip


def test_requests_are_appended_in_one_go(warehouse_url: str) -> None:
    answers = [answer(request_id=None), answer(request_id="r-2", source="rest", model_version=4)]
    with connect(warehouse_url) as connection:
        assert write_predictions(connection, answers) == 4
    assert [row[1:4] for row in read_log(warehouse_url)][::2] == [("rest", "r-2", 4), ("service", None, 3)]


def test_run_that_is_tried_again_leaves_its_predictions_once(warehouse_url: str) -> None:
    for model_version in (3, 4):
        with connect(warehouse_url) as connection:
            replace_predictions(connection, answer(source="rest", model_version=model_version))
    assert [row[3] for row in read_log(warehouse_url)] == [4, 4]


def test_other_requests_of_that_name_stay(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        write_predictions(connection, [answer()])
        replace_predictions(connection, answer(source="rest"))
    assert sorted(row[1] for row in read_log(warehouse_url)) == ["rest", "rest", "service", "service"]


def test_source_is_one_of_those_that_there_are(warehouse_url: str) -> None:
    with pytest.raises(psycopg.errors.CheckViolation), connect(warehouse_url) as connection:
        write_predictions(connection, [answer(source="guess")])


def test_ride_is_found_again_by_its_pickup_zones_and_distance(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute("CREATE TABLE raw.rows_2024_02 PARTITION OF raw.rows FOR VALUES IN ('2024-02')")
        connection.execute(
            "INSERT INTO raw.rows (month, row_number, pickup_at, dropoff_at, pickup_zone, dropoff_zone, trip_distance)"
            " VALUES ('2024-02', 0, '2024-02-14 18:30:00.5', '2024-02-14 18:40:00.5', 74, 75, 1.98)"
        )
        write_predictions(connection, [answer()])
        found = connection.execute(
            "SELECT predicted, extract(epoch FROM dropoff_at - pickup_at)::float8 / 60 FROM prediction.log"
            " JOIN raw.rows USING (pickup_at, pickup_zone, dropoff_zone, trip_distance)"
        ).fetchall()
    assert found == [(9.5, 10.0)]
