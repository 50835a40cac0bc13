"""A province's register of over 50,000 rows: written as a workbook and as CSV, and loaded back."""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from schoolbeat_server import database, register, register_export

SITES = 1_400
DEVICES = 20  # of each site; 15 of them stand in the asset book


def measure(sites: int = SITES) -> list[tuple[str, str, str]]:
    data = _data(sites)
    count = sum(map(len, data.values()))
    what = f"register of {count} rows"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        engine = database.open_database(folder / "schoolbeat.db")
        rows = [(f"{what}: checked and stored", _timed(lambda: _apply(engine, data)), "")]
        with engine.connect() as connection, (folder / "register.xlsx").open("wb") as out:
            rows.append(
                (f"{what}: written as .xlsx", _timed(lambda: register_export.to_xlsx(connection, out, "vi")), "")
            )
        with engine.connect() as connection:
            rows.append(
                (f"{what}: written as CSV", _timed(lambda: register_export.to_folder(connection, folder / "csv")), "")
            )
        for kind, path in (("CSV", folder / "csv"), (".xlsx", folder / "register.xlsx")):
            rows.append((f"{what}: loaded from {kind}, no change found", _timed(lambda: _load(engine, path)), ""))  # noqa: B023
        engine.dispose()
    return rows


def _timed(act: Callable[[], Any]) -> str:
    cpu, wall = time.process_time(), time.perf_counter()
    act()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    return f"{cpu:.1f} s CPU, {wall:.1f} s wall, resident {peak} MiB at most so far"


def _apply(engine: Any, data: dict[str, list[dict[str, Any]]]) -> None:
    register.apply(engine, register.rows_of(data, "bench"))


def _load(engine: Any, path: Path) -> None:
    assert register.load(engine, path).changes == []


def _data(sites: int) -> dict[str, list[dict[str, Any]]]:
    names = [f"s{number}" for number in range(sites)]
    devices = [
        {"site": site, "id": f"d{number}", "kind": "camera", "serial": f"0{site[1:]}-{number}"}
        for site in names
        for number in range(DEVICES)
    ]
    return {
        "areas": [{"id": "p", "name": "Tỉnh", "kind": "province"}],
        "schools": [
            {"id": f"0{site}", "name": f"Trường {site}", "area": "p", "code": f"00{site[1:]}"} for site in names
        ],
        "sites": [{"id": site, "school": f"0{site}", "name": "Điểm chính", "tags": "mountain"} for site in names],
        "shifts": [{"site": site, "shift": "morning", "pupils": 300} for site in names],
        "lines": [{"id": f"{site}-1", "site": site, "isp": "VNPT", "contract_down_mbps": 150} for site in names],
        "devices": devices,
        "assets": [
            {"site": row["site"], "code": f"TS-{row['id']}", "name": "Camera", "serial": row["serial"], "year": 2024}
            for row in devices
            if int(row["id"][1:]) < 15
        ],
    }


if __name__ == "__main__":
    for row in measure(int(sys.argv[1]) if len(sys.argv) > 1 else SITES):
        print(*row, sep="\n    ")
