"""What an agent watches. A report's positions mean nothing without the inventory of its revision."""

from __future__ import annotations

import hashlib
from typing import Literal

import msgspec

from schoolbeat_wire import bounds, catalogue, codec
from schoolbeat_wire.errors import WireError


class Column(msgspec.Struct, frozen=True, omit_defaults=True):
    """One reading of several subjects. Sparse: most minutes have no value (a speed test an hour)."""

    reading: str
    subjects: list[str]
    sparse: bool = False


class Device(msgspec.Struct, frozen=True, omit_defaults=True):
    """A device on the LAN as the agent knows it. Its signal is `device.<id>`. `behind` is a signal's name."""

    id: str
    name: str = ""
    kind: str = ""
    room: str = ""
    behind: str = "lan.router"


class Inventory(msgspec.Struct, frozen=True, omit_defaults=True):
    """signals: names, in the order of a report's bytes; columns: in the order of a report's values;
    probes: names, for a report's failures; behind: signal -> the signal it is seen through."""

    revision: str
    signals: list[str]
    columns: list[Column] = []
    probes: list[str] = []
    devices: list[Device] = []
    behind: dict[str, str] = {}
    role: Literal["gateway", "classroom"] = "gateway"
    version: str = ""
    capabilities: list[str] = []


_decoder = msgspec.json.Decoder(Inventory)


def with_revision(inventory: Inventory) -> Inventory:
    """The same inventory, named by the hash of its content: 12 hex digits of BLAKE2b over its JSON without it."""
    bare = msgspec.structs.replace(inventory, revision="")
    digest = hashlib.blake2b(codec.to_json(bare), digest_size=6).hexdigest()
    return msgspec.structs.replace(inventory, revision=digest)


def encode(inventory: Inventory) -> bytes:
    return codec.deflate(codec.to_json(inventory))


def decode(payload: bytes) -> Inventory:
    """Checked in shape and bounds. Unknown fields are ignored. Raises WireError only."""
    found = codec.parse(_decoder, codec.inflate(payload), "inventory")
    check(found)
    return found


def check(inventory: Inventory) -> None:
    bounds.matches(bounds.TOKEN, inventory.revision, "inventory revision")
    bounds.at_most(len(inventory.signals), bounds.SIGNALS, "signals in an inventory")
    bounds.at_most(len(inventory.columns), bounds.COLUMNS, "columns in an inventory")
    bounds.at_most(len(inventory.probes), bounds.COLUMNS, "probes in an inventory")
    bounds.at_most(len(inventory.devices), bounds.DEVICES, "devices in an inventory")
    bounds.at_most(len(inventory.behind), bounds.SIGNALS, "entries of `behind`")
    bounds.at_most(len(inventory.capabilities), bounds.COLUMNS, "capabilities in an inventory")
    if len(set(inventory.signals)) != len(inventory.signals):
        raise WireError("shape", "inventory: a signal is named twice")
    for signal in inventory.signals:
        _known_signal(signal)
    for column in inventory.columns:
        _check_column(column)
    _no_reading_twice(inventory)
    _no_circle(inventory)
    for signal, below in inventory.behind.items():
        bounds.matches(bounds.SIGNAL, signal, "signal")
        bounds.matches(bounds.SIGNAL, below, "signal")
    for device in inventory.devices:
        _check_device(device)
    for short in (*inventory.probes, *inventory.capabilities):
        bounds.matches(bounds.PROBE, short, "probe or capability")
    if len({device.id for device in inventory.devices}) != len(inventory.devices):
        raise WireError("shape", "inventory: a device is named twice")
    bounds.text(inventory.version, "version")


def _no_reading_twice(inventory: Inventory) -> None:
    """Every (reading, subject) has one place, so that a value has one meaning."""
    subjects: dict[str, set[str]] = {}
    for column in inventory.columns:
        taken = subjects.setdefault(column.reading, set())
        before = len(taken)
        taken.update(column.subjects)
        if len(taken) != before + len(column.subjects):
            raise WireError("shape", f"inventory: {column.reading} has a subject twice")


def _no_circle(inventory: Inventory) -> None:
    """What is seen through what ends somewhere, so that whoever follows it comes to an end too."""
    below = {f"device.{device.id}": device.behind for device in inventory.devices} | inventory.behind
    ends: set[str] = set()
    for start in below:
        walked: set[str] = set()
        at = start
        while at in below and at not in ends:
            if at in walked:
                raise WireError("shape", f"inventory: {at} is behind itself")
            walked.add(at)
            at = below[at]
        ends |= walked


def _known_signal(signal: str) -> None:
    bounds.matches(bounds.SIGNAL, signal, "signal")
    try:
        catalogue.kind_of(signal)
    except KeyError:
        raise WireError("unknown", f"signal {signal!r} is not in the catalogue") from None


def _check_column(column: Column) -> None:
    if column.reading not in catalogue.READINGS:
        raise WireError("unknown", f"reading {column.reading[:60]!r} is not in the catalogue")
    bounds.at_most(len(column.subjects), bounds.SUBJECTS, f"subjects of {column.reading}")
    for subject in column.subjects:
        bounds.matches(bounds.SUBJECT, subject, "subject")


def _check_device(device: Device) -> None:
    bounds.matches(bounds.SUBJECT, "device." + device.id, "device")
    bounds.matches(bounds.SIGNAL, device.behind, "behind of a device")
    for value in (device.name, device.kind, device.room):
        bounds.text(value, "text of a device")
