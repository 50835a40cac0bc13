"""What the radio hears, asked of `iw` or `nmcli`, and what it means for the school's networks."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from schoolbeat_agent.commands import output_of
from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes.path import parse_default_route
from schoolbeat_agent.probes.wifi_heard import AIR, OWN, HeardTarget
from schoolbeat_agent.probes.world import World, read_text
from schoolbeat_agent.wifi import iw_dev, iwconfig, link, netsh, nmcli, scan, survey
from schoolbeat_agent.wifi.link import Link
from schoolbeat_agent.wifi.radio import is_there, radio_lock
from schoolbeat_agent.wifi.scan import Heard
from schoolbeat_agent.wifi.ssid import is_hidden, signal_of
from schoolbeat_agent.wifi.survey import Surveyed

SCAN_SECONDS, QUICK_SECONDS = 25.0, 5.0
RADIO_SECONDS: Final = 60.0  # until the seat has done with the radio
FRESH_MS: Final = 60_000  # what was heard longer ago may be gone

# What `iw` says on its second output, and what that means; the first that stands there counts.
TROUBLES: Final[tuple[tuple[str, str, str], ...]] = (
    ("nl80211 not found", "no_radio", "this system has no Wi-Fi (nl80211)"),
    ("(-19)", "no_radio", "the interface is not there"),
    ("(-100)", "not_configured", "the radio is switched off: rfkill unblock wifi; ip link set dev {radio} up"),
    ("(-132)", "not_configured", "the radio is blocked: rfkill unblock wifi"),
    ("(-1)", "no_permission", "scanning needs CAP_NET_ADMIN; docs/probes/wifi_seat.md says how to grant it"),
    ("(-16)", "radio_busy", "the radio is busy"),
    ("Scanning not allowed immediately following previous scan", "radio_busy", "it has scanned a moment ago"),
    ("(-110)", "hung", "the radio's firmware does not answer"),
    ("(-95)", "not_configured", "this radio cannot scan in its present mode"),
)


def trouble(errors: str, radio: str) -> ProbeFailed:
    """What `iw`'s words mean."""
    for words, cause, detail in TROUBLES:
        if words in errors:
            return ProbeFailed(cause, f"wifi.radio = {radio}: {detail.format(radio=radio)}")
    return ProbeFailed("bad_answer", f"wifi.radio = {radio}: iw says {errors.strip()[:120]!r}")


def judge(heard: Sequence[Heard], surveyed: Sequence[Surveyed], ssids: Sequence[bytes]) -> Observation:
    """Of each expected network how many access points, and the best one's signal and channel; strangers as a number.

    An expected network that is not heard has networks_heard 0 and nothing else. Names of others stay here.
    """
    seen = Observation()
    busy = {channel.freq_mhz: channel.busy_percent for channel in surveyed}
    for ssid in ssids:
        subject = signal_of(ssid)
        points = [point for point in heard if point.ssid == ssid]
        seen.readings[subject, "networks_heard"] = float(len(points))
        if not points:
            seen.notes[subject] = "not heard"
            continue
        best = max(points, key=lambda point: point.signal_dbm if point.signal_dbm is not None else -999.0)
        surveyed_busy = busy.get(best.freq_mhz) if best.freq_mhz is not None else None
        values = {
            "signal_dbm": best.signal_dbm,
            "channel": best.channel,
            "channel_busy_percent": best.busy_percent if best.busy_percent is not None else surveyed_busy,
        }
        seen.readings.update({(subject, name): float(value) for name, value in values.items() if value is not None})
    strangers = [point.ssid for point in heard if point.ssid not in ssids]
    named = {ssid for ssid in strangers if not is_hidden(ssid)}
    seen.readings[AIR, "networks_strange"] = float(len(named) + sum(map(is_hidden, strangers)))
    return seen


def of_link(own: Link | None) -> Observation:
    """Readings of "host"; nothing where it hangs on no access point."""
    if own is None:
        return Observation()
    values = {"signal_dbm": own.signal_dbm, "channel": own.channel, "bitrate_bps": own.rate_bps}
    return Observation({}, {(OWN, name): float(value) for name, value in values.items() if value is not None})


async def listen(target: HeardTarget, is_own_way: bool, world: World) -> list[Heard]:
    """What was heard within the last minute. ProbeFailed when the radio tells nothing.

    A radio on which the machine's own line hangs is not sent off its channel: what it heard by itself must do.
    """
    try:
        if not is_own_way:
            out = await output_of([target.iw, "dev", target.radio, "scan"], SCAN_SECONDS)
            if out.code == 0:
                return fresh(scan.parse(out.text))
            problem = trouble(out.errors, target.radio)
            if problem.cause == "no_radio":
                raise problem
        else:
            problem = ProbeFailed("radio_busy", f"{target.radio} is this machine's own way and has not scanned lately")
        out = await output_of([target.iw, "dev", target.radio, "scan", "dump"], QUICK_SECONDS)
    except ProbeFailed as failed:
        if failed.cause != "not_installed":
            raise
        return await listen_by_nmcli(target)
    heard = fresh(scan.parse(out.text)) if out.code == 0 else []
    if not heard:
        raise problem
    return heard


def fresh(heard: Sequence[Heard]) -> list[Heard]:
    return [point for point in heard if point.age_ms is None or point.age_ms <= FRESH_MS]


async def listen_by_nmcli(target: HeardTarget) -> list[Heard]:
    """Where there is no `iw`. Old ones do not know all fields."""
    for fields in nmcli.LIST_FIELDS:
        command = [target.nmcli, "-t", "-f", ",".join(fields), "device", "wifi", "list", "ifname", target.radio]
        out = await output_of(command, SCAN_SECONDS)
        if out.code == 0:
            return nmcli.networks(out.text, fields)
    raise ProbeFailed("bad_answer", f"wifi.radio = {target.radio}: nmcli says {out.errors.strip()[:120]!r}")


async def survey_of(target: HeardTarget) -> list[Surveyed]:
    """Many drivers tell nothing; then nothing is known."""
    try:
        out = await output_of([target.iw, "dev", target.radio, "survey", "dump"], QUICK_SECONDS)
    except ProbeFailed:
        return []
    return survey.parse(out.text)


async def own_link(target: HeardTarget, interface: str, world: World) -> Link | None:
    """Of the interface of the default route, where that is a radio. Windows: of the first one that is connected."""
    if target.windows:
        return netsh.parse((await output_of([target.netsh, "wlan", "show", "interfaces"], QUICK_SECONDS)).text)
    if not interface or not (world.sys / "class" / "net" / interface / "phy80211").exists():
        return None
    try:
        return link.parse((await output_of([target.iw, "dev", interface, "link"], QUICK_SECONDS)).text)
    except ProbeFailed as failed:
        if failed.cause != "not_installed":
            raise
    try:
        return iwconfig.parse((await output_of([target.iwconfig, interface], QUICK_SECONDS)).text).get(interface)
    except ProbeFailed as failed:
        if failed.cause != "not_installed":
            raise
    signal_dbm, _ = iwconfig.levels(read_text(world.proc / "net" / "wireless") or "").get(interface, (None, None))
    return Link(signal_dbm=signal_dbm)


async def radios(target: HeardTarget) -> str:
    """For the technician: which radios there are."""
    try:
        found = iw_dev.parse((await output_of([target.iw, "dev"], QUICK_SECONDS)).text)
    except ProbeFailed:
        found = []
    return ", ".join(radio.interface for radio in found) or "none"


async def heard_by(target: HeardTarget, world: World) -> Observation:
    """Readings of the expected networks, of "wifi" (strangers) and of "host" (this machine's own link). No signals."""
    route = None if target.windows else parse_default_route(read_text(world.proc / "net" / "route") or "")
    interface = route.interface if route else ""
    seen = of_link(await own_link(target, interface, world))
    if not target.radio:
        return seen
    if not is_there(target.radio):
        there = await radios(target)
        raise ProbeFailed("no_radio", f"wifi.radio = {target.radio}: there is no such interface; radios here: {there}")
    try:
        async with asyncio.timeout(RADIO_SECONDS):
            await radio_lock(world).acquire()
    except TimeoutError as error:
        raise ProbeFailed("radio_busy", f"wifi.radio = {target.radio}: a seat is being tried with it") from error
    try:
        heard = await listen(target, target.radio == interface, world)
        found = judge(heard, await survey_of(target), target.ssids)
    finally:
        radio_lock(world).release()
    return Observation({}, seen.readings | found.readings, {}, found.notes)
