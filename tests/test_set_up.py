"""The set-up: it says what it will install, installs only what is missing, and stops with one clear line."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
VENV_PACKAGE = f"python3.{sys.version_info.minor}-venv"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("set_up", ROOT / "deploy" / "set_up.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["set_up"] = module
    spec.loader.exec_module(module)
    return module


set_up = load()


def test_only_what_is_missing_is_installed() -> None:
    assert set_up.missing_packages("test", lambda program: True, True) == []
    assert set_up.missing_packages("demo", lambda program: program != "nft", True) == ["nftables"]
    assert set_up.missing_packages("check", lambda program: False, False) == [VENV_PACKAGE]
    assert set_up.missing_packages("demo", lambda program: False, True) == [
        "mosquitto",
        "iproute2",
        "nftables",
        "openssl",
        "util-linux",
    ]


def test_a_program_of_another_name_or_a_font_already_there_will_do() -> None:
    there = {"mkfs.ext4", "mount", "sysctl", "curl", "google-chrome", "mosquitto", "ip", "nft", "openssl", "setpriv"}
    there |= {"/usr/lib/nut/upsd", "dnsmasq"}
    there |= {"snmpd", "/lib/nut/upsd", "dnsmasq", "iperf3", "victoria-metrics", "influxd"}
    there |= {"/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf"}
    there |= {f"/usr/lib/aarch64-linux-gnu/{one}.so.0" for one in ("libpangoft2-1.0", "libharfbuzz-subset")}

    assert set_up.missing_packages("test", there.__contains__, True) == ["fonts-dejavu-core"]
    assert set_up.has(str(ROOT / "Makefile"))
    assert not set_up.has("/nowhere/DejaVuSans.ttf")
    assert set_up.has("sh")


def test_tests_need_what_the_demo_needs_and_more() -> None:
    assert set(set_up.DEMO_PACKAGES) < set(set_up.BENCH_PACKAGES) < set(set_up.TEST_PACKAGES)
    assert set(set_up.PACKAGES) == {"demo", "test", "check", "bench"}


def test_it_says_first_what_will_be_installed() -> None:
    said = set_up.announcement("demo", ["mosquitto", "nftables"], python=True, by_sudo=True)

    assert said.splitlines() == [
        "make demo: sẽ cài / will be installed:",
        "  - apt-get (sudo): mosquitto nftables",
        "      mosquitto: không bật dịch vụ cổng 1883 / its service on port 1883 is not started",
        "  - .venv: các gói Python ghim trong constraints.txt / the Python packages of constraints.txt",
    ]
    assert set_up.announcement("demo", [], python=False, by_sudo=False) == ""


def test_python_packages_are_installed_again_when_a_pin_or_dependency_changes(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "constraints.txt"):
        shutil.copy(ROOT / name, tmp_path / name)
    first = set_up.fingerprint(tmp_path, "3.11")
    pyproject = tmp_path / "pyproject.toml"

    pyproject.write_text(pyproject.read_text().replace("[tool.ruff]\n", "[tool.ruff]\n# another word\n"))
    assert set_up.fingerprint(tmp_path, "3.11") == first

    assert set_up.fingerprint(tmp_path, "3.12") != first
    pyproject.write_text(pyproject.read_text().replace("psutil>=", "psutil>=1"))
    second = set_up.fingerprint(tmp_path, "3.11")
    assert second != first
    (tmp_path / "constraints.txt").write_text("psutil==7\n")
    assert set_up.fingerprint(tmp_path, "3.11") not in (first, second)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A copy of what the set-up reads, in a folder without .venv."""
    for name in ("pyproject.toml", "constraints.txt", "deploy/set_up.py", "Makefile"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_without_apt_it_stops_with_one_line_and_has_changed_nothing(bare: Path) -> None:
    source = (bare / "deploy/set_up.py").read_text()
    (bare / "deploy/set_up.py").write_text(source.replace("/usr/local/sbin:/usr/sbin:/sbin", "/nowhere"))

    done = subprocess.run(
        [sys.executable, "deploy/set_up.py", "demo"],
        cwd=bare,
        env={"PATH": "/nowhere"},
        capture_output=True,
        text=True,
    )

    needed = "mosquitto iproute2 nftables openssl util-linux"
    assert done.returncode == 1
    assert done.stderr == (f"DỪNG / STOPPED: cần {needed} mà máy không có apt-get / no apt-get to install {needed}\n")
    assert f"apt-get{' (sudo)' if os.geteuid() else ''}: {needed}" in done.stdout
    assert not (bare / ".venv").exists()


def test_a_failing_apt_stops_with_one_line_and_leaves_services_as_they_were(bare: Path) -> None:
    """On a machine of its own: apt-get, mosquitto's absence and /usr/sbin are all in the temporary folder."""
    programs = bare / "bin"
    programs.mkdir()
    for name in ("sh", "rm", "chmod", "printf"):
        (programs / name).symlink_to(shutil.which(name) or f"/bin/{name}")
    policy = bare / "policy-rc.d"
    (programs / "apt-get").write_text(
        f'#!/bin/sh\necho "$1" >> {bare}/calls\ntest -x {policy} || exit 9\ntest "$1" = update\n'
    )
    (programs / "apt-get").chmod(0o755)
    (programs / "sudo").write_text('#!/bin/sh\n[ "$1" = -n ] && shift\nexec "$@"\n')
    (programs / "sudo").chmod(0o755)
    source = (bare / "deploy/set_up.py").read_text()
    source = source.replace("/usr/sbin/policy-rc.d", str(policy)).replace(":/usr/local/sbin:/usr/sbin:/sbin", "")
    (bare / "deploy/set_up.py").write_text(source)

    done = subprocess.run(
        [sys.executable, "deploy/set_up.py", "demo"],
        cwd=bare,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        "DỪNG / STOPPED: apt-get không cài được (mạng? quyền?); thử: "
        "sudo apt-get install mosquitto iproute2 nftables openssl util-linux"
        " / apt-get failed (network? sudo?); try: "
        "sudo apt-get install mosquitto iproute2 nftables openssl util-linux"
    ]
    assert (bare / "calls").read_text().split() == ["update", "install"]
    assert not policy.exists()


def test_without_a_new_enough_python_make_stops_with_one_line(bare: Path) -> None:
    done = subprocess.run(["make", "-s", "demo", "PYTHON="], cwd=bare, capture_output=True, text=True)

    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == (
        "DỪNG / STOPPED: cần python3 từ 3.11 trở lên / python3 3.11 or newer is needed"
    )


def test_a_second_set_up_does_nothing_and_says_nothing() -> None:
    """Where this checkout was set up by `make`, as in CI; elsewhere there is no stamp to find."""
    if not (ROOT / ".venv" / ".set-up").exists():
        pytest.skip("this checkout was not set up by make")
    done = subprocess.run(
        [sys.executable, "deploy/set_up.py", "check"], cwd=ROOT, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
