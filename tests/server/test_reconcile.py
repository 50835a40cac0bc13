"""Found, declared and booked side by side: what matches, what is strange, what is missing, what is there twice."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from schoolbeat_server.reconcile import Found, Holding, reconcile
from schoolbeat_server.register_values import Asset, Device


def device(ident: str, serial: str = "", kind: str = "board") -> Device:
    return Device("s", ident, f"Bảng {ident}", kind, "r1", "192.0.2.1", 0, "lan.router", serial=serial)


def asset(
    code: str, serial: str = "", *, device: str | None = None, quantity: int = 1, status: str = "in_use"
) -> Asset:
    return Asset("s", code, f"Tài sản {code}", serial=serial, device=device, quantity=quantity, status=status)


def states(holdings: list[Holding]) -> dict[tuple[str, str], str]:
    return {(one.device, one.asset): one.state for one in holdings}


def test_each_thing_stands_once_with_what_each_account_says() -> None:
    found = [Found("a", "", "board", ""), Found("x", "Máy lạ", "camera", "")]
    declared = [device("a", "S1"), device("b")]
    book = [asset("TS1", "S1"), asset("TS2"), asset("TS3", status="disposed"), asset("TS4", quantity=40)]

    told = reconcile("s", found, declared, book)

    assert states(told) == {
        ("x", ""): "stranger",
        ("a", "TS1"): "matched",
        ("b", ""): "declared",
        ("", "TS2"): "unseen",
        ("", "TS4"): "unseen",
    }
    assert [one.recorded for one in told] == [False, True, True, True, True]
    assert [one.quantity for one in told if one.asset == "TS4"] == [40]


def test_the_link_of_the_asset_book_goes_before_a_serial_number() -> None:
    told = reconcile("s", [], [device("a", "S1"), device("b")], [asset("TS1", "S1", device="b")])

    assert states(told) == {("a", ""): "declared", ("b", "TS1"): "declared"}


def test_a_serial_number_that_two_rows_have_ties_nothing_and_is_told() -> None:
    told = reconcile("s", [], [device("a", "S1")], [asset("TS1", "S1"), asset("TS2", "S1")])

    assert states(told) == {("a", ""): "declared", ("", "TS1"): "unseen", ("", "TS2"): "unseen"}
    assert [one.asset for one in told if one.duplicate] == ["TS1", "TS2"]


def test_an_asset_that_an_agent_found_is_on_record_though_the_register_forgot_it() -> None:
    told = reconcile("s", [Found("x", "", "camera", "")], [], [asset("TS1", device="x")])

    assert states(told) == {("x", "TS1"): "matched"}


def test_a_ghost_is_on_record_and_asked_and_never_answers() -> None:
    found, declared = [Found("a", "", "", ""), Found("b", "", "", "")], [device("a"), device("b")]

    told = reconcile("s", found, declared, [], {"a": False, "b": True})

    assert states(told) == {("a", ""): "ghost", ("b", ""): "matched"}


names = st.sampled_from("abcde")
serials = st.sampled_from(["", "S1", "S2", "S3"])


@given(
    st.lists(names, unique=True),
    st.lists(st.tuples(names, serials), unique_by=lambda pair: pair[0]),
    st.lists(
        st.tuples(st.sampled_from("12345"), serials, st.one_of(st.none(), names), st.integers(1, 3)),
        unique_by=lambda row: row[0],
    ),
)
def test_nothing_is_lost_and_nothing_stands_twice(
    found: list[str], declared: list[tuple[str, str]], book: list[tuple[str, str, str | None, int]]
) -> None:
    told = reconcile(
        "s",
        [Found(one, "", "", "") for one in found],
        [device(*pair) for pair in declared],
        [asset(code, serial, device=link, quantity=count) for code, serial, link, count in book],
    )

    devices = [one.device for one in told if one.device]
    assets = [one.asset for one in told if one.asset]
    known = {*found, *(one for one, _ in declared)}
    assert sorted(devices) == sorted(known)
    assert sorted(assets) == sorted(row[0] for row in book)
