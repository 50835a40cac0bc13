"""Up to a few echo requests until one is answered, later ones while the earlier may still be answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from schoolbeat_agent.echo import Echo, Reply
from schoolbeat_agent.observation import ProbeFailed


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


async def first_answers(
    echo: Echo, addresses: Sequence[str], patience: Patience
) -> list[tuple[Reply, ...] | ProbeFailed]:
    """As `first_answer` for each of many addresses, all at the same time, and much cheaper than one by one.

    A request that could not be sent is the ProbeFailed of that address alone.
    """
    sent: list[list[asyncio.Future[Reply]]] = [[] for _ in addresses]
    failed: dict[int, ProbeFailed] = {}
    asked = list(range(len(addresses)))
    try:
        for number in range(patience.packets):
            left_seconds = patience.deadline_seconds - number * patience.spacing_seconds
            for place in asked:
                try:
                    sent[place].append(echo.send(addresses[place], timeout_seconds=left_seconds))
                except ProbeFailed as problem:
                    failed[place] = problem
            is_last = number == patience.packets - 1
            asked = [place for place in asked if place not in failed]
            asked = await _wait_for_all(sent, asked, left_seconds + 1 if is_last else patience.spacing_seconds, is_last)
            if not asked:
                break
        return [failed.get(place) or _fates(futures) for place, futures in enumerate(sent)]
    finally:
        for futures in sent:
            for future in futures:
                if not future.done():
                    future.cancel()


async def _wait_for_all(
    sent: list[list[asyncio.Future[Reply]]], asked: list[int], seconds: float, is_last: bool
) -> list[int]:
    """The places that are still without an answer when all others have one, or when the time is over."""
    loop = asyncio.get_running_loop()
    until = loop.time() + seconds
    while True:
        asked = [
            place for place in asked if not any(future.done() and is_reply(future.result()) for future in sent[place])
        ]
        waiting = [future for place in asked for future in sent[place] if not future.done()]
        left_seconds = until - loop.time()
        if not asked or left_seconds <= 0 or (is_last and not waiting):
            return asked
        if waiting:
            await asyncio.wait(waiting, timeout=left_seconds)
        else:
            await asyncio.sleep(left_seconds)


def _fates(futures: list[asyncio.Future[Reply]]) -> tuple[Reply, ...]:
    """Up to the answer, if there is one."""
    out = []
    for future in futures:
        out.append(_fate(future))
        if is_reply(out[-1]):
            break
    return tuple(out)


def _fate(future: asyncio.Future[Reply]) -> Reply:
    return future.result() if future.done() else Reply("timeout")
