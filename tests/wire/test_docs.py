"""docs/wire.md says what the code does: examples are decoded by it, tables compared with it."""

from __future__ import annotations

import ast
import base64
import json
import re
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import msgspec
import pytest

import schoolbeat_wire
from schoolbeat_wire import bounds, catalogue, inventory, messages, report, topics
from schoolbeat_wire.inventory import Column, Device, Inventory
from schoolbeat_wire.report import Report

DOCUMENT = (Path(__file__).parents[2] / "docs" / "wire.md").read_text(encoding="utf-8")
SMALL: dict[str, Callable[[bytes], Any]] = {
    "event": messages.decode_event,
    "presence": messages.decode_presence,
    "ack": messages.decode_ack,
    "config": messages.decode_config,
    "command": messages.decode_command,
}
STRUCTS: list[type[msgspec.Struct]] = [
    Report,
    Inventory,
    Column,
    Device,
    messages.Event,
    messages.Presence,
    messages.Ack,
    messages.Config,
    messages.WatchedDevice,
    messages.WatchedService,
    messages.Lesson,
    messages.Command,
]


def block(info: str) -> str:
    """The one fenced block with this info string."""
    found = re.findall(rf"^```{re.escape(info)}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    assert len(found) == 1, f"{len(found)} blocks {info!r}"
    return str(found[0])


def table(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading, without its head; code marks taken off."""
    section = re.split(rf"^##+ {re.escape(heading)}$", DOCUMENT, flags=re.MULTILINE)[1]
    lines = re.search(r"(?:^\|.*\n)+", section, re.MULTILINE)
    assert lines
    return [
        [cell.strip().removeprefix("`").removesuffix("`") for cell in line.strip("|").split(" | ")]
        for line in lines.group().splitlines()[2:]
    ]


def at(minute: int) -> str:
    return datetime.fromtimestamp(minute * 60, UTC).strftime("%Y-%m-%dT%H:%MZ")


def meaning(of: Report, with_inventory: Inventory) -> list[dict[str, Any]]:
    """A report in words and units, as the document tells it."""
    signals = with_inventory.signals
    return [
        {
            "seq": row.seq,
            "minute": at(row.minute),
            "seconds up": {
                signal: "unknown" if code == catalogue.UNKNOWN else code
                for signal, code in zip(signals, row.signals, strict=True)
            },
            "readings": {
                f"{subject} {column.reading}": value / 10 ** catalogue.READINGS[column.reading].decimals
                for column, values in zip(with_inventory.columns, row.values, strict=True)
                for subject, value in zip(column.subjects, values, strict=True)
                if value is not None
            },
            "could not measure": {
                with_inventory.probes[p]: [catalogue.CAUSE_NAMES[c], runs] for p, c, runs in row.failures
            },
            "down because": {signals[s]: catalogue.CAUSE_NAMES[c] for s, c in row.causes},
            "not observed": [[at(o.first_minute), o.count, "minutes", catalogue.OFF_NAMES[o.reason]] for o in row.off],
        }
        for row in report.unpack(of, with_inventory)
    ]


def test_the_example_of_a_report_is_decoded_to_what_the_document_says_it_means() -> None:
    of = inventory.decode(zlib.compress(block("json inventory=example").encode()))
    payload = base64.b64decode("".join(block("base64 report=example").split()), validate=True)

    received = report.decode(payload)

    assert inventory.with_revision(of) == of
    assert received.revision == of.revision
    assert json.loads(zlib.decompress(payload)) == json.loads(block("json report=example"))
    assert meaning(received, of) == json.loads(block("json meaning=example"))


def test_the_example_of_a_report_is_what_packing_its_minutes_gives() -> None:
    of = inventory.decode(zlib.compress(block("json inventory=example").encode()))
    received = report.decode(zlib.compress(block("json report=example").encode()))

    assert report.pack(received.epoch, of.revision, report.unpack(received, of), of) == received


@pytest.mark.parametrize("kind", sorted(SMALL))
def test_the_example_of_a_small_message_is_one_and_has_no_field_that_is_not_read(kind: str) -> None:
    written = json.loads(block(f"json {kind}"))

    received = SMALL[kind](block(f"json {kind}").encode())

    assert json.loads(messages.encode(received)) == written


@pytest.mark.parametrize("struct", STRUCTS, ids=lambda struct: struct.__name__)
def test_the_fields_of_a_message_are_those_of_the_document(struct: type[msgspec.Struct]) -> None:
    told = [(field, kind, default) for field, kind, default, _ in table(f"`{struct.__name__}`")]

    assert told == [(f.encode_name, _type(f.type), _default(f)) for f in msgspec.structs.fields(struct)]


def _type(of: Any) -> str:
    """A Python type in the document's words."""
    inner = get_args(of)
    if get_origin(of) is list:
        return f"[{_type(inner[0])}]"
    if get_origin(of) is tuple:
        return f"[{_type(inner[0])} × {len(inner)}]"
    if get_origin(of) is dict:
        return f"{{{_type(inner[0])}: {_type(inner[1])}}}"
    if get_origin(of) is Literal:
        return "string"
    return {str: "string", int: "integer", bool: "boolean", bytes: "bytes"}.get(of) or str(of.__name__)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.default_factory is not msgspec.NODEFAULT:
        return json.dumps(field.default_factory())
    return "required" if field.default is msgspec.NODEFAULT else json.dumps(field.default)


def test_the_bounds_are_those_of_the_document() -> None:
    told = {name: int(value) for name, value, _ in table("Bounds")}

    assert told == {name: value for name, value in vars(bounds).items() if name.isupper() and isinstance(value, int)}


NAMED = ("NAME", "SIGNAL", "SUBJECT", "PROBE", "TOKEN", "DIGEST", "DAY")


def test_the_forms_of_names_are_those_of_the_document() -> None:
    told = dict(re.findall(r"^\| `([A-Z]+)` \| `(\S+)` \| ", DOCUMENT, re.MULTILINE))

    assert told == {name: getattr(bounds, name).pattern for name in NAMED}


def test_the_topics_are_those_of_the_document() -> None:
    told = [(row[0], row[1]) for row in table("Topics")]

    assert told == [(kind, "agent") for kind in topics.FROM_AGENT] + [(kind, "server") for kind in topics.FROM_SERVER]
    assert f"`{topics.ROOT}/{topics.VERSION}/{{site}}/{{agent}}/{{kind}}`" in DOCUMENT


def test_every_reason_for_which_the_wire_refuses_is_in_the_document() -> None:
    raised = {
        node.args[0].value
        for path in Path(schoolbeat_wire.__file__).parent.glob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "WireError"
        if isinstance(node.args[0], ast.Constant)
    }

    assert {reason for reason, _ in table("Why a message is refused")} == raised


def test_the_catalogue_of_signals_is_that_of_the_document() -> None:
    assert table("Catalogue of signals") == [
        [name, str(kind.hold_seconds), kind.clock, str(kind.rung or ""), kind.vi, kind.en]
        for name, kind in catalogue.SIGNAL_KINDS.items()
    ]


def test_the_catalogue_of_device_kinds_is_that_of_the_document() -> None:
    assert table("Catalogue of device kinds") == [
        [name, str(kind.hold_seconds), kind.clock, kind.vi, kind.en] for name, kind in catalogue.DEVICE_KINDS.items()
    ]


def test_the_catalogue_of_readings_is_that_of_the_document() -> None:
    assert table("Catalogue of readings") == [
        [name, it.unit, str(it.decimals), str(it.low), str(it.high), it.vi, it.en]
        for name, it in catalogue.READINGS.items()
    ]


@pytest.mark.parametrize(
    ("heading", "codes"),
    [("Catalogue of causes", catalogue.CAUSES), ("Catalogue of off reasons", catalogue.OFF_REASONS)],
)
def test_the_codes_of_the_catalogue_are_those_of_the_document(
    heading: str, codes: dict[str, tuple[int, str, str]]
) -> None:
    assert table(heading) == [[str(code), name, vi, en] for name, (code, vi, en) in codes.items()]
