"""What changed since the inventory was written: new, gone and moved devices; pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from schoolbeat_agent.discovery.found import Found
from schoolbeat_agent.settings import Device

OUR_ID = re.compile(r"[0-9a-f]{12}")


@dataclass(frozen=True)
class Differences:
    """moved: the same device at another address, before and now."""

    new: tuple[Found, ...] = ()
    gone: tuple[Device, ...] = ()
    moved: tuple[tuple[Device, Found], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.new or self.gone or self.moved)


def is_our_id(device: str) -> bool:
    """A keyed hash says what the device is; an id given by the server's register says only which one is meant."""
    return OUR_ID.fullmatch(device) is not None


def with_registered_ids(known: Sequence[Device], found: Sequence[Found]) -> list[Found]:
    """A device of the register has no hash to compare: what stands at its address is taken for it."""
    registered = {device.address: device.id for device in known if not is_our_id(device.id)}
    return [replace(one, id=registered.get(one.address, one.id)) for one in found]


def differences(before: Sequence[Device], found: Sequence[Found]) -> Differences:
    """By id. What has changed of a device that is still there and at its address is no difference."""
    now = {one.id: one for one in with_registered_ids(before, found)}
    was = {device.id: device for device in before}
    return Differences(
        new=tuple(one for one in now.values() if one.id not in was),
        gone=tuple(device for device in before if device.id not in now),
        moved=tuple(
            (device, now[device.id])
            for device in before
            if device.id in now and now[device.id].address != device.address
        ),
    )
