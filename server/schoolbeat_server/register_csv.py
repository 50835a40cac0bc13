"""One section's table as CSV text -> rows, as spreadsheets in Viet Nam save it."""

from __future__ import annotations

import csv
import io
import itertools
from collections.abc import Iterator

from schoolbeat_server.register_headings import MOST_ROWS_ABOVE, column_of, header_at
from schoolbeat_server.register_rows import Fault, Place, Progress, RegisterError, Row, whole_file
from schoolbeat_server.said import Said

MOST_ROWS = 500_000
PROGRESS_ROWS = 5_000
# A cell that begins with one of these is taken for a formula by a spreadsheet that opens the file.
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def guarded(text: str) -> str:
    """The text as it may stand in a CSV file that somebody opens with a spreadsheet."""
    return f"'{text}" if text.lstrip("'").startswith(FORMULA_SIGNS) else text


def _unguarded(text: str) -> str:
    return text[1:] if text[:1] == "'" and text.lstrip("'").startswith(FORMULA_SIGNS) else text


def rows(file: str, section: str, text: str, faults: list[Fault], progress: Progress | None = None) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        return _rows(file, section, reader, faults, progress)
    except csv.Error as error:
        place = Place(file, reader.line_num)
        faults.append(Fault(place, "", None, Said(f"không đọc được CSV: {error}", f"not CSV: {error}")))
        return []


def _delimiter(text: str) -> str:
    """A Vietnamese Excel writes semicolons, and may say so in a first line of its own."""
    head = text.partition("\n")[0].strip()
    if head.lower().startswith("sep=") and len(head) == 5:
        return head[4]
    heads = text[:20_000].splitlines()[:MOST_ROWS_ABOVE]
    return max(",;\t", key=lambda sign: max((line.count(sign) for line in heads), default=0))


def _rows(
    file: str, section: str, reader: Iterator[list[str]], faults: list[Fault], progress: Progress | None
) -> list[Row]:
    numbered = ((reader.line_num, cells) for cells in reader)  # type: ignore[attr-defined]
    head = list(itertools.islice(numbered, MOST_ROWS_ABOVE))
    at = header_at(section, [cells for _, cells in head])
    if at >= len(head):
        return []
    line, typed = head[at]
    place = Place(file, line)
    names = _names(section, place, [name.strip() for name in typed], faults)
    headings = {name: heading.strip() for name, heading in zip(names, typed, strict=True) if name != heading.strip()}
    found: list[Row] = []
    for line, cells in itertools.chain(head[at + 1 :], numbered):
        if not any(cell.strip() for cell in cells):
            continue
        place = Place(file, line, headings)
        if len(cells) != len(names):
            faults.append(_wrong_width(place, len(cells), len(names)))
            continue
        found.append(Row(place, {name: _unguarded(cell) for name, cell in zip(names, cells, strict=True)}))
        if len(found) > MOST_ROWS:
            raise RegisterError([whole_file(file, f"quá {MOST_ROWS} dòng", f"more than {MOST_ROWS} rows")])
        if progress is not None and len(found) % PROGRESS_ROWS == 0:
            progress(section, len(found))
    return found


def _names(section: str, place: Place, typed: list[str], faults: list[Fault]) -> list[str]:
    """Our id for each heading; one that is unknown stays as typed and is refused with the rows."""
    names = [column_of(section, heading) or heading for heading in typed]
    said = Said("cột ghi hai lần", "the column is there twice")
    faults += [Fault(place, name, None, said) for name in sorted(set(names)) if name and names.count(name) > 1]
    return names


def _wrong_width(place: Place, cells: int, columns: int) -> Fault:
    return Fault(
        place,
        "",
        None,
        Said(f"có {cells} ô, dòng tiêu đề có {columns} cột", f"has {cells} cells, the header has {columns} columns"),
    )
