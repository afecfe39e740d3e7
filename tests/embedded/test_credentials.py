"""The secrets of a stack."""

import hashlib
from pathlib import Path

from cryptography.fernet import Fernet

from include.embedded.credentials import Credentials, read_credentials


def test_secrets_are_readable_by_their_owner_alone(tmp_path: Path) -> None:
    read_credentials(tmp_path)
    assert (tmp_path / "secrets.env").stat().st_mode & 0o777 == 0o600


def test_secrets_stay_the_same_from_start_to_start(tmp_path: Path) -> None:
    assert read_credentials(tmp_path) == read_credentials(tmp_path)


def test_two_stacks_have_different_secrets(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    assert read_credentials(tmp_path).admin_password != read_credentials(tmp_path / "other").admin_password


def test_secret_that_the_file_lacks_is_added_and_the_others_stay(tmp_path: Path) -> None:
    (tmp_path / "secrets.env").write_text("ADMIN_PASSWORD=chosen\n")
    first = read_credentials(tmp_path)
    assert first.admin_password == "chosen"
    assert read_credentials(tmp_path) == first


def test_secrets_do_not_show_when_printed() -> None:
    credentials = Credentials()
    assert credentials.admin_password not in repr(credentials)


def test_fernet_key_is_one() -> None:
    Fernet(Credentials().fernet_key)


def test_key_that_signs_tokens_is_as_long_as_hmac_with_sha_512_asks_for() -> None:
    assert len(Credentials().jwt_secret) >= hashlib.sha512().digest_size
