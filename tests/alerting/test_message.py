from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any

import pytest

from include.alerting.alert import Alert, Chart, Occurrence, Table
from include.alerting.message import (
    OCCURRENCES_SHOWN,
    TRACEBACKS_SHOWN,
    Message,
    is_figure,
    let_break,
    write_mail,
    write_message,
)
from tests.alerting.conftest import make_alert
from tests.e2e.browser import open_browser

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
CHARTS = (
    Chart("Error", "min", bars={"Lasso": 8.9, "LinearRegression": 6.0}),
    Chart("Trials", "min", lines={"Lasso": (9.0, 8.9), "LinearRegression": (6.0,)}),
)


def write(alert: Alert, occurrences: tuple[Occurrence, ...] = (), repeated: int = 0) -> Message:
    return write_message(alert, "7", NOW, occurrences, repeated)


def send_and_read(message: Message) -> EmailMessage:
    """The mail as whoever receives it reads it."""
    mail = write_mail(message, "airflow@example.org", ["team@example.org"])
    return message_from_bytes(mail.as_bytes(), policy=policy.default)  # type: ignore[return-value]


def test_subject_says_dag_task_state_and_model() -> None:
    assert write(make_alert(label="linear_model.Lasso")).subject == "training.tune failed: linear_model.Lasso"


def test_subject_counts_models_when_there_are_many() -> None:
    occurrences = tuple(Occurrence(f"model-{number}", "it broke", "") for number in range(10))
    assert write(make_alert(map_index=0), occurrences).subject == (
        "training.tune failed: 10 tasks: model-0, model-1, ..."
    )


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\x00"])
def test_line_end_in_a_name_starts_no_header(end: str) -> None:
    alert = make_alert(dag_id=f"dag{end}Bcc: thief@example.org", label=f"model{end}{end}<b>body</b>")
    read = send_and_read(write(alert))
    assert read["Bcc"] is None
    assert read["To"] == "team@example.org"
    assert "Bcc: thief@example.org" in read["Subject"]
    assert read.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize("field", ["sender", "recipient"])
def test_line_end_in_an_address_is_refused(field: str) -> None:
    addresses = {"sender": "airflow@example.org", "recipient": "team@example.org"}
    addresses[field] += "\r\nBcc: thief@example.org"
    with pytest.raises(ValueError, match=r"(?i)linefeed|carriage"):
        write_mail(write(make_alert()), addresses["sender"], [addresses["recipient"]])


def test_markup_in_an_error_is_shown_and_not_run() -> None:
    message = write(make_alert(label="<img src=x>", headline="<script>alert(1)</script>", details="{{ 7 * 7 }} <b>"))
    assert "<script>" not in message.html and "<img src=x>" not in message.html
    assert "&lt;script&gt;" in message.html
    assert "{{ 7 * 7 }} &lt;b&gt;" in message.html
    assert "<script>alert(1)</script>" in message.text


def test_text_and_html_say_the_same() -> None:
    alert = make_alert(
        headline="ValueError: it broke",
        label="linear_model.Lasso",
        facts={"Attempts": "4"},
        tables=(Table("Models", ("model", "RMSE"), (("linear_model.Lasso", "8.930"),)),),
        details="last line",
        repeats=3,
    )
    message = write(alert, repeated=1)
    for said in (
        "linear_model.Lasso",
        "ValueError: it broke",
        "Attempts",
        "8.930",
        "last line",
        "http://airflow/log/1",
        "http://airflow/run/1",
        "This has happened 3 more times since the last alert.",
        "This happened 1 more time before this alert was sent.",
    ):
        assert said in message.text
        assert said in message.html


def test_charts_are_inline_pictures_that_the_html_refers_to() -> None:
    read = send_and_read(write(make_alert(charts=CHARTS)))
    text, page = read.iter_parts()
    assert text.get_content_type() == "text/plain"
    assert page.get_content_type() == "multipart/related"
    html, *pictures = page.iter_parts()
    assert [picture["Content-ID"] for picture in pictures] == ["<chart-1>", "<chart-2>"]
    for number, picture in enumerate(pictures, start=1):
        assert f'src="cid:chart-{number}"' in html.get_content()
        assert picture.get_content_disposition() == "inline"
        assert picture.get_content().startswith(b"\x89PNG")


def test_mapped_tasks_are_listed_each_with_its_log() -> None:
    occurrences = tuple(Occurrence(f"model-{number}", f"error {number}", f"http://log/{number}") for number in range(3))
    message = write(make_alert(map_index=0), occurrences)
    for number in range(3):
        assert f"- model-{number}: error {number}\n  http://log/{number}\n" in message.text
        assert f'href="http://log/{number}"' in message.html
    assert "Log: " not in message.text, "there is no log of all of them"


def test_tracebacks_end_where_they_would_get_too_many_and_say_where_the_others_are() -> None:
    occurrences = tuple(Occurrence(f"model-{n}", "it broke", "", f"line of {n}") for n in range(TRACEBACKS_SHOWN + 2))
    message = write(make_alert(map_index=0, details="line of 0"), occurrences)
    for shown in (message.text, message.html):
        assert shown.count("line of") == TRACEBACKS_SHOWN
        assert "See the logs for the errors of the other 2." in shown


def test_list_ends_where_it_would_get_too_long() -> None:
    occurrences = tuple(Occurrence(f"model-{number}", "it broke", "") for number in range(OCCURRENCES_SHOWN + 5))
    message = write(make_alert(map_index=0), occurrences)
    assert message.text.count("it broke") == OCCURRENCES_SHOWN
    assert "... and 5 more." in message.text


def test_message_sent_again_carries_the_same_id() -> None:
    first, second = (send_and_read(write(make_alert()))["Message-ID"] for _ in range(2))
    assert first == second == "<alert-7@mltrain>"


def test_alert_survives_being_kept_as_json() -> None:
    table = Table("Models", ("model",), (("Lasso",),))
    alert = make_alert(tables=(table,), charts=CHARTS, facts={"b": "1", "a": "2"})
    kept: dict[str, Any] = alert.to_dict()
    assert Alert.from_dict(kept) == alert


# Cells of whose words or numbers a part stands in another line.
BROKEN = """() => [...document.querySelectorAll("td, th")].flatMap((cell) => {
    const broken = [];
    const texts = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        for (const word of texts.currentNode.data.matchAll(/[A-Za-z0-9.,:-]+/g)) {
            const range = document.createRange();
            range.setStart(texts.currentNode, word.index);
            range.setEnd(texts.currentNode, word.index + word[0].length);
            const lines = new Set([...range.getClientRects()].map((line) => Math.round(line.top)));
            if (lines.size > 1) broken.push(word[0]);
        }
    }
    return broken;
})"""


def test_words_and_numbers_of_a_table_stay_whole_on_a_phone() -> None:
    rows = tuple(
        (f"linear_model.{name}", "3.953", "-12,345.678", "0.869", "29 Jan", "2 of 4")
        for name in ("Lasso", "LinearRegression", "dropoff_longitude_of_zone")
    )
    head = ("model", "RMSE", "difference", "R2", "week of", "drifted")
    message = write(make_alert(tables=(Table("Models", head, rows),), facts={"Run": "manual__2026-11-25T21:46:27.379"}))
    with open_browser() as browser:
        page = browser.new_page(viewport={"width": 390, "height": 800})
        page.set_content(message.html)
        assert page.evaluate(BROKEN) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, "the mail as a whole is not scrolled"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("linear_model.Lasso", "linear_<wbr>model.<wbr>Lasso"),
        ("3.953", "3.953"),
        ("<b>_x", "&lt;b&gt;_<wbr>x"),
        ("RMSE 4.16 min", "RMSE 4.16 min"),
    ],
)
def test_long_names_may_break_between_their_parts_and_numbers_nowhere(text: str, html: str) -> None:
    assert let_break(text) == html


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("-12,345.6", True),
        ("2024-01-29", True),
        ("4.16 min", True),
        ("12 %", True),
        ("max_depth 9", False),
        ("v3", False),
        ("", False),
    ],
)
def test_figures_are_recognized(text: str, is_one: bool) -> None:
    assert is_figure(text) is is_one


def test_picture_is_described_for_people_who_do_not_see_it() -> None:
    html = write(make_alert(charts=CHARTS)).html
    assert 'alt="Error: Lasso 8.9 min, LinearRegression 6 min"' in html
    assert 'alt="Trials, last values: Lasso 8.9 min, LinearRegression 6 min"' in html
