"""What is judged by kept readings: latency, loss, the busiest quarter-hour, cameras, recorders and boards."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Final, NamedTuple

from schoolbeat_server import kept
from schoolbeat_server.availability import shown, shown_up
from schoolbeat_server.availability_indicator import judge_availability
from schoolbeat_server.finding import Case, Finding, Grade, grade_unseen, join3, joined, stated
from schoolbeat_server.kept import HOUR_MINUTES, Key, Series, total
from schoolbeat_server.kept_days import KeptDays
from schoolbeat_server.register_values import Device
from schoolbeat_server.said import Said
from schoolbeat_server.school_calendar import day_of, first_minute_of
from schoolbeat_server.speed_indicator import main_lines, mbps
from schoolbeat_wire import video

MADE_MINUTES: Final = 12 * 60
"""A local day is looked at when it has been over for so long: its kept readings are made in the night after it."""

HALF: Final = Fraction(1, 2)
_NO_DAYS: Final = KeptDays({}, None)

# ---- days --------------------------------------------------------------------------------------------------


class Days(NamedTuple):
    """Local days, half-open."""

    first: int
    end: int


def days_of(case: Case) -> Days:
    """The whole days of the window that have been over long enough."""
    first = day_of(case.window.first_minute - 1) + 1
    return Days(first, max(first, day_of(case.window.end_minute - MADE_MINUTES)))


def _kept(case: Case) -> KeptDays:
    return case.facts.kept or _NO_DAYS


Number = int | Fraction


class Seen(NamedTuple):
    """good of known; asked: what would be known if all were. In the same unit, whichever that is."""

    good: Number
    known: Number
    asked: Number

    @property
    def coverage(self) -> Fraction:
        return min(Fraction(1), Fraction(self.known) / self.asked) if self.asked else Fraction(0)

    def at_least(self, share: Fraction, min_coverage: Fraction) -> bool | None:
        """Unknown below the coverage, unless what is known decides it alone."""
        asked = max(self.known, self.asked)
        if not self.known:
            return None
        if self.good >= share * asked:
            return True
        if self.good + asked - self.known < share * asked:
            return False
        if self.known < min_coverage * asked:
            return None
        return self.good >= share * self.known

    @property
    def share(self) -> Fraction:
        return Fraction(self.good) / self.known


NOTHING: Final = Seen(0, 0, 0)

Good = Callable[[Series, tuple[int, ...]], tuple[Number, Number]]
"""(series, places of the hours that count) -> (good, known)."""


def _seen_by_day(case: Case, key: Key, unit: int, good: Good) -> dict[int, Seen]:
    """By day, on the target's clock: in lessons that of the hours that hold any. unit: what a minute counts."""
    days, kept_days = days_of(case), _kept(case)
    in_lessons = case.target.clock == "lessons"
    found = {}
    for day in range(*days):
        asked = kept_days.hours(day, day + 1, in_lessons=in_lessons) * HOUR_MINUTES * unit
        series = kept_days.days.get(day, {}).get(key)
        told: tuple[Number, Number] = (0, 0)
        if series is not None:
            told = good(series, series.at(kept_days.hours_of(day, in_lessons=in_lessons)))
        found[day] = Seen(*told, asked)
    return found


def _total(by_day: Mapping[int, Seen]) -> Seen:
    columns = list(zip(*by_day.values(), strict=True))
    return Seen(*map(sum, columns)) if columns else NOTHING


def _every_week(by_day: Mapping[int, Seen], min_coverage: Fraction) -> bool:
    """Weeks are counted back from the end; what is left over at the beginning counts as one too."""
    days = sorted(by_day, reverse=True)
    weeks = [_total({day: by_day[day] for day in days[at : at + 7]}) for at in range(0, len(days), 7)]
    return all(week.coverage >= min_coverage for week in weeks if week.asked)


def _judged(
    name: Said, case: Case, by_day: Mapping[int, Seen], share: Fraction, told: Callable[[Seen], Said]
) -> Finding:
    if case.target.clock == "lessons" and _kept(case).lessons is None:
        return _unseen(case, name, "chưa có lịch học để tính giờ học", "there is no school calendar to count by")
    seen, least = _total(by_day), case.target.min_coverage
    if not seen.known:
        return _unseen(case, name, "chưa có số đo nào trong kỳ", "nothing measured in the window")
    met = seen.at_least(share, least)
    grade: Grade = "proven" if met and _every_week(by_day, least) else "observed"
    words = told(seen)
    if met is None:
        part = Said(shown(seen.coverage, least, point=","), shown(seen.coverage, least))
        words = Said(f"{words.vi}; mới đo được {part.vi} thời gian", f"{words.en}; only {part.en} of the time measured")
    since = None if met is not False else _since(by_day, share)
    return Finding(met, grade, seen.coverage, since, Said(f"{name.vi}: {words.vi}", f"{name.en}: {words.en}"))


def _unseen(case: Case, name: Said, vi: str, en: str) -> Finding:
    return Finding(None, grade_unseen(case.facts), Fraction(0), None, Said(f"{name.vi}: {vi}", f"{name.en}: {en}"))


def _since(by_day: Mapping[int, Seen], share: Fraction) -> int | None:
    """The first day that falls short after the last one that does not."""
    since = None
    for day, seen in sorted(by_day.items()):
        if not seen.known:
            continue
        if seen.good >= share * seen.known:
            since = None
        elif since is None:
            since = first_minute_of(day)
    if since is None:
        since = next(
            (first_minute_of(day) for day, one in sorted(by_day.items()) if one.good < share * one.known), None
        )
    return since


# ---- latency and loss --------------------------------------------------------------------------------------

MS_EDGES: Final = kept.EDGES["ms"]


def judge_latency(subject: str, reading: str, name: Said, case: Case) -> Finding:
    """The median of the minutes' medians: at most the threshold when at least half of the minutes are."""
    most = case.condition.at_most
    assert most is not None
    scaled = int(most * kept.scale_of(reading))

    def good(series: Series, at: tuple[int, ...]) -> tuple[int, int]:
        if scaled in series.edges:
            return series.at_most(at, scaled), sum(total(row, at) for row in series.bins.values())
        return 0, 0  # made before this edge was there

    def told(seen: Seen) -> Said:
        vi, en = shown(seen.share, HALF, point=","), shown(seen.share, HALF)
        need = milliseconds(most)
        return Said(
            f"{vi} số phút có độ trễ không quá {need.vi}, cần ít nhất một nửa",
            f"{en} of the minutes are at most {need.en}, at least half must be",
        )

    return _judged(name, case, _seen_by_day(case, (subject, reading), 1, good), HALF, told)


def judge_service_latency(case: Case) -> Finding:
    """Every service that the condition names."""
    services = case.condition.of
    return joined(
        "every",
        (
            judge_latency(f"service.{one}", "http_ms", Said(f"Dịch vụ {one}", f"Service {one}"), case)
            for one in services
        ),
    )


def judge_loss(subject: str, name: Said, case: Case) -> Finding:
    """The mean of the minutes' shares of packets lost."""
    most = case.condition.at_most
    assert most is not None
    all_lost = 100 * kept.scale_of("loss_percent")

    def good(series: Series, at: tuple[int, ...]) -> tuple[int, int]:
        known = all_lost * total(series.known, at)
        return known - total(series.totals, at), known

    def told(seen: Seen) -> Said:
        lost = 1 - seen.share
        need = stated(most)
        vi, en = shown_up(lost, most, point=","), shown_up(lost, most)
        return Said(f"trung bình mỗi phút mất {vi}, cho phép {need.vi}", f"mean of the minutes {en}, {need.en} allowed")

    return _judged(name, case, _seen_by_day(case, (subject, "loss_percent"), all_lost, good), 1 - most, told)


def milliseconds(value: Fraction) -> Said:
    text = f"{float(value):g}"
    return Said(f"{text.replace('.', ',')} ms", f"{text} ms")


# ---- video lessons -----------------------------------------------------------------------------------------


def judge_video(case: Case) -> Finding:
    """The ledger's minutes of lesson time, whatever the target's clock."""
    name = Said("Bài giảng qua video", "Video lessons")
    in_lessons = case._replace(target=replace(case.target, clock="lessons"))
    return judge_availability(video.SIGNAL, name, in_lessons, up=Said("đường truyền đủ", "the line was fit for them"))


# ---- the busiest quarter-hour ------------------------------------------------------------------------------


def judge_peak_use(case: Case) -> Finding:
    """Of the hours that hold lessons; the direction that comes nearest to its contract. A line whose contract states
    no upload promises none; of one that states no download it is not known."""
    lines = main_lines(case)
    upload = [one.contract_up_bps for one in lines if one.contract_up_bps]
    found = [_peak_use(*_DOWN, [one.contract_down_bps for one in lines], case)]
    if upload:
        found.append(_peak_use(*_UP, upload, case))
    return joined("every", found)


_DOWN: Final = ("rx_quarter_bps", Said("Chiều xuống", "Download"))
_UP: Final = ("tx_quarter_bps", Said("Chiều lên", "Upload"))


def _peak_use(reading: str, name: Said, contracts: Sequence[int | None], case: Case) -> Finding:
    most, kept_days, how = case.condition.at_most, _kept(case), case.target.lines
    assert most is not None
    told = [one for one in contracts if one]
    if not told:
        return _unseen(case, name, "sổ đăng ký không ghi tốc độ hợp đồng", "the register states no contracted speed")
    if kept_days.lessons is None:
        return _unseen(case, name, "chưa có lịch học để tính giờ học", "there is no school calendar to count by")
    days = days_of(case)
    highs = [
        series.highs[place]
        for day, series in kept_days.of(("line.internet", reading), *days)
        for place in series.at(kept_days.hours_of(day, in_lessons=True))
    ]
    hours = kept_days.hours(*days, in_lessons=True)
    if not highs:
        return _unseen(case, name, "chưa đo lưu lượng trong giờ học", "traffic was not measured in lesson time")
    coverage, peak = Fraction(len(highs), hours), max(highs)
    otherwise = True if coverage >= case.target.min_coverage else None
    met = join3(how, (None if not one else False if peak > most * one else otherwise for one in contracts))
    said = _peak_said(name, Fraction(peak), Fraction(peak, max(told) if how == "any" else min(told)), most)
    if met is None and otherwise:
        said = Said(f"{said.vi}; hợp đồng của đường khác không ghi", f"{said.en}; another line's contract states none")
    return Finding(met, "proven" if met else "observed", coverage, None, said)


def _peak_said(name: Said, peak: Fraction, use: Fraction, most: Fraction) -> Said:
    told, need, speed = Said(shown_up(use, most, point=","), shown_up(use, most)), stated(most), mbps(peak)
    return Said(
        f"{name.vi}: 15 phút đông nhất của giờ học {speed.vi}, bằng {told.vi} hợp đồng, cho phép {need.vi}",
        f"{name.en}: busiest quarter-hour of lesson time {speed.en}, {told.en} of the contract, {need.en} allowed",
    )


# ---- devices -----------------------------------------------------------------------------------------------


def _device(case: Case) -> tuple[Device, Said]:
    assert case.device is not None
    name = case.device.name or case.device.id
    return case.device, Said(name, name)


POSTURE: Final[Mapping[str, tuple[Said, Said]]] = {
    "default_password": (
        Said("còn mật khẩu mặc định", "a default password is accepted"),
        Said("mật khẩu mặc định", "default passwords"),
    ),
    "telnet_open": (Said("cổng telnet mở", "telnet is open"), Said("telnet", "telnet")),
    "open_stream": (
        Said("xem được hình không cần mật khẩu", "video needs no password"),
        Said("luồng hình", "the video stream"),
    ),
}


def judge_posture(case: Case) -> Finding:
    """By the last known values in the window. What was never asked is not known."""
    device, name = _device(case)
    found = {reading: _last(case, (device.signal, reading)) for reading in POSTURE}
    bad = [POSTURE[reading][0] for reading, one in found.items() if one is not None and one[1]]
    unasked = [POSTURE[reading][1] for reading, one in found.items() if one is None]
    coverage = Fraction(len(POSTURE) - len(unasked), len(POSTURE))
    if bad:
        since = min(one[0] for one in found.values() if one is not None and one[1])
        return Finding(False, "observed", coverage, since, _listed(name, bad))
    if unasked:
        grade: Grade = "observed" if coverage else grade_unseen(case.facts)
        words = [Said(f"chưa hỏi về {one.vi}", f"not asked about {one.en}") for one in unasked]
        return Finding(None, grade, coverage, None, _listed(name, words))
    fine = Said("không có điểm yếu nào trong các điểm đã hỏi", "nothing stands open of what was asked")
    return Finding(True, "proven", coverage, None, _listed(name, [fine]))


def _last(case: Case, key: Key) -> tuple[int, int] | None:
    """(minute, value) of the newest one known in the window."""
    newest = None
    for day, series in _kept(case).of(key, *days_of(case)):
        newest = first_minute_of(day) + series.last_minute, series.last
    return newest


def _listed(name: Said, words: list[Said]) -> Said:
    vi, en = ", ".join(one.vi for one in words), ", ".join(one.en for one in words)
    return Said(f"{name.vi}: {vi}", f"{name.en}: {en}")


def judge_recording(case: Case) -> Finding:
    """By hours: of each, the part of the answers that said it was recording."""
    device, name = _device(case)
    share = case.condition.at_least
    assert share is not None

    def good(series: Series, at: tuple[int, ...]) -> tuple[Number, int]:
        hours = (Fraction(series.totals[place], series.known[place]) for place in at)
        return HOUR_MINUTES * sum(hours, Fraction(0)), HOUR_MINUTES * len(at)

    def told(seen: Seen) -> Said:
        part, need = seen.share, stated(share)
        vi, en = shown(part, share, point=","), shown(part, share)
        return Said(f"ghi hình {vi} thời gian, cần {need.vi}", f"recording {en} of the time, needs {need.en}")

    return _judged(name, case, _seen_by_day(case, (device.signal, "recording"), 1, good), share, told)


COUNTERS: Final = ("lamp_hours", "on_hours")
_SWITCHED_ON: Final = (1, 3)  # power_state: on, warming up; each has a bin of its own number


class Use(NamedTuple):
    """used None: not known. hours: those with lessons in which it is known whether it was on, of so many.
    last_minute: the newest at which it was known to be on; counted: its own hours rose."""

    used: bool | None
    hours: int
    all_hours: int
    last_minute: int | None
    counted: bool = False


def use_of(kept_days: KeptDays, days: Days, device: Device, min_coverage: Fraction) -> Use:
    """Switched on in at least one hour that holds lessons, or its own counter of hours rose. Not used only if so much
    of those hours is known."""
    power, on_hours, known, newest = (device.signal, "power_state"), 0, 0, None
    for day, series in kept_days.of(power, *days):
        lessons = (kept_days.lessons or {}).get(day, frozenset())
        for place in series.at(lessons):
            known += 1
            if any(state in series.bins and series.bins[state][place] for state in _SWITCHED_ON):
                on_hours += 1
                newest = first_minute_of(day) + HOUR_MINUTES * series.hours[place]
    all_hours = kept_days.hours(*days, in_lessons=True)
    counted = any(_rose(kept_days, (device.signal, reading), days) for reading in COUNTERS)
    if on_hours or counted:
        return Use(True, known, all_hours, newest, counted)
    enough = all_hours and known >= min_coverage * all_hours
    return Use(False if enough else None, known, all_hours, None)


def _rose(kept_days: KeptDays, key: Key, days: Days) -> bool:
    values = [value for _, series in kept_days.of(key, *days) for value in _ends(series)]
    return bool(values) and max(values) > min(values)


def _ends(series: Series) -> Iterator[int]:
    yield from series.lows
    yield from series.highs


def judge_used(case: Case) -> Finding:
    device, name = _device(case)
    use = use_of(_kept(case), days_of(case), device, case.target.min_coverage)
    coverage = Fraction(use.hours, use.all_hours) if use.all_hours else Fraction(0)
    days = f"{case.target.window_days}"
    if use.used:
        if use.counted:
            said = Said("đồng hồ giờ chạy của máy tăng trong kỳ", "its own counter of hours rose in the window")
        else:
            said = Said("đã bật trong giờ học", "was switched on in lesson time")
        return Finding(True, "observed", coverage, None, _listed(name, [said]))
    if use.used is None:
        told = Said(
            f"chưa đủ dữ liệu: biết {use.hours}/{use.all_hours} giờ có tiết học",
            f"not enough data: {use.hours} of {use.all_hours} hours with lessons known",
        )
        return Finding(
            None, "observed" if use.hours else grade_unseen(case.facts), coverage, None, _listed(name, [told])
        )
    told = Said(f"không bật trong giờ học suốt {days} ngày", f"not switched on in lesson time for {days} days")
    return Finding(False, "observed", coverage, case.window.first_minute, _listed(name, [told]))
