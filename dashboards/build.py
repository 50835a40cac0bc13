"""Writes every dashboard's JSON for each store and language: `make dashboards`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from dashboards import itself, lines, power, province, rooms, school
from dashboards.boards import Board, made
from dashboards.panels import STORES, Making
from dashboards.variables import SERVER

HERE: Final = Path(__file__).resolve().parent
LANGUAGES: Final = ("vi", "en")
BOARDS: Final[tuple[Board, ...]] = (
    province.BOARD,
    school.BOARD,
    rooms.BOARD,
    lines.BOARD,
    power.BOARD,
    itself.BOARD,
)


def files(server: str = SERVER) -> dict[str, str]:
    """Path below dashboards/ -> its text."""
    return {
        f"{store}/{language}/{board.name}.json": _text(board, Making(store, language), server)
        for store in STORES
        for language in LANGUAGES
        for board in BOARDS
    }


def _text(board: Board, making: Making, server: str) -> str:
    return json.dumps(made(board, making, server), ensure_ascii=False, indent=1) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=HERE, help="thư mục ghi vào / the folder to write to")
    parser.add_argument("--server", default=SERVER, help="địa chỉ trang SchoolBeat / the address of SchoolBeat's pages")
    asked = parser.parse_args(arguments)
    for name, text in files(asked.server.rstrip("/")).items():
        path = asked.to / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
