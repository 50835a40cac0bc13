"""What happens between agents and server: lost, repeated, late, altered; as events in order."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import msgspec
from tests.oracle.month import FIRST_MINUTE, MONTH_MINUTES, Calendar, Enrolled
from tests.oracle.product import Event, Inventory, Operator, Sent
from tests.oracle.stories import WEEKS_SECONDS, Story, Watcher, Way

from schoolbeat_wire.report import MinuteRow

END_MINUTE = FIRST_MINUTE + MONTH_MINUTES


def on_the_way(story: Story, cards: dict[str, list[list[MinuteRow]]]) -> list[Event]:
    """All that happens at the server, in order."""
    way, random = story.way, Random(story.way.seed)
    sent: list[Sent] = []
    for who in story.watchers:
        for card, rows in enumerate(cards[who.agent]):
            for _ in range(2 if random.randrange(100) < way.repeated else 1):
                sent += _together(who, card, rows, way, random)
    sent = [one for one in sent if random.randrange(100) >= way.lost]
    sent += [one for one in sent if random.randrange(100) < way.repeated]
    altered = [one for one in sent if random.randrange(100) < way.altered]
    for n, one in enumerate(altered):
        sent.append(one._replace(card=0xA0 + n, rows=tuple(_other(row, n, random) for n, row in enumerate(one.rows))))
    operators: list[Event] = [Operator(what.minute * 60, what) for what in story.operators]
    events: list[Event] = [one for who in story.watchers for one in _inventories(story, who, random)]
    events += [one._replace(at=_comes_at(one.rows, way, random)) for one in sent]
    if way.shuffled:
        random.shuffle(events)
    return sorted([*operators, *events], key=lambda event: event.at)


def _together(who: Watcher, card: int, rows: list[MinuteRow], way: Way, random: Random) -> Iterator[Sent]:
    at = 0
    while at < len(rows):
        size = random.choice(way.sizes)
        together = rows[at : at + size]
        ascending = 1
        while ascending < len(together) and together[ascending - 1].minute < together[ascending].minute:
            ascending += 1
        yield Sent(0, who.agent, card, who.tells, tuple(together[:ascending]))
        at += ascending


def _comes_at(rows: tuple[MinuteRow, ...], way: Way, random: Random) -> int:
    if way.after:
        return (END_MINUTE + 10) * 60
    late = random.randrange(way.late_seconds) if random.randrange(100) < way.late else 0
    return max(row.minute for row in rows) * 60 + 60 + random.randrange(30) + late


def _inventories(story: Story, who: Watcher, random: Random) -> list[Inventory]:
    """The last comes when the agent may speak at last; those before may be refused."""
    enrolled = [FIRST_MINUTE] + [
        one.minute for one in story.operators if isinstance(one, Enrolled) and one.agent == who.agent
    ]
    at = enrolled[-1] * 60 + random.choice((1, 1, 40, 4_000, WEEKS_SECONDS))
    if story.way.after:
        at = (END_MINUTE + 10) * 60
    early = [minute * 60 + 30 for minute in enrolled if random.randrange(2)]
    return [Inventory(second, who.agent, who.tells) for second in [*early, at]]


def _other(row: MinuteRow, seq: int, random: Random) -> MinuteRow:
    """What an altered copy of the card says."""
    codes = bytes(random.randrange(61) if random.randrange(8) == 0 else code for code in row.signals)
    return msgspec.structs.replace(row, seq=seq, signals=codes)


def until_calendars(events: list[Event]) -> Iterator[list[Event]]:
    """Cut before each change of the calendar, and after it."""
    part: list[Event] = []
    for event in events:
        if isinstance(event, Operator) and isinstance(event.what, Calendar):
            yield part
            yield [event]
            part = []
        else:
            part.append(event)
    yield part
