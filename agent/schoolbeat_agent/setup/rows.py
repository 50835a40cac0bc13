"""What the technician confirms of each device: kind, room, name, and whether it is watched at all; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from schoolbeat_agent.discovery.found import Found
from schoolbeat_agent.settings import Device
from schoolbeat_agent.texts import Language, Text
from schoolbeat_wire import bounds, catalogue

SURE: Final = 50  # confidence from which on a guess may stand unconfirmed
# Machines of people, and what nobody knows: watched only where the technician says so.
LEFT_OUT: Final = frozenset({"computer", "phone", "other"})

_OUT = Text("bỏ", "left out")
_CONFIDENCE = Text("{percent} % chắc", "{percent} % sure")


@dataclass(frozen=True)
class Row:
    """confirmed: the technician has looked at it."""

    found: Found
    kind: str
    name: str
    room: str = ""
    watched: bool = True
    confirmed: bool = False


def rows(found: Iterable[Found], language: Language) -> list[Row]:
    """The least certain first; what is left out unless it is wanted stands at the end."""
    out = [
        Row(one, one.kind, one.name or _given_name(one, language), watched=one.kind not in LEFT_OUT) for one in found
    ]
    return sorted(out, key=lambda row: (not row.watched, row.found.confidence >= SURE, row.kind, row.found.confidence))


def kind_name(kind: str, language: Language) -> str:
    known = catalogue.device_kind(kind)
    return known.vi if language == "vi" else known.en


def _given_name(one: Found, language: Language) -> str:
    """For one that tells no name: its kind and the end of its address."""
    return f"{kind_name(one.kind, language)} {one.address.rpartition('.')[2]}"


def with_kind(row: Row, kind: str, language: Language) -> Row:
    """A name that we made from the kind follows it. How it is asked stays, save what only another kind understands."""
    found = row.found
    name = row.name
    if name == _given_name(replace(found, kind=row.kind), language):
        name = _given_name(replace(found, kind=kind), language)
    return replace(row, kind=kind, name=name, watched=True, confirmed=True)


def unsure(all_rows: Sequence[Row]) -> list[Row]:
    return [row for row in all_rows if row.watched and not row.confirmed and row.found.confidence < SURE]


def shown(row: Row, language: Language) -> tuple[str, str, str]:
    """What it is, where it stands, and why we think so: the three texts of its entry in the form."""
    mark = "✓" if row.watched else "–"
    if row.watched and not row.confirmed and row.found.confidence < SURE:
        mark = "?"
    kind = kind_name(row.kind, language)
    head = f"{mark} {row.name}" if row.name.startswith(kind) else f"{mark} {kind} · {row.name}"
    parts = [row.found.address, *filter(None, [row.room])]
    parts += [_CONFIDENCE.say(language, percent=row.found.confidence)] if not row.confirmed else []
    if not row.watched:
        parts = [row.found.address, _OUT.say(language)]
    what = " ".join(filter(None, (row.found.vendor, row.found.model)))
    why = "; ".join(reason.vi if language == "vi" else reason.en for reason in row.found.reasons)
    return head, " · ".join(parts), " — ".join(filter(None, (what, why)))


def known(found: Found, now: Device) -> Row:
    """One that is watched already, to be named anew."""
    return Row(found, now.kind, now.name or now.id, now.room, confirmed=True)


def device(row: Row, credential: str = "", before: Device | None = None) -> Device:
    """As it stands in devices.toml. credential: for cameras, where the technician gave one.

    before: as it stood there; how it is asked stays as it was.
    """
    found = row.found
    if before is not None:
        return replace(before, address=found.address, name=text(row.name), kind=row.kind, room=text(row.room))
    own = found.credential or (credential if row.kind in ("camera", "recorder") else "")
    return Device(
        id=found.id,
        address=found.address,
        name=text(row.name),
        kind=row.kind,
        room=text(row.room),
        port=found.port,
        ask=found.ask,
        credential=own,
        snmp=found.snmp,
        profile=found.profile,
        stream=found.stream,
        interfaces=tuple(text(name) for name in found.interfaces[: bounds.INTERFACES]),
    )


def text(typed: str) -> str:
    """As a name may stand on the wire."""
    return bounds.CONTROL.sub("", typed).strip()[: bounds.TEXT]
