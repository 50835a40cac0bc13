"""The NUT client (RFC 9271) against Debian's real upsd, and against an emulated server that misbehaves."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.agent.nut_server import ON_LINE, emulated_nut, real_nut, until
from tests.ports import free_port

from schoolbeat_agent import nut
from schoolbeat_agent.nut import Ups
from schoolbeat_agent.observation import ProbeFailed


def variables(ups: Ups, timeout_seconds: float = 5.0) -> dict[str, str]:
    async def run() -> dict[str, str]:
        async with nut.connected(ups, timeout_seconds) as talk:
            return await talk.variables()

    return asyncio.run(run())


def failure(ups: Ups, timeout_seconds: float = 5.0) -> ProbeFailed:
    with pytest.raises(ProbeFailed) as failed:
        variables(ups, timeout_seconds)
    return failed.value


def test_a_real_server_is_read_without_a_login_and_its_errors_keep_their_names(tmp_path: Path) -> None:
    with real_nut(tmp_path) as real:
        ups = nut.parse_ups(real.ups)

        async def both() -> tuple[str, dict[str, str], str]:
            async with nut.connected(ups, 5.0) as talk:
                return await talk.status(), await talk.variables(), await talk.status()

        first, found, again = asyncio.run(both())

        assert first == again == "OL CHRG"
        assert {name: found[name] for name in ON_LINE} == ON_LINE
        unknown = failure(nut.parse_ups(f"other@127.0.0.1:{real.port}"))
        assert unknown.cause == "not_configured"
        assert "UNKNOWN-UPS" in unknown.detail

        real.stop(real.processes[0])
        until(lambda: real.status().startswith("ERR"))
        dead = failure(ups)
        assert dead.cause == "device_error"
        assert "DRIVER-NOT-CONNECTED" in dead.detail


@pytest.mark.parametrize(
    ("answer", "cause"),
    [
        (b"ERR DATA-STALE\n", "device_error"),
        (b"ERR ACCESS-DENIED\n", "no_permission"),
        (b"ERR SOMETHING-NEW with more\n", "bad_answer"),
        (b"ERR\n", "bad_answer"),
        (b"\n", "bad_answer"),
        (b"BEGIN LIST VAR other\n", "bad_answer"),
        (b"BEGIN LIST VAR school\nVAR other ups.status OL\n", "bad_answer"),
        (b"BEGIN LIST VAR school\nVAR school ups.status\n", "bad_answer"),
        (b"BEGIN LIST VAR school\nVAR school ups.status OL", "timeout"),
        (b'BEGIN LIST VAR school\nVAR school a "' + b"x" * 5_000 + b'"\n', "too_much"),
        (b"BEGIN LIST VAR school\n" + b"VAR school a b\n" * 500, "too_much"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "bad_answer"),
        (b"", "timeout"),
        (None, "bad_answer"),
    ],
)
def test_an_emulated_server_that_misbehaves_is_a_failed_measurement(answer: bytes | None, cause: str) -> None:
    started = time.monotonic()
    with emulated_nut(lambda line: answer) as port:
        failed = failure(Ups("school", "127.0.0.1", port), 0.5)

    assert failed.cause == cause
    assert time.monotonic() - started < 10


def test_a_list_that_never_ends_slowly_is_given_up_in_time() -> None:
    def drip(line: bytes) -> bytes:
        time.sleep(0.05)
        return b"BEGIN LIST VAR school\n"

    with emulated_nut(drip) as port:
        assert failure(Ups("school", "127.0.0.1", port), 0.3).cause == "timeout"


def test_where_no_server_is_that_is_said() -> None:
    assert failure(Ups("school", "127.0.0.1", free_port())).cause == "refused"


def test_how_a_ups_is_written() -> None:
    assert nut.parse_ups("school@localhost") == Ups("school", "127.0.0.1", 3493)
    assert nut.parse_ups("a.b-1@nas.local:13493") == Ups("a.b-1", "nas.local", 13493)
    assert nut.parse_ups("a@[fe80::1]:1") == Ups("a", "fe80::1", 1)
    for wrong in ("school", "@host", "a@", "a@host:0", "a@host:99999", "a@fe80::1", "a b@host", "a@[::1", "a@host:"):
        with pytest.raises(ProbeFailed, match=r"power\.nut"):
            nut.parse_ups(wrong)


def test_words_may_be_quoted_and_escaped() -> None:
    assert nut.words(r'VAR su700 ups.model "Back-UPS \"BX\" \\ 700" x') == [
        "VAR",
        "su700",
        "ups.model",
        r'Back-UPS "BX" \ 700',
        "x",
    ]
    assert nut.words('VAR a b ""') == ["VAR", "a", "b", ""]
    assert nut.words('VAR a b "open') == ["VAR", "a", "b", '"open']


@given(st.text(max_size=300))
def test_no_text_at_all_makes_the_words_raise(text: str) -> None:
    assert all(isinstance(word, str) for word in nut.words(text))


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\n")), min_size=1, max_size=6))
def test_what_is_quoted_is_read_back(values: list[str]) -> None:
    line = " ".join('"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values)

    assert nut.words(line) == values
