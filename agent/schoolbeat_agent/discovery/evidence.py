"""What was seen of one address, before anybody judges it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schoolbeat_agent.cameras.discovery import Identity


@dataclass(frozen=True)
class WebPage:
    """The beginning of what a web server sends to a visitor."""

    port: int
    status: int = 0
    server: str = ""  # of the Server header
    realm: str = ""  # of WWW-Authenticate
    title: str = ""
    location: str = ""
    hints: tuple[str, ...] = ()  # vendors' words found in the page


@dataclass(frozen=True)
class SnmpFacts:
    """What the device told by SNMP. services, bridge_ports, forwards: None where it does not tell."""

    credential: str
    descr: str = ""
    object_id: str = ""
    name: str = ""
    services: int | None = None  # SNMPv2-MIB sysServices
    forwards: bool | None = None  # IP-MIB ipForwarding
    bridge_ports: int | None = None  # BRIDGE-MIB dot1dBaseNumPorts
    is_ups: bool = False  # UPS-MIB, or a maker's own tree, answers
    is_printer: bool = False  # Printer-MIB answers
    interface_types: frozenset[int] = frozenset()  # IANAifType
    kind: str = ""  # what the profile of its family says, where the family is of one kind
    family: str = ""  # that profile's title
    model: str = ""
    serial: str = ""
    wan: str = ""  # the interface of its default route
    uplink: str = ""  # the interface behind which its own router is


@dataclass(frozen=True)
class OnvifFacts:
    """Of a WS-Discovery ProbeMatch (ONVIF Core, 7.3): types without their prefix, scopes' values by their name."""

    types: tuple[str, ...] = ()
    name: str = ""
    hardware: str = ""
    scope_types: tuple[str, ...] = ()
    port: int = 80
    mac: str = ""


@dataclass(frozen=True)
class PjlinkFacts:
    """Of the search (class 2), or of the greeting on TCP 4352. secured: it wants a password."""

    greeted: bool = False
    secured: bool = False
    name: str = ""
    vendor: str = ""
    model: str = ""
    mac: str = ""
    class_: str = ""


@dataclass(frozen=True)
class Evidence:
    """All of it; an empty field was not seen, which proves nothing."""

    address: str
    mac: str = ""
    vendor: str = ""  # of the MAC's first three bytes
    random_mac: bool = False
    is_default_router: bool = False
    is_dhcp_server: bool = False
    answers_icmp: bool = False
    ports: frozenset[int] = frozenset()
    pages: tuple[WebPage, ...] = ()
    rtsp_server: str = ""
    rtsp_realm: str = ""
    banners: tuple[str, ...] = ()  # what SSH or telnet say first
    snmp: SnmpFacts | None = None
    onvif: OnvifFacts | None = None
    video: Identity | None = None  # asked without a password
    pjlink: PjlinkFacts | None = None
    display: str = ""  # the family whose question it answered; see displays/
    mdns: tuple[str, ...] = ()  # service types, "_ipp._tcp"
    mdns_model: str = ""
    ssdp: tuple[str, ...] = ()  # device types and SERVER lines
    netbios: bool = False
