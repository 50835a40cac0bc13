"""Speaks one language to a page: texts, numbers, shares, times, names of signals and states."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from fractions import Fraction
from functools import lru_cache
from urllib.parse import unquote

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal

from schoolbeat_server import cause, notice_texts
from schoolbeat_server.availability import Availability, shown
from schoolbeat_server.finding import stated
from schoolbeat_server.local_time import LOCAL, lasting, local
from schoolbeat_server.said import Said
from schoolbeat_server.web.texts import TEXTS
from schoolbeat_wire import catalogue

LANGUAGES = ("vi", "en")
_LOCALES = {"vi": "vi_VN", "en": "en_GB"}
_SCALES = ((1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s"), (1, "bit/s"))
_BYTES = ((2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"), (1, "B"))


class Speaker:
    """Of one language and one moment; made for each page."""

    def __init__(self, language: str, now_ms: int) -> None:
        self.language = language
        self.now_ms = now_ms
        self._column = 0 if language == "vi" else 1
        self._locale = _LOCALES[language]

    def t(self, key: str, **values: object) -> str:
        text = TEXTS[key][self._column]
        return text.format(**values) if values else text

    def of(self, said: Said) -> str:
        return said.to(self.language)

    # ---- numbers ---------------------------------------------------------------------------------------------

    def number(self, value: float, decimals: int = 0) -> str:
        return _number(round(value, decimals), decimals, self._locale)

    def percent(self, share: Fraction | None, target: Fraction | None = None) -> str:
        """Rounded down, so that 100% stands only for all of it; a dash where there is nothing to take a share of."""
        if share is None:
            return "–"
        return shown(share, target, point="," if self.language == "vi" else ".")

    def asked(self, share: Fraction) -> str:
        """A required share, exact: a document's 99,95 % is never read as 99,9 %."""
        return self.of(stated(share))

    def share_of(self, part: int, whole: int) -> Fraction | None:
        return Fraction(part, whole) if whole else None

    def bits(self, bps: int | None) -> str:
        return "–" if bps is None else self._scaled(bps, _SCALES)

    def _scaled(self, value: float, scales: tuple[tuple[int, str], ...]) -> str:
        size, unit = next(((size, unit) for size, unit in scales if value >= size), scales[-1])
        scaled = value / size
        whole = scaled >= 100 or round(scaled, 1) == round(scaled)
        return f"{self.number(scaled, 0 if whole else 1)} {unit}"

    def reading(self, name: str, value: float) -> str:
        """A reading's value with its unit, in the size people read."""
        entry = catalogue.READINGS[name]
        if entry.unit == "bit/s":
            return self.bits(int(value))
        if entry.unit == "B":
            return self._scaled(value, _BYTES)
        if entry.unit == "s" and value >= 60:
            return lasting(int(value), self.language)
        if name == "power_state":
            return self.t(f"power.{int(value)}")
        if entry.unit == "1" and (entry.low, entry.high) == (0, 1):
            return self.t("yes") if value else self.t("no")
        unit = {"1": "", "code": "", "d": " " + self.t("days"), "h": " " + self.t("hours"), "%": "%"}.get(
            entry.unit, " " + entry.unit
        )
        return self.number(value, 1 if entry.decimals else 0) + unit

    # ---- times -----------------------------------------------------------------------------------------------

    def when(self, ms: int | None) -> str:
        """'08:15, 21/11/2026'; of today only the time, with its second."""
        if ms is None:
            return "–"
        at, now = local(ms), local(self.now_ms)
        if at.date() == now.date():
            return _moment(ms, "HH:mm:ss", self._locale)
        return _moment(ms, "HH:mm, dd/MM/yyyy" if self.language == "vi" else "HH:mm, d MMM yyyy", self._locale)

    def dated(self, ms: int) -> str:
        """With its day, also today: for what is kept and printed."""
        return _moment(ms, "HH:mm, dd/MM/yyyy" if self.language == "vi" else "HH:mm, d MMM yyyy", self._locale)

    def clock(self, minute: int) -> str:
        """'08:15', of a day that stands above it."""
        return f"{local(minute * 60_000):%H:%M}"

    def exact(self, ms: int) -> str:
        """For machines and for the tooltip: ISO 8601 with the offset."""
        return local(ms).isoformat(timespec="seconds")

    def today(self) -> date:
        return local(self.now_ms).date()

    def day(self, value: date) -> str:
        return format_date(value, "dd/MM/yyyy" if self.language == "vi" else "d MMM yyyy", locale=self._locale)

    def lasting(self, seconds: int) -> str:
        return lasting(seconds, self.language)

    def since(self, ms: int) -> str:
        return self.lasting((self.now_ms - ms) // 1000)

    # ---- names -----------------------------------------------------------------------------------------------

    def signal(self, signal: str, names: Mapping[str, str] | None = None) -> str:
        """A short name: a rung's by its text, a device's, service's or Wi-Fi's by what people call it."""
        if names and signal in names:
            return names[signal]
        key = f"signal.{signal}"
        if key in TEXTS:
            return self.t(key)
        kind, _, ident = signal.partition(".")
        if kind == "wifi":
            return f"Wi-Fi {unquote(ident)}"
        return ident or signal

    def subject(self, subject: str, names: Mapping[str, str]) -> str:
        """What a reading is of: a signal, or a part of the gateway such as host."""
        key = f"subject.{subject}"
        return self.t(key) if key in TEXTS else self.signal(subject, names)

    def why(self, code: str, names: Mapping[str, str] | None = None) -> str:
        """A few words for a cause."""
        return notice_texts.short_cause(code, self.language, {"names": names or {}})

    def why_sentence(self, code: str) -> str:
        return cause.sentence(code, self.language)

    def run_cause(self, code: str) -> str:
        """Why one run said down or could not measure."""
        if code not in catalogue.CAUSES:
            return code
        _, vi, en = catalogue.CAUSES[code]
        return vi if self._column == 0 else en

    def reading_name(self, name: str) -> str:
        entry = catalogue.READINGS[name]
        return entry.vi if self._column == 0 else entry.en

    def kind(self, kind: str) -> str:
        """A device's or room's kind; what the register calls something else stays as it is written there."""
        key = f"kind.{kind}"
        if key in TEXTS:
            return self.t(key)
        entry = catalogue.DEVICE_KINDS.get(kind)
        name = kind if entry is None else entry.vi if self._column == 0 else entry.en
        return name[:1].lower() + name[1:]

    def spent(self, found: Availability) -> str:
        """'thông 23 giờ, mất 2 phút, không rõ 58 phút': what is not there is not said."""
        parts = [
            (found.up_seconds, "spent.up"),
            (found.down_seconds, "spent.down"),
            (found.off_seconds, "spent.off"),
            (found.unknown_seconds, "spent.unknown"),
        ]
        return ", ".join(self.t(key, length=self.lasting(seconds)) for seconds, key in parts if seconds)


@lru_cache(4_096)
def _number(value: float, decimals: int, locale: str) -> str:
    return format_decimal(value, f"#,##0.{'0' * decimals}" if decimals else "#,##0", locale=locale)


def _moment(ms: int, pattern: str, locale: str) -> str:
    return format_datetime(local(ms), pattern, tzinfo=LOCAL, locale=locale)
