"""The mail sink: real SMTP in, files out."""

import email
import smtplib
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path

from include.embedded.programs.mail_sink import store_message
from include.embedded.programs.ports import HOST
from include.embedded.stack import Stack
from include.settings import ROOT


def send(stack: Stack, subject: str) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, "airflow@localhost", "team@example.org"
    message.set_content("Zażółć: the body")
    with smtplib.SMTP(HOST, stack.ports["smtp"], timeout=10) as server:
        server.send_message(message)


def test_each_message_sent_is_kept_as_a_file(small_stack: Stack) -> None:
    send(small_stack, "first")
    send(small_stack, "second")
    kept = [email.message_from_bytes(path.read_bytes()) for path in sorted(small_stack.mail_directory.glob("*.eml"))]
    assert sorted(message["Subject"] for message in kept) == ["first", "second"]
    assert "Zażółć".encode() in kept[0].get_payload(decode=True)


def test_message_never_replaces_another_of_the_same_second(tmp_path: Path) -> None:
    paths = {store_message(tmp_path, str(number).encode()) for number in range(20)}
    assert len(paths) == 20
    assert {path.read_text() for path in paths} == {str(number) for number in range(20)}


def test_full_disk_leaves_no_part_of_a_message_and_asks_to_come_back(tmp_path: Path) -> None:
    script = (
        "import asyncio, pathlib, resource, signal, sys\n"
        "from aiosmtpd.smtp import Envelope\n"
        "from include.embedded.programs.mail_sink import MailSink\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "envelope = Envelope()\n"
        "envelope.content = b'x' * 100_000\n"
        "sink = MailSink(pathlib.Path(sys.argv[1]))\n"
        "print(asyncio.run(sink.handle_DATA(None, None, envelope)))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "452 The message could not be stored: File too large"
    assert list(tmp_path.iterdir()) == []


def test_nothing_but_whole_messages_is_left_in_the_directory(tmp_path: Path) -> None:
    path = store_message(tmp_path, b"whole")
    assert list(tmp_path.iterdir()) == [path]


def test_sink_needs_no_package_but_its_own() -> None:
    """It runs beside everything else for as long as the stack does: it holds no libraries that it does not need."""
    script = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import include.embedded.programs.mail_sink\n"
        "print(*{name.split('.')[0] for name in sys.modules.keys() - before} - set(sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, capture_output=True, text=True)
    assert set(done.stdout.split()) == {"include", "aiosmtpd", "attr", "public"}
