"""What SNMP tells of a kind: identity, what the tables show it does, and its way out (RFC 3418, 2863, 4188)."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.discovery.evidence import SnmpFacts
from schoolbeat_agent.discovery.visits import clean
from schoolbeat_agent.snmp import profile as profiles
from schoolbeat_agent.snmp.rows import Rows, Value
from schoolbeat_agent.snmp.session import PORT, Habits, Patience, Session, SnmpFailed, opened
from schoolbeat_agent.snmp.walk import walk

SYS_DESCR, SYS_OBJECT_ID = "1.3.6.1.2.1.1.1.0", "1.3.6.1.2.1.1.2.0"
SYS_NAME, SYS_SERVICES = "1.3.6.1.2.1.1.5.0", "1.3.6.1.2.1.1.7.0"
SYSTEM: Final = (SYS_DESCR, SYS_OBJECT_ID, SYS_NAME, SYS_SERVICES)

IP_FORWARDING = "1.3.6.1.2.1.4.1.0"
BRIDGE_PORTS = "1.3.6.1.2.1.17.1.2.0"  # dot1dBaseNumPorts
# upsIdentManufacturer, upsIdentModel, upsBatteryStatus; APC's upsBasicIdentModel, upsBasicBatteryStatus and output
# status; Phoenixtec's upsBaseIdentModel and upsSmartBaseBatteryStatus.
OF_A_UPS: Final = (
    *("1.3.6.1.2.1.33.1.1.1.0", "1.3.6.1.2.1.33.1.1.2.0", "1.3.6.1.2.1.33.1.2.1.0"),
    *("1.3.6.1.4.1.318.1.1.1.1.1.1.0", "1.3.6.1.4.1.318.1.1.1.2.1.1.0", "1.3.6.1.4.1.318.1.1.1.4.1.1.0"),
    *("1.3.6.1.4.1.935.1.1.1.1.1.1.0", "1.3.6.1.4.1.935.1.1.1.2.1.1.0"),
)
# prtGeneralSerialNumber and prtGeneralPrinterName of the first printer. (hrPrinterTable is in computers, too.)
OF_A_PRINTER: Final = ("1.3.6.1.2.1.43.5.1.1.17.1", "1.3.6.1.2.1.43.5.1.1.16.1")
# entPhysicalSerialNum and entPhysicalModelName of the chassis; the printer's; APC's and Phoenixtec's serial numbers.
SERIALS: Final = (
    *("1.3.6.1.2.1.47.1.1.1.1.11.1", "1.3.6.1.2.1.43.5.1.1.17.1"),
    *("1.3.6.1.4.1.318.1.1.1.1.2.3.0", "1.3.6.1.4.1.935.1.1.1.1.2.3.0"),
)
MODELS: Final = ("1.3.6.1.2.1.47.1.1.1.1.13.1", "1.3.6.1.2.1.33.1.1.2.0", "1.3.6.1.4.1.318.1.1.1.1.1.1.0")
OLD_DEFAULT_ROUTE = "1.3.6.1.2.1.4.21.1.2.0.0.0.0"  # ipRouteIfIndex of 0.0.0.0
SCALARS: Final = tuple(
    dict.fromkeys((IP_FORWARDING, BRIDGE_PORTS, *OF_A_UPS, *OF_A_PRINTER, *SERIALS, *MODELS, OLD_DEFAULT_ROUTE))
)

IF_DESCR, IF_TYPE, IF_NAME = "1.3.6.1.2.1.2.2.1.2", "1.3.6.1.2.1.2.2.1.3", "1.3.6.1.2.1.31.1.1.1.1"
# ipCidrRouteIfIndex and inetCidrRouteIfIndex, each of the default route with any next hop.
DEFAULT_ROUTES: Final = (
    "1.3.6.1.2.1.4.24.4.1.5.0.0.0.0.0.0.0.0",
    "1.3.6.1.2.1.4.24.7.1.7.1.4.0.0.0.0.0",
)
PORT_OF_MAC: Final = "1.3.6.1.2.1.17.4.3.1.2"  # dot1dTpFdbPort
PORT_OF_MAC_IN_VLAN_1: Final = "1.3.6.1.2.1.17.7.1.2.2.1.2.1"  # dot1qTpFdbPort
INTERFACE_OF_PORT: Final = "1.3.6.1.2.1.17.1.4.1.2"  # dot1dBasePortIfIndex
INTERFACES: Final = 300  # rows read at most
DEVICE_SECONDS: Final = 15.0
COLUMN_SECONDS: Final = 4.0
# What makers and installers call the port towards the ISP, where no route tells: likeliest first.
WAN_NAMES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"pppoe[-_ ]?(?:out|wan)?\d*",
        r"ppp\d+",
        r"dialer\d*",
        r"wan[-_ ]?\d*",
        r"ether1(?:-.*)?",
        r"internet",
    )
)


def text(value: Value | None) -> str:
    return clean(value) if isinstance(value, bytes | str) else ""


def number(value: Value | None) -> int | None:
    return value if type(value) is int else None


def first(rows: Rows, oids: Sequence[str]) -> str:
    return next((said for oid in oids if (said := text(rows.get(oid)))), "")


def by_index(rows: Rows, column: str) -> dict[int, Value]:
    """Index -> value of one column."""
    prefix = column + "."
    return {
        int(oid[len(prefix) :]): value
        for oid, value in rows.items()
        if oid.startswith(prefix) and oid[len(prefix) :].isdigit()
    }


def names(rows: Rows) -> dict[int, str]:
    """ifIndex -> ifName, or ifDescr where the device has no names: what settings call an interface."""
    return {
        index: said
        for column in (IF_DESCR, IF_NAME)
        for index, value in by_index(rows, column).items()
        if (said := text(value))
    }


def way_out(rows: Rows) -> str:
    """The interface of the default route; where no route is told, the one that is called like it."""
    called = names(rows)
    for prefix in DEFAULT_ROUTES:
        for oid, value in rows.items():
            if oid.startswith(prefix + ".") and type(value) is int and called.get(value):
                return called[value]
    old = number(rows.get(OLD_DEFAULT_ROUTE))
    if old is not None and called.get(old):
        return called[old]
    return next((name for pattern in WAN_NAMES for name in called.values() if pattern.fullmatch(name)), "")


def facts(rows: Rows, credential: str) -> SnmpFacts:
    """Of everything that was asked. Profiles must be confirmed by what they ask for themselves."""
    descr, object_id = text(rows.get(SYS_DESCR)), text(rows.get(SYS_OBJECT_ID)).lstrip(".")
    families = profiles.confirmed(profiles.matching(object_id, descr), rows)
    telling = next((family for family in families if family.kind), families[0] if families else None)
    forwarding = number(rows.get(IP_FORWARDING))
    return SnmpFacts(
        credential=credential,
        descr=descr,
        object_id=object_id,
        name=text(rows.get(SYS_NAME)),
        services=number(rows.get(SYS_SERVICES)),
        forwards=None if forwarding is None else forwarding == 1,
        bridge_ports=number(rows.get(BRIDGE_PORTS)),
        is_ups=any(oid in rows for oid in OF_A_UPS),
        is_printer=any(oid in rows for oid in OF_A_PRINTER),
        interface_types=frozenset(value for value in by_index(rows, IF_TYPE).values() if type(value) is int),
        kind=profiles.kind(families, rows),
        family=telling.title if telling else "",
        model=profiles.model(families, rows) or first(rows, MODELS),
        serial=first(rows, SERIALS),
        wan=way_out(rows),
    )


async def ask(session: Session, seconds: float) -> dict[str, Value]:
    """Everything that `facts` reads. SnmpFailed where it does not answer; what fails later is not known."""
    rows = await session.get(SYSTEM)
    families = profiles.matching(text(rows.get(SYS_OBJECT_ID)).lstrip("."), text(rows.get(SYS_DESCR)))
    of_profiles = [oid for family in families for oid in (family.present, *family.identity) if oid]
    with contextlib.suppress(SnmpFailed):
        rows |= await session.get((*SCALARS, *of_profiles))
    for column in (IF_TYPE, IF_NAME, IF_DESCR, *DEFAULT_ROUTES):
        deadline = time.monotonic() + min(seconds, session.left_seconds())
        with contextlib.suppress(SnmpFailed):
            rows |= await walk(session, column, rows_most=INTERFACES, deadline=deadline)
    return rows


async def port_towards(session: Session, mac: str, rows: Rows) -> str:
    """The switch's port behind which a MAC is: its uplink, if that MAC is the router's. Empty: it does not tell."""
    tail = ".".join(str(byte) for byte in bytes.fromhex(mac.replace(":", "")))
    asked = (f"{PORT_OF_MAC}.{tail}", f"{PORT_OF_MAC_IN_VLAN_1}.{tail}")
    try:
        told = await session.get(asked)
        port = next((value for oid in asked if (value := number(told.get(oid)))), None)
        if not port:
            return ""
        oid = f"{INTERFACE_OF_PORT}.{port}"
        index = number((await session.get((oid,))).get(oid))
    except SnmpFailed:
        return ""
    return names(rows).get(index or port, "")


async def told_by(
    address: str, credentials: Iterable[Credential], router_mac: str, *, port: int = PORT
) -> SnmpFacts | None:
    """With the first of the credentials that it answers; None where it answers none. A quarter of a minute at most."""
    for credential in credentials:
        patience = Patience(time.monotonic() + DEVICE_SECONDS, timeout_seconds=1.0, tries=2)
        try:
            session = await opened(address, credential, Habits(), patience, port=port)
            rows = await ask(session, COLUMN_SECONDS)
        except SnmpFailed as failed:
            if failed.cause in ("refused", "unreachable"):
                return None
            continue
        found = facts(rows, credential.name)
        if router_mac and (found.bridge_ports or 0) >= 2:
            return replace(found, uplink=await port_towards(session, router_mac, rows))
        return found
    return None


def usable(credentials: Mapping[str, Credential]) -> list[Credential]:
    """Those that are for SNMP: with a community, or a user of v3."""
    return [one for one in credentials.values() if (one.username if one.version == "3" else one.community)]
