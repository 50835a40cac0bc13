"""A table as an answer: a file to take away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from fastapi import Response

from schoolbeat_server.table_files import to_csv, to_json, to_xlsx
from schoolbeat_server.tables import Table

Format = Literal["csv", "xlsx", "json"]
FORMATS: tuple[Format, ...] = ("csv", "xlsx", "json")
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"


def as_file(table: Table, kind: Format, language: str, day: str, head: Sequence[tuple[str, str]] = ()) -> Response:
    """day: in its name, that of the figures. head: what it is, on a workbook's first sheet."""
    if kind == "json":
        text = json.dumps(to_json(table) | {"head": dict(head)}, ensure_ascii=False)
        return Response(text, media_type="application/json")
    made = to_csv(table, language) if kind == "csv" else to_xlsx([table], language, head)
    media = "text/csv; charset=utf-8" if kind == "csv" else XLSX
    name = f"schoolbeat-{table.name}-{day}.{kind}"  # ids of plans and targets are plain ASCII
    return Response(made, media_type=media, headers={"Content-Disposition": f'attachment; filename="{name}"'})
