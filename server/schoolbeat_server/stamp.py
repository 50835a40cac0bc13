"""What a document rests on: the digests of the days that it speaks of, one over them, and what had left the server."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.school_calendar import date_of


class DayStamp(NamedTuple):
    """The revision of a site's day that stood. day: since 1970, of Viet Nam's time."""

    site: str
    day: int
    revision: int
    made_ms: int
    digest: bytes


class Stamp(NamedTuple):
    """Of local days [first_day, end_day). days: those that had a digest, by site and day; digest: over all of them.
    proof: the newest digest of digests that had left the server, and its day; empty: none yet."""

    first_day: int
    end_day: int
    sites: int
    days: tuple[DayStamp, ...]
    digest: bytes
    proof_day: int | None
    proof: bytes

    @property
    def due(self) -> int:
        return self.sites * (self.end_day - self.first_day)

    @property
    def revised(self) -> int:
        return sum(one.revision > 1 for one in self.days)


def stamp(
    connection: Connection, sites: Collection[str] | None, first_day: int, end_day: int, at_ms: int = 2**62
) -> Stamp:
    """As it stood at that time: no digest is ever overwritten, so it can be asked for years later. sites: None for
    all that the register has."""
    table, proofs = schema.day_digest.c, schema.day_proof.c
    wanted = set(connection.scalars(select(schema.site.c.id)) if sites is None else sites)
    query = select(table.site, table.day, table.revision, table.made_ms, table.digest).where(
        table.day >= first_day, table.day < end_day, table.made_ms <= at_ms
    )
    if sites is not None and len(wanted) <= 500:
        query = query.where(table.site.in_(sorted(wanted)))
    newest: dict[tuple[str, int], DayStamp] = {}
    for row in connection.execute(query.order_by(table.site, table.day, table.revision)):
        if row.site in wanted:
            newest[row.site, row.day] = DayStamp(*row)
    days = tuple(newest.values())
    proof = connection.execute(
        select(proofs.day, proofs.digest).where(proofs.made_ms <= at_ms).order_by(proofs.day.desc()).limit(1)
    ).one_or_none()
    digest = digest_of(first_day, end_day, len(wanted), days)
    return Stamp(first_day, end_day, len(wanted), days, digest, *(proof if proof is not None else (None, b"")))


def digest_of(first_day: int, end_day: int, sites: int, days: Collection[DayStamp]) -> bytes:
    """days: by site and day. docs/proof.md."""
    lines = [
        "schoolbeat-stamp 1",
        f"from={date_of(first_day).isoformat()}",
        f"to={date_of(end_day - 1).isoformat()}",
        f"sites={sites}",
        f"days={len(days)}",
        *(f"{one.site} {date_of(one.day).isoformat()} {one.revision} {one.digest.hex()}" for one in days),
    ]
    return hashlib.sha256("".join(line + "\n" for line in lines).encode()).digest()
