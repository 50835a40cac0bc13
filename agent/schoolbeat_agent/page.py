"""The page in the school: what is wrong, whose fault it is not, what to try. Served on the LAN only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from schoolbeat_agent.settings import Settings
from schoolbeat_agent.sight import View


async def serve(settings: Settings, view: Callable[[], View]) -> asyncio.Server | None:
    """None where the page is turned off. OSError when the port cannot be had."""
    return None
