"""The 60 devices of a whole school, EMULATED, in one process that is not measured: SNMP, PJLink, displays, cameras."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tests.agent.emulated_camera import EmulatedCamera
from tests.agent.emulated_display import PORTS, EmulatedDisplay
from tests.agent.emulated_projector import EmulatedProjector, Projector
from tests.agent.snmp_responder import EmulatedAgent, Responder, moving
from tests.agent.snmprec import COUNTER64, GAUGE32, INTEGER, OCTETS, OID, TIME_TICKS, Records, Typed

# kind, how many, how each is asked. In the order of the addresses.
SCHOOL: tuple[tuple[str, int, dict[str, object]], ...] = (
    ("switch", 3, {"snmp": "read", "interfaces": ["port1", "port2"]}),
    ("access_point", 8, {"snmp": "read"}),
    ("ups", 1, {"ask": "snmp", "credential": "read", "snmp": "read"}),
    ("printer", 2, {"snmp": "read"}),
    ("board", 12, {"ask": "display", "profile": "samsung-mdc"}),
    ("projector", 10, {"ask": "pjlink", "credential": "show"}),
    ("camera", 14, {"ask": "rtsp", "credential": "camera"}),
    ("recorder", 1, {"ask": "onvif", "credential": "camera"}),
    ("computer", 9, {}),
)
PORTS_OF_A_SWITCH = 24
READ, SHOW, CAMERA = "bench-read", "bench-show", "bench-camera"
IF, IFX = "1.3.6.1.2.1.2.2.1", "1.3.6.1.2.1.31.1.1.1"


def records(kind: str, ports: int) -> Records:
    """A device of the standards alone: system, ports, a processor, memory; a UPS by RFC 1628."""
    out: Records = {
        "1.3.6.1.2.1.1.1.0": Typed(OCTETS, f"Emulated {kind}".encode()),
        "1.3.6.1.2.1.1.2.0": Typed(OID, "1.3.6.1.4.1.99999.1"),
        "1.3.6.1.2.1.1.3.0": Typed(TIME_TICKS, 8_640_000),
        "1.3.6.1.2.1.1.5.0": Typed(OCTETS, kind.encode()),
        "1.3.6.1.2.1.25.3.3.1.2.1": Typed(INTEGER, 12),
    }
    for port in range(1, ports + 1):
        out |= {
            f"{IF}.2.{port}": Typed(OCTETS, f"port{port}".encode()),
            f"{IF}.3.{port}": Typed(INTEGER, 6),
            f"{IF}.5.{port}": Typed(GAUGE32, 1_000_000_000),
            f"{IF}.7.{port}": Typed(INTEGER, 1),
            f"{IF}.8.{port}": Typed(INTEGER, 1),
            f"{IFX}.1.{port}": Typed(OCTETS, f"port{port}".encode()),
            f"{IFX}.6.{port}": Typed(COUNTER64, 10**9 * port),
            f"{IFX}.10.{port}": Typed(COUNTER64, 10**9 * port),
            f"{IFX}.15.{port}": Typed(GAUGE32, 1_000),
        }
        for column in (13, 14, 19, 20):
            out[f"{IF}.{column}.{port}"] = Typed(0x41, 0)
    if kind == "ups":
        ups = "1.3.6.1.2.1.33.1"
        out |= {
            f"{ups}.1.2.0": Typed(OCTETS, b"Emulated"),
            f"{ups}.2.1.0": Typed(INTEGER, 2),
            f"{ups}.2.2.0": Typed(INTEGER, 0),
            f"{ups}.2.3.0": Typed(INTEGER, 42),
            f"{ups}.2.4.0": Typed(INTEGER, 100),
            f"{ups}.4.1.0": Typed(INTEGER, 3),
            f"{ups}.4.4.1.5.1": Typed(INTEGER, 17),
        }
    if kind == "printer":
        out |= {
            "1.3.6.1.2.1.43.11.1.1.8.1.1": Typed(INTEGER, 12_000),
            "1.3.6.1.2.1.43.11.1.1.9.1.1": Typed(INTEGER, 4_200),
            "1.3.6.1.2.1.43.10.2.1.4.1.1": Typed(0x41, 31_415),
        }
    return dict(sorted(out.items(), key=lambda entry: [int(part) for part in entry[0].split(".")]))


def kinds(addresses: list[str]) -> list[tuple[str, str, dict[str, object]]]:
    """(address, kind, how it is asked), as many as there are addresses for."""
    flat = [(kind, how) for kind, count, how in SCHOOL for _ in range(count)]
    return [(address, kind, how) for address, (kind, how) in zip(addresses, flat, strict=True)]


async def serve(addresses: list[str]) -> None:
    agents = {}
    async with contextlib.AsyncExitStack() as stack:
        for address, kind, how in kinds(addresses):
            if "snmp" in how:
                found = records(kind, PORTS_OF_A_SWITCH if kind == "switch" else 2)
                agents[address, 161] = EmulatedAgent(found, READ, live=moving(found))
            if how.get("ask") == "display":
                stack.enter_context(EmulatedDisplay("samsung-mdc", address, PORTS["samsung-mdc"]))
            elif how.get("ask") == "pjlink":
                stack.enter_context(EmulatedProjector(Projector(password=SHOW), address, 4_352))
            elif kind in ("camera", "recorder"):
                camera = EmulatedCamera(address, kind=kind, password=CAMERA, discovery_port=0)
                await stack.enter_async_context(camera.serving())
        responder = stack.enter_context(Responder(agents))
        assert responder.ports
        print("READY", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1:]))
