"""A recorder's channels share one account: a wrong password is not told by all of them at once."""

from __future__ import annotations

import asyncio

from tests.agent.emulated_camera import EmulatedCamera
from tests.ports import free_port

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.observation import Observation, State
from schoolbeat_agent.probes import rtsp
from schoolbeat_agent.probes.rtsp import RtspTarget
from schoolbeat_agent.probes.world import World

CHANNELS = 8


async def asked_at_once(told: str) -> tuple[list[Observation], int]:
    """What each channel says, and how many logins were refused."""
    recorder = EmulatedCamera("127.0.0.1", free_port(), 0, 0, kind="recorder", password="kh0a")
    credential, world = Credential("cam", username="admin", password=told), World()
    async with recorder.serving():
        targets = [
            RtspTarget(f"ch{number}", "127.0.0.1", recorder.rtsp_port, recorder.path, credential, "cam")
            for number in range(CHANNELS)
        ]
        found = await asyncio.gather(*(rtsp.probe(target, world) for target in targets))
    return found, recorder.refused_logins


def test_a_wrong_password_is_told_once_however_many_channels_are_asked_together() -> None:
    found, refused = asyncio.run(asked_at_once("sai"))

    assert refused == 1
    assert [seen.causes for seen in found] == [{f"device.ch{number}": "auth_failed"} for number in range(CHANNELS)]


def test_with_the_right_password_every_channel_is_up() -> None:
    found, refused = asyncio.run(asked_at_once("kh0a"))

    assert refused == 0
    assert [seen.states for seen in found] == [{f"device.ch{number}": State.UP} for number in range(CHANNELS)]
