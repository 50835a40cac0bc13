"""Held against each other after a round: what was emitted, what agents recorded, what the server keeps and told people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from schoolbeat_agent.ranges import subtract
from schoolbeat_server import database
from schoolbeat_server.contact import ContactBook
from schoolbeat_server.ingest import Ingest
from schoolbeat_wire.catalogue import DISPUTED, OFF, OFF_NAMES, UNKNOWN
from schoolbeat_wire.report import MinuteRow
from tests.e2e import books
from tests.faults import pattern
from tests.faults.faults import Course
from tests.faults.schedule import BLIND_SECONDS, OF_SERVER, SERVER
from tests.faults.world import PatternAgent, Round

NAMED = 5  # of the minutes of one disagreement
LIVE_MINUTES = 7  # as long after its last minute an outage may be told of: five, and what rounding and the way take
SAVED_MINUTES = 6  # after its beginning a minute is on disk, however busy the machine
SURELY_SECONDS = 25  # a cable cut for so long is told: 8 s of patience, and what a busy machine takes
CARD_SECONDS = 200  # while another boot is on trial, a lost session proves nothing: the hold time does
FELT_SECONDS = 150  # as long after a fault contact may be lost through it: the hold, the keepalive, the back-off

BLINDING = frozenset(OF_SERVER) - {"deafen_channel"}


@dataclass
class Calm:
    """What was asked of the living before they were stopped. By site: seqs settled, and the ledger by signal."""

    next: dict[str, int] = field(default_factory=dict)
    live: dict[str, dict[str, bytes]] = field(default_factory=dict)


@dataclass
class Verdict:
    """counts: what was compared. disagreements: each in one line; none is right."""

    counts: Counter[str] = field(default_factory=Counter)
    disagreements: list[str] = field(default_factory=list)

    def expect(self, wrong: Iterable[object], what: str) -> None:
        """`wrong`: everything that is not as it should be."""
        found = list(wrong)
        if found:
            some = ", ".join(map(str, found[:NAMED]))
            self.disagreements.append(f"{what}: {len(found)}: {some}")


def extent(book: books.Book) -> tuple[list[str], int, int]:
    """All signals, the first minute and one past the last."""
    minutes = book.minutes()
    signals = sorted({signal for kind in book.inventories.values() for signal in kind.signals})
    return signals, min(minutes), max(minutes) + 1


def judge(world: Round, course: Course, calm: Calm) -> Verdict:
    """The server and all agents have ended."""
    out = Verdict()
    mine_of = {agent.site: books.recorded(agent) for agent in world.agents}
    started = ledgers_after_start(world, {site: extent(book) for site, book in mine_of.items()})
    for number, agent in enumerate(world.agents):
        stepped = any(one.fault.kind == "clock_step" and one.fault.victim == number for one in course.happened)
        mine, theirs = mine_of[agent.site], books.kept(world.server, agent.site)
        judge_delivery(out, world, agent, mine, theirs, calm, stepped)
        judge_ledger(out, agent, mine, {"live": calm.live[agent.site], "after a start": started[agent.site]})
        judge_minutes(out, agent, mine, stepped)
        judge_off(out, agent.site, agent.runs(), extent(mine)[1], started[agent.site])
        judge_pattern(out, agent, mine, stepped)
        judge_counter(out, agent, theirs)
    judge_counters(out, world)
    judge_notices(out, world)
    judge_incidents(out, world, course)
    return out


def judge_delivery(
    out: Verdict,
    world: Round,
    agent: PatternAgent,
    mine: books.Book,
    theirs: books.Book,
    calm: Calm,
    stepped: bool,
) -> None:
    """Everything that was recorded is stored once, as it was recorded, and counts as settled."""
    site, epoch, end = agent.site, agent.epoch, calm.next[agent.site]
    # What a stepping clock had placed and the agent took back is told anew; the row as it was first sent is no longer kept.
    certain = {key: rows for key, rows in mine.rows.items() if key[1] < end and not is_taken_back(rows[0])}
    out.counts["minutes"] += len(certain)
    out.expect(
        (key for key, rows in certain.items() if theirs.rows.get(key) != rows), f"{site}: not stored as recorded"
    )
    # A row taken back while it was on its way keeps its seq: what came first is stored beside it, and stands for nothing.
    twice = {key: rows for key, rows in theirs.rows.items() if len(rows) != 1}
    allowed = {key for key, rows in twice.items() if stepped and len(rows) == 2 and any(map(is_taken_back, rows))}
    out.expect((key for key in twice if key not in allowed), f"{site}: stored more than once")
    out.expect((key for key in theirs.rows if key[0] != epoch), f"{site}: stored of another epoch")
    settled = books.settled(world.server, site, epoch)
    out.expect(subtract([(0, end)], settled), f"{site}: not settled")
    if not stepped:  # what a wrong clock had placed and never left the machine goes, with its seqs
        out.expect(subtract([(0, end)], mine.seqs(epoch)), f"{site}: seqs that no minute has")


def ledgers_after_start(world: Round, extents: dict[str, tuple[list[str], int, int]]) -> dict[str, dict[str, bytes]]:
    """As a server that starts now would know them: by site and signal, built from the database alone."""
    engine = database.open_database(world.server.database)
    now_ms = max(end for _, _, end in extents.values()) * 60_000
    ingest = Ingest(engine, world.server.id, ContactBook(0), lambda: now_ms)
    ingest.load()
    with engine.connect() as connection:
        found = {site: ingest.ledger.read(connection, site, *of) for site, of in extents.items()}
    engine.dispose()
    return found


def judge_ledger(out: Verdict, agent: PatternAgent, mine: books.Book, ledgers: dict[str, dict[str, bytes]]) -> None:
    """The ledger is what was recorded: as the server told it while it ran, and as one that starts now would know it."""
    signals, first, end = extent(mine)
    expected = expected_ledger(mine, signals, first, end)
    for how, found in ledgers.items():
        for signal in signals:
            out.counts["bytes"] += end - first
            told = found[signal]
            pairs = zip(range(first, end), told, expected[signal], strict=False)  # the end came after `live`
            wrong = (f"{minute}: {is_}, not {ought}" for minute, is_, ought in pairs if is_ != ought)
            out.expect(wrong, f"{agent.site}: {signal} in the ledger {how}")


def is_taken_back(row: MinuteRow) -> bool:
    """An agent finds nothing disputed and counts its probes' runs; of what a wrong clock had placed it says so, and no more."""
    return DISPUTED in row.signals or not row.values


def declarations(book: books.Book) -> dict[int, set[str]]:
    """minute -> the reasons with which it is declared. Of words that begin in one minute the last stands, and each holds
    for minutes before the one that tells it."""
    words = {}
    for _, rows in sorted(book.rows.items(), key=lambda item: item[0][1]):
        words.update({off.first_minute: (off, row.minute) for row in rows for off in row.off})
    out: dict[int, set[str]] = {}
    for off, told_in in words.values():
        for minute in range(off.first_minute, min(off.first_minute + off.count, told_in)):
            out.setdefault(minute, set()).add(OFF_NAMES[off.reason])
    return out


def expected_ledger(book: books.Book, signals: list[str], first: int, end: int) -> dict[str, bytes]:
    """As books.expected_ledger, for minutes declared twice too: off is the better word, and may be taken back."""
    off = {minute for minute, reasons in declarations(book).items() if reasons - {"interrupted"}}
    out = books.expected_ledger(book, signals, first, end)
    for signal, codes in out.items():
        no_value = [OFF if minute in off else UNKNOWN for minute in range(first, end)]
        pairs = zip(codes, no_value, strict=True)
        out[signal] = bytes(other if code in (OFF, UNKNOWN) else code for code, other in pairs)
    return out


def judge_minutes(out: Verdict, agent: PatternAgent, mine: books.Book, stepped: bool) -> None:
    """Each minute was recorded once, or it was declared; and nobody was there in a minute that is declared off."""
    minutes, declared = mine.minutes(), declarations(mine)
    _, first, end = extent(mine)
    taken_back = {minute for minute, rows in minutes.items() if any(map(is_taken_back, rows))}
    out.counts["taken back"] += len(taken_back)
    twice = {minute for minute, rows in minutes.items() if len(rows) != 1} - (taken_back if stepped else set())
    out.expect(sorted(twice), f"{agent.site}: recorded more than once")
    out.expect(sorted(taken_back if not stepped else ()), f"{agent.site}: taken back by a clock that was right")
    if stepped:  # without a word that stands a minute is unknown: judge_ledger, judge_off
        return
    missing = set(range(first, end)) - minutes.keys()
    out.counts["declared"] += len(missing)
    out.expect(sorted(missing - declared.keys()), f"{agent.site}: neither recorded nor declared")
    out.expect(sorted(declared.keys() & minutes.keys()), f"{agent.site}: recorded and declared")
    runs = agent.runs()
    there, lives = pattern.seen(runs, "path").touched, pattern.lives(runs, "path")
    lost = (
        minute
        for minute in sorted(missing)
        for first_second, last_second in lives
        if first_second <= minute * 60 and last_second >= (minute + SAVED_MINUTES) * 60
    )
    out.expect(lost, f"{agent.site}: seen from end to end by an agent that lived on, and not recorded")
    off = {minute for minute, reasons in declared.items() if reasons - {"interrupted"}}
    out.expect(sorted(off & there.keys()), f"{agent.site}: declared off and seen at work")


def judge_off(out: Verdict, site: str, runs: Sequence[pattern.Run], first: int, ledger: dict[str, bytes]) -> None:
    """In no minute that the ledger calls off was anybody there, by the time that truly was."""
    there = {run.true_minute for run in runs} - {run.true_minute for run in pattern.not_decided(runs)}
    off = {minute for codes in ledger.values() for minute, code in enumerate(codes, first) if code == OFF}
    out.counts["off"] += len(off)
    out.expect(sorted(off & there), f"{site}: off in the ledger and truly at work")


def judge_pattern(out: Verdict, agent: PatternAgent, mine: books.Book, stepped: bool) -> None:
    """What is known is the pattern; what one process saw from end to end and recorded is known."""
    runs = agent.runs()
    seen = {probe: pattern.seen(runs, probe) for probe in set(pattern.PROBE_OF.values())}
    not_decided = {int(run.second // 60) for run in pattern.not_decided(runs)}
    wrong, unknown = [], []
    for key, (row,) in ((key, rows) for key, rows in mine.rows.items() if len(rows) == 1):
        for signal, byte in zip(mine.inventories[key].signals, row.signals, strict=True):
            if signal not in pattern.SIGNALS:
                continue  # the agent works it out of others
            may_be = pattern.allowed(agent.seed, signal, row.minute)
            if may_be is None or is_taken_back(row) or row.minute in not_decided:
                continue
            out.counts["foretold"] += 1
            probe = seen[pattern.PROBE_OF[signal]]
            if byte == UNKNOWN:
                one = len(probe.touched.get(row.minute, ())) == 1
                if UNKNOWN not in may_be and row.minute in probe.covered and one and not stepped:
                    unknown.append(f"{signal} {row.minute}")
            elif byte not in may_be:
                wrong.append(f"{signal} {row.minute}: {byte} not in {may_be}")
    out.expect(wrong, f"{agent.site}: not the pattern")
    out.expect(unknown, f"{agent.site}: seen from end to end and yet unknown")


def judge_counter(out: Verdict, agent: PatternAgent, theirs: books.Book) -> None:
    """The counter rises from seq to seq, and each stored one was emitted in its minute."""
    counted = [(row.minute, value) for row, value in counters(theirs) if value is not None]
    out.counts["counters"] += len(counted)
    pairs = pairwise(counted)
    out.expect(((one, two) for one, two in pairs if two[1] <= one[1]), f"{agent.site}: the counter does not rise")
    emitted: dict[int, set[int]] = {}
    for run in agent.runs():
        if run.probe == "host":
            emitted.setdefault(int(run.second // 60), set()).add(run.counter)
    first = min(min(values) for values in emitted.values()) if emitted else 0
    own = [(minute, value) for minute, value in counted if value >= first]
    wrong = ((minute, value) for minute, value in own if value not in emitted.get(minute, ()))
    out.expect(wrong, f"{agent.site}: a counter that was not emitted in its minute")
    out.expect(sorted(set(range(first)) - {value for _, value in counted}), f"{agent.site}: counters that are missing")


def counters(book: books.Book) -> list[tuple[MinuteRow, int | None]]:
    out = []
    for key, rows in sorted(book.rows.items(), key=lambda item: item[0][1]):
        for column, values in zip(book.inventories[key].columns, rows[0].values, strict=False):
            if column.reading == "counter":
                out.append((rows[0], values[column.subjects.index("host")]))
    return out


def judge_counters(out: Verdict, world: Round) -> None:
    """Nothing was set aside but events, which are hints: those of quick agents are of the past."""
    counted = world.server.counters()
    aside = {name: count for name, count in counted.items() if name.startswith("aside.")} | {"aside.time": 0}
    out.expect([(name, count) for name, count in aside.items() if count], "set aside")


def judge_notices(out: Verdict, world: Round) -> None:
    """Each was taken at least once; one opening and one closing for each incident that people were told of."""
    rows = world.server.rows("SELECT incident, kind, title, body, sent_ms FROM notice")
    out.counts["notices"] += len(rows)
    taken = Counter(world.recipient.taken)
    out.expect((row[:3] for row in rows if row[4] is None), "notices that were not sent")
    lost = ((kind, title) for _, kind, title, body, _ in rows if not any(body.strip() in text for _, text in taken))
    out.expect(lost, "notices that nobody took")
    told = {(incident, kind) for incident, kind, *_ in rows}
    incidents = world.server.rows("SELECT id, closed_ms FROM incident WHERE scope != 'away'")
    ought = {(ident, "open") for ident, _ in incidents} | {(ident, "close") for ident, closed in incidents if closed}
    out.expect(sorted(told ^ ought), "notices and incidents do not match")


def judge_incidents(out: Verdict, world: Round, course: Course) -> None:
    """None for the past, none without a cause, no two at a time for one scope of a site."""
    query = "SELECT site, scope, opened_ms, since_ms, closed_ms, cause_opened FROM incident WHERE scope != 'away'"
    rows = sorted(world.server.rows(query), key=lambda row: (row[0], row[1], row[2]))
    out.counts["incidents"] += len(rows)
    for before, after in pairwise(rows):
        if before[:2] == after[:2] and (before[4] is None or after[2] < before[4]):
            out.expect([(before, after)], "two incidents at a time")
    judge_openings(out, world, course, rows)
    for number, agent in enumerate(world.agents):
        felt = [
            (one.began, one.ended + FELT_SECONDS)
            for one in course.happened
            if one.fault.victim == number or (one.fault.victim == SERVER and one.fault.kind == "freeze_broker")
        ]
        for _, scope, opened_ms, _, _, cause in (row for row in rows if row[0] == agent.site):
            if cause == "waiting":
                excused = any(began <= opened_ms / 1000 <= ended for began, ended in felt)
                out.expect([] if excused else [(opened_ms, cause)], f"{agent.site}: contact lost without a fault")
            elif scope == "clone" or agent.is_quick:
                out.expect([(opened_ms, scope, cause)], f"{agent.site}: an incident that nothing caused")
            else:
                now = opened_ms // 60_000
                down = any(not pattern.is_up(agent.seed, cause, now - ago) for ago in range(LIVE_MINUTES))
                out.expect([] if down else [(opened_ms, cause)], f"{agent.site}: an incident for the past")


def judge_openings(out: Verdict, world: Round, course: Course, rows: Sequence[Sequence[Any]]) -> None:
    """A cable that was cut long enough before a server that could see was told of. Agents of our own time may have an
    incident of another cause open; they are left out."""
    blinding = [one for one in course.happened if one.fault.kind in BLINDING]
    for one in course.happened:
        agent = world.agents[one.fault.victim]
        if one.fault.kind != "cut_line" or not agent.is_quick or one.ended - one.began < SURELY_SECONDS:
            continue
        if any(other.began < one.ended and other.ended > one.began - BLIND_SECONDS for other in blinding):
            continue
        cards = [other for other in course.happened if other.fault.kind == "power_cut"]
        if any(o.fault.victim == one.fault.victim and one.began - CARD_SECONDS < o.ended for o in cards):
            continue
        out.counts["openings"] += 1
        end_ms = one.ended * 1000
        of_site = [row for row in rows if row[0] == agent.site]
        open_then = [row for row in of_site if row[2] <= end_ms and (row[4] is None or row[4] >= end_ms)]
        out.expect([] if open_then else [one], f"{agent.site}: a cut that nobody was told of")
