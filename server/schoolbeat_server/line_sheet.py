"""The conformity sheet of a line, to go with a letter to its ISP: contracted, measured, charged and left out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from fractions import Fraction
from typing import Final

from schoolbeat_server.cause import INTERNET, sentence
from schoolbeat_server.evidence import SiteFacts
from schoolbeat_server.main_line import MAIN
from schoolbeat_server.register_values import Line
from schoolbeat_server.report_facts import ISP_CAUSES, ISP_EDGE, ON_OTHER, Facts, OutageShown
from schoolbeat_server.report_parts import STILL, Section, carried_by_others, minutes_of, test_note, unlisted
from schoolbeat_server.said import Said
from schoolbeat_server.site_indicators import TECHNOLOGY_WORDS
from schoolbeat_server.speed_indicator import mbps, median
from schoolbeat_server.summaries import Seconds
from schoolbeat_server.tables import Cell, Column, Table

CHARGED: Final = Said("Gián đoạn của đường truyền", "Outages of the line")
BEHIND_EDGE: Final = Said("Gián đoạn phía sau biên nhà mạng", "Outages beyond the ISP's edge")
OTHERS: Final = Said("Không tính cho nhà mạng", "Not charged to the ISP")
AVAILABLE: Final = Said("Độ khả dụng của đường truyền", "Availability of the line")
CONTRACT: Final = Said("Hợp đồng", "The contract")


def of_line(facts: Facts) -> tuple[Said, list[Section]]:
    """facts: of the one site that the line serves."""
    line, site = _line(facts), _site(facts).site
    place = f"{facts.evidence.schools[site.school].name} – {site.name}"
    title = Said(
        f"Phiếu đánh giá chất lượng đường truyền {line.id}, {place}", f"Conformity sheet of line {line.id}, {place}"
    )
    charged = _outages(facts, "charged", CHARGED, lambda one: one.signal == ISP_EDGE and one.cause != ON_OTHER)
    beyond = _outages(facts, "beyond", BEHIND_EDGE, lambda one: one.signal == INTERNET and one.cause in ISP_CAUSES[1:])
    others = _outages(facts, "others", OTHERS, lambda one: one.signal == INTERNET and one.cause not in ISP_CAUSES)
    return title, [
        Section(CONTRACT, (FROM_REGISTER,), (_contract(facts),)),
        Section(AVAILABLE, (WHAT_COUNTS, *carried_by_others(facts, facts.sites)), (_availability(facts),)),
        Section(CHARGED, (TIMES, *unlisted(facts)), (charged,)),
        Section(BEHIND_EDGE, (BEYOND_TOLD,), (beyond,)),
        Section(OTHERS, (WHY_NOT,), (others,)),
        Section(
            Said("Tốc độ so với hợp đồng", "Speed against the contract"), (_speed(facts), SPEEDS), (_tests(facts),)
        ),
        Section(Said("Cách đo", "How it was measured"), METHOD),
        Section(Said("Điều phiếu này không nói được", "What this sheet cannot say"), tuple(_limits(facts))),
    ]


def _line(facts: Facts) -> Line:
    return next(one for one in _site(facts).lines if one.id == facts.id)


def _site(facts: Facts) -> SiteFacts:
    (site,) = facts.sites
    return facts.evidence.sites[site]


# ---- contract ----------------------------------------------------------------------------------------------

FACT: Final = (Column("what", Said("Mục", "Item")), Column("value", Said("Giá trị", "Value")))
FROM_REGISTER: Final = Said(
    "Theo sổ đăng ký của đơn vị; nếu hợp đồng đang có hiệu lực ghi khác thì theo hợp đồng.",
    "As the register has it; where the contract in force says otherwise, the contract is right.",
)
_NONE: Final = Said("chưa ghi", "not stated")
_YES, _NO = Said("có", "yes"), Said("không", "no")


def _contract(facts: Facts) -> Table:
    line, site = _line(facts), _site(facts).site
    down, up, least = (
        _NONE if bps is None else mbps(Fraction(bps))
        for bps in (line.contract_down_bps, line.contract_up_bps, line.contract_min_bps)
    )
    rows: tuple[tuple[Cell, ...], ...] = (
        (Said("Trường", "School"), facts.evidence.schools[site.school].name),
        (Said("Điểm trường", "Site"), site.name),
        (Said("Mã đường truyền", "Line"), line.id),
        (Said("Nhà mạng", "ISP"), line.isp or _NONE),
        (Said("Số hợp đồng", "Contract"), line.contract or _NONE),
        (Said("Hiệu lực", "In force"), _span(line.contract_from, line.contract_to)),
        (Said("Công nghệ", "Technology"), TECHNOLOGY_WORDS[line.technology]),
        (Said("Tốc độ tải xuống", "Download speed"), down),
        (Said("Tốc độ tải lên", "Upload speed"), up),
        (Said("Tốc độ tải xuống cam kết tối thiểu", "Guaranteed download speed"), least),
        (Said("Thuộc viễn thông công ích", "Universal service"), _YES if line.universal_service else _NO),
    )
    return Table("contract", CONTRACT, FACT, rows)


def _span(first: str | None, end: str | None) -> Said:
    if first is None and end is None:
        return _NONE
    told = [None if one is None else date.fromisoformat(one) for one in (first, end)]
    vi = ["…" if one is None else f"{one:%d/%m/%Y}" for one in told]
    en = ["…" if one is None else one.isoformat() for one in told]
    return Said(f"từ {vi[0]} đến trước {vi[1]}", f"from {en[0]} until before {en[1]}")


# ---- availability ------------------------------------------------------------------------------------------

AVAILABILITY: Final = (
    Column("clock", Said("Đồng hồ", "Clock")),
    Column("up", Said("Thông", "Up"), "seconds"),
    Column("down", Said("Mất", "Down"), "seconds"),
    Column("off", Said("Thiết bị đo tắt", "Watcher off"), "seconds"),
    Column("unknown", Said("Chưa biết", "Unknown"), "seconds"),
    Column("share", Said("Độ khả dụng", "Availability"), "share"),
    Column("coverage", Said("Đo được", "Coverage"), "share"),
)
WHAT_COUNTS: Final = Said(
    "Tín hiệu line.isp: biên mạng của nhà mạng có trả lời hay không, khi bộ định tuyến của trường trả lời. Độ khả dụng"
    " = thông ÷ (thông + mất). Lúc trường mất điện, bộ định tuyến hỏng, thiết bị đo tắt, đang đi bằng đường khác hoặc"
    " chưa đo được thì không tính là mất.",
    "Signal line.isp: whether the ISP's edge answers while the school's router does. Availability is up ÷ (up + down)."
    " While the school had no power, its router was dead, the watcher was off, another line was in use or nothing was"
    " measured, nothing counts as down.",
)


def _availability(facts: Facts) -> Table:
    both = facts.line(_site(facts).site.id)
    rows = [_clock_row(Said("suốt ngày đêm (24/7)", "around the clock"), both.always)]
    if both.lessons.availability().all_seconds:
        rows.append(_clock_row(Said("giờ học", "lesson time"), both.lessons))
    return Table("availability", AVAILABLE, AVAILABILITY, tuple(rows))


def _clock_row(name: Said, seconds: Seconds) -> tuple[Cell, ...]:
    found = seconds.availability()
    coverage = found.coverage if found.all_seconds else None
    numbers = found.up_seconds, found.down_seconds, found.off_seconds, found.unknown_seconds
    return (name, *numbers, found.share, coverage)


# ---- outages -----------------------------------------------------------------------------------------------

TIMES: Final = Said(
    "Mọi đoạn nằm trong kỳ, dù chỉ một phần. 'Từ' và 'Đến' đúng đến giây khi tác tử thấy lúc đổi trạng thái, nếu không"
    " thì đến phút; 'Mất' là số giây đo được là mất, phút chưa đo được không tính. Sổ phút quyết định, giờ giây chỉ làm"
    " rõ thêm.",
    "All that lie in the period, if only in part. 'From' and 'To' are exact to the second where the agent saw the"
    " change, else to the minute; 'Down for' has the seconds measured down, without minutes not measured. The minutes"
    " decide, the seconds only refine.",
)
BEYOND_TOLD: Final = Said(
    "Biên mạng của nhà mạng trả lời nhưng không tới được trong nước hoặc quốc tế: không phải lỗi của đường dây tới"
    " trường, và không nằm trong độ khả dụng ở trên.",
    "The ISP's edge answered, yet no domestic or no international target did: no fault of the line to the school, and"
    " not in the availability above.",
)
WHY_NOT: Final = Said(
    "Trường mất Internet vì những nguyên nhân này; chúng không tính cho nhà mạng vì lỗi ở trong trường, ở thiết bị đo,"
    " hoặc không đủ bằng chứng để nói ở đâu.",
    "The school had no Internet for these causes; they are not charged to the ISP, for the fault was inside the school"
    " or in the watcher, or there is not enough evidence to say where.",
)


OUTAGES: Final = (
    Column("from", Said("Từ", "From"), "moment"),
    Column("to", Said("Đến", "To"), "moment"),
    Column("down", Said("Mất", "Down for"), "seconds"),
    Column("seconds", Said("Số giây", "Seconds"), "count"),
    Column("lessons", Said("Tiết học", "Lessons"), "count"),
    Column("cause", Said("Nguyên nhân", "Cause")),
)


def _outages(facts: Facts, name: str, title: Said, mine: Callable[[OutageShown], bool]) -> Table:
    """Of one place, which the sheet names once; in seconds too, for no rounding may be argued about."""
    chosen = [one for one in facts.listed if mine(one)]
    rows: list[tuple[Cell, ...]] = [
        (
            one.start_ms,
            STILL if one.end_ms is None else one.end_ms,
            one.down_seconds,
            one.down_seconds,
            one.lessons,
            Said(sentence(one.cause, "vi"), sentence(one.cause, "en")),
        )
        for one in chosen
    ]
    return Table(name, title, OUTAGES, tuple(rows), tuple(map(minutes_of, chosen)))


# ---- speed -------------------------------------------------------------------------------------------------

TESTS: Final = (
    Column("at", Said("Lúc", "At"), "minute"),
    Column("download", Said("Tải xuống", "Download"), "bps"),
    Column("upload", Said("Tải lên", "Upload"), "bps"),
    Column("of_contract", Said("Tải xuống so với hợp đồng", "Download against the contract"), "share"),
    Column("limited", Said("Bị thiết bị cổng giới hạn", "Held by the gateway")),
)
SPEEDS: Final = Said(
    "Đo ngoài giờ học. Lần đo bị chính thiết bị cổng giới hạn chỉ nói đường truyền ít nhất nhanh như vậy, nên không"
    " tính vào trung vị. Ô 'chưa biết' là lần đo không thành hoặc không đo chiều ấy, không phải số 0.",
    "Tested outside lessons. A test that the gateway itself held down only says that the line is at least so fast, and"
    " is not in the median. 'Not known' is a test that failed or did not measure that way; it is no zero.",
)


def _tests(facts: Facts) -> Table:
    contract = _line(facts).contract_down_bps
    rows: list[tuple[Cell, ...]] = [
        (
            one.minute,
            one.download_bps,
            one.upload_bps,
            Fraction(one.download_bps, contract) if contract and one.download_bps is not None else None,
            test_note(facts, _site(facts).site.id, one),
        )
        for one in _site(facts).tests
    ]
    return Table("tests", Said("Các lần đo tốc độ", "Speed tests"), TESTS, tuple(rows))


def _speed(facts: Facts) -> Said:
    line, tests = _line(facts), _site(facts).tests
    site = _site(facts).site.id
    own = [one for one in tests if not one.ceiling and not facts.on_other(site, one.minute)]
    values = [one.download_bps for one in own if one.download_bps is not None]
    if not values:
        return Said(
            f"{len(tests)} lần đo, không lần nào nói được tốc độ tải xuống của đường truyền.",
            f"{len(tests)} tests, none of which tells the line's download speed.",
        )
    middle, count = mbps(median(values)), len(values)
    vi, en = f"{count} lần đo dùng được, trung vị tải xuống {middle.vi}", f"{count} usable tests, median {middle.en}"
    for bps, than_vi, than_en in (
        (line.contract_down_bps, "thấp hơn tốc độ hợp đồng", "below the contracted speed"),
        (line.contract_min_bps, "thấp hơn mức cam kết tối thiểu", "below the guaranteed minimum"),
    ):
        if bps is not None:
            below = sum(value < bps for value in values)
            vi, en = f"{vi}; {below}/{count} lần {than_vi}", f"{en}; {below} of {count} {than_en}"
    return Said(f"{vi}.", f"{en}.")


# ---- method and limits -------------------------------------------------------------------------------------

METHOD: Final = (
    Said(
        "Tác tử chạy trên một thiết bị cổng đặt trong trường, cứ 10 giây (đường tính phí theo lưu lượng thì thưa hơn)"
        " hỏi bộ định tuyến của trường, biên mạng của nhà mạng, đích trong nước và quốc tế bằng ICMP, đến ba gói trước"
        " khi coi là mất; và thử phân giải tên, mở kết nối TCP trong nước.",
        "An agent on a gateway in the school asks, every 10 seconds (less often on metered lines), the school's router,"
        " the ISP's edge, domestic and international targets by ICMP, up to three packets before it says down; and"
        " tries to resolve a name and to open a domestic TCP connection.",
    ),
    Said(
        "Mỗi phút giữ một giá trị: 0 đến 60 giây thông, hoặc 'đã tắt', 'chưa biết', 'mâu thuẫn'. Phút có giây nào không"
        " được đo là chưa biết. Chặng dưới (bộ định tuyến) không trả lời thì chặng trên là chưa biết, không phải mất.",
        "Each minute keeps one value: 0 to 60 seconds up, or off, unknown, disputed. A minute with any second not"
        " measured is unknown. Where a lower rung (the router) does not answer, the one above is unknown, not down.",
    ),
    Said(
        "Tốc độ đo bằng cách truyền dữ liệu thật với máy chủ đo, vào lúc máy chủ cấp phép để các trường không đo cùng"
        " lúc.",
        "Speed is measured by moving real data with a test server, at times that the server grants so that schools do"
        " not test at once.",
    ),
)


def _limits(facts: Facts) -> list[Said]:
    count = len(_site(facts).lines)
    main = facts.both(_site(facts).site.id, MAIN).always
    several = Said(
        f"Điểm trường có {count} đường truyền; số đo là của đường mà trường đang dùng lúc ấy.",
        f"The site has {count} lines; what is measured is the one in use at the time.",
    )
    return [
        *([several] if count > 1 and not main.up + main.down else []),
        Said(
            "Biên mạng không trả lời có thể do chính thiết bị mạng quang (ONT) hoặc dây trong trường; phiếu này không"
            " phân biệt được nếu ONT không được theo dõi riêng.",
            "No answer from the ISP's edge may also come from the optical terminal (ONT) or wiring inside the school;"
            " this sheet cannot tell where the ONT is not watched by itself.",
        ),
        Said(
            "Đây không phải phép đo kiểm định theo quy chuẩn QCVN 34: điểm đo, số mẫu và máy đo khác với quy chuẩn.",
            "This is no certified measurement under QCVN 34: where, how often and with what it is measured differ.",
        ),
        Said(
            "Cột 'Mất' của một đoạn bắt đầu trước kỳ hoặc chưa hết gồm cả phần ngoài kỳ; bảng độ khả dụng chỉ gồm kỳ.",
            "'Down for' of an outage that began before the period or lasts has the part outside it too; the table of"
            " availability has the period alone.",
        ),
    ]
