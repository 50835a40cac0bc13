"""How numbers look, in one table: units, colours that the colour-blind can tell apart, thresholds, words for codes."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from schoolbeat_server.said import Said
from schoolbeat_server.series_catalogue import CAUSES, CAUSES_IN_WORDS, GRADES, SITE_STATES, VERDICTS, Field

# Okabe and Ito's colours. A colour never speaks alone: a word, a sign or the number stands beside it.
GOOD: Final = "#009E73"
WARN: Final = "#E69F00"
BAD: Final = "#D55E00"
LOST: Final = "#CC79A7"
UNKNOWN: Final = "#8C8C8C"
PLAIN: Final = "#56B4E9"

# The catalogue's units as Grafana names them.
UNITS: Final = {
    "ms": "ms",
    "s": "s",
    "d": "d",
    "h": "h",
    "%": "percent",
    "bit/s": "bps",
    "B": "bytes",
    "°C": "celsius",
    "V": "volt",
    "dBm": "dBm",
    "°": "degree",
    "1": "none",
    "code": "none",
}

# Of curves that are told apart by what they are and not by a tag: each has a colour and a stroke of its own.
CURVES: Final = ("#0072B2", WARN, UNKNOWN, GOOD)
STROKES: Final[tuple[dict[str, Any], ...]] = (
    {"fill": "solid"},
    {"fill": "dash", "dash": [10, 6]},
    {"fill": "dot", "dash": [0, 8]},
    {"fill": "dash", "dash": [20, 6]},
)

Steps = tuple[tuple[float | None, str], ...]  # from which value on which colour; None: from the lowest
Words = tuple[tuple[float, float, Said, str], ...]  # from, to (inclusive), what is said, colour


class Look(NamedTuple):
    """unit: as Grafana names it; "" as the catalogue says of the field."""

    unit: str = ""
    decimals: int | None = None
    steps: Steps = ((None, PLAIN),)
    words: Words = ()
    low: float | None = None
    high: float | None = None


def codes(told: tuple[tuple[int, str, str], ...], colours: tuple[str, ...], signs: str) -> Words:
    return tuple(
        (code, code, Said(f"{sign} {vi}", f"{sign} {en}"), colour)
        for (code, vi, en), colour, sign in zip(told, colours, signs, strict=True)
    )


STATE_WORDS: Final = codes(SITE_STATES, (GOOD, WARN, BAD, LOST, UNKNOWN), "✓!✗?○")
VERDICT_WORDS: Final = codes(VERDICTS, (BAD, GOOD, UNKNOWN, PLAIN), "✗✓?–")
GRADE_WORDS: Final = codes(GRADES, (UNKNOWN, WARN, PLAIN, GOOD), "0123")

CAUSES_SHORT: Final = {name: Said(*words) for name, words in CAUSES_IN_WORDS.items()}
CAUSE_WORDS: Final[Words] = tuple((CAUSES[name], CAUSES[name], said, PLAIN) for name, said in CAUSES_SHORT.items())

YES_NO: Final[Words] = ((0, 0, Said("– không", "– no"), PLAIN), (1, 1, Said("● có", "● yes"), WARN))
GOOD_NO: Final[Words] = ((0, 0, Said("✗ không", "✗ no"), BAD), (1, 1, Said("✓ có", "✓ yes"), GOOD))
GRANTED: Final[Words] = ((0, 0, Said("✓ không", "✓ no"), GOOD), (1, 1, Said("! có", "! yes"), BAD))
POWER_WORDS: Final[Words] = (
    (0, 0, Said("– chờ", "– standby"), UNKNOWN),
    (1, 1, Said("● bật", "● on"), GOOD),
    (2, 2, Said("~ đang nguội", "~ cooling"), PLAIN),
    (3, 3, Said("~ đang khởi động", "~ warming up"), PLAIN),
)
MINUTE_WORDS: Final[Words] = (
    (60, 60, Said("✓ thông", "✓ up"), GOOD),
    (1, 59, Said("! mất một phần", "! partly down"), WARN),
    (0, 0, Said("✗ mất", "✗ down"), BAD),
)
NOT_OVER: Final[Words] = ((0, 0, Said("! chưa hết", "! it lasts"), BAD),)

# ---- looks, by what is shown -------------------------------------------------------------------------------

AS_TOLD: Final = Look()
PLAINLY: Final = Look("none")
COUNT: Final = Look("none", 0)
COUNT_BAD: Final = Look("none", 0, ((None, GOOD), (1, BAD)))
COUNT_WARN: Final = Look("none", 0, ((None, GOOD), (1, WARN)))
COUNT_UNKNOWN: Final = Look("none", 0, ((None, UNKNOWN),))
SHARE: Final = Look("percent", 1, low=0, high=100)
AVAILABILITY: Final = Look("percent", 2, ((None, BAD), (95, WARN), (99, GOOD)), low=0, high=100)
UNKNOWN_SHARE: Final = Look("percent", 1, ((None, UNKNOWN),), low=0, high=100)
MINUTE: Final = Look("s", 0, words=MINUTE_WORDS, low=0, high=60)
SITE_STATE: Final = Look("none", words=STATE_WORDS)
VERDICT: Final = Look("none", words=VERDICT_WORDS)
GRADE: Final = Look("none", words=GRADE_WORDS)
CAUSE: Final = Look("none", words=CAUSE_WORDS)
LENGTH: Final = Look("dtdurations", 0)
AGE: Final = Look("dtdurations", 0, ((None, GOOD), (180, WARN), (900, BAD)))
MOMENT: Final = Look("dateTimeAsIso")
ENDED: Final = Look("dateTimeAsIso", words=NOT_OVER)
LATENCY: Final = Look("ms", 0, ((None, GOOD), (50, WARN), (200, BAD)), low=0)
LOSS: Final = Look("percent", 1, ((None, GOOD), (1, WARN), (5, BAD)), low=0, high=100)
SPEED: Final = Look("bps", 1, low=0)
OPTICAL: Final = Look("dBm", 1, ((None, BAD), (-27, WARN), (-25, GOOD), (-8, WARN)))
READY: Final = Look("none", words=GOOD_NO)
OK: Final = Look("none", words=GOOD_NO)
FOUND: Final = Look("none", words=GRANTED)
ON: Final = Look("none", words=YES_NO)
POWER_STATE: Final = Look("none", words=POWER_WORDS)
RECORDING: Final = Look("none", words=GOOD_NO)
LAMP: Final = Look("h", 0, ((None, GOOD), (3000, WARN), (5000, BAD)), low=0)
CLOCK: Final = Look("s", 0, ((None, BAD), (-60, WARN), (-5, GOOD), (5, WARN), (60, BAD)))
BATTERY: Final = Look("percent", 0, ((None, BAD), (20, WARN), (50, GOOD)), low=0, high=100)
VOLTS: Final = Look("volt", 0, ((None, BAD), (198, GOOD), (242, BAD)))
TEMPERATURE: Final = Look("celsius", 0, ((None, GOOD), (70, WARN), (80, BAD)))
USED: Final = Look("percent", 0, ((None, GOOD), (80, WARN), (90, BAD)), low=0, high=100)
DEGREE: Final = Look("none", 4)
AGE_DAYS: Final = Look("d", 0, ((None, GOOD), (730, WARN), (1460, BAD)), low=0)
WAITS: Final = Look("dtdurations", 0, ((None, GOOD), (300, WARN), (3600, BAD)))
FREE: Final = Look("bytes", 1, ((None, BAD), (2 << 30, WARN), (10 << 30, GOOD)), low=0)


def of_field(look: Look, field: Field | None) -> Look:
    """The look with the unit of the field, where the look says none."""
    if look.unit:
        return look
    return look._replace(unit=UNITS[field.unit] if field else "none")


def settings(look: Look, language: str) -> dict[str, Any]:
    """As fieldConfig has it: of a panel's defaults."""
    steps = [{"color": colour, "value": start} for start, colour in look.steps]
    told: dict[str, Any] = {
        "unit": look.unit,
        "thresholds": {"mode": "absolute", "steps": steps},
        "color": {"mode": "thresholds"},
        "mappings": [_mapping(index, *one, language) for index, one in enumerate(look.words)],
    }
    bounds = {"decimals": look.decimals, "min": look.low, "max": look.high}
    return told | {name: value for name, value in bounds.items() if value is not None}


def _mapping(index: int, low: float, high: float, said: Said, colour: str, language: str) -> dict[str, Any]:
    result = {"text": said.to(language), "color": colour, "index": index}
    if low == high:
        return {"type": "value", "options": {str(low): result}}
    return {"type": "range", "options": {"from": low, "to": high, "result": result}}
