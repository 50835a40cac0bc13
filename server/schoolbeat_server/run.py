"""`schoolbeat-server run`: puts the parts together and keeps them running until told to stop."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import gc
import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType
from typing import IO, NamedTuple

import uvicorn
from paho.mqtt.client import MQTTMessage
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from schoolbeat_server import calendar_default, calendar_places, damage, database, plans, restored, series_setup
from schoolbeat_server.broker import BrokerError, BrokerSettings, ManagedBroker
from schoolbeat_server.contact import BLIND_MS, ContactBook
from schoolbeat_server.credentials import SERVER_USER, server_account, server_password, write_accounts
from schoolbeat_server.enrol import accounts
from schoolbeat_server.heart import Heart
from schoolbeat_server.incident_rows import IncidentRows
from schoolbeat_server.ingest import Ingest
from schoolbeat_server.judge import Judge
from schoolbeat_server.mqtt import Link
from schoolbeat_server.notices import Deliverer
from schoolbeat_server.outside_broker import (
    BrokerAddress,
    OutsideBrokerError,
    broker_client,
    check_outside_broker,
    parse_broker_url,
)
from schoolbeat_server.report_jobs import Desk
from schoolbeat_server.series_queue import SeriesQueue
from schoolbeat_server.series_store import Store, open_store
from schoolbeat_server.settings import Settings
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import LiveFeed
from schoolbeat_server.web.server_view import WebContext
from schoolbeat_wire.errors import WireError

log = logging.getLogger(__name__)

DEMO_BANNER = (
    "Bản chạy thử: các trường có chữ “mô phỏng” là giả lập, kết luận của những ngày trước hôm qua cũng vậy; trường “máy"
    " này” được đo thật.",
    "Demonstration: schools marked “mô phỏng” are simulated, and so are the verdicts of days before yesterday; the"
    " school “máy này” (this machine) is really measured.",
)


WAIT_FOR_DISK_SECONDS = 5.0
_WAITS = (
    "%s: không ghi được (%s). Máy chủ đợi đến khi ghi được; hãy giải phóng đĩa hoặc gắn lại đĩa để ghi."
    " / cannot be written (%s). The server waits until it can: make room, or mount the disk for writing."
)


class StartError(RuntimeError):
    """The server cannot start; the text says why and what to do."""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def lock_folder(folder: Path) -> IO[str]:
    """One server a folder. Raises StartError."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o700)
    lock = (folder / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise StartError(
            f"{folder}: máy chủ khác đang dùng thư mục này / another server is using this folder; stop it first"
        ) from None
    return lock


def managed_broker(settings: Settings) -> tuple[ManagedBroker, Callable[[Connection], None]]:
    """The broker, and what writes its accounts from the register and reloads it."""
    broker = settings.broker
    own = BrokerSettings(
        folder=settings.folder / "broker",
        port=broker.port,
        bind=broker.bind,
        tls_cert=broker.cert_file,
        tls_key=broker.key_file,
        websockets_port=broker.websocket_port or None,
        max_queued_bytes=broker.max_queued_bytes,
    )
    child = ManagedBroker(own)
    ours = server_account(server_password(settings.folder / "server-password"))

    def write(connection: Connection) -> None:
        write_accounts(own.folder, [ours, *accounts(connection)], own.owner)
        child.reload()

    return child, write


def broker_address(settings: Settings) -> BrokerAddress:
    if settings.broker.mode == "outside":
        return parse_broker_url(settings.broker.url)
    tls = settings.broker.cert_file is not None
    host = settings.broker.bind if settings.broker.bind not in ("0.0.0.0", "::") else "127.0.0.1"  # noqa: S104
    return BrokerAddress(
        scheme="mqtts" if tls else "mqtt",
        host=host,
        port=settings.broker.port,
        path="/mqtt",
        username=SERVER_USER,
        password=server_password(settings.folder / "server-password"),
    )


def make_heart(settings: Settings, engine: Engine, feed: LiveFeed, deliverer: Deliverer) -> Heart:
    """Everything but the web. The broker, when managed, is started here: it must be there first."""
    server = database.server_id(engine)
    calendar_default.keep(engine, settings.lessons, now_ms())
    calendar_places.keep(engine, now_ms())
    ingest = Ingest(engine, server, ContactBook(now_ms() + BLIND_MS), now_ms, settings.lessons)
    try:
        ingest.load()
    except (ValueError, TypeError, WireError) as error:  # what SQLite finds whole may hold flipped bytes all the same
        raise damage.Unreadable(f"{type(error).__name__}: {error}") from error
    rows = IncidentRows(ingest, settings.incidents, settings.channels)
    with engine.connect() as connection:
        rows.load(connection)
    child, write = None, None
    if settings.broker.mode == "managed":
        child, write = managed_broker(settings)
        child.start()
        try:
            with engine.connect() as connection:
                write(connection)  # ours first: nobody is refused for having come too early
        except BaseException:
            child.stop()
            raise
    address = broker_address(settings)

    def make_link(receive: Callable[[MQTTMessage], None]) -> Link:
        client = broker_client(address, f"schoolbeat-server-{server}", settings.broker.ca_file)
        return Link(client, address.host, address.port, receive)

    return Heart(
        engine,
        settings,
        make_link,
        ingest,
        rows,
        broker=child,
        accounts_changed=write or (lambda _connection: None),
        publish=feed.publish,
        wake=deliverer.wake,
    )


def make_series(
    settings: Settings, engine: Engine, store: Store, heart: Heart, judge: Judge, knows_time: Callable[[], bool]
) -> SeriesQueue:
    return SeriesQueue(
        engine,
        heart.ingest.ledger,
        heart.ingest.layouts,
        lambda: heart.ingest.asked.calendar,
        store,
        settings,
        now_ms,
        unit_kinds={(plan.id, target.id): target.unit for plan in judge.plans for target in plan.targets},
        healthy=lambda: bool(health(heart, judge)["ok"]),
        knows_time=knows_time,
        deaf=lambda: heart.ingest.contact.is_blind(now_ms()),
    )


def web_context(
    settings: Settings,
    engine: Engine,
    heart: Heart,
    feed: LiveFeed,
    judge: Judge,
    desk: Desk,
    series: SeriesQueue | None = None,
) -> WebContext:
    """What pages and API see; everything is read, nothing is changed."""
    ledger = heart.ingest.ledger

    def read_minutes(site: str, signals: Sequence[str], first_minute: int, end_minute: int) -> dict[str, bytes]:
        with engine.connect() as connection:
            return ledger.read(connection, site, signals, first_minute, end_minute)

    def signals_of(site: str) -> list[str]:
        minute = now_ms() // 60_000
        with engine.connect() as connection:
            return ledger.signals(connection, site, minute - 1_440, minute + 1)

    return WebContext(
        engine=engine,
        read_minutes=read_minutes,
        signals_of=signals_of,
        live=feed,
        health=lambda: health(heart, judge, series),
        verdicts=lambda: judge.verdicts,
        calendar=lambda: heart.ingest.asked.calendar,
        now_ms=now_ms,
        language=settings.language,
        banner=DEMO_BANNER if settings.demo else None,
        report_days=settings.report_days,
        reports=desk,
    )


def health(heart: Heart, judge: Judge, series: SeriesQueue | None = None) -> dict[str, object]:
    """Reasons first, numbers after; `ok` is False when anything would make somebody go and look."""
    reasons = [text for text in (heart.problem, heart.link.problem) if text]
    if not heart.link.connected and not heart.link.problem:
        reasons.append("not connected to the broker yet")
    if heart.clock.problem is not None:
        reasons.append(f"{heart.clock.problem.vi} / {heart.clock.problem.en}")
    if heart.failed is not None:
        reasons.append(f"the heart stopped: {type(heart.failed).__name__}")
    if series is not None:
        reasons += [f"{said.vi} / {said.en}" for said in series.reasons()]
    ingest = heart.ingest
    counted = {name: count for name, count in dict(ingest.counters).items() if not name.startswith("series.")}
    numbers = {name.replace(".", "_"): count for name, count in counted.items()}
    numbers |= {} if series is None else series.numbers()
    return {
        "ok": not reasons,
        "reasons": reasons,
        "committed_ms": ingest.committed_ms,
        "judged_ms": judge.judged_ms,
        "inbox": len(heart.inbox),
        "open_ledger_bytes": ingest.ledger.open_bytes,
        **numbers,
    }


def warn_of_outside_broker(settings: Settings) -> None:
    if settings.broker.mode != "outside":
        return
    address = broker_address(settings)
    try:
        warning = check_outside_broker(
            lambda: broker_client(address, "schoolbeat-check", settings.broker.ca_file), address
        )
    except OutsideBrokerError as error:
        warning = str(error)
    if warning:
        log.warning("%s", warning)


def main(settings: Settings) -> int:
    """Runs until SIGTERM or SIGINT. 0 after a clean stop, 1 when it could not start or a part failed for good."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        lock = _lock_in_the_end(settings.folder)
    except (StartError, OSError) as error:
        log.error("%s", error)
        return 1
    with lock:
        why = damage.found(settings.database)
        if not why:
            try:
                code = _serve(settings, _assembled_in_the_end(settings))
            except (plans.PlanError, StartError, BrokerError, OutsideBrokerError, OSError) as error:
                log.error("%s", error)
                return 1
            except (DBAPIError, damage.Unreadable) as error:
                if not damage.is_damage(error):
                    raise
                damage.mark(settings.folder, str(getattr(error, "orig", error)))
                code = 1
            why = damage.found(settings.database) if code else ""
        if not why:
            return code
        damage.serve(settings.web.host, settings.web.port, why)
        return 0


class Assembled(NamedTuple):
    """Everything that runs."""

    engine: Engine
    feed: LiveFeed
    deliverer: Deliverer
    heart: Heart
    judge: Judge
    desk: Desk
    series: SeriesQueue | None


def _assembled(settings: Settings) -> Assembled:
    engine = database.open_database(settings.database)
    restored.look_at_start(engine, settings.folder, now_ms())
    series_setup.prepare(engine, settings.series, now_ms())
    store = open_store(settings.series) if settings.series.kind else None
    warn_of_outside_broker(settings)
    feed = LiveFeed()
    channels = {channel.name: channel for channel in settings.channels}

    def knows_time() -> bool:
        return heart.clock.is_right_at(now_ms())  # nobody asks before the heart is there

    deliverer = Deliverer(
        engine,
        channels,
        now_ms,
        settled=lambda ident: feed.publish("notice", {"id": ident}),
        knows_time=knows_time,
    )
    heart = make_heart(settings, engine, feed, deliverer)
    ledger, judged = heart.ingest.ledger, plans.all_plans(settings.plans, settings.follow)
    judge = Judge(engine, ledger, judged, now_ms, lambda: heart.ingest.asked.calendar, knows_time=knows_time)
    desk = Desk(
        engine,
        ledger,
        judged,
        settings.folder / "reports",
        now_ms,
        lambda: heart.ingest.asked.calendar,
        settings.office,
    )
    series = make_series(settings, engine, store, heart, judge, knows_time) if store is not None else None
    return Assembled(engine, feed, deliverer, heart, judge, desk, series)


def _assembled_in_the_end(settings: Settings) -> Assembled:
    """A disk that is full or read-only is waited for: to be started again and again would change nothing."""
    told = ""
    while True:
        try:
            return _assembled(settings)
        except (DBAPIError, OSError, BrokerError) as error:
            refused = _write_refused(settings.folder)  # Mosquitto does not say why it does not start
            if not (refused or damage.is_passing(error)):
                raise
            said = refused or str(getattr(error, "orig", error))
            log.log(logging.DEBUG if said == told else logging.ERROR, _WAITS, settings.folder, said, said)
            told = said
            time.sleep(WAIT_FOR_DISK_SECONDS)


def _lock_in_the_end(folder: Path) -> IO[str]:
    while True:
        try:
            return lock_folder(folder)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EROFS, errno.EDQUOT):
                raise
            log.error(_WAITS, folder, error.strerror, error.strerror)
            time.sleep(WAIT_FOR_DISK_SECONDS)


def _write_refused(folder: Path) -> str:
    """Why nothing can be written there; "" when it can."""
    probe = folder / "disk-probe"
    try:
        with probe.open("wb") as file:
            file.write(bytes(65_536))
            os.fsync(file.fileno())
    except OSError as error:
        return (error.strerror or str(error)) if error.errno in (errno.ENOSPC, errno.EROFS, errno.EDQUOT) else ""
    finally:
        with contextlib.suppress(OSError):
            probe.unlink(missing_ok=True)
    return ""


def _serve(settings: Settings, parts: Assembled) -> int:
    engine, feed, deliverer, heart, judge, desk, series = parts
    app = create_app(web_context(settings, engine, heart, feed, judge, desk, series))
    judge.after = app.state.plan_book.seen
    web = _WebServer(
        feed,
        uvicorn.Config(
            app,
            host=settings.web.host,
            port=settings.web.port,
            log_level="warning",
            timeout_graceful_shutdown=2,
        ),
    )
    thread = threading.Thread(target=_beat, args=(heart, web), name="heart")
    for number in (signal.SIGTERM, signal.SIGINT):
        # uvicorn raises the signal again once it has stopped: by the default handler that would end us on the spot.
        signal.signal(number, lambda _number, _frame: setattr(web, "should_exit", True))
    deliverer.run()
    thread.start()
    judge.start()
    desk.start()
    if series is not None:
        series.start()
    gc.collect()
    gc.freeze()  # modules and tables stay for good: walking them again and again cost pages 60 ms now and then
    log.info("pages at http://%s:%s (no login yet: loopback only)", settings.web.host, settings.web.port)
    try:
        web.run()
    finally:
        heart.stopping.set()
        thread.join(30)
        deliverer.stop()
        judge.stop()
        desk.stop()
        if series is not None:
            series.stop()
        if heart.broker is not None:
            heart.broker.stop()
        engine.dispose()  # the last one out puts the WAL into the file: who copies the file has all of it
    return 1 if heart.failed is not None else 0


class _WebServer(uvicorn.Server):
    """Open pages are let go at the first word of stopping, so that they do not use up the grace of all others."""

    def __init__(self, feed: LiveFeed, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.feed = feed

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.feed.close()
        super().handle_exit(sig, frame)


def _beat(heart: Heart, web: uvicorn.Server) -> None:
    """A heart that stopped by itself stops everything: whoever runs us starts us again."""
    try:
        heart.run()
    finally:
        web.should_exit = True
