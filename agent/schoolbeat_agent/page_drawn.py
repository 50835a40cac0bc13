"""The page in the school as HTML: no script, nothing from elsewhere, everything escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from schoolbeat_agent.lessons import local
from schoolbeat_agent.page_diagnosis import INTERNET, Diagnosis, Level, diagnosis
from schoolbeat_agent.page_standing import Standing, Word, standings
from schoolbeat_agent.settings import Device
from schoolbeat_agent.sight import View
from schoolbeat_agent.texts import Language, Text
from schoolbeat_wire import catalogue
from schoolbeat_wire.catalogue import CAUSES, RUNGS

REFRESH_SECONDS: Final = 15
MANY_SECONDS: Final = 120.0  # from here on time is told in minutes

STYLE: Final = """
:root{--paper:#fff;--ink:#1b1f24;--soft:#57606a;--line:#d0d7de;--well:#116329;--wellbg:#e6f4ea;--bad:#a40e26;
--badbg:#fdebec;--warn:#7a4b00;--warnbg:#fff4dc;--dim:#57606a;--dimbg:#eef1f4}
@media (prefers-color-scheme:dark){:root{--paper:#14181d;--ink:#e6edf3;--soft:#9aa5b1;--line:#3a424b;--well:#6fdd8b;
--wellbg:#12301c;--bad:#ff9492;--badbg:#3d1518;--warn:#f0c674;--warnbg:#38290a;--dim:#9aa5b1;--dimbg:#222931}}
*{box-sizing:border-box}
body{margin:0;background:var(--paper);color:var(--ink);font:17px/1.5 system-ui,"Noto Sans","DejaVu Sans",sans-serif}
.page{max-width:62rem;margin:0 auto;padding:1rem}
header{display:flex;justify-content:space-between;gap:1rem;color:var(--soft);font-size:.9rem;margin-bottom:.75rem}
a{color:inherit}
a:focus-visible{outline:3px solid currentColor;outline-offset:3px}
h1{font-size:1.65rem;line-height:1.25;margin:0;text-wrap:balance;overflow-wrap:anywhere}
h2{font-size:1.1rem;margin:1.75rem 0 .6rem}
h3{font-size:1rem;margin:0 0 .3rem;overflow-wrap:anywhere}
.say{border-radius:.75rem;padding:1.1rem 1.25rem;border-left:.5rem solid}
.say p{margin:.35rem 0 0}
.well{color:var(--well);background:var(--wellbg)}.broken{color:var(--bad);background:var(--badbg)}
.attention{color:var(--warn);background:var(--warnbg)}.unknown{color:var(--dim);background:var(--dimbg)}
.parts{display:grid;gap:0 2rem;grid-template-columns:repeat(auto-fit,minmax(17rem,1fr))}
.parts ul,.parts ol{margin:0;padding-left:1.3rem}.parts p{margin:0}
li{overflow-wrap:anywhere}
.ladder,.things{list-style:none;margin:0;padding:0}
.ladder{display:flex;flex-direction:column}
.ladder li{position:relative;padding:0 0 1rem 2.6rem}
.ladder li:last-child{padding-bottom:0}
.ladder li:not(:last-child)::before{content:"";position:absolute;left:.82rem;top:1.7rem;bottom:0;
border-left:3px solid var(--line)}
.mark{display:inline-flex;align-items:center;justify-content:center;width:1.75rem;height:1.75rem;border-radius:50%;
font-weight:700;flex:none}
.ladder .mark{position:absolute;left:0;top:0}
.up,.here{color:var(--well);background:var(--wellbg)}.down{color:var(--bad);background:var(--badbg)}
.standby,.unasked,.dim{color:var(--dim);background:var(--dimbg)}
.name{font-weight:600}.state{color:var(--soft);font-size:.92rem;display:block}
.state.bad{color:var(--bad)}
@media (min-width:48rem){.ladder{flex-direction:row}.ladder li{flex:1;padding:2.2rem .5rem 0 0}
.ladder li:not(:last-child)::before{left:2.1rem;right:.35rem;top:.8rem;bottom:auto;border-left:0;
border-top:3px solid var(--line)}}
.rooms{display:grid;gap:1rem;grid-template-columns:repeat(auto-fill,minmax(17rem,1fr))}
.room{border:1px solid var(--line);border-radius:.75rem;padding:.8rem 1rem}
.things li{display:flex;gap:.7rem;padding:.35rem 0}
footer{margin-top:2rem;padding-top:.75rem;border-top:1px solid var(--line);color:var(--soft);font-size:.9rem}
"""
STYLE_HASH: Final = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()

TITLES: Final[dict[Level, Text]] = {
    "well": Text("Mạng tốt", "Network fine"),
    "attention": Text("Có việc cần xem", "Something to look at"),
    "broken": Text("Mạng đang hỏng", "Network down"),
    "unknown": Text("Chưa biết", "Not known"),
}
MARKS: Final[dict[Word, tuple[str, str]]] = {  # sign, class
    "up": ("✓", "up"),
    "standby": ("◦", "standby"),
    "unasked": ("◦", "unasked"),
    "down": ("✗", "down"),
    "unknown": ("?", "dim"),
}
WORDS: Final[dict[Word, Text]] = {
    "up": Text("tốt", "fine"),
    "standby": Text("đang tắt (chờ)", "switched off (standby)"),
    "unasked": Text("không trả lời; có thể đang tắt", "no answer; it may be switched off"),
    "down": Text("không trả lời", "no answer"),
    "unknown": Text("chưa biết", "not known"),
}
RUNG_NAMES: Final = {
    "lan.router": Text("Bộ định tuyến của trường", "The school's router"),
    "line.isp": Text("Nhà mạng", "The provider"),
    "line.domestic": Text("Mạng trong nước", "Domestic network"),
    "line.international": Text("Mạng quốc tế", "International network"),
}
HERE: Final = Text("Thiết bị SchoolBeat", "SchoolBeat device")
HERE_STATE: Final = Text("đang đo", "measuring")
BEHIND: Final = Text("chưa biết: không nhìn qua được chỗ hỏng", "not known: it cannot be seen through the fault")
_INTERNET = Text("Mở được trang", "Pages open")
_INNOCENT = Text("Lỗi không nằm ở đâu", "Where the fault is not")
_STEPS = Text("Hãy thử", "What to try")
_CALL = Text("Gọi ai", "Whom to call")
_ALSO = Text("Ngoài ra", "Also")
_WAY = Text("Đường ra Internet", "The way to the Internet")
_ROOMS = Text("Phòng và thiết bị", "Rooms and devices")
_WIFI = Text("Wi-Fi", "Wi-Fi")
_SERVICES = Text("Dịch vụ", "Services")
_NO_ROOM = Text("Chung cả trường", "For the whole school")
_SITE = Text("Điểm trường {site}", "Site {site}")
_OTHER = {"vi": ("/en", "en", "English"), "en": ("/", "vi", "Tiếng Việt")}
_AT = Text("Số liệu lúc {time}.", "Figures of {time}.")
_AGO = Text("Số liệu cách đây {seconds} giây.", "Figures of {seconds} seconds ago.")
_NO_FIGURES = Text("Chưa có số liệu.", "No figures yet.")
_REFRESH = Text(
    f"Trang tự cập nhật {REFRESH_SECONDS} giây một lần; chỉ mở được trong mạng của trường.",
    f"The page updates every {REFRESH_SECONDS} seconds; it opens within the school's network only.",
)
_SINCE = Text("từ {time} ({ago})", "since {time} ({ago})")
_FOR = Text("{ago} nay", "for {ago}")


def escape(text: str) -> str:
    """As html.escape, whose module holds a table of all entities in memory."""
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return text.replace('"', "&quot;").replace("'", "&#39;")


def page(view: View, language: Language) -> bytes:
    """The whole document."""
    stand = standings(view)
    found = diagnosis(view, stand)
    other, other_language, other_name = _OTHER[language]
    site = escape(_SITE.say(language, site=view.settings.site))
    body = [
        f'<header><span>SchoolBeat · {site}</span><a href="{other}" lang="{other_language}" '
        f'hreflang="{other_language}">{other_name}</a></header>',
        "<main>",
        *_told(found, view, language),
        *_ladder(stand, view, language),
        *_wifi_and_services(stand, view, language),
        *_rooms(stand, view, language),
        "</main>",
        f"<footer>{escape(_figures(view, language))} {escape(_REFRESH.say(language))}</footer>",
    ]
    head = (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta http-equiv="refresh" content="{REFRESH_SECONDS}"><meta name="color-scheme" content="light dark">'
        f'<title>{escape(TITLES[found.level].say(language))} · {site}</title><link rel="icon" href="data:,">'
        f'<style>{STYLE}</style></head><body><div class="page">'
    )
    return (head + "".join(body) + "</div></body></html>").encode("utf-8", "replace")


def _shown(text: Text, language: Language) -> str:
    """A whole sentence: its names are filled in already."""
    return escape(text.vi if language == "vi" else text.en)


def _told(found: Diagnosis, view: View, language: Language) -> Iterable[str]:
    yield f'<section class="say {found.level}"><h1>{_shown(found.headline, language)}</h1>'
    if found.since is not None and found.level != "well":
        yield f"<p>{escape(_since(found.since, view, language))}</p>"
    yield '</section><div class="parts">'
    for title, texts, tag in ((_INNOCENT, found.innocent, "ul"), (_STEPS, found.steps, "ol")):
        if texts:
            yield f"<section><h2>{_shown(title, language)}</h2>{_listed(texts, tag, language)}</section>"
    if found.call is not None:
        yield f"<section><h2>{_shown(_CALL, language)}</h2><p>{_shown(found.call, language)}</p></section>"
    if found.also:
        yield f"<section><h2>{_shown(_ALSO, language)}</h2>{_listed(found.also, 'ul', language)}</section>"
    yield "</div>"


def _listed(texts: Sequence[Text], tag: str, language: Language) -> str:
    return f"<{tag}>" + "".join(f"<li>{_shown(text, language)}</li>" for text in texts) + f"</{tag}>"


def _mark(word: Word) -> str:
    sign, kind = MARKS[word]
    return f'<span class="mark {kind}" aria-hidden="true">{sign}</span>'


def _ladder(stand: dict[str, Standing], view: View, language: Language) -> Iterable[str]:
    rungs = [rung for rung in RUNGS if rung in stand]
    yield f'<section><h2>{_shown(_WAY, language)}</h2><ol class="ladder" role="list">'
    yield f'<li><span class="mark here" aria-hidden="true">●</span><span class="name">{_shown(HERE, language)}</span>'
    yield f'<span class="state">{_shown(HERE_STATE, language)}</span></li>'
    for rung in rungs:
        yield _thing("li", _shown(RUNG_NAMES[rung], language), stand[rung], view, language)
    if INTERNET in stand:
        yield _thing("li", _shown(_INTERNET, language), stand[INTERNET], view, language)
    yield "</ol></section>"


def _thing(tag: str, name: str, standing: Standing, view: View, language: Language, kind: str = "") -> str:
    """One line: mark, name (escaped already), what it is, state in words."""
    bad = " bad" if standing.word == "down" else ""
    state = escape((f"{kind} · " if kind else "") + _state(standing, view, language))
    return (
        f'<{tag}>{_mark(standing.word)}<span><span class="name">{name}</span> '
        f'<span class="state{bad}">{state}</span></span></{tag}>'
    )


def _state(standing: Standing, view: View, language: Language) -> str:
    if standing.hidden_by:
        return BEHIND.say(language)
    words = WORDS[standing.word].say(language)
    if standing.word == "down":
        _, vi, en = CAUSES.get(standing.cause, CAUSES["internal"])
        words = vi if language == "vi" else en
    if standing.since is None or standing.word not in ("down", "unasked"):
        return words
    return f"{words}, {_since(standing.since, view, language)}"


def _wifi_and_services(stand: dict[str, Standing], view: View, language: Language) -> Iterable[str]:
    from urllib.parse import unquote

    for title, prefix in ((_WIFI, "wifi."), (_SERVICES, "service.")):
        there = [signal for signal in stand if signal.startswith(prefix)]
        if there:
            yield f'<section><h2>{_shown(title, language)}</h2><ul class="things" role="list">'
            for signal in there:
                yield _thing("li", escape(unquote(signal.partition(".")[2])), stand[signal], view, language)
            yield "</ul></section>"


def _rooms(stand: dict[str, Standing], view: View, language: Language) -> Iterable[str]:
    if not view.settings.devices:
        return
    rooms: dict[str, list[Device]] = {}
    for device in view.settings.devices:
        rooms.setdefault(device.room, []).append(device)
    yield f'<section><h2>{_shown(_ROOMS, language)}</h2><div class="rooms">'
    for room in sorted(rooms, key=lambda name: (not name, name)):
        name = escape(room) or _shown(_NO_ROOM, language)
        yield f'<section class="room"><h3>{name}</h3><ul class="things" role="list">'
        for device in sorted(rooms[room], key=lambda one: _urgency(stand.get(f"device.{one.id}"))):
            standing = stand.get(f"device.{device.id}", Standing("unknown"))
            yield _thing("li", escape(device.name or device.id), standing, view, language, _kind(device, language))
        yield "</ul></section>"
    yield "</div></section>"


def _urgency(standing: Standing | None) -> int:
    words: tuple[Word, ...] = ("down", "unknown", "unasked", "up", "standby")
    return words.index(standing.word) if standing else 1


def _kind(device: Device, language: Language) -> str:
    """Empty for a kind that the catalogue does not know."""
    kind = catalogue.DEVICE_KINDS.get(device.kind)
    return "" if kind is None else kind.vi if language == "vi" else kind.en


# --- time ----------------------------------------------------------------------------------------------------------


def _ago(seconds: float, language: Language) -> str:
    if seconds < MANY_SECONDS:
        return f"{max(0, int(seconds))} " + ("giây" if language == "vi" else "s")
    minutes = int(seconds // 60)
    days, hours = minutes // 1440, minutes // 60 % 24
    if days:
        return f"{days} ngày {hours} giờ" if language == "vi" else f"{days} d {hours} h"
    if hours:
        return f"{hours} giờ {minutes % 60} phút" if language == "vi" else f"{hours} h {minutes % 60} min"
    return f"{minutes} phút" if language == "vi" else f"{minutes} min"


def _since(since: float, view: View, language: Language) -> str:
    """The clock's time where it is known, and how long it is."""
    ago = _ago(view.now - since, language)
    if view.unix is None:
        return _FOR.say(language, ago=ago)
    began, today = local(view.unix - (view.now - since)), local(view.unix)
    time = f"{began:%H:%M}" if began.date() == today.date() else f"{began:%H:%M %d/%m}"
    return _SINCE.say(language, time=time, ago=ago)


def _figures(view: View, language: Language) -> str:
    """When the newest run began."""
    newest = max((seen.at for seen in view.sight.signals.values()), default=None)
    if newest is None:
        return _NO_FIGURES.say(language)
    if view.unix is None:
        return _AGO.say(language, seconds=int(view.now - newest))
    return _AT.say(language, time=f"{local(view.unix - (view.now - newest)):%H:%M:%S %d/%m/%Y}")
