"""What a notice says: title and body, in Vietnamese or English, from the facts of an incident."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

from schoolbeat_server import silence_texts
from schoolbeat_server.local_time import clock_and_day, lasting

Kind = Literal["open", "close"]
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]+")
_TITLE_LETTERS = 200
_NAMED_DEVICES = 8


class Words(NamedTuple):
    """Of one cause: a few words for the title, the sentence that explains, and what to do next."""

    short: str
    why: str
    then: str


# (Vietnamese, English). The rungs, what the agent says of itself, and what nobody can say.
CAUSES: dict[str, tuple[Words, Words]] = {
    "waiting": (
        Words(
            "chưa rõ nguyên nhân",
            "Chưa xác định được. Mới chỉ biết máy chủ không nhận được tin của điểm trường.",
            "Khi có lại liên lạc, thiết bị cổng sẽ gửi bù số liệu đã ghi ở trường; thông báo kết thúc sẽ nêu rõ "
            "nguyên nhân. Nếu sau 15 phút chưa có thông báo kết thúc, đề nghị liên hệ nhà trường để hỏi tình hình.",
        ),
        Words(
            "cause not yet known",
            "Not yet known. All that is known is that the server does not hear from the site.",
            "When contact is back the gateway will send what it recorded at the school, and the closing notice will "
            "name the cause. If no closing notice comes within 15 minutes, please get in touch with the school.",
        ),
    ),
    "unwatched": (
        Words(
            "không còn được theo dõi",
            "Thiết bị, dịch vụ hoặc tác tử liên quan đã được gỡ khỏi hệ thống, nên không còn số liệu; không biết sự cố "
            "đã hết hay chưa.",
            "Nếu việc gỡ là chủ ý thì không phải làm gì; nếu không, đề nghị kiểm tra lại sổ đăng ký.",
        ),
        Words(
            "no longer watched",
            "The device, service or agent concerned was removed, so there is no more data; whether the fault is "
            "over is not known.",
            "If it was removed on purpose there is nothing to do; otherwise please check the register.",
        ),
    ),
    "power": (
        Words(
            "thiết bị cổng mất điện",
            "Thiết bị cổng ở trường mất điện hoặc bị rút nguồn. Không phải lỗi của đường truyền.",
            "Đề nghị nhà trường kiểm tra ổ cắm, nguồn của thiết bị cổng và lịch cắt điện; nếu hay lặp lại, nên dùng bộ "
            "lưu điện (UPS).",
        ),
        Words(
            "the gateway lost power",
            "The gateway at the school lost power or was unplugged. It was not a fault of the line.",
            "Please check the socket, the gateway's power supply and announced power cuts; if it keeps happening, "
            "consider a UPS.",
        ),
    ),
    "mains": (
        Words(
            "trường mất điện lưới",
            "Bộ lưu điện ở trường báo mất điện lưới trong lúc bộ định tuyến không trả lời. Không phải lỗi của đường "
            "truyền.",
            "Đề nghị nhà trường kiểm tra cầu dao và lịch cắt điện; nên cấp nguồn bộ định tuyến và thiết bị quang (ONT) "
            "qua bộ lưu điện.",
        ),
        Words(
            "the school lost mains power",
            "The school's UPS told of lost mains power while the router did not answer. It was not a fault of the "
            "line.",
            "Please check the fuses and announced power cuts; the router and the ONT should hang on a UPS too.",
        ),
    ),
    "gateway": (
        Words(
            "thiết bị cổng không trả lời, trường vẫn có mạng",
            "Một máy tính trong trường vẫn gửi được tin nhưng không thấy thiết bị cổng trả lời: thiết bị cổng bị tắt, "
            "hỏng, rút dây hoặc tác tử trên đó đã dừng. Không phải lỗi của đường truyền.",
            "Đề nghị nhà trường kiểm tra nguồn điện, dây mạng và đèn của thiết bị cổng.",
        ),
        Words(
            "the gateway does not answer, the school has network",
            "A computer in the school could still report, but got no answer from the gateway: it is off, broken, "
            "unplugged, or its agent has stopped. It was not a fault of the line.",
            "Please check the gateway's power, network cable and lamps.",
        ),
    ),
    "server_away": (
        Words(
            "máy chủ SchoolBeat ngừng hoạt động",
            "Máy chủ hoặc broker của SchoolBeat không hoạt động trong thời gian đó, trong khi mạng ở trường vẫn bình "
            "thường. Không tính là lỗi của nhà trường hay nhà mạng.",
            "Nhà trường không phải làm gì. Người quản trị máy chủ cần xem vì sao máy chủ ngừng.",
        ),
        Words(
            "the SchoolBeat server was not running",
            "SchoolBeat's own server or broker was not running at that time, while the school's network was fine. It "
            "is charged to neither the school nor the ISP.",
            "There is nothing for the school to do. Whoever runs the server should see why it stopped.",
        ),
    ),
    "agent_stopped": (
        Words(
            "tác tử được dừng chủ động",
            "Tác tử trên thiết bị cổng được người vận hành dừng. Trong thời gian đó không có số liệu nên không kết "
            "luận được gì về đường truyền.",
            "Nếu không phải việc bảo trì đã báo trước, đề nghị hỏi người quản trị thiết bị cổng.",
        ),
        Words(
            "the agent was stopped on purpose",
            "An operator stopped the agent on the gateway. There are no measurements of that time, so nothing can be "
            "said of the line.",
            "Unless this was announced maintenance, please ask whoever looks after the gateway.",
        ),
    ),
    "agent_crashed": (
        Words(
            "tác tử bị dừng đột ngột",
            "Tác tử bị dừng đột ngột trong khi thiết bị cổng vẫn chạy. Đây là lỗi của phần mềm đo, không phải lỗi của "
            "nhà trường hay nhà mạng.",
            "Đề nghị người quản trị xem nhật ký của tác tử và báo cho bộ phận hỗ trợ SchoolBeat.",
        ),
        Words(
            "the agent died",
            "The agent died while the gateway stayed on. This is a fault of the measuring software, neither the "
            "school's nor the ISP's.",
            "Please look at the agent's log and tell SchoolBeat's support.",
        ),
    ),
    "lan.router": (
        Words(
            "lỗi trong trường: bộ định tuyến",
            "Bộ định tuyến của trường không trả lời. Lỗi ở trong trường, không tính cho nhà mạng.",
            "Đề nghị nhà trường kiểm tra nguồn điện, dây mạng và đèn của bộ định tuyến; khởi động lại nếu cần.",
        ),
        Words(
            "inside the school: the router",
            "The school's router did not answer. The fault was inside the school; it is not charged to the ISP.",
            "Please check the router's power, cable and lamps, and restart it if need be.",
        ),
    ),
    "line.isp": (
        Words(
            "lỗi đường truyền từ trường đến nhà mạng",
            "Bộ định tuyến của trường vẫn trả lời nhưng thiết bị biên của nhà mạng thì không: lỗi trên đoạn từ trường "
            "đến nhà mạng.",
            "Đề nghị gửi nhà mạng số giờ nêu trên để đối chiếu và yêu cầu kiểm tra đường cáp, hộp quang (ONT).",
        ),
        Words(
            "the line between school and ISP",
            "The school's router answered but the ISP's edge did not: the fault was between the school and the ISP.",
            "Please send the ISP the times above and ask it to check the cable and the ONT.",
        ),
    ),
    "line.domestic": (
        Words(
            "lỗi trong mạng của nhà mạng (trong nước)",
            "Thiết bị biên của nhà mạng trả lời nhưng không tới được đích nào trong nước: lỗi trong mạng của nhà mạng.",
            "Đề nghị gửi nhà mạng số giờ nêu trên để đối chiếu; nhà trường không phải làm gì.",
        ),
        Words(
            "inside the ISP's network (domestic)",
            "The ISP's edge answered but no domestic target could be reached: the fault was inside the ISP's network.",
            "Please send the ISP the times above; there is nothing for the school to do.",
        ),
    ),
    "line.international": (
        Words(
            "lỗi hướng quốc tế của nhà mạng",
            "Trong nước vẫn tới được nhưng không tới được đích quốc tế nào: lỗi hướng quốc tế của nhà mạng.",
            "Các dịch vụ trong nước vẫn dùng được. Nhà trường không phải làm gì.",
        ),
        Words(
            "the ISP's international links",
            "Domestic targets answered but no international one did: the fault was in the ISP's international links.",
            "Services inside Viet Nam still work. There is nothing for the school to do.",
        ),
    ),
    "line.internet": (
        Words(
            "không dùng được Internet",
            "Không phân giải được tên miền hoặc không mở được kết nối nào ra Internet.",
            "Đề nghị nhà trường thử một trang web trên máy có dây; nếu không được, báo nhà mạng kèm số giờ nêu trên.",
        ),
        Words(
            "no usable Internet",
            "No name resolved, or no connection to the Internet opened.",
            "Please try a web page on a wired computer; if it fails, tell the ISP with the times above.",
        ),
    ),
    "service": (
        Words(
            "lỗi phân giải tên miền hoặc dịch vụ",
            "Các chặng mạng đều trả lời nhưng không phân giải được tên miền hoặc không mở được kết nối.",
            "Đề nghị kiểm tra máy chủ phân giải tên miền (DNS) đang cấu hình ở trường và hỏi nhà mạng về DNS.",
        ),
        Words(
            "name resolution or service",
            "Every rung of the path answered, but no name resolved or no connection opened.",
            "Please check which DNS resolver the school is set to use, and ask the ISP about its DNS.",
        ),
    ),
    "away": (
        Words(
            "biết được sau khi đã hết",
            "Các đoạn gián đoạn này đã hết trước khi số liệu đến máy chủ, nên không ai được báo.",
            "Không phải làm gì; thời gian và nguyên nhân có trong danh sách đoạn gián đoạn của điểm trường.",
        ),
        Words(
            "learnt of when it was over",
            "These outages were over before the data reached the server, so nobody was told.",
            "There is nothing to do; times and causes are in the site's list of outages.",
        ),
    ),
    "clone": (
        Words(
            "hai máy dùng chung một tài khoản tác tử",
            "Một máy khác gửi tin bằng tài khoản của tác tử ở điểm trường này: thẻ nhớ bị sao chép, được lắp sang máy "
            "khác, hoặc thiết bị đã được thay. Số liệu của máy ấy được giữ riêng, không trộn vào số liệu của trường.",
            "Người quản trị máy chủ xem 'schoolbeat-server agent clones', hỏi nhà trường máy nào là thật, rồi chạy "
            "'schoolbeat-server agent true ĐIỂM_TRƯỜNG TÁC_TỬ --hardware MÃ --reason LÝ_DO'. Nếu thẻ bị sao chép, hãy "
            "cấp mật khẩu mới bằng 'agent add --replace'.",
        ),
        Words(
            "two machines use one agent's account",
            "Another machine reports with the account of this site's agent: its card was copied or moved to another "
            "machine, or the gateway was replaced. What that machine reports is kept apart from the school's data.",
            "Whoever runs the server looks at 'schoolbeat-server agent clones', asks the school which machine is the "
            "true one and runs 'schoolbeat-server agent true SITE AGENT --hardware ID --reason WHY'. If the card was "
            "copied, give it a new password with 'agent add --replace'.",
        ),
    ),
    "beyond": (
        Words(
            "trường vẫn có mạng; lỗi phía máy chủ SchoolBeat",
            "Số liệu của trường cho thấy mạng ở trường vẫn bình thường. Lỗi ở đường tới máy chủ SchoolBeat hoặc ở "
            "chính máy chủ; không tính là lỗi của nhà trường hay nhà mạng.",
            "Nhà trường không phải làm gì. Người quản trị máy chủ cần kiểm tra đường vào máy chủ SchoolBeat.",
        ),
        Words(
            "the school was online; our side failed",
            "What the school recorded shows that its network was fine. The fault was on the way to the SchoolBeat "
            "server or in the server itself; it is charged to neither the school nor the ISP.",
            "There is nothing for the school to do. Whoever runs the server should check the way to it.",
        ),
    ),
    "unknown": (
        Words(
            "không rõ nguyên nhân",
            "Không xác định được: số liệu ghi ở trường không đủ để kết luận. SchoolBeat không suy đoán.",
            "Nếu cần biết rõ, đề nghị hỏi nhà trường về tình hình trong khoảng thời gian nêu trên.",
        ),
        Words(
            "cause unknown",
            "It cannot be said: what was recorded at the school is not enough. SchoolBeat does not guess.",
            "If it matters, please ask the school what happened in the time above.",
        ),
    ),
}
# Of a signal that is its own cause: {name} is the device, service or Wi-Fi.
_OWN: dict[str, tuple[Words, Words]] = {
    "device": (
        Words(
            "thiết bị không trả lời: {name}",
            "Thiết bị không trả lời: {name}. Sự cố này không liên quan đến đường truyền Internet của trường.",
            "Đề nghị nhà trường kiểm tra nguồn điện và dây mạng của thiết bị.",
        ),
        Words(
            "device not answering: {name}",
            "Not answering: {name}. This incident has nothing to do with the school's line.",
            "Please check the device's power and network cable.",
        ),
    ),
    "service": (
        Words(
            "dịch vụ không trả lời: {name}",
            "Mạng của trường bình thường nhưng dịch vụ {name} không trả lời qua kết nối an toàn (TLS).",
            "Đề nghị báo đơn vị vận hành dịch vụ; nhà trường không phải làm gì.",
        ),
        Words(
            "service not answering: {name}",
            "The school's network is fine, but the service {name} does not answer over a valid TLS connection.",
            "Please tell whoever runs the service; there is nothing for the school to do.",
        ),
    ),
    "wifi": (
        Words(
            "mạng Wi-Fi không dùng được: {name}",
            "Không kết nối được mạng Wi-Fi {name} từ chỗ ngồi.",
            "Đề nghị nhà trường kiểm tra bộ phát Wi-Fi.",
        ),
        Words(
            "Wi-Fi not usable: {name}",
            "A seat cannot use the Wi-Fi {name}.",
            "Please check the access point.",
        ),
    ),
    "power": (
        Words(
            "mất điện lưới",
            "Trường mất điện lưới; thiết bị cổng đang chạy bằng bộ lưu điện và có thể tắt khi hết pin.",
            "Đề nghị nhà trường kiểm tra cầu dao và lịch cắt điện.",
        ),
        Words(
            "mains power lost",
            "The school has lost mains power; the gateway runs on its UPS and may stop when the battery is empty.",
            "Please check the fuses and announced power cuts.",
        ),
    ),
}
_TITLES = {
    ("open", True): ("Mất liên lạc: {place}", "Contact lost: {place}"),
    ("open", False): ("Sự cố: {place} ({short})", "Incident: {place} ({short})"),
    ("close", True): ("Đã có lại liên lạc: {place} ({short})", "Contact is back: {place} ({short})"),
    ("close", False): ("Đã hết sự cố: {place} ({short})", "Resolved: {place} ({short})"),
}
_UNWATCHED_TITLE = ("Ngừng theo dõi: {place}", "No longer watched: {place}")  # not resolved: nobody knows
_LABELS = {
    "where": ("Nơi xảy ra", "Where"),
    "since": ("Từ lúc", "Since"),
    "until": ("Đến lúc", "Until"),
    "length": ("Kéo dài", "Lasted"),
    "cause": ("Nguyên nhân", "Cause"),
    "isp": ("Nhà mạng", "ISP"),
    "evidence": ("Căn cứ", "Evidence"),
    "known": ("Bằng chứng khác", "Also known"),
    "waited": ("Đang chờ", "Waiting for"),
    "then": ("Việc cần làm", "What to do next"),
}
_MINUTES_OF = {
    "power": ("mất điện", "without power"),
    "agent_stopped": ("tác tử dừng", "with the agent stopped"),
    "agent_crashed": ("tác tử lỗi", "with the agent dead"),
    "lan.router": ("có lúc bộ định tuyến không trả lời", "with the router not answering"),
    "line.isp": ("có lúc biên nhà mạng không trả lời", "with the ISP's edge not answering"),
    "line.domestic": ("có lúc không tới được đích trong nước", "with no domestic target answering"),
    "line.international": ("có lúc không tới được đích quốc tế", "with no international target answering"),
    "mains": ("mất điện lưới và bộ định tuyến không trả lời", "with no mains power and no answer from the router"),
    "gateway": ("thiết bị cổng không trả lời máy trong trường", "with the gateway not answering inside the school"),
    "service": ("có lúc không phân giải được tên miền hoặc kết nối", "with no name or connection"),
    "beyond": ("mạng ở trường bình thường", "with the school's network fine"),
    "heard": ("máy chủ vẫn nghe được", "still or again heard"),
    "returning": ("đang trở lại", "coming back"),
    "server_away": ("máy chủ không theo dõi được", "with the server not watching"),
    "unknown": ("không có số liệu", "without data"),
}


def compose(
    kind: Kind,
    site_name: str,
    school_name: str,
    scope: str,
    cause: str,
    since_ms: int,
    until_ms: int | None,
    facts: Mapping[str, Any],
    language: str,
) -> tuple[str, str]:
    """(title, body) of a notice. scope: 'path' or 'devices'; cause: a code of CAUSES, or a signal such as device.<id>.

    Understood facts, all optional: known and waited (silence_texts.as_facts), names {signal: name people know}, signals
    [those that are down], isp, minutes {cause: minutes} of a silence, so that it began with lost contact.
    An opening notice with the cause 'waiting' names no cause.
    """
    column = 0 if language == "vi" else 1
    words = _words(cause, facts, column)
    place = _place(site_name, school_name)
    by_contact = scope == "path" and (cause == "waiting" or "minutes" in facts)
    titles = _UNWATCHED_TITLE if cause == "unwatched" else _TITLES[kind, by_contact]
    title = titles[column].format(place=place, short=words.short)
    rows = [("where", place), ("since", clock_and_day(since_ms, language))]
    if kind == "close" and until_ms is not None:
        rows.append(("until", clock_and_day(until_ms, language)))
        rows.append(("length", lasting((until_ms - since_ms) // 1000, language)))
    rows.append(("cause", words.why))
    if cause.startswith("line.") and facts.get("isp"):
        rows.append(("isp", _one_line(str(facts["isp"]))))
    evidence = _evidence(facts, column)
    if kind == "close" and evidence:
        rows.append(("evidence", evidence))
    for label in ("known", "waited"):
        told = "; ".join(
            _one_line(silence_texts.said(one).to(language)) for one in silence_texts.from_facts(facts, label)
        )
        if told:
            rows.append((label, told))
    rows.append(("then", words.then))
    body = "\n".join(f"{_LABELS[label][column]}: {text}" for label, text in rows)
    return _cut(title), body


def short_cause(cause: str, language: str, facts: Mapping[str, Any] | None = None) -> str:
    """A few words for a cause, for titles and tables."""
    return _words(cause, facts or {}, 0 if language == "vi" else 1).short


def _words(cause: str, facts: Mapping[str, Any], column: int) -> Words:
    if cause in CAUSES:
        return CAUSES[cause][column]
    head, _, ident = cause.partition(".")
    if head not in _OWN:
        return CAUSES["unknown"][column]
    known = facts.get("names")
    names: Mapping[str, str] = known if isinstance(known, Mapping) else {}
    name = names.get(cause, ident)
    together = [
        signal for signal in facts.get("signals", ()) if isinstance(signal, str) and signal.startswith("device.")
    ]
    if head == "device" and len(together) > 1:
        name = _listed([names.get(signal, signal.partition(".")[2]) for signal in together], column)
    return Words(*(text.replace("{name}", _one_line(str(name))) for text in _OWN[head][column]))


def _listed(names: list[str], column: int) -> str:
    shown = ", ".join(names[:_NAMED_DEVICES])
    more = len(names) - _NAMED_DEVICES
    if more <= 0:
        return shown
    return f"{shown} và {more} thiết bị khác" if column == 0 else f"{shown} and {more} more"


def _place(site_name: str, school_name: str) -> str:
    site_name, school_name = _one_line(site_name), _one_line(school_name)
    if not school_name or school_name in site_name:
        return site_name
    return f"{school_name} – {site_name}" if site_name else school_name


def _evidence(facts: Mapping[str, Any], column: int) -> str:
    minutes = facts.get("minutes")
    if not isinstance(minutes, Mapping):
        return ""
    unit = "phút" if column == 0 else "min"
    told = [
        (count, cause) for cause, count in minutes.items() if isinstance(count, int) and count and cause in _MINUTES_OF
    ]
    return "; ".join(f"{count} {unit} {_MINUTES_OF[cause][column]}" for count, cause in sorted(told, reverse=True))


def _one_line(text: str) -> str:
    """Names come from the register and from agents: no line breaks, so that none can forge a header or a line."""
    return _CONTROL.sub(" ", text).strip()


def _cut(title: str) -> str:
    return title if len(title) <= _TITLE_LETTERS else title[: _TITLE_LETTERS - 1] + "…"
