"""The catalogue is whole: codes are unique, texts are there in both languages, bounds fit the wire."""

from __future__ import annotations

import pytest

from schoolbeat_wire import bounds, catalogue


def test_codes_that_travel_are_unique_and_lead_back_to_their_names() -> None:
    assert {catalogue.CAUSE_NAMES[code]: code for code in catalogue.CAUSE_NAMES} == {
        name: code for name, (code, _, _) in catalogue.CAUSES.items()
    }
    assert {catalogue.OFF_NAMES[code]: code for code in catalogue.OFF_NAMES} == {
        name: code for name, (code, _, _) in catalogue.OFF_REASONS.items()
    }
    assert len({catalogue.UNKNOWN, catalogue.OFF, catalogue.DISPUTED, *range(catalogue.UP_FULL + 1)}) == 64


def test_everything_has_a_text_in_vietnamese_and_in_english() -> None:
    texts = [(kind.vi, kind.en) for kind in catalogue.SIGNAL_KINDS.values()]
    texts += [(reading.vi, reading.en) for reading in catalogue.READINGS.values()]
    texts += [(vi, en) for _, vi, en in (*catalogue.CAUSES.values(), *catalogue.OFF_REASONS.values())]

    assert all(vi.strip() and en.strip() and vi != en for vi, en in texts)


def test_every_reading_fits_the_numbers_of_the_wire() -> None:
    for name, reading in catalogue.READINGS.items():
        assert reading.low < reading.high, name
        assert reading.high * 10**reading.decimals <= 2**54, name
        assert reading.low * 10**reading.decimals >= -(2**54), name


def test_the_rungs_of_the_ladder_stand_in_the_order_of_the_catalogue() -> None:
    ranked = {name: kind.rung for name, kind in catalogue.SIGNAL_KINDS.items() if kind.rung is not None}

    assert [name for name in sorted(ranked, key=lambda name: ranked[name]) if not name.endswith(".")] == list(
        catalogue.RUNGS
    )


def test_every_signal_kind_can_be_named_and_found() -> None:
    for name, kind in catalogue.SIGNAL_KINDS.items():
        signal = name + "x-1" if name.endswith(".") else name
        assert bounds.SIGNAL.fullmatch(signal)
        assert catalogue.kind_of(signal) == kind


@pytest.mark.parametrize("signal", ["device.", "device", "line.", "line.moon", "", ".", "router", "x.y"])
def test_a_signal_the_catalogue_does_not_know_is_a_key_error(signal: str) -> None:
    with pytest.raises(KeyError):
        catalogue.kind_of(signal)
