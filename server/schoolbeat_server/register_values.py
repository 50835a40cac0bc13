"""What the register holds, row by row, as values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Area:
    id: str
    name: str
    kind: str  # province | district | commune
    parent: str | None
    valid_from: str
    valid_to: str


@dataclass(frozen=True, slots=True)
class School:
    id: str
    name: str
    area: str
    level: str
    manager: str
    code: str = ""
    cluster: str = ""
    founded: str | None = None
    closed: str | None = None


@dataclass(frozen=True, slots=True)
class Site:
    id: str
    school: str
    name: str
    kind: str  # main | satellite
    latitude: float | None
    longitude: float | None
    tags: str = ""  # as stored: tag_set
    valid_from: str = "0001-01-01"
    valid_to: str = "9999-12-31"

    @property
    def tag_set(self) -> frozenset[str]:
        return frozenset(self.tags.split(",")) if self.tags else frozenset()


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    site: str
    isp: str
    technology: str
    contract_down_bps: int | None
    contract_up_bps: int | None
    role: str = "main"  # main | backup
    contract: str = ""
    contract_from: str | None = None
    contract_to: str | None = None
    contract_min_bps: int | None = None
    universal_service: bool = False
    ont: str = ""  # a device of the same site

    def in_force(self, day: str) -> bool:
        """Its contract, on an ISO day; one without dates always is."""
        return (self.contract_from or "") <= day < (self.contract_to or "9999-12-31")


@dataclass(frozen=True, slots=True)
class Room:
    id: str
    site: str
    name: str
    kind: str
    smart_level: int


@dataclass(frozen=True, slots=True)
class Device:
    site: str
    id: str
    name: str
    kind: str
    room: str | None
    address: str
    port: int
    behind: str
    ask: str = ""
    credential: str = ""
    snmp: str = ""
    profile: str = ""
    stream: str = ""
    serial: str = ""
    model: str = ""
    vendor: str = ""

    @property
    def signal(self) -> str:
        return f"device.{self.id}"


@dataclass(frozen=True, slots=True)
class Service:
    id: str
    name: str
    url: str


@dataclass(frozen=True, slots=True)
class Asset:
    """A line of the asset book. kind: as a device's; device: the device of the same site that it is, if known."""

    site: str
    code: str
    name: str
    room: str | None = None
    kind: str = ""
    serial: str = ""
    model: str = ""
    year: int | None = None
    funding: str = ""
    warranty_to: str | None = None
    quantity: int = 1
    status: str = "in_use"  # in_use | broken | disposed | lent
    device: str | None = None


@dataclass(frozen=True, slots=True)
class SchoolArea:
    """The school was, is or will be in this area from valid_from until before valid_to."""

    school: str
    area: str
    valid_from: str = "0001-01-01"
    valid_to: str = "9999-12-31"


@dataclass(frozen=True, slots=True)
class Shift:
    """Pupils and teachers of a shift from that day on, until a later row of the same shift."""

    site: str
    shift: str  # morning | afternoon | evening
    valid_from: str
    pupils: int
    teachers: int = 0


@dataclass(frozen=True, slots=True)
class RoomNeed:
    """A room of this kind (any: of every kind) and smart level needs so many devices of that kind."""

    kind: str
    smart_level: int
    device_kind: str
    count: int = 1


@dataclass(frozen=True, slots=True)
class Agent:
    site: str
    name: str
    role: str
    created_ms: int
    simulated: bool
