"""Up to a few echo requests until one is answered, later ones while the earlier may still be answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schoolbeat_agent.echo import Echo, Reply


@dataclass(frozen=True)
class Patience:
    """How many packets a run may send before it says down, how far apart, and when it says so at the latest."""

    packets: int = 3
    spacing_seconds: float = 1.0
    deadline_seconds: float = 4.0


PATIENT = Patience()


def is_reply(reply: Reply) -> bool:
    return reply.kind == "reply"


async def first_answer(
    echo: Echo,
    addresses: Sequence[str],
    patience: Patience,
    *,
    ttl: int | None = None,
    answers: Callable[[Reply], bool] = is_reply,
) -> tuple[Reply, ...]:
    """What became of the packets, in the order sent, to the addresses in turn; an answer, if any, is the last.

    A packet is repeated after `spacing_seconds`, but its late answer still counts: a slow line is not a dead one.
    Packets sent after the answered one are left out, since their fate is not known.
    """
    sent: list[asyncio.Future[Reply]] = []
    try:
        for number in range(patience.packets):
            left_seconds = patience.deadline_seconds - number * patience.spacing_seconds
            address = addresses[number % len(addresses)]
            sent.append(echo.send(address, ttl=ttl, timeout_seconds=left_seconds))
            is_last = number == patience.packets - 1
            answered = await _wait(sent, left_seconds + 1 if is_last else patience.spacing_seconds, answers, is_last)
            if answered is not None:
                return tuple(_fate(future) for future in sent[: answered + 1])
        return tuple(_fate(future) for future in sent)
    finally:
        for future in sent:
            future.cancel()


async def _wait(
    sent: list[asyncio.Future[Reply]], seconds: float, answers: Callable[[Reply], bool], is_last: bool
) -> int | None:
    """The number of the first answered packet, as soon as there is one; None when the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        for number, future in enumerate(sent):
            if future.done() and answers(future.result()):
                return number
        waiting = [future for future in sent if not future.done()]
        left_seconds = until - loop.time()
        if left_seconds <= 0 or (is_last and not waiting):
            return None
        if waiting:
            await asyncio.wait(waiting, timeout=left_seconds, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(left_seconds)


def _fate(future: asyncio.Future[Reply]) -> Reply:
    return future.result() if future.done() else Reply("timeout")
