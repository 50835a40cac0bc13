"""What a document rests on: the digests of the days that it speaks of, one over them, and what had left the server."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from typing import Final, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.school_calendar import date_of

AT_ONCE: Final = 500  # sites in one question


class DayStamp(NamedTuple):
    """The revision of a site's day that stood. day: since 1970, of Viet Nam's time."""

    site: str
    day: int
    revision: int
    made_ms: int
    digest: bytes


class Stamp(NamedTuple):
    """Of local days [first_day, end_day). days: those that had a digest, by site and day; digests: how many; revised:
    how many of them are revisions; digest: over all of them. proof: the newest digest of digests that had left us,
    and its day; empty: none yet."""

    first_day: int
    end_day: int
    sites: int
    days: tuple[DayStamp, ...]
    digests: int
    revised: int
    digest: bytes
    proof_day: int | None
    proof: bytes

    @property
    def due(self) -> int:
        return self.sites * (self.end_day - self.first_day)


def stamp(
    connection: Connection, sites: Collection[str] | None, first_day: int, end_day: int, at_ms: int = 2**62
) -> Stamp:
    """As it stood at that time: no digest is ever overwritten, so it can be asked for years later. sites: None for
    all that had a digest, so that sites which the register gets later change nothing."""
    table, proofs = schema.day_digest.c, schema.day_proof.c
    wanted = sorted(connection.scalars(select(schema.site.c.id)) if sites is None else set(sites))
    query = (
        select(table.site, table.day, table.revision, table.made_ms, table.digest)
        .where(table.day >= first_day, table.day < end_day, table.made_ms <= at_ms)
        .order_by(table.site, table.day, table.revision)
    )
    newest: dict[tuple[str, int], DayStamp] = {}
    for at in range(0, len(wanted), AT_ONCE):  # by site: the table of years is not read through for some days
        for row in connection.execute(query.where(table.site.in_(wanted[at : at + AT_ONCE]))):
            newest[row.site, row.day] = DayStamp(*row)
    days = tuple(newest.values())
    proof = connection.execute(
        select(proofs.day, proofs.digest).where(proofs.made_ms <= at_ms).order_by(proofs.day.desc()).limit(1)
    ).one_or_none()
    of_sites = len({one.site for one in days}) if sites is None else len(wanted)
    revised = sum(one.revision > 1 for one in days)
    digest = digest_of(first_day, end_day, of_sites, days)
    return Stamp(
        first_day, end_day, of_sites, days, len(days), revised, digest, *(proof if proof is not None else (None, b""))
    )


def digest_of(first_day: int, end_day: int, sites: int, days: Collection[DayStamp]) -> bytes:
    """days: by site and day. docs/proof.md."""
    return hashlib.sha256("".join(line + "\n" for line in _lines(first_day, end_day, sites, days)).encode()).digest()


def stamp_lines(found: Stamp) -> list[str]:
    """What its digest is of, each line with a newline behind it."""
    return _lines(found.first_day, found.end_day, found.sites, found.days)


def _lines(first_day: int, end_day: int, sites: int, days: Collection[DayStamp]) -> list[str]:
    return [
        "schoolbeat-stamp 1",
        f"from={date_of(first_day).isoformat()}",
        f"to={date_of(end_day - 1).isoformat()}",
        f"sites={sites}",
        f"days={len(days)}",
        *(f"{one.site} {date_of(one.day).isoformat()} {one.revision} {one.digest.hex()}" for one in days),
    ]
