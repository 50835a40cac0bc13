"""The small messages: event, presence, ack, config, command. JSON; docs/wire.md specifies them."""

from __future__ import annotations

from typing import Literal

import msgspec

from schoolbeat_wire import bounds, codec
from schoolbeat_wire.errors import WireError

Range = tuple[int, int]  # half-open [first, end)


class Event(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signal's edge at the moment it was seen. A hint: never decisive. at_ms: milliseconds since 1970 UTC."""

    signal: str
    up: bool
    at_ms: int
    cause: str = ""


class Presence(msgspec.Struct, frozen=True, omit_defaults=True):
    """Retained; the last will has only online=false.

    lowest: the lowest seq still held and not settled-and-deleted; next: the seq the next minute will get.
    gaps: seqs between lowest and next that are no longer there: declared lost.
    nonce: repeated in the ack that answers, so that the agent can time the answer.
    settled: one past the highest seq that the server's acks have settled: a server that does not know it any more was
    restored from a backup.
    """

    online: bool
    epoch: str = ""
    hardware: str = ""
    boot: str = ""
    lowest: int = 0
    next: int = 0
    gaps: list[Range] = []
    nonce: int = 0
    keepalive: int = 10
    clock: Literal["none", "kernel", "server", "trust"] = "none"
    revision: str = ""
    version: str = ""
    settled: int = 0


class Ack(msgspec.Struct, frozen=True, omit_defaults=True):
    """settled: all seqs >= complete_from of this epoch that the server will not ask for again, as ranges.
    proof: the server's digest of digests of proof_day (ISO), 64 hex digits; the agent keeps it."""

    server: str
    time_ms: int
    epoch: str = ""
    settled: list[Range] = []
    complete_from: int = 0
    nonce: int = 0
    proof_day: str = ""
    proof: str = ""


Ask = Literal["", "icmp", "tcp", "snmp", "pjlink", "display", "rtsp", "onvif"]


class WatchedDevice(msgspec.Struct, frozen=True, omit_defaults=True):
    """ask: what decides `device.<id>`; empty: ICMP, or TCP where there is a port. credential, snmp: names in the
    agent's own secrets file, never secrets. profile: how a display talks. stream: path of a camera's video.
    interfaces: names of the ports whose rates are reported."""

    id: str
    address: str
    name: str = ""
    kind: str = ""
    room: str = ""
    port: int = 0  # 0: the standard one of `ask`
    behind: str = "lan.router"
    ask: Ask = ""
    credential: str = ""
    snmp: str = ""
    profile: str = ""
    stream: str = ""
    interfaces: list[str] = []


class WatchedService(msgspec.Struct, frozen=True, omit_defaults=True):
    id: str
    url: str


class Lesson(msgspec.Struct, frozen=True):
    """Lesson hours of a weekday (0 Monday to 6 Sunday): minutes of the day in Viet Nam's time, [first, end)."""

    weekday: int
    first: int
    end: int


class Config(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to watch and how often. Kept on the agent's disk; agent.toml of the site is the ground it stands on.

    lessons, exam_days (ISO dates), contracts: empty or 0 says nothing, agent.toml's own word stays.
    """

    revision: int
    server: str = ""
    report_minutes: int = 1
    keepalive: int = 10
    devices: list[WatchedDevice] = []
    services: list[WatchedService] = []
    lessons: list[Lesson] = []
    exam_days: list[str] = []
    contract_down_bps: int = 0
    contract_up_bps: int = 0


class Command(msgspec.Struct, frozen=True, omit_defaults=True):
    """send_again: seqs [first, end) of the epoch; inventory: the one of that revision.
    speed_test: one test, before until_ms, for the one-use token `grant`: used, it is worth nothing."""

    do: Literal["check_now", "send_again", "inventory", "identify", "speed_test"]
    epoch: str = ""
    first: int = 0
    end: int = 0
    revision: str = ""
    grant: str = ""
    until_ms: int = 0


_event = msgspec.json.Decoder(Event)
_presence = msgspec.json.Decoder(Presence)
_ack = msgspec.json.Decoder(Ack)
_config = msgspec.json.Decoder(Config)
_command = msgspec.json.Decoder(Command)

_LAST_MS = bounds.LAST_MINUTE * 60_000
_FIRST_MS = bounds.FIRST_MINUTE * 60_000


def encode(message: Event | Presence | Ack | Config | Command) -> bytes:
    return codec.to_json(message)


def decode_event(payload: bytes) -> Event:
    event = codec.parse_small(_event, payload, "event")
    bounds.matches(bounds.SIGNAL, event.signal, "signal")
    if not _FIRST_MS <= event.at_ms <= _LAST_MS:
        raise WireError("time", f"event at {str(event.at_ms)[:40]} ms: allowed are the years 2020 to 2099")
    bounds.text(event.cause, "cause")
    return event


def decode_presence(payload: bytes) -> Presence:
    presence = codec.parse_small(_presence, payload, "presence")
    for value, thing in (
        (presence.epoch, "epoch"),
        (presence.hardware, "hardware"),
        (presence.boot, "boot id"),
        (presence.revision, "inventory revision"),
    ):
        if value:
            bounds.matches(bounds.TOKEN, value, thing)
    if presence.online and not presence.epoch:
        raise WireError("shape", "presence online without epoch")
    bounds.within(presence.next, 0, bounds.SEQ, "next seq")
    bounds.within(presence.lowest, 0, presence.next, "lowest seq")
    bounds.within(presence.settled, 0, presence.next, "settled seq")
    bounds.ranges(presence.gaps, "gaps")
    if presence.gaps and not presence.lowest <= presence.gaps[0][0] < presence.gaps[-1][1] <= presence.next:
        raise WireError("range", f"gaps must lie between lowest {presence.lowest} and next {presence.next}")
    bounds.within(presence.nonce, 0, 2**53, "nonce")
    bounds.within(presence.keepalive, 1, 3_600, "keepalive")
    bounds.text(presence.version, "version")
    return presence


def decode_ack(payload: bytes) -> Ack:
    ack = codec.parse_small(_ack, payload, "ack")
    bounds.matches(bounds.TOKEN, ack.server, "server id")
    if ack.epoch:
        bounds.matches(bounds.TOKEN, ack.epoch, "epoch")
    if not _FIRST_MS <= ack.time_ms <= _LAST_MS:
        raise WireError("time", f"ack at {str(ack.time_ms)[:40]} ms: allowed are the years 2020 to 2099")
    bounds.ranges(ack.settled, "settled")
    bounds.within(ack.complete_from, 0, bounds.SEQ, "complete_from")
    bounds.within(ack.nonce, 0, 2**53, "nonce")
    if ack.proof or ack.proof_day:
        bounds.matches(bounds.DAY, ack.proof_day, "day of a proof")
        bounds.matches(bounds.DIGEST, ack.proof, "proof")
    return ack


def decode_config(payload: bytes) -> Config:
    config = codec.parse_small(_config, payload, "config", bounds.CONFIG_BYTES)
    bounds.within(config.revision, 0, 2**53, "config revision")
    if config.server:
        bounds.matches(bounds.TOKEN, config.server, "server id")
    bounds.within(config.report_minutes, 1, 60, "report_minutes")
    bounds.within(config.keepalive, 5, 600, "keepalive")
    bounds.at_most(len(config.devices), bounds.DEVICES, "devices in a config")
    bounds.at_most(len(config.services), bounds.COLUMNS, "services in a config")
    for device in config.devices:
        bounds.matches(bounds.SUBJECT, "device." + device.id, "device")
        bounds.matches(bounds.SIGNAL, device.behind, "behind of a device")
        bounds.within(device.port, 0, 65_535, "port of a device")
        for value in (device.name, device.kind, device.room, device.address, device.profile, device.stream):
            bounds.text(value, "text of a device")
        for value in (device.credential, device.snmp):
            bounds.text(value, "credential's name of a device")
        bounds.at_most(len(device.interfaces), bounds.INTERFACES, "interfaces of a device")
        for value in device.interfaces:
            bounds.text(value, "interface of a device")
    if len({device.id for device in config.devices}) != len(config.devices):
        raise WireError("shape", "config: a device is named twice")
    if len({service.id for service in config.services}) != len(config.services):
        raise WireError("shape", "config: a service is named twice")
    for service in config.services:
        bounds.matches(bounds.SUBJECT, "service." + service.id, "service")
        bounds.text(service.url, "url of a service")
    _check_hours(config)
    return config


def _check_hours(config: Config) -> None:
    bounds.at_most(len(config.lessons), bounds.LESSONS, "lesson hours in a config")
    for lesson in config.lessons:
        bounds.within(lesson.weekday, 0, 6, "weekday of lesson hours")
        bounds.within(lesson.first, 0, 1_439, "first minute of lesson hours")
        bounds.within(lesson.end, lesson.first + 1, 1_440, "end of lesson hours")
    bounds.at_most(len(config.exam_days), bounds.EXAM_DAYS, "exam days in a config")
    for day in config.exam_days:
        bounds.matches(bounds.DAY, day, "exam day")
    bounds.within(config.contract_down_bps, 0, 10**12, "contracted download speed")
    bounds.within(config.contract_up_bps, 0, 10**12, "contracted upload speed")


def decode_command(payload: bytes) -> Command:
    command = codec.parse_small(_command, payload, "command")
    bounds.within(command.first, 0, bounds.SEQ, "first seq")
    bounds.within(command.end, command.first, bounds.SEQ, "end seq")
    bounds.within(command.until_ms, 0, _LAST_MS, "until_ms")
    if command.do == "speed_test":
        bounds.matches(bounds.TOKEN, command.grant, "grant")
    for value in (command.epoch, command.revision):
        if value:
            bounds.matches(bounds.TOKEN, value, "epoch or revision")
    return command
