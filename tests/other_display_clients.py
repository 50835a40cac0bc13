"""Asks emulated displays with clients by other authors (PyPI), in an environment of theirs; says what they read as JSON.

`python other_display_clients.py PJLINK_PORT MDC_PORT ESCVP_PORT BENQ_PORT`
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any


async def by_aiopjlink(port: int) -> dict[str, Any]:
    import aiopjlink

    async with aiopjlink.PJLink("127.0.0.1", port=port, password="right") as link:
        return {
            "power": (await link.power.get()).value,
            "lamp_hours": [hours for hours, _ in await link.lamps.status()],
            "manufacturer": await link.info.manufacturer_name(),
        }


async def by_samsung_mdc(port: int) -> dict[str, Any]:
    from samsung_mdc import MDC

    async with MDC(f"127.0.0.1:{port}") as mdc:
        (power,) = await mdc.power(1)
        (source,) = await mdc.input_source(1)
        (ten_minutes,) = await mdc.panel_on_time(1)
        lamp, _, _, _, degrees, _ = await mdc.error_status(1)
        return {"power": power, "source": source, "ten_minutes": ten_minutes, "lamp": lamp, "degrees": degrees}


async def by_epson_projector(port: int) -> dict[str, Any]:
    from epson_projector.projector_tcp import ProjectorTcp

    loop = asyncio.get_running_loop()
    client = ProjectorTcp("127.0.0.1", port)
    # Its own opening passes a `loop` that this Python no longer takes: the hello is said for it.
    client._reader, client._writer = await asyncio.open_connection("127.0.0.1", port)
    client._writer.write(b"ESC/VP.net\x10\x03\x00\x00\x00\x00")
    hello = await client._reader.readexactly(16)
    assert hello[14] == 0x20
    assert loop.is_running()
    client._isOpen = True
    out = {name: await client.get_property(name, 5) for name in ("PWR", "LAMP", "SOURCE")}
    client.close()
    return out


async def by_benqprojector(port: int) -> dict[str, Any]:
    from benqprojector import BenQProjectorTelnet

    client = BenQProjectorTelnet("127.0.0.1", port)
    await client.connect()
    out = {name: await client.send_command(name, check_supported=False) for name in ("pow", "ltim")}
    await client.disconnect()
    return out


async def main() -> None:
    pjlink, mdc, escvp, benq = (int(port) for port in sys.argv[1:])
    told = {
        "pjlink": await by_aiopjlink(pjlink),
        "samsung-mdc": await by_samsung_mdc(mdc),
        "epson-escvp": await by_epson_projector(escvp),
        "benq-projector": await by_benqprojector(benq),
    }
    print(json.dumps(told))


asyncio.run(main())
