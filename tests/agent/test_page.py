"""The page in the school: what it says in each trouble, who may open it, and that it looks right in a browser."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from tests.ports import free_port

from schoolbeat_agent import machine, page, page_drawn, page_texts
from schoolbeat_agent.observation import Observation, Run, State
from schoolbeat_agent.outbox import Outbox
from schoolbeat_agent.page_diagnosis import Diagnosis, diagnosis
from schoolbeat_agent.page_request import Refused, Request, is_ours, lans_among, may_ask, own_names, parse
from schoolbeat_agent.page_standing import Standing, standings
from schoolbeat_agent.page_texts import INTERNET_WELL
from schoolbeat_agent.probes.world import World
from schoolbeat_agent.runner import Runner
from schoolbeat_agent.settings import Settings, build
from schoolbeat_agent.sight import Sight, View
from schoolbeat_agent.texts import Text

NOW = 10_000.0
LESSON_UNIX = 1_765_767_600.0  # Monday 2025-12-15 10:00 in Viet Nam
LADDER = ("lan.router", "line.isp", "line.domestic", "line.international")
UP, DOWN, UNSEEN = State.UP, State.DOWN, State.UNSEEN


def school(**more: Any) -> Settings:
    found = {
        "site": "th-nam-cuong",
        "broker": {"host": "mqtt.example.vn"},
        "path": {"domestic": ["203.0.113.1"]},
        "lessons": {"week": ["2 07:00-11:30"]},
        "service": [{"id": "csdl", "url": "https://csdl.example/"}],
        "device": [
            {"id": "sw-1", "address": "192.168.1.2", "name": "Switch tầng 1", "kind": "switch"},
            {
                "id": "cam-1",
                "address": "192.168.1.9",
                "name": "Camera cổng",
                "kind": "camera",
                "behind": "device.sw-1",
                "ask": "icmp",
            },
            {"id": "bang-5a", "address": "192.168.1.20", "name": "Bảng 5A", "kind": "board", "room": "Phòng 5A"},
        ],
    }
    return build(found | more, Path("/nowhere/agent.toml"))


def view(
    states: dict[str, State],
    causes: dict[str, str] | None = None,
    readings: dict[tuple[str, str], float] | None = None,
    *,
    settings: Settings | None = None,
    unix: float | None = LESSON_UNIX,
    connected: bool = True,
    before: float = 600.0,
) -> View:
    """As the runner shows it: everything has been so for ten minutes, and was asked two seconds ago."""
    sight = Sight()
    seen = Observation(states, readings or {}, causes or {})
    for at in (NOW - before, NOW - 2):
        sight.take(Run("path", at, 0.1, seen))
    return View(settings or school(), sight, NOW, unix, connected, 1)


def all_up(**changes: State) -> dict[str, State]:
    names = (*LADDER, "line.internet", "service.csdl", "device.sw-1", "device.cam-1", "device.bang-5a")
    return dict.fromkeys(names, UP) | {name.replace("__", "."): state for name, state in changes.items()}


def down_from(rung: str) -> dict[str, State]:
    """As the probes say it when a rung fails: what lies beyond is silent too."""
    beyond = LADDER[LADDER.index(rung) :]
    return all_up() | dict.fromkeys((*beyond, "line.internet", "service.csdl"), DOWN)


def said(found: Diagnosis) -> dict[str, Any]:
    """What a teacher reads, in Vietnamese."""
    return {
        "level": found.level,
        "headline": found.headline.vi,
        "innocent": [text.vi for text in found.innocent],
        "steps": [text.vi for text in found.steps],
        "call": found.call.vi if found.call else "",
        "also": [text.vi for text in found.also],
    }


# --- what is wrong -------------------------------------------------------------------------------------------------


def test_when_all_is_well_one_sentence_says_so() -> None:
    found = diagnosis(view(all_up()))

    assert found == Diagnosis("well", Text("Mọi thứ đang chạy.", "Everything is working."))


def test_the_line_of_the_provider_is_down_and_the_school_is_not_at_fault() -> None:
    found = diagnosis(view(down_from("line.isp")))

    assert said(found) == {
        "level": "broken",
        "headline": "Đường truyền của nhà mạng đang hỏng.",
        "innocent": [
            "Không phải do máy tính hay điện thoại của thầy cô.",
            "Bộ định tuyến của trường vẫn tốt.",
            "3 trên 3 thiết bị trong trường vẫn chạy.",
        ],
        "steps": [
            "Xem modem quang của nhà mạng: có điện không, dây có lỏng không, đèn LOS có đỏ không.",
            "LOS không đỏ: rút nguồn modem 30 giây rồi cắm lại, chờ 3 phút. LOS đỏ: gọi nhà mạng ngay.",
        ],
        "call": "Tổng đài của nhà mạng (số trên hợp đồng hoặc nhãn dán ở modem quang).",
        "also": [],
    }
    assert found.since == NOW - 600


def test_a_router_that_is_dead_accuses_no_provider() -> None:
    found = diagnosis(view(down_from("lan.router")))

    assert said(found) == {
        "level": "broken",
        "headline": "Bộ định tuyến của trường không trả lời, nên cả trường mất Internet.",
        "innocent": [
            "Mạng trong trường vẫn chạy: 3 thiết bị trả lời.",
            "Chưa thể nói đường truyền của nhà mạng tốt hay hỏng: từ đây chưa nhìn tới đó.",
        ],
        "steps": [
            "Xem bộ định tuyến có đèn không.",
            "Rút nguồn bộ định tuyến 30 giây rồi cắm lại, chờ 3 phút.",
        ],
        "call": "Thầy cô phụ trách CNTT của trường; nếu bộ định tuyến là của nhà mạng thì gọi tổng đài nhà mạng.",
        "also": [],
    }


def test_where_nothing_on_the_lan_answers_the_cabinet_is_looked_at_first() -> None:
    states = down_from("lan.router") | dict.fromkeys(("device.sw-1", "device.cam-1", "device.bang-5a"), DOWN)

    found = diagnosis(view(states))

    assert found.headline == page_texts.NOTHING_ANSWERS
    assert found.steps == page_texts.NOTHING_STEPS
    assert found.innocent == (page_texts.LINE_NOT_SEEN,)
    assert found.also == ()  # devices are hidden by the router: not known, and not accused


def test_an_unplugged_cable_of_the_gateway_says_so() -> None:
    found = diagnosis(view(down_from("lan.router"), {"lan.router": "no_carrier"}))

    assert (found.headline, found.innocent) == (page_texts.NO_CABLE, (page_texts.LINE_NOT_SEEN,))


def test_a_fault_far_away_is_the_providers_and_nothing_is_to_do_in_the_school() -> None:
    found = diagnosis(view(down_from("line.domestic")))

    assert (found.level, found.headline) == ("broken", page_texts.ISP_NETWORK_DOWN)
    assert (found.steps, found.call) == (page_texts.WAIT_STEPS, page_texts.CALL_ISP)


def test_an_edge_that_never_answers_leaves_open_whether_line_or_provider() -> None:
    found = diagnosis(view(down_from("line.domestic") | {"line.isp": UNSEEN}))

    assert (found.headline, found.steps) == (page_texts.BEYOND_ROUTER_DOWN, page_texts.LINE_STEPS)


def test_the_way_abroad_alone_is_neither_the_schools_nor_the_lines_fault() -> None:
    states = all_up() | {"line.international": DOWN, "service.csdl": DOWN}

    found = diagnosis(view(states))

    assert (found.level, found.headline) == ("attention", page_texts.ABROAD_DOWN)
    assert found.innocent == (page_texts.NOT_THE_SCHOOL,)
    assert found.also == ()  # the service is seen through the way abroad


def test_without_domestic_targets_lost_internet_is_not_blamed_on_the_way_abroad() -> None:
    settings = school(path={})
    states = all_up() | {"line.international": DOWN, "line.internet": DOWN}
    del states["line.domestic"]

    found = diagnosis(view(states, settings=settings))

    assert found.headline == page_texts.ISP_NETWORK_DOWN


def test_lost_pings_alone_are_no_outage() -> None:
    found = diagnosis(view(all_up() | {"line.isp": DOWN, "line.domestic": DOWN, "line.international": DOWN}))

    assert (found.level, found.headline, found.innocent) == (
        "attention",
        page_texts.PINGS_LOST,
        (INTERNET_WELL,),
    )


def test_a_silent_router_behind_which_the_internet_works_is_a_remark() -> None:
    found = diagnosis(view(all_up() | {"lan.router": DOWN}))

    assert (found.level, found.headline) == ("attention", page_texts.ROUTER_SILENT)


def test_lost_pings_while_the_internet_could_not_be_tried_are_not_known() -> None:
    states = all_up() | {"line.domestic": DOWN}
    del states["line.internet"]

    found = diagnosis(view(states))

    assert (found.level, found.headline) == ("unknown", page_texts.NOT_KNOWN)


@pytest.mark.parametrize(
    ("readings", "headline", "steps"),
    [
        (
            {("dns.known", "dns_ms"): 20.0},
            page_texts.SCHOOL_DNS_DOWN,
            [
                "Rút nguồn bộ định tuyến 30 giây rồi cắm lại, chờ 3 phút.",
                "Nếu vẫn hỏng: thầy cô phụ trách CNTT đặt DNS trong bộ định tuyến thành 1.1.1.1 (máy này trả lời tốt).",
            ],
        ),
        ({}, page_texts.NO_NAMES, ["Rút nguồn bộ định tuyến 30 giây rồi cắm lại, chờ 3 phút."]),
        (
            {("line.internet", "dns_ms"): 20.0, ("dns.known", "dns_ms"): 20.0},
            page_texts.NO_CONNECTION,
            [text.vi for text in page_texts.NO_CONNECTION_STEPS],
        ),
    ],
)
def test_names_that_do_not_resolve_and_pages_that_do_not_open_are_told_apart(
    readings: dict[tuple[str, str], float], headline: Text, steps: list[str]
) -> None:
    found = diagnosis(view(all_up() | {"line.internet": DOWN}, readings=readings))

    assert found.headline == headline
    assert found.innocent == (page_texts.LINE_WELL,)
    assert [text.vi for text in found.steps] == steps


def test_names_that_fail_while_the_way_abroad_is_down_do_not_claim_the_domestic_network_is_fine() -> None:
    found = diagnosis(view(all_up() | {"line.internet": DOWN, "line.international": DOWN}))

    assert found.headline == page_texts.NO_NAMES
    assert found.also == ()


def test_no_mains_power_comes_before_everything_it_breaks() -> None:
    settings = school(power={"nut": "ups@localhost"})
    states = down_from("line.isp") | {"power.mains": DOWN}
    now = view(states, {"power.mains": "mains_lost"}, {("power.mains", "battery_runtime_seconds"): 1_090.0})

    found = diagnosis(replace(now, settings=settings))

    if "power.mains" not in standings(replace(now, settings=settings)):
        pytest.skip("no probe watches power.mains yet")
    assert said(found) == {
        "level": "broken",
        "headline": "Trường đang mất điện lưới; mạng chạy bằng bộ lưu điện.",
        "innocent": ["Không phải lỗi của mạng hay của nhà mạng."],
        "steps": [
            "Pin còn khoảng 18 phút: lưu bài đang làm.",
            "Xem cả trường mất điện, hay chỉ tủ mạng mất điện (cầu dao, ổ cắm).",
        ],
        "call": "Điện lực, hoặc người trông coi điện của trường.",
        "also": ["Đường truyền của nhà mạng đang hỏng."],
    }


def test_a_switch_that_is_down_hides_what_hangs_on_it() -> None:
    found = diagnosis(view(all_up() | {"device.sw-1": DOWN, "device.cam-1": DOWN}))

    assert said(found) == {
        "level": "attention",
        "headline": "Switch tầng 1: không trả lời.",
        "innocent": ["Internet của trường vẫn tốt."],
        "steps": [
            "Tới chỗ Switch tầng 1.",
            "Xem nó có bật và có cắm cáp mạng không; tắt rồi bật lại.",
            "1 thiết bị nối sau nó vì vậy chưa biết ra sao.",
        ],
        "call": "Thầy cô phụ trách CNTT của trường.",
        "also": [],
    }


def test_several_devices_are_named_and_the_room_is_told() -> None:
    found = diagnosis(view(all_up() | {"device.bang-5a": DOWN, "device.cam-1": DOWN}, {"device.cam-1": "no_video"}))

    assert found.headline.vi == "2 thiết bị không trả lời: Camera cổng, Bảng 5A."
    alone = diagnosis(view(all_up() | {"device.bang-5a": DOWN}))
    assert alone.headline == Text("Bảng 5A (Phòng 5A): không trả lời.", "Bảng 5A (Phòng 5A): no answer.")
    no_video = diagnosis(view(all_up() | {"device.cam-1": DOWN}, {"device.cam-1": "no_video"}))
    assert no_video.headline.vi == "Camera cổng: kết nối được nhưng không có hình."


def test_what_only_a_technician_can_mend_is_told_as_a_word_for_him() -> None:
    found = diagnosis(view(all_up() | {"device.cam-1": DOWN}, {"device.cam-1": "auth_failed"}))

    assert found.steps[1] == Text(
        "Báo cho người phụ trách: «tên đăng nhập hoặc mật khẩu không đúng».",
        "Tell the person in charge: “user name or password refused”.",
    )


@pytest.mark.parametrize(
    "unix",
    [LESSON_UNIX + 8 * 3_600, None],
    ids=["in the evening", "while the time is not known"],
)
def test_a_board_that_is_silent_outside_lessons_is_not_asked_for(unix: float | None) -> None:
    now = view(all_up() | {"device.bang-5a": DOWN}, unix=unix)

    assert standings(now)["device.bang-5a"] == Standing("unasked", since=NOW - 600)
    assert diagnosis(now).level == "well"


def test_a_board_in_standby_is_well_and_shown_as_off() -> None:
    now = view(all_up(), readings={("device.bang-5a", "power_state"): 0.0})

    assert standings(now)["device.bang-5a"].word == "standby"
    assert diagnosis(now).level == "well"


def test_a_service_that_is_down_is_not_the_schools_fault() -> None:
    found = diagnosis(view(all_up() | {"service.csdl": DOWN}, {"service.csdl": "http_status"}))

    assert (found.headline.vi, found.innocent) == (
        "Dịch vụ csdl đang hỏng.",
        (INTERNET_WELL, page_texts.NOT_THE_SCHOOL),
    )
    by_clock = diagnosis(view(all_up() | {"service.csdl": DOWN}, {"service.csdl": "tls_invalid"}))
    assert by_clock.innocent == (INTERNET_WELL,)  # a wrong clock of this machine says the same


@pytest.mark.parametrize(
    ("readings", "headline"),
    [
        (
            {"dhcp_servers": 2.0},
            "2 máy cùng cấp địa chỉ (DHCP) trong mạng của trường: máy này vào được, máy kia không.",
        ),
        ({"dhcp_servers": 1.0, "gateway_changed": 1.0}, page_texts.ROUTER_CHANGED.vi),
        ({"dhcp_servers": 1.0, "addresses_duplicate": 3.0}, "3 địa chỉ IP bị hai máy cùng dùng."),
        ({"dhcp_servers": 1.0, "gateway_changed": 0.0, "addresses_duplicate": 0.0}, "Mọi thứ đang chạy."),
    ],
)
def test_what_a_machine_in_the_school_does_to_the_others_is_not_blamed_on_the_line(
    readings: dict[str, float], headline: str
) -> None:
    now = view(all_up(), readings={("lan", name): value for name, value in readings.items()})

    found = diagnosis(now)

    assert found.headline.vi == headline
    assert (page_texts.NOT_THE_LINE in found.innocent) == (found.level == "attention")


def test_what_wears_out_is_told_before_it_fails() -> None:
    disks = diagnosis(view(all_up(), readings={("device.cam-1", "disks_faulty"): 2.0}))
    battery = diagnosis(view(all_up(), readings={("power.mains", "battery_replace"): 1.0}))

    assert (disks.level, disks.headline.vi) == ("attention", "Camera cổng: 2 ổ đĩa hỏng.")
    assert battery.headline == Text("Bộ lưu điện: cần thay pin.", "UPS: the battery has to be replaced.")


def test_a_weak_supply_of_the_pi_is_told() -> None:
    found = diagnosis(view(all_up(), readings={("host", "undervoltage"): 1.0}))

    assert (found.level, found.headline) == ("attention", page_texts.LOW_VOLTAGE)


def test_nothing_known_yet_is_said_and_nothing_is_guessed() -> None:
    found = diagnosis(View(school(), Sight(), NOW, None, False, 0))

    assert (found.level, found.headline, found.also) == ("unknown", page_texts.NOT_YET, (page_texts.NO_CLOCK,))


def test_what_was_seen_too_long_ago_is_not_known() -> None:
    now = view(all_up())

    later = replace(now, now=NOW + 60)

    assert {standing.word for name, standing in standings(later).items() if not name.startswith("device.")} == {
        "unknown"
    }
    assert (diagnosis(later).level, diagnosis(later).headline) == ("unknown", page_texts.NOT_KNOWN)


def test_the_gateways_own_troubles_are_remarks_beside_a_well_school() -> None:
    states = all_up()
    del states["device.cam-1"]

    found = diagnosis(view(states, unix=None, connected=False))

    assert said(found) == {
        "level": "well",
        "headline": "Internet của trường vẫn tốt.",
        "innocent": [],
        "steps": [],
        "call": "",
        "also": [
            "1 mục chưa biết ra sao.",
            "Số liệu chưa gửi được về máy chủ; vẫn được giữ ở đây và gửi sau. Dạy học không bị ảnh hưởng.",
            "Thiết bị này chưa biết giờ; số đo vẫn được giữ.",
        ],
    }


def test_every_combination_of_states_gets_a_sentence_and_no_false_praise() -> None:
    import itertools

    for states in itertools.product((UP, DOWN, UNSEEN, None), repeat=5):
        given = {
            name: state for name, state in zip((*LADDER, "line.internet"), states, strict=True) if state is not None
        }
        found = diagnosis(view(given))
        texts = (found.headline, *found.innocent, *found.steps, *found.also)
        if given.get("line.internet") is DOWN:
            assert found.level == "broken", given
        if given.get("line.internet") is not UP:
            assert INTERNET_WELL not in texts, given
            assert found.level != "well", given
        if given.get("lan.router") is DOWN and given.get("line.internet") is DOWN:
            assert found.headline in (page_texts.ROUTER_DOWN, page_texts.NOTHING_ANSWERS), given


# --- how it is drawn -----------------------------------------------------------------------------------------------


class Checker(HTMLParser):
    """Complains of tags that do not close in order; keeps all text, tags and attributes."""

    VOID = ("meta", "link")

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] != ["style"]:
            self.text += f"{data}\n"


def read(body: bytes) -> Checker:
    checker = Checker()
    checker.feed(body.decode())
    assert checker.open == []
    return checker


EVIL = "<script>alert(1)</script>\"'&{0}%s"


def test_nothing_that_a_device_or_a_file_says_becomes_markup() -> None:
    devices = [{"id": "d", "address": "10.0.0.1", "name": EVIL, "kind": EVIL, "room": EVIL}]
    now = view(all_up() | {"device.d": DOWN}, settings=school(device=devices))

    found = read(page_drawn.page(now, "vi"))

    assert "script" not in found.tags
    assert f"{EVIL} ({EVIL}): không trả lời." in found.text
    assert not [name for name, _ in found.attributes if name.startswith("on") or name in ("src", "style")]


def test_the_page_stands_alone_and_tells_no_address() -> None:
    body = page_drawn.page(view(down_from("line.isp")), "vi").decode()

    links = [value for name, value in read(body.encode()).attributes if name == "href"]
    assert links == ["data:,", "/en"]
    assert re.findall(r"\d+\.\d+\.\d+\.\d+|url\(|@import|https?:", body) == []
    assert 'http-equiv="refresh" content="15"' in body


def test_times_are_told_in_the_schools_time_and_by_their_age() -> None:
    text = read(page_drawn.page(view(down_from("line.isp")), "vi")).text

    assert "từ 09:50 (10 phút)" in text
    assert "Số liệu lúc 09:59:58 15/12/2025." in text
    unknown = read(page_drawn.page(view(down_from("line.isp"), unix=None), "en")).text
    assert "for 10 min" in unknown
    assert "Figures of 2 seconds ago." in unknown


def test_the_english_page_holds_no_vietnamese_but_names() -> None:
    for states in (all_up(), down_from("line.isp"), down_from("lan.router"), all_up(line__internet=DOWN)):
        text = read(page_drawn.page(view(states), "en")).text
        for name in ("Switch tầng 1", "Camera cổng", "Bảng 5A", "Phòng 5A", "Tiếng Việt"):
            text = text.replace(name, "")
        assert re.findall(r"[ăâđêôơưáàảãạéèẻẽẹíìỉĩịóòỏõọúùủũụ]\w*", text, re.IGNORECASE) == []


def test_a_page_of_sixty_devices_is_drawn_fast() -> None:
    devices = [
        {"id": f"d{n}", "address": f"10.0.0.{n}", "name": f"Máy {n}", "room": f"Phòng {n % 9}"} for n in range(1, 61)
    ]
    now = view(all_up() | {f"device.d{n}": UP for n in range(1, 61)}, settings=school(device=devices))
    page_drawn.page(now, "vi")

    took = []
    for _ in range(20):
        started = time.perf_counter()
        page_drawn.page(now, "vi")
        took.append(time.perf_counter() - started)

    assert min(took) < 0.05  # about 0.003 alone on the build machine: a busy one must not fail


# --- who may ask, and what ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("head", "request_"),
    [
        (b"GET / HTTP/1.1\r\nHost: 192.168.1.5:8080", Request("GET", "/", "192.168.1.5")),
        (b"HEAD /en?x=1 HTTP/1.1\r\nHost: [fd00::5]:8080\r\nA:b", Request("HEAD", "/en", "fd00::5")),
        (b"GET / HTTP/1.0", Request("GET", "/", "")),
        (b"GET / HTTP/1.1\r\nhost:\tPi.Local \r\nCookie: \xc3\xa1", Request("GET", "/", "pi.local")),
    ],
)
def test_a_browsers_request_is_read(head: bytes, request_: Request) -> None:
    assert parse(head) == request_


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"", 400),
        (b"GET /", 400),
        (b"GET / HTTP/1.1", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400),
        (b"GET / HTTP/1.1\r\nHost : a", 400),
        (b"GET / HTTP/1.1\r\n folded", 400),
        (b"GET http://a/ HTTP/1.1\r\nHost: a", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: a", 400),
        (b"GET / HTTP/2.0\r\nHost: a", 505),
        (b"POST / HTTP/1.1\r\nHost: a", 405),
        (b"GET / HTTP/1.1\r\nHost: a" + b"\r\nA: b" * 70, 400),
        (b"\x16\x03\x01\x02\x00", 400),
    ],
)
def test_what_is_no_request_of_ours_is_refused(head: bytes, status: int) -> None:
    with pytest.raises(Refused) as refused:
        parse(head)

    assert refused.value.status == status


def test_only_our_own_names_and_addresses_are_answered_to() -> None:
    names = own_names("Pi-Truong.example.vn")

    assert [
        host for host in ("", "10.1.2.3", "fd00::1", "localhost", "pi-truong.local") if not is_ours(host, names)
    ] == []
    assert [host for host in ("evil.example", "10.1.2.3.evil.example", "?", "pi") if is_ours(host, names)] == []


def test_only_this_machines_private_networks_may_ask() -> None:
    networks = lans_among(
        [
            ("192.168.1.5", "255.255.255.0"),
            ("113.160.1.2", "255.255.255.0"),  # a public address: the line itself
            ("100.64.3.4", "255.192.0.0"),  # the provider's own
            ("fe80::1%eth0", "ffff:ffff:ffff:ffff::"),
            ("00:11:22:33:44:55", None),
        ]
    )

    assert [str(network) for network in networks] == ["192.168.1.0/24", "fe80::/64"]
    asking = ("192.168.1.77", "::ffff:192.168.1.77", "fe80::2%eth0", "127.0.0.1", "::1")
    assert [client for client in asking if not may_ask(client, networks)] == []
    strangers = ("192.168.2.7", "113.160.1.9", "100.64.9.9", "::ffff:8.8.8.8", "2001:db8::1", "x")
    assert [client for client in strangers if may_ask(client, networks)] == []


# --- the server ----------------------------------------------------------------------------------------------------


def asked(work: Callable[[int], Any], settings: Settings | None = None, now: View | None = None) -> Any:
    """What `work` finds in a thread of its own while the page is served."""
    port = free_port()
    settings = settings or school()
    settings = replace(settings, page=replace(settings.page, port=port))
    shown = now or view(down_from("line.isp"))

    async def serving() -> Any:
        server = await page.serve(settings, lambda: shown)
        assert server is not None
        async with server:
            return await asyncio.to_thread(work, port)

    return asyncio.run(serving())


def fetched(port: int, request: bytes, host: str = "127.0.0.1") -> bytes:
    with socket.create_connection((host, port), timeout=20) as client:
        try:
            client.sendall(request)
            parts = []
            while part := client.recv(65_536):
                parts.append(part)
        except ConnectionError:
            return b""
    return b"".join(parts)


GET = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def test_the_page_is_served_with_headers_that_forbid_everything_else() -> None:
    head, _, body = asked(lambda port: fetched(port, GET)).partition(b"\r\n\r\n")

    lines = head.decode().split("\r\n")
    assert lines[0] == "HTTP/1.1 200 OK"
    assert lines[2] == f"Content-Length: {len(body)}"
    assert "Cache-Control: no-store" in lines
    assert f"style-src 'sha256-{page_drawn.STYLE_HASH}'" in head.decode()
    assert "default-src 'none'" in head.decode()
    assert "Đường truyền của nhà mạng đang hỏng." in read(body).text


def test_the_head_alone_other_paths_other_methods_and_other_names() -> None:
    def all_of_them(port: int) -> list[bytes]:
        requests = [
            b"HEAD / HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"GET /etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n",
            b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n",
            b"GET /en HTTP/1.1\r\nHost: [::1]\r\n\r\n",
        ]
        return [fetched(port, request) for request in requests]

    found = asked(all_of_them)

    assert [answer.split(b"\r\n")[0].decode() for answer in found] == [
        "HTTP/1.1 200 OK",
        "HTTP/1.1 404 Not Found",
        "HTTP/1.1 405 Method Not Allowed",
        "HTTP/1.1 421 Misdirected Request",
        "HTTP/1.1 200 OK",
    ]
    assert found[0].endswith(b"\r\n\r\n")
    assert b"Allow: GET, HEAD" in found[2]
    assert b'lang="en"' in found[4]


def test_a_client_outside_the_networks_gets_not_a_byte() -> None:
    settings = school(page={"networks": ["10.99.0.0/24"]})

    def from_127_and_from_elsewhere(port: int) -> tuple[bytes, bytes]:
        own = [text for text in addresses_of_this_machine() if not text.startswith("127.")]
        if not own:
            pytest.skip("this machine has no address but loopback")
        return fetched(port, GET), fetched(port, GET, own[0])

    ours, stranger = asked(from_127_and_from_elsewhere, settings)

    assert ours.startswith(b"HTTP/1.1 200 OK")
    assert stranger == b""


def addresses_of_this_machine() -> list[str]:
    import psutil

    cards = psutil.net_if_addrs().values()
    return [one.address for card in cards for one in card if one.family == socket.AF_INET]


def test_a_head_that_never_ends_and_one_that_never_comes_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "REQUEST_SECONDS", 0.5)

    def both(port: int) -> tuple[bytes, bytes, bytes]:
        return fetched(port, b"GET / HTTP/1.1\r\nA: " + b"b" * 100_000), fetched(port, b"GET /"), fetched(port, GET)

    endless, silent, after = asked(both)

    assert (endless, silent) == (b"", b"")
    assert after.startswith(b"HTTP/1.1 200 OK")


def test_too_many_at_a_time_are_turned_away_and_the_next_is_served() -> None:
    def many(port: int) -> tuple[bytes, bytes]:
        waiting = [socket.create_connection(("127.0.0.1", port), timeout=20) for _ in range(page.TOGETHER)]
        time.sleep(0.3)
        turned_away = fetched(port, GET)
        for one in waiting:
            one.close()
        time.sleep(0.3)
        return turned_away, fetched(port, GET)

    turned_away, served = asked(many)

    assert turned_away == b""
    assert served.startswith(b"HTTP/1.1 200 OK")


def test_neither_port_zero_nor_a_classrooms_computer_serves_it() -> None:
    off = school(page={"port": 0})
    classroom = school(role="classroom")

    assert asyncio.run(page.serve(off, lambda: view({}))) is None
    assert asyncio.run(page.serve(classroom, lambda: view({}))) is None


def test_the_running_agent_serves_it_while_its_line_is_down(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A real agent whose router answers and beyond which nothing does; nobody hears it over MQTT."""
    port, dead = free_port(), free_port()
    found = {
        "site": "th-thu",
        "folder": str(tmp_path / "state"),
        "broker": {"host": "127.0.0.1", "port": dead, "tls": False},
        "path": {"router": "127.0.0.1", "international": []},
        "internet": {"names": ["a.test"], "targets": [f"127.0.0.1:{dead}"]},
        "dns": {"known": f"127.0.0.1:{dead}", "resolvers": [f"127.0.0.1:{dead}"], "name": "a.test"},
        "page": {"port": port},
        "probe_seconds": 5,
    }
    settings = build(found, tmp_path / "agent.toml")

    async def watched() -> str:
        box = Outbox(settings.folder / "outbox.sqlite", hardware="0" * 16, boot=machine.boot_id())
        stop = asyncio.Event()
        running = asyncio.create_task(Runner(settings, box, World(), version="test").run(stop))
        text = ""
        try:
            async with asyncio.timeout(60):
                while "mất Internet" not in text and "không mở được" not in text.lower():
                    await asyncio.sleep(0.2)
                    if running.done():
                        running.result()
                    try:
                        answer = await asyncio.to_thread(fetched, port, GET)
                    except OSError:
                        continue
                    text = read(answer.partition(b"\r\n\r\n")[2]).text if answer else ""
            await asyncio.open_connection("127.0.0.1", port)  # a browser's that is never used
            await asyncio.sleep(0.2)
        finally:
            stop.set()
            await running
        return text

    text = asyncio.run(watched())

    assert "Điểm trường th-thu" in text
    assert "Trường đang mất Internet; chưa biết hỏng ở chặng nào." in text
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


# --- in a browser --------------------------------------------------------------------------------------------------


@contextmanager
def served(now: View) -> Iterator[str]:
    """The address of the page, served by a loop of its own."""
    port = free_port()
    settings = replace(now.settings, page=replace(now.settings.page, port=port))
    loops: list[asyncio.AbstractEventLoop] = []
    ready, stop = threading.Event(), asyncio.Event()

    async def until_stopped() -> None:
        server = await page.serve(settings, lambda: now)
        assert server is not None
        loops.append(asyncio.get_running_loop())
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(until_stopped()))
    thread.start()
    assert ready.wait(20)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        loops[0].call_soon_threadsafe(stop.set)
        thread.join(20)


@pytest.mark.parametrize("width", [360, 1280])
def test_a_browser_shows_it_without_a_complaint_and_without_scrolling_sideways(tmp_path: Path, width: int) -> None:
    browser = pytest.importorskip("tests.server.browser")
    now = view(down_from("line.isp") | {"device.cam-1": DOWN})

    with served(now) as url, browser.started(tmp_path / "profile") as chromium:
        for path, dark in (("/", False), ("/en", True)):
            chromium.open(url + path, width=width, dark=dark)
            assert chromium.evaluate("document.documentElement.scrollWidth") <= width
            assert chromium.evaluate("getComputedStyle(document.querySelector('h1')).fontWeight") == "700"
        assert chromium.complaints == []
