"""Pages, API, health, metrics and live events over a real database and, where it matters, a real web server."""

from __future__ import annotations

import asyncio
import re
import threading
import time
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import httpx
import pytest
from jinja2 import Environment, nodes
from sqlalchemy import event, insert, update
from tests.server import browser as browsers
from tests.server import synthetic
from tests.server.synthetic import NOW_MINUTE, NOW_MS, Made

from schoolbeat_server import schema
from schoolbeat_server.database import writing
from schoolbeat_server.web import metrics, pages, pictures, site_state
from schoolbeat_server.web import texts as texts_module
from schoolbeat_server.web.app import create_app
from schoolbeat_server.web.live import Listener, LiveFeed
from schoolbeat_server.web.pictures import Rung, ladder, share_bar, strip
from schoolbeat_server.web.site_state import Path as WayOut
from schoolbeat_server.web.site_state import answer, newest, now_states, path_of
from schoolbeat_server.web.texts import TEXTS
from schoolbeat_wire.catalogue import DISPUTED, OFF, RUNGS, SIGNAL_KINDS, UNKNOWN

WEB = Path(texts_module.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.html"))
PAGES = ("/", "/sites", "/site/t0", "/site/t1", "/site/t2", "/site/t3-b", "/notices", "/about")


class Client:
    """Asks the application in this process, as a browser on this machine would."""

    def __init__(self, app: Any) -> None:
        self.app = app

    def get(self, address: str, **headers: str) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8080") as client:
                return await client.get(address, headers={"Accept-Encoding": "identity", **headers})

        return asyncio.run(ask())


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return synthetic.make(tmp_path_factory.mktemp("web") / "schoolbeat.db", 60)


@pytest.fixture(scope="module")
def client(made: Made) -> Client:
    return Client(create_app(synthetic.context(made)))


@pytest.fixture
def own(tmp_path: Path) -> Made:
    """A small province that a test may change."""
    return synthetic.make(tmp_path / "schoolbeat.db", 8)


def text_of(html: str) -> str:
    """What is to be read on a page."""
    return " ".join(re.sub(r"<[^>]+>", " ", re.sub(r"(?s)<(script|style).*?</\1>", " ", html)).split())


def section(html: str, ident: str) -> str:
    found = re.search(rf'(?s)<section id="{ident}".*?</section>', html)
    assert found, f"no section {ident}"
    return text_of(found.group())


# ---- texts and templates -----------------------------------------------------------------------------------


def keys_used() -> tuple[set[str], list[str]]:
    """Keys written out, and the beginnings of those that are put together."""
    exact: set[str] = set()
    heads: list[str] = []
    for path in TEMPLATES:
        for call in Environment(extensions=["jinja2.ext.do"]).parse(path.read_text()).find_all(nodes.Call):
            name = call.node.name if isinstance(call.node, nodes.Name) else getattr(call.node, "attr", "")
            if name == "t" and call.args:
                _collect(call.args[0], exact, heads)
        exact |= set(re.findall(r'\("[^"]*", "([a-z_]+\.[a-z_.]+)"\)', path.read_text()))
    for path in set(WEB.glob("*.py")) - {WEB / "texts.py"}:
        source = path.read_text()
        exact |= set(re.findall(r'\bt\(\s*"([a-z0-9_.]+)"', source)) | set(re.findall(r'"(spent\.\w+)"', source))
        heads += re.findall(r'\bt\(\s*f"([a-z0-9_.]+)\{', source) + re.findall(r'key = f"([a-z0-9_.]+)\{', source)
        exact |= set(re.findall(r'else "(rung\.contact|error\.other)"', source))
        heads += re.findall(r'f"(rung\.contact\.|error\.|invalid\.)\{', source) + re.findall(
            r'"(error\.other)"', source
        )
    return exact, heads


def _collect(argument: nodes.Node, exact: set[str], heads: list[str]) -> None:
    if isinstance(argument, nodes.Const):
        exact.add(argument.value)
    elif isinstance(argument, nodes.CondExpr):
        _collect(argument.expr1, exact, heads)
        assert argument.expr2 is not None
        _collect(argument.expr2, exact, heads)
    elif isinstance(argument, nodes.Concat):
        first = argument.nodes[0]
        assert isinstance(first, nodes.Const)
        heads.append(first.value)


def test_every_text_exists_in_both_languages_with_the_same_places_to_fill() -> None:
    for key, pair in TEXTS.items():
        assert len(pair) == 2, key
        assert all(text.strip() == text and text for text in pair), key
        places = [sorted(re.findall(r"\{(\w+)\}", text)) for text in pair]
        assert places[0] == places[1], key


def test_every_key_that_is_used_exists_and_every_text_is_used() -> None:
    exact, heads = keys_used()

    assert sorted(key for key in exact if key not in TEXTS) == []
    assert [head for head in heads if not any(key.startswith(head) for key in TEXTS)] == []
    unused = [key for key in TEXTS if key not in exact and not key.startswith(tuple(heads))]
    assert unused == []


def test_no_template_has_words_of_its_own() -> None:
    for path in TEMPLATES:
        source = re.sub(r"(?s)\{#.*?#\}|\{%.*?%\}|\{\{.*?\}\}", " ", path.read_text())
        words = re.sub(r"(?s)<[^>]*>", " ", source.replace("<!doctype html>", ""))
        assert re.findall(r"\w+", words) == [], path.name
        labels = re.findall(r'(?:aria-label|title|alt|placeholder)="([^"]*)"', source)
        assert [label for label in labels if label.strip()] == [], path.name


# ---- pages -------------------------------------------------------------------------------------------------


class Structure(HTMLParser):
    """What a screen reader walks along, and what a strict policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.landmarks: list[str] = []
        self.headings: list[int] = []
        self.tables = self.captions = 0
        self.forbidden: list[str] = []
        self.ids: list[str] = []
        self.unnamed: list[str] = []

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        named = dict(attributes)
        if tag in ("main", "header", "footer"):
            self.landmarks.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append(int(tag[1]))
        self.tables += tag == "table"
        self.captions += tag == "caption"
        self.ids += [found] if (found := named.get("id")) else []
        self.forbidden += [name for name in named if name == "style" or name.startswith("on")]
        self.forbidden += [tag] if tag == "style" or (tag == "script" and not named.get("src")) else []
        for name in ("src", "href"):
            value = named.get(name) or ""
            self.forbidden += [value] if re.match(r"(?i)[a-z]+:|//", value) else []
        if tag == "svg" and not (named.get("aria-label") or named.get("aria-hidden")):
            self.unnamed.append(self.get_starttag_text() or tag)


@pytest.mark.parametrize("language", ["vi", "en"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_landmarks_headings_captions_and_nothing_inline(client: Client, path: str, language: str) -> None:
    page = client.get(f"{path}?lang={language}")

    seen = Structure()
    seen.feed(page.text)
    assert page.status_code == 200
    assert [one for one in seen.landmarks if one != "footer"] == ["header", "main"]
    assert seen.headings[0] == 1
    assert all(after - before <= 1 for before, after in zip(seen.headings, seen.headings[1:], strict=False))
    assert (seen.captions, seen.forbidden, seen.unnamed) == (seen.tables, [], [])
    assert len(seen.ids) == len(set(seen.ids))
    assert len(page.content) < 60_000
    assert f'<html lang="{language}">' in page.text


@pytest.mark.parametrize("path", [*PAGES, "/nowhere", "/api/v1/sites", "/healthz", "/static/live.js"])
def test_every_answer_carries_the_safeguards(client: Client, path: str) -> None:
    headers = client.get(path).headers

    assert headers["Content-Security-Policy"] == (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_the_province_says_who_misses_since_when_and_why_with_silent_schools_on_top(client: Client, made: Made) -> None:
    page = client.get("/").text

    assert text_of(page).count("trường nào chưa đạt, từ bao giờ, vì sao") == 1
    rows = re.findall(r"(?s)<tr>\s*<th scope=\"row\">.*?</tr>", page[page.index('id="exceptions"') :])
    assert f"/site/{made.silent}" in rows[0]
    assert "Chưa từng gửi số liệu" in text_of(rows[0])
    assert "Đường truyền theo hợp đồng: di động; cần cáp quang" in text_of(rows[1])
    assert "17:45, 15/11/2026" in text_of(rows[-1]) or "trung vị" in text_of("".join(rows))
    assert "trung vị 14,2 Mbit/s của 7 lần đo, thấp hơn mức cần 20 Mbit/s" in section(page, "exceptions")


def test_the_province_shows_targets_as_counts_shares_and_quoted_clause(client: Client) -> None:
    told = section(client.get("/").text, "targets")

    assert "8,3% 5/60 trường đạt · yêu cầu 100% · hạn 31/12/2025, đã qua" in told
    assert "đạt 5 chưa đạt 5 chưa đủ dữ liệu 50" in told
    assert "“Đến năm 2025, 100% trường học có kết nối băng thông rộng cáp quang” Mục tiêu 5" in told
    assert "min_availability = 95%" in told


def test_the_province_shows_open_incidents_and_notices_with_their_delivery(client: Client) -> None:
    page = client.get("/").text

    assert section(page, "incidents") == (
        "Sự cố đang diễn ra "
        "Trường Tiểu học Nà Sương Chưa rõ nguyên nhân · đã 12 phút 34 giây ( 22:32:56 ) "
        "Trường Tiểu học Bản Gió Lỗi trong mạng của nhà mạng (trong nước) · đã 18 phút ( 22:27:30 ) "
        "Trường Tiểu học Suối Mây Thiết bị không trả lời: Bộ phát Wi-Fi dãy 1 · đã 47 phút ( 21:58:30 )"
    )
    notices = section(page, "notices")
    assert "Mất liên lạc: Trường Tiểu học Nà Sương – Điểm trường chính" in notices
    assert "email-so: ✓ đã gửi webhook: ! chưa gửi được" in notices
    assert "webhook: ✗ bị từ chối" in notices


def test_english_is_asked_for_once_and_then_kept(client: Client) -> None:
    asked = client.get("/?lang=en")

    assert "which schools miss their targets, since when, and why" in asked.text
    cookie = asked.headers["Set-Cookie"]
    assert cookie.startswith("lang=en;")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "since when, and why" in client.get("/", Cookie="lang=en").text
    assert "vì sao" in client.get("/", Cookie="lang=xx").text


def test_filters_narrow_the_lists_and_say_that_verdicts_stay(client: Client) -> None:
    everything, one = client.get("/").text, client.get("/?commune=xa-4").text

    assert "chỉ các danh sách dưới đây thay đổi" in one
    rows = re.findall(r'<th scope="row">.*?<small>(.*?)</small>', one[one.index('id="exceptions"') :])
    assert rows
    assert set(rows) == {"Xã Mường Trúc"}
    assert section(one, "targets") == section(everything, "targets")
    listed = client.get("/sites?commune=xa-4&isp=FPT").text
    assert set(re.findall(r'data-label="Nhà mạng">(\w+)<', listed)) == {"FPT"}


@pytest.mark.parametrize(
    ("address", "status", "says"),
    [
        ("/?commune=xyz", 400, "commune = “xyz”: không có địa bàn này"),
        ("/?isp=xyz", 400, "isp = “xyz”: không có nhà mạng này"),
        ("/?page=99", 404, "page = 99: chỉ có 1 trang"),
        ("/?page=0", 422, "page = 0: phải từ 1 trở lên."),
        ("/?page=abc", 422, "page = abc: phải là số nguyên."),
        ("/sites?state=well", 422, "state = well: chỉ được là '', 'silent'"),
        ("/?commune=" + "x" * 41, 422, "dài nhất 40 ký tự"),
        ("/site/nobody", 404, "Không có điểm trường “nobody” trong danh bạ"),
        ("/site/%3Cscript%3E", 404, "Không có điểm trường “&lt;script&gt;”"),
        ("/notices?before=-1", 422, "before = -1: phải từ 1 trở lên."),
        ("/nowhere", 404, "Không có trang này"),
    ],
)
def test_what_is_wrong_is_named_with_its_value(client: Client, address: str, status: int, says: str) -> None:
    page = client.get(address)

    assert page.status_code == status
    assert says.replace("'", "&#39;") in page.text
    assert '<html lang="vi">' in page.text
    assert '<html lang="en">' in client.get(address, Cookie="lang=en").text


def test_names_from_outside_are_text_and_never_markup(own: Made) -> None:
    evil = "<script>alert(1)</script>\"'&"
    with writing(own.engine) as connection:
        connection.execute(update(schema.school).values(name=evil))
        connection.execute(update(schema.device).values(name=evil, kind=evil))
        connection.execute(update(schema.line).values(isp=evil))
        connection.execute(update(schema.notice).values(title=evil, body=evil, error=evil))
    client = Client(create_app(synthetic.context(own)))

    for path in ("/", "/sites", "/site/t0", "/site/t2", "/notices"):
        page = client.get(path)
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
        seen = Structure()
        seen.feed(page.text)
        assert seen.forbidden == []


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "10.0.0.1", ""])
def test_a_host_name_that_is_not_ours_is_refused(client: Client, host: str) -> None:
    for path in ("/", "/api/v1/sites", "/healthz", "/live", "/static/style.css"):
        assert client.get(path, Host=host).status_code == 400


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1:8080", "[::1]:8080"])
def test_loopback_names_are_served(client: Client, host: str) -> None:
    assert client.get("/", Host=host).status_code == 200


def test_every_signal_that_is_no_thing_of_its_own_has_a_name() -> None:
    whole = [kind for kind in SIGNAL_KINDS if not kind.endswith(".")]

    assert [kind for kind in whole if f"signal.{kind}" not in TEXTS] == []


def test_the_number_of_queries_does_not_grow_with_the_province(made: Made, own: Made) -> None:
    counts = {}
    for name, province in (("small", own), ("large", made)):
        client = Client(create_app(synthetic.context(province)))
        asked: list[str] = []
        event.listen(province.engine, "before_cursor_execute", lambda *given, asked=asked: asked.append(given[2]))
        for path in ("/", "/sites", "/site/t0", "/notices", "/metrics"):
            asked.clear()
            client.get(path)
            counts[name, path] = len(asked)

    assert [counts["small", path] for _, path in list(counts)[:5]] == [
        counts["large", path] for _, path in list(counts)[:5]
    ]
    assert max(counts.values()) <= 25


def test_an_empty_server_has_pages_too(tmp_path: Path) -> None:
    from schoolbeat_server.database import open_database
    from schoolbeat_server.ledger import Ledger

    engine = open_database(tmp_path / "schoolbeat.db")
    empty = Made(engine, Ledger(engine), [], "", "", "", "", "")
    client = Client(create_app(synthetic.context(empty, verdicts=list)))

    answers = {path: client.get(path).status_code for path in ("/", "/sites", "/notices", "/about", "/metrics")}

    assert set(answers.values()) == {200}
    assert "Chưa nhận được số liệu nào" in client.get("/").text
    assert "chưa nạp kế hoạch nào" in client.get("/").text


# ---- one site ----------------------------------------------------------------------------------------------


def test_a_site_behind_a_broken_isp_says_so_and_what_lies_beyond_is_not_known(client: Client) -> None:
    page = client.get("/site/t2").text

    assert "Ở nhà mạng: tới được nhà mạng nhưng không ra được mạng trong nước." in section(page, "answer")
    assert "Từ 22:27:30 (đã 18 phút)" in section(page, "answer")
    label = re.search(r'class="ladder"[^>]*aria-label="([^"]*)"', page)
    assert label
    assert label.group(1) == (
        "Các chặng từ thiết bị cổng ra Internet. Thiết bị cổng: có liên lạc; Bộ định tuyến của trường: trả lời; "
        "Nhà mạng: trả lời; Mạng trong nước: không trả lời; Mạng quốc tế: chưa rõ; CSDL ngành giáo dục: chưa rõ"
    )
    assert 'aria-label="Mạng quốc tế: thông 22 giờ 56 phút, mất 29 giây, không rõ 1 giờ 3 phút"' in page


def test_a_site_without_contact_names_no_cause_and_draws_no_rung_as_down(client: Client) -> None:
    page = client.get("/site/t1").text

    assert "nguyên nhân chưa rõ" in section(page, "answer")
    assert re.findall(r'<g class="rung (\w+)"', page) == ["unknown"] * 5
    assert "Xem 18 thiết bị chưa rõ tình trạng" in section(page, "devices")
    assert "trả lời" not in section(page, "ladder")


def test_contact_lost_a_minute_ago_leaves_nothing_known_of_now(own: Made) -> None:
    """The newest minutes that came are young enough to speak of now, and yet they do not."""
    with writing(own.engine) as connection:
        connection.execute(update(schema.contact).where(schema.contact.c.site == "t3").values(lost_ms=NOW_MS - 60_000))

    page = Client(create_app(synthetic.context(own))).get("/site/t3").text

    assert re.findall(r'<g class="rung (\w+)"', page) == ["unknown"] * 5
    assert "Xem 18 thiết bị chưa rõ tình trạng" in section(page, "devices")
    assert "Theo số đo của phút" not in page


def test_a_devices_fault_is_the_schools_and_hides_what_is_behind_it(client: Client) -> None:
    page = client.get("/site/t0").text

    assert "Đường truyền bình thường. Trong trường có 1 thiết bị không trả lời." in section(page, "answer")
    devices = section(page, "devices")
    assert devices.startswith(
        "Thiết bị trong trường Thời gian tính trong 24 giờ qua Thiết bị Tình trạng 24 giờ qua Bộ phát"
    )
    assert devices.count("chưa rõ vì Bộ phát Wi-Fi dãy 1 không trả lời") == 8
    assert "Xem 9 thiết bị đang trả lời" in devices


def test_a_site_that_never_reported_is_silent_and_not_down(client: Client, made: Made) -> None:
    page = client.get(f"/site/{made.silent}").text

    assert "điểm trường này chưa từng gửi số liệu" in section(page, "answer")
    assert "Chưa đủ dữ liệu" in section(page, "targets")
    assert "Chưa có số đo nào" in section(page, "readings")


def test_a_site_shows_outages_verdicts_and_readings_with_their_units(client: Client) -> None:
    page = client.get("/site/t3").text

    assert "Nhà mạng 13:45:00 14:14:00 28 phút 45 giây – Lỗi đường truyền từ trường đến nhà mạng" in section(
        page, "outages"
    )
    assert "✓ Đạt" in section(page, "targets")
    assert "độ phủ số liệu 99,5%" in section(page, "targets")
    readings = section(page, "readings")
    for told in ("12,1 ms", "1,2%", "10 ngày 13 giờ", "21 GiB", "94,5 Mbit/s"):
        assert told in readings


WAYS: dict[str, tuple[dict[str, Any], str]] = {
    "everything": ({}, "fine"),
    "a device": ({"device.x": 0}, "devices"),
    "the router hides all": ({"lan.router": 0, "line.isp": UNKNOWN, "line.internet": 0}, "router"),
    "half a minute": ({"line.isp": 30, "line.internet": 30}, "isp"),
    "domestic": ({"line.domestic": 0, "line.international": UNKNOWN, "line.internet": 0}, "domestic"),
    "international": ({"line.international": 0}, "international"),
    "no name": ({"line.internet": 0}, "name"),
    "a service": ({"service.csdl": 0}, "service"),
    "Internet unknown": ({"line.internet": UNKNOWN}, "nothing_new"),
    "all unknown": (dict.fromkeys([*RUNGS, "line.internet", "service.csdl"], UNKNOWN), "nothing_new"),
    "agent off": (dict.fromkeys([*RUNGS, "line.internet", "service.csdl"], OFF), "nothing_new"),
    "disputed": (dict.fromkeys([*RUNGS, "line.internet", "service.csdl"], DISPUTED), "nothing_new"),
}


@pytest.mark.parametrize("name", WAYS)
def test_us_or_the_line_is_answered_by_the_lowest_failed_rung(name: str) -> None:
    changes, expected = WAYS[name]
    codes = dict.fromkeys([*RUNGS, "line.internet", "service.csdl", "device.x"], 60) | changes
    way = path_of(now_states({signal: bytes([code]) for signal, code in codes.items()}))

    assert answer("ok", way) == (expected, name == "half a minute")
    assert (answer("lost", way), answer("silent", way)) == (("lost", False), ("silent", False))


def test_now_is_the_last_known_minute_and_nothing_older_than_five() -> None:
    def back(*codes: int) -> int | None:
        return newest({"line.isp": bytes(codes), "device.x": bytes([60] * len(codes))})

    assert back(0, 60, UNKNOWN) == 2
    assert back(60, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN) == 5
    assert back(60, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN) is None
    assert back(DISPUTED, DISPUTED) is None
    assert back() is None
    assert now_states({"line.isp": b""}) == {}
    empty = WayOut(dict.fromkeys(RUNGS, "unknown"), "unknown", {}, 0)
    assert path_of({}) == empty


def test_all_states_are_of_one_minute_so_that_what_a_fault_hides_is_not_known() -> None:
    """The minute before the fault knows more, but of another time."""
    minutes = {"line.isp": bytes([60, 20, UNKNOWN]), "line.domestic": bytes([60, UNKNOWN, UNKNOWN])}

    assert now_states(minutes) == {"line.isp": "part", "line.domestic": "unknown"}


def test_the_state_of_a_site_takes_the_most_urgent_first() -> None:
    def state(*given: bool) -> str:
        reported, lost, path, devices = given
        return site_state.state(reported=reported, lost=lost, path_incident=path, devices_incident=devices)

    assert state(False, True, True, True) == "silent"
    assert state(True, True, True, True) == "lost"
    assert state(True, False, True, True) == "down"
    assert state(True, False, False, True) == "faulty"
    assert state(True, False, False, False) == "ok"


# ---- pictures ----------------------------------------------------------------------------------------------


def drawn(codes: bytes) -> dict[str, int]:
    """Minutes that each kind of stroke covers."""
    found: dict[str, int] = {}
    for name, path in re.findall(r'<path class="(\w+)" d="([^"]*)"', strip(codes, "x")):
        found[name] = sum(int(width) for width in re.findall(r"h(\d+)v", path))
    return found


def test_a_strip_draws_every_known_minute_and_no_unknown_one() -> None:
    codes = bytes([60] * 700 + [0] * 12 + [30] + [UNKNOWN] * 600 + [OFF] * 120 + [DISPUTED] * 7)

    assert drawn(codes) == {"known": 833, "up": 700, "down": 12, "part": 1, "off": 120}
    assert drawn(bytes([UNKNOWN]) * 1_440) == {}
    assert drawn(b"") == {}


def test_a_strip_of_a_flapping_line_stays_small_and_hides_no_outage() -> None:
    codes = bytes([60, 60, 0] * 480)

    assert len(strip(codes, "x")) < 10_000
    assert drawn(codes)["down"] >= 480
    assert sum(count for name, count in drawn(codes).items() if name != "known") == 1_440


def test_labels_of_pictures_are_escaped() -> None:
    evil = '"><script>'

    for made_picture in (strip(b"\x3c", evil), share_bar(1, 1, 1, evil), ladder([Rung(evil, "up", evil, evil)], evil)):
        assert "<script>" not in made_picture
        assert '"><' not in made_picture.replace('"/><', "").replace('"><circle', "").replace('"><path', "").replace(
            '"><g', ""
        ).replace('"><text', "")


def test_a_bar_is_full_only_when_nothing_is_missing() -> None:
    def widths(met: int, missed: int, unknown: int) -> list[tuple[str, int]]:
        bar = share_bar(met, missed, unknown, "x")
        return [(name, int(width)) for name, width in re.findall(r'class="(\w+)" d="M\d+ 0h(\d+)', bar)]

    assert widths(1_399, 1, 0) == [("met", 999), ("missed", 1)]
    assert widths(10, 0, 0) == [("met", 1_000)]
    assert widths(0, 0, 5) == []
    assert share_bar(0, 0, 0, "x") == ""


def test_hours_stand_at_the_local_clock() -> None:
    first = NOW_MINUTE - 1_440

    wide = pictures.hours(first, 1_440, 3, "wide")

    assert re.findall(r">(\d\d:00)<", wide) == ["00:00", "03:00", "06:00", "09:00", "12:00", "15:00", "18:00", "21:00"]
    at = int(re.findall(r'x="(\d+)"', wide)[0])
    assert (first + at) % 1_440 == 17 * 60, "local midnight is 17:00 UTC"


# ---- API, health, metrics ----------------------------------------------------------------------------------


def test_the_api_tells_what_the_pages_tell(client: Client, made: Made) -> None:
    sites = client.get("/api/v1/sites").json()

    assert sites["count"] == 75
    assert sites["states"] == {"silent": 1, "lost": 1, "down": 1, "faulty": 1, "ok": 71}
    assert [(one["id"], one["state"]) for one in sites["sites"][:3]] == [
        (made.silent, "silent"),
        ("t1", "lost"),
        ("t2", "down"),
    ]
    assert [one["id"] for one in client.get("/api/v1/sites?state=lost").json()["sites"]] == ["t1"]
    verdicts = client.get("/api/v1/verdicts").json()
    first = [one for one in verdicts if one["target"] in ("T1", "T2")]
    assert [(one["target"], one["status"], one["numerator"], one["denominator"], one["share"]) for one in first] == [
        ("T1", "missed", 5, 60, "8.3%"),
        ("T2", "missed", 0, 15, "0%"),
    ]
    assert len(verdicts[0]["units"]) == 60
    assert client.get("/api/v1/verdicts?units=false").json()[0]["units"] == []
    notices = client.get("/api/v1/notices?delivery=refused").json()
    assert [(one["site"], one["channel"], one["delivery"]) for one in notices] == [("t0", "webhook", "refused")]
    incidents = client.get("/api/v1/incidents?open=true").json()
    assert [(one["site"], one["cause"]) for one in incidents] == [
        ("t1", "waiting"),
        ("t2", "line.domestic"),
        ("t0", "device.ap-1"),
    ]


def test_the_api_gives_minutes_as_runs_with_their_availability(client: Client) -> None:
    asked = f"first_minute={NOW_MINUTE - 20}&end_minute={NOW_MINUTE}&signal=line.domestic&signal=line.international"

    answer_ = client.get(f"/api/v1/sites/t2/minutes?{asked}").json()

    assert answer_ == {
        "site": "t2",
        "first_minute": NOW_MINUTE - 20,
        "end_minute": NOW_MINUTE,
        "signals": {
            "line.domestic": {
                "runs": [[60, 2], [0, 18]],
                "availability": {
                    "up_seconds": 120,
                    "down_seconds": 1080,
                    "off_seconds": 0,
                    "unknown_seconds": 0,
                    "share": 0.1,
                    "coverage": 1.0,
                },
            },
            "line.international": {
                "runs": [[60, 2], [255, 18]],
                "availability": {
                    "up_seconds": 120,
                    "down_seconds": 0,
                    "off_seconds": 0,
                    "unknown_seconds": 1080,
                    "share": 1.0,
                    "coverage": 0.1,
                },
            },
        },
    }


def test_the_api_tells_a_sites_lines_devices_and_last_readings(client: Client) -> None:
    site = client.get("/api/v1/sites/t0").json()

    assert len(site["devices"]) == 18
    (latest,) = site["latest"]
    assert (latest["agent"], latest["minute"], latest["failures"]) == ("gw", NOW_MINUTE - 1, {})
    assert {"subject": "line.isp", "reading": "rtt_ms", "value": 3.1, "unit": "ms"} in latest["readings"]
    assert client.get("/api/v1/sites/t0/outages").json()[0]["signal"] == "device.ap-1"


@pytest.mark.parametrize(
    ("address", "status"),
    [
        ("/api/v1/sites/nobody", 404),
        ("/api/v1/sites/NO%20body", 422),
        ("/api/v1/sites/nobody/outages", 404),
        (f"/api/v1/sites/nobody/minutes?first_minute={NOW_MINUTE - 1}&end_minute={NOW_MINUTE}", 404),
        (f"/api/v1/sites/t0/minutes?first_minute={NOW_MINUTE}&end_minute={NOW_MINUTE}", 400),
        (f"/api/v1/sites/t0/minutes?first_minute={NOW_MINUTE - 60_000}&end_minute={NOW_MINUTE}", 400),
        (f"/api/v1/sites/t0/minutes?first_minute={NOW_MINUTE - 1}&end_minute={NOW_MINUTE}&signal=x", 400),
        ("/api/v1/sites/t0/minutes?first_minute=1&end_minute=2", 422),
        ("/api/v1/sites?limit=0", 422),
        ("/api/v1/sites?limit=1001", 422),
        ("/api/v1/sites?commune=xyz", 400),
        ("/api/v1/sites?state=fine", 422),
        ("/api/v1/notices?before=0", 422),
        ("/api/v1/incidents?site=A_B", 422),
        ("/api/v1/nothing", 404),
        ("/live?site=A_B", 422),
    ],
)
def test_the_api_refuses_with_a_reason(client: Client, address: str, status: int) -> None:
    refused = client.get(address)

    assert refused.status_code == status
    assert refused.headers["content-type"] == "application/json"
    assert refused.json()["detail"]


def test_the_api_describes_itself_and_loads_nothing_from_elsewhere(client: Client) -> None:
    described = client.get("/api/v1/openapi.json").json()

    assert sorted(described["paths"]) == [
        "/api/v1/aside",
        "/api/v1/calendar-changes",
        "/api/v1/calendars",
        "/api/v1/calendars/{ident}",
        "/api/v1/clones",
        "/api/v1/compare",
        "/api/v1/evidence/{plan}/{target}.zip",
        "/api/v1/incidents",
        "/api/v1/inspections",
        "/api/v1/inspections/{ident}",
        "/api/v1/inspections/{ident}/snapshot.json",
        "/api/v1/inspections/{ident}/words",
        "/api/v1/inventory/{table}",
        "/api/v1/notices",
        "/api/v1/plans",
        "/api/v1/plans/{plan}/targets/{target}",
        "/api/v1/plans/{plan}/targets/{target}/forecast",
        "/api/v1/plans/{plan}/targets/{target}/history",
        "/api/v1/plans/{plan}/targets/{target}/units",
        "/api/v1/quarantine",
        "/api/v1/register/export.xlsx",
        "/api/v1/report-jobs",
        "/api/v1/report-jobs/{number}",
        "/api/v1/report-jobs/{number}/file",
        "/api/v1/reports/{kind}",
        "/api/v1/server-away",
        "/api/v1/sites",
        "/api/v1/sites/{ident}",
        "/api/v1/sites/{ident}/availability",
        "/api/v1/sites/{ident}/lessons",
        "/api/v1/sites/{ident}/minutes",
        "/api/v1/sites/{ident}/outages",
        "/api/v1/sites/{ident}/stamp",
        "/api/v1/verdicts",
        "/api/v1/verdicts/issued",
        "/api/v1/verdicts/issued/{ident}",
        "/healthz",
        "/metrics",
    ]
    assert client.get("/docs").status_code == 404


def test_health_is_503_with_the_reasons_when_something_is_wrong(made: Made) -> None:
    well = {"ok": True, "reasons": [], "inbox": 3}
    ill = {"ok": False, "reasons": ["not connected to the broker yet"], "inbox": 0}

    answers = [Client(create_app(synthetic.context(made, health=lambda said=said: said))) for said in (well, ill)]

    assert [(one.get("/healthz").status_code, one.get("/healthz").json()) for one in answers] == [
        (200, well),
        (503, ill),
    ]
    assert "Có vấn đề: not connected to the broker yet" in text_of(answers[1].get("/about").text)


def test_a_failure_inside_is_told_without_its_details(made: Made) -> None:
    def broken() -> Any:
        raise RuntimeError("s3cret detail")

    client = Client(create_app(synthetic.context(made, verdicts=broken)))

    page, program = client.get("/"), client.get("/api/v1/verdicts")

    assert (page.status_code, program.status_code) == (500, 500)
    assert "Máy chủ gặp lỗi" in page.text
    assert "s3cret" not in page.text + program.text


def test_metrics_are_in_prometheus_format(made: Made) -> None:
    with writing(made.engine) as connection:
        connection.execute(insert(schema.counter).values(name='odd "name"\\\n', count=7))
    health = {"ok": True, "reasons": [], "committed_ms": NOW_MS - 1_500, "inbox": 4}

    told = Client(create_app(synthetic.context(made, health=lambda: health))).get("/metrics")

    assert told.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    sample = re.compile(
        r'^[a-z_]+(\{[a-z]+="(?:[^"\\\n]|\\["\\n])*"(,[a-z]+="(?:[^"\\\n]|\\["\\n])*")*\})? -?[0-9.e+]+$'
    )
    lines = told.text.splitlines()
    assert [line for line in lines if not line.startswith("#") and not sample.match(line)] == []
    for line in (
        'schoolbeat_sites{state="ok"} 71',
        'schoolbeat_notices{channel="webhook",delivery="waiting"} 1',
        'schoolbeat_notices{channel="webhook",delivery="refused"} 1',
        'schoolbeat_units{plan="lao-cai-2022-2025",target="T1",verdict="unknown"} 50',
        'schoolbeat_age_seconds{name="committed"} 1.5',
        'schoolbeat_health{name="inbox"} 4.0',
        'schoolbeat_count_total{name="odd \\"name\\"\\\\\\n"} 7',
        "schoolbeat_ok 1",
    ):
        assert line in lines
    assert told.text.endswith("\n")
    assert metrics.text_of([]) == ""


# ---- live --------------------------------------------------------------------------------------------------


@pytest.fixture
def live(made: Made) -> Iterator[tuple[str, LiveFeed]]:
    feed = LiveFeed(most_listeners=3)
    with browsers.served(create_app(synthetic.context(made, live=feed))) as address:
        yield address, feed


class Stream:
    """Reads an event stream in a thread of its own."""

    def __init__(self, address: str) -> None:
        self.events: list[tuple[str, str]] = []
        self.status = 0
        self.ended = threading.Event()
        self._thread = threading.Thread(target=self._read, args=(address,), daemon=True)
        self._thread.start()

    def _read(self, address: str) -> None:
        try:
            with httpx.stream("GET", address, timeout=30) as answer_:
                self.status = answer_.status_code
                kind = ""
                for line in answer_.iter_lines():
                    if line.startswith("event: "):
                        kind = line[7:]
                    if line.startswith("data: "):
                        self.events.append((kind, line[6:]))
        except httpx.HTTPError:
            pass
        self.ended.set()


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "what was waited for did not come"
        time.sleep(0.02)


def test_events_reach_the_province_and_only_the_sites_they_are_about(live: tuple[str, LiveFeed]) -> None:
    address, feed = live
    all_of_it, one_site = Stream(f"{address}/live"), Stream(f"{address}/live?site=t1")
    until(lambda: len(all_of_it.events) == 1 and len(one_site.events) == 1)

    feed.publish("minutes", {"sites": {"t1": 5, "t2": 5}})
    feed.publish("minutes", {"sites": {"t2": 6}})
    feed.publish("incident", {"site": "t2", "action": "open"})
    feed.publish("incident", {"site": "t1", "action": "open"})
    feed.publish("notice", {"id": 7})

    until(lambda: len(all_of_it.events) == 6 and len(one_site.events) == 4)
    assert [kind for kind, _ in all_of_it.events] == ["hello", "minutes", "minutes", "incident", "incident", "notice"]
    assert one_site.events == [
        ("hello", "{}"),
        ("minutes", '{"sites": {"t1": 5, "t2": 5}}'),
        ("incident", '{"site": "t1", "action": "open"}'),
        ("notice", '{"id": 7}'),
    ]


def test_only_so_many_pages_may_listen_and_one_that_left_makes_room(live: tuple[str, LiveFeed]) -> None:
    address, feed = live
    with httpx.stream("GET", f"{address}/live", timeout=30):
        streams = [Stream(f"{address}/live") for _ in range(2)]
        until(lambda: feed.count() == 3)

        assert httpx.get(f"{address}/live").status_code == 503
        assert len(streams) == 2
    until(lambda: feed.count() == 2)
    assert Stream(f"{address}/live") is not None
    until(lambda: feed.count() == 3)


def test_a_stopping_server_ends_its_streams(live: tuple[str, LiveFeed]) -> None:
    address, feed = live
    stream = Stream(f"{address}/live")
    until(lambda: feed.count() == 1)

    feed.close()

    assert stream.ended.wait(10)
    until(lambda: feed.count() == 0)
    assert httpx.get(f"{address}/live").status_code == 503


def test_a_page_that_does_not_keep_up_is_dropped_and_holds_no_memory() -> None:
    async def play() -> tuple[int, str | None]:
        listener = Listener(asyncio.get_running_loop(), None)
        for number in range(5_000):
            listener.offer(f"event {number}")
        return listener.events.qsize(), await listener.events.get()

    assert asyncio.run(play()) == (1, None)


def test_publishing_to_a_loop_that_ended_does_no_harm() -> None:
    feed = LiveFeed()

    async def listen() -> None:
        assert feed.listen(None) is not None

    asyncio.run(listen())

    feed.publish("minutes", {"sites": {}})
    assert feed.count() == 0


def test_a_page_is_small_and_travels_compressed_at_1400_sites(tmp_path: Path) -> None:
    large = synthetic.make(tmp_path / "schoolbeat.db", 1_120)
    client = Client(create_app(synthetic.context(large)))

    sizes = {path: len(client.get(path).content) for path in ("/", "/sites", "/site/t0")}

    assert len(large.sites) == 1_400
    assert max(sizes.values()) < 60_000
    packed = client.get("/", **{"Accept-Encoding": "gzip"})
    assert packed.headers["Content-Encoding"] == "gzip"
    assert int(packed.headers["Content-Length"]) < 12_000
    assert pages.ROWS == 25
