"""Handing lines to stores: the two real ones, two fakes by their documentation, and a front that misbehaves."""

from __future__ import annotations

import base64
import json
import logging
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.agent.test_outbox import small_disk
from tests.fake_stores import BUCKET, TOKEN, FakeFront, FakeInfluxDB2, FakeInfluxDB3, Reply
from tests.ports import free_port
from tests.stores import PASSWORD, influxdb1, victoria_metrics

from schoolbeat_server import series_store
from schoolbeat_server.said import Said
from schoolbeat_server.series_about import retention_days
from schoolbeat_server.series_answer import TEXT_LETTERS, Answer, answer, retry_after
from schoolbeat_server.series_store import Store, open_store
from schoolbeat_server.settings import Series, SettingsError

NOW_MS = int(time.time()) // 60 * 60_000
DAY_MS = 86_400_000
TAKEN = Answer("taken", status=204)
REAL: dict[str, Callable[..., AbstractContextManager[Any]]] = {"victoria": victoria_metrics, "influx": influxdb1}


@contextmanager
def opened(settings: Series) -> Iterator[Store]:
    store = open_store(settings)
    try:
        yield store
    finally:
        store.close()


def line(value: int | float, at_ms: int = NOW_MS, site: str = "th-hoa-phu", name: str = "rtt_ms") -> bytes:
    shown = f"{value}i" if isinstance(value, int) else str(value)
    return f"schoolbeat_reading,school=hoa-phu,site={site} {name}={shown} {at_ms}\n".encode()


def lines(count: int, first: int = 0) -> bytes:
    """Each of a minute of its own, going back from now."""
    return b"".join(line(float(n), NOW_MS - n * 60_000) for n in range(first, first + count))


# ---- the two real stores -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REAL)
@pytest.mark.parametrize("packed", [True, False])
def test_lines_are_stored_and_those_sent_twice_are_stored_once(tmp_path: Path, kind: str, packed: bool) -> None:
    with REAL[kind](tmp_path) as real, opened(replace(real.settings, gzip=packed)) as store:
        answers = [store.write(lines(50)), store.write(lines(50)), store.write(lines(30, 40)), store.write(b"")]

        assert answers == [TAKEN, TAKEN, TAKEN, Answer("taken")]
        assert real.points() == 70


def test_both_stores_give_back_the_values_and_times_that_were_written(tmp_path: Path) -> None:
    body = line(12.5) + line(3, name="loss") + line(13.25, NOW_MS - 60_000, "lẻ\\ 1")

    with victoria_metrics(tmp_path) as victoria, influxdb1(tmp_path) as influx:
        for real in (victoria, influx):
            with opened(real.settings) as store:
                assert store.write(body) == TAKEN
        found = {(labels["__name__"], labels["site"]): samples for labels, samples in victoria.export()}
        rows = influx.query("SELECT * FROM schoolbeat_reading")

    assert found == {
        ("schoolbeat_reading_rtt_ms", "th-hoa-phu"): [(NOW_MS, 12.5)],
        ("schoolbeat_reading_loss", "th-hoa-phu"): [(NOW_MS, 3)],
        ("schoolbeat_reading_rtt_ms", "lẻ 1"): [(NOW_MS - 60_000, 13.25)],
    }
    assert rows[0].values == [
        {"time": NOW_MS - 60_000, "loss": None, "rtt_ms": 13.25, "school": "hoa-phu", "site": "lẻ 1"},
        {"time": NOW_MS, "loss": 3, "rtt_ms": 12.5, "school": "hoa-phu", "site": "th-hoa-phu"},
    ]


def test_of_two_values_at_one_time_influxdb_keeps_the_later_and_victoria_metrics_one(tmp_path: Path) -> None:
    """Which one of those in one request cannot be foretold: why corrected rows are stamped later for VictoriaMetrics."""
    with victoria_metrics(tmp_path) as victoria, influxdb1(tmp_path) as influx:
        for real in (victoria, influx):
            with opened(real.settings) as store:
                for value in (5.0, 9.0, 7.0):
                    store.write(line(value))
                store.write(line(5.0, NOW_MS - 60_000))
                store.write(line(7.0, NOW_MS - 60_000 + 1))
        ((_, kept),) = victoria.export()
        last = victoria.instant("last_over_time(schoolbeat_reading_rtt_ms[60s])", NOW_MS - 30_000)
        ((_, _, values),) = influx.query("SELECT rtt_ms FROM schoolbeat_reading")

    assert [value["rtt_ms"] for value in values] == [5.0, 7.0, 7.0]
    assert len([value for at, value in kept if at == NOW_MS]) == 1, "one of equal times"
    assert [one.value for one in last] == [7.0], "the one stamped later is the last"


def test_without_the_flag_victoria_metrics_counts_what_is_sent_twice_twice(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path, dedup=False) as real, opened(real.settings) as store:
        store.write(lines(10))
        store.write(lines(10))

        assert real.points() == 20
        assert store.about().problems == (
            Said(
                "VictoriaMetrics chạy không có -dedup.minScrapeInterval=1ms: điểm gửi lại sẽ bị đếm hai lần; thêm cờ ấy "
                "rồi khởi động lại nó",
                "VictoriaMetrics runs without -dedup.minScrapeInterval=1ms: a point sent again counts twice; add the flag "
                "and start it again",
            ),
        )


def test_influxdb_refuses_a_line_with_its_words_and_stores_the_others(tmp_path: Path) -> None:
    old = NOW_MS - 40 * DAY_MS

    with influxdb1(tmp_path, retention="30d") as real, opened(real.settings) as store:
        said = [
            store.write(line(1.5)),
            store.write(line(1, NOW_MS - 60_000) + line(2.5, NOW_MS - 120_000)),
            store.write(b"khong phai dong\n" + line(3.5, NOW_MS - 180_000)),
            store.write(line(4.5, old) + line(5.5, NOW_MS - 240_000)),
        ]
        kept = real.query("SELECT rtt_ms FROM schoolbeat_reading")[0].values

    assert [one.kind for one in said] == ["taken", "refused", "refused", "refused"]
    assert [one.text for one in said[1:]] == [
        'partial write: field type conflict: input field "rtt_ms" on measurement "schoolbeat_reading" is type integer, '
        "already exists as type float dropped=1",
        "partial write: unable to parse 'khong phai dong': invalid field format dropped=0",
        "partial write: points beyond retention policy dropped=1",
    ]
    assert sorted(one["rtt_ms"] for one in kept) == [1.5, 2.5, 3.5, 5.5]


def test_victoria_metrics_says_yes_to_what_it_drops_so_about_tells_its_counters(tmp_path: Path) -> None:
    with victoria_metrics(tmp_path, retention="30d") as real, opened(real.settings) as store:
        said = [
            store.write(line(1.5, NOW_MS - 40 * DAY_MS)),
            store.write(line(2.5, NOW_MS + 5 * DAY_MS)),
            store.write(b"khong phai dong\n"),
            store.write(b"m,a=" + b"x" * 300_000 + b" v=1 1\n"),
        ]
        wait_until(lambda: (store.about().rows_ignored, store.about().rows_invalid) == (2, 1))  # counted a little later

        assert (real.points(), store.about().retention_days) == (0, 30)
    assert [one.kind for one in said] == ["taken", "taken", "taken", "refused"]
    assert said[3].text.startswith("cannot read influx line protocol data: too long line")


def test_a_tag_of_more_letters_than_influxdb_takes_is_refused(tmp_path: Path) -> None:
    with influxdb1(tmp_path) as real, opened(real.settings) as store:
        found = store.write(line(1.5, site="x" * 70_000))

    assert (found.kind, found.status) == ("refused", 400)
    assert len(found.text) <= 500


def test_a_missing_database_a_wrong_password_and_no_right_to_write_are_matters_of_setup(tmp_path: Path) -> None:
    with influxdb1(tmp_path, auth=True) as real:
        real.query("CREATE USER doc WITH PASSWORD 'chi doc'")
        wrong = {
            "database": replace(real.settings, database="khong-co"),
            "password": replace(real.settings, password="sai"),
            "no login": replace(real.settings, username="", password=""),
            "no right": replace(real.settings, username="doc", password="chi doc"),
        }
        found = {}
        for name, settings in wrong.items():
            with opened(settings) as store:
                found[name] = store.write(line(1.5))
        with opened(real.settings) as store:
            right = store.write(line(1.5))

    assert right == TAKEN
    assert {name: (one.kind, one.status) for name, one in found.items()} == {
        "database": ("setup", 404),
        "password": ("setup", 401),
        "no login": ("setup", 401),
        "no right": ("setup", 403),
    }
    assert found["database"].text == 'database not found: "khong-co"'


def test_a_body_larger_than_the_store_takes_is_too_big(tmp_path: Path) -> None:
    with influxdb1(tmp_path, max_body_bytes=2_000) as real, opened(replace(real.settings, gzip=False)) as store:
        assert [store.write(lines(10)), store.write(lines(60)).kind] == [TAKEN, "too_big"]


@pytest.mark.parametrize("kind", REAL)
def test_a_store_that_is_killed_and_comes_back_is_waited_for(tmp_path: Path, kind: str) -> None:
    with REAL[kind](tmp_path) as real, opened(real.settings) as store:
        before = store.write(lines(10))
        real.kill()
        away = [store.write(lines(10)), store.write(lines(10))]
        real.start()
        after = store.write(lines(10))

        assert real.points() == 10
    assert (before, after.kind) == (TAKEN, "taken")
    assert {(one.kind, one.status) for one in away} == {("later", 0)}
    assert "Errno 111" in away[1].text


def test_victoria_metrics_killed_loses_what_it_took_last_and_the_store_tells_of_the_restart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_store, "RESTART_SECONDS", 0.0)
    with victoria_metrics(tmp_path) as real, opened(real.settings) as store:
        time.sleep(1.1)  # its start is told in whole seconds
        first = store.write(lines(10))
        real.kill()
        real.start()
        second = store.write(lines(1, 10))
        left = real.points()
        third = store.write(lines(10))

        assert real.points() == 11, "sent again, it is whole"
    assert left < 11, "or settles_seconds is no longer needed"
    assert [first, second, third] == [TAKEN, replace(TAKEN, restarted=True), TAKEN]


@pytest.mark.parametrize("kind", REAL)
def test_a_store_that_hangs_is_given_up_in_bounded_time(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(series_store, "READ_SECONDS", 2.0)
    monkeypatch.setattr(series_store, "CONNECT_SECONDS", 2.0)
    with REAL[kind](tmp_path) as real, opened(real.settings) as store:
        wait_until(lambda: store.write(lines(10)).kind == "taken")
        real.freeze()
        began = time.monotonic()
        hung = store.write(lines(10, 10))
        took = time.monotonic() - began
        real.thaw()
        wait_until(lambda: store.write(lines(10, 10)).kind == "taken")

        assert real.points() == 20
    assert hung == Answer("later", "kho không trả lời kịp / no answer in time")
    assert took < 10


@pytest.mark.namespaces
@pytest.mark.parametrize("kind", REAL)
def test_a_store_whose_disk_is_full_is_waited_for(tmp_path: Path, kind: str) -> None:
    """InfluxDB 1.6 goes on saying that there is no room, VictoriaMetrics ends itself, until they are started again."""
    with small_disk(tmp_path, 40) as (_, point), REAL[kind](point) as real, opened(real.settings) as store:
        assert store.write(lines(10)) == TAKEN
        ballast = filled(point)
        full = until_not_taken(store)
        ballast.unlink()
        real.end()
        real.start()
        wait_until(lambda: store.write(lines(2_010)).kind == "taken")

        assert real.points() == 2_010
    assert full.kind == "later"
    assert full.text


@pytest.mark.namespaces
def test_victoria_metrics_with_little_room_is_read_only_and_says_so(tmp_path: Path) -> None:
    with small_disk(tmp_path, 40) as (_, point), victoria_metrics(point) as real, opened(real.settings) as store:
        ballast = filled(point)
        os.truncate(ballast, ballast.stat().st_size - 5_000_000)
        full = until_not_taken(store)
        said = store.about().problems
        ballast.unlink()
        wait_until(lambda: store.write(lines(2_010)).kind == "taken")

        assert real.points() == 2_010
    assert (full.kind, full.status, "read-only" in full.text) == ("later", 503, True)
    assert [one.en for one in said] == ["VictoriaMetrics' disk is nearly full, so it is read-only: free some room"]


def filled(point: Path) -> Path:
    ballast = point / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return ballast


def until_not_taken(store: Store) -> Answer:
    """VictoriaMetrics looks at its disk every few seconds, InfluxDB when its log needs another block."""
    until = time.monotonic() + 60
    while (found := store.write(lines(2_000, 10))).kind == "taken":
        assert time.monotonic() < until
        time.sleep(0.2)
    return found


# ---- a front that misbehaves -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", REAL)
def test_what_a_front_answers_is_understood(tmp_path: Path, kind: str) -> None:
    replies = [
        Reply(500, {}, b'{"error":"engine: disk"}'),
        Reply(503, {"Retry-After": "7"}, b"busy"),
        Reply(429, {"Retry-After": "999999"}),
        Reply(413, {}, b"<html>too large</html>"),
        Reply(401, {}, b'{"error":"authorization failed"}'),
        Reply(301, {"Location": "http://127.0.0.1:9/"}),
        Reply(400, {"Content-Encoding": "gzip"}, b"\x1f\x8bnot gzip"),
    ]
    with REAL[kind](tmp_path) as real, FakeFront(target=real.url, replies=replies) as front:
        with opened(replace(real.settings, url=front.url)) as store:
            found = [store.write(lines(5)) for _ in range(len(replies))]
            last = store.write(lines(5))

        assert real.points() == 5
    assert last == TAKEN
    assert [(one.kind, one.wait_seconds) for one in found[:6]] == [
        ("later", 0),
        ("later", 7),
        ("later", 3_600),
        ("too_big", 0),
        ("setup", 0),
        ("setup", 0),
    ]
    assert [found[0].text, found[1].text] == ["engine: disk", "busy"]
    assert found[6].kind in ("refused", "later")


@pytest.mark.parametrize("kind", REAL)
def test_an_answer_without_end_or_without_haste_is_cut(
    kind: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(series_store, "READ_SECONDS", 1.0)
    settings = {"victoria": Series(kind="victoriametrics"), "influx": Series(kind="influxdb1", database="x")}[kind]
    head = b"HTTP/1.1 500 no\r\nContent-Type: text/plain\r\n\r\n"
    for body, pause in ((b"x" * 65_536, 0.0), (b"x", 0.05)):
        with talking_for_ever(head, body, pause) as url, opened(replace(settings, url=url)) as store:
            began = time.monotonic()
            found = store.write(lines(5))

        assert (found.kind, found.status, len(found.text) <= 500) == ("later", 500, True)
        assert time.monotonic() - began < 6


@contextmanager
def talking_for_ever(head: bytes, body: bytes, pause_seconds: float) -> Iterator[str]:
    def talk() -> None:
        with listening.accept()[0] as peer:
            peer.recv(65_536)
            try:
                peer.sendall(head)
                while True:
                    peer.sendall(body)
                    time.sleep(pause_seconds)
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", free_port())) as listening:
        thread = threading.Thread(target=talk, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join(10)


def test_no_secret_is_told_even_when_the_store_repeats_it(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    basic = base64.b64encode(f"u:{PASSWORD}".encode()).decode()
    words = f"Token {TOKEN}, Bearer {TOKEN}, {PASSWORD}, Basic {basic}"
    echo = Reply(401, {}, json.dumps({"message": f"{words} are not known"}).encode())
    cut = [
        Reply(401, {}, b"x" * (TEXT_LETTERS - 6 - words.index(one)) + words.encode())
        for one in (TOKEN, PASSWORD, basic)
    ]
    told = list[str]()
    for settings in (
        Series(kind="influxdb2", database="b", org="o", token=TOKEN),
        Series(kind="influxdb3", database="b", token=TOKEN),
        Series(kind="influxdb1", database="b", username="u", password=PASSWORD),
        Series(kind="victoriametrics", username="u", password=PASSWORD),
    ):
        with FakeFront(replies=[echo, *cut]) as front, opened(replace(settings, url=front.url)) as store:
            secrets = (settings.token,) if settings.token else (settings.password, basic)
            caplog.clear()
            answered = store.write(line(1)).text
            halves = [store.write(line(1)).text for _ in cut]
            said = [answered, repr(store), repr(store.about()), *(record.getMessage() for record in caplog.records)]
            told += [text for text in said + halves for secret in secrets if secret[:6] in text]

            assert "…" in answered
    assert told == []


def test_a_certificate_that_is_not_believed_is_a_matter_of_setup(tmp_path: Path) -> None:
    ours, other = certificate(tmp_path, "ours"), certificate(tmp_path, "other")
    tls = ("-tls", f"-tlsCertFile={ours[0]}", f"-tlsKeyFile={ours[1]}")
    with victoria_metrics(tmp_path) as plain:
        port = free_port()
        command = [*plain.command, *tls, f"-httpListenAddr=127.0.0.1:{port}", f"-storageDataPath={tmp_path / 'tls'}"]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            settings = Series(kind="victoriametrics", url=f"https://127.0.0.1:{port}", ca_file=ours[0])
            try:
                with opened(settings) as store:
                    wait_until(lambda: store.write(line(1)).kind == "taken")
                    about = store.about()
                with opened(replace(settings, ca_file=other[0])) as store:
                    wrong = store.write(line(1))
            finally:
                process.terminate()

    assert (about.found, about.problems) == ("victoriametrics", ())
    assert wrong.kind == "setup"
    assert wrong.text.startswith("không tin chứng thư của kho: xem series.ca_file / its certificate is not believed: ")


def certificate(folder: Path, name: str) -> tuple[Path, Path]:
    cert, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", key, "-out", cert),
        ],
        check=True,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    return cert, key


def wait_until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < until
        time.sleep(0.1)


# ---- InfluxDB 2 and 3, by their documentation ----------------------------------------------------------------


@pytest.mark.parametrize("fake", [FakeInfluxDB2, FakeInfluxDB3])
def test_influxdb_2_and_3_are_written_to_with_a_token(fake: type[FakeInfluxDB2 | FakeInfluxDB3]) -> None:
    with fake() as server, opened(server.settings) as store:
        answers = [store.write(lines(50)), store.write(lines(50))]
        bad = store.write(lines(2, 50) + b"khong phai dong\n")
        with opened(replace(server.settings, token="khac")) as other:
            wrong = other.write(lines(5))

    assert answers == [TAKEN, TAKEN]
    assert len(server.points) in (50, 52)
    assert (bad.kind, bad.status, "khong phai dong" in bad.text) == ("refused", 400, True)
    assert (wrong.kind, wrong.status) == ("setup", 401)
    assert server.requests[0].headers["content-encoding"] == "gzip"


def test_influxdb_2_names_a_bucket_that_is_not_there_and_points_too_old() -> None:
    with FakeInfluxDB2(retention_seconds=30 * 86_400) as server, opened(server.settings) as store:
        old = store.write(lines(3) + line(1.0, NOW_MS - 40 * DAY_MS))
        with opened(replace(server.settings, database="khong-co")) as other:
            missing = other.write(lines(3))

    assert (old.kind, old.status) == ("refused", 422)
    assert missing == Answer("setup", 'bucket "khong-co" not found', status=404)
    assert len(server.points) == 3


def test_what_influxdb_2_and_3_say_of_themselves() -> None:
    with FakeInfluxDB2(retention_seconds=30 * 86_400) as two, FakeInfluxDB3() as three:
        found = [open_store(one.settings).about() for one in (two, three)]
        three.retention_seconds, three.databases = 7 * 86_400, ("khac", BUCKET)
        week = open_store(three.settings).about()
        three.tells_databases = False
        silent = open_store(three.settings).about()
        missing = open_store(replace(two.settings, database="khong-co")).about()
        wrong = open_store(replace(three.settings, token="khac")).about()

    assert [(one.found, one.version, one.retention_days, one.exists, one.problems, one.unsure) for one in found] == [
        ("influxdb2", "2.7.12", 30, True, (), ()),
        ("influxdb3", "3.8.0", 0, True, (), ()),
    ]
    assert (week.retention_days, silent.retention_days) == (7, None)
    assert silent.unsure[0].en == "the store does not tell its retention (it answered 403): set series.retention_days"
    assert missing.unsure[0].en.startswith("bucket “khong-co” of organisation")
    assert [one.en for one in wrong.problems] == ["the store does not accept the login (401): see series.token_file"]


# ---- what a real store says of itself ------------------------------------------------------------------------


def test_a_real_store_says_what_it_is_how_long_it_keeps_and_what_is_wrong(tmp_path: Path) -> None:
    with (
        victoria_metrics(tmp_path, retention="3") as victoria,
        influxdb1(tmp_path, auth=True, retention="30d") as influx,
    ):
        right = {one.settings.kind: open_store(one.settings).about() for one in (victoria, influx)}
        wrong = {
            "kind": replace(victoria.settings, kind="influxdb1", database="x"),
            "kind too": replace(influx.settings, kind="influxdb2", org="o", token="t"),
            "database": replace(influx.settings, database='kho "thu"'),
            "password": replace(influx.settings, password="sai"),
        }
        said = {name: open_store(settings).about().problems for name, settings in wrong.items()}

    assert {(one.found, one.retention_days, one.exists, one.problems, one.unsure) for one in right.values()} == {
        ("victoriametrics", 93, True, (), ()),
        ("influxdb1", 30, True, (), ()),
    }
    assert right["influxdb1"].version.startswith("1.")
    assert {name: [one.en for one in problems] for name, problems in said.items()} == {
        "kind": ['the store at this address is VictoriaMetrics, not InfluxDB 1: set series.kind = "victoriametrics"'],
        "kind too": [
            f"the store at this address is InfluxDB 1 {right['influxdb1'].version}, not InfluxDB 2: "
            'set series.kind = "influxdb1"'
        ],
        "database": ['InfluxDB has no database “kho "thu"”: create it by CREATE DATABASE "kho \\"thu\\""'],
        "password": ["the store does not accept the login (401): see series.username, series.password_file"],
    }


def test_a_store_that_is_not_there_says_nothing() -> None:
    store = open_store(Series(kind="victoriametrics", url=f"http://127.0.0.1:{free_port()}"))

    about = store.about()

    assert (about.reached, about.found, about.retention_days) == (False, "", None)
    assert about.problems[0].en.startswith("không nối được với kho / no connection")


def test_something_else_than_a_store_is_not_taken_for_one() -> None:
    class FakeWebPage(FakeFront):
        def replied(self, request: object) -> Reply:
            return Reply(200, {"Content-Type": "text/html"}, b"<html>xin chao</html>")

    with FakeWebPage() as page:
        abouts = {
            kind: open_store(Series(kind=kind, url=page.url, database="x", org="o", token=TOKEN)).about()
            for kind in ("influxdb1", "influxdb2", "influxdb3", "victoriametrics")
        }

        said = {
            kind: open_store(Series(kind=kind, url=page.url, database="x", org="o", token=TOKEN)).write(lines(1))
            for kind in abouts
        }

    assert {(one.kind, one.status) for one in said.values()} == {("setup", 200)}
    assert all(one.text.endswith("see series.url: <html>xin chao</html>") for one in said.values())
    assert {kind: (one.reached, one.found, one.exists) for kind, one in abouts.items()} == dict.fromkeys(
        abouts, (True, "", None)
    )
    assert all(one.unsure for one in abouts.values())


@pytest.mark.parametrize(
    ("flag", "days"),
    [("1", 31), ("12", 372), ("30d", 30), ("1.5y", 547), ("2w", 14), ("36h", 1), ("2M", 62), ("0", 1), ("2x", None)],
)
def test_victoria_metrics_retention_is_read_as_it_means_it(flag: str, days: int | None) -> None:
    assert retention_days(flag) == days


def test_a_gateway_before_victoria_metrics_is_not_taken_for_its_storage() -> None:
    class FakeVmauth(FakeFront):
        def replied(self, request: Any) -> Reply:
            metrics = b'vm_app_version{version="vmauth-20260101", short_version="v1.130.0"} 1\n'
            return Reply(200, {}, metrics) if request.path == "/metrics" else Reply(204)

    with FakeVmauth() as gateway:
        about = open_store(Series(kind="victoriametrics", url=gateway.url)).about()

    assert (about.found, about.version, about.retention_days, about.problems) == (
        "victoriametrics",
        "v1.130.0",
        None,
        (),
    )
    assert about.unsure[0].en.startswith(
        "/metrics of VictoriaMetrics' storage cannot be read, so -dedup.minScrapeInterval"
    )


# ---- without any store -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (200, "<html>", "setup"),
        (202, "", "setup"),
        (204, "", "taken"),
        (302, "", "setup"),
        (400, "unable to parse", "refused"),
        (400, "partial write: max-values-per-tag limit exceeded (100000/100000)", "setup"),
        (400, 'unsupported path requested: "/x/api/v2/write"', "setup"),
        (401, "", "setup"),
        (403, "", "setup"),
        (404, "", "setup"),
        (405, "", "setup"),
        (408, "", "later"),
        (413, "", "too_big"),
        (422, "partial write", "refused"),
        (429, "", "later"),
        (500, "", "later"),
        (507, "", "later"),
    ],
)
def test_each_answer_is_one_of_five(status: int, text: str, kind: str) -> None:
    assert answer(status, {}, text, 0.0).kind == kind


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("7", 7.0),
        ("1.5", 1.5),
        ("-3", 0.0),
        ("99999999999", 3_600.0),
        ("1e999", 0.0),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Wed, 31 Dec 1969 23:59:00 GMT", 0.0),
        ("ngay mai", 0.0),
        ("", 0.0),
    ],
)
def test_how_long_a_store_asks_to_be_left_alone(said: str, seconds: float) -> None:
    assert retry_after({"Retry-After": said}, 10.0) == seconds


def test_an_error_body_of_any_form_becomes_a_short_line() -> None:
    deep = b'{"data":' + b"[" * 100_000
    bodies = [b'{"error":"a","data":null}', b'{"code":"invalid","message":"b"}', b"\xff\x00c\n\td", b"[1]", deep]

    texts = [answer(400, {}, body, 0.0).text for body in bodies]

    assert texts[:4] == ["a", "b", "\ufffd c d", "[1]"]
    assert len(texts[4]) == 500


def test_a_token_that_cannot_be_sent_is_refused_before_anything_is(tmp_path: Path) -> None:
    settings = Series(kind="influxdb2", url="http://127.0.0.1:1", database="b", org="o", token="mã\n")

    with pytest.raises(SettingsError) as error:
        open_store(settings)

    assert str(error.value) == "series.token_file: chỉ nhận chữ và số ASCII / a token is printable ASCII, on one line"


def test_a_ca_file_that_is_none_is_named(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("khong phai")

    with pytest.raises(SettingsError, match=r"series\.ca_file = .*ca\.pem"):
        open_store(Series(kind="victoriametrics", url="https://127.0.0.1:1", ca_file=tmp_path / "ca.pem"))


def test_proxies_of_the_environment_are_not_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setitem(os.environ, name, f"http://127.0.0.1:{free_port()}")

    with FakeInfluxDB2() as server, opened(server.settings) as store:
        assert store.write(lines(1)) == TAKEN
        assert store.about().reached
