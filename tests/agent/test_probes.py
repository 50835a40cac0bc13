"""The dict of probes, its document, and what importing it costs."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from schoolbeat_agent import probes
from schoolbeat_agent.probes import PROBES
from schoolbeat_wire.catalogue import CAUSES, READINGS

PAGES = sorted(
    set((Path(__file__).parents[2] / "docs" / "probes").glob("*.md"))
    - {Path(__file__).parents[2] / "docs" / "probes" / "README.md"}
)
SOURCES = sorted(Path(probes.__file__).parent.glob("*.py"))


def test_there_is_a_page_for_each_probe_and_for_nothing_else() -> None:
    assert {page.stem for page in PAGES} == set(PROBES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_each_page_says_in_both_languages_what_is_asked_and_what_cannot_be_known(page: Path) -> None:
    text = page.read_text("utf-8")

    assert text.startswith(f"# {page.stem}\n")
    assert re.findall(r"Hỏi gì|Không thể biết|Asks|Cannot know", text)[:4] == [
        "Hỏi gì",
        "Không thể biết",
        "Asks",
        "Cannot know",
    ]


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES)
def test_every_probe_takes_a_target_and_the_world(probe: object) -> None:
    assert inspect.iscoroutinefunction(probe)
    assert list(inspect.signature(probe).parameters) == ["target", "world"]


def test_every_cause_and_reading_the_probes_name_is_in_the_catalogue() -> None:
    text = "\n".join(path.read_text("utf-8") for path in SOURCES)
    causes = set(re.findall(r'(?:NoAnswer|ProbeFailed)\(\s*"(\w+)"', text))
    readings = set(re.findall(r'"(\w+_(?:ms|percent|bytes|celsius|seconds|left|agree))"', text))

    assert len(causes) > 8
    assert causes <= set(CAUSES)
    assert len(readings) > 8
    assert readings <= set(READINGS)


def test_importing_the_probes_makes_no_tls_context_and_loads_nothing_heavy() -> None:
    program = (
        "import ssl, sys\n"
        "def forbidden(*_, **__): raise AssertionError('a TLS context at import')\n"
        "ssl.SSLContext.__new__ = forbidden\n"
        "import schoolbeat_agent.probes\n"
        "heavy = {'http.client', 'urllib.request', 'email', 'xml', 'sqlite3', 'encodings.idna', 'multiprocessing'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")
