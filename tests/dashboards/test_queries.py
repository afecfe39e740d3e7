"""What the charts read of the warehouse, by value from a few stored rows."""

from datetime import timedelta

import pytest
from psycopg import sql
from psycopg.types.json import Jsonb

from include.dashboards.drawing.charts import CHARTS, read_rows
from include.dashboards.options import list_runs
from include.dashboards.reading.raw_profiles import read_profile
from include.sets.left_out import TARGET_ABOVE
from include.warehouse import connect, migrate
from tests.dashboards.conftest import Site, store_trials
from tests.warehouse_rows import RawTrip, query, store_month

LASSO, GAMMA = "linear_model.Lasso", "gbtree.gamma"


def rows_of(site: Site, chart: str, **filters: object) -> list[dict]:
    """What a chart's query gives."""
    return [dict(row) for row in read_rows(CHARTS[chart].query, site.context(**filters))]


def test_each_run_counts_with_its_best_trial(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [7.0, None, 5.5, 6.0])
    store_trials(warehouse_url, "sklearn_training/b", LASSO, [5.0])
    assert [(row["model"], row["loss"]) for row in rows_of(site, "error_over_time")] == [(LASSO, 5.0), (LASSO, 5.5)]
    assert [(row["run_key"][-1], row["loss"], row["trials"]) for row in rows_of(site, "error_per_run")] == [
        ("b", 5.0, 1),
        ("a", 5.5, 3),
    ]
    assert rows_of(site, "runs_by_model") == [{"model": LASSO, "runs": 2}]


def test_trials_of_before_the_table_of_the_best_are_counted_too(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute("DROP TRIGGER note_best ON training.trials")
        connection.execute("DROP FUNCTION training.note_best")
        connection.execute("DROP TABLE training.tunings")
        connection.execute("DELETE FROM public.migrations WHERE name = '006_tunings'")
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [7.0, None, 5.5], ago=timedelta(days=1))
    assert migrate(warehouse_url) == ["006_tunings"]
    store_trials(warehouse_url, "sklearn_training/b", LASSO, [5.0])
    assert [(row["loss"], row["trials"]) for row in rows_of(site, "error_per_run")] == [(5.5, 2), (5.0, 1)]


def test_period_and_model_narrow_what_is_shown(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/old", LASSO, [7.0], ago=timedelta(days=40))
    store_trials(warehouse_url, "sklearn_training/new", LASSO, [6.0])
    store_trials(warehouse_url, "xgboost_training/new", GAMMA, [5.0])
    for days, runs in ((30, 1), (90, 2), (0, 2)):
        assert rows_of(site, "runs_by_model", days=days, model=LASSO) == [{"model": LASSO, "runs": runs}]


def test_long_histories_are_thinned_to_two_hundred_points_a_model(site: Site, warehouse_url: str) -> None:
    for run in range(450):
        store_trials(warehouse_url, f"sklearn_training/{run}", LASSO, [5.0 + run], ago=timedelta(minutes=450 - run))
    rows = rows_of(site, "error_over_time")
    assert len(rows) == 200
    assert (rows[0]["loss"], rows[0]["runs"]) == (pytest.approx(6.0), 3), "the mean of the first three runs"


def test_errors_are_counted_in_the_database_without_the_worst_twentieth(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [float(loss) for loss in range(1, 100)] + [10_000.0])
    rows = rows_of(site, "error_distribution")
    assert sum(row["trials"] for row in rows) == 95
    assert len(rows) == 30
    assert rows[0]["low"] == pytest.approx(1.0)


@pytest.mark.parametrize("loss", [0.43, 1e-12, 0.0, 5e9])
def test_errors_that_are_all_the_same_are_counted_in_one_bar(site: Site, warehouse_url: str, loss: float) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [loss, loss])
    [row] = rows_of(site, "error_distribution")
    assert (row["low"], row["trials"]) == (loss, 2)
    assert row["low"] < row["high"]


@pytest.mark.parametrize("scale", [1e-12, 1.0, 1e9])
def test_largest_counted_error_is_in_the_last_bar_whatever_its_size(
    site: Site, warehouse_url: str, scale: float
) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [scale, *[2 * scale] * 3])
    rows = rows_of(site, "error_distribution")
    assert [row["bucket"] for row in rows] == [1, 30]
    assert rows[-1]["high"] == pytest.approx(2 * scale)


def test_errors_on_an_earlier_training_set_are_not_counted_with_the_newest(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [1.0, 2.0, 3.0], set_version=1)
    store_trials(warehouse_url, "sklearn_training/b", LASSO, [6.0, 7.0], ago=timedelta(minutes=1), set_version=2)
    assert min(row["low"] for row in rows_of(site, "error_distribution")) == 6.0


def test_run_page_shows_the_newest_run_unless_another_is_chosen(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [7.0, 6.0], ago=timedelta(days=2))
    store_trials(warehouse_url, "xgboost_training/b+c", GAMMA, [5.0, None])
    [newest] = rows_of(site, "run_facts")
    assert (newest["run_key"], newest["trials"], newest["failed"], newest["best"]) == (
        "xgboost_training/b+c", 2, 1, GAMMA,
    )  # fmt: skip
    [chosen] = rows_of(site, "run_facts", dag_id="sklearn_training", run_id="a")
    assert (chosen["run_key"], chosen["loss"]) == ("sklearn_training/a", 6.0)


def test_run_page_counts_the_trials_that_were_ended_early(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "xgboost_training/a", GAMMA, [5.0, 6.0, 7.0, None])
    query(warehouse_url, "UPDATE training.trials SET has_ended = true WHERE loss > 5 RETURNING number")
    facts = {fact["label"]: fact["detail"] for fact in site.answer("run_facts")["facts"]}
    assert facts["Trials"] == "1 failed, 2 ended early"


def test_parameters_are_those_of_the_best_model_type(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "xgboost_training/a", GAMMA, [5.0, 4.0], eta=0.1)
    store_trials(warehouse_url, "xgboost_training/a", "gbtree.squarederror", [4.5], eta=0.2)
    assert {row["model"] for row in rows_of(site, "parameters_of_trials")} == {GAMMA}
    chosen = rows_of(site, "parameters_of_trials", model="gbtree.squarederror")
    assert [(row["loss"], row["parameters"]) for row in chosen] == [(4.5, {"eta": 0.2})]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([25e6, *[75e6] * 3], [(1, 1), (40, 3)]),
        ([1e-10, *[3e-10] * 3], [(1, 1), (40, 3)]),
        ([7.0, 7.0], [(1, 2)]),
        ([0.0, 0.0], [(1, 2)]),
    ],
)
def test_bars_of_a_month_hold_every_value_whatever_its_size(
    site: Site, warehouse_url: str, values: list[float], expected: list[tuple[int, int]]
) -> None:
    store_month(warehouse_url, "2024-01", [RawTrip("2024-01-01T08:00", 10, 1, 2, value) for value in values])
    columns = {column["column"]: column for column in read_profile(site.context())}
    bars = columns["trip_distance"]["bars"]
    assert [(bar["bar"], bar["rows"]) for bar in bars] == expected
    assert (bars[0]["low"], bars[0]["high"] >= values[-1]) == (values[0], True)


def test_run_that_is_older_than_those_offered_is_named_in_its_page(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [7.0])
    offered = list_runs(site.context(dag_id="xgboost_training", run_id="long ago"))
    assert offered.chosen in dict(offered.options)
    hidden = list_runs(site.context(person="sklearn", dag_id="xgboost_training", run_id="long ago"))
    assert hidden.chosen not in dict(hidden.options)


def test_times_are_shown_in_utc_whatever_the_server_uses(site: Site, warehouse_url: str) -> None:
    store_trials(warehouse_url, "sklearn_training/a", LASSO, [7.0])
    with connect(warehouse_url) as connection:
        database = sql.Identifier(connection.info.dbname)
        connection.execute(sql.SQL("ALTER DATABASE {} SET TimeZone = 'Asia/Tokyo'").format(database))
        connection.execute("UPDATE training.trials SET finished_at = '2024-03-01 20:00+00'")
        connection.execute(
            "INSERT INTO training.sets (state, months, validation_from, declaration, settings, sources, published_at)"
            " VALUES ('published', '{2024-01}', '2024-01-20', '{}', '{}', '{}', '2024-03-01 20:00+00')"
        )
    assert list_runs(site.context()).options == [("sklearn_training/a", "Mar 01 20:00 UTC, sklearn, best 7")]
    [version] = site.answer("training_set_versions")["rows"]
    assert version[-1] == "2024-03-01 20:00 UTC"


def test_raw_month_is_profiled_once_for_a_source(site: Site, warehouse_url: str) -> None:
    trips = [RawTrip("2024-01-01T08:00", 10, 1, 2, 1.0), RawTrip("2024-01-02T08:00", 20, 1, None, 3.0)]
    store_month(warehouse_url, "2024-01", trips)
    columns = {column["column"]: column for column in read_profile(site.context())}
    assert (columns["dropoff_zone"]["missing"], columns["dropoff_zone"]["distinct"]) == (1, 1)
    assert (columns["trip_distance"]["min"], columns["trip_distance"]["mean"]) == ("1", "2")
    assert float(columns["target"]["median"]) == 10
    assert sum(bar["rows"] for bar in columns["target"]["bars"]) == 2
    with connect(warehouse_url) as connection:
        connection.execute("DELETE FROM raw.rows")
    assert read_profile(site.context())[0]["rows"] == 2, "kept"
    store_month(warehouse_url, "2024-01", trips[:1], sha256="another")
    assert read_profile(site.context())[0]["rows"] == 1, "a new source is profiled anew"
    assert query(warehouse_url, "SELECT sha256 FROM dashboards.profiles") == [("another",)]


def test_rows_left_out_are_those_that_a_rule_refused_and_those_that_the_newest_set_does_not_use(
    site: Site, warehouse_url: str
) -> None:
    store_month(warehouse_url, "2024-01", [RawTrip("2024-01-01T08:00")] * 3, rejected=[0, 2])
    refused = {"month": "2024-01", "rule": "pickup_zone: below 1", "rows": 2}
    assert rows_of(site, "rejected_rows") == [refused]
    with connect(warehouse_url) as connection:
        for hour, rows in ((8, 5), (9, 1)):
            too_long = [{"month": "2024-01", "rule": TARGET_ABOVE, "rows": rows}, refused]
            connection.execute(
                "INSERT INTO training.sets (state, months, validation_from, declaration, settings, sources, left_out,"
                " published_at) VALUES ('published', '{2024-01}', '2024-01-20', '{}', '{}', '{}', %s, %s)",
                [Jsonb(too_long), f"2024-03-01 {hour:02}:00"],
            )
    assert rows_of(site, "rejected_rows") == [refused, {"month": "2024-01", "rule": TARGET_ABOVE, "rows": 1}]


def test_newest_drift_is_the_last_window_of_the_last_champion(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO monitoring.drift (name, champion_version, window_start, window_days, column_name, set_version,"
            " rows, psi, ks, js, drifted) VALUES ('trip-duration', 1, '2024-03-01', 7, 'hour', 1, 9, 0.1, 0, 0, false),"
            " ('trip-duration', 1, '2024-03-08', 7, 'hour', 1, 9, 0.5, 0, 0, true),"
            " ('another', 1, '2024-04-08', 7, 'hour', 1, 9, 0.9, 0, 0, true)"
        )
    assert [row["psi"] for row in rows_of(site, "newest_drift")] == [0.5]
    assert [row["psi"] for row in rows_of(site, "drift_by_column")] == [0.1, 0.5]


def test_requests_and_errors_are_read_beside_the_drift_of_rows(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO monitoring.drift (name, champion_version, window_start, window_days, column_name, set_version,"
            " rows, psi, js, drifted, source) VALUES ('trip-duration', 1, '2024-03-01', 7, 'hour', 1, 9, 0.1, 0, false,"
            " 'rows'), ('trip-duration', 1, '2024-03-01', 7, 'hour', 1, 9, 0.7, 0, true, 'requests')"
        )
        connection.execute(
            "INSERT INTO monitoring.errors (name, champion_version, window_start, window_days, rows, error,"
            " error_limit, bias, is_high, has_moved) VALUES"
            " ('trip-duration', 1, '2024-03-08', 7, 9, 5, 4, 0, true, false),"
            " ('trip-duration', 1, '2024-03-01', 7, 9, 3, 4, 0, false, false)"
        )
    assert [row["psi"] for row in rows_of(site, "newest_drift")] == [0.1]
    assert [row["psi"] for row in rows_of(site, "drift_by_column")] == [0.1]
    assert [row["psi"] for row in rows_of(site, "requests_drift")] == [0.7]
    assert [row["error"] for row in rows_of(site, "champion_error")] == [3, 5]


def test_live_error_is_that_of_all_weeks_however_long_ago_their_rows_are(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO monitoring.live_errors (model_version, week, rows, error) VALUES ('2', '2019-03-11', 9, 5),"
            " ('2', '2019-03-04', 9, 4)"
        )
    assert [row["error"] for row in rows_of(site, "live_error", days=30)] == [4, 5]


def test_drift_is_that_of_the_present_champion_once_it_was_measured(site: Site, warehouse_url: str) -> None:
    def promote(version: int, kind: str = "judgement") -> None:
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, reason, state, run_key, moved_at)"
            " VALUES (%s, 'trip-duration', %s, 'It wins', 'promoted', %s, clock_timestamp())",
            [kind, version, f"model_promotion/{kind}{version}"],
        )

    def measure(version: int, psi: float) -> None:
        connection.execute(
            "INSERT INTO monitoring.drift (name, champion_version, window_start, window_days, column_name, set_version,"
            " rows, psi, ks, js, drifted, measured_at) VALUES ('trip-duration', %s, '2024-03-08', 7, 'hour', 1, 9, %s,"
            " 0, 0, true, clock_timestamp()) ON CONFLICT (name, champion_version, source, window_start, column_name)"
            " DO UPDATE SET psi = excluded.psi, measured_at = clock_timestamp()",
            [version, psi],
        )

    def shown() -> tuple:
        [row], [same] = rows_of(site, "newest_drift"), rows_of(site, "drift_by_column")
        assert row["psi"] == same["psi"]
        return row["champion_version"], row["champion_now"], row["psi"]

    with connect(warehouse_url, autocommit=True) as connection:
        promote(1)
        measure(1, 0.5)
        assert shown() == (1, 1, 0.5)
        promote(2)
        assert shown() == (1, 2, 0.5), "measured against another"
        measure(2, 0.1)
        measure(1, 0.6)
        assert shown() == (2, 2, 0.1)
        promote(1, "rollback")
        assert shown() == (1, 1, 0.6)


def test_every_decision_is_listed_with_when_by_whom_and_why(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO training.promotions (kind, name, version, model, reason, state, run_key, decided_at) VALUES"
            " ('judgement', 'trip-duration', 1, 'gbtree.gamma', 'RMSE 4 against 5', 'promoted',"
            " 'model_promotion/asset_triggered__1', now() - interval '3 h'),"
            " ('judgement', 'trip-duration', 2, 'linear_model.Lasso', 'it is worse', 'rejected',"
            " 'model_promotion/asset_triggered__2', now() - interval '2 h'),"
            " ('rollback', 'trip-duration', 1, 'gbtree.gamma', 'Rolled back', 'promoted',"
            " 'model_promotion/manual__3', now()), ('judgement', 'another', 9, 'm', 'r', 'promoted', 'd/r', now())"
        )
    rows = site.answer("decisions")["rows"]
    assert [(outcome["text"], model, why, by["text"], by["to"]) for _, outcome, model, why, by in rows] == [
        ("↺ rolled back", "gbtree.gamma v1", "Rolled back", "manual run", "/dags/model_promotion/runs/manual__3"),
        ("● champion kept", "Lasso v2", "it is worse", "run after training",
         "/dags/model_promotion/runs/asset_triggered__2"),
        ("▲ promoted", "gbtree.gamma v1", "RMSE 4 against 5", "run after training",
         "/dags/model_promotion/runs/asset_triggered__1"),
    ]  # fmt: skip


def test_alerts_are_those_of_readable_dags(site: Site, warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute(
            "INSERT INTO alerts.sent (kind, severity, dag_id, run_id, task_id, subject, content, state, channels_left)"
            " VALUES ('failure', 'error', 'sklearn_training', 'r', 't', 'It failed',"
            " '{\"headline\": \"The disk is full.\"}', 'sent', '{}'),"
            " ('failure', 'error', 'secret', 'r', 't', 'Nobody knows', '{}', 'sent', '{}')"
        )
    [[severity, alert, why, *_]] = site.answer("newest_alerts")["rows"]
    assert (severity["text"], severity["tone"], why) == ("✖\u00a0error", "bad", "The disk is full.")
    assert (alert["text"], alert["to"], alert["tone"]) == ("It failed", "/dags/sklearn_training/runs/r", "bad")
