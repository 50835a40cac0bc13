"""What this machine's radio hears: the school's networks, their channels, how many strangers; and its own link."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.observation import Observation
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch, of

AIR: Final = "wifi"  # subject of what belongs to no single network
OWN: Final = "host"  # subject of the link that this machine itself hangs on
EVERY_SECONDS: Final = 300
TIMEOUT_SECONDS: Final = 110.0


@dataclass(frozen=True)
class HeardTarget:
    """radio: to listen with; empty: only the machine's own link is looked at. ssids: those that should be heard."""

    radio: str = ""
    ssids: tuple[bytes, ...] = ()
    iw: str = "iw"
    iwconfig: str = "iwconfig"
    nmcli: str = "nmcli"
    netsh: str = "netsh"
    windows: bool = sys.platform == "win32"


def watches(settings: Settings) -> list[Watch]:
    """Where a radio is named, and on every computer of a classroom: it may hang on Wi-Fi itself."""
    wifi = settings.wifi
    if not wifi.radio and settings.role != "classroom":
        return []
    from schoolbeat_agent.wifi.ssid import signal_of  # only where there is Wi-Fi

    ssids = tuple(dict.fromkeys(ssid.encode() for ssid in (*wifi.ssids, *wifi.seats))) if wifi.radio else ()
    readings = of(AIR, "networks_strange") if wifi.radio else ()
    for ssid in ssids:
        readings += of(signal_of(ssid), "signal_dbm", "channel", "networks_heard", "channel_busy_percent")
    target = HeardTarget(wifi.radio, ssids)
    return [Watch("wifi_heard", target, (), readings, EVERY_SECONDS, TIMEOUT_SECONDS, learns=True, about=OWN)]


async def probe(target: HeardTarget, world: World) -> Observation:
    """Readings of the expected networks, of "wifi" (strangers) and of "host" (this machine's own link). No signals."""
    from schoolbeat_agent.wifi import hearing

    return await hearing.heard_by(target, world)
