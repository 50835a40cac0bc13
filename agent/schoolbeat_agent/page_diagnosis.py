"""What is wrong in plain words, whose fault it is not, what to try and whom to call: decided from what is seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal
from urllib.parse import unquote

from schoolbeat_agent import page_texts as texts
from schoolbeat_agent.page_standing import Standing, Word, reading, standings
from schoolbeat_agent.settings import Device
from schoolbeat_agent.sight import View
from schoolbeat_agent.texts import Text
from schoolbeat_wire.catalogue import CAUSES, RUNGS

Level = Literal["well", "attention", "broken", "unknown"]
ROUTER, ISP, DOMESTIC, INTERNATIONAL = RUNGS
INTERNET, MAINS = "line.internet", "power.mains"
WORN_SECONDS: Final = 3_600.0
NAMED: Final = 3  # of several that fail, so many by name


@dataclass(frozen=True)
class Diagnosis:
    """The texts are whole sentences. since: as in Standing. also: what else is wrong or worth knowing."""

    level: Level
    headline: Text
    innocent: tuple[Text, ...] = ()
    steps: tuple[Text, ...] = ()
    call: Text | None = None
    since: float | None = None
    also: tuple[Text, ...] = ()


@dataclass(frozen=True)
class Facts:
    """What the findings are made from."""

    view: View
    standings: dict[str, Standing]

    def word(self, signal: str) -> Word | None:
        """None: nobody asks."""
        found = self.standings.get(signal)
        return found.word if found else None

    def all(self, prefix: str, word: Word) -> dict[str, Standing]:
        return {
            signal: found
            for signal, found in self.standings.items()
            if signal.startswith(prefix) and found.word == word
        }

    @property
    def devices(self) -> dict[str, Device]:
        return {f"device.{device.id}": device for device in self.view.settings.devices}

    def called(self, signals: Sequence[str]) -> str:
        """The first few by name."""
        devices = self.devices
        names = [devices[signal].name or devices[signal].id if signal in devices else _id(signal) for signal in signals]
        return ", ".join(names[:NAMED]) + (", …" if len(names) > NAMED else "")


def diagnosis(view: View, known: dict[str, Standing] | None = None) -> Diagnosis:
    """The worst finding, with the others in a sentence each. known: the view's standings, where there are any yet."""
    facts = Facts(view, standings(view) if known is None else known)
    found = [finding for find in FINDINGS if (finding := find(facts)) is not None]
    main = found[0] if found else _well_or_unknown(facts)
    return replace(main, also=(*(finding.headline for finding in found[1:]), *_remarks(facts)))


def _id(signal: str) -> str:
    return unquote(signal.partition(".")[2])


def _said(text: Text, **names: object) -> Text:
    return Text(text.vi.format(**names), text.en.format(**names))


# --- the ladder, and power below it --------------------------------------------------------------------------------


def _power(facts: Facts) -> Diagnosis | None:
    if facts.word(MAINS) != "down":
        return None
    left = [
        value
        for subject, name in facts.view.sight.readings
        if name == "battery_runtime_seconds" and (value := reading(facts.view, subject, name)) is not None
    ]
    lasts = (_said(texts.BATTERY_LASTS, minutes=int(min(left) // 60)),) if left else ()
    since = facts.standings[MAINS].since
    return Diagnosis(
        "broken", texts.MAINS_LOST, (texts.NOT_THE_NETWORK,), (*lasts, *texts.MAINS_STEPS), texts.CALL_POWER, since
    )


def _router(facts: Facts) -> Diagnosis | None:
    found = facts.standings.get(ROUTER)
    if found is None or found.word != "down":
        return None
    if found.cause == "no_carrier":
        return Diagnosis(
            "broken", texts.NO_CABLE, (texts.LINE_NOT_SEEN,), texts.NO_CABLE_STEPS, texts.CALL_SCHOOL, found.since
        )
    if facts.word(INTERNET) == "up":
        return Diagnosis("attention", texts.ROUTER_SILENT, (texts.INTERNET_WELL,), (), None, found.since)
    if answering := {**facts.all("device.", "up"), **facts.all("device.", "standby")}:
        innocent = (_said(texts.LAN_ANSWERS, count=len(answering)), texts.LINE_NOT_SEEN)
        return Diagnosis(
            "broken", texts.ROUTER_DOWN, innocent, texts.ROUTER_STEPS, texts.CALL_SCHOOL_THEN_ISP, found.since
        )
    return Diagnosis(
        "broken",
        texts.NOTHING_ANSWERS,
        (texts.LINE_NOT_SEEN,),
        texts.NOTHING_STEPS,
        texts.CALL_SCHOOL_THEN_ISP,
        found.since,
    )


def _line(facts: Facts) -> Diagnosis | None:
    """Beyond a router that answers."""
    if facts.word(INTERNET) == "up" or facts.word(ROUTER) == "down":
        return None
    lowest = next((rung for rung in (ISP, DOMESTIC, INTERNATIONAL) if facts.word(rung) == "down"), None)
    if lowest is None or (lowest == INTERNATIONAL and facts.word(DOMESTIC) == "up"):
        return None
    if facts.word(INTERNET) != "down" and "up" in (facts.word(DOMESTIC), facts.word(INTERNATIONAL)):
        return None  # lost pings alone prove nothing
    found = facts.standings[lowest]
    innocent = _school_is_well(facts)
    if lowest == ISP:
        return Diagnosis("broken", texts.LINE_DOWN, innocent, texts.LINE_STEPS, texts.CALL_ISP, found.since)
    if facts.word(ISP) == "up":
        return Diagnosis("broken", texts.ISP_NETWORK_DOWN, innocent, texts.WAIT_STEPS, texts.CALL_ISP, found.since)
    return Diagnosis("broken", texts.BEYOND_ROUTER_DOWN, innocent, texts.LINE_STEPS, texts.CALL_ISP, found.since)


def _school_is_well(facts: Facts) -> tuple[Text, ...]:
    """Only what is known to be well is called so."""
    out = [texts.NOT_YOUR_MACHINE]
    if facts.word(ROUTER) == "up":
        out.append(texts.ROUTER_WELL)
    if wifi := facts.all("wifi.", "up"):
        out.append(_said(texts.WIFI_WELL, names=facts.called(list(wifi))))
    known = sum(found.word in ("up", "standby", "down") for found in _of_devices(facts))
    well = sum(found.word in ("up", "standby") for found in _of_devices(facts))
    if well:
        out.append(_said(texts.DEVICES_WELL, well=well, known=known))
    return tuple(out)


def _of_devices(facts: Facts) -> list[Standing]:
    return [found for signal, found in facts.standings.items() if signal.startswith("device.")]


def _internet(facts: Facts) -> Diagnosis | None:
    """The ladder stands, and still no page opens: names do not resolve, or connections do not open."""
    found = facts.standings.get(INTERNET)
    if found is None or found.word != "down" or "down" in (facts.word(rung) for rung in (ROUTER, ISP, DOMESTIC)):
        return None
    if facts.word(INTERNATIONAL) == "down" and facts.word(DOMESTIC) != "up":
        return None  # `_line` tells it
    seen = facts.view.sight
    at = seen.signals[INTERNET].at

    def brought(name: str) -> bool:
        """Whether the very run that said down brought this reading."""
        return seen.readings.get((INTERNET, name), (0.0, -1.0))[1] >= at

    if not any(facts.word(rung) == "up" for rung in (ISP, DOMESTIC, INTERNATIONAL)):
        innocent = _school_is_well(facts)
        return Diagnosis("broken", texts.NO_INTERNET, innocent, texts.LINE_STEPS, texts.CALL_ISP, found.since)
    if brought("dns_ms"):
        return Diagnosis(
            "broken", texts.NO_CONNECTION, (texts.LINE_WELL,), texts.NO_CONNECTION_STEPS, texts.CALL_ISP, found.since
        )
    if reading(facts.view, "dns.known", "dns_ms") is None:
        return Diagnosis(
            "broken", texts.NO_NAMES, (texts.LINE_WELL,), texts.DNS_STEPS[:1], texts.CALL_SCHOOL_THEN_ISP, found.since
        )
    steps = (texts.DNS_STEPS[0], _said(texts.DNS_STEPS[1], resolver=facts.view.settings.known_resolver[0]))
    return Diagnosis("broken", texts.SCHOOL_DNS_DOWN, (texts.LINE_WELL,), steps, texts.CALL_SCHOOL, found.since)


def _abroad(facts: Facts) -> Diagnosis | None:
    found = facts.standings.get(INTERNATIONAL)
    if found is None or found.word != "down" or facts.word(INTERNET) == "down":
        return None
    if "up" not in (facts.word(DOMESTIC), facts.word(INTERNET)):
        return None
    return Diagnosis(
        "attention", texts.ABROAD_DOWN, (texts.NOT_THE_SCHOOL,), texts.ABROAD_STEPS, texts.CALL_NOBODY, found.since
    )


def _targets(facts: Facts) -> Diagnosis | None:
    """Rungs that are silent while the Internet can be used: pings that get lost prove nothing."""
    if facts.word(INTERNET) != "up" or facts.word(ROUTER) == "down":
        return None
    silent = [rung for rung in (ISP, DOMESTIC) if facts.word(rung) == "down"]
    if not silent:
        return None
    return Diagnosis("attention", texts.PINGS_LOST, (texts.INTERNET_WELL,), (), None, facts.standings[silent[0]].since)


# --- beside the ladder ---------------------------------------------------------------------------------------------


def _internet_is_well(facts: Facts) -> tuple[Text, ...]:
    return (texts.INTERNET_WELL,) if facts.word(INTERNET) == "up" else ()


def _wifi(facts: Facts) -> Diagnosis | None:
    down = facts.all("wifi.", "down")
    if not down:
        return None
    found = next(iter(down.values()))
    headline = _said(texts.WIFI_DOWN, names=facts.called(list(down)))
    steps = (_by_cause(found.cause), texts.USE_CABLE)
    return Diagnosis("broken", headline, _internet_is_well(facts), steps, texts.CALL_SCHOOL, found.since)


def _devices(facts: Facts) -> Diagnosis | None:
    down = facts.all("device.", "down")
    if not down:
        return None
    hidden = [found for found in facts.standings.values() if found.hidden_by in down]
    # What hides others comes first: it may be all that is wrong.
    order = sorted(down, key=lambda signal: -sum(found.hidden_by == signal for found in hidden))
    first = facts.devices[order[0]]
    where = f" ({first.room})" if first.room else ""
    if len(order) == 1:
        headline = _said(texts.DEVICE_DOWN, name=facts.called(order) + where, **_what(down[order[0]].cause))
    else:
        headline = _said(texts.DEVICES_DOWN, count=len(order), names=facts.called(order))
    behind = (_said(texts.HIDDEN, count=len(hidden)),) if hidden else ()
    look = _said(texts.LOOK_AT, name=facts.called(order[:1]), where=where)
    step = _by_cause(down[order[0]].cause)
    since = down[order[0]].since
    return Diagnosis("attention", headline, _internet_is_well(facts), (look, step, *behind), texts.CALL_SCHOOL, since)


def _what(cause: str) -> dict[str, str]:
    """The cause in words, by language; silence of whatever kind is silence to a teacher."""
    _, vi, en = CAUSES.get(cause, CAUSES["internal"])
    if cause in ("timeout", "unreachable", "refused"):
        vi, en = "không trả lời", "no answer"
    return {"vi": vi, "en": en}


def _services(facts: Facts) -> Diagnosis | None:
    down = facts.all("service.", "down")
    if not down or facts.word(INTERNET) != "up":
        return None
    found = next(iter(down.values()))
    headline = _said(texts.SERVICE_DOWN, names=facts.called(list(down)))
    innocent = (texts.INTERNET_WELL,) if found.cause == "tls_invalid" else (texts.INTERNET_WELL, texts.NOT_THE_SCHOOL)
    return Diagnosis("attention", headline, innocent, (_by_cause(found.cause),), texts.CALL_SERVICE, found.since)


def _lan(facts: Facts) -> Diagnosis | None:
    """What one of the school's own machines does to the others."""
    most_seconds = 2.5 * 60 * facts.view.settings.lan.minutes

    def told(name: str) -> int:
        return int(reading(facts.view, "lan", name, most_seconds) or 0)

    if (servers := told("dhcp_servers")) > 1:
        headline, steps = _said(texts.DHCP_STRANGER, count=servers), texts.DHCP_STEPS
    elif told("gateway_changed"):
        headline, steps = texts.ROUTER_CHANGED, texts.ROUTER_CHANGED_STEPS
    elif twice := told("addresses_duplicate"):
        headline, steps = _said(texts.ADDRESS_TWICE, count=twice), texts.ADDRESS_TWICE_STEPS
    else:
        return None
    return Diagnosis("attention", headline, (texts.NOT_THE_LINE,), steps, texts.CALL_SCHOOL)


def _wear(facts: Facts) -> Diagnosis | None:
    """What still works and will not for long."""
    worn = {"battery_replace": texts.BATTERY_WORN, "disks_faulty": texts.DISKS_FAULTY}
    for subject, name in facts.view.sight.readings:
        if name in worn and (count := reading(facts.view, subject, name, WORN_SECONDS)):
            called = facts.called([subject]) if subject in facts.devices else texts.UPS.vi
            english = called if subject in facts.devices else texts.UPS.en
            text = worn[name]
            headline = Text(
                text.vi.format(name=called, count=int(count)), text.en.format(name=english, count=int(count))
            )
            return Diagnosis("attention", headline, (), texts.WORN_STEPS, texts.CALL_SCHOOL)
    return None


def _voltage(facts: Facts) -> Diagnosis | None:
    if not reading(facts.view, "host", "undervoltage"):
        return None
    return Diagnosis("attention", texts.LOW_VOLTAGE, _internet_is_well(facts), texts.VOLTAGE_STEPS, texts.CALL_SCHOOL)


def _by_cause(cause: str) -> Text:
    """What a teacher can do about it; for what only a technician can, the cause to tell him."""
    if cause in texts.TEACHERS_REMEDIES:
        return texts.TEACHERS_REMEDIES[cause]
    _, vi, en = CAUSES.get(cause, CAUSES["internal"])
    return Text(texts.TELL_CAUSE.vi.format(cause=vi), texts.TELL_CAUSE.en.format(cause=en))


# The worst first: the first that is found is the headline.
FINDINGS: Final[tuple[Callable[[Facts], Diagnosis | None], ...]] = (
    _power,
    _line,
    _router,
    _internet,
    _abroad,
    _wifi,
    _lan,
    _services,
    _devices,
    _targets,
    _wear,
    _voltage,
)


# --- where nothing is wrong ----------------------------------------------------------------------------------------


def _well_or_unknown(facts: Facts) -> Diagnosis:
    if not facts.view.sight.signals:
        return Diagnosis("unknown", texts.NOT_YET, (), texts.NOT_YET_STEPS)
    if facts.word(INTERNET) != "up":
        return Diagnosis("unknown", texts.NOT_KNOWN, (), texts.NOT_KNOWN_STEPS, texts.CALL_PROVINCE)
    return Diagnosis("well", texts.ALL_WELL if not _not_known(facts) else texts.INTERNET_WELL)


def _not_known(facts: Facts) -> int:
    """Not counted: a rung that never shows itself, and what a fault hides (that is told with the fault)."""
    return sum(
        found.word == "unknown" and not found.hidden_by and not (signal in RUNGS and signal in facts.view.sight.signals)
        for signal, found in facts.standings.items()
    )


def _remarks(facts: Facts) -> list[Text]:
    out = []
    if facts.view.sight.signals and (count := _not_known(facts)):
        out.append(_said(texts.SOME_NOT_KNOWN, count=count))
    if not facts.view.connected and facts.word(INTERNET) == "up":
        out.append(texts.NOT_CONNECTED)
    if facts.view.unix is None:
        out.append(texts.NO_CLOCK)
    return out
