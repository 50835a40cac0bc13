"""Other programs' output: what they say, and that none of them can hold us up."""

from __future__ import annotations

import asyncio
import os
import time

import pytest

from schoolbeat_agent.commands import Output, output_of
from schoolbeat_agent.observation import ProbeFailed


def out_of(*command: str, seconds: float = 10.0, **more: object) -> Output:
    return asyncio.run(output_of(command, seconds, **more))  # type: ignore[arg-type]


def cause_of(*command: str, seconds: float = 10.0, **more: object) -> str:
    started = time.monotonic()
    with pytest.raises(ProbeFailed) as failed:
        out_of(*command, seconds=seconds, **more)
    assert time.monotonic() - started < 10
    return failed.value.cause


def test_what_a_program_says() -> None:
    assert out_of("sh", "-c", "cat; echo no >&2; exit 3", given=b"yes") == Output(3, "yes", "no\n")
    assert out_of("printf", "\\377") == Output(0, "�", "")


def test_a_program_reads_a_file_of_ours_that_has_no_name() -> None:
    number = os.memfd_create("x")
    os.write(number, b"secret")
    try:
        assert out_of("cat", f"/proc/self/fd/{number}", pass_fds=(number,)).text == "secret"
        assert out_of("cat", f"/proc/self/fd/{number}").code != 0
    finally:
        os.close(number)


def test_a_program_that_is_not_there_or_may_not_be_run() -> None:
    assert cause_of("/nowhere/program") == "not_installed"
    assert cause_of("/etc/passwd") == "no_permission"


@pytest.mark.parametrize("command", ["exec sleep 60", "trap '' TERM HUP INT; while :; do sleep 1; done"])
def test_a_program_that_does_not_end_is_ended(command: str) -> None:
    assert cause_of("sh", "-c", command, seconds=0.5) == "hung"


def test_an_output_without_end_is_not_read_to_its_end() -> None:
    assert cause_of("cat", "/dev/zero") == "too_much"
    assert cause_of("sh", "-c", "exec cat /dev/zero >&2") == "too_much"
    assert cause_of("sh", "-c", "printf 12345", most_bytes=4) == "too_much"


def test_what_a_child_of_it_still_holds_is_not_waited_for() -> None:
    assert cause_of("sh", "-c", "sleep 20 & echo there", seconds=1.0) == "hung"
