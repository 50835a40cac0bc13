"""The probes: each asks the world one thing and says what it saw, or why it could not look."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from schoolbeat_agent.observation import Observation, ProbeFailed
from schoolbeat_agent.probes import (
    display,
    dns,
    host,
    http,
    icmp,
    internet,
    lan,
    onvif,
    path,
    pjlink,
    rtsp,
    snmp,
    speed,
    tcp,
    traffic,
    ups,
    wifi_heard,
    wifi_seat,
    witness,
)
from schoolbeat_agent.probes.world import World

# Each takes the target of its own kind and the World, and raises ProbeFailed when it could not measure.
Probe = Callable[[Any, World], Awaitable[Observation]]

PROBES: dict[str, Probe] = {
    "host": host.probe,
    "path": path.probe,
    "internet": internet.probe,
    "icmp": icmp.probe,
    "tcp": tcp.probe,
    "dns": dns.probe,
    "http": http.probe,
    "snmp": snmp.probe,
    "pjlink": pjlink.probe,
    "display": display.probe,
    "rtsp": rtsp.probe,
    "onvif": onvif.probe,
    "wifi_heard": wifi_heard.probe,
    "wifi_seat": wifi_seat.probe,
    "ups": ups.probe,
    "traffic": traffic.probe,
    "speed": speed.probe,
    "lan": lan.probe,
    "witness": witness.probe,
}

# Those of which many targets can be asked at the same time for little more than the price of one.
Sweep = Callable[[Sequence[Any], World], Awaitable[Sequence[Observation | ProbeFailed]]]

SWEEPS: dict[str, Sweep] = {"icmp": icmp.sweep, "tcp": tcp.sweep}
