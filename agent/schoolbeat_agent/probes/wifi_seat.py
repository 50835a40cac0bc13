"""Could a pupil's seat use the school's Wi-Fi? A second radio joins, gets an address, a name, a page, and leaves."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.observation import Observation
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.settings import Settings
from schoolbeat_agent.watch import Watch, of

READINGS: Final = ("join_ms", "dhcp_ms", "dns_ms", "rtt_ms", "http_ms", "signal_dbm")
TICK_SECONDS: Final = 90  # how often it is looked whether it is the seat's turn
TIMEOUT_SECONDS: Final = 150.0
JOIN_SECONDS, LEASE_SECONDS, IW_SECONDS = 30.0, 12.0, 5.0


@dataclass(frozen=True)
class SeatTarget:
    """One network, joined with one radio. credential: the entry of secrets.toml; `password` is from it."""

    radio: str
    ssid: str
    url: str
    every_seconds: float = 900
    password: str = field(default="", repr=False)
    problem: str = ""  # why this cannot be asked, found in the settings
    nmcli: str = "nmcli"
    wpa_supplicant: str = "wpa_supplicant"
    driver: str = "nl80211"  # of wpa_supplicant
    iw: str = "iw"
    join_seconds: float = JOIN_SECONDS
    lease_seconds: float = LEASE_SECONDS
    windows: bool = sys.platform == "win32"


def watches(settings: Settings) -> list[Watch]:
    """One of each network that is tried."""
    wifi = settings.wifi
    if not wifi.seats:
        return []
    from schoolbeat_agent.wifi.ssid import signal_of  # only where there is Wi-Fi

    credential = settings.credential(wifi.credential)
    problem = ""
    if not wifi.radio:
        problem = "wifi.seats needs wifi.radio: the name of a second Wi-Fi interface"
    elif wifi.credential and credential is None:
        problem = f"wifi.credential = {wifi.credential!r}: secrets.toml has no such entry"
    elif credential is not None and credential.username:
        problem = "networks with user names (802.1X) are not tried; give a credential with a password only"
    password = credential.password if credential else ""
    out = []
    for ssid in wifi.seats:
        signal = signal_of(ssid.encode())
        target = SeatTarget(wifi.radio, ssid, wifi.url, wifi.seat_minutes * 60, password, problem)
        out.append(
            Watch("wifi_seat", target, (signal,), of(signal, *READINGS), TICK_SECONDS, TIMEOUT_SECONDS),
        )
    return out


async def probe(target: SeatTarget, world: World) -> Observation:
    """wifi.<ssid> when it is its turn; else nothing, or again why it cannot be tried. ProbeFailed."""
    from schoolbeat_agent.wifi import sitting

    return await sitting.seen_from(target, world)
