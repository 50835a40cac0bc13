"""How a found device is best asked from now on; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schoolbeat_agent.discovery.evidence import Evidence
from schoolbeat_wire.messages import Ask

PJLINK: Final = 4352
RTSP: Final = 554
# Where makers' displays listen, and which family it then is. BenQ projectors' 8000 is left out: cameras have it, too.
DISPLAYS: Final = {
    1515: "samsung-mdc",
    4660: "benq-board",
    5000: "viewsonic-board",
    4664: "maxhub",
    3629: "epson-escvp",
    9761: "lg",
}
ANY_PORT: Final = (80, 443, 445, 22, 8000, 8080, 9100, 631, 554, 37777, 3389, 23)  # to connect to, best first


@dataclass(frozen=True)
class Asking:
    """Of Found: how, at which port, with which families' frames, and whose counters are worth reporting."""

    ask: Ask = ""
    port: int = 0
    profile: str = ""
    stream: str = ""
    interfaces: tuple[str, ...] = ()


def how(kind: str, evidence: Evidence) -> Asking:
    """What proves most of its kind: video of a camera, power state of a projector; an echo of everything else."""
    video = evidence.video
    if kind == "camera" and video and video.rtsp_port:
        return Asking("rtsp", video.rtsp_port, stream=video.stream)
    if kind == "camera" and RTSP in evidence.ports:
        return Asking("rtsp", RTSP)
    if kind in ("camera", "recorder") and evidence.onvif and not evidence.answers_icmp:
        return Asking("onvif", evidence.onvif.port)
    if kind in ("projector", "board", "television"):
        if evidence.pjlink:
            return Asking("pjlink", PJLINK)
        if evidence.display:
            port = next((port for port, family in DISPLAYS.items() if family == evidence.display), 0)
            return Asking("display", port, evidence.display)
    return Asking(*_echo(evidence), interfaces=_interfaces(kind, evidence))


def _echo(evidence: Evidence) -> tuple[Ask, int]:
    if evidence.answers_icmp:
        return "", 0
    if evidence.snmp:
        return "snmp", 0
    port = next((port for port in ANY_PORT if port in evidence.ports), 0)
    return ("tcp", port) if port else ("", 0)


def _interfaces(kind: str, evidence: Evidence) -> tuple[str, ...]:
    if evidence.snmp is None:
        return ()
    wanted = {"router": evidence.snmp.wan, "ont": evidence.snmp.wan, "switch": evidence.snmp.uplink}
    return (wanted[kind],) if wanted.get(kind) else ()
