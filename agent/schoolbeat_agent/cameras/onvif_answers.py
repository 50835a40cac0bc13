"""What the answers of ONVIF's operations mean; pure."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Final

from schoolbeat_agent.cameras.soap import Node
from schoolbeat_wire import bounds

MEDIA: Final = "http://www.onvif.org/ver10/media/wsdl"
RECORDING: Final = "http://www.onvif.org/ver10/recording/wsdl"
_CAPABILITIES: Final = {"Media": MEDIA, "Recording": RECORDING}
LAST_CLOCK_UNIX: Final = 5_364_662_400.0  # 2140: within what the catalogue allows of an offset


@dataclass(frozen=True)
class Information:
    """Who made it. The serial number stays on this machine."""

    vendor: str
    model: str
    firmware: str
    serial: str = field(repr=False)


@dataclass(frozen=True)
class Profile:
    """A stream that it offers."""

    token: str
    source: str  # of the picture: one for each lens or channel
    has_video: bool


def clock_of(answer: Node) -> float | None:
    """Seconds since 1970 UTC by the camera's clock; None where it does not say or says no time that exists."""
    told = answer.at("SystemDateAndTime", "UTCDateTime")
    if told is None:
        return None
    try:
        year, month, day = (int(told.text_at("Date", part)) for part in ("Year", "Month", "Day"))
        hour, minute, second = (int(told.text_at("Time", part)) for part in ("Hour", "Minute", "Second"))
        unix = datetime(year, month, day, hour, minute, min(second, 59), tzinfo=UTC).timestamp()
    except (ValueError, OverflowError):
        return None
    return unix if 0 <= unix <= LAST_CLOCK_UNIX else None


def information_of(answer: Node) -> Information:
    def told(name: str) -> str:
        return bounds.CONTROL.sub("", answer.text_at(name))[:64]

    return Information(told("Manufacturer"), told("Model"), told("FirmwareVersion"), told("SerialNumber"))


def services_of(answer: Node) -> dict[str, str]:
    """Namespace -> address, from GetServices or GetCapabilities."""
    out = {service.text_at("Namespace"): service.text_at("XAddr") for service in answer.every("Service")[:64]}
    for node in answer.within("Capabilities"):
        for name, namespace in _CAPABILITIES.items():
            if address := node.text_at(name, "XAddr") or node.text_at("Extension", name, "XAddr"):
                out.setdefault(namespace, address)
    return {namespace: address for namespace, address in out.items() if address}


def profiles_of(answer: Node) -> list[Profile]:
    """Of Media and of Media2, whose configurations stand one level deeper."""
    out = []
    for node in answer.every("Profiles")[:256]:
        video = node.at("VideoEncoderConfiguration") or node.at("Configurations", "VideoEncoder")
        source = node.text_at("VideoSourceConfiguration", "SourceToken")
        source = source or node.text_at("Configurations", "VideoSource", "SourceToken")
        if token := node.attributes.get("token", ""):
            out.append(Profile(token, source, video is not None))
    return out


def is_recording(states: Sequence[str]) -> bool | None:
    """From the states of its recording jobs (ONVIF Recording, 5.21); None where it has none."""
    return any(state in ("Active", "PartiallyActive") for state in states) if states else None


_BUILT: Final = (
    re.compile(r"(?<!\d)(20[0-3]\d)[-/.]?([01]\d)[-/.]?([0-3]\d)(?!\d)"),
    re.compile(r"build\s*[:_-]?\s*([0-3]\d)([01]\d)([0-3]\d)(?!\d)", re.IGNORECASE),  # Hikvision: "build 210628"
)


def built_on(firmware: str) -> date | None:
    """The date that a firmware's version states in a clear form; None where there is none, or more than one."""
    found = set()
    for pattern in _BUILT:
        for year, month, day in pattern.findall(firmware):
            with contextlib.suppress(ValueError):
                found.add(date(int(year) + (2000 if len(year) == 2 else 0), int(month), int(day)))
    return found.pop() if len(found) == 1 else None
