"""Other programs' output, bounded in time and size; a program that takes too long is ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.observation import ProbeFailed

OUTPUT_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Output:
    """What a program that ended by itself said."""

    code: int
    text: str
    errors: str


async def output_of(
    command: Sequence[str],
    timeout_seconds: float,
    *,
    most_bytes: int = OUTPUT_BYTES,
    given: bytes | None = None,
    pass_fds: Sequence[int] = (),
) -> Output:
    """Run it without a shell, in the C locale. ProbeFailed: not_installed, no_permission, hung, too_much.

    pass_fds: files of ours that it finds under /proc/self/fd, e.g. with a secret that stands in no folder.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL if given is None else asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            pass_fds=pass_fds,
            env={"LC_ALL": "C.UTF-8", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
        )
    except FileNotFoundError as error:
        raise ProbeFailed("not_installed", f"the program {command[0]} is not installed") from error
    except PermissionError as error:
        raise ProbeFailed("no_permission", f"the program {command[0]} may not be run") from error
    except NotImplementedError:  # Windows: the loop that has add_reader starts no programs
        return await asyncio.to_thread(_output_of_blocking, command, timeout_seconds, most_bytes, given)
    except OSError as error:
        raise ProbeFailed("internal", f"the program {command[0]} cannot be started: {error.strerror}") from error
    try:
        async with asyncio.timeout(timeout_seconds):
            out, errors = await _said(process, given, most_bytes)
            code = await process.wait()
    except TimeoutError as error:
        raise ProbeFailed("hung", f"{command[0]} gave no result within {timeout_seconds:.0f} s") from error
    finally:
        await _end(process)
    return Output(code, out.decode("utf-8", "replace"), errors.decode("utf-8", "replace"))


def _output_of_blocking(command: Sequence[str], timeout_seconds: float, most_bytes: int, given: bytes | None) -> Output:
    """As `output_of`, in a thread of its own and with the environment that Windows' programs need."""
    import subprocess

    try:
        done = subprocess.run(list(command), input=given, capture_output=True, timeout=timeout_seconds, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProbeFailed("hung", f"{command[0]} gave no result within {timeout_seconds:.0f} s") from error
    except FileNotFoundError as error:
        raise ProbeFailed("not_installed", f"the program {command[0]} is not installed") from error
    except OSError as error:
        raise ProbeFailed("internal", f"the program {command[0]} cannot be started: {error.strerror}") from error
    if len(done.stdout) > most_bytes or len(done.stderr) > most_bytes:
        raise ProbeFailed("too_much", f"more than {most_bytes} bytes of output")
    return Output(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))


async def _said(process: asyncio.subprocess.Process, given: bytes | None, most_bytes: int) -> tuple[bytes, bytes]:
    assert process.stdout is not None
    assert process.stderr is not None
    if given is not None:
        assert process.stdin is not None
        process.stdin.write(given)
        with contextlib.suppress(OSError):
            await process.stdin.drain()
        process.stdin.close()
    out, errors = await asyncio.gather(_bounded(process.stdout, most_bytes), _bounded(process.stderr, most_bytes))
    return out, errors


async def _bounded(stream: asyncio.StreamReader, most_bytes: int) -> bytes:
    parts, size = [], 0
    while part := await stream.read(65_536):
        parts.append(part)
        size += len(part)
        if size > most_bytes:
            raise ProbeFailed("too_much", f"more than {most_bytes} bytes of output")
    return b"".join(parts)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    close_pipes(process)
    await process.wait()


def close_pipes(process: asyncio.subprocess.Process) -> None:
    """Else its end is waited for until somebody has read all that it said, or a child of its own has ended."""
    process._transport.close()  # type: ignore[attr-defined]
