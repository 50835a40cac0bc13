"""Finds the devices of networks that a technician confirmed: who is there, what each says of itself, what it is."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network
from typing import Any, Final, TypeVar

from schoolbeat_agent.cameras import discovery as cameras
from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery import asking, lans, leases, neighbours, netbios, oui, snmp_facts, visits
from schoolbeat_agent.discovery.differences import Differences, differences, with_registered_ids
from schoolbeat_agent.discovery.evidence import Evidence, PjlinkFacts
from schoolbeat_agent.discovery.found import Found, device_id
from schoolbeat_agent.discovery.hearing import Heard, hear, onvif_facts
from schoolbeat_agent.discovery.identify import identify
from schoolbeat_agent.discovery.lans import LARGEST, Lan
from schoolbeat_agent.discovery.sweep import Swept, sweep, table
from schoolbeat_agent.displays import conversation, pjlink
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.world import World, read_text
from schoolbeat_agent.settings import Device
from schoolbeat_agent.texts import Text
from schoolbeat_wire import catalogue

__all__ = ["Differences", "Found", "Lan", "Progress", "differences", "discover"]

log = logging.getLogger(__name__)
T = TypeVar("T")

HOSTS_AT_ONCE: Final = 24
WEB_PORTS: Final = (*visits.WEB, *visits.TLS)
QUESTION_SECONDS: Final = 18.0  # of one kind to one device
CONNECTIONS_AT_ONCE: Final = 64
FORGETTING_SECONDS: Final = 9.0  # after 5 s the kernel asks again, three times (delay_first_probe_time, ucast_solicit)
# People name their own machines after themselves: such names stay where they are.
NAMED: Final = frozenset(catalogue.DEVICE_KINDS) - {"computer", "server", "sensor", "phone", "other"}
SWEEPING = Text("tìm địa chỉ có máy", "looking for addresses in use")
ASKING = Text("hỏi từng thiết bị", "asking each device")


@dataclass(frozen=True)
class Progress:
    """How far it is: `done` of `all` addresses swept, or of devices asked; found: devices that are there so far."""

    step: Text
    done: int
    all: int
    found: int = 0


def tell_nobody(progress: Progress) -> None:
    """Nobody watches."""


async def discover(
    networks: Sequence[IPv4Network],
    world: World,
    *,
    site_key: bytes,
    credentials: Mapping[str, Credential],
    known: Sequence[Device] = (),
    progress: Callable[[Progress], None] = tell_nobody,
) -> list[Found]:
    """Every device that answers, by address, with a guess of its kind. Takes well under a minute for a /24.

    credentials: entries of secrets.toml; each with a community, or with SNMP v3 keys, is tried by SNMP. Passwords are
    never tried on cameras or displays. known: what the inventory has; the register's ids stay by address.
    ValueError: a network is larger than a /22.
    """
    for network in networks:
        if network.prefixlen < LARGEST:
            raise ValueError(f"{network} is larger than a /{LARGEST}")
    own = lans.own_addresses()
    asking_from = [address for address in own if any(IPv4Address(address) in network for network in networks)]

    def swept_so_far(done: int, every: int, found: int) -> None:
        progress(Progress(SWEEPING, done, every, found))

    sweeping = asyncio.create_task(sweep(networks, world, own, swept_so_far))
    heard = await hear(asking_from, networks, world)
    swept = await sweeping
    every = await _judged(networks, swept, heard, world, site_key, credentials, own, progress)
    if any(map(is_silent, every)):
        await asyncio.sleep(max(0.0, swept.until + FORGETTING_SECONDS - world.monotonic()))
    still_there = table(world.proc)
    found = [
        found_of(evidence, site_key) for evidence in every if not is_silent(evidence) or evidence.address in still_there
    ]
    return with_registered_ids(known, found)


def is_silent(evidence: Evidence) -> bool:
    """Only the neighbour table knows it. That keeps whom it heard a minute ago, and long after whom it need not ask."""
    nothing = Evidence(
        evidence.address,
        evidence.mac,
        evidence.vendor,
        evidence.random_mac,
        evidence.is_default_router,
        evidence.is_dhcp_server,
    )
    return evidence == nothing


async def _judged(
    networks: Sequence[IPv4Network],
    swept: Swept,
    heard: Heard,
    world: World,
    site_key: bytes,
    credentials: Mapping[str, Credential],
    own: Iterable[str],
    progress: Callable[[Progress], None],
) -> list[Evidence]:
    router = lans.parse_default_route(read_text(world.proc / "net/route") or "")[1]
    there = devices(swept, heard, networks, own, router)
    makers, netbios_there, dhcp = (
        oui.makers(swept.macs[address] for address in there if address in swept.macs),
        await netbios.answering(there),
        leases.dhcp_servers(),
    )
    others_macs = neighbours.speaks_for_others(swept.macs)
    hosts, sockets = asyncio.Semaphore(HOSTS_AT_ONCE), asyncio.Semaphore(CONNECTIONS_AT_ONCE)
    done = 0

    async def one(address: str) -> Evidence:
        nonlocal done
        mac = swept.macs.get(address, "")
        async with hosts:
            evidence = await _ask(
                Evidence(
                    address=address,
                    answers_icmp=address in swept.answered,
                    mac="" if mac in others_macs else mac,
                    vendor=makers.get(mac, ""),
                    random_mac=neighbours.is_random(mac),
                    is_default_router=address == router,
                    is_dhcp_server=address in dhcp,
                    netbios=address in netbios_there,
                    ssdp=heard.ssdp.get(address, ()),
                    mdns=heard.mdns[address].services if address in heard.mdns else (),
                    mdns_model=heard.mdns[address].model if address in heard.mdns else "",
                    onvif=onvif_facts(heard.onvif[address]) if address in heard.onvif else None,
                ),
                heard,
                world,
                snmp_facts.usable(credentials),
                swept.macs.get(router, ""),
                sockets,
            )
        done += 1
        progress(Progress(ASKING, done, len(there), len(there)))
        return evidence

    return list(await asyncio.gather(*map(one, there)))


def devices(swept: Swept, heard: Heard, networks: Iterable[IPv4Network], own: Iterable[str], router: str) -> list[str]:
    """One address of each device of the networks: of several with one MAC the router's, then one that answered."""
    inside = list(networks)
    left_out, others_macs = set(own), neighbours.speaks_for_others(swept.macs)
    every = {*swept.there, *heard.mdns, *heard.ssdp, *heard.pjlink, *heard.onvif} - left_out
    taken: set[str] = set()
    out = []
    for address in sorted(every, key=lambda one: (one != router, one not in swept.answered, IPv4Address(one))):
        if not any(IPv4Address(address) in network for network in inside):
            continue
        mac = swept.macs.get(address, "")
        if mac in others_macs and address not in swept.answered:
            continue
        if mac and mac not in others_macs:
            if mac in taken:
                continue
            taken.add(mac)
        out.append(address)
    return sorted(out, key=IPv4Address)


async def _ask(
    evidence: Evidence,
    heard: Heard,
    world: World,
    credentials: Sequence[Credential],
    router_mac: str,
    sockets: asyncio.Semaphore,
) -> Evidence:
    """Everything that is asked of one device alone."""
    address = evidence.address
    ports, snmp = await asyncio.gather(
        _or(frozenset[int](), visits.open_ports(address, world, sockets)),
        _or(None, snmp_facts.told_by(address, credentials, router_mac)),
    )
    hello, speaks_rtsp = heard.onvif.get(address), visits.RTSP in ports
    nobody: tuple[str, str] = ("", "")
    video, beamer, display, (server, realm), said, pages = await asyncio.gather(
        _or(None, cameras.identify(address, (), world, hello) if hello or speaks_rtsp else None),
        _or(None, _pjlink(address, ports, heard, world)),
        _or("", _display(address, ports, world)),
        _or(nobody, visits.rtsp(address) if speaks_rtsp else None),
        _or("", visits.banner(address) if visits.SSH in ports else None),
        asyncio.gather(*(_or(None, visits.web_page(address, port)) for port in WEB_PORTS if port in ports)),
    )
    return replace(
        evidence,
        ports=ports,
        snmp=snmp,
        pages=tuple(page for page in pages if page),
        rtsp_server=server,
        rtsp_realm=realm,
        banners=(said,) if said else (),
        video=video,
        pjlink=beamer,
        display=display,
    )


async def _or(otherwise: T, question: Coroutine[Any, Any, T] | None) -> T:
    """One device's silence or nonsense must not end the search for all others. None: it is not asked."""
    if question is None:
        return otherwise
    try:
        async with asyncio.timeout(QUESTION_SECONDS):
            return await question
    except Exception as error:
        log.debug("a question was not answered: %s", type(error).__name__)
        return otherwise


async def _display(address: str, ports: frozenset[int], world: World) -> str:
    """The first family whose questions (they change nothing) it answers; empty where it answers none."""
    for port, family in asking.DISPLAYS.items():
        if port in ports and await conversation.speaks(family, address, port, world) is not None:
            return family
    return ""


async def _pjlink(address: str, ports: frozenset[int], heard: Heard, world: World) -> PjlinkFacts | None:
    mac = heard.pjlink.get(address, "")
    told = None
    if pjlink.PORT in ports:
        with contextlib.suppress(ProbeFailed):
            told = await pjlink.identify(address, pjlink.PORT, "", world)
    if told is None:
        return PjlinkFacts(mac=mac) if mac else None
    return PjlinkFacts(True, told.wants_password, told.name, told.manufacturer, told.model, mac, str(told.pjlink_class))


def identity_of(evidence: Evidence) -> str:
    """What stays the same wherever the device is found: its MAC; behind a router what it says of itself."""
    onvif, video, beamer = evidence.onvif, evidence.video, evidence.pjlink
    macs = (evidence.mac, beamer.mac if beamer else "", onvif.mac if onvif else "", video.mac if video else "")
    if mac := next((mac for mac in macs if mac), ""):
        return f"mac {mac}"
    serials = (evidence.snmp.serial if evidence.snmp else "", video.serial if video else "")
    if serial := next((serial for serial in serials if serial), ""):
        return f"serial {serial}"
    return f"address {evidence.address}"


def found_of(evidence: Evidence, site_key: bytes) -> Found:
    """The guess, and how it will be asked."""
    guess, identity = identify(evidence), identity_of(evidence)
    how = asking.how(guess.kind, evidence)
    name, vendor, model = _called(evidence)
    return Found(
        id=device_id(site_key, identity),
        address=evidence.address,
        identity=identity,
        kind=guess.kind,
        confidence=guess.confidence,
        reasons=guess.reasons,
        name=name if guess.kind in NAMED else "",
        vendor=vendor,
        model=model,
        ask=how.ask,
        port=how.port,
        profile=how.profile,
        stream=how.stream,
        snmp=evidence.snmp.credential if evidence.snmp else "",
        interfaces=how.interfaces,
    )


def _called(evidence: Evidence) -> tuple[str, str, str]:
    """Name, vendor and model as the device tells them; what it tells first counts."""
    snmp, onvif, beamer, video = evidence.snmp, evidence.onvif, evidence.pjlink, evidence.video
    names = (snmp.name if snmp else "", beamer.name if beamer else "", onvif.name if onvif else "")
    vendors = (
        *(beamer.vendor if beamer else "", video.vendor if video else "", evidence.vendor),
        snmp.family if snmp else "",
    )
    models = (
        *(snmp.model if snmp else "", beamer.model if beamer else "", onvif.hardware if onvif else ""),
        *(video.model if video else "", evidence.mdns_model),
    )
    name, vendor, model = (next((one for one in said if one), "") for said in (names, vendors, models))
    return name, vendor, model
