"""The server's configuration on the agent's disk: checked, kept whole, laid over agent.toml."""

from __future__ import annotations

import logging
import os
from dataclasses import replace
from pathlib import Path
from typing import Final

from schoolbeat_agent import settings_keys
from schoolbeat_agent.disk import sync_folder
from schoolbeat_agent.settings import Device, Lessons, Service, Settings, effective_keepalive
from schoolbeat_wire import messages
from schoolbeat_wire.errors import WireError
from schoolbeat_wire.messages import Config, WatchedDevice

log = logging.getLogger(__name__)

OUR_OWN: Final = ("port", "ask", "credential", "snmp", "profile", "stream", "interfaces")


def check(config: Config) -> None:
    """WireError names the first thing that this agent cannot watch."""
    for device in config.devices:
        try:
            settings_keys.address(device.address)
            settings_keys.behind(device.behind)
        except ValueError:
            raise WireError(
                "config",
                f"device {device.id}: address {device.address[:60]!r}, behind {device.behind[:60]!r}: "
                "an IP address and a signal of the catalogue are needed",
            ) from None
    for service in config.services:
        try:
            settings_keys.url(service.url)
        except ValueError:
            raise WireError("config", f"service {service.id}: {service.url[:60]!r} is not an http(s) URL") from None


def load(file: Path) -> Config | None:
    """What was saved; None if there is nothing that can be used. A damaged file never stops the start."""
    try:
        config = messages.decode_config(file.read_bytes())
        check(config)
    except FileNotFoundError:
        return None
    except (OSError, WireError) as error:
        log.warning(
            "%s cannot be used (%s): the agent works by agent.toml until the server sends it again", file, error
        )
        return None
    return config


def save(file: Path, config: Config) -> None:
    """Whole or not at all, also over a power cut. OSError when the disk takes nothing."""
    new = file.with_name(file.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as out:
        out.write(messages.encode(config))
        out.flush()
        os.fsync(out.fileno())
    new.replace(file)
    sync_folder(file.parent)


def _device(watched: WatchedDevice, ours: Device | None) -> Device:
    """The server's word of a device. How it is asked stays the site's own where the server says nothing of it."""
    told = {name: getattr(watched, name) for name in WatchedDevice.__struct_fields__}
    told["interfaces"] = tuple(watched.interfaces)
    if ours is not None:
        told |= {name: getattr(ours, name) for name in OUR_OWN if not told[name]}
    return Device(**told)


def laid_over(settings: Settings, config: Config | None) -> Settings:
    """agent.toml is the ground: the server adds devices and services to it, and words its own anew by id."""
    if config is None:
        return settings
    devices = {device.id: device for device in settings.devices}
    for watched in config.devices:
        devices[watched.id] = _device(watched, devices.get(watched.id))
    services = {service.id: service for service in settings.services}
    services |= {watched.id: Service(watched.id, watched.url) for watched in config.services}
    keepalive = effective_keepalive(settings, config.keepalive)
    lessons, traffic = settings.lessons, settings.traffic
    return replace(
        settings,
        lessons=Lessons(
            tuple((lesson.weekday, lesson.first, lesson.end) for lesson in config.lessons) or lessons.week,
            tuple(config.exam_days) or lessons.exam_days,
        ),
        traffic=replace(
            traffic,
            contract_down_bps=config.contract_down_bps or traffic.contract_down_bps,
            contract_up_bps=config.contract_up_bps or traffic.contract_up_bps,
        ),
        report_minutes=config.report_minutes,
        broker=replace(settings.broker, keepalive=keepalive),
        devices=tuple(devices.values()),
        services=tuple(services.values()),
    )
