"""A slow second opinion on the ledger: every second is an object of its own, every sum a loop. Shares no code with it.

A minute of a signal is 60 words: 'up', 'down', 'unseen' or 'off'. Everything below reads those words only.
"""

from __future__ import annotations

from hypothesis import strategies as st

Minute = tuple[str, ...]

WHOLE_MINUTES = {
    "up": ("up",) * 60,
    "down": ("down",) * 60,
    "unseen": ("unseen",) * 60,
    "off": ("off",) * 60,
}


@st.composite
def some_minute(draw: st.DrawFn) -> Minute:
    kind = draw(st.sampled_from(["up", "up", "up", "down", "unseen", "off", "mixed", "patchy"]))
    if kind in WHOLE_MINUTES:
        return WHOLE_MINUTES[kind]
    words = ["up", "down"] if kind == "mixed" else ["up", "down", "unseen", "off"]
    seconds: list[str] = []
    while len(seconds) < 60:
        seconds += [draw(st.sampled_from(words))] * draw(st.integers(1, 60))
    return tuple(seconds[:60])


def some_minutes(max_size: int = 60) -> st.SearchStrategy[list[Minute]]:
    return st.lists(some_minute(), max_size=max_size)


def watched(minute: Minute) -> bool:
    """Observed from end to end."""
    return "unseen" not in minute and "off" not in minute


def seconds_of(minute: Minute, word: str) -> int:
    total = 0
    for second in minute:
        if second == word:
            total += 1
    return total


def as_byte(minute: Minute) -> int:
    if watched(minute):
        return seconds_of(minute, "up")
    if seconds_of(minute, "off") == 60:
        return 254
    return 255


def as_bytes(minutes: list[Minute], disputed: set[int] | frozenset[int] = frozenset()) -> bytes:
    out = []
    for place, minute in enumerate(minutes):
        out.append(253 if place in disputed else as_byte(minute))
    return bytes(out)


def merged(accounts: list[int]) -> int:
    """What several accounts of one minute come to, looked at all at once."""
    values = set()
    for account in accounts:
        if account not in (254, 255):
            values.add(account)
    if len(values) > 1 or 253 in values:
        return 253
    for value in values:
        return value
    return 254 if 254 in accounts else 255


def availability(minutes: list[Minute], disputed: set[int], clock: list[bool] | None) -> tuple[int, int, int, int]:
    """Up, down, off and unknown seconds."""
    up = down = off = unknown = 0
    for place, minute in enumerate(minutes):
        if clock is not None and not clock[place]:
            continue
        if place not in disputed and watched(minute):
            for second in minute:
                if second == "up":
                    up += 1
                else:
                    down += 1
        elif place not in disputed and seconds_of(minute, "off") == 60:
            off += 60
        else:
            unknown += 60
    return up, down, off, unknown


def every_outcome(up: int, down: int, off: int, unknown: int, off_is_down: bool) -> list[tuple[int, int]]:
    """(up, all) for each way in which the unknown seconds, a minute at a time, could have gone."""
    if off_is_down:
        down += off
    return [(up + lucky, up + down + unknown) for lucky in range(0, unknown + 1, 60)]


def outages(minutes: list[Minute], disputed: set[int], first_minute: int) -> list[tuple[int, int, int | None, int]]:
    """(first minute, last minute seen down, minute of the end or None, down seconds), by walking every second."""
    found: list[tuple[int, int, int | None, int]] = []
    begun = last = -1
    down_seconds = 0
    for place, minute in enumerate(minutes):
        if place in disputed or not watched(minute):
            continue
        if seconds_of(minute, "down") > 0:
            if begun < 0:
                begun = place
            last = place
            for second in minute:
                if second == "down":
                    down_seconds += 1
        elif begun >= 0:
            found.append((first_minute + begun, first_minute + last, first_minute + place, down_seconds))
            begun, down_seconds = -1, 0
    if begun >= 0:
        found.append((first_minute + begun, first_minute + last, None, down_seconds))
    return found


LADDER = ["lan.router", "line.isp", "line.domestic", "line.international"]


def down_of(minutes: list[Minute]) -> int:
    total = 0
    for minute in minutes:
        if watched(minute):
            total += seconds_of(minute, "down")
    return total


def path_was_up(rungs: dict[str, list[Minute]], place: int) -> bool:
    """A target beyond the ISP answered through the whole minute."""
    for rung in ("line.domestic", "line.international"):
        if rung in rungs and seconds_of(rungs[rung][place], "up") == 60:
            return True
    return False


def cause_of_internet(rungs: dict[str, list[Minute]], lo: int, hi: int) -> tuple[str, int]:
    """Of places [lo, hi): the rung down longest, the lowest of equals; else what the path says."""
    best, most = "", 0
    for rung in LADDER:
        down = down_of(rungs.get(rung, [])[lo:hi])
        if down > most:
            best, most = rung, down
    if best == "line.international":
        asked = [minute for minute in rungs.get("line.domestic", [])[lo:hi] if watched(minute)]
        if not asked:  # nobody asked a domestic target by ICMP, and by TCP none was reached
            best = "line.domestic"
    if best:
        return best, most
    seen = 0
    for place in range(lo, hi):
        if path_was_up(rungs, place):
            seen += 1
    return ("service" if seen > (hi - lo) / 2 else "unknown"), 0


SILENT_REASONS = {"power": "power", "clean_stop": "agent_stopped", "crash": "agent_crashed"}
PRECEDENCE = ["power", "agent_stopped", "agent_crashed", *LADDER, "service", "beyond"]


def told_by(rungs: dict[str, list[Minute]], place: int, off_reason: str | None) -> tuple[str, int]:
    """What one minute of a silence tells, and how many seconds of it."""
    if off_reason in SILENT_REASONS:
        return SILENT_REASONS[off_reason], 60
    for rung in LADDER:
        if rung in rungs and down_of([rungs[rung][place]]):
            seconds = down_of([rungs[rung][place]])
            if rung == "line.international":
                asked = "line.domestic" in rungs and watched(rungs["line.domestic"][place])
                lost = "line.internet" in rungs and down_of([rungs["line.internet"][place]])
                if lost and not asked:
                    return "line.domestic", seconds
            return rung, seconds
    if not path_was_up(rungs, place):
        return "unknown", 0
    if "line.internet" in rungs and down_of([rungs["line.internet"][place]]):
        return "service", down_of([rungs["line.internet"][place]])
    return "beyond", 60


def cause_of_silence(
    rungs: dict[str, list[Minute]], count: int, off_reasons: dict[int, str], backlog_complete: bool
) -> tuple[str, dict[str, int]]:
    """Of places [0, count): the cause and the minutes that speak for each."""
    told: list[tuple[str, int]] = []
    for place in range(count):
        word, seconds = told_by(rungs, place, off_reasons.get(place))
        recent = [earlier for earlier, _ in told[max(0, place - 5) : place]]
        if word == "beyond" and any(earlier in PRECEDENCE[:-1] for earlier in recent):
            word, seconds = "returning", 0
        told.append((word, seconds))
    minutes: dict[str, int] = {}
    weight = dict.fromkeys(PRECEDENCE, 0)
    for word, seconds in told:
        minutes[word] = minutes.get(word, 0) + 1
        if word in weight:
            weight[word] += seconds
    blank = minutes.get("unknown", 0)
    winner = ""
    for word in PRECEDENCE:
        if word in minutes and (not winner or weight[word] > weight[winner]):
            winner = word
    if not backlog_complete and winner == "beyond" and blank:
        return "waiting", minutes
    if backlog_complete:
        if winner == "beyond" and blank and weight["beyond"] <= 60 * (blank + 7):
            return "unknown", minutes
        if winner and (blank <= 3 or blank <= count - blank):
            return winner, minutes
        return "unknown", minutes
    rivals = [weight[word] for word in PRECEDENCE if word != winner]
    if winner and weight[winner] > max(rivals) + blank * 60:
        return winner, minutes
    return "waiting", minutes
