"""Questions to all on the LAN, by multicast and broadcast, and who answered them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any, Final
from urllib.parse import urlsplit

from schoolbeat_agent.cameras.ws_discovery import Hello, mac_of, ws_discover
from schoolbeat_agent.discovery import mdns, ssdp
from schoolbeat_agent.discovery.evidence import OnvifFacts
from schoolbeat_agent.displays import pjlink
from schoolbeat_agent.observation import ProbeFailed
from schoolbeat_agent.probes.world import World

MULTICAST_SECONDS: Final = 5.0  # projectors may take 10 to answer a search: those that do are met by their port


@dataclass
class Heard:
    """What came in answer to questions to all; `mute` says which of them could not be asked, and why."""

    mdns: dict[str, mdns.Offered] = field(default_factory=dict)
    ssdp: dict[str, tuple[str, ...]] = field(default_factory=dict)
    onvif: dict[str, Hello] = field(default_factory=dict)
    pjlink: dict[str, str] = field(default_factory=dict)
    mute: dict[str, str] = field(default_factory=dict)


async def hear(own: Sequence[str], networks: Sequence[IPv4Network], world: World) -> Heard:
    """Questions to all on the LAN, by multicast and broadcast; those that cannot be asked are left out."""
    heard = Heard()

    async def told(name: str, question: Any) -> Any:
        try:
            return await question
        except ProbeFailed as failed:
            heard.mute[name] = failed.detail
        except OSError as error:
            heard.mute[name] = error.strerror or str(error)
        return None

    if not own:
        return heard
    broadcasts = [str(network.broadcast_address) for network in networks]
    by_mdns, by_ssdp, by_pjlink, *by_onvif = await asyncio.gather(
        told("mDNS", mdns.heard(own, MULTICAST_SECONDS)),
        told("SSDP", ssdp.search(own)),
        told("PJLink", pjlink.search(broadcasts, MULTICAST_SECONDS)),
        *(told("WS-Discovery", ws_discover(address, 4.0, world.entropy)) for address in own),
    )
    heard.mdns, heard.ssdp, heard.pjlink = by_mdns or {}, by_ssdp or {}, by_pjlink or {}
    heard.onvif = {hello.address: hello for hellos in by_onvif for hello in hellos or ()}
    return heard


def onvif_facts(hello: Hello) -> OnvifFacts:
    """Scopes (ONVIF Core, 7.3.2.2) are onvif://www.onvif.org/<name>/<value>."""
    port = 80
    if hello.xaddrs:
        with contextlib.suppress(ValueError):
            parts = urlsplit(hello.xaddrs[0])
            port = parts.port or (443 if parts.scheme == "https" else 80)
    kinds = tuple(scope.rpartition("/")[2] for scope in hello.scopes if "/type/" in scope.lower())
    return OnvifFacts(hello.types, hello.scope("name"), hello.scope("hardware"), kinds, port, mac_of(hello.endpoint))
