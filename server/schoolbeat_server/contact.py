"""Contact: whether the server hears from a site's gateway, second by second; what it could not know is unknown."""

from __future__ import annotations

from dataclasses import dataclass, field

from schoolbeat_server.server_away import EVERYONE_MS, Breaks, Why, nobody_since
from schoolbeat_wire.catalogue import UNKNOWN

HOLD_MS = 90_000  # a report or event must have come within
METERED_HOLD_MS = 390_000  # on lines marked metered a message comes every 5 minutes
BLIND_MS = 60_000  # after broker or server came back, silence says nothing for so long
STALL_SECONDS = 15  # looking later than this saw nothing of the time between
MOST_STALL_MS = 900_000  # of our own that is told as one
BACK_MS = 1_000  # the clock may be slewed back by so much


@dataclass
class SiteContact:
    """What is known of one gateway. All times are the server's, in ms."""

    session: bool = False
    dropped_ms: int = 0  # when the session ended
    heard_ms: int = 0  # the last report, event or presence of its own
    hold_ms: int = HOLD_MS
    lost_ms: int | None = None  # contact is or was lost since
    back_ms: int | None = None  # contact is back, its cause still open
    back_epoch: str = ""
    back_next: int = 0


def lost_since(contact: SiteContact, now_ms: int, blind_until_ms: int) -> int | None:
    """Since when contact is lost; None when it is not, or when we could not know, or before the first word."""
    if not contact.heard_ms or now_ms < blind_until_ms:
        return None
    if not contact.session:
        return max(contact.dropped_ms, contact.heard_ms, blind_until_ms)
    silent_from = contact.heard_ms + contact.hold_ms
    return max(silent_from, blind_until_ms) if now_ms > silent_from else None


@dataclass
class ContactBook:
    """The contact of every site, and its seconds of the running minute."""

    blind_until_ms: int
    sites: dict[str, SiteContact] = field(default_factory=dict)
    minute: int = 0
    last_second: int = 0
    up: dict[str, int] = field(default_factory=dict)
    seconds_seen: int = 0
    blind_in_minute: bool = True
    changed: set[str] = field(default_factory=set)
    whole: set[str] = field(default_factory=set)  # heard of before the running minute began
    looked_ms: int = 0
    nobody_ms: int | None = None  # since then nobody is heard, so that it may be our own side
    areas: dict[str, str] = field(default_factory=dict)  # by site
    breaks: Breaks = field(default_factory=Breaks)

    def is_blind(self, now_ms: int) -> bool:
        """Silence says nothing of a school now."""
        return now_ms < self.blind_until_ms or self.nobody_ms is not None

    def of(self, site: str) -> SiteContact:
        found = self.sites.get(site)
        if found is None:
            found = self.sites[site] = SiteContact()
        return found

    def hear(self, site: str, now_ms: int) -> None:
        """A report or event, not a retained one: whoever sends it has a session, whatever presence said or did not."""
        contact = self.of(site)
        contact.heard_ms, contact.session = now_ms, True

    def keep_only(self, sites: set[str]) -> None:
        """The others have no gateway any more: nothing is awaited from them."""
        for site in self.sites.keys() - sites:
            del self.sites[site]
            self.changed.discard(site)

    def blind(self, now_ms: int, why: Why = "broker") -> None:
        """Broker or server are away now: nothing that follows can be known until BLIND_MS after they are back."""
        self._blind_until(now_ms)
        self.breaks.note(now_ms, why)

    def _blind_until(self, now_ms: int) -> None:
        self.blind_until_ms = max(self.blind_until_ms, now_ms + BLIND_MS)
        self.blind_in_minute = True

    def begin_anew(self, now_ms: int) -> None:
        """Our clock is right again: what was reckoned by the wrong one is forgotten."""
        self.looked_ms, self.blind_until_ms = 0, now_ms
        self._blind_until(now_ms)

    def turn(self, now_ms: int) -> None:
        """Moves every site between heard, lost and back; `changed` collects those that moved."""
        self._mind_time(now_ms)
        if now_ms < self.blind_until_ms:
            return
        for site, contact in self.sites.items():
            since = lost_since(contact, now_ms, self.blind_until_ms)
            if since is not None and (contact.lost_ms is None or contact.back_ms is not None):
                contact.lost_ms = since if contact.lost_ms is None else contact.lost_ms
                contact.back_ms = None
                self.changed.add(site)
            elif since is None and contact.lost_ms is not None and contact.back_ms is None:
                contact.back_ms = now_ms
                self.changed.add(site)
        self._mind_everyone(now_ms)

    def _mind_everyone(self, now_ms: int) -> None:
        """When nobody at all is heard any more it is no school's fault, as far as anybody can say."""
        before_ms, self.nobody_ms = self.nobody_ms, nobody_since(self.sites, self.areas)
        if self.nobody_ms is not None:
            self.blind_in_minute = True
            if now_ms - self.nobody_ms >= EVERYONE_MS:
                self.breaks.add(self.nobody_ms, now_ms, "everyone")
        elif before_ms is not None and now_ms - before_ms >= EVERYONE_MS:
            self._blind_until(now_ms)  # the others need a while to come back

    def _mind_time(self, now_ms: int) -> None:
        """After a stall of ours, or a step of the clock, silence says nothing: what came meanwhile is still unread."""
        passed = now_ms - self.looked_ms
        if not self.looked_ms or passed < -BACK_MS:
            self._none_later_than(now_ms)
        if self.looked_ms and not -BACK_MS <= passed <= STALL_SECONDS * 1000:
            self.blind_until_ms = min(self.blind_until_ms, now_ms)  # it may be of a clock that was ahead
            self._blind_until(now_ms)
            if 0 < passed <= MOST_STALL_MS:  # more may be a step of the clock
                self.breaks.add(self.looked_ms, now_ms, "stalled")
        self.looked_ms = now_ms

    def _none_later_than(self, now_ms: int) -> None:
        """A time from a clock that was ahead would hide a silence until we come to it."""
        for contact in self.sites.values():
            contact.heard_ms, contact.dropped_ms = min(contact.heard_ms, now_ms), min(contact.dropped_ms, now_ms)
            contact.lost_ms = None if contact.lost_ms is None else min(contact.lost_ms, now_ms)
            contact.back_ms = None if contact.back_ms is None else min(contact.back_ms, now_ms)

    def tick(self, now_ms: int) -> tuple[int, dict[str, int]] | None:
        """Once a second. Returns (minute, {site: seconds up or UNKNOWN}) when a minute is over."""
        self.turn(now_ms)
        second = now_ms // 1000
        over = None
        if second // 60 != self.minute:
            over = self._close()
            self._begin(second // 60, new=second % 60 > STALL_SECONDS)
        if second < self.last_second:
            self.last_second = second - 1
        passed = min(second - self.last_second, second % 60 + 1)
        if passed > 0:
            self.last_second = second
            self.seconds_seen += passed
            if now_ms < self.blind_until_ms:
                self.blind_in_minute = True
            for site, contact in self.sites.items():
                if (contact.heard_ms and contact.lost_ms is None) or contact.back_ms is not None:
                    self.up[site] = self.up.get(site, 0) + passed
        return over

    def _begin(self, minute: int, *, new: bool) -> None:
        self.minute, self.up, self.seconds_seen, self.blind_in_minute = minute, {}, 0, new
        self.whole = {site for site, contact in self.sites.items() if contact.heard_ms}

    def _close(self) -> tuple[int, dict[str, int]] | None:
        if not self.minute:
            return None
        if self.blind_in_minute:
            return self.minute, {site: UNKNOWN for site, contact in self.sites.items() if contact.heard_ms}
        rest = 60 - self.seconds_seen  # the last second before the turn was not ticked
        return self.minute, {
            site: self._seconds_up(site, rest) if site in self.whole else UNKNOWN
            for site, contact in self.sites.items()
            if contact.heard_ms
        }

    def _seconds_up(self, site: str, rest: int) -> int:
        up = self.up.get(site, 0)
        return min(60, up + (rest if up == self.seconds_seen else 0))
