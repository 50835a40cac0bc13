"""Availability: up, down, off and unknown seconds of a row of ledger minutes, and what they let one say."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN, UP_FULL

_NOT_PARTIAL = bytes(range(UP_FULL, 256))
_OUTSIDE_CLOCK = bytes([0xFF, 0x00]) + bytes(254)  # mask 0 -> 0xFF, which turns any ledger byte into UNKNOWN
_SHOWN_DECIMALS = range(1, 10)


@dataclass(frozen=True, slots=True)
class Availability:
    """Seconds of a window on one clock. Disputed seconds are among the unknown ones."""

    up_seconds: int
    down_seconds: int
    off_seconds: int
    unknown_seconds: int

    @property
    def all_seconds(self) -> int:
        return self.up_seconds + self.down_seconds + self.off_seconds + self.unknown_seconds

    @property
    def share(self) -> Fraction | None:
        """Up / (up + down). None when nothing was observed."""
        observed = self.up_seconds + self.down_seconds
        return Fraction(self.up_seconds, observed) if observed else None

    @property
    def coverage(self) -> Fraction:
        """(Up + down) / all. Zero for a window without a minute."""
        return Fraction(self.up_seconds + self.down_seconds, self.all_seconds or 1)

    def __add__(self, other: Availability) -> Availability:
        return Availability(
            self.up_seconds + other.up_seconds,
            self.down_seconds + other.down_seconds,
            self.off_seconds + other.off_seconds,
            self.unknown_seconds + other.unknown_seconds,
        )

    def at_least(self, share: Fraction, *, min_coverage: Fraction, off_is_down: bool) -> bool | None:
        """Whether the share was reached: True, False, or None for unknown.

        off_is_down: off seconds count as down and as covered (no power is no network); otherwise they are left out
        of the share, and like every unobserved second they are missing from the coverage. Below min_coverage the
        answer is unknown unless the known seconds alone decide it: reached though every unknown second were down,
        or missed though every one were up.
        """
        up = self.up_seconds
        known = up + self.down_seconds + (self.off_seconds if off_is_down else 0)
        asked = known + self.unknown_seconds
        if not asked:
            return None
        of, parts = share.denominator, share.numerator  # whole numbers: as exact, and several times as fast
        if up * of >= parts * asked:
            return True
        if (up + self.unknown_seconds) * of < parts * asked:
            return False
        if not known or known * min_coverage.denominator < min_coverage.numerator * self.all_seconds:
            return None
        return up * of >= parts * known


NOTHING = Availability(0, 0, 0, 0)


def availability(minutes: bytes, clock: bytes | None = None) -> Availability:
    """clock: for each minute 1 if it counts, 0 if not (lesson minutes); None: around the clock."""
    outside = 0
    if clock is not None:
        if len(clock) != len(minutes):
            raise ValueError(f"clock of {len(clock)} minutes for {len(minutes)} ledger minutes: must be as many")
        outside = clock.count(0)
        if outside:
            minutes = within(minutes, clock)
    off = minutes.count(OFF)
    unknown = minutes.count(UNKNOWN) + minutes.count(DISPUTED) - outside
    full = minutes.count(UP_FULL)
    partial = minutes.translate(None, _NOT_PARTIAL)
    up = UP_FULL * full + sum(partial)
    return Availability(up, 60 * (full + len(partial)) - up, 60 * off, 60 * unknown)


def within(minutes: bytes, clock: bytes) -> bytes:
    """The minutes with those outside the clock made UNKNOWN, as many of both: one OR over two large integers."""
    both = int.from_bytes(minutes, "big") | int.from_bytes(clock.translate(_OUTSIDE_CLOCK), "big")
    return both.to_bytes(len(minutes), "big")


def shown(share: Fraction, target: Fraction | None = None, *, point: str = ".") -> str:
    """A percentage as people read it: '99.9%', rounded down, never on the other side of the target than the share.

    One decimal, or as many as it takes to stand on the right side of the target; where no nine do (a share of two
    thirds that reaches a target of two thirds), the share is a fraction: '2/3'. 100% and 0% appear bare, and 100%
    only when nothing is missing. point: the decimal sign, ',' in Vietnamese.
    """
    if share in (0, 1):
        return f"{int(share) * 100}%"
    for decimals in _SHOWN_DECIMALS:
        scaled = share * 100 * 10**decimals
        whole = scaled.numerator // scaled.denominator
        if target is None or (Fraction(whole, 100 * 10**decimals) >= target) == (share >= target):
            break
    else:
        return str(share)
    before, after = divmod(whole, 10**decimals)
    return f"{before}{point}{after:0{decimals}d}%"


def shown_up(share: Fraction, most: Fraction, *, point: str = ".") -> str:
    """As shown, of what may be at most so much: rounded up, so that what is over it never reads as within it."""
    for decimals in _SHOWN_DECIMALS:
        scaled = share * 100 * 10**decimals
        whole = -(-scaled.numerator // scaled.denominator)
        if (Fraction(whole, 100 * 10**decimals) <= most) == (share <= most):
            break
    else:
        return str(share)
    before, after = divmod(whole, 10**decimals)
    bare = not after and share * 100 == before
    return f"{before}%" if bare else f"{before}{point}{after:0{decimals}d}%"
