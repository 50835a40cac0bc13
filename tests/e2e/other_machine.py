"""The real agent as if on another machine: `python -m tests.e2e.other_machine HARDWARE BOOT schoolbeat-agent's words`."""

from __future__ import annotations

import sys

from schoolbeat_agent import cli, machine

if __name__ == "__main__":
    hardware, boot, *words = sys.argv[1:]
    machine.hardware_id = lambda *_: hardware
    machine.boot_id = lambda *_: boot
    sys.exit(cli.main(words))
