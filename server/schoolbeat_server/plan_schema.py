"""The shape of a plan file as a JSON Schema, for editors and for other programs; made from the structs that read it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from schoolbeat_server.plan_shape import AssumptionShape, PlanShape, TargetShape

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_TITLE = "SchoolBeat: tệp kế hoạch / plan file"
_ABOUT = (
    "`schoolbeat-server plan check TỆP` kiểm tra cả những điều lược đồ này không nói: tên chỉ số, giả định cần có,"
    " ngưỡng. / `schoolbeat-server plan check FILE` also checks what this schema does not say: indicators, assumptions,"
    " thresholds."
)
# Assumptions are read one by one, so that an error names the bad one; the structs say no more than that they exist.
_ASSUMED = (PlanShape, TargetShape)

_NUMBER = {"type": "integer"}  # YAML's own; our reader takes it as the text it was written as


def schema() -> dict[str, Any]:
    (top,), parts = msgspec.json.schema_components([PlanShape], ref_template="#/$defs/{name}")
    (_, more) = msgspec.json.schema_components([AssumptionShape], ref_template="#/$defs/{name}")
    parts = {**parts, **more}
    for shape in _ASSUMED:
        parts[shape.__name__]["properties"]["assumptions"]["additionalProperties"] = {
            "$ref": f"#/$defs/{AssumptionShape.__name__}"
        }
    value = parts[AssumptionShape.__name__]["properties"]["value"]["anyOf"]
    value.append(_NUMBER)
    value[1]["items"] = {"anyOf": [value[1]["items"], _NUMBER]}
    parts[TargetShape.__name__]["properties"]["count"]["anyOf"].append(_NUMBER)
    return {"$schema": _DIALECT, "title": _TITLE, "description": _ABOUT, **top, "$defs": parts}


def text() -> str:
    """As `schoolbeat-server plan schema` prints it and docs/plan.schema.json has it."""
    return json.dumps(schema(), ensure_ascii=False, indent=2, sort_keys=True) + "\n"
