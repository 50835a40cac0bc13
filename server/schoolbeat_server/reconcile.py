"""Three accounts of a site's things side by side: found by agents, declared in the register, in the asset book."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from sqlalchemy import Connection, select

from schoolbeat_server import schema
from schoolbeat_server.register_values import Asset, Device
from schoolbeat_server.said import Said
from schoolbeat_wire import inventory
from schoolbeat_wire.errors import WireError

State = Literal["matched", "stranger", "ghost", "unseen", "declared"]

STATE_WORDS: dict[State, Said] = {
    "matched": Said("khớp: tác tử thấy và có trong hồ sơ", "matched: an agent knows it and a record names it"),
    "stranger": Said("lạ: tác tử thấy nhưng không hồ sơ nào ghi", "stranger: an agent knows it, no record names it"),
    "ghost": Said("vắng: có hồ sơ, được hỏi, nhưng cả kỳ không trả lời", "ghost: on record and asked, never answered"),
    "declared": Said("khai báo, chưa tác tử nào theo dõi", "declared, watched by no agent yet"),
    "unseen": Said(
        "chỉ có trong sổ tài sản, không nối với thiết bị nào: mạng không cho biết",
        "in the asset book alone, tied to no device: the network cannot tell",
    ),
}


class Found(NamedTuple):
    """A device as an agent's newest inventory has it."""

    id: str
    name: str
    kind: str
    room: str


class Holding(NamedTuple):
    """One thing, or `quantity` alike of the asset book. device, asset: its id and code there; "" where it has none.

    duplicate: another row of the same account has its serial number.
    """

    site: str
    name: str
    kind: str
    room: str
    device: str
    asset: str
    quantity: int
    state: State
    duplicate: bool

    @property
    def recorded(self) -> bool:
        """It is in a digital record: the register or the asset book."""
        return self.state != "stranger"


def reconcile(
    site: str,
    found: Iterable[Found],
    declared: Iterable[Device],
    assets: Iterable[Asset],
    answered: Mapping[str, bool] | None = None,
) -> list[Holding]:
    """What is matched: an asset and a device by the link the asset book gives, else by a serial number that names one
    of each; what agents found and the register by the id. Disposed assets are no holdings. answered: device -> whether
    it answered in the window; None where nothing was asked for: then nothing is called a ghost.
    """
    seen = {one.id: one for one in found}
    register = {one.id: one for one in declared}
    book = [one for one in assets if one.status != "disposed"]
    device_of = _devices_of(book, register, {**register, **seen})
    asset_of = {device: asset for asset, device in device_of.items()}
    serials = Counter(one.serial for one in register.values() if one.serial)
    booked = Counter(one.serial for one in book if one.serial)
    holdings = []
    for ident in {**register, **seen}:
        device, asset = register.get(ident), asset_of.get(ident)
        entry = next((one for one in book if one.code == asset), None)
        source = device or seen[ident]
        holdings.append(
            Holding(
                site,
                source.name or (entry.name if entry else "") or ident,
                source.kind or (entry.kind if entry else ""),
                source.room or (entry.room if entry else None) or "",
                ident,
                asset or "",
                1,
                _state(ident in seen, device is not None or entry is not None, (answered or {}).get(ident)),
                bool(device and device.serial and serials[device.serial] > 1),
            )
        )
    holdings += [_unseen(site, one, booked) for one in book if one.code not in device_of]
    return sorted(holdings, key=lambda one: (one.state != "stranger", one.room, one.kind, one.device, one.asset))


def _state(seen: bool, on_record: bool, answered: bool | None) -> State:
    if not on_record:
        return "stranger"
    if answered is False:
        return "ghost"
    return "matched" if seen else "declared"


def _unseen(site: str, asset: Asset, booked: Mapping[str, int]) -> Holding:
    twice = bool(asset.serial) and booked[asset.serial] > 1
    return Holding(site, asset.name, asset.kind, asset.room or "", "", asset.code, asset.quantity, "unseen", twice)


def _devices_of(book: Sequence[Asset], register: Mapping[str, Device], known: Container[str]) -> dict[str, str]:
    """Asset code -> device id; a row that stands for several things is none of them, a device is one asset at most."""
    singles = [one for one in book if one.quantity == 1]
    linked: dict[str, str] = {one.code: one.device for one in singles if one.device and one.device in known}
    by_serial: dict[str, list[str]] = {}
    for device in register.values():
        if device.serial:
            by_serial.setdefault(device.serial, []).append(device.id)
    counts = Counter(one.serial for one in singles)
    taken: dict[str, str] = {}
    for code, ident in linked.items():
        taken.setdefault(ident, code)
    for one in singles:
        same = by_serial.get(one.serial, [])
        if one.code not in linked and one.serial and counts[one.serial] == 1 and len(same) == 1:
            taken.setdefault(same[0], one.code)
    return {code: device for device, code in taken.items()}


# ---- reading -----------------------------------------------------------------------------------------------


def read_found(connection: Connection, site: str | None = None) -> dict[str, list[Found]]:
    """By site: the devices of each agent's newest inventory. One that cannot be read is left out."""
    table = schema.inventory.c
    query = select(table.site, table.agent, table.payload).order_by(table.received_ms)
    if site is not None:
        query = query.where(table.site == site)
    newest = {(row.site, row.agent): row.payload for row in connection.execute(query)}
    found: dict[str, dict[str, Found]] = {}
    for (place, _), payload in newest.items():
        try:
            told = inventory.decode(payload)
        except WireError:
            continue
        mine = found.setdefault(place, {})
        mine.update({one.id: Found(one.id, one.name, one.kind, one.room) for one in told.devices})
    return {place: list(mine.values()) for place, mine in found.items()}
