import threading
from datetime import timedelta

import psycopg

from include.alerting.outbox import claim, list_due, mark_arrived, mark_failed, mark_refused, settle
from include.alerting.recording import has_alerts, list_collected, list_headlines, record
from tests.alerting.conftest import make_alert

HOUR = timedelta(hours=1)
CAUSE = "training/tune: it broke"


def state_of(url: str, number: int) -> str:
    with psycopg.connect(url) as connection:
        row = connection.execute("SELECT state FROM alerts.sent WHERE id = %s", [number]).fetchone()
    assert row
    return row[0]


def send(url: str, number: int | None) -> None:
    """It leaves by mail."""
    assert number
    mark_arrived(url, number, "mail", "subject")


def let_pass(url: str, time: timedelta) -> None:
    """Everything happened that much earlier."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE alerts.sent SET sent_at = sent_at - %s", [time])
        connection.execute("UPDATE alerts.occurrences SET occurred_at = occurred_at - %s", [time])


def test_event_is_kept_once_however_often_it_is_reported(warehouse_url: str) -> None:
    assert record(warehouse_url, make_alert(), ["mail"], HOUR)
    assert record(warehouse_url, make_alert(), ["mail"], HOUR) is None
    assert len(list_due(warehouse_url, HOUR)) == 1


def test_event_that_two_report_at_once_is_kept_once(warehouse_url: str) -> None:
    numbers: list[int | None] = []

    def report() -> None:
        numbers.append(record(warehouse_url, make_alert(), ["mail"], HOUR))

    threads = [threading.Thread(target=report) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len([number for number in numbers if number]) == 1


def test_alert_that_nobody_is_to_hear_of_is_kept_and_not_due(warehouse_url: str) -> None:
    number = record(warehouse_url, make_alert(), [], HOUR)
    assert number and state_of(warehouse_url, number) == "silent"
    assert list_due(warehouse_url, HOUR) == []


def test_same_cause_is_counted_and_not_sent_again_for_a_while(warehouse_url: str) -> None:
    send(warehouse_url, record(warehouse_url, make_alert(1, repeat_key=CAUSE), ["mail"], HOUR))
    assert record(warehouse_url, make_alert(2, repeat_key=CAUSE), ["mail"], HOUR) is None
    assert record(warehouse_url, make_alert(3, repeat_key="another error"), ["mail"], HOUR)
    assert record(warehouse_url, make_alert(4, repeat_key=None), ["mail"], HOUR)


def test_same_cause_is_sent_again_after_the_while_and_says_how_often_it_happened(warehouse_url: str) -> None:
    send(warehouse_url, record(warehouse_url, make_alert(1, repeat_key=CAUSE), ["mail"], HOUR))
    for number in (2, 3):
        let_pass(warehouse_url, HOUR / 3)
        assert record(warehouse_url, make_alert(number, repeat_key=CAUSE), ["mail"], HOUR) is None
    let_pass(warehouse_url, HOUR)
    again = record(warehouse_url, make_alert(4, repeat_key=CAUSE), ["mail"], HOUR)
    assert again
    claimed = claim(warehouse_url, again)
    assert claimed and claimed.alert.repeats == 2


def test_cause_is_told_again_once_the_recipient_that_was_refused_is_corrected(warehouse_url: str) -> None:
    number = record(warehouse_url, make_alert(1, repeat_key=CAUSE), ["mail"], HOUR)
    assert number
    mark_refused(warehouse_url, number, "mail", "no such user")
    assert state_of(warehouse_url, number) == "refused"
    assert record(warehouse_url, make_alert(2, repeat_key=CAUSE), ["mail"], HOUR)


def test_cause_that_nobody_was_to_hear_of_is_told_once_somebody_is(warehouse_url: str) -> None:
    assert record(warehouse_url, make_alert(1, repeat_key=CAUSE), [], HOUR)
    assert record(warehouse_url, make_alert(2, repeat_key=CAUSE), [], HOUR) is None
    assert record(warehouse_url, make_alert(3, repeat_key=CAUSE), ["mail"], HOUR)


def test_sibling_of_what_nobody_was_to_hear_of_is_told_once_somebody_is(warehouse_url: str) -> None:
    for index in range(2):
        record(warehouse_url, make_alert(index, run_id="run", map_index=index), [], HOUR)
    new = record(warehouse_url, make_alert(2, run_id="run", map_index=2), ["mail"], HOUR)
    assert settle(warehouse_url, "training", "run") == [new]


def test_repeats_of_an_alert_that_could_not_leave_go_with_it(warehouse_url: str) -> None:
    number = record(warehouse_url, make_alert(1, repeat_key=CAUSE), ["mail"], timedelta(0))
    assert number
    assert record(warehouse_url, make_alert(2, repeat_key=CAUSE), ["mail"], timedelta(0)) is None
    claimed = claim(warehouse_url, number)
    assert claimed and claimed.repeated_elsewhere == 1


def test_mapped_failures_of_a_run_become_one_alert(warehouse_url: str) -> None:
    numbers = [
        record(warehouse_url, make_alert(index, run_id="run", map_index=index, label=f"m{index}"), ["mail"], HOUR)
        for index in range(10)
    ]
    assert numbers[0] and numbers[1:] == [None] * 9
    assert list_due(warehouse_url, HOUR) == []
    assert list_collected(warehouse_url, "training", "run", "tune") == set(range(10))
    assert settle(warehouse_url, "training", "run", "tune") == [numbers[0]]
    assert settle(warehouse_url, "training", "run") == []
    claimed = claim(warehouse_url, numbers[0])
    assert claimed and [occurrence.label for occurrence in claimed.occurrences] == [f"m{n}" for n in range(10)]


def test_late_sibling_of_what_was_sent_is_counted_with_it_if_the_cause_is_the_same(warehouse_url: str) -> None:
    first = record(warehouse_url, make_alert(1, run_id="run", map_index=1, repeat_key=CAUSE), ["mail"], HOUR)
    settle(warehouse_url, "training", "run")
    send(warehouse_url, first)
    assert record(warehouse_url, make_alert(2, run_id="run", map_index=2, repeat_key=CAUSE), ["mail"], HOUR) is None
    # Another error is one that nobody has heard of.
    other = record(warehouse_url, make_alert(3, run_id="run", map_index=3, repeat_key="another error"), ["mail"], HOUR)
    assert other not in (None, first)
    assert settle(warehouse_url, "training", "run") == [other]


def test_mapped_task_that_fails_again_after_it_was_cleared_is_a_new_alert(warehouse_url: str) -> None:
    first = record(warehouse_url, make_alert(1, run_id="run", map_index=1), ["mail"], HOUR)
    settle(warehouse_url, "training", "run")
    send(warehouse_url, first)
    assert record(warehouse_url, make_alert(2, run_id="run", map_index=1), ["mail"], HOUR)


def test_alert_that_has_collected_for_long_enough_is_due(warehouse_url: str) -> None:
    number = record(warehouse_url, make_alert(map_index=0), ["mail"], HOUR)
    assert list_due(warehouse_url, HOUR) == []
    assert list_due(warehouse_url, timedelta(0)) == [number]


def test_alert_is_claimed_by_one_only(warehouse_url: str) -> None:
    number = record(warehouse_url, make_alert(), ["mail"], HOUR)
    assert number and claim(warehouse_url, number)
    assert claim(warehouse_url, number) is None
    assert list_due(warehouse_url, HOUR) == []


def test_alert_is_sent_when_it_has_arrived_by_every_channel(warehouse_url: str) -> None:
    number = record(warehouse_url, make_alert(), ["mail", "slack-1"], HOUR)
    assert number
    mark_arrived(warehouse_url, number, "mail", "subject")
    assert state_of(warehouse_url, number) == "unsent"
    mark_failed(warehouse_url, number, "slack is away", pause=False)
    claimed = claim(warehouse_url, number)
    assert claimed and claimed.channels == ("slack-1",)
    mark_arrived(warehouse_url, number, "slack-1", "subject")
    assert state_of(warehouse_url, number) == "sent"


def test_alert_whose_server_was_away_is_due_at_once_and_a_refused_one_later(warehouse_url: str) -> None:
    away, refused = (record(warehouse_url, make_alert(number), ["mail"], HOUR) for number in (1, 2))
    assert away and refused
    for number in (away, refused):
        claim(warehouse_url, number)
    mark_failed(warehouse_url, away, "no answer", pause=False)
    mark_failed(warehouse_url, refused, "not this one", pause=True)
    assert list_due(warehouse_url, HOUR) == [away]


def test_run_has_alerts_when_something_in_it_failed(warehouse_url: str) -> None:
    record(warehouse_url, make_alert(run_id="run"), ["mail"], HOUR)
    assert has_alerts(warehouse_url, "training", "run", None)
    assert has_alerts(warehouse_url, "training", "run", "2000-01-01T00:00:00Z")
    assert not has_alerts(warehouse_url, "training", "another", None)


def test_run_has_no_alerts_when_it_was_late_or_was_cleared_since(warehouse_url: str) -> None:
    record(warehouse_url, make_alert(1, run_id="late", kind="late"), ["mail"], HOUR)
    assert not has_alerts(warehouse_url, "training", "late", None)
    record(warehouse_url, make_alert(2, run_id="cleared"), ["mail"], HOUR)
    assert not has_alerts(warehouse_url, "training", "cleared", "2100-01-01T00:00:00Z")


def test_run_has_alerts_when_what_failed_in_it_was_counted_with_another_run(warehouse_url: str) -> None:
    for number in (1, 2):
        record(warehouse_url, make_alert(number, repeat_key=CAUSE), ["mail"], HOUR)
    assert has_alerts(warehouse_url, "training", "run-2", None)


def test_headline_of_a_task_that_failed_again_is_the_newest(warehouse_url: str) -> None:
    for number in (1, 2):
        record(warehouse_url, make_alert(number, run_id="run", headline=f"error {number}"), ["mail"], HOUR)
    with psycopg.connect(warehouse_url) as connection:
        # What is changed is stored behind the newer one.
        connection.execute("UPDATE alerts.sent SET created_at = created_at - interval '1 day' WHERE id = 1")
        connection.execute(
            "UPDATE alerts.occurrences SET occurred_at = occurred_at - interval '1 day' WHERE alert_id = 1"
        )
    assert list_headlines(warehouse_url, "training", "run") == {("tune", -1): "error 2"}
