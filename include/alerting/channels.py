"""The channels that alerts are sent through: mail, and any service that an address in ALERT_URLS names."""

import hashlib
import logging
import smtplib
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass
from threading import Thread
from typing import TypeVar

from include.alerting.alert import SEVERITIES, Severity
from include.alerting.message import Message, write_mail
from include.settings import Settings

log = logging.getLogger(__name__)
Result = TypeVar("Result")
MAIL = "mail"
# How long a server may think before it says that it has taken a message (RFC 5321, 4.5.3.2.6). Who gives up earlier
# does not know whether the message will arrive, and sends it twice.
SECONDS_TO_ACCEPT = 600
# For the whole of each step, however often a server says a byte: the greeting and the login; then the message, with
# what comes before it; then another service. All together less than a detached process lives, and a claim lasts.
SECONDS_TO_CONNECT = 90.0
SECONDS_TO_SEND = SECONDS_TO_ACCEPT + 60.0
SECONDS_TO_NOTIFY = 120.0
SECONDS_TO_LEAVE = 5.0
# From here on an SMTP server says that it will say the same next time.
PERMANENT = 500


class ChannelAway(Exception):
    """The server of a channel cannot be reached or is not ready: other messages would fail too."""


class MessageRefused(Exception):
    """The server does not accept this message now; it may accept others."""


class RefusedForGood(Exception):
    """The server will never accept this message: another attempt would change nothing."""


@dataclass(frozen=True)
class MailServer:
    """How mail is handed over.

    Attributes:
        connect: Opens a connection that is ready to send: encrypted and logged in as far as it has to be.
        sender: Address that the mails come from.
    """

    connect: Callable[[], AbstractContextManager[smtplib.SMTP]]
    sender: str


def choose_channels(settings: Settings, severity: Severity) -> tuple[str, ...]:
    """Where an alert of that severity goes."""
    urls = _urls(settings) if SEVERITIES.index(severity) >= SEVERITIES.index(settings.alert_urls_from) else {}
    return ((MAIL,) if choose_recipients(settings, severity) else ()) + tuple(urls)


def choose_recipients(settings: Settings, severity: Severity) -> tuple[str, ...]:
    """Who gets mail of that severity."""
    recipients: Mapping[str, tuple[str, ...]] = {
        "info": settings.alert_to_info,
        "warning": settings.alert_to_warning,
        "error": settings.alert_to_error,
    }
    return recipients[severity]


def send(channel: str, message: Message, settings: Settings, server: MailServer) -> None:
    """Hands a message over to one channel and waits until it is taken.

    Raises:
        ChannelAway: Nothing can be sent there now.
        MessageRefused: This message cannot be sent there now.
        RefusedForGood: This message can never be sent there.
    """
    if channel == MAIL:
        _send_mail(message, choose_recipients(settings, message.severity), server)
    elif channel in _urls(settings):
        address = _urls(settings)[channel]
        _within(SECONDS_TO_NOTIFY, lambda: _notify(address, message), "did not answer")
    else:
        log.warning("The address of %s is no longer in ALERT_URLS: the alert is not sent there.", channel)


def _send_mail(message: Message, recipients: tuple[str, ...], server: MailServer) -> None:
    if not recipients:
        log.warning("No recipient is left for mail of this severity: see ALERT_TO_...")
        return
    mail = write_mail(message, server.sender, recipients)
    opened = ExitStack()
    try:
        client = _within(SECONDS_TO_CONNECT, lambda: opened.enter_context(server.connect()), "did not accept the login")
        if client.sock:
            client.sock.settimeout(SECONDS_TO_ACCEPT)
        refused = _within(
            SECONDS_TO_SEND,
            lambda: client.send_message(mail, server.sender, list(recipients)),
            "did not accept the mail",
        )
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise (RefusedForGood if _is_permanent(error) else MessageRefused)(str(error)) from error
    except ChannelAway:
        raise
    except Exception as error:  # name resolution, TLS, login, a server that hangs up: each has its own kinds
        raise ChannelAway(f"{type(error).__name__}: {error}") from error
    finally:
        # What it has taken, it has taken, however the connection ends; it may answer a goodbye for ever.
        with suppress(Exception):
            _within(SECONDS_TO_LEAVE, opened.close, "did not close the connection")
    if refused:
        log.warning("The mail server refused some of the recipients: %s", refused)


def _is_permanent(error: smtplib.SMTPException) -> bool:
    """Whether nobody at all was accepted, each time for good."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return all(code >= PERMANENT for code, _ in error.recipients.values())
    return isinstance(error, smtplib.SMTPResponseException) and error.smtp_code >= PERMANENT


def _within(seconds: float, work: Callable[[], Result], otherwise: str) -> Result:
    """What `work` returns or raises; its thread is left behind where that takes too long.

    Raises:
        ChannelAway: It has taken so long.
    """
    done: Future[Result] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # whoever waits raises it
            done.set_exception(error)

    # An executor's threads would keep the process from ending.
    Thread(target=run, daemon=True).start()
    try:
        return done.result(seconds)
    except TimeoutError as error:
        if done.done():  # the work's own
            raise
        raise ChannelAway(f"the server {otherwise} within {seconds:g} s") from error


def _urls(settings: Settings) -> dict[str, str]:
    """Channel -> address. The address holds a token: its service and a digest name it in the database."""
    addresses = settings.alert_urls.get_secret_value().split()
    return {
        f"{address.partition(':')[0]}-{hashlib.sha256(address.encode()).hexdigest()[:8]}": address
        for address in addresses
    }


def _notify(address: str, message: Message) -> None:
    from apprise import Apprise, AppriseAttachment, NotifyFormat, NotifyType
    from apprise.attachment.memory import AttachMemory

    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING, "error": NotifyType.FAILURE}
    service = Apprise()
    if not service.add(address):
        raise MessageRefused("apprise does not understand the address in ALERT_URLS: correct it")
    pictures = AppriseAttachment()
    for name, picture in message.pictures.items():
        pictures.add(AttachMemory(picture, name=f"{name}.png", mimetype="image/png"))
    taken = service.notify(
        message.text,
        title=message.subject,
        notify_type=kinds[message.severity],
        body_format=NotifyFormat.TEXT,
        attach=pictures or None,
    )
    if not taken:
        raise ChannelAway("the service did not accept the message; apprise's log says why")
