"""The channels that alerts leave by: mail, and whatever service an address in ALERT_URLS names."""

import hashlib
import logging
import smtplib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass

from include.alerting.alert import SEVERITIES, Severity
from include.alerting.message import Message, write_mail
from include.taxi.settings import Settings

log = logging.getLogger(__name__)
MAIL = "mail"
# How long a server may think before it says that it has taken a message (RFC 5321, 4.5.3.2.6). Who gives up earlier
# does not know whether the message will arrive, and sends it twice.
SECONDS_TO_ACCEPT = 600


class ChannelAway(Exception):
    """The server of a channel cannot be reached or is not ready: other messages would fare no better."""


class MessageRefused(Exception):
    """The server does not take this message; others may fare better."""


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
        MessageRefused: This message cannot be sent there.
    """
    if channel == MAIL:
        _send_mail(message, choose_recipients(settings, message.severity), server)
    elif channel in _urls(settings):
        _notify(_urls(settings)[channel], message)
    else:
        log.warning("The address of %s is no longer among ALERT_URLS: the alert does not go there.", channel)


def _send_mail(message: Message, recipients: tuple[str, ...], server: MailServer) -> None:
    if not recipients:
        log.warning("Nobody is to get mail of this severity any more: see ALERT_TO_...")
        return
    mail = write_mail(message, server.sender, recipients)
    try:
        with server.connect() as client:
            if client.sock:
                client.sock.settimeout(SECONDS_TO_ACCEPT)
            refused = client.send_message(mail, server.sender, list(recipients))
    except (smtplib.SMTPRecipientsRefused, smtplib.SMTPSenderRefused, smtplib.SMTPDataError) as error:
        raise MessageRefused(str(error)) from error
    except Exception as error:  # name resolution, TLS, login, a server that hangs up: each has its own kinds
        raise ChannelAway(f"{type(error).__name__}: {error}") from error
    if refused:
        log.warning("The mail server refused some of the recipients: %s", refused)


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
        raise MessageRefused("apprise does not understand the address in ALERT_URLS")
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
        raise ChannelAway("the service did not take the message; apprise's log says why")
