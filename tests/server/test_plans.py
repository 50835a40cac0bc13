"""Plan files: the shipped one quotes its document exactly; every error names file, line, key, value and what is allowed."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from pathlib import Path

import pytest

from schoolbeat_server.indicators import INDICATORS
from schoolbeat_server.plans import SHIPPED, STANDARD, PlanError, all_plans, available, load_plan, parse
from schoolbeat_server.plans_shown import indicators_table
from schoolbeat_server.said import Said
from schoolbeat_server.targets import Assumption, Condition, Filter, Plan, Target

SEEDS = Path(__file__).parents[3] / "shared" / "seeds"
DOCS = Path(__file__).parents[2] / "docs"
LAO_CAI = SHIPPED / "lao-cai-2022-2025.yaml"

SMALL = """plan: p
document: {vi: Kế hoạch, en: Plan}
issuer: {vi: Sở, en: Department}
targets:
  - target: T
    name: {vi: Tên, en: Name}
    clause: {vi: Mục 1, en: Item 1}
    quote: {vi: Trích, en: Quote}
    unit: site
    share: 2/3
    deadline: 2025-12-31
    filter:
      levels: [tiểu học]
    conditions:
      - {indicator: line.upload.median, at_least: fast}
    assumptions:
      site_kinds: {value: [main, satellite], reason: {vi: Vì, en: Because}, source: S}
      fast: {value: 1.5 Mbit/s, reason: {vi: Vì, en: Because}, source: S}
      lines: {value: every, reason: {vi: Vì, en: Because}, source: S}
      min_tests: {value: 3, reason: {vi: Vì, en: Because}, source: S}
      window_days: {value: 30, reason: {vi: Vì, en: Because}, source: S}
"""


def test_a_plan_file_becomes_a_plan() -> None:
    plan = parse(SMALL, "p.yaml")

    because = Said("Vì", "Because")
    values = {
        "site_kinds": "main, satellite",
        "fast": "1.5 Mbit/s",
        "lines": "every",
        "min_tests": "3",
        "window_days": "30",
    }
    target = Target(
        id="T",
        name=Said("Tên", "Name"),
        clause=Said("Mục 1", "Item 1"),
        quote=Said("Trích", "Quote"),
        unit="site",
        filter=Filter(levels=("primary",), site_kinds=("main", "satellite")),
        conditions=(Condition("line.upload.median", "fast", at_least=Fraction(1_500_000)),),
        share=Fraction(2, 3),
        deadline=date(2025, 12, 31),
        window_days=30,
        clock="always",
        min_coverage=Fraction(1),
        off="left_out",
        lines="every",
        sites="every",
        devices="every",
        min_tests=3,
        assumptions=tuple(Assumption(name, value, because, "S") for name, value in values.items()),
    )
    assert plan == Plan("p", Said("Kế hoạch", "Plan"), Said("Sở", "Department"), "p.yaml", (target,))


def test_the_plan_of_lao_cai_states_fibre_by_school_and_high_speed_by_satellite_site() -> None:
    targets = {target.id: target for target in load_plan(LAO_CAI).targets}

    fibre, high_speed, every_site = targets["T1"], targets["T2"], targets["T2.all"]
    assert (fibre.unit, fibre.share, fibre.deadline) == ("school", Fraction(1), date(2025, 12, 31))
    assert (high_speed.unit, high_speed.share, high_speed.filter.site_kinds) == (
        "site",
        Fraction(9, 10),
        ("satellite",),
    )
    assert (every_site.variant_of, every_site.filter.site_kinds) == ("T2", ("main", "satellite"))
    assert fibre.conditions == (
        Condition("line.technology", "technologies", one_of=("fibre",)),
        Condition("line.internet.availability", "min_availability", at_least=Fraction(95, 100)),
    )
    assert high_speed.conditions == (Condition("line.download.median", "high_speed", at_least=Fraction(20_000_000)),)


def test_the_shipped_plans_hold_the_promises_of_five_documents_and_five_yardsticks() -> None:
    told = {plan.id: [target.id for target in plan.targets] for plan in available().values()}

    assert {name: ids for name, ids in told.items() if not name.startswith("profile-")} == {
        "bim-son-2023-2025": ["T3", "T5", "T6", "T7", "T8", "T11", "T13", "T14", "T17", "T18"],
        "lao-cai-2022-2025": ["T1", "T2", "T2.all", "T7", "T9", "T12", "T13", "T14", "T16", "T18"],
        "quang-binh-kh-1414": ["T4", "T4.mountain", "T8", "T10", "T13", "T15", "T17"],
        "quang-ninh": ["fibre", "rooms.1395", "rooms.level1", "rooms.level2", "rooms.online", "cameras", "network"],
        "quynh-phu": ["platform", "online"],
    }
    assert {name for name in told if name.startswith("profile-")} == {
        "profile-brazil-enec",
        "profile-contract-80",
        "profile-giga-itu",
        "profile-qcvn-34",
        "profile-uk-dfe",
    }


def test_a_claim_is_no_promise_and_a_profile_promises_nothing() -> None:
    plans = available()

    assert {plan.id for plan in plans.values() for target in plan.targets if target.claim} == {
        "quang-ninh",
        "quynh-phu",
    }
    assert all((plan.kind == "profile") == plan.id.startswith("profile-") for plan in plans.values())


def test_followed_are_those_that_are_named_and_all_of_the_operators_own(tmp_path: Path) -> None:
    (tmp_path / "p.yaml").write_text(SMALL, encoding="utf-8")

    assert [plan.id for plan in all_plans(tmp_path, ["quynh-phu"])] == ["quynh-phu", "p"]
    assert len(all_plans(None, ["*"])) == len(available()) == 10
    assert all_plans(None, []) == []
    with pytest.raises(PlanError, match="follow = 'lao-cai': không có kế hoạch này; có sẵn: bim-son"):
        all_plans(None, ["lao-cai"])


def test_every_assumption_of_every_shipped_plan_has_a_reason_in_both_languages_and_a_source() -> None:
    assumptions = [one for plan in available().values() for target in plan.targets for one in target.assumptions]

    assert len(assumptions) >= 100
    assert all(one.reason.vi and one.reason.en and one.source for one in assumptions)


@pytest.mark.skipif(
    not SEEDS.is_dir(), reason="the documents that are quoted lie beside the checkout, in ../shared/seeds"
)
@pytest.mark.parametrize(
    ("name", "seed"),
    [
        ("quang-binh-kh-1414", "000"),
        ("lao-cai-2022-2025", "001"),
        ("bim-son-2023-2025", "002"),
        ("quang-ninh", "003"),
        ("quynh-phu", "004"),
    ],
)
def test_the_quotes_stand_word_for_word_in_the_document(name: str, seed: str) -> None:
    """Lines of the document may be broken anywhere; [sic] marks an error that is the document's own."""
    (path,) = SEEDS.glob(f"{seed}*.txt")
    document = " ".join(path.read_text(encoding="utf-8").split())

    plan = available()[name]

    quotes = [plan.document.vi, *(target.quote.vi.replace(" [sic]", "") for target in plan.targets)]
    assert [quote for quote in quotes if quote not in document] == []


def changed(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new)


REASON = "reason: {vi: Vì, en: Because}, source: S}"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("share: 2/3", "share: 66"), "p.yaml:10: targets[1].share = '66': allowed is a percentage as 90%"),
        (changed("share: 2/3", "share: 0%"), "p.yaml:10: targets[1].share = '0%': allowed is"),
        (changed("share: 2/3", "share: 101%"), "p.yaml:10: targets[1].share = '101%': allowed is"),
        (
            changed("share: 2/3", "shares: 2/3"),
            "p.yaml:10: targets[1].shares = '2/3': unknown key; did you mean share?",
        ),
        (changed("    share: 2/3\n", ""), "p.yaml:5: targets[1]: exactly one of share and count is needed"),
        (changed("2025-12-31", "31/12/2025"), "p.yaml:11: targets[1].deadline = '31/12/2025': allowed is a date as"),
        (changed("unit: site", "unit: class"), "p.yaml:9: targets[1].unit = 'class': allowed is school | site"),
        (changed("tiểu học", "đại học"), "p.yaml:13: targets[1].filter.levels[1] = 'đại học': allowed is preschool |"),
        (changed("levels: [tiểu học]", "room_kinds: [smart]"), "targets[1].filter.room_kinds: is only for unit: room"),
        (
            changed("line.upload.median", "line.upload.mean"),
            "p.yaml:15: targets[1].conditions[1].indicator = 'line.upload.mean': unknown indicator;"
            " did you mean line.upload.median?",
        ),
        (
            changed("at_least: fast", "one_of: fast"),
            "p.yaml:15: targets[1].conditions[1]: line.upload.median needs the keys: at_least (each an assumption's name)",
        ),
        (
            changed("at_least: fast", "at_least: faster"),
            "p.yaml:15: targets[1].conditions[1].at_least = 'faster': no such assumption; there are site_kinds, fast",
        ),
        (
            changed("1.5 Mbit/s", "1.5"),
            "p.yaml:18: targets[1].assumptions.fast.value = '1.5': allowed is a speed as '20 Mbit/s'",
        ),
        (
            changed("value: every", "value: main"),
            "p.yaml:19: targets[1].assumptions.lines.value = 'main': allowed is any | every",
        ),
        (
            changed("value: 30", "value: 400"),
            "p.yaml:21: targets[1].assumptions.window_days.value = '400': allowed is a whole number from 1 to 366",
        ),
        (
            changed(f"      min_tests: {{value: 3, {REASON}\n", ""),
            "p.yaml:16: targets[1].assumptions: the assumption min_tests is missing (a whole number from 1 to 10000)",
        ),
        (
            SMALL + f"      other: {{value: 3, {REASON}\n",
            "p.yaml:22: targets[1].assumptions.other: this assumption has no effect; used are fast, lines,",
        ),
        (
            changed("min_tests: {value: 3, reason: {vi: Vì, en: Because}, source: S}", "min_tests: {value: 3}"),
            "p.yaml:20: targets[1].assumptions.min_tests: key reason is missing",
        ),
        (changed("min_tests: {value: 3, reason: {vi: Vì, en: Because}, source: S}", "min_tests: 3"), "p.yaml:20: "),
        (changed("document: {vi: Kế hoạch, en: Plan}", "document: Kế hoạch"), "p.yaml:2: document = 'Kế hoạch': wrong"),
        (changed("en: Plan}", "en: }"), "p.yaml:2: document.en: wrong shape"),
        (changed("plan: p", "plan: kế hoạch"), "p.yaml:1: plan = 'kế hoạch': allowed is an id of 1-60 of A-Z"),
        ("plan: [", "p.yaml:2: not YAML"),
        ("", "p.yaml:1: "),
    ],
)
def test_an_error_names_file_line_key_value_and_what_is_allowed(text: str, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse(text, "p.yaml")

    assert said in caught.value.said.en


def test_errors_speak_vietnamese_first() -> None:
    with pytest.raises(PlanError) as caught:
        parse(changed("document: {vi: Kế hoạch, en: Plan}", "document: Kế hoạch"), "p.yaml")

    assert str(caught.value) == ("p.yaml:2: document = 'Kế hoạch': sai dạng (cần các cặp khóa: giá trị, lại là chữ)")


def test_a_condition_on_devices_needs_devices_to_count() -> None:
    text = changed("line.upload.median", "device.availability")

    with pytest.raises(PlanError, match=r"chỉ dùng với unit: room \| device"):
        parse(text, "p.yaml")


def test_two_targets_may_not_share_an_id() -> None:
    second = SMALL[SMALL.index("  - target: T") :]

    with pytest.raises(PlanError, match=r"p\.yaml:22: targets\[2\]\.target = 'T': mã này đã dùng ở trên"):
        parse(SMALL + second, "p.yaml")


def test_a_folder_adds_plans_and_replaces_a_shipped_one_of_the_same_id(tmp_path: Path) -> None:
    own = tmp_path / "lao-cai.yaml"
    own.write_text(LAO_CAI.read_text(encoding="utf-8").replace("20 Mbit/s", "50 Mbit/s"), encoding="utf-8")
    (tmp_path / "p.yaml").write_text(SMALL, encoding="utf-8")

    plans = all_plans(tmp_path)

    assert [(plan.id, plan.file) for plan in plans] == [
        ("lao-cai-2022-2025", str(own)),
        ("p", str(tmp_path / "p.yaml")),
    ]
    assert plans[0].targets[1].conditions[0].at_least == 50_000_000


def test_a_folder_with_one_plan_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(SMALL, encoding="utf-8")
    (tmp_path / "b.yml").write_text(SMALL, encoding="utf-8")

    with pytest.raises(PlanError, match=r"b\.yml: kế hoạch 'p' đã có ở .*a\.yaml"):
        all_plans(tmp_path)


def test_a_plan_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(PlanError, match="không có thư mục kế hoạch này"):
        all_plans(tmp_path / "plans")


def test_the_document_on_plans_names_every_standard_assumption() -> None:
    text = (DOCS / "plans.md").read_text(encoding="utf-8")

    assert [name for name in STANDARD if f"`{name}`" not in text] == []


def test_the_document_on_indicators_holds_the_table_that_the_code_makes() -> None:
    text = (DOCS / "indicators.md").read_text(encoding="utf-8")

    assert indicators_table() in text


def test_every_indicator_says_in_both_languages_what_it_says() -> None:
    assert all(one.about.vi and one.about.en and one.name.vi and one.name.en for one in INDICATORS.values())


SHARED = SMALL.replace(
    "      window_days: {value: 30, reason: {vi: Vì, en: Because}, source: S}\n",
    "assumptions:\n  window_days: {value: 14, reason: {vi: Vì, en: Because}, source: S}\n",
)


def test_an_assumption_of_the_whole_file_stands_for_every_target_that_uses_it() -> None:
    plan = parse(SHARED, "p.yaml")

    assert plan.targets[0].window_days == 14
    assert "window_days" in [one.name for one in plan.targets[0].assumptions]


def test_a_targets_own_assumption_goes_before_that_of_the_file() -> None:
    second = SMALL[SMALL.index("  - target: T") :].replace("target: T", "target: U")
    shared = "assumptions:\n  window_days: {value: 14, reason: {vi: Vì, en: Because}, source: S}\n"
    lines = second.splitlines(keepends=True)[:-1]

    plan = parse(SMALL + "".join(lines) + shared, "p.yaml")

    assert [target.window_days for target in plan.targets] == [30, 14]


def test_an_assumption_of_the_whole_file_that_no_target_uses_is_refused() -> None:
    with pytest.raises(PlanError, match=r"p\.yaml:23: assumptions\.clock: không chỉ tiêu nào dùng giả định này"):
        parse(SMALL + "assumptions:\n  clock: {value: lessons, reason: {vi: V, en: B}, source: S}\n", "p.yaml")


def test_a_number_of_units_may_stand_instead_of_a_share() -> None:
    plan = parse(changed("share: 2/3", "count: 263"), "p.yaml")

    assert (plan.targets[0].count, plan.targets[0].share) == (263, 0)


def test_only_a_profile_may_leave_the_deadline_out() -> None:
    without = changed("    deadline: 2025-12-31\n", "")

    assert parse("kind: profile\n" + without, "p.yaml").targets[0].deadline is None
    with pytest.raises(PlanError, match="thiếu khóa deadline"):
        parse(without, "p.yaml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed("share: 2/3", "share: 120%"), "share = '120%': allowed is a percentage"),
        (changed("2025-12-31", "2025-02-30"), "deadline = '2025-02-30': allowed is a date"),
        (changed("2025-12-31", "0001-01-01"), "deadline = '0001-01-01': allowed is a date"),
        (changed("    quote: {vi: Trích, en: Quote}\n", ""), "targets[1]: key quote is missing"),
        (changed("share: 2/3", "share: 2/3\n    variant_of: T9"), "variant_of = 'T9': no such target above"),
        (changed("at_least: fast}", "at_least: fast, of: fast}"), "needs the keys: at_least"),
        (changed("at_least: fast}", "at_least: fast, up_to: fast}"), "needs the keys: at_least"),
    ],
)
def test_what_a_plan_may_not_say_is_refused_by_name(text: str, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse(text, "p.yaml")

    assert said in caught.value.said.en
