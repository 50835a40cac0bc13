"""docs/evidence.md says what the code does."""

from __future__ import annotations

from pathlib import Path

from schoolbeat_server import evidence_cli, evidence_pack, inventory_tables, recompute
from schoolbeat_server.inspections import KINDS, WORD_KINDS

DOC = (Path(__file__).parents[2] / "docs" / "evidence.md").read_text(encoding="utf-8")


def test_the_bounds_and_words_of_the_document_are_those_of_the_code() -> None:
    assert f"{evidence_pack.MOST_BYTES // 1024**3} GiB before\npacking" in DOC
    assert f"{evidence_pack.MOST_OUTAGES:,} outages listed" in DOC
    assert f"{inventory_tables.GHOST_DAYS} whole days" in DOC
    assert " | ".join(WORD_KINDS) in DOC
    assert "|".join(evidence_cli.INVENTORY) in DOC
    assert all(f"`{kind}`" in DOC or kind == "digital" for kind in KINDS)
    assert tuple(inventory_tables.TABLES) == evidence_cli.INVENTORY
    assert "inspection.digital" in recompute.RECOMPUTED
