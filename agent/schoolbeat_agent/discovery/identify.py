"""What kind of device it is, judged from the evidence: a guess with its confidence and reasons; pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.discovery import signs
from schoolbeat_agent.discovery.evidence import Evidence, SnmpFacts
from schoolbeat_agent.texts import Text
from schoolbeat_wire import catalogue

ENOUGH: Final = 50  # under this a kind is not named
AHEAD: Final = 15  # so much more than the next kind, or it is not named either
MOST: Final = 97  # nothing is certain that no person has confirmed
UNNAMED: Final = 40  # confidence in "other" is never more
TOLD: Final = 4  # reasons
SHOWN: Final = 60  # letters of what a device said
IEEE80211: Final = 71  # IANAifType
PORTS_OF_A_SWITCH: Final = 5
PORTS_ONLY_A_SWITCH_HAS: Final = 16
ROUTES: Final = 0x04  # sysServices (SNMPv2-MIB): layer 3, "internet"


@dataclass(frozen=True)
class Clue:
    """One reason to think that it is of a kind. Clues of one source are one reason: only the best of them counts."""

    kind: str
    percent: int
    source: str
    reason: Text


@dataclass(frozen=True)
class Guess:
    """kind: of catalogue.DEVICE_KINDS; "other" where the evidence is thin."""

    kind: str
    confidence: int
    reasons: tuple[Text, ...]


def reason(vi: str, en: str, **names: object) -> Text:
    """A finished sentence: what devices say may contain braces."""
    shown = {name: str(value)[:SHOWN] for name, value in names.items()}
    return Text(*(said.format(**shown).replace("{", "{{").replace("}", "}}") for said in (vi, en)))


def identify(evidence: Evidence) -> Guess:
    """The likeliest kind where it is likely enough and well ahead of the next; else "other"."""
    every = clues(evidence)
    chances = _chances(every)
    if not chances:
        return Guess("other", 5, (reason("có trả lời, không nói gì thêm", "it answers and says nothing more"),))
    (kind, best), *others = sorted(chances.items(), key=lambda pair: -pair[1])
    if evidence.is_default_router:  # what else it may be besides (a switch of layer 3, a firewall) is second to that
        kind = _router_kind(evidence)
        return Guess(kind, min(MOST, round(chances[kind])), _told(every, kind))
    second = others[0][1] if others else 0.0
    for_it = _told(every, kind)
    if kind == "other":
        return Guess(kind, UNNAMED, for_it)
    if best < ENOUGH or best - second < AHEAD:
        return Guess("other", min(UNNAMED, round(best / 2)), (*for_it[: TOLD - 1], _perhaps(kind)))
    return Guess(kind, min(MOST, round(best - second / 4)), for_it)


def _perhaps(kind: str) -> Text:
    of = catalogue.DEVICE_KINDS[kind]
    return Text(f"có thể là {of.vi.lower()}, chưa đủ căn cứ", f"perhaps: {of.en}; not enough to say")


def _chances(every: Iterable[Clue]) -> dict[str, float]:
    """Percent of each kind: independent sources add up as 1 - the product of what each leaves open."""
    best: dict[tuple[str, str], int] = {}
    for clue in every:
        key = (clue.kind, clue.source)
        best[key] = max(best.get(key, 0), clue.percent)
    left: dict[str, float] = {}
    for (kind, _), percent in best.items():
        left[kind] = left.get(kind, 1.0) * (1 - percent / 100)
    return {kind: 100 * (1 - open_) for kind, open_ in left.items()}


def _told(every: Iterable[Clue], kind: str) -> tuple[Text, ...]:
    ordered = sorted((clue for clue in every if clue.kind == kind), key=lambda clue: -clue.percent)
    return tuple(dict.fromkeys(clue.reason for clue in ordered))[:TOLD]


def clues(evidence: Evidence) -> list[Clue]:
    """Everything that speaks for any kind."""
    return [
        *_place(evidence),
        *(_structure(evidence.snmp) if evidence.snmp else ()),
        *_words(evidence),
        *_video(evidence),
        *_displays(evidence),
        *_services(evidence),
        *_open_ports(evidence),
        *_maker(evidence),
    ]


def _place(evidence: Evidence) -> Iterator[Clue]:
    if evidence.is_default_router:
        said = reason("mọi máy ra ngoài qua địa chỉ này", "everything leaves through it")
        yield Clue(_router_kind(evidence), 85, "place", said)
    if evidence.is_dhcp_server:
        said = reason("cấp địa chỉ (DHCP) cho máy này", "it gave this machine its address (DHCP)")
        yield Clue("router", 55, "dhcp", said)


def _router_kind(evidence: Evidence) -> str:
    """The ISP's optical terminal often routes as well."""
    says_ont = any(clue.kind == "ont" for clue in _words(evidence))
    return "ont" if says_ont else "router"


def _structure(snmp: SnmpFacts) -> Iterator[Clue]:
    """What its SNMP tables say it does, whoever made it."""
    if snmp.kind:
        family = reason("SNMP: thuộc họ {family}", "SNMP: of the family {family}", family=snmp.family)
        yield Clue(snmp.kind, 70, "profile", family)
    if snmp.is_ups:
        yield Clue("ups", 92, "tables", reason("SNMP: có bảng của bộ lưu điện", "SNMP: it has a UPS's tables"))
    if snmp.is_printer:
        yield Clue("printer", 92, "tables", reason("SNMP: có bảng của máy in", "SNMP: it has a printer's tables"))
    routes = snmp.forwards or (snmp.services or 0) & ROUTES
    if (snmp.bridge_ports or 0) >= PORTS_OF_A_SWITCH and IEEE80211 not in snmp.interface_types:
        said = reason("SNMP: nối {n} cổng mạng với nhau", "SNMP: it bridges {n} ports", n=snmp.bridge_ports)
        many = (snmp.bridge_ports or 0) >= PORTS_ONLY_A_SWITCH_HAS
        yield Clue("switch", (60 if many else 45) - (20 if routes else 0), "bridge", said)
    if IEEE80211 in snmp.interface_types:
        said = reason("SNMP: có cổng sóng Wi-Fi", "SNMP: it has Wi-Fi interfaces")
        yield Clue("access_point", 30 if routes else 60, "radio", said)
    if snmp.wan and snmp.forwards:
        said = reason("SNMP: dẫn đường ra ngoài qua cổng {port}", "SNMP: it routes out through {port}", port=snmp.wan)
        yield Clue("router", 45, "routes", said)


def texts(evidence: Evidence) -> Iterator[tuple[str, float, str]]:
    """(where it was said, how far that is to be believed, what was said): a label is what somebody typed."""
    if evidence.snmp:
        yield "SNMP", 1.0, f"{evidence.snmp.descr} {evidence.snmp.model}"
        yield "SNMP sysName", 0.4, evidence.snmp.name
    if evidence.onvif:
        yield "ONVIF", 1.0, f"{evidence.onvif.hardware} {evidence.onvif.name}"
    if evidence.video:
        yield "ONVIF", 1.0, f"{evidence.video.model} {evidence.video.vendor} {evidence.video.name}"
    if evidence.pjlink:
        yield "PJLink", 1.0, f"{evidence.pjlink.vendor} {evidence.pjlink.model}"
    for page in evidence.pages:
        yield "HTTP", 0.9, f"{page.title} {page.realm} {page.server} {' '.join(page.hints)}"
    yield "RTSP", 0.95, f"{evidence.rtsp_realm} {evidence.rtsp_server}"
    yield "mDNS", 0.9, evidence.mdns_model
    for said in evidence.ssdp:
        yield "SSDP", 0.9, said
    for said in evidence.banners:
        yield "SSH", 0.7, said


def _words(evidence: Evidence) -> Iterator[Clue]:
    for where, belief, said in texts(evidence):
        for sign in signs.WORDS:
            if found := sign.pattern.search(said):
                told = reason("{where} nói “{said}”", "{where} says “{said}”", where=where, said=found.group().strip())
                yield Clue(sign.kind, round(sign.percent * belief), where, told)


def _video(evidence: Evidence) -> Iterator[Clue]:
    """By ONVIF; who speaks RTSP alone may be anything that plays."""
    onvif, video = evidence.onvif, evidence.video
    kinds = " ".join((*onvif.types, *onvif.scope_types)).lower().replace("_", "") if onvif else ""
    speaks = video is not None and video.onvif_port > 0
    if "videostorage" in kinds or "recorder" in kinds or (speaks and video is not None and video.kind == "recorder"):
        yield Clue("recorder", 85, "ONVIF kind", reason("ONVIF: thiết bị lưu hình", "ONVIF: it stores video"))
    elif speaks or "networkvideotransmitter" in kinds:
        yield Clue("camera", 60, "ONVIF kind", reason("ONVIF: thiết bị truyền hình", "ONVIF: it sends video"))
        said = reason("ONVIF: đầu ghi cũng tự giới thiệu như vậy", "ONVIF: recorders present themselves so, too")
        yield Clue("recorder", 20, "ONVIF kind", said)


def _displays(evidence: Evidence) -> Iterator[Clue]:
    if evidence.display in signs.DISPLAYS:
        kind, percent = signs.DISPLAYS[evidence.display]
        said = reason("trả lời câu hỏi kiểu {family}", "it answers as {family} does", family=evidence.display)
        yield Clue(kind, percent, "display", said)
    if evidence.pjlink is not None:
        yield Clue("projector", 70, "PJLink", reason("trả lời PJLink", "it speaks PJLink"))
        yield Clue("television", 15, "PJLink", reason("trả lời PJLink", "it speaks PJLink"))


def _services(evidence: Evidence) -> Iterator[Clue]:
    for service in evidence.mdns:
        if service in signs.MDNS:
            kind, percent = signs.MDNS[service]
            yield Clue(kind, percent, "mDNS services", reason("mDNS: {of}", "mDNS: {of}", of=service))
    for said in evidence.ssdp:
        low = said.lower()
        if "internetgatewaydevice" in low or "wandevice" in low:
            yield Clue("router", 60, "SSDP", reason("SSDP: cổng ra Internet", "SSDP: an Internet gateway"))
        if "mediarenderer" in low or "dial-multiscreen" in low:
            yield Clue("television", 45, "SSDP", reason("SSDP: phát hình và tiếng", "SSDP: it plays media"))
        if ":printer:" in low:
            yield Clue("printer", 75, "SSDP", reason("SSDP: máy in", "SSDP: a printer"))
    if evidence.netbios:
        yield Clue("computer", 50, "NetBIOS", reason("trả lời NetBIOS", "it answers NetBIOS"))
        yield Clue("server", 40, "NetBIOS", reason("trả lời NetBIOS", "it answers NetBIOS"))


def _open_ports(evidence: Evidence) -> Iterator[Clue]:
    for port in sorted(evidence.ports):
        for kind, percent in signs.PORTS.get(port, ()):
            yield Clue(kind, percent, f"tcp {port}", reason("mở cổng TCP {port}", "TCP {port} is open", port=port))


def _maker(evidence: Evidence) -> Iterator[Clue]:
    for sign in signs.MAKERS:
        if evidence.vendor and sign.pattern.search(evidence.vendor):
            told = reason("MAC của {maker}", "MAC of {maker}", maker=evidence.vendor)
            yield Clue(sign.kind, sign.percent, "maker", told)
    if evidence.random_mac and not evidence.ports:
        told = reason("MAC tự đặt (điện thoại hoặc máy ảo)", "a made-up MAC (a phone or a virtual machine)")
        yield Clue("phone", 35, "maker", told)
