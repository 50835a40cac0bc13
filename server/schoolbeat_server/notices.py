"""Notices: from the rows that wait in the database to the channels, each at least once."""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple

from sqlalchemy import ColumnElement, Engine, and_, exists, func, or_, select, update

from schoolbeat_server import channels as channel_module
from schoolbeat_server.channels import PermanentRefusal, scrub
from schoolbeat_server.database import writing
from schoolbeat_server.schema import notice
from schoolbeat_server.settings import Channel

Send = Callable[[Channel, str, str], None]
Sent = Callable[[int], None]

FIRST_RETRY_MS = 2_000
LAST_RETRY_MS = 15 * 60_000
POLL_SECONDS = 2.0
BATCH = 50
_ERROR_LETTERS = 500

log = logging.getLogger(__name__)


class Due(NamedTuple):
    """A row of `notice` that is to be sent now."""

    id: int
    channel: str
    title: str
    body: str
    tries: int


def retry_ms(tries: int, rng: random.Random) -> int:
    """How long to wait after so many tries: doubles from 2 s to 15 min, up to a quarter of it shorter or longer."""
    return int(min(FIRST_RETRY_MS * 2 ** min(tries - 1, 20), LAST_RETRY_MS) * rng.uniform(0.75, 1.25))


def due(engine: Engine, names: list[str], now_ms: int) -> list[Due]:
    """What is to be sent over these channels, longest due first; a closing waits until its opening is settled."""
    opening = notice.alias("opening")
    waits_for_opening = exists().where(
        or_(opening.c.incident == notice.c.incident, opening.c.matter == notice.c.matter),
        opening.c.channel == notice.c.channel,
        opening.c.kind == "open",
        notice.c.kind == "close",
        opening.c.sent_ms.is_(None),
        opening.c.refused_ms.is_(None),
    )
    query = (
        select(notice.c.id, notice.c.channel, notice.c.title, notice.c.body, notice.c.tries)
        .where(_unsettled(), notice.c.next_try_ms <= now_ms, notice.c.channel.in_(names), ~waits_for_opening)
        .order_by(notice.c.next_try_ms, notice.c.id)
        .limit(BATCH)
    )
    with engine.connect() as connection:
        return [Due(*row) for row in connection.execute(query)]


def _unsettled() -> ColumnElement[bool]:
    return and_(notice.c.sent_ms.is_(None), notice.c.refused_ms.is_(None))


def refuse_unknown(engine: Engine, names: list[str], now_ms: int) -> int:
    """Settles rows of channels that the settings no longer name; they say so. How many there were."""
    lost = and_(_unsettled(), notice.c.channel.not_in(names))
    with engine.connect() as connection:
        if not connection.scalar(select(func.count()).select_from(notice).where(lost)):
            return 0
    error = f"channel unknown: server.toml names {', '.join(names) or 'none'}"
    with writing(engine) as connection:
        return connection.execute(update(notice).where(lost).values(refused_ms=now_ms, error=error)).rowcount


def deliver_one(
    engine: Engine, row: Due, channel: Channel, now_ms: Callable[[], int], send: Send, rng: random.Random
) -> Exception | None:
    """Sends one row; what stopped it, or None when the channel took it.

    The next try is written before sending, so that a row that brings the process down is not the first one tried after
    the restart. A crash between the channel's taking it and our noting it sends it once more: at least once.
    """
    _note(engine, row.id, tries=row.tries + 1, next_try_ms=now_ms() + retry_ms(row.tries + 1, rng))
    try:
        send(channel, row.title, row.body)
    except PermanentRefusal as refused:
        _note(engine, row.id, refused_ms=now_ms(), error=_shown(refused, channel))
        return refused
    except Exception as failed:  # whatever a channel's code raises, the other rows must go out
        again_ms = now_ms() + retry_ms(row.tries + 1, rng)  # anew: a silent server may have kept us longer than that
        _note(engine, row.id, error=_shown(failed, channel), next_try_ms=again_ms)
        return failed
    _note(engine, row.id, sent_ms=now_ms(), error="")
    return None


def _shown(error: Exception, channel: Channel) -> str:
    text = str(error) or type(error).__name__
    return scrub(text, channel)[:_ERROR_LETTERS]


def _note(engine: Engine, ident: int, **values: int | str) -> None:
    with writing(engine) as connection:
        connection.execute(update(notice).where(notice.c.id == ident).values(**values))


def deliver_due(
    engine: Engine,
    channels: Mapping[str, Channel],
    now_ms: Callable[[], int],
    send: Send = channel_module.send,
    rng: random.Random | None = None,
) -> int:
    """One turn over all channels: how many notices were taken."""
    refuse_unknown(engine, list(channels), now_ms())
    rng = rng or random.Random()
    rows = due(engine, list(channels), now_ms())
    return sum(deliver_one(engine, row, channels[row.channel], now_ms, send, rng) is None for row in rows)


class Deliverer:
    """Delivers from now on: one thread a channel, so that a silent mail server delays no webhook.

    wake() when rows were written; without it they are found within POLL_SECONDS.
    """

    def __init__(
        self,
        engine: Engine,
        channels: Mapping[str, Channel],
        now_ms: Callable[[], int],
        *,
        send: Send = channel_module.send,
        settled: Sent = lambda _id: None,
        knows_time: Callable[[], bool] = lambda: True,
    ) -> None:
        """settled: called with a notice's id, from a delivering thread, after it was sent, refused or failed.
        knows_time: False while our own clock cannot be right; then nothing is told."""
        self._engine = engine
        self._channels = dict(channels)
        self._now_ms = now_ms
        self._send = send
        self._settled, self._knows_time = settled, knows_time
        self._stopping = threading.Event()
        self._bells = {name: threading.Event() for name in self._channels}
        self._threads: list[threading.Thread] = []

    def run(self) -> None:
        """Starts the threads and returns."""
        refuse_unknown(self._engine, list(self._channels), self._now_ms())
        for name in self._channels:
            thread = threading.Thread(target=self._loop, args=(name,), name=f"notices-{name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def wake(self) -> None:
        for bell in self._bells.values():
            bell.set()

    def stop(self, timeout_seconds: float = 5.0) -> None:
        """Ends after the message in hand. One that hangs longer is left to its thread and sent again another day."""
        self._stopping.set()
        self.wake()
        for thread in self._threads:
            thread.join(timeout_seconds)

    def _loop(self, name: str) -> None:
        channel, bell, rng = self._channels[name], self._bells[name], random.Random()
        failing = False
        while not self._stopping.is_set():
            try:
                for row in due(self._engine, [name], self._now_ms()) if self._knows_time() else ():
                    if self._stopping.is_set():
                        return
                    failed = deliver_one(self._engine, row, channel, self._now_ms, self._send, rng)
                    failing = _tell(name, failed, failing, channel)
                    self._settled(row.id)
            except Exception:  # the database may be away for a while; the rows wait
                log.exception("notices of channel %s: the turn failed, the rows wait", name)
            bell.wait(POLL_SECONDS)
            bell.clear()


def _tell(name: str, failed: Exception | None, failing: bool, channel: Channel) -> bool:
    """Logs a failure once at warning, then at debug, and the recovery at info. Whether the channel is failing now."""
    if failed is None:
        if failing:
            log.info("channel %s takes notices again", name)
        return False
    level = logging.DEBUG if failing else logging.WARNING
    log.log(level, "channel %s did not take a notice, it is kept: %s", name, _shown(failed, channel))
    return True
