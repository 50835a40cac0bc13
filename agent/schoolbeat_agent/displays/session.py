"""One TCP session with a device: what it says is bounded in size and time, and it is hung up on at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from schoolbeat_agent.displays.patience import Patience
from schoolbeat_agent.probes.no_answer import NoAnswer, no_answer_from
from schoolbeat_agent.probes.tcp import connect
from schoolbeat_agent.probes.world import World

T = TypeVar("T")
READ_BYTES: Final = 1_024
SESSION_BYTES: Final = 16_384  # all that a device may say in one session


class Busy(NoAnswer):
    """Most devices take one client at a time, so this may only mean that another was there: worth a second attempt."""


class HungUp(Busy):
    """The device closed the session although more was expected."""

    def __init__(self, detail: str) -> None:
        super().__init__("bad_answer", detail)


class Session:
    """Use open_session."""

    def __init__(self, sock: socket.socket, asked: str) -> None:
        self._sock, self._asked = sock, asked
        self._heard = b""
        self.bytes_heard = 0
        self._loop = asyncio.get_running_loop()

    async def say(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._sock, data)
        except ConnectionError as error:
            raise HungUp(f"{self._asked} hangs up: does another client hold its only session?") from error
        except OSError as error:
            raise no_answer_from(error, self._asked) from error

    async def hear(self, size_of: Callable[[bytes], int], seconds: float) -> bytes:
        """The next answer. size_of: how many of the bytes heard make it whole; 0: not yet.

        NoAnswer("timeout") when it does not come in time, ("too_much") when it does not end.
        """
        async with _limit(seconds, self._asked):
            while not (size := size_of(self._heard)):
                await self._more()
        answer, self._heard = self._heard[:size], self._heard[size:]
        return answer

    async def _more(self) -> None:
        try:
            data = await self._loop.sock_recv(self._sock, READ_BYTES)
        except ConnectionError as error:
            raise HungUp(f"{self._asked} hangs up: does another client hold its only session?") from error
        except OSError as error:
            raise no_answer_from(error, self._asked) from error
        if not data:
            raise HungUp(f"{self._asked} hangs up: does another client hold its only session?")
        self.bytes_heard += len(data)
        if self.bytes_heard > SESSION_BYTES:
            raise NoAnswer("too_much", f"{self._asked}: more than {SESSION_BYTES} bytes")
        self._heard += data


@asynccontextmanager
async def _limit(seconds: float, asked: str) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(seconds):
            yield
    except TimeoutError as error:
        raise NoAnswer("timeout", f"{asked}: no answer in time") from error


@asynccontextmanager
async def open_session(address: str, port: int, world: World, patience: Patience) -> AsyncIterator[Session]:
    """Connected, and closed behind. NoAnswer where there is none; ProbeFailed when it is this machine's fault."""
    sock, _ = await connect(address, port, patience.connect_seconds, world)
    with sock:
        yield Session(sock, f"{address}:{port}")


async def twice(talk: Callable[[], Awaitable[T]], patience: Patience, attempts: int = 2) -> T:
    """The talk; once more, a little later, where it was refused or the device was busy. NoAnswer if that is in vain."""
    async with _limit(patience.talk_seconds, "all attempts"):
        while True:
            try:
                return await talk()
            except NoAnswer as no:
                attempts -= 1
                if not attempts or not (isinstance(no, Busy) or no.cause == "refused"):
                    raise
            await asyncio.sleep(patience.again_seconds)  # sessions of other clients are short
