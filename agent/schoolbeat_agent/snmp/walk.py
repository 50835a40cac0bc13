"""Walks over a column that always end: increasing OIDs, a cap, a deadline, smaller questions where none answers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from schoolbeat_agent.snmp.rows import Rows, Value
from schoolbeat_agent.snmp.session import Session, SnmpFailed

FEWER: Final = {25: 8, 8: 0}  # repetitions to try next; 0: GETNEXT
ORDER: Final = "its object identifiers do not increase"


async def get(session: Session, oids: Iterable[str]) -> Rows:
    """Those that the device has."""
    return await session.get(oids)


async def walk(session: Session, root: str, *, rows_most: int, deadline: float) -> Rows:
    """All rows below root, or SnmpFailed: never a part. deadline: of the session's clock.

    A device that begins at its first row again after the last has told all of them.
    """
    repetitions = session.habits.repetitions if session.has_bulk else 0
    while True:
        try:
            found = await _walked(session, root, repetitions, rows_most, deadline)
        except SnmpFailed as failed:
            smaller = failed.cause in ("timeout", "bad_answer") and repetitions > 0
            if not smaller or session.left_seconds(deadline) <= 0:
                raise
            repetitions = FEWER.get(repetitions, 0)
            continue
        if session.has_bulk:
            session.habits.repetitions = repetitions
        return found


async def _walked(session: Session, root: str, repetitions: int, rows_most: int, deadline: float) -> dict[str, Value]:
    rows = session.rows_below(root, repetitions)
    found: dict[str, Value] = {}
    inside, last = root + ".", ()  # type: tuple[str, tuple[int, ...]]

    async def take() -> None:
        nonlocal last
        async for oid, value in rows:
            if not oid.startswith(inside):
                return
            index = tuple(map(int, oid[len(inside) :].split(".")))
            if index <= last:
                if found and oid == next(iter(found)) and len(found) > 1:
                    return
                raise SnmpFailed("bad_answer", ORDER)
            if len(found) >= rows_most:
                raise SnmpFailed("too_much", f"more than {rows_most} rows below {root}")
            last = index
            if value is not None:
                found[oid] = value

    # Where a large answer may be the trouble, a smaller one is asked for sooner than the same again.
    await session.ask(take, tries=1 if repetitions else 0, deadline=deadline)
    return found
