"""A family's questions to one display, over one session."""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass, field
from typing import Final

from schoolbeat_agent.displays import frames
from schoolbeat_agent.displays.frames import Family, Question
from schoolbeat_agent.displays.patience import USUAL, Patience
from schoolbeat_agent.displays.session import Session, open_session, twice
from schoolbeat_agent.probes.no_answer import NoAnswer
from schoolbeat_agent.probes.world import World

STRANGE_FRAMES: Final = 8  # before ours: echoes, late answers, what it says by itself


class Mute(NoAnswer):
    """It takes the connection and says nothing."""

    def __init__(self, detail: str) -> None:
        super().__init__("timeout", detail)


class Locked(NoAnswer):
    """It talks only behind a password or TLS, which this probe does not have."""

    def __init__(self, detail: str) -> None:
        super().__init__("auth_failed", detail)


@dataclass
class Heard:
    """Readings by name. refused: questions it answered with no. note: for the technician."""

    readings: dict[str, float] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)
    answered: bool = False
    note: str = ""


async def ask(
    family: Family, display_id: int, address: str, port: int, world: World, patience: Patience = USUAL
) -> Heard:
    """All of the family's questions, as far as the display goes along. NoAnswer when it does not answer at all."""

    async def talk() -> Heard:
        heard = Heard()
        async with open_session(address, port, world, patience) as session:
            await _greet(session, family, heard, patience)
            first, *rest = family.questions
            if not heard.note:
                await _ask_one(session, family, display_id, first, heard, patience.first_seconds)
                with contextlib.suppress(TimeoutError, NoAnswer):  # it has answered: that stands
                    async with asyncio.timeout(patience.rest_seconds):
                        await _ask_rest(session, family, display_id, rest, heard, patience.next_seconds)
        return heard

    return await twice(talk, patience)


async def speaks(
    name: str, address: str, port: int = 0, world: World | None = None, patience: Patience = USUAL
) -> Heard | None:
    """For discovery: what it says in this language, by the family's own id; None where it does not speak it."""
    family = frames.load(name)
    try:
        return await ask(family, family.id, address, port or family.port, world or World(), patience)
    except Locked as locked:
        return Heard(answered=True, note=locked.detail)
    except NoAnswer:
        return None


async def _greet(session: Session, family: Family, heard: Heard, patience: Patience) -> None:
    hello = family.hello
    if hello is None:
        return
    await session.say(hello.send)
    answer = await session.hear(lambda data: hello.bytes if len(data) >= hello.bytes else 0, patience.first_seconds)
    if not answer.startswith(hello.starts):
        raise NoAnswer("bad_answer", f"a strange hello {answer[:20]!r}")
    code = answer[hello.code_at]
    if code in hello.locked:
        raise Locked(f"it wants a password (code {code:#x})")
    if code not in hello.well:
        heard.answered, heard.note = True, f"it answers code {code:#x} and takes no questions now"


async def _ask_rest(
    session: Session, family: Family, display_id: int, rest: list[Question], heard: Heard, seconds: float
) -> None:
    """One question may go unanswered: some say nothing to what they do not know."""
    silent = False
    for question in rest:
        try:
            await _ask_one(session, family, display_id, question, heard, seconds)
        except Mute:
            if silent:
                return
            silent = True


async def _ask_one(
    session: Session, family: Family, display_id: int, question: Question, heard: Heard, seconds: float
) -> None:
    await session.say(frames.encode(family, question, display_id))
    parts: list[bytes] = []
    heard_before = session.bytes_heard
    for _ in range(STRANGE_FRAMES):
        try:
            said = await _hear(session, family, seconds)
        except Mute as mute:
            strange = session.bytes_heard - heard_before
            if strange and not parts:
                raise NoAnswer("bad_answer", f"{strange} bytes that are no answer") from mute
            raise
        raw = frames.told(family, question, display_id, said)
        if raw is not None:
            heard.answered = True
            parts.append(raw)
            if len(parts) == question.parts:
                break
        elif said and frames.refused(family, display_id, said):
            heard.answered = True
            heard.refused.append(question.reading)
            return
    if not parts:
        raise NoAnswer("bad_answer", f"no answer among {STRANGE_FRAMES} frames")
    whole = parts[0] if question.parts == 1 else frames.joined(parts)
    value = frames.value_of(question, whole) if whole is not None else None
    if value is not None:
        heard.readings[question.reading] = value


async def _hear(session: Session, family: Family, seconds: float) -> bytes:
    """The body of the next frame."""

    def size_of(data: bytes) -> int:
        if data and family.locked and family.locked.startswith(data[: len(family.locked)]):
            if len(data) >= len(family.locked):
                raise Locked("its secured protocol is on; switch it off in its menu")
            return 0
        return frames.frame_size(family, data)

    try:
        return frames.body(family, await session.hear(size_of, seconds))
    except ValueError as error:
        raise NoAnswer("bad_answer", str(error)) from error
    except NoAnswer as no:
        if no.cause == "timeout":
            raise Mute("it takes the connection and says nothing") from no
        raise
