from collections.abc import Collection
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from include.errors import SourceInvalid, SourceUnavailable
from include.models.table import TRAINING_DAGS
from include.monitoring.report import DriftReport
from include.monitoring.watch import find_open_alarms, raise_alarm
from include.monitoring.windows import Window
from include.problem.declaration import Problem
from include.retraining.reasons import (
    Findings,
    Retraining,
    Source,
    _read_last_retraining,
    describe_pause,
    find_reasons,
    has_changed,
    plan_preparation,
)
from include.retraining.report import (
    FollowedRun,
    JudgedModel,
    begin,
    conclude,
    finish,
    plan_starts,
)
from include.retraining.watching import (
    Watch,
    choose_pause,
    choose_window,
    find_last_day,
    find_news,
    look_back,
    read_signs,
)
from include.sets.examples import choose_training_set
from include.sets.plan import make_plan
from include.settings import Settings
from include.sources import Probe, list_months, probe
from include.sources.location import list_span
from include.training.claims import claim_training
from include.warehouse import connect
from tests.servers import WebServer
from tests.splits import PROBLEM
from tests.warehouse_rows import query

DEFAULTS = Settings()
QUIET = Findings(("2024-01", "2024-02"), (), (), True, (), 3.0)
months = st.sampled_from(["2024-01", "2024-02", "2024-03", "2024-04", "2024-05"])


# Reasons


def test_there_is_no_reason_as_a_rule() -> None:
    assert find_reasons(QUIET, 30, force=False) == []


@pytest.mark.parametrize(
    ("findings", "reason"),
    [
        (Findings(("2024-02",), ("2024-02",), (), False, (), 3.0), "new at the source: 2024-02"),
        (Findings(("2024-02",), (), ("2024-02",), True, (), 3.0), "changed at the source: 2024-02"),
        (Findings(("2024-02",), (), (), False, (), 3.0), "no model has been trained on 2024-02 yet"),
        (Findings(("2024-02",), (), (), True, ("hour", "target"), 3.0), "drifted: hour, target"),
        (Findings(("2024-02",), (), (), True, (), 3.0, errors=("RMSE 5",)), "the champion's error has changed: RMSE 5"),
        (Findings(("2024-02",), (), (), True, (), 30.5), "the champion is 30.5 days old, more than 30 (MAX_MODEL_AGE)"),
    ],
)
def test_each_finding_is_a_reason(findings: Findings, reason: str) -> None:
    assert find_reasons(findings, 30, force=False) == [reason]


@given(
    st.builds(
        Findings,
        st.just(("2024-02",)),
        st.sampled_from([(), ("2024-02",)]),
        st.sampled_from([(), ("2024-01",)]),
        st.booleans(),
        st.sampled_from([(), ("hour",)]),
        st.none() | st.floats(0, 100),
    ),
    st.floats(1, 100),
)
def test_force_adds_a_reason_and_takes_none_away(findings: Findings, age: float) -> None:
    without = find_reasons(findings, age, force=False)
    assert find_reasons(findings, age, force=True) == [*without, "forced by a person"]


STORED = Source("file:///a", "7@1", "aa", 100)


@pytest.mark.parametrize(
    ("probe", "changed"),
    [
        (Probe("2024-01", "file:///a", 7, "7@2", "aa"), False),
        (Probe("2024-01", "file:///b", 7, "7@1", "bb"), True),
        (Probe("2024-01", "file:///a", 7, "7@1", None), False),
        (Probe("2024-01", "file:///a", 7, "7@2", None), True),
        (Probe("2024-01", "file:///b", 7, "7@1", None), True),
        (Probe("2024-01", "file:///a", None, None, None), False),
    ],
)
def test_month_has_changed_when_its_contents_have_or_may_have(probe: Probe, changed: bool) -> None:
    assert has_changed(probe, STORED) == changed


# What to train on


def roll(settings: Settings, found: Collection[str]) -> list[str]:
    """The window of those months."""
    newest_first = (Probe(month, "", None, None, None) for month in sorted(found, reverse=True))
    return [month.month for month in choose_window(settings, newest_first)]


@given(st.sets(months), st.integers(1, 6))
def test_window_rolls_over_the_newest_months(found: set[str], size: int) -> None:
    assert roll(Settings(rolling_months=size), found) == sorted(found)[-size:]


@pytest.mark.parametrize(
    ("settings", "size"), [({"months": "2024-01"}, 4), ({"months": "2024-01,2024-02,2024-03,2024-04,2024-05"}, 5),
                           ({"months": "2024-01", "test_from": "2024-01-20"}, 4), ({"rolling_months": 1}, 1)]
)  # fmt: skip
def test_window_is_as_many_months_as_the_setting_names_but_enough_to_learn_from(settings: dict, size: int) -> None:
    found = [f"2024-{month:02}" for month in range(1, 13)]
    assert len(roll(Settings(**settings), found)) == size


def test_last_day_is_that_of_the_newest_month() -> None:
    assert find_last_day(PROBLEM, ["2024-02", "2024-01"]) == date(2024, 2, 29)
    assert find_last_day(PROBLEM, ["all"]) == date.max
    assert find_last_day(PROBLEM, []) == date.min


@given(st.sets(months, min_size=1), st.booleans())
def test_preparation_of_a_window_is_a_plan_that_holds_out_the_newest_rows(found: set[str], has_test: bool) -> None:
    window = sorted(found)
    plan = make_plan(DEFAULTS, **plan_preparation(window, by_time=True, has_test_split=has_test))
    assert plan.months == tuple(window)
    assert (plan.test_from is not None) == has_test
    newest = f"{window[-1]}-01"
    if len(window) > 2:
        assert (plan.test_from or plan.validation_from) == newest
    elif len(window) == 2:
        assert plan.validation_from == newest


def test_preparation_is_started_unless_the_set_is_there() -> None:
    found = {"set_version": None, "preparation": {"months": ["2024-01"]}, "requested_at": "2024-03-01T00:00:00+00:00"}
    assert plan_starts(found, TRAINING_DAGS) == {"data_preparation": {"months": ["2024-01"]}}
    parameters = {"set_version": 3, "requested_at": "2024-03-01T00:00:00+00:00"}
    assert plan_starts(found | {"set_version": 3}, TRAINING_DAGS) == {
        "sklearn_training": parameters,
        "xgboost_training": parameters,
        "lightgbm_training": parameters,
    }


# The source


def test_months_of_files_are_found_by_their_names(tmp_path: Path) -> None:
    for name in ("t_2024-02.csv", "t_2024-01.csv", "t_2024-13.csv", "other_2024-03.csv", "t_2024-04.csv.part"):
        (tmp_path / name).write_text("a")
    for source in (f"{tmp_path}/t_{{month}}.csv", f"file://{tmp_path}/t_{{month}}.csv"):
        assert list_months(Settings(source=source)) == ["2024-01", "2024-02"]


def test_months_of_a_web_server_are_those_known_and_the_ones_that_follow(web_server: WebServer) -> None:
    web_server.pages |= {f"/{month}.csv": b"a" for month in ("2024-01", "2024-02", "2024-03", "2025-05")}
    settings = Settings(source=f"{web_server.url}/{{month}}.csv", months="2024-01")
    assert list_months(settings) == ["2024-01", "2024-02", "2024-03"]
    web_server.requests.clear()
    assert list_months(settings, ["2024-03"]) == ["2024-01", "2024-02", "2024-03"]
    missing = [f"/{month}.csv" for month in list_span("2024-04", "2025-03")]
    assert web_server.requests == [("HEAD", path) for path in missing], "a year, but no more"


def test_month_that_is_never_published_hides_no_later_one_and_is_told(web_server: WebServer) -> None:
    web_server.pages |= {f"/{month}.csv": b"a" for month in ("2024-01", "2024-03", "2024-04", "2025-04")}
    web_server.pages["/2024-05.csv"] = lambda query: (403, b"refused as what is not there")
    web_server.headers["ETag"] = "one"
    settings = Settings(source=f"{web_server.url}/{{month}}.csv", months="2024-01", rolling_months=20)
    told: list[str] = []
    found = [month.month for month in look_back(settings, [], probe, told.append)]
    assert found == ["2025-04", "2024-04", "2024-03", "2024-01"]
    assert sorted(text.partition(" ")[0] for text in told) == ["2024-02", *list_span("2024-05", "2025-03")]


def test_month_that_is_to_come_is_not_asked_for(web_server: WebServer) -> None:
    current = f"{datetime.now(UTC):%Y-%m}"
    web_server.pages[f"/{current}.csv"] = b"a"
    settings = Settings(source=f"{web_server.url}/{{month}}.csv", months=current)
    assert list_months(settings) == [current]
    assert web_server.requests == []


def test_months_of_a_table_are_those_with_enough_rows(warehouse_url: str) -> None:
    with connect(warehouse_url) as connection:
        connection.execute("CREATE TABLE public.rides (lpep_pickup_datetime timestamp)")
        connection.execute(
            "INSERT INTO rides SELECT '2024-01-01'::timestamp + n * interval '1 day' FROM generate_series(0, 59) n"
        )
        connection.execute("INSERT INTO rides VALUES ('2008-12-31')")
    settings = Settings(source=f"{warehouse_url}/public.rides", minimum_rows=20)
    assert list_months(settings) == ["2024-01", "2024-02"]


def test_sign_of_a_file_changes_with_it_and_only_the_window_is_looked_at(tmp_path: Path) -> None:
    for month in ("2024-01", "2024-02", "2024-03"):
        (tmp_path / f"{month}.csv").write_text("a")
    settings = Settings(source=f"{tmp_path}/{{month}}.csv", rolling_months=2)
    before = read_signs(settings, [])
    assert before is not None
    assert list(before) == ["2024-02", "2024-03"]
    (tmp_path / "2024-03.csv").write_text("ab")
    after = read_signs(settings, [])
    assert after is not None
    assert after["2024-02"] == before["2024-02"]
    assert after["2024-03"] != before["2024-03"]


def test_months_of_which_nothing_is_there_have_no_signs_and_hide_no_others(
    web_server: WebServer, tmp_path: Path
) -> None:
    web_server.pages |= {f"/{month}.csv": b"a" for month in ("2023-09", "2023-10", "2024-01", "2024-03")}
    web_server.pages["/2023-12.csv"] = lambda query: (403, b"refused as what is not there")
    settings = Settings(source=f"{web_server.url}/{{month}}.csv", months="2023-09", rolling_months=3)
    web_server.headers["ETag"] = "one"
    # The months between were never seen; 2024-04 was, and is gone.
    signs = read_signs(settings, ["2023-09", "2024-01", "2024-03", "2024-04"])
    assert signs is not None
    assert list(signs) == ["2023-10", "2024-01", "2024-03"]
    for month in ("2024-01", "2024-02", "2024-03"):
        (tmp_path / f"{month}.csv").write_text("a" * (month != "2024-03"))
    signs = read_signs(Settings(source=f"{tmp_path}/{{month}}.csv"), [])
    assert signs is not None
    assert list(signs) == ["2024-01", "2024-02"]


def test_server_that_is_away_is_no_month_that_is_gone(web_server: WebServer) -> None:
    web_server.pages |= {"/2024-01.csv": b"a", "/2024-02.csv": lambda query: (503, b"")}
    with pytest.raises(SourceUnavailable, match="2024-02"):
        read_signs(Settings(source=f"{web_server.url}/{{month}}.csv"), ["2024-01", "2024-02"])


def test_source_of_which_no_month_is_there_is_invalid(web_server: WebServer) -> None:
    settings = Settings(source=f"{web_server.url}/{{month}}.csv", months="2024-01,2024-02")
    with pytest.raises(SourceInvalid, match=r"2024-02\.csv answered 404"):
        read_signs(settings, [])


@pytest.mark.parametrize(
    ("source", "interval", "pause"),
    [
        ("/data/{month}.csv", 2, 2),
        ("s3://data/{month}.csv", 10, 10),
        ("https://data.example.com/{month}.csv", 10, 60),
        ("https://data.example.com/{month}.csv", 600, 600),
        ("https://data.example.com/{month}.csv", 0, 0),
    ],
)
def test_files_on_the_web_are_looked_at_once_a_minute_at_most(source: str, interval: float, pause: float) -> None:
    assert choose_pause(Settings(source=source, watch_interval=interval)) == pause


@pytest.mark.parametrize("settings", [{}, {"source": "/data/{month}.csv", "watch_interval": 0}])
def test_what_cannot_or_shall_not_be_watched_has_no_signs(settings: dict) -> None:
    assert read_signs(Settings(**settings), []) is None


signs = st.dictionaries(months, st.sampled_from("abc"))


@given(signs, signs, signs)
def test_news_are_settled_and_told_once(seen: dict[str, str], before: dict[str, str], now: dict[str, str]) -> None:
    news = find_news(seen, before, now)
    assert all(before[month] == now[month] != seen.get(month) for month in news)
    assert find_news(seen | {month: now[month] for month in news}, before, now) == []
    assert set(find_news(seen, now, now)) == {month for month in now if seen.get(month) != now[month]}


def write(directory: Path, **contents: str) -> Settings:
    """Files by month, and settings of which they are the source."""
    for month, text in contents.items():
        (directory / f"2024-{month.removeprefix('m')}.csv").write_text(text)
    return Settings(source=f"{directory}/{{month}}.csv", watch_interval=5)


def test_watch_tells_what_is_new_and_settled_once_and_so_does_the_next_one(warehouse_url: str, tmp_path: Path) -> None:
    settings = write(tmp_path, m01="a", m02="b")
    watch = Watch(warehouse_url)
    assert [watch.look(settings), watch.look(settings)] == [[], []]
    write(tmp_path, m02="longer", m03="c")
    assert [watch.look(settings) for _ in range(3)] == [[], ["2024-02", "2024-03"], []]
    # One that is restarted: what arrives while there is none is news, what was told is none.
    write(tmp_path, m04="d")
    watch = Watch(warehouse_url)
    assert [watch.look(settings) for _ in range(3)] == [[], ["2024-04"], []]


def test_watch_takes_another_source_as_it_is(warehouse_url: str, tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "other").mkdir()
    one, other = write(tmp_path / "one", m01="a"), write(tmp_path / "other", m01="aa", m02="b")
    watch = Watch(warehouse_url)
    assert [watch.look(settings) for settings in (one, other, other, one, one)] == [[]] * 5
    write(tmp_path / "one", m02="b")
    assert [watch.look(one), watch.look(one)] == [[], ["2024-02"]]


def test_watch_without_a_warehouse_tells_nothing_and_forgets_nothing(warehouse_url: str, tmp_path: Path) -> None:
    settings = write(tmp_path, m01="a")
    watch = Watch(warehouse_url)
    watch.look(settings)
    write(tmp_path, m02="b")
    watch.look(settings)
    with connect(warehouse_url) as connection:
        connection.execute("ALTER TABLE raw.watermarks RENAME TO away")
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            watch.look(settings)
    with connect(warehouse_url) as connection:
        connection.execute("ALTER TABLE raw.away RENAME TO watermarks")
    assert [watch.look(settings), watch.look(settings)] == [["2024-02"], []]


# No double path


def test_event_and_trigger_train_a_version_once_between_them(warehouse_url: str) -> None:
    detected = datetime.now(UTC) - timedelta(seconds=5)
    assert claim_training(warehouse_url, "sklearn", 3, "event")
    assert not claim_training(warehouse_url, "sklearn", 3, "master", detected)
    assert claim_training(warehouse_url, "xgboost", 3, "master", detected)
    assert not claim_training(warehouse_url, "xgboost", 3, "event")


def test_claim_from_before_a_request_gives_way_to_it(warehouse_url: str) -> None:
    assert claim_training(warehouse_url, "sklearn", 3, "event")
    assert claim_training(warehouse_url, "sklearn", 3, "master", datetime.now(UTC) + timedelta(seconds=5))
    assert not claim_training(warehouse_url, "sklearn", 3, "event")


def test_run_that_is_tried_again_keeps_its_claim(warehouse_url: str) -> None:
    for _ in range(2):
        assert claim_training(warehouse_url, "sklearn", 3, "event")


def publish(url: str, version_state: str) -> None:
    query(
        url,
        "INSERT INTO training.sets (fingerprint, state, months, validation_from, declaration, settings, sources,"
        f" counts, published_at) VALUES (gen_random_uuid(), '{version_state}', '{{2024-02}}', '2024-02-20',"
        " '{}', '{}', '{}', '{}', now()) RETURNING version",
    )


def test_announced_set_that_was_superseded_gives_way_to_the_newest(warehouse_url: str) -> None:
    publish(warehouse_url, "superseded")
    publish(warehouse_url, "published")
    publish(warehouse_url, "published")
    for announced, requested, version in (([1], None, 3), ([1, 2], None, 2), ([], None, 3), ([3], 2, 2)):
        found = choose_training_set(warehouse_url, 1.0, requested=requested, announced=announced)
        assert found
        assert found.version == version


# The report

WON = JudgedModel("xgboost", "gbtree.gamma", 7, 5.5, 5.0, "promoted", "")
LOST = JudgedModel("sklearn", "linear_model.Lasso", 6, 5.5, 6.0, "rejected", "by chance alone")


def make_runs(**states: str) -> list[FollowedRun]:
    return [FollowedRun(dag_id, f"{dag_id}__1", state) for dag_id, state in states.items()]


run_states = st.fixed_dictionaries(
    {name: st.sampled_from(["success", "failed"]) for name in ("sklearn_training", "xgboost_training")},
    optional={name: st.sampled_from(["success", "failed"]) for name in ("data_preparation", "model_promotion")},
)


@given(run_states, st.booleans())
def test_retraining_fails_unless_all_succeeds_or_one_family_alone_fails_and_may(
    states: dict[str, str], ignore: bool
) -> None:
    families = [states["sklearn_training"], states["xgboost_training"]]
    others = [state for name, state in states.items() if not name.endswith("_training")]
    may_fail = ignore and "success" in families and "failed" not in others
    expected = "success" if "failed" not in states.values() or may_fail else "failed"
    assert (
        conclude(PROBLEM.objective, ["drifted: hour"], make_runs(**states), [WON], ignore_failures=ignore).state
        == expected
    )


def test_report_says_why_what_before_after_and_the_decision() -> None:
    runs = make_runs(sklearn_training="success", xgboost_training="success")
    report = conclude(PROBLEM.objective, ["drifted: hour"], runs, [LOST, WON], ignore_failures=True).report
    assert report.splitlines() == [
        "Retraining, because drifted: hour.",
        "sklearn: linear_model.Lasso version 6, RMSE 6 (before: 5.5): not promoted, by chance alone.",
        "xgboost: gbtree.gamma version 7, RMSE 5 (before: 5.5): champion now.",
    ]


def test_report_warns_of_the_family_that_failed() -> None:
    runs = make_runs(sklearn_training="failed", xgboost_training="success")
    report = conclude(PROBLEM.objective, ["forced by a person"], runs, [WON], ignore_failures=True).report
    assert "Warning: sklearn_training ended as failed (sklearn_training__1)." in report


def test_report_of_a_preparation_that_found_all_there_says_so() -> None:
    report = conclude(
        PROBLEM.objective, ["drifted: hour"], make_runs(data_preparation="success"), [], ignore_failures=True
    )
    assert report.state == "success"
    assert "Nothing to train" in report.report


def test_report_of_models_that_nothing_judged_says_where_to_look() -> None:
    runs = make_runs(data_preparation="success", sklearn_training="failed", xgboost_training="success")
    report = conclude(PROBLEM.objective, ["drifted: hour"], runs, [], ignore_failures=True).report
    assert "Warning: trained, but not judged: is model_promotion paused?" in report
    runs += make_runs(model_promotion="failed")
    assert "paused" not in conclude(PROBLEM.objective, ["drifted: hour"], runs, [], ignore_failures=True).report


def test_skipped_run_of_a_family_that_is_not_trained_is_no_success_of_a_retraining(warehouse_url: str) -> None:
    found = {"reasons": ["drifted: hour"], "months": ["2024-01"]}
    settings = DEFAULTS.change(lightgbm_models=())
    assert set(plan_starts(found | {"set_version": 3, "requested_at": "now"}, settings.training_dags)) == {
        "sklearn_training", "xgboost_training",
    }  # fmt: skip
    begin(warehouse_url, "automatic_retraining/1", found["reasons"], found["months"])
    runs = make_runs(sklearn_training="failed", xgboost_training="failed", lightgbm_training="success")
    conclusion = finish(warehouse_url, settings, "automatic_retraining/1", found, runs, ignore_failures=True)
    assert conclusion.state == "failed"
    assert "lightgbm" not in conclusion.report
    [(stored,)] = query(warehouse_url, "SELECT runs FROM training.retrainings")
    assert [run["dag_id"] for run in stored] == ["sklearn_training", "xgboost_training"]


def test_retraining_is_stored_with_its_runs_models_and_report(warehouse_url: str) -> None:
    query(
        warehouse_url,
        "INSERT INTO training.promotions (kind, name, version, family, model, trained_by, challenger_error,"
        " champion_error, state, reason, run_key) VALUES ('judgement', 'trip-duration', 7, 'xgboost', 'gbtree.gamma',"
        " 'xgboost_training/xgboost_training__1', 5.0, 5.5, 'promoted', '', 'model_promotion/1') RETURNING version",
    )
    found = {"reasons": ["drifted: hour"], "months": ["2024-01", "2024-02"]}
    for _ in range(2):
        begin(warehouse_url, "automatic_retraining/1", found["reasons"], found["months"])
    runs = make_runs(sklearn_training="failed", xgboost_training="success")
    conclusion = finish(warehouse_url, DEFAULTS, "automatic_retraining/1", found, runs, ignore_failures=True)
    [(state, stored_runs, models, report)] = query(
        warehouse_url, "SELECT state, runs, models, report FROM training.retrainings"
    )
    assert (state, report) == (conclusion.state, conclusion.report) == ("success", report)
    assert [run["state"] for run in stored_runs] == ["failed", "success"]
    assert [(model["before"], model["after"], model["decision"]) for model in models] == [(5.5, 5.0, "promoted")]


@pytest.mark.parametrize("trained", [False, True])
def test_retraining_that_trained_nothing_answers_nothing(warehouse_url: str, trained: bool) -> None:
    week = Window(date(2024, 2, 19), 7)
    raise_alarm(warehouse_url, DriftReport("trip-duration", 1, (week,), {"hour": (True,)}, ("hour",)), "run")
    query(
        warehouse_url,
        "INSERT INTO monitoring.unusable_champions (name, version, problem) VALUES ('trip-duration', 1, 'gone')"
        " RETURNING name",
    )
    found = {"reasons": ["changed at the source: 2024-02"], "months": ["2024-02"]}
    begin(warehouse_url, "automatic_retraining/1", found["reasons"], found["months"])
    runs = make_runs(data_preparation="success", **({"sklearn_training": "success"} if trained else {}))
    finish(warehouse_url, DEFAULTS, "automatic_retraining/1", found, runs, ignore_failures=True)
    answered_by = "automatic_retraining/1" if trained else None
    assert query(warehouse_url, "SELECT answered_by FROM monitoring.alarms") == [(answered_by,)]
    assert query(warehouse_url, "SELECT answered_by FROM monitoring.unusable_champions") == [(answered_by,)]
    assert (_read_last_retraining(warehouse_url) is not None) == trained


def test_run_that_is_cleared_begins_anew_for_the_reasons_that_it_found_last(warehouse_url: str) -> None:
    begin(warehouse_url, "automatic_retraining/1", ["drifted: hour"], ["2024-01"])
    query(
        warehouse_url,
        "UPDATE training.retrainings SET runs = '[1]', models = '[1]', report = 'old', state = 'failed',"
        " started_at = now() - interval '3 days', finished_at = now() - interval '2 days' RETURNING state",
    )
    begin(warehouse_url, "automatic_retraining/1", ["forced by a person"], ["2024-02"])
    stored = query(
        warehouse_url,
        "SELECT reasons, months, state, runs, models, report, finished_at, started_at > now() - interval '1 hour'"
        " FROM training.retrainings",
    )
    assert stored == [(["forced by a person"], ["2024-02"], "running", [], [], None, None, True)]


def fail(url: str, run: int, *, hours_ago: float, fingerprint: str = "same", state: str = "failed") -> None:
    """A retraining that ended so many hours ago."""
    begin(url, f"automatic_retraining/{run}", ["drifted: hour"], ["2024-01"], fingerprint)
    ended = "NULL" if state == "running" else f"now() - interval '{hours_ago} hours'"
    query(
        url,
        f"UPDATE training.retrainings SET state = '{state}', started_at = now() - interval '{hours_ago} hours',"
        f" finished_at = {ended} WHERE run_key = 'automatic_retraining/{run}' RETURNING state",
    )


FOUND = Retraining(("drifted: hour",), ("2024-01",), None, {"months": [], "validation_from": None}, "", "same")


def is_paused(url: str, fingerprint: str = "same", run: int = 99) -> bool:
    return describe_pause(url, replace(FOUND, fingerprint=fingerprint), f"automatic_retraining/{run}") is not None


@pytest.mark.parametrize(("failures", "pause"), [(1, 2), (2, 4), (3, 8), (4, 16), (5, 24), (40, 24)])
def test_what_has_failed_is_tried_again_after_a_pause_that_doubles_up_to_a_day(
    warehouse_url: str, failures: int, pause: int
) -> None:
    assert not is_paused(warehouse_url)
    for hours, expected in ((pause - 0.1, True), (pause + 0.1, False)):
        for number in range(failures):
            fail(warehouse_url, number, hours_ago=hours + number, state="running" if number == 0 else "failed")
        assert is_paused(warehouse_url) == expected


def test_pause_is_of_what_is_the_same_and_ends_with_a_success_or_when_the_run_is_cleared(warehouse_url: str) -> None:
    fail(warehouse_url, 1, hours_ago=1.5)
    assert is_paused(warehouse_url)
    assert not is_paused(warehouse_url, fingerprint="a changed file")
    assert not is_paused(warehouse_url, run=1)
    fail(warehouse_url, 2, hours_ago=1, fingerprint="a changed file", state="success")
    assert not is_paused(warehouse_url)


def test_pause_says_how_often_what_failed_and_what_to_do(warehouse_url: str) -> None:
    for number in range(2):
        fail(warehouse_url, number, hours_ago=1)
    pause = describe_pause(warehouse_url, FOUND, "automatic_retraining/99")
    assert pause
    assert pause.startswith("drifted: hour. But each of the last 2 retrainings failed")
    assert pause.endswith("`force` retrains at once.")


def test_preparation_of_a_source_without_months_leaves_the_split_to_the_problem() -> None:
    plan = make_plan(DEFAULTS, **plan_preparation(["all"], by_time=True, has_test_split=True))
    assert (plan.months, plan.validation_from, plan.test_from) == (("all",), None, None)


@pytest.mark.parametrize("declared", [{}, {"group": "house"}, {"group": "house", "time": "day", "split": "group"}])
def test_preparation_of_rows_that_are_not_split_by_time_leaves_the_split_to_the_problem(declared: dict) -> None:
    columns = {"area": {}, "house": {"kind": "category"}, "day": {"kind": "time"}}
    problem = Problem(name="rents", source="file:///{month}.csv", target="rent", columns=columns, **declared)  # type: ignore[call-arg, arg-type]
    settings = Settings(problem=problem)  # type: ignore[arg-type]
    by_time = problem.split_by == "time"
    plan = make_plan(settings, **plan_preparation(["2024-01", "2024-02"], by_time=by_time, has_test_split=True))
    assert (by_time, plan.months, plan.validation_from) == (False, ("2024-01", "2024-02"), None)


def test_retraining_on_months_of_rows_without_a_time_answers_what_was_found_as_they_were_loaded(
    warehouse_url: str,
) -> None:
    problem = Problem(name="rents", source="file:///{month}.csv", target="rent", columns={"area": {}})  # type: ignore[call-arg, arg-type]
    settings = Settings(problem=problem, registered_model="rents")  # type: ignore[arg-type]
    today = datetime.now(UTC).date()
    raise_alarm(warehouse_url, DriftReport("rents", 1, (Window(today, 1),), {"area": (True,)}, ("area",)), "run")
    assert find_open_alarms(warehouse_url, "rents", 1, date.max) == ["area"]
    found = {"reasons": ["drifted: area"], "months": ["2024-01"], "set_version": 1, "preparation": {}}
    runs = make_runs(sklearn_training="success", xgboost_training="success")
    finish(warehouse_url, settings, "automatic_retraining/1", found, runs, ignore_failures=True)
    assert find_open_alarms(warehouse_url, "rents", 1, date.max) == []


def test_reasons_name_a_source_without_months_as_all_rows() -> None:
    findings = Findings(("all",), (), ("all",), is_trained=False, drifted=(), age=None)
    assert find_reasons(findings, 30, force=False) == ["changed at the source: all rows"]
