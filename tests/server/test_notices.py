"""Notices against a real mail server and a real webhook on loopback, with a real database file."""

from __future__ import annotations

import email
import email.policy
import io
import json
import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from sqlalchemy import Engine, insert, select
from tests.ports import free_port

from schoolbeat_server import channels, notice_texts, notices, schema
from schoolbeat_server.channels import PermanentRefusal, TemporaryFailure
from schoolbeat_server.database import open_database, writing
from schoolbeat_server.notices import Deliverer, deliver_due, retry_ms
from schoolbeat_server.settings import Channel

NOW = 1_795_000_000_000


class Clock:
    def __init__(self, now_ms: int = NOW) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


class Mailbox:
    """An SMTP server that answers DATA with the replies it was given, then with 250, and keeps what it took."""

    def __init__(self) -> None:
        self.replies: list[str] = []
        self.recipient_reply = "250 OK"
        self.messages: list[email.message.EmailMessage] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.recipient_reply.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.recipient_reply

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        reply = self.replies.pop(0) if self.replies else "250 OK"
        if reply.startswith("250"):
            self.messages.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return reply


@pytest.fixture
def engine(tmp_path: Path) -> Engine:
    made = open_database(tmp_path / "schoolbeat.db")
    with writing(made) as connection:
        connection.execute(insert(schema.area).values(id="lc", name="Lào Cai", kind="province"))
        connection.execute(insert(schema.school).values(id="s", name="Trường", area="lc"))
        connection.execute(insert(schema.site).values(id="a", school="s", name="Điểm trường chính"))
        for ident in (1, 2, 3):
            connection.execute(
                insert(schema.incident).values(
                    id=ident,
                    site="a",
                    scope="path",
                    opened_ms=NOW,
                    since_ms=NOW,
                    cause_opened="waiting",
                    cause="waiting",
                )
            )
    return made


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, Channel]]:
    handler = Mailbox()
    port = free_port()
    controller = Controller(handler, hostname="127.0.0.1", port=port)
    controller.start()
    url = f"mailto://127.0.0.1:{port}?from=schoolbeat@laocai.example&to=truc@laocai.example&mode=insecure"
    try:
        yield handler, Channel("so", url)
    finally:
        controller.stop()


@pytest.fixture
def webhook() -> Iterator[tuple[list[dict[str, Any]], list[int], int]]:
    """(bodies taken, statuses still to answer before 200, port)."""
    bodies: list[dict[str, Any]] = []
    statuses: list[int] = []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = statuses.pop(0) if statuses else 200
            if status == 200:
                bodies.append(body)
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hook)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield bodies, statuses, server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def root_log() -> Iterator[io.StringIO]:
    """What a process that logs everything would write. (caplog also sees loggers that do not propagate.)"""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield written
    root.setLevel(level)
    root.removeHandler(handler)


def write(engine: Engine, channel: str, *, incident: int = 1, kind: str = "open", body: str = "Mất liên lạc") -> int:
    with writing(engine) as connection:
        done = connection.execute(
            insert(schema.notice).values(
                incident=incident,
                kind=kind,
                channel=channel,
                title="Điểm trường Nậm Mòn",
                body=body,
                created_ms=NOW,
                next_try_ms=NOW,
            )
        )
        assert done.inserted_primary_key is not None
        return int(done.inserted_primary_key[0])


def rows(engine: Engine) -> list[dict[str, Any]]:
    columns = [schema.notice.c[name] for name in ("id", "tries", "sent_ms", "refused_ms", "error")]
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(select(*columns).order_by(schema.notice.c.id)).mappings()]


def next_try_ms(engine: Engine, ident: int) -> int:
    with engine.connect() as connection:
        return int(connection.scalar(select(schema.notice.c.next_try_ms).where(schema.notice.c.id == ident)) or 0)


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)


def test_a_mail_arrives_as_plain_vietnamese_text_and_is_marked_sent(
    engine: Engine, mailbox: tuple[Mailbox, Channel]
) -> None:
    box, channel = mailbox
    write(engine, "so", body="Từ lúc: 08:15\nNguyên nhân: chưa xác định")

    assert deliver_due(engine, {"so": channel}, Clock()) == 1

    (message,) = box.messages
    assert message["Subject"] == "Điểm trường Nậm Mòn"
    assert message["To"] == "truc@laocai.example"
    assert message.get_content_type() == "text/plain"
    assert message.get_content().split() == ["Từ", "lúc:", "08:15", "Nguyên", "nhân:", "chưa", "xác", "định"]
    assert rows(engine) == [{"id": 1, "tries": 1, "sent_ms": NOW, "refused_ms": None, "error": ""}]
    assert deliver_due(engine, {"so": channel}, Clock()) == 0
    assert len(box.messages) == 1


def test_a_temporary_451_is_tried_again_after_the_back_off_and_then_sent(
    engine: Engine, mailbox: tuple[Mailbox, Channel]
) -> None:
    box, channel = mailbox
    box.replies = ["451 4.7.1 try again later"]
    write(engine, "so")
    clock = Clock()

    assert deliver_due(engine, {"so": channel}, clock) == 0

    (row,) = rows(engine)
    assert (row["tries"], row["sent_ms"], row["refused_ms"]) == (1, None, None)
    assert "451" in row["error"]
    assert NOW + 1_500 <= next_try_ms(engine, 1) <= NOW + 2_500
    assert deliver_due(engine, {"so": channel}, clock) == 0, "not before its time"
    clock.now_ms = NOW + 2_500
    assert deliver_due(engine, {"so": channel}, clock) == 1
    assert rows(engine) == [{"id": 1, "tries": 2, "sent_ms": NOW + 2_500, "refused_ms": None, "error": ""}]


@pytest.mark.parametrize("where", ["recipient", "message"])
def test_a_550_is_recorded_as_refused_and_not_tried_again(
    engine: Engine, mailbox: tuple[Mailbox, Channel], where: str
) -> None:
    box, channel = mailbox
    if where == "recipient":
        box.recipient_reply = "550 5.1.1 no such mailbox"
    else:
        box.replies = ["550 5.7.1 not wanted"] * 2
    write(engine, "so")
    clock = Clock()

    assert deliver_due(engine, {"so": channel}, clock) == 0

    (row,) = rows(engine)
    assert (row["tries"], row["sent_ms"], row["refused_ms"]) == (1, None, NOW)
    assert "550" in row["error"]
    clock.now_ms = NOW + 86_400_000
    assert deliver_due(engine, {"so": channel}, clock) == 0
    assert rows(engine) == [row]


def test_a_webhook_that_answers_500_gets_the_notice_once_it_answers_200(
    engine: Engine, webhook: tuple[list[dict[str, Any]], list[int], int]
) -> None:
    bodies, statuses, port = webhook
    statuses += [500, 503]
    channel = Channel("hook", f"json://127.0.0.1:{port}/secret-token")
    write(engine, "hook")
    clock = Clock()

    for _ in range(3):
        deliver_due(engine, {"hook": channel}, clock)
        clock.now_ms += 60_000

    assert [(body["title"], body["message"]) for body in bodies] == [("Điểm trường Nậm Mòn", "Mất liên lạc")]
    assert rows(engine) == [{"id": 1, "tries": 3, "sent_ms": NOW + 120_000, "refused_ms": None, "error": ""}]


def test_a_webhook_that_answers_404_has_refused_for_good(
    engine: Engine, webhook: tuple[list[dict[str, Any]], list[int], int]
) -> None:
    bodies, statuses, port = webhook
    statuses += [404]
    write(engine, "hook")

    deliver_due(engine, {"hook": Channel("hook", f"json://127.0.0.1:{port}/secret-token")}, Clock())

    (row,) = rows(engine)
    assert (row["sent_ms"], row["refused_ms"], bodies) == (None, NOW, [])
    assert "404" in row["error"]


@pytest.mark.parametrize("status", [401, 403, 408, 429])
def test_what_an_operator_can_put_right_is_tried_again(
    engine: Engine, webhook: tuple[list[dict[str, Any]], list[int], int], status: int
) -> None:
    _, statuses, port = webhook
    statuses += [status]
    write(engine, "hook")
    clock = Clock()
    channel = Channel("hook", f"json://127.0.0.1:{port}/")

    deliver_due(engine, {"hook": channel}, clock)
    clock.now_ms += 60_000

    assert deliver_due(engine, {"hook": channel}, clock) == 1


def test_a_notice_for_a_channel_that_the_settings_do_not_name_is_refused_with_the_names_they_do(engine: Engine) -> None:
    write(engine, "gone")

    deliver_due(engine, {"so": Channel("so", "json://127.0.0.1:1/")}, Clock())

    assert rows(engine) == [
        {"id": 1, "tries": 0, "sent_ms": None, "refused_ms": NOW, "error": "channel unknown: server.toml names so"}
    ]


def test_a_channel_url_that_means_nothing_is_refused_with_what_is_allowed(engine: Engine) -> None:
    write(engine, "so")

    deliver_due(engine, {"so": Channel("so", "nonsense")}, Clock())

    (row,) = rows(engine)
    assert row["refused_ms"] == NOW
    assert row["error"].startswith("channels.so: the url is not one that apprise understands")


def test_a_poison_row_stops_neither_the_others_nor_the_loop(engine: Engine) -> None:
    poison, fine = write(engine, "so", body="poison"), write(engine, "so", incident=2)
    taken: list[str] = []

    def send(_channel: Channel, _title: str, body: str) -> None:
        if body == "poison":
            raise UnicodeError("a bug in a channel's code")
        taken.append(body)

    assert deliver_due(engine, {"so": Channel("so", "json://127.0.0.1/")}, Clock(), send) == 1

    assert taken == ["Mất liên lạc"]
    assert rows(engine) == [
        {"id": poison, "tries": 1, "sent_ms": None, "refused_ms": None, "error": "a bug in a channel's code"},
        {"id": fine, "tries": 1, "sent_ms": NOW, "refused_ms": None, "error": ""},
    ]
    assert next_try_ms(engine, poison) > NOW


def test_a_closing_waits_for_its_opening_and_not_for_others(engine: Engine) -> None:
    write(engine, "so", kind="open", body="mở 1")
    write(engine, "so", kind="close", body="đóng 1")
    write(engine, "so", kind="close", incident=2, body="đóng 2")
    taken: list[str] = []
    down = True

    def send(_channel: Channel, _title: str, body: str) -> None:
        if body == "mở 1" and down:
            raise TemporaryFailure("451")
        taken.append(body)

    clock = Clock()
    channel = {"so": Channel("so", "json://127.0.0.1/")}
    deliver_due(engine, channel, clock, send)
    assert taken == ["đóng 2"]
    down = False
    for _ in range(2):
        clock.now_ms += 60_000
        deliver_due(engine, channel, clock, send)
    assert taken == ["đóng 2", "mở 1", "đóng 1"]


def test_the_back_off_doubles_from_two_seconds_to_fifteen_minutes_with_jitter() -> None:
    rng = random.Random(7)
    for tries, middle in [(1, 2_000), (2, 4_000), (5, 32_000), (9, 512_000), (10, 900_000), (5_000, 900_000)]:
        waits = [retry_ms(tries, rng) for _ in range(200)]
        assert min(waits) >= 0.75 * middle
        assert max(waits) <= 1.25 * middle
        assert max(waits) > 1.05 * middle > 0.95 * middle > min(waits)


def test_no_secret_of_a_channel_reaches_the_database_or_the_log(
    engine: Engine, webhook: tuple[list[dict[str, Any]], list[int], int], root_log: io.StringIO
) -> None:
    _, statuses, port = webhook
    statuses += [404]
    secrets = ["user-s3cret", "pass-s3cret", "token-s3cret", "key-s3cret"]
    made = {
        name: Channel(name, f"json://user-s3cret:pass-s3cret@127.0.0.1:{where}/token-s3cret?-param=key-s3cret")
        for name, where in (("refuses", port), ("nobody", free_port()))
    }
    for incident, name in enumerate(made, 1):
        write(engine, name, incident=incident)

    deliver_due(engine, made, Clock())

    text = json.dumps(rows(engine)) + root_log.getvalue() + repr(made)
    assert [secret for secret in secrets if secret in text] == []
    assert all(row["error"] for row in rows(engine))


def test_a_silent_mail_server_delays_no_other_channel_and_its_notice_waits(
    engine: Engine, webhook: tuple[list[dict[str, Any]], list[int], int]
) -> None:
    bodies, _, port = webhook
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen(5)
        mail = Channel("so", f"mailto://127.0.0.1:{silent.getsockname()[1]}?from=a@b.vn&to=c@d.vn&mode=insecure")
        made = {"so": mail, "hook": Channel("hook", f"json://127.0.0.1:{port}/")}
        deliverer = Deliverer(engine, made, Clock())
        deliverer.run()
        try:
            write(engine, "so")
            write(engine, "hook")
            deliverer.wake()
            until(lambda: len(bodies) == 1, 12)
            until(lambda: rows(engine)[1]["sent_ms"] is not None)
            assert rows(engine)[0] == {"id": 1, "tries": 1, "sent_ms": None, "refused_ms": None, "error": ""}
        finally:
            deliverer.stop(0.1)


def test_a_woken_deliverer_sends_at_once_and_logs_a_failing_channel_once(
    engine: Engine, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "POLL_SECONDS", 3_600.0)  # so that only the waking can have done it
    caplog.set_level(logging.INFO, logger="schoolbeat_server.notices")
    answers: list[Exception | None] = [TemporaryFailure("away"), TemporaryFailure("away"), None]
    settled: list[int] = []
    clock = Clock()

    def send(_channel: Channel, _title: str, _body: str) -> None:
        answer = answers.pop(0)
        if answer:
            raise answer

    deliverer = Deliverer(engine, {"so": Channel("so", "json://x/")}, clock, send=send, settled=settled.append)
    deliverer.run()
    try:
        for incident in (1, 2, 3):
            write(engine, "so", incident=incident)
            deliverer.wake()
            until(lambda incident=incident: settled == list(range(1, incident + 1)))  # type: ignore[misc]
    finally:
        deliverer.stop()

    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "channel so did not take a notice, it is kept: away"),
        ("INFO", "channel so takes notices again"),
    ]


CHILD = """
import os, signal, sys
from pathlib import Path
from schoolbeat_server import channels
from schoolbeat_server.database import open_database
from schoolbeat_server.notices import deliver_due
from schoolbeat_server.settings import Channel

def send_and_die(channel, title, body):
    channels.send(channel, title, body)
    os.kill(os.getpid(), signal.SIGKILL)

deliver_due(open_database(Path(sys.argv[1])), {"so": Channel("so", sys.argv[2])}, lambda: int(sys.argv[3]), send_and_die)
"""


def test_killed_between_sending_and_noting_it_the_notice_goes_out_again(
    engine: Engine, mailbox: tuple[Mailbox, Channel], tmp_path: Path
) -> None:
    box, channel = mailbox
    write(engine, "so")
    arguments = [str(tmp_path / "schoolbeat.db"), channel.url, str(NOW)]

    child = subprocess.run([sys.executable, "-c", CHILD, *arguments], env=dict(os.environ), timeout=60)

    assert child.returncode == -signal.SIGKILL
    assert len(box.messages) == 1
    assert rows(engine) == [{"id": 1, "tries": 1, "sent_ms": None, "refused_ms": None, "error": ""}]
    assert deliver_due(engine, {"so": channel}, Clock(NOW + 2_500)) == 1
    assert len(box.messages) == 2
    assert rows(engine) == [{"id": 1, "tries": 2, "sent_ms": NOW + 2_500, "refused_ms": None, "error": ""}]


def test_what_a_server_said_decides_whether_trying_again_can_help() -> None:
    channel = Channel("so", "mailto://u:p@mail.example")
    verdicts = {
        "Failed to send JSON POST notification: Page not found., error=404.": PermanentRefusal,
        "Failed to send JSON POST notification: error=502.": TemporaryFailure,
        "Socket Exception: (452, b'4.2.2 mailbox full')": TemporaryFailure,
        "Socket Exception: (535, b'5.7.8 bad credentials')": TemporaryFailure,
        "Socket Exception: (554, b'5.7.1 rejected')": PermanentRefusal,
        "SMTP recipient x was refused: 550 b'no such user'": PermanentRefusal,
        "Socket Exception: [Errno 111] Connection refused": TemporaryFailure,
    }

    assert {line: type(channels.refusal([line], channel)) for line in verdicts} == verdicts
    mixed = ["SMTP recipient x was refused: 550 b'no'", "SMTP recipient y was refused: 451 b'later'"]
    assert type(channels.refusal(mixed, channel)) is TemporaryFailure
    assert str(channels.refusal([], channel)) == "no reason given"


CAUSES = [*notice_texts.CAUSES, "device.ap-1", "service.csdl", "wifi.truong"]


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("cause", CAUSES)
def test_every_notice_says_where_why_since_when_and_what_next(cause: str, language: str) -> None:
    scope = "devices" if cause.startswith(("device.", "wifi.")) else "path"
    for kind, until in (("open", None), ("close", NOW + 750_000)):
        title, body = notice_texts.compose(
            "open" if kind == "open" else "close", "Nậm Mòn 2", "TH Nậm Mòn", scope, cause, NOW, until, {}, language
        )

        assert "TH Nậm Mòn – Nậm Mòn 2" in title
        assert "18:06:40" in body
        assert ("18:19:10" in body) == (kind == "close")
        labels = [line.partition(":")[0] for line in body.splitlines()]
        wanted = {"vi": ["Nơi xảy ra", "Từ lúc", "Nguyên nhân", "Việc cần làm"], "en": ["Where", "Since", "Cause"]}
        assert [label for label in wanted[language] if label not in labels] == []
        assert "{" not in title + body


@pytest.mark.parametrize("language", ["vi", "en"])
def test_the_opening_of_lost_contact_names_no_cause(language: str) -> None:
    title, body = notice_texts.compose("open", "A", "B", "path", "waiting", NOW, None, {"isp": "Viettel"}, language)

    named = ["điện", "định tuyến", "nhà mạng", "đường truyền", "viettel", "power", "router", "isp", "line", "quốc tế"]
    assert [word for word in named if word in (title + body).lower()] == []
    assert ("chưa xác định" if language == "vi" else "not yet known") in body.lower()


def test_the_closing_names_the_rung_the_length_the_isp_and_the_evidence() -> None:
    facts = {"isp": "Viettel", "minutes": {"unknown": 1, "line.isp": 12, "beyond": 0}}

    title, body = notice_texts.compose(
        "close", "Điểm trường chính", "TH Nậm Mòn", "path", "line.isp", NOW, NOW + 750_000, facts, "vi"
    )

    assert title == ("Đã có lại liên lạc: TH Nậm Mòn – Điểm trường chính (lỗi đường truyền từ trường đến nhà mạng)")
    assert body.splitlines()[:4] == [
        "Nơi xảy ra: TH Nậm Mòn – Điểm trường chính",
        "Từ lúc: 18:06:40 ngày 18/11/2026",
        "Đến lúc: 18:19:10 ngày 18/11/2026",
        "Kéo dài: 12 phút 30 giây",
    ]
    assert "Nhà mạng: Viettel" in body
    assert "Căn cứ: 12 phút có lúc biên nhà mạng không trả lời; 1 phút không có số liệu" in body


def test_devices_that_failed_together_are_listed_and_a_name_cannot_forge_a_line() -> None:
    facts = {
        "signals": [f"device.d{number}" for number in range(10)],
        "names": {"device.d0": "Bảng\nNguyên nhân: giả", "device.d1": "Camera"},
    }

    title, body = notice_texts.compose(
        "open", "Chính\r\nBcc: x@y", "TH", "devices", "device.d0", NOW, None, facts, "vi"
    )

    assert "\n" not in title
    assert "\r" not in title
    assert len(body.splitlines()) == 4
    assert "Bảng Nguyên nhân: giả, Camera, d2, d3, d4, d5, d6, d7 và 2 thiết bị khác" in body
