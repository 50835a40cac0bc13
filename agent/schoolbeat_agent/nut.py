"""A UPS by the NUT network protocol (RFC 9271) over TCP 3493: reading only, bounded in time and size.

Our own few lines instead of the program `upsc`: no process each round, and each error keeps its name.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from schoolbeat_agent.observation import ProbeFailed

PORT: Final = 3493
LINE_BYTES: Final = 2_048
VARIABLES: Final = 400  # of one UPS; the richest drivers have about 150

_WORD = re.compile(r'"((?:[^"\\]|\\.)*)"|(\S+)')
_ESCAPED = re.compile(r"\\(.)")

# RFC 9271, section 4.3: what a server answers instead. None of these says anything of the mains.
ERRORS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "ACCESS-DENIED": ("no_permission", "the NUT server does not let this machine read it: see upsd.conf, LISTEN"),
        "UNKNOWN-UPS": ("not_configured", "the NUT server has no UPS of this name: see ups.conf there"),
        "DATA-STALE": ("device_error", "the NUT driver has not heard the UPS for a while: is its cable in?"),
        "DRIVER-NOT-CONNECTED": ("device_error", "the NUT driver of this UPS does not run: upsdrvctl start"),
        "VAR-NOT-SUPPORTED": ("bad_answer", "the UPS does not tell its status"),
    }
)


@dataclass(frozen=True)
class Ups:
    """A UPS of a NUT server."""

    name: str
    host: str
    port: int = PORT

    def __str__(self) -> str:
        return f"{self.name}@{self.host}:{self.port}"


def parse_ups(text: str) -> Ups:
    """ups@host, ups@host:port, ups@[IPv6]:port. ProbeFailed("not_configured") for anything else."""
    found = re.fullmatch(r"([A-Za-z0-9._-]+)@(?:\[([0-9A-Fa-f:.]+)\]|([^:\[\]]+))(?::(\d{1,5}))?", text)
    if found is None or not 0 < int(found[4] or PORT) < 65_536:
        raise ProbeFailed("not_configured", f"power.nut = {text!r}: write it like ups@127.0.0.1 or ups@127.0.0.1:3493")
    # "localhost" needs no look-up, which would cost a thread.
    host = found[2] or ("127.0.0.1" if found[3] == "localhost" else found[3])
    return Ups(found[1], host, int(found[4] or PORT))


def words(line: str) -> list[str]:
    """RFC 9271, section 4.1: words, and quoted ones in which a backslash escapes."""
    return [
        _ESCAPED.sub(r"\1", found[1]) if found[1] is not None else found[2]
        for found in _WORD.finditer(line)
        if found[1] is not None or found[2]
    ]


@asynccontextmanager
async def connected(ups: Ups, timeout_seconds: float) -> AsyncIterator[Talk]:
    """ProbeFailed when the server cannot be reached, which says nothing of the mains."""
    try:
        async with asyncio.timeout(timeout_seconds):
            reader, writer = await asyncio.open_connection(ups.host, ups.port, limit=LINE_BYTES)
    except TimeoutError as error:
        raise ProbeFailed("timeout", f"{ups}: no NUT server answers") from error
    except ConnectionRefusedError as error:
        raise ProbeFailed("refused", f"{ups}: no NUT server there: systemctl status nut-server") from error
    except OSError as error:
        raise ProbeFailed("unreachable", f"{ups}: {error.strerror or error}") from error
    try:
        yield Talk(ups, reader, writer, timeout_seconds)
    finally:
        writer.transport.abort()


class Talk:
    """One connection: a question, its answer, the next. Every failure is a ProbeFailed and ends the connection."""

    def __init__(
        self, ups: Ups, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, timeout_seconds: float
    ) -> None:
        self._ups, self._reader, self._writer, self._timeout_seconds = ups, reader, writer, timeout_seconds

    async def status(self) -> str:
        """ups.status alone."""
        async with self._asking(f"GET VAR {self._ups.name} ups.status"):
            answer = await self._line()
            if answer[:3] != ["VAR", self._ups.name, "ups.status"] or len(answer) != 4:
                raise ProbeFailed("bad_answer", f"{self._ups}: {' '.join(answer)[:80]!r} is no status")
            return answer[3]

    async def variables(self) -> dict[str, str]:
        """All that the UPS tells."""
        out: dict[str, str] = {}
        async with self._asking(f"LIST VAR {self._ups.name}"):
            if await self._line() != ["BEGIN", "LIST", "VAR", self._ups.name]:
                raise ProbeFailed("bad_answer", f"{self._ups}: the answer to LIST VAR is no list")
            for _ in range(VARIABLES):
                answer = await self._line()
                if answer == ["END", "LIST", "VAR", self._ups.name]:
                    return out
                if len(answer) != 4 or answer[:2] != ["VAR", self._ups.name]:
                    raise ProbeFailed("bad_answer", f"{self._ups}: {' '.join(answer)[:80]!r} is no variable")
                out[answer[2]] = answer[3]
        raise ProbeFailed("too_much", f"{self._ups}: more than {VARIABLES} variables")

    @asynccontextmanager
    async def _asking(self, question: str) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._timeout_seconds):
                self._writer.write(question.encode("ascii") + b"\n")
                yield
        except TimeoutError as error:
            raise ProbeFailed("timeout", f"{self._ups}: the NUT server does not answer in time") from error
        except OSError as error:
            raise ProbeFailed("bad_answer", f"{self._ups}: {error.strerror or error}") from error

    async def _line(self) -> list[str]:
        try:
            data = await self._reader.readline()
        except ValueError as error:  # asyncio says so of a line beyond the reader's limit
            raise ProbeFailed("too_much", f"{self._ups}: a line of more than {LINE_BYTES} bytes") from error
        if not data.endswith(b"\n"):
            raise ProbeFailed("bad_answer", f"{self._ups}: the NUT server hung up")
        found = words(data.decode("utf-8", "replace"))
        if found[:1] == ["ERR"]:
            code = found[1] if len(found) > 1 else ""
            cause, detail = ERRORS.get(code, ("bad_answer", "the NUT server answers with an error"))
            raise ProbeFailed(cause, f"{self._ups}: {code[:40]}: {detail}")
        return found
