"""Sets this machine up for `make demo` and the rest: system packages by apt, Python packages into .venv."""

from __future__ import annotations

import argparse
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / ".set-up"
EXTRAS = ".[server,dev,discover,paper]"

# sbin is not on everybody's PATH, and that is where most of these live.
_PATH = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"


class Package(NamedTuple):
    """A Debian package, and what shows that it (or its like) is there: one of these programs or files."""

    name: str
    shown_by: tuple[str, ...]


DEMO_PACKAGES = (
    Package("mosquitto", ("mosquitto",)),
    Package("iproute2", ("ip",)),
    Package("nftables", ("nft",)),
    Package("openssl", ("openssl",)),
    Package("util-linux", ("setpriv",)),
)
# A power cut needs a file system of its own to happen to.
BENCH_PACKAGES = (
    *DEMO_PACKAGES,
    Package("e2fsprogs", ("mkfs.ext4",)),
    Package("mount", ("mount",)),
    Package("procps", ("sysctl",)),
    Package("curl", ("curl",)),
)
_MACHINES = ("x86_64-linux-gnu", "aarch64-linux-gnu", "arm-linux-gnueabihf")
# The pages are looked at by a browser, with letters for Vietnamese.
TEST_PACKAGES = (
    *BENCH_PACKAGES,
    Package("chromium", ("chromium", "chromium-browser", "google-chrome")),
    Package("snmpd", ("snmpd",)),
    Package("fonts-dejavu-core", ("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf",)),
    # Paper is set in the letters of official documents, by Pango.
    Package("fonts-liberation", ("/usr/share/fonts/truetype/liberation/LiberationSerif-Regular.ttf",)),
    Package("libpangoft2-1.0-0", tuple(f"/usr/lib/{one}/libpangoft2-1.0.so.0" for one in _MACHINES)),
    Package("libharfbuzz-subset0", tuple(f"/usr/lib/{one}/libharfbuzz-subset.so.0" for one in _MACHINES)),
    # A UPS server and a DHCP server to ask; of the first no service runs, the second brings none.
    Package("nut-server", ("/lib/nut/upsd", "/usr/lib/nut/upsd")),
    Package("dnsmasq-base", ("dnsmasq",)),
    Package("iperf3", ("iperf3",)),
    # The time-series stores that are written to and read back; no service of theirs is started.
    Package("victoria-metrics", ("victoria-metrics",)),
    Package("influxdb", ("influxd",)),
)
PACKAGES: dict[str, tuple[Package, ...]] = {
    "demo": DEMO_PACKAGES,
    "test": TEST_PACKAGES,
    "bench": BENCH_PACKAGES,
    "check": (),
}

# Debian starts a service as soon as its package is there. We use the programs of these only: their services would take
# ports 1883, 161, 8428 and 8086. policy-rc.d is Debian's own way to say "start nothing"; it goes again with the script.
# One that was there before is not in the list and is not touched.
_APT = """
set -eu
if [ ! -e /usr/sbin/policy-rc.d ]; then
  trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  trap 'exit 1' INT TERM
  printf '#!/bin/sh\\n# of SchoolBeat set-up; may be deleted when no apt runs\\nexit 101\\n' > /usr/sbin/policy-rc.d
  chmod 755 /usr/sbin/policy-rc.d
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@"
for package in "$@"; do
  case "$package" in mosquitto|snmpd|victoria-metrics|influxdb)
    if [ -d /run/systemd/system ]; then systemctl disable -q "$package" || true; fi ;;
  esac
done
"""


def stop(vi: str, en: str) -> NoReturn:
    """One clear line, and out."""
    print(f"DỪNG / STOPPED: {vi} / {en}", file=sys.stderr)
    sys.exit(1)


def has(name: str) -> bool:
    """Whether there is a program of this name; a name with slashes is a file."""
    if name.startswith("/"):
        return Path(name).exists()
    return shutil.which(name, path=_PATH) is not None


def missing_packages(goal: str, there: Callable[[str], bool], can_make_venv: bool) -> list[str]:
    """The packages to install for `make GOAL`, in the order they are listed."""
    needed = [package.name for package in PACKAGES[goal] if not any(map(there, package.shown_by))]
    # Debian splits the module that makes virtual environments off its Python.
    return needed if can_make_venv else [*needed, f"python{sys.version_info.major}.{sys.version_info.minor}-venv"]


def fingerprint(root: Path, python: str) -> str:
    """Changes when what must be in .venv changes. Of pyproject.toml only what is installed from it counts."""
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [project["build-system"], project["project"], project["tool"]["hatch"], EXTRAS, python]
    constraints = (root / "constraints.txt").read_bytes()
    return hashlib.sha256(repr(wanted).encode() + constraints).hexdigest()


def announcement(goal: str, packages: Sequence[str], python: bool, by_sudo: bool) -> str:
    """What will be installed, said before it is; empty if nothing is."""
    lines = []
    if packages:
        by = "apt-get (sudo)" if by_sudo else "apt-get"
        lines.append(f"  - {by}: {' '.join(packages)}")
    if "snmpd" in packages:
        lines.append("      snmpd: không bật dịch vụ cổng 161 / its service on port 161 is not started")
    for name, port in (("victoria-metrics", 8428), ("influxdb", 8086)):
        if name in packages:
            lines.append(f"      {name}: không bật dịch vụ cổng {port} / its service on port {port} is not started")
    if "mosquitto" in packages:
        lines.append("      mosquitto: không bật dịch vụ cổng 1883 / its service on port 1883 is not started")
    if python:
        lines.append("  - .venv: các gói Python ghim trong constraints.txt / the Python packages of constraints.txt")
    if not lines:
        return ""
    return "\n".join([f"make {goal}: sẽ cài / will be installed:", *lines])


def install_packages(packages: Sequence[str]) -> None:
    by_hand = f"sudo apt-get install {' '.join(packages)}"
    if not has("apt-get"):
        stop(f"cần {' '.join(packages)} mà máy không có apt-get", f"no apt-get to install {' '.join(packages)}")
    command = ["sh", "-c", _APT, "set-up", *packages]
    if os.geteuid() != 0:
        if not has("sudo"):
            stop(f"không có sudo; nhờ quản trị viên chạy: {by_hand}", f"no sudo; ask an administrator for: {by_hand}")
        command = ["sudo", *([] if sys.stdin.isatty() else ["-n"]), *command]
    if subprocess.run(command, stdout=subprocess.DEVNULL).returncode:
        stop(
            f"apt-get không cài được (mạng? quyền?); thử: {by_hand}", f"apt-get failed (network? sudo?); try: {by_hand}"
        )


def install_python() -> None:
    python = str(VENV / "bin/python")
    # A copied or moved folder leaves an environment whose interpreter is not there any more.
    works = Path(python).exists() and not subprocess.run([python, "-c", "import pip"], capture_output=True).returncode
    if not works and subprocess.run([sys.executable, "-m", "venv", "--clear", str(VENV)]).returncode:
        stop("không tạo được .venv", ".venv could not be made")
    # By the environment, so that the pins hold for what builds us as well.
    environment = {**os.environ, "PIP_CONSTRAINT": str(ROOT / "constraints.txt"), "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    command = [python, "-m", "pip", "install", "-qq", "-e", EXTRAS]
    if subprocess.run(command, cwd=ROOT, env=environment, stdin=subprocess.DEVNULL).returncode:
        stop("pip không cài được (mạng?); hãy chạy lại", "pip failed (network?); run it again")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("goal", choices=sorted(PACKAGES))
    goal: str = parser.parse_args(arguments).goal
    wanted = fingerprint(ROOT, f"{sys.version_info.major}.{sys.version_info.minor}")
    python = not (VENV / "bin/python").exists() or not STAMP.exists() or STAMP.read_text() != wanted
    can_make_venv = all(importlib.util.find_spec(name) for name in ("venv", "ensurepip"))
    packages = missing_packages(goal, has, can_make_venv or not python)
    said = announcement(goal, packages, python, by_sudo=os.geteuid() != 0)
    if said:
        print(said, flush=True)
    if packages:
        install_packages(packages)
    if python:
        install_python()
        STAMP.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
