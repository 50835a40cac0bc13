"""Cloned cards: who speaks with an agent's credentials, and whether it is believed, on trial or set aside."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

from sqlalchemy import Connection, delete, select

from schoolbeat_server import schema
from schoolbeat_server.batch import EpochKey
from schoolbeat_server.database import upsert
from schoolbeat_wire import messages as wire

# true: believed. trial: another boot of the same machine, too soon after the last word of the one before to be sure
# that it is no copy. former: believed once. aside: waits for an operator. false: an operator said that it is a copy.
State = Literal["true", "trial", "former", "aside", "false"]
BELIEVED: frozenset[State] = frozenset({"true"})
SPEAKS_FOR_SITE: frozenset[State] = frozenset({"true", "trial"})

LIVE_MS = 120_000  # who was heard so lately may be alive: a report comes every minute
TRIAL_MS = 60_000  # two copies take the connection from each other within seconds
WRITE_MS = 300_000  # how far the stored time of the last word may lag
BACK_SEQS = 15  # a card that lies about writing may forget its last minutes with the power; not more
MOST = 50  # cards of one agent: the oldest that nobody believes are forgotten

Key = tuple[str, str]  # site, agent


@dataclass
class Card:
    """A memory card (or disk) in a machine, in one of its boots. epoch: of its outbox, as it said last."""

    hardware: str
    boot: str
    epoch: str
    state: State
    first_ms: int
    heard_ms: int
    presence_ms: int


def same_boot(one: str, other: str) -> bool:
    """Windows tells the time of its boot instead, in steps; a corrected clock may move it into the next one."""
    return one == other or (bool(one and other) and abs(int(one, 16) - int(other, 16)) == 1)


def same_machine(one: str, other: str) -> bool:
    """By hardware id; one that does not say its own may be any."""
    return one == other or not one or not other


def judge(
    known: Sequence[Card],
    hardware: str,
    boot: str,
    now_ms: int,
    issued_ms: int,
    epoch: str = "",
    *,
    went_back: bool = False,
) -> State:
    """What a card is that says `hardware` and `boot` just now; issued_ms: when the credentials were last given out;
    went_back: its outbox is older than what was heard of this epoch.

    Another machine is believed at once only if the one before has not connected since new credentials were given out:
    nobody but who got them can be speaking. Otherwise it may be a copy, and an operator says which is true. Nor is
    another boot that has an old outbox, or that of a card which is not believed: a machine's own only grows."""
    mine = next((one for one in known if _is(one, hardware, boot)), None)
    if mine is not None and mine.state in ("true", "trial", "false"):
        return mine.state
    live = [one for one in known if one.state in SPEAKS_FOR_SITE]
    if not live:
        return "true"
    of_same = [one for one in live if same_machine(one.hardware, hardware)]
    is_new = max(one.presence_ms for one in live) < issued_ms <= now_ms
    if not of_same:
        refused = any(one.hardware == hardware and one.state == "false" for one in known)
        if is_new:
            return "true"
        return "false" if refused else "aside"
    if mine is not None:  # a boot that was over speaks again: it never was over
        return "aside"
    if is_new:
        return "true"
    if epoch and all(one.epoch != epoch for one in of_same):
        same = {one.state for one in known if one.epoch == epoch and same_machine(one.hardware, hardware)}
        if same & {"false", "aside"}:
            return "false" if "false" in same else "aside"
    if went_back:
        return "aside"
    return "trial" if now_ms - max(one.heard_ms for one in of_same) <= LIVE_MS else "true"


def _is(card: Card, hardware: str, boot: str) -> bool:
    return same_machine(card.hardware, hardware) and same_boot(card.boot, boot)


class Cards:
    """All cards of all agents. Remembers the rows of table `card`."""

    def __init__(self) -> None:
        self.known: dict[Key, list[Card]] = {}
        self.agents: dict[str, list[str]] = {}  # by site, those that named their machine
        self.speaking: dict[Key, Card] = {}  # whose presence came last
        self.issued_ms: dict[Key, int] = {}
        self.changed: set[Key] = set()
        self._said: dict[Key, wire.Presence] = {}  # of cards on trial

    def load(self, connection: Connection) -> None:
        self.known, self.agents, self.speaking, self.changed, self._said = {}, {}, {}, set(), {}
        for row in connection.execute(select(schema.card).order_by(schema.card.c.presence_ms)):
            values = row._asdict()
            key = (values.pop("site"), values.pop("agent"))
            self._of(key).append(Card(**values))
        for key, cards in self.known.items():
            named = [card for card in cards if card.hardware or card.boot]
            if named:
                self.speaking[key] = named[-1]

    def _of(self, key: Key) -> list[Card]:
        """Made when it is new."""
        if key not in self.known:
            self.agents.setdefault(key[0], []).append(key[1])
        return self.known.setdefault(key, [])

    # ---- what is said ------------------------------------------------------------------------------------------

    def present(
        self, key: Key, presence: wire.Presence, now_ms: int, *, retained: bool, known_to: int = 0
    ) -> Card | None:
        """The card that says so; None: it says neither on what machine it runs nor in which boot. known_to: one past
        the newest seq heard of its epoch."""
        if not (presence.hardware or presence.boot):
            self.speaking.pop(key, None)
            return None
        known = self._of(key)
        before = self.speaking.get(key)
        state = judge(
            known,
            presence.hardware,
            presence.boot,
            now_ms,
            self.issued_ms.get(key, 0),
            presence.epoch,
            went_back=self._went_back(key, presence, known_to),
        )
        card = self.find(key, presence.hardware, presence.boot)
        if card is None:
            card = Card(presence.hardware, presence.boot, presence.epoch, "aside", now_ms, now_ms, now_ms)
            known.append(card)
            self._forget_some(known)
        elif card.state == "true" and before is not None and before.state == "trial" and not retained:
            before.state = "aside"  # both are alive: the one that was there before goes on
        card.hardware = card.hardware or presence.hardware
        if state == "true" and card.state != "true":
            self._believe(known, card)
        card.state, card.epoch = state, presence.epoch
        if not retained:
            card.heard_ms = card.presence_ms = now_ms
        if state == "trial":
            self._said[key] = presence
        self.speaking[key] = card
        self.changed.add(key)
        return card

    def _went_back(self, key: Key, presence: wire.Presence, known_to: int) -> bool:
        """An epoch that the believed machine has left, or one that was farther already."""
        left = any(one.epoch != presence.epoch for one in self.known[key] if one.state in SPEAKS_FOR_SITE)
        return known_to > 0 and (left or presence.next + BACK_SEQS < known_to)

    def suspect(self, key: Key, now_ms: int) -> bool:
        """The agent has told one minute, or one seq, in two ways: two machines are alive. The boot that seemed over
        waits for an operator; where nothing is known of machines, a card without a name does. True: it is new."""
        known = self._of(key)
        if any(one.state == "aside" for one in known):
            return False
        former = [one for one in known if one.state == "former"]
        if former:
            max(former, key=lambda one: one.heard_ms).state = "aside"
        else:
            known[:] = [one for one in known if one.hardware or one.boot]
            known.append(Card("", "", "", "aside", now_ms, now_ms, now_ms))
        self.changed.add(key)
        return True

    def speaker(self, key: EpochKey, hardware: str, boot: str) -> Card | None:
        """Whose report of that epoch it is; hardware, boot: what presence said last of the epoch."""
        agent = key[:2]
        known = self.known.get(agent)
        if not known:
            return None
        says = bool(hardware or boot)
        found = self.find(agent, hardware, boot) if says else self.speaking.get(agent)
        if found is None and says:  # forgotten: too many have come since
            same = (one for one in known if same_machine(one.hardware, hardware) and one.state in SPEAKS_FOR_SITE)
            found = next(same, None) or Card(hardware, boot, key[2], "aside", 0, 0, 0)
        return found

    def heard(self, key: Key, card: Card, now_ms: int) -> None:
        if card.state == "former":  # it was over, and speaks: another took its place too early
            card.state = "aside"
            self.changed.add(key)
        if now_ms // WRITE_MS != card.heard_ms // WRITE_MS:
            self.changed.add(key)
        card.heard_ms = now_ms

    def speaks_for_site(self, key: Key) -> bool:
        """Whether who is connected now is the agent, as far as we know."""
        card = self.speaking.get(key)
        return card is None or card.state in SPEAKS_FOR_SITE

    def is_fought_over(self, key: Key, now_ms: int) -> bool:
        """Two take the connection from each other: that it ends says nothing."""
        cards = self.known.get(key, ())
        return any(one.state not in ("true", "former") and now_ms - one.heard_ms <= LIVE_MS for one in cards)

    def shares_epoch(self, key: Key, card: Card) -> bool:
        """A believed card numbers its minutes in the same epoch: to settle a seq would settle the other's too."""
        others = (one for one in self.known[key] if one is not card)
        return any(one.epoch == card.epoch and one.state in ("true", "trial", "former") for one in others)

    def find(self, key: Key, hardware: str, boot: str) -> Card | None:
        cards = self.known.get(key, ())
        return next((one for one in cards if _is(one, hardware, boot)), None)

    def waiting(self, site: str) -> list[tuple[Key, Card]]:
        """The cards of a site that an operator has to decide about."""
        keys = [(site, agent) for agent in self.agents.get(site, ())]
        return [(key, card) for key in keys for card in self.known[key] if card.state == "aside"]

    # ---- what follows ------------------------------------------------------------------------------------------

    def trials_over(self, now_ms: int) -> list[tuple[Key, Card]]:
        """Nobody else has spoken meanwhile."""
        return [
            (key, card)
            for key, cards in self.known.items()
            for card in cards
            if card.state == "trial" and not 0 <= now_ms - card.first_ms < TRIAL_MS
        ]

    def believe(self, key: Key, card: Card) -> wire.Presence | None:
        """Returns what it said when it came, which was not believed then; None if a later boot has spoken since."""
        self._believe(self.known[key], card)
        card.state = "true"
        self.changed.add(key)
        said = self._said.get(key)
        if said is None or said.hardware != card.hardware or not same_boot(said.boot, card.boot):
            return None
        return self._said.pop(key)

    def decide(self, key: Key, hardware: str, boot: str) -> tuple[list[Card], list[Card]]:
        """An operator says which is true. Returns (believed now, refused now)."""
        cards = self.known.get(key, [])
        true = [one for one in cards if one.hardware == hardware and (not boot or one.boot == boot)]
        if not true:
            return [], []
        newest = max(true, key=lambda one: one.presence_ms)
        refused = [one for one in cards if one not in true and one.state != "former"]
        for one in true:
            one.state = "true" if one is newest else "former"
        for one in refused:
            one.state = "false"
        self.changed.add(key)
        return true, refused

    def _believe(self, known: list[Card], card: Card) -> None:
        """It takes the place of those before it. One that came later is on trial still: power that flickers brings
        boots faster than their trials end."""
        for one in known:
            later = one.state == "trial" and one.first_ms > card.first_ms
            if one is not card and one.state in SPEAKS_FOR_SITE and not later:
                one.state = "former"

    def _forget_some(self, known: list[Card]) -> None:
        for state in ("former", "false", "aside"):
            old = sorted((one for one in known[:-1] if one.state == state), key=lambda one: one.heard_ms)
            for one in old[: max(0, len(known) - MOST)]:
                known.remove(one)

    def write(self, connection: Connection, keys: Iterable[Key]) -> None:
        for site, agent in keys:
            table = schema.card
            rows = [{"site": site, "agent": agent, **asdict(card)} for card in self.known.get((site, agent), ())]
            if rows:
                kept = {(row["hardware"], row["boot"]) for row in rows}
                where = (table.c.site == site) & (table.c.agent == agent)
                stored = connection.execute(select(table.c.hardware, table.c.boot).where(where)).all()
                for hardware, boot in {tuple(row) for row in stored} - kept:
                    connection.execute(delete(table).where(where, table.c.hardware == hardware, table.c.boot == boot))
                upsert(connection, table, rows, ("site", "agent", "hardware", "boot"))
        self.changed = set()
