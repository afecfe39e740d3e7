"""A mail server for tests, as strict as a company's: by TLS and with a login only."""

import email
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from include.embedded.programs.mail_sink import store_message

HOST, USER, PASSWORD = "127.0.0.1", "alerts", "correct horse"


@dataclass
class MailServer:
    """What the server does with mail, and what it was sent.

    Attributes:
        certificate: File with the certificate that the server shows, which nobody else has signed.
        answer: What it says to a message; those that it takes are kept.
        directory: Where messages are kept as files too, like those of the stack's own mail server.
        recipient_answer: What it says to those of `refused_recipients`, or to each where that is empty.
        release: While it is not set, the server thinks before it answers.
    """

    port: int
    certificate: Path
    directory: Path | None = None
    answer: str = "250 OK"
    recipient_answer: str = "250 OK"
    refused_recipients: set[str] = field(default_factory=set)
    messages: list[EmailMessage] = field(default_factory=list)
    envelopes: list[Envelope] = field(default_factory=list)
    sessions: list[Session] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    arrived: threading.Event = field(default_factory=threading.Event)
    start: Callable[[], None] = lambda: None
    stop: Callable[[], None] = lambda: None

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        """Takes or refuses one message."""
        self.arrived.set()
        self.release.wait()
        if self.answer.startswith("250"):
            self.sessions.append(session)
            self.envelopes.append(envelope)
            content = envelope.original_content or b""
            if self.directory:
                store_message(self.directory, content)
            self.messages.append(email.message_from_bytes(content, policy=policy.default))  # type: ignore[arg-type]
        return self.answer

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _: Any) -> str:
        """Takes or refuses one recipient."""
        is_meant = not self.refused_recipients or address in self.refused_recipients
        answer = self.recipient_answer if is_meant else "250 OK"
        if answer.startswith("250"):
            envelope.rcpt_tos.append(address)
        return answer

    def connection(self, **others: Any) -> dict[str, Any]:
        """The Airflow connection to it."""
        extra = {"disable_ssl": True, "from_email": "airflow@example.org", "timeout": 5, **others}
        return {
            "conn_type": "smtp",
            "host": HOST,
            "port": self.port,
            "login": USER,
            "password": PASSWORD,
            "extra": extra,
        }

    @property
    def subjects(self) -> list[str]:
        """Of all that it was sent, in the order of arrival."""
        return [str(message["Subject"]) for message in self.messages]


def _authenticate(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=False)


@contextmanager
def run_mail_server(directory: Path, port: int, kept: Path | None = None) -> Iterator[MailServer]:
    """A server on the loopback address for the length of the block; its certificate is written to `directory`."""
    certificate, key = _write_certificate(directory)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, key)
    server = MailServer(port, certificate, kept)
    server.release.set()
    controllers: list[Controller] = []

    def start() -> None:
        # A stopped one has closed its loop and cannot start again.
        controllers.append(
            Controller(
                server,
                HOST,
                port,
                tls_context=context,
                require_starttls=True,
                auth_required=True,
                authenticator=_authenticate,
            )
        )
        controllers[-1].start()

    server.start = start
    server.stop = lambda: controllers.pop().stop()
    server.start()
    try:
        yield server
    finally:
        server.release.set()
        server.stop()


def _write_certificate(directory: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail server of the tests")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(HOST))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    paths = directory / "certificate.pem", directory / "key.pem"
    paths[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    encoding = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    paths[1].write_bytes(key.private_bytes(*encoding))
    return paths
