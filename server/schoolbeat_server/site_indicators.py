"""What is judged of a site by its contracts, its services, its LAN, and by how much of it is known at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

from schoolbeat_server.availability import shown
from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.finding import Case, Finding, grade_unseen, join3, joined, stated
from schoolbeat_server.measured import Span, last_of
from schoolbeat_server.said import Said
from schoolbeat_server.speed_indicator import Direction, contract_of, main_lines, mbps
from schoolbeat_wire.catalogue import DEVICE_KINDS, OFF, UP_FULL

# ---- contracts ---------------------------------------------------------------------------------------------

TECHNOLOGY_WORDS = {
    "fibre": Said("cáp quang", "fibre"),
    "copper": Said("cáp đồng", "copper"),
    "mobile": Said("di động", "mobile"),
    "satellite": Said("vệ tinh", "satellite"),
    "other": Said("loại khác", "other"),
    "unknown": Said("chưa rõ", "not known"),
}
NO_LINE = Said(
    "Sổ đăng ký không ghi đường truyền nào còn hợp đồng", "The register names no line with a contract in force"
)


def judge_technology(case: Case) -> Finding:
    lines, allowed = main_lines(case), case.condition.one_of
    if not lines:
        return Finding(None, "declared", None, None, NO_LINE)
    met = join3(
        case.target.lines, (None if one.technology == "unknown" else one.technology in allowed for one in lines)
    )
    told, need = _technologies(one.technology for one in lines), _technologies(allowed)
    if met:
        said = Said(f"Đường truyền theo hợp đồng: {told.vi}", f"Line by contract: {told.en}")
    else:
        said = Said(
            f"Đường truyền theo hợp đồng: {told.vi}; cần {need.vi}", f"Line by contract: {told.en}; needs {need.en}"
        )
    return Finding(met, "declared", None, None, said)


def _technologies(found: Iterable[str]) -> Said:
    words = [TECHNOLOGY_WORDS[one] for one in sorted(set(found))]
    return Said(", ".join(word.vi for word in words), ", ".join(word.en for word in words))


def judge_contract(direction: Direction, case: Case) -> Finding:
    need = case.condition.at_least
    assert need is not None
    lines = main_lines(case)
    contracts = [line.contract_down_bps if direction == "download" else line.contract_up_bps for line in lines]
    met = join3(case.target.lines, (None if bps is None else bps >= need for bps in contracts))
    told = contract_of(direction, lines, case.target.lines) if met is None else _deciding(met, contracts)
    if told is None:
        said = Said("Sổ đăng ký không ghi tốc độ hợp đồng", "The register states no contracted speed")
        return Finding(met, "declared", None, None, said)
    mine, asked = mbps(Fraction(told), need), mbps(need)
    vi, en = f"Hợp đồng ghi {mine.vi}, cần {asked.vi}", f"The contract states {mine.en}, needs {asked.en}"
    if met is None:
        vi, en = f"{vi}; đường khác không ghi", f"{en}; of another line nothing is stated"
    return Finding(met, "declared", None, None, Said(vi, en))


def _deciding(met: bool, contracts: Iterable[int | None]) -> int | None:
    """The contract that shows it, of lines that together are met or missed."""
    told = [bps for bps in contracts if bps is not None]
    return max(told, default=None) if met else min(told, default=None)


def judge_backup(case: Case) -> Finding:
    if not case.facts.lines:
        return Finding(None, "declared", None, None, NO_LINE)
    met = any(one.role == "backup" for one in case.facts.lines)
    if met:
        said = Said("Sổ đăng ký ghi có đường dự phòng", "The register names a backup line")
    else:
        said = Said("Sổ đăng ký không ghi đường dự phòng", "The register names no backup line")
    return Finding(met, "declared", None, None, said)


# ---- several signals at once -------------------------------------------------------------------------------


def judge_services(case: Case) -> Finding:
    """Every service that the condition names."""
    return joined("every", (_service(service, case) for service in case.condition.of))


def _service(service: str, case: Case) -> Finding:
    signal, name = f"service.{service}", Said(f"Dịch vụ {service}", f"Service {service}")
    if signal not in case.facts.watched and signal not in case.facts.measured:
        said = Said(f"{name.vi}: không được theo dõi ở điểm trường này", f"{name.en}: not watched at this site")
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, said)
    return judge_availability(signal, name, case)


def judge_wifi(case: Case) -> Finding:
    """Every Wi-Fi that a seat of the site is asked to use."""
    signals = sorted(one for one in case.facts.watched if one.startswith("wifi."))
    if not signals:
        said = Said("Chưa đo Wi-Fi từ chỗ ngồi", "No Wi-Fi is measured from a seat")
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, said)
    names = (Said(f"Wi-Fi {one[5:]}", f"Wi-Fi {one[5:]}") for one in signals)
    return joined("every", (judge_availability(*pair, case) for pair in zip(signals, names, strict=True)))


def judge_devices(case: Case) -> Finding:
    """Every device of the kinds that the condition names, each on the target's clock."""
    devices = [one for one in case.facts.devices if one.kind in case.condition.of]
    if not devices:
        kinds = Said(*(_kinds(case.condition.of, language) for language in ("vi", "en")))
        said = Said(f"Sổ đăng ký không ghi thiết bị loại: {kinds.vi}", f"The register names no {kinds.en}")
        return Finding(None, "declared", None, None, said)
    return joined("every", (judge_availability("", Said("", ""), case._replace(device=one)) for one in devices))


def _kinds(kinds: Sequence[str], language: str) -> str:
    names = [DEVICE_KINDS[one] for one in kinds]
    return ", ".join(one.vi.lower() if language == "vi" else one.en.lower() for one in names)


# ---- our own data ------------------------------------------------------------------------------------------


def judge_completeness(case: Case) -> Finding:
    """The part of the window for which it is known whether the school had Internet, or that it had no power."""
    need, measured = case.condition.at_least, case.facts.measured.get("line.internet")
    assert need is not None
    if measured is None:
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, _nothing())
    found = measured.seconds(*case.window, "always")
    known = found.up_seconds + found.down_seconds + found.off_seconds
    share = Fraction(known, found.all_seconds)
    told, asked = Said(shown(share, need, point=","), shown(share, need)), stated(need)
    said = Said(
        f"Có số liệu cho {told.vi} thời gian, cần {asked.vi}", f"Data for {told.en} of the time, needs {asked.en}"
    )
    return Finding(share >= need, "proven" if share >= need else "observed", Fraction(1), None, said)


def judge_freshness(case: Case) -> Finding:
    """How old the newest known minute was at the window's end."""
    most, measured = case.condition.at_most, case.facts.measured.get("line.internet")
    assert most is not None
    if measured is None:
        return Finding(None, grade_unseen(case.facts), Fraction(0), None, _nothing())
    span = Span(measured, *case.window, "always")
    newest = last_of(
        span, [*range(UP_FULL + 1), OFF], lambda part: part.up_seconds + part.down_seconds + part.off_seconds
    )
    asked = int(most)
    if newest is None:
        said = Said("Không có số liệu nào trong kỳ", "There is no data in the window")
        return Finding(False, "observed", Fraction(1), case.window.first_minute, said)
    age = case.window.end_minute - 1 - newest
    said = Said(
        f"Số liệu mới nhất cũ {age} phút, cho phép {asked} phút",
        f"The newest data is {age} min old, {asked} min allowed",
    )
    met = age <= most
    return Finding(met, "proven" if met else "observed", Fraction(1), None if met else newest + 1, said)


def _nothing() -> Said:
    return Said("Chưa có số liệu nào", "There is no data yet")
