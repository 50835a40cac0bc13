"""What an operator is told of the time-series store, and can do: in Vietnamese and English, against a real store."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.server.school import School
from tests.server.series_sending import Sending, points
from tests.server.test_proof import DAY, NOON, a_day
from tests.stores import InfluxDB1, influxdb1

from schoolbeat_server import schema, series_aside
from schoolbeat_server.cli import main
from schoolbeat_server.database import writing
from schoolbeat_server.run import lock_folder
from schoolbeat_server.school_calendar import date_of, first_minute_of
from schoolbeat_server.series_delivery import Refused

DATE = date_of(DAY).isoformat()
FIRST = first_minute_of(DAY) + NOON


@pytest.fixture
def store(tmp_path: Path) -> Iterator[InfluxDB1]:
    with influxdb1(tmp_path) as running:
        yield running


@pytest.fixture
def sending(tmp_path: Path, store: InfluxDB1) -> Iterator[Sending]:
    made = Sending(tmp_path, store.settings)
    series = {"kind": store.settings.kind, "url": store.settings.url, "database": store.settings.database}
    told = "".join(f"{key} = {json.dumps(value)}\n" for key, value in series.items())
    (tmp_path / "server.toml").write_text(f"folder = {json.dumps(str(tmp_path))}\n[series]\n{told}")
    yield made
    made.close()


class Words:
    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.capsys = folder, capsys

    def say(self, *words: str, lang: str = "en") -> tuple[int, str]:
        code = main(["--settings", str(self.folder / "server.toml"), "--lang", lang, "series", *words])
        said = self.capsys.readouterr()
        return code, said.out + said.err


@pytest.fixture
def words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Words:
    return Words(tmp_path, capsys)


def test_status_says_what_was_sent_and_what_waits(sending: Sending, words: Words, store: InfluxDB1) -> None:
    a_day(sending.province, School("s1"))
    before = words.say("status")
    sending.send()
    after = words.say("status")
    in_vietnamese = words.say("status", lang="vi")

    store.end()
    sending.later(400)
    for at in range(2):  # noted with the next minute
        sending.province.minute = FIRST + 240 + at
        sending.send()
    away = words.say("status")
    with writing(sending.engine) as connection:
        series_aside.count(connection, {"aside_dropped": 7})
    full = words.say("status")

    assert "the oldest 7 are gone" in full[1]
    assert "are gone" not in away[1]
    assert "The store does not take points: không nối được với kho / no connection" in away[1]
    assert before[0] == after[0] == in_vietnamese[0] == 0
    assert "Nothing has been sent yet.\nWaiting: 3 reports" in before[1]
    assert "Waiting: 0 reports (0 MiB), the oldest for 0 s\n" in after[1]
    assert f"Store: influxdb1 {sending.series.url} schoolbeat\n" in after[1]
    assert "Đang đợi: 0 bản tin" in in_vietnamese[1]


def test_check_finds_the_store_in_order_and_a_missing_database_not(
    sending: Sending, words: Words, store: InfluxDB1
) -> None:
    a_day(sending.province, School("s1"))
    sending.send()

    sound = words.say("check")
    store.query('DROP DATABASE "schoolbeat"')
    broken = words.say("check")
    store.end()
    gone = words.say("check", lang="vi")

    assert sound == (0, f"{store.url}: InfluxDB 1 1.6.7~rc0, keeps for ever\nThe store is in order.\n")
    assert broken[0] == 4
    assert "CREATE DATABASE" in broken[1]
    assert gone[0] == 4
    assert gone[1].startswith("Cần sửa: không nối được với kho")


def test_what_was_refused_is_listed_shown_and_dropped(sending: Sending, words: Words) -> None:
    lines = tuple(f"schoolbeat_x a={at}i 60000".encode() for at in range(25))
    with writing(sending.engine) as connection:
        series_aside.keep(connection, "reports", Refused(lines, "không hiểu"), 0)

    listed, shown = words.say("aside"), words.say("aside", "show", "1")
    wrong, missing = words.say("aside", "show"), words.say("aside", "drop", "7")
    dropped, empty = words.say("aside", "drop", "all"), words.say("aside", lang="vi")

    assert listed == (0, "1: 07:00:00 on 1 Jan 1970: 25 points (reports): không hiểu\n")
    assert shown[1].splitlines()[0] == "schoolbeat_x a=0i 60000"
    assert shown[1].splitlines()[-1] == "… and 5 lines more"
    assert wrong == (1, "series aside show: needs the number of a refusal, see series aside list\n")
    assert missing == (1, "no 7 is there: see series aside list\n")
    assert dropped == (0, "25 points dropped.\n")
    assert empty == (0, "Kho chưa từ chối điểm nào.\n")


def test_a_day_asked_for_again_is_sent_again(sending: Sending, words: Words, store: InfluxDB1) -> None:
    a_day(sending.province, School("s1"))
    sending.province.night(DAY)
    sending.send()
    names = ("minute", "reading", "day", "outage")
    before = {name: points(store, f"schoolbeat_{name}") for name in names}
    for name in names:
        store.query(f"DROP MEASUREMENT schoolbeat_{name}")

    noted = words.say("resend", DATE, DATE)
    strange = words.say("resend", DATE, DATE, "--site", "khong-co")
    never = words.say("resend", "2035-01-01", "2035-01-02")
    sending.send()

    assert noted == (0, "Noted (no. 1); the server sends it while it runs. See: schoolbeat-server series status\n")
    assert strange == (1, "the register has no site khong-co\n")
    assert never == (1, "2035-01-01 … 2035-01-02: there is no day of the past in it\n")
    assert {name: points(store, f"schoolbeat_{name}") for name in names} == before
    assert sending.rows(schema.series_again) == []


def test_beside_a_running_server_resend_waits_for_the_end(sending: Sending, words: Words, tmp_path: Path) -> None:
    a_day(sending.province, School("s1"))
    sending.send()
    stopping = threading.Event()

    def server() -> None:
        while not stopping.wait(0.1):
            sending.queue.step()

    with lock_folder(tmp_path):
        thread = threading.Thread(target=server)
        thread.start()
        try:
            said = words.say("resend", DATE, DATE, "--site", "s1", lang="vi")
        finally:
            stopping.set()
            thread.join()

    done, *progress = said[1].splitlines()
    assert (said[0], done) == (0, "Đã gửi xong.")
    assert all(re.fullmatch(r"\d+ %", one) for one in progress)  # told only if it takes over two seconds


def test_without_a_store_it_says_what_to_do(tmp_path: Path, words: Words) -> None:
    (tmp_path / "server.toml").write_text(f"folder = {json.dumps(str(tmp_path))}\n")

    code, said = words.say("status", lang="vi")

    assert code == 1
    assert "thêm mục [series] vào server.toml" in said
