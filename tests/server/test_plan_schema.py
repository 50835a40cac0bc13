"""The JSON Schema of plan files is that of the structs that read them, and every shipped plan obeys it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from schoolbeat_server import cli, plan_schema, plans, yaml_text
from schoolbeat_server.demo.own_plans import FILES as PLANS

KEPT = Path(__file__).parents[2] / "docs" / "plan.schema.json"
FILES = sorted([*plans.SHIPPED.glob("*.yaml"), *PLANS.glob("*.yaml")])

FIRST = plans.SHIPPED / "lao-cai-2022-2025.yaml"


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(KEPT.read_text(encoding="utf-8"))
    return found


def as_json(found: Any) -> Any:
    """What the reader makes of a file: whole numbers where the shape wants them, else text."""
    if isinstance(found, dict):
        return {
            key: [int(one) for one in value] if key == "smart_levels" else as_json(value)
            for key, value in found.items()
        }
    return [as_json(one) for one in found] if isinstance(found, list) else found


def test_the_kept_schema_is_what_the_command_prints_and_what_the_structs_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert cli.main(["plan", "schema"]) == 0

    printed = capsys.readouterr().out
    assert printed == plan_schema.text()
    assert KEPT.read_text(encoding="utf-8") == printed, "schoolbeat-server plan schema > docs/plan.schema.json"


def test_the_schema_is_one(schema: dict[str, Any]) -> None:
    jsonschema.Draft202012Validator.check_schema(schema)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_shipped_plan_obeys_it(path: Path, schema: dict[str, Any]) -> None:
    found, _ = yaml_text.parse(path.read_text(encoding="utf-8"))

    errors = [one.message for one in jsonschema.Draft202012Validator(schema).iter_errors(as_json(found))]

    assert errors == []


def _without(what: str) -> Any:
    found, _ = yaml_text.parse(FIRST.read_text(encoding="utf-8"))
    changed = as_json(found)
    target = changed["targets"][0]
    if what == "a quote":
        del target["quote"]
    elif what == "a known unit":
        target["unit"] = "village"
    elif what == "known keys only":
        target["treshold"] = "20 Mbit/s"
    elif what == "a reason of an assumption":
        del next(iter(changed["assumptions"].values()))["reason"]
    return changed


@pytest.mark.parametrize("what", ["a quote", "a known unit", "known keys only", "a reason of an assumption"])
def test_a_file_without_it_is_refused(what: str, schema: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(schema).validate(_without(what))
