"""Alerts as people read them: subject, text, HTML and pictures, made by one set of templates."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from include.alerting.alert import Alert, Occurrence, Severity, write_subject
from include.alerting.charts import draw

TEMPLATES = Path(__file__).parent / "templates"
# What one mail lists; a run may have mapped a thousand tasks.
OCCURRENCES_SHOWN = 20
# And how many of them show the end of their traceback.
TRACEBACKS_SHOWN = 5


@dataclass(frozen=True)
class Message:
    """An alert ready to be read.

    Attributes:
        number: Names it for good: what is sent again is recognised as a copy by it.
        pictures: Content id, which the HTML refers to -> PNG.
    """

    number: str
    created_at: datetime
    severity: Severity
    subject: str
    text: str
    html: str
    pictures: dict[str, bytes]


@lru_cache(maxsize=1)
def _templates() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["breakable"] = let_break
    environment.tests["figure"] = is_figure
    return environment


def let_break(text: str) -> Markup:
    """The text, which may be broken within long names, after `_`, `.`, `/` and `=`; never within a number."""
    return Markup(re.sub(r"([_/=]|\.(?!\d))(?=\w)", r"\1<wbr>", str(escape(text))))  # noqa: S704, escaped here


def is_figure(text: str) -> bool:
    """Whether the text is a number, a date or a time, which is not to be broken."""
    return re.fullmatch(r"[-+]?[\d.,:/ -]*\d[\d.,]*( ?(%|min|s|ms|[kMG]?B))?", str(text)) is not None


def write_message(
    alert: Alert, number: str, created_at: datetime, occurrences: Sequence[Occurrence] = (), repeated: int = 0
) -> Message:
    """Fills the templates.

    Args:
        occurrences: What the alert reports, if a mapped task failed more than once in the run.
        repeated: How often the same happened in other runs before the alert could be sent.
    """
    subject = write_subject(alert, tuple(occurrences))
    several = len(occurrences) > 1
    # The alert's own details are those of the mapped task that was reported first.
    details = [(each.label, each.details) for each in occurrences if each.details] if several else [("", alert.details)]
    charts = {f"chart-{number}": chart for number, chart in enumerate(alert.charts, start=1)}
    values = {
        "alert": alert,
        "subject": subject,
        "occurrences": occurrences[:OCCURRENCES_SHOWN] if several else (),
        "details": [each for each in details[:TRACEBACKS_SHOWN] if each[1]],
        "without_details": max(0, len(details) - TRACEBACKS_SHOWN),
        "total": len(occurrences),
        "more": max(0, len(occurrences) - OCCURRENCES_SHOWN),
        # Of several, each has a log of its own.
        "links": {k: v for k, v in (alert.links or {}).items() if k != "Log" or not several},
        "repeated": repeated,
        "charts": charts,
    }
    pages = {kind: _templates().get_template(f"alert.{kind}").render(values) for kind in ("txt", "html")}
    pictures = {name: draw(chart) for name, chart in charts.items()}
    return Message(number, created_at, alert.severity, subject, pages["txt"], pages["html"], pictures)


def write_mail(message: Message, sender: str, recipients: Sequence[str]) -> EmailMessage:
    """The message as a mail with text, HTML and inline pictures.

    Raises:
        ValueError: Sender or recipients hold what a header must not.
    """
    mail = EmailMessage(policy=SMTP)
    mail["Subject"] = message.subject
    mail["From"] = sender
    mail["To"] = ", ".join(recipients)
    mail["Date"] = format_datetime(message.created_at)
    mail["Message-ID"] = f"<alert-{message.number}@mltrain>"
    # Keeps out-of-office answers away.
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(message.text)
    mail.add_alternative(message.html, subtype="html")
    page = mail.get_payload()[1]  # type: ignore[index]
    for name, picture in message.pictures.items():
        page.add_related(picture, "image", "png", cid=f"<{name}>", filename=f"{name}.png", disposition="inline")  # type: ignore[union-attr]
    return mail
