"""What callers of `/predict` and `/explain` get."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from include.prediction.inputs import MOST_ROWS
from include.prediction.request import make_answer
from include.prediction.scoring import score_month
from include.problem.data import Columns, count_rows
from include.raw import ingest_month
from include.serving.batching import MOST_ROWS_TOGETHER
from include.serving.routes import predictions
from include.serving.routes.bodies import MOST_BYTES
from include.settings import Settings
from include.tracking.runs import Tracker
from include.tracking.store import LoadedModel
from tests.registered import BLEND, BOOSTER, FOREST, LASSO, TRAIN, VALIDATION, make_model, register
from tests.serving.conftest import TRIP, Service, read_log, run_service
from tests.splits import make_trips

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:Hint. Inferred schema", "ignore:Operation with range"),
]
EXPECTED = make_trips([str(TRIP["pickup_at"])], [(2, 5)], [1.98])


def predict(trips: Any, model: str = BOOSTER) -> list[float]:
    return make_model(model).predict(trips).tolist()


def test_one_trip_gets_the_models_prediction(service: Service) -> None:
    answer = service.predict(TRIP)
    assert answer["predictions"] == pytest.approx(predict(EXPECTED), rel=1e-6)
    assert answer["unit"] == "minutes"
    assert answer["model"]["name"] == "served"


def test_answer_says_between_which_values_the_actual_one_is_with_the_level_that_is_asked_for(service: Service) -> None:
    usual = service.predict(TRIP)
    [(low, high)] = usual["intervals"]
    assert usual["level"] == 0.9
    assert low < usual["predictions"][0] < high
    answer = service.client.post("/predict", params={"level": 0.5}, json=[TRIP, TRIP]).json()
    assert answer["level"] == 0.5
    assert len(answer["intervals"]) == 2
    [(narrow_low, narrow_high), _] = answer["intervals"]
    assert low <= narrow_low < narrow_high <= high
    assert service.client.post("/explain", json=TRIP).json()["intervals"] == usual["intervals"]


@pytest.mark.parametrize("level", ["0.49", "0.991", "1", "nan", "inf", "90", "much", ""])
def test_level_that_no_interval_has_is_refused_by_its_name(service: Service, level: str) -> None:
    answer = service.client.post("/predict", params={"level": level}, json=TRIP)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", "level"]


@pytest.mark.parametrize("route", ["/predict", "/explain"])
def test_unknown_parameter_is_refused_so_that_a_misspelt_one_is_not_overlooked(service: Service, route: str) -> None:
    answer = service.client.post(route, params={"levvel": 0.8, "level": 0.8}, json=TRIP)
    assert answer.status_code == 422
    [reason] = answer.json()["detail"]
    assert (reason["loc"], reason["msg"]) == (["query", "levvel"], "is not a parameter; did you mean level?")
    other = service.client.post(route, params={"verbose": 1}, json=TRIP)
    assert other.json()["detail"][0]["msg"] == "is not a parameter; there is only level"


def test_list_gets_a_prediction_for_each_trip_in_its_order(service: Service) -> None:
    answer = service.predict([TRIP, {**TRIP, "trip_distance": 8}, TRIP])
    first, second, third = answer["predictions"]
    assert first == third
    assert second > first


@pytest.mark.parametrize(("route", "rows"), [("/predict", MOST_ROWS_TOGETHER + 1), ("/explain", 2)])
def test_answer_to_many_trips_keeps_no_other_request_waiting(
    service: Service, monkeypatch: pytest.MonkeyPatch, route: str, rows: int
) -> None:
    begun, answered, outcomes = threading.Event(), threading.Event(), []

    def make(loaded: LoadedModel, trips: Columns, *others: Any) -> dict[str, Any]:
        if count_rows(trips) > 1:
            begun.set()
            outcomes.append(answered.wait(10))
        return make_answer(loaded, trips, *others)

    monkeypatch.setattr(predictions, "make_answer", make)
    with ThreadPoolExecutor(1) as pool:
        many = pool.submit(service.client.post, route, json=[TRIP] * rows)
        assert begun.wait(10)
        service.predict(TRIP)
        answered.set()
        assert len(many.result().json()["predictions"]) == rows
    assert outcomes == [True]


def test_source_names_and_numbers_as_text_mean_the_same(service: Service) -> None:
    as_text = {
        "lpep_pickup_datetime": "2024-01-14 18:30",
        "PULocationID": "2",
        "DOLocationID": "5",
        "trip_distance": "1.98",
    }
    assert service.predict(as_text)["predictions"] == service.predict(TRIP)["predictions"]


def test_missing_pickup_time_is_now(service: Service, warehouse_url: str) -> None:
    service.predict({name: value for name, value in TRIP.items() if name != "pickup_at"})
    assert service.parts.writer.flush()
    [row] = read_log(warehouse_url)
    in_new_york = datetime.now(ZoneInfo("America/New_York")).replace(tzinfo=None)
    assert abs(row[4] - in_new_york) < timedelta(minutes=10)


@pytest.mark.parametrize("change", [{"pickup_zone": 999_999}, {"dropoff_zone": 2_147_483_647}], ids=str)
def test_zone_that_training_never_saw_is_predicted_as_an_unknown_one(service: Service, change: dict[str, int]) -> None:
    other = {name: value + 0 if name.startswith("trip") else value for name, value in {**TRIP, **change}.items()}
    unknown = dict.fromkeys(change, 77777)
    assert service.predict(other)["predictions"] == service.predict({**TRIP, **unknown})["predictions"]


def test_value_that_was_not_learnt_is_a_warning_and_counted(service: Service) -> None:
    assert service.predict(TRIP)["warnings"] == []
    answer = service.predict([TRIP, {**TRIP, "pickup_zone": 999_999, "trip_distance": 900_000}])
    assert [warning.partition(" is ")[0] for warning in answer["warnings"]] == [
        "inputs[1]: trip_distance 900000", "inputs[1]: pickup_zone 999999",
    ]  # fmt: skip
    metrics = service.client.get("/metrics").text
    assert 'serving_unusual_values_total{column="pickup_zone",reason="unseen"} 1.0' in metrics
    assert 'serving_unusual_values_total{column="trip_distance",reason="out_of_range"} 1.0' in metrics
    many = service.predict([{**TRIP, "pickup_zone": 999_999}] * 60)
    assert len(many["warnings"]) == 60


@pytest.mark.parametrize("distance", [0, 0.000001, 999_999.5, 1_000_000])
def test_extreme_distance_within_the_bounds_is_predicted(service: Service, distance: float) -> None:
    [minutes] = service.predict({**TRIP, "trip_distance": distance})["predictions"]
    assert np.isfinite(minutes)


@pytest.mark.parametrize(
    ("body", "place"),
    [
        ("{", []),
        ("", []),
        ("5", []),
        ('"trip"', []),
        ("null", []),
        ("[]", []),
        ("[5]", [0]),
        ("{}", ["pickup_zone"]),
        (json.dumps({**TRIP, "pickup_zone": "Queens"}), ["pickup_zone"]),
        (json.dumps([TRIP, {**TRIP, "DOLocationID": 5}]), [1, "DOLocationID"]),
        (json.dumps({**TRIP, "trip_distance": float("nan")}), ["trip_distance"]),
        (json.dumps({**TRIP, "trip_distance": float("inf")}), ["trip_distance"]),
        (json.dumps({**TRIP, "trip_distance": -1}), ["trip_distance"]),
        (json.dumps({**TRIP, "trip_distance": 1e300}), ["trip_distance"]),
        (json.dumps({**TRIP, "pickup_at": "soon"}), ["pickup_at"]),
        (json.dumps({**TRIP, "fare": 1}), ["fare"]),
        (json.dumps({**TRIP, "trip_distance": "9" * 5000}), ["trip_distance"]),
        ('{"pickup_zone": ' + "9" * 5000 + "}", []),
        ("[" * 100_000, []),
        ('{"pickup_zone": "\\ud800"}', []),
        ("\udcff".encode("utf-8", "surrogateescape"), []),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_used_is_refused_with_the_trip_and_the_field(
    service: Service, body: str | bytes, place: list[Any]
) -> None:
    answer = service.client.post("/predict", content=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", *place]
    assert answer.json()["detail"][0]["msg"]


def test_more_trips_than_a_request_may_hold_are_refused(service: Service) -> None:
    assert len(service.predict([TRIP] * MOST_ROWS)["predictions"]) == MOST_ROWS
    answer = service.client.post("/predict", json=[TRIP] * (MOST_ROWS + 1))
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["msg"] == f"must contain 1 to {MOST_ROWS} trips, not {MOST_ROWS + 1}"


def test_body_of_ten_megabytes_is_refused_by_its_field(service: Service) -> None:
    answer = service.client.post("/predict", json={**TRIP, "pickup_zone": "7" * 10_000_000})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", "pickup_zone"]
    assert len(answer.content) < 1000


def test_body_beyond_the_limit_is_refused_unread(service: Service) -> None:
    answer = service.client.post("/predict", content=b" " * (MOST_BYTES + 1))
    assert (answer.status_code, answer.json()) == (413, {"detail": f"A body may have at most {MOST_BYTES} bytes."})


def test_each_prediction_is_logged_with_what_it_was_made_of(service: Service, warehouse_url: str) -> None:
    answer = service.predict([TRIP, {**TRIP, "pickup_zone": 3}], **{"X-Request-ID": "order-17"})
    assert service.parts.writer.flush()
    rows = read_log(warehouse_url)
    assert [row[1:4] for row in rows] == [("service", "order-17", answer["model"]["version"])] * 2
    assert rows[0][4:8] == (datetime(2024, 1, 14, 18, 30), 2, 5, 1.98)
    assert [row[8] for row in rows] == answer["predictions"]
    assert abs((rows[0][0] - datetime.now(UTC)).total_seconds()) < 600


def test_without_a_champion_the_answer_says_what_to_start(
    settings: Settings, warehouse_url: str, tmp_path: Path
) -> None:
    with run_service(settings, warehouse_url, tmp_path) as service:
        service.parts.holder.refresh()
        for path in ("/predict", "/explain"):
            answer = service.client.post(path, json=TRIP)
            assert answer.status_code == 503
            assert "start sklearn_training, xgboost_training or lightgbm_training" in answer.json()["detail"]
        assert service.client.get("/model").status_code == 503


def test_explanation_adds_up_to_the_prediction(service: Service) -> None:
    answer = service.client.post("/explain", json=[TRIP, {**TRIP, "trip_distance": 8}]).json()
    totals = [answer["base"] + sum(row.values()) for row in answer["contributions"]]
    assert answer["contributions_unit"] == "minutes"
    assert totals == pytest.approx(answer["predictions"], rel=1e-4)
    assert max(answer["contributions"][1], key=lambda name: answer["contributions"][1][name]) == "trip_distance"


@pytest.mark.parametrize(("model", "status"), [(LASSO, 200), ("gbdt.squarederror", 200), (BLEND, 200), (FOREST, 501)])
def test_linear_models_and_other_boosters_are_explained_and_what_cannot_be_says_why(
    tracker: Tracker, settings: Settings, warehouse_url: str, tmp_path: Path, model: str, status: int
) -> None:
    register(tracker, settings.registered_model, model)
    with run_service(settings, warehouse_url, tmp_path) as service:
        service.parts.holder.refresh()
        answer = service.client.post("/explain", json=TRIP)
        assert answer.status_code == status
        body = answer.json()
        if status == 200:
            assert body["base"] + sum(body["contributions"][0].values()) == pytest.approx(body["predictions"][0])
        else:
            assert body["detail"] == "RandomForestRegressor cannot be explained here; boosters and linear models can."


def test_too_many_trips_to_explain_are_refused(service: Service) -> None:
    answer = service.client.post("/explain", json=[TRIP] * 101)
    assert answer.status_code == 422
    assert "must contain 1 to 100 trips" in answer.json()["detail"][0]["msg"]


@pytest.mark.parametrize("split", [TRAIN, VALIDATION], ids=["training", "validation"])
def test_whole_split_gets_the_batchs_values(service: Service, warehouse_url: str, tmp_path: Path, split: Any) -> None:
    table = pa.table(
        {
            "lpep_pickup_datetime": split.rows["pickup_at"],
            "lpep_dropoff_datetime": split.rows["pickup_at"] + np.timedelta64(10, "m"),
            "PULocationID": split.rows["pickup_zone"],
            "DOLocationID": split.rows["dropoff_zone"],
            "trip_distance": split.rows["trip_distance"],
        }
    )
    pq.write_table(table, tmp_path / "trips.parquet")
    settings = Settings(source=f"file://{tmp_path}/trips.parquet", months=("2024-01",))
    ingest_month(warehouse_url, settings, "2024-01")
    champion = service.parts.holder.current
    assert champion
    score_month(warehouse_url, settings, champion.loaded, "2024-01")
    with psycopg.connect(warehouse_url) as connection:
        query = "SELECT predicted FROM prediction.batch ORDER BY row_number"
        by_batch = [predicted for (predicted,) in connection.execute(query)]
    rows = table.to_pylist()
    for row in rows:
        del row["lpep_dropoff_datetime"]
        row["lpep_pickup_datetime"] = row["lpep_pickup_datetime"].isoformat()
    by_service = service.predict(rows)["predictions"]
    one_by_one = [service.predict(row)["predictions"][0] for row in rows[:20]]
    np.testing.assert_allclose(by_service, by_batch, rtol=0, atol=1e-5)
    np.testing.assert_allclose(one_by_one, by_batch[:20], rtol=0, atol=1e-5)
    np.testing.assert_allclose(by_service, make_model(BOOSTER).predict(split.rows), rtol=0, atol=1e-5)
