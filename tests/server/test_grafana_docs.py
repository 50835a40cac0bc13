"""docs/grafana.md: its commands are run, its settings read, its quotations are what the programs say."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import httpx
import pytest
import yaml
from tests.stores import ADMIN, PASSWORD, influxdb1, victoria_metrics

from schoolbeat_server import series_about, settings
from schoolbeat_server.series_store import open_store

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "grafana.md").read_text(encoding="utf-8")
STEPS = dict(re.findall(r"^### (\d)\. [^\n]*\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL))


def commands(text: str) -> list[str]:
    return re.findall(r"^    (\S.*)$", text, re.MULTILINE)


def test_there_are_five_steps() -> None:
    assert sorted(STEPS) == ["1", "2", "3", "4", "5"]


def test_victoria_metrics_started_as_documented_has_no_problem(tmp_path: Path) -> None:
    (arguments,) = (line for line in commands(STEPS["1"]) if line.startswith("ARGS="))
    flags = [flag for flag in arguments[6:-1].split() if not flag.startswith(("-storageDataPath", "-httpListenAddr"))]
    retention = next(flag.partition("=")[2] for flag in flags if flag.startswith("-retentionPeriod"))
    others = [flag for flag in flags if not flag.startswith("-retentionPeriod")]

    with victoria_metrics(tmp_path, *others, retention=retention, dedup=False) as store:
        about = open_store(store.settings).about()

    assert (about.problems, about.retention_days) == ((), 730)


def test_influxdb_1_made_as_documented_is_written_to_by_one_and_read_by_the_other(tmp_path: Path) -> None:
    statements = [line for line in commands(STEPS["1"]) if line.startswith(("CREATE", "GRANT"))]
    assert len(statements) == 5
    (block,) = (one for one in tables() if one["kind"] == "influxdb1")

    with influxdb1(tmp_path, auth=True) as server:
        server.query("DROP DATABASE schoolbeat", "")
        for statement in statements:
            answer = httpx.post(server.url + "/query", params={"q": statement}, auth=(ADMIN, PASSWORD), timeout=30)
            assert "error" not in answer.text, answer.text
        store = open_store(
            settings.Series(
                "influxdb1", server.url, block["database"], username=block["username"], password="mật-khẩu-1"
            )
        )
        about, taken = store.about(), store.write(b"schoolbeat_server,server=sb ok=1i 1764000000000")
        asked = {"db": block["database"], "q": "SELECT ok FROM schoolbeat_server"}
        read = httpx.get(server.url + "/query", params=asked, auth=("grafana", "mật-khẩu-2"), timeout=30)
        line = "schoolbeat_server ok=0i"
        refused = httpx.post(
            server.url + "/write", params={"db": "schoolbeat"}, content=line, auth=("grafana", "mật-khẩu-2"), timeout=30
        )

    assert (about.problems, about.retention_days) == ((), 730)
    assert (taken.kind, read.json()["results"][0]["series"][0]["values"][0][1]) == ("taken", 1)
    assert refused.status_code == 403


def tables() -> list[dict[str, str]]:
    return [tomllib.loads(text)["series"] for text in re.findall(r"```toml\n(\[series\].*?)```", TEXT, re.DOTALL)]


def test_the_settings_shown_are_read_for_every_store(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s")
    found = []
    for table in tables():
        with_files = {key: str(tmp_path / "secret") if key.endswith("_file") else value for key, value in table.items()}
        found.append(settings.parse({"folder": str(tmp_path), "series": with_files}, "server.toml").series.kind)

    assert sorted(found) == sorted(settings.STORES)


def test_the_section_of_sync_is_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```toml\n(\[grafana\].*?)```", TEXT, re.DOTALL)
    table = tomllib.loads(text)["grafana"]
    (tmp_path / "token").write_text("glsa_x")
    table["token_file"] = str(tmp_path / "token")

    grafana = settings.parse({"folder": str(tmp_path), "grafana": table}, "server.toml").grafana

    assert (grafana.by, grafana.dashboards) == ("school", Path("/etc/grafana/schoolbeat/vi"))


@pytest.mark.parametrize("store", settings.STORES)
def test_files_copied_as_documented_are_where_grafana_looks(store: str, tmp_path: Path) -> None:
    etc = tmp_path / "grafana"
    for name in ("datasources", "dashboards", "alerting"):
        (etc / "provisioning" / name).mkdir(parents=True)
    boards = "victoriametrics" if store == "victoriametrics" else "influxdb"
    lines = [line for line in commands(STEPS["3"]) if "/tmp/bang" not in line]
    (alerts,) = (line for line in commands(TEXT) if "provisioning/alerting/" in line)
    script = "\n".join([*lines[2:], alerts]).replace("/etc/grafana", str(etc))
    assert [line.partition("=")[0] for line in lines[:2]] == ["STORE", "BOARDS"]

    subprocess.run(["sh", "-eu", "-c", f"STORE={store}\nBOARDS={boards}\n{script}"], cwd=ROOT, check=True, timeout=30)

    assert {str(path.relative_to(etc)) for path in (etc / "provisioning").rglob("*.yaml")} == {
        "provisioning/datasources/schoolbeat.yaml",
        "provisioning/dashboards/schoolbeat.yaml",
        "provisioning/alerting/schoolbeat.yaml",
    }
    providers = yaml.safe_load((etc / "provisioning/dashboards/schoolbeat.yaml").read_text())["providers"]
    for provider in providers:
        folder = Path(provider["options"]["path"].replace("/etc/grafana", str(etc)))
        assert list(folder.glob("*.json"))


def test_dashboards_with_another_address_are_built_as_documented(tmp_path: Path) -> None:
    (build,) = (line for line in commands(STEPS["3"]) if "dashboards.build" in line)
    words = build.replace("/tmp/bang", str(tmp_path)).replace("/opt/schoolbeat/bin/python", sys.executable).split()

    subprocess.run(words, cwd=ROOT, check=True, timeout=60)

    made = (tmp_path / "victoriametrics" / "vi" / "school.json").read_text()
    assert "https://schoolbeat.tinh.example" in made
    assert "127.0.0.1:8080" not in made


def test_the_variables_to_set_are_those_that_the_files_ask_for() -> None:
    files = (ROOT / "deploy" / "grafana" / "provisioning" / "datasources").iterdir()
    asked = {name for path in files for name in re.findall(r"\$(SCHOOLBEAT_\w+)", path.read_text())}

    set_ = {line.partition("=")[0] for line in commands(STEPS["4"]) if line.startswith("SCHOOLBEAT_")}

    assert set_ == asked


def test_every_mounted_file_is_there() -> None:
    named = re.findall(r"^\| `([a-z][^`]*)`", TEXT, re.MULTILINE) + re.findall(r"or `(dashboards/[^`]*)`", TEXT)
    paths = [name for name in named if "/" in name]

    assert len(paths) == 5
    for name in paths:
        pattern = name.replace("KHO", "victoriametrics").replace("NGÔN_NGỮ", "vi")
        assert (ROOT / pattern).exists(), name


def test_what_series_check_is_said_to_print_is_what_it_prints() -> None:
    section = TEXT.partition("`schoolbeat-server series check`. *")[2].partition("Kho ổn mà bảng trống")[0]
    quoted = re.findall(r"^\| «([^»]+)»", section, re.MULTILINE)
    source = re.sub(r"""["'][\s]+f?["']""", "", Path(series_about.__file__).read_text(encoding="utf-8"))

    assert len(quoted) == 8
    for text in quoted:
        for part in re.split(r"…|\(401\)", text):
            assert part.strip(" ,.") in source, part


def test_the_servers_unit_lets_it_reach_a_store_elsewhere() -> None:
    unit = (ROOT / "deploy" / "schoolbeat-server.service").read_text()

    families = re.search(r"^RestrictAddressFamilies=(.*)$", unit, re.MULTILINE)
    assert families is not None
    assert {"AF_INET", "AF_INET6"} <= set(families[1].split())
    assert not re.search(r"^(IPAddressDeny|PrivateNetwork|RestrictNetworkInterfaces)=", unit, re.MULTILINE)


def test_dashboards_are_called_what_they_are_called() -> None:
    rows = re.findall(r"^\| [^|]*\| ([^|·]+) · ([^|]+) \|$", STEPS["5"].partition("Container")[0], re.MULTILINE)[1:]
    titles = [
        {json.loads(path.read_text())["title"] for path in (ROOT / "dashboards" / "influxdb" / language).glob("*.json")}
        for language in ("vi", "en")
    ]

    assert [{row[0] for row in rows}, {row[1] for row in rows}] == titles
