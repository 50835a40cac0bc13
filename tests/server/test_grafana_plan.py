"""Names and uids of what grafana sync makes: whatever the register holds, Grafana takes them and we know them again."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from tests.server.registers import names

from schoolbeat_server.grafana_copies import _TO_DASHBOARD, copied_uid
from schoolbeat_server.grafana_plan import (
    GENERAL_FOLDERS,
    TEAM_HEADS,
    By,
    Place,
    is_our_folder,
    rights,
    whose_team,
)

bys = st.sampled_from(["commune", "school"])
ids = st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,38}[A-Za-z0-9])?", fullmatch=True)


@given(bys, ids, names)
def test_a_place_is_known_again_by_its_team_and_folder(by: By, ident: str, name: str) -> None:
    place = Place(by, ident, name * 20, {})

    assert whose_team(place.team) == (TEAM_HEADS[by], ident)
    assert is_our_folder(place.folder)
    assert re.fullmatch(r"[a-z0-9_-]{1,40}", place.folder)
    assert len(place.team) <= 190
    assert len(place.title) <= 189


@given(bys, st.lists(ids, min_size=2, max_size=2, unique=True))
def test_two_places_never_share_a_folder(by: By, two: list[str]) -> None:
    one, other = (Place(by, ident, "Trường A", {}) for ident in two)

    assert one.folder != other.folder
    assert Place("school", two[0], "A", {}).folder != Place("commune", two[0], "A", {}).folder


@given(st.text(max_size=80))
def test_what_others_made_is_not_taken_for_ours(name: str) -> None:
    assert whose_team(name) is None
    assert not any(is_our_folder(uid) for uid in (*GENERAL_FOLDERS, "", "sb-", "schoolbeat", name.replace("sb-", "")))


@given(ids, ids)
def test_a_copys_uid_is_one_of_grafana_and_can_be_linked_to(key: str, uid: str) -> None:
    told = copied_uid(key, uid)

    assert re.fullmatch(r"[a-z0-9_-]{1,40}", told)
    assert _TO_DASHBOARD.findall(f"/d/{told}?var-school=1") == [told]


def test_rights_are_the_teams_and_what_others_were_given_by_hand() -> None:
    items = [
        {"role": "Editor", "permission": 2, "teamId": 0, "userId": 0},
        {"role": "Viewer", "permission": 1, "inherited": True},
        {"teamId": 5, "permission": 4, "userId": 0},
        {"teamId": 6, "permission": 1, "inherited": True},
        {"teamId": 7, "permission": 2},
        {"userId": 9, "permission": 1, "teamId": 0},
    ]

    assert rights(items, 5) == [
        {"teamId": 5, "permission": 1},
        {"teamId": 7, "permission": 2},
        {"userId": 9, "permission": 1},
    ]
