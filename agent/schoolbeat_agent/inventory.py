"""What the agent watches: each probe with its targets, and the inventory that names a report's positions."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from schoolbeat_agent.probes.dns import DnsTarget, Resolver
from schoolbeat_agent.probes.host import HostTarget
from schoolbeat_agent.probes.http import HttpTarget
from schoolbeat_agent.probes.icmp import IcmpTarget
from schoolbeat_agent.probes.internet import InternetTarget
from schoolbeat_agent.probes.path import PathTarget
from schoolbeat_agent.probes.tcp import TcpTarget
from schoolbeat_agent.settings import Device, Settings
from schoolbeat_wire import bounds, inventory
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
RUN_READINGS = ("run_count", "run_failures", "run_seconds")


@dataclass(frozen=True, eq=False)
class Watch:
    """A probe, one target of it, and what its runs may speak of. Each is itself and no other: a key of dicts."""

    probe: str
    target: object
    signals: tuple[str, ...]
    readings: tuple[tuple[str, str], ...]  # (subject, reading)

    @property
    def name(self) -> str:
        """For the log: the probe and what it looks at."""
        return f"{self.probe} {self.signals[0]}" if len(self.signals) == 1 else self.probe


def watches(settings: Settings) -> list[Watch]:
    """Everything that is asked each round."""
    resolvers = tuple(Resolver(*pair) for pair in settings.resolvers)
    out = [
        Watch("host", HostTarget(disk_path=_existing(settings.folder)), (), _of("host", *HOST_READINGS)),
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
    return out + [_device(device) for device in settings.devices]


def _existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists already: it lies on the same disk."""
    return next((above for above in (folder, *folder.parents) if above.exists()), folder)


def _of(subject: str, *readings: str) -> tuple[tuple[str, str], ...]:
    return tuple((subject, reading) for reading in readings)


def _path(settings: Settings) -> Watch:
    target = PathTarget(settings.domestic, settings.international, settings.router or None, settings.isp_ttl)
    there = {
        "lan.router": True,
        "line.isp": bool(settings.domestic or settings.international),
        "line.domestic": bool(settings.domestic),
        "line.international": bool(settings.international),
    }
    rungs = tuple(rung for rung in RUNGS if there[rung])
    return Watch("path", target, rungs, tuple(pair for rung in rungs for pair in _of(rung, "rtt_ms", "loss_percent")))


def _device(device: Device) -> Watch:
    signal = f"device.{device.id}"
    if device.port:
        return Watch("tcp", TcpTarget(device.id, device.address, device.port), (signal,), _of(signal, "connect_ms"))
    return Watch("icmp", IcmpTarget(device.id, device.address), (signal,), _of(signal, "rtt_ms"))


def behind(settings: Settings, signals: Iterable[str]) -> dict[str, str]:
    """signal -> the one it is seen through: the ladder, services beyond all of it, devices behind what they hang on."""
    there = list(signals)
    rungs = [rung for rung in RUNGS if rung in there]
    out = {upper: lower for lower, upper in pairwise(rungs)}
    out |= {signal: rungs[-1] for signal in there if signal.startswith("service.")}
    for device in settings.devices:
        out[f"device.{device.id}"] = device.behind
    return out


def of(settings: Settings, all_watches: Iterable[Watch], version: str) -> Inventory:
    """The wire's inventory, with its revision. WireError when it is beyond the wire's bounds."""
    listed = list(all_watches)
    signals = [signal for watch in listed for signal in watch.signals]
    columns: dict[str, list[str]] = {}
    for watch in listed:
        for subject, reading in watch.readings:
            columns.setdefault(reading, []).append(subject)
    probes = list(dict.fromkeys(watch.probe for watch in listed))
    for reading in RUN_READINGS:
        columns[reading] = [f"probe.{probe}" for probe in probes]
    found = inventory.with_revision(
        Inventory(
            revision="",
            signals=signals,
            columns=[Column(reading, subjects) for reading, subjects in columns.items()],
            probes=probes,
            devices=[
                inventory.Device(device.id, device.name, device.kind, device.room, device.behind)
                for device in settings.devices
            ],
            behind=behind(settings, signals),
            role=settings.role,
            version=version[: bounds.TEXT],
            capabilities=probes,
        )
    )
    inventory.check(found)
    return found
