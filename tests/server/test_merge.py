"""Joining accounts of the same minutes, against a second opinion that sees all accounts at once."""

from __future__ import annotations

from functools import reduce
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server import oracle_ledger

from schoolbeat_server import merge
from schoolbeat_wire.catalogue import DISPUTED, OFF, UNKNOWN

CODES = [*range(61), DISPUTED, OFF, UNKNOWN]
code = st.one_of(st.sampled_from([UNKNOWN, OFF, DISPUTED, 0, 60]), st.sampled_from(CODES))


def rows(count: int) -> st.SearchStrategy[list[bytes]]:
    """Rows of one length, some of them all unknown."""
    return st.integers(0, 20).flatmap(
        lambda width: st.lists(
            st.one_of(st.just(bytes([UNKNOWN]) * width), st.lists(code, min_size=width, max_size=width).map(bytes)),
            min_size=1,
            max_size=count,
        )
    )


def test_the_join_of_any_two_codes_is_what_the_oracle_says() -> None:
    for a in CODES:
        for b in CODES:
            assert merge.join(bytes([a]), bytes([b])) == bytes([oracle_ledger.merged([a, b])]), (a, b)


def test_the_join_of_codes_commutes_associates_and_repeats_freely() -> None:
    few = [UNKNOWN, OFF, DISPUTED, 0, 1, 59, 60]
    for a in few:
        assert merge.join_codes(a, a) == a
        for b in few:
            assert merge.join_codes(a, b) == merge.join_codes(b, a)
            for c in few:
                assert merge.join_codes(merge.join_codes(a, b), c) == merge.join_codes(a, merge.join_codes(b, c))


@given(rows(4))
def test_any_order_and_any_repetition_of_accounts_give_the_same_row(accounts: list[bytes]) -> None:
    expected = bytes(oracle_ledger.merged(list(minute)) for minute in zip(*accounts, strict=True))

    joined = {reduce(merge.join, [*order, *order[:2]]) for order in permutations(accounts)}

    assert joined == {expected}


@given(rows(1))
def test_an_unknown_row_changes_nothing(account: list[bytes]) -> None:
    nothing = bytes([UNKNOWN]) * len(account[0])

    assert merge.join(account[0], nothing) == account[0]
    assert merge.join(nothing, account[0]) == account[0]


def test_two_different_values_are_disputed_and_never_chosen_between() -> None:
    assert merge.join(bytes([60, 60, 0, OFF, UNKNOWN]), bytes([59, 60, UNKNOWN, 7, OFF])) == bytes(
        [DISPUTED, 60, 0, 7, OFF]
    )


def test_rows_of_different_length_are_refused() -> None:
    with pytest.raises(ValueError, match="cannot join 2 minutes with 3"):
        merge.join(b"\x00\x00", b"\x00\x00\x00")
