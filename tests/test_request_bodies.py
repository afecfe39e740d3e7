"""How bodies are read: no further than they may be long."""

import asyncio
from typing import Any

import pytest
from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError

from include.request_bodies import MOST_REASON, cut, parse_json, read_body

HUNG_UP = b"hung up"


def read(parts: list[bytes], most_bytes: int, **headers: str) -> tuple[bytes | int, int]:
    """The body, or the status that refuses it, and how many of its parts were taken."""
    taken = 0

    async def receive() -> dict[str, Any]:
        nonlocal taken
        taken += 1
        if parts[taken - 1] == HUNG_UP:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": parts[taken - 1], "more_body": taken < len(parts)}

    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    request = Request({"type": "http", "method": "POST", "headers": encoded}, receive)
    try:
        return asyncio.run(read_body(request, most_bytes)), taken
    except HTTPException as refused:
        return refused.status_code, taken


def test_body_within_the_limit_is_read_whole() -> None:
    assert read([b"ab", b"", b"cd"], 4) == (b"abcd", 3)


def test_body_is_read_no_further_than_the_limit() -> None:
    assert read([b"abc"] * 100, 4) == (413, 2)


def test_caller_who_hangs_up_is_no_fault_of_ours() -> None:
    assert read([b"ab", HUNG_UP], 4) == (400, 2)


@pytest.mark.parametrize("length", ["5", "9" * 5000])
def test_body_that_is_announced_as_longer_is_not_read(length: str) -> None:
    assert read([b"ab"], 4, content_length=length) == (413, 0)


@pytest.mark.parametrize("length", ["", "-1", "x", "4"])
def test_length_that_says_nothing_of_the_kind_lets_it_be_read(length: str) -> None:
    assert read([b"ab"], 4, content_length=length) == (b"ab", 1)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"', b"9" * 5000])
def test_what_is_no_json_that_can_be_written_again_is_refused(body: bytes) -> None:
    with pytest.raises(RequestValidationError):
        parse_json(body)


def test_text_of_a_refusal_is_short_and_can_be_sent() -> None:
    assert len(cut("x" * 10_000)) == MOST_REASON + 1
    assert cut("a\ud800b").encode() == b"a?b"
