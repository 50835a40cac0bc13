"""What the agent watches: each probe with its targets, and the inventory that names a report's positions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from types import MappingProxyType

from schoolbeat_agent.probes import (
    display,
    lan,
    onvif,
    pjlink,
    rtsp,
    snmp,
    speed,
    traffic,
    ups,
    wifi_heard,
    wifi_seat,
    witness,
)
from schoolbeat_agent.probes.dns import DnsTarget, Resolver
from schoolbeat_agent.probes.host import HostTarget
from schoolbeat_agent.probes.http import HttpTarget
from schoolbeat_agent.probes.icmp import IcmpTarget
from schoolbeat_agent.probes.internet import InternetTarget
from schoolbeat_agent.probes.path import MAIN, ROUTER, PathTarget
from schoolbeat_agent.probes.tcp import TcpTarget
from schoolbeat_agent.settings import Device, Settings
from schoolbeat_agent.watch import Watch
from schoolbeat_agent.watch import of as _of
from schoolbeat_wire import bounds, catalogue, inventory, video
from schoolbeat_wire.catalogue import RUNGS
from schoolbeat_wire.inventory import Column, Inventory

INTERNET = "line.internet"
HOST_READINGS = (
    "load1",
    "cpu_percent",
    "memory_used_percent",
    "disk_used_percent",
    "disk_free_bytes",
    "temperature_celsius",
    "undervoltage",
    "uptime_seconds",
)
TCP_PORT = 80  # of a device that is asked by TCP and names no port
RUN_READINGS = ("run_count", "run_failures", "run_seconds")


# Each names what it watches by the settings. To add a probe: its module here and in probes.PROBES.
WATCHES: tuple[Callable[[Settings], list[Watch]], ...] = (
    snmp.watches,
    pjlink.watches,
    display.watches,
    rtsp.watches,
    onvif.watches,
    wifi_heard.watches,
    wifi_seat.watches,
    ups.watches,
    traffic.watches,
    speed.watches,
    lan.watches,
)

# (subject, reading) that devices turned out to have, by the name of the watch that learnt it.
Offered = Mapping[str, Sequence[tuple[str, str]]]
NOTHING: Offered = MappingProxyType({})


# On a classroom's computer: nothing that belongs to the whole site, which the gateway's agent watches.
CLASSROOM: tuple[Callable[[Settings], list[Watch]], ...] = (
    wifi_heard.watches,
    wifi_seat.watches,
    witness.watches,
)


def devices(settings: Settings) -> tuple[Device, ...]:
    """What this agent watches of them: one agent owns a signal at a time, and the site's are the gateway's."""
    return witness.devices(settings) if settings.role == "classroom" else settings.devices


def watches(settings: Settings) -> list[Watch]:
    """Everything that is asked."""
    host = Watch("host", HostTarget(disk_path=_existing(settings.folder)), (), _of("host", *HOST_READINGS))
    if settings.role == "classroom":
        return [host, *(watch for of_probe in CLASSROOM for watch in of_probe(settings))]
    resolvers = tuple(Resolver(*pair) for pair in settings.resolvers)
    out = [
        host,
        _path(settings),
        Watch(
            "internet",
            InternetTarget(settings.internet_names, settings.internet_targets, resolvers),
            (INTERNET,),
            _of(INTERNET, "dns_ms", "connect_ms"),
        ),
        Watch(
            "dns",
            DnsTarget(settings.dns_name, Resolver(*settings.known_resolver), resolvers[0] if resolvers else None),
            (),
            (("dns.school", "dns_ms"), ("dns.known", "dns_ms"), ("dns.school", "dns_agree")),
        ),
    ]
    for service in settings.services:
        signal = f"service.{service.id}"
        readings = _of(signal, "connect_ms", "http_ms", "http_status", "tls_days_left")
        out.append(Watch("http", HttpTarget(service.id, service.url, resolvers), (signal,), readings))
    out += [_device(device) for device in settings.devices if (device.ask or "icmp") in ("icmp", "tcp")]
    for of_probe in WATCHES:
        out += of_probe(settings)
    return out


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists already: it lies on the same disk."""
    return next((above for above in (folder, *folder.parents) if above.exists()), folder)


def _path(settings: Settings) -> Watch:
    edges = settings.main_edges
    target = PathTarget(settings.domestic, settings.international, settings.router or None, settings.isp_ttl, edges)
    there = {
        "lan.router": True,
        "line.isp": bool(settings.domestic or settings.international),
        "line.domestic": bool(settings.domestic),
        "line.international": bool(settings.international),
    }
    rungs = tuple(rung for rung in RUNGS if there[rung])
    main = (MAIN,) if edges and there["line.isp"] else ()
    readings = tuple(pair for rung in rungs for pair in _of(rung, "rtt_ms", "loss_percent"))
    return Watch("path", target, (*rungs, *main), readings)


def _device(device: Device) -> Watch:
    signal = f"device.{device.id}"
    if device.ask == "tcp" or (device.port and not device.ask):
        return Watch(
            "tcp", TcpTarget(device.id, device.address, device.port or TCP_PORT), (signal,), _of(signal, "connect_ms")
        )
    return Watch("icmp", IcmpTarget(device.id, device.address), (signal,), _of(signal, "rtt_ms"))


def behind(settings: Settings, signals: Iterable[str]) -> dict[str, str]:
    """signal -> the one it is seen through: the ladder, services beyond all of it, devices behind what they hang on."""
    there = list(signals)
    rungs = [rung for rung in RUNGS if rung in there]
    out = {upper: lower for lower, upper in pairwise(rungs)}
    out |= {signal: rungs[-1] for signal in there if signal.startswith("service.")}
    out |= {MAIN: ROUTER} if MAIN in there else {}
    for device in devices(settings):
        out[f"device.{device.id}"] = device.behind
    return out


def holds(settings: Settings, all_watches: Iterable[Watch]) -> dict[str, int]:
    """signal -> how long a run's word holds, for those that are asked less often than each round."""
    kinds = {f"device.{device.id}": device.kind for device in devices(settings)}
    return {
        signal: catalogue.device_kind(kinds[signal]).hold_seconds
        for watch in all_watches
        if watch.every_seconds
        for signal in watch.signals
        if signal in kinds
    }


def columns(all_watches: Iterable[Watch], offered: Offered) -> list[Column]:
    """What is asked every minute or oftener stands in full columns, the rest in sparse ones; each value once.

    What is configured comes first; what was learnt joins as far as an inventory has room for it.
    """
    places: dict[tuple[str, bool], dict[str, None]] = {}
    taken: set[tuple[str, str]] = set()
    listed = list(all_watches)
    configured = ((watch, key) for watch in listed for key in watch.readings)
    learnt = ((watch, key) for watch in listed if watch.learns for key in offered.get(watch.name, ()))
    for watch, (subject, reading) in configured:
        if (subject, reading) not in taken:
            taken.add((subject, reading))
            places.setdefault((reading, watch.every_seconds > 60), {})[subject] = None
    for watch, (subject, reading) in learnt:
        place = (reading, watch.every_seconds > 60)
        if (subject, reading) not in taken and _has_room(places, place):
            taken.add((subject, reading))
            places.setdefault(place, {})[subject] = None
    probes = dict.fromkeys(f"probe.{watch.probe}" for watch in listed)
    for reading in RUN_READINGS:
        places[reading, False] = dict(probes)
    return [Column(reading, list(subjects), sparse) for (reading, sparse), subjects in places.items()]


def _has_room(places: Mapping[tuple[str, bool], Mapping[str, None]], place: tuple[str, bool]) -> bool:
    """A place is left for those that tell of the runs."""
    if place not in places:
        return len(places) < bounds.COLUMNS - len(RUN_READINGS)
    return len(places[place]) < bounds.SUBJECTS


def of(settings: Settings, all_watches: Iterable[Watch], version: str, offered: Offered = NOTHING) -> Inventory:
    """The wire's inventory, with its revision. WireError when it is beyond the wire's bounds."""
    listed = list(all_watches)
    signals = list(dict.fromkeys(signal for watch in listed for signal in watch.signals))
    probes = list(dict.fromkeys(watch.probe for watch in listed))
    tells_video = bool(video.path_of(signals))
    signals += [video.SIGNAL] if tells_video else []
    found = inventory.with_revision(
        Inventory(
            revision="",
            signals=signals,
            columns=columns(listed, offered),
            probes=probes,
            devices=[
                inventory.Device(device.id, device.name, device.kind, device.room, device.behind)
                for device in devices(settings)
            ],
            behind=behind(settings, signals),
            role=settings.role,
            version=version[: bounds.TEXT],
            capabilities=[*probes, *([video.PROFILE.name] if tells_video else [])],
        )
    )
    inventory.check(found)
    return found
