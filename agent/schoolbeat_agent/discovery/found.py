"""What discovery says of one device: a guess of its kind with a confidence and reasons, and how to ask it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from schoolbeat_agent.texts import Text
from schoolbeat_wire.messages import Ask


@dataclass(frozen=True)
class Found:
    """confidence: 0-100; under 50 the technician is asked first. kind: of catalogue.DEVICE_KINDS.

    identity: what the id is made of: "mac 24:71:21:a3:7e:fc", or "serial …" where no MAC is seen (behind a router).
    It stays on this machine; the id is its keyed hash.
    """

    id: str
    address: str
    identity: str
    kind: str
    confidence: int
    reasons: tuple[Text, ...]
    name: str = ""  # as the device calls itself, cleaned
    vendor: str = ""
    model: str = ""
    ask: Ask = ""
    port: int = 0
    profile: str = ""
    stream: str = ""
    credential: str = ""  # name of the entry of secrets.toml that it accepted for `ask`
    snmp: str = ""  # the same for SNMP
    interfaces: tuple[str, ...] = ()  # ports whose rates are worth reporting: a router's WAN, a switch's uplink


def device_id(site_key: bytes, identity: str) -> str:
    """12 hex digits: the same device keeps it on any card with the same key; nobody without it can find the MAC."""
    return hashlib.blake2b(identity.lower().encode(), key=site_key[:64], digest_size=6, person=b"device").hexdigest()
