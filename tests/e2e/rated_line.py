"""A school's line with a set rate each way: two namespaces, a cable between them, tbf at both ends."""

from __future__ import annotations

import itertools
import os
import shutil
import subprocess
from types import TracebackType

SCHOOL, FAR = "192.0.2.1", "192.0.2.2"
_COUNT = itertools.count()
PAYLOAD_SHARE = 1448 / 1514  # of a full Ethernet frame as tbf counts it: less 14 Ethernet, 20 IP, 32 TCP


class RatedLine:
    """school (10.. the gateway, interface wan) -- far. Use as a context manager; needs root, ip and tc."""

    def __init__(self, down_bps: int, up_bps: int) -> None:
        prefix = f"sbr{os.getpid()}x{next(_COUNT)}"
        self.school, self.far = f"{prefix}s", f"{prefix}f"
        self.down_bps, self.up_bps = down_bps, up_bps

    def __enter__(self) -> RatedLine:
        try:
            for namespace in (self.school, self.far):
                _run("ip", "netns", "add", namespace)
                _run("ip", "-n", namespace, "link", "set", "lo", "up")
            _run(*f"ip link add wan netns {self.school} type veth peer name wan netns {self.far}".split())
            for namespace, address, bps in ((self.school, SCHOOL, self.up_bps), (self.far, FAR, self.down_bps)):
                _run(*f"ip -n {namespace} addr add {address}/24 dev wan".split())
                _run(*f"ip -n {namespace} link set wan up".split())
                _run(*f"tc -n {namespace} qdisc add dev wan root tbf rate {bps}bit burst 32kb latency 60ms".split())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for namespace in (self.school, self.far):
            subprocess.run(["ip", "netns", "del", namespace], check=False, capture_output=True)

    def inside_far(self) -> list[str]:
        """What runs a command on the other side."""
        return ["ip", "netns", "exec", self.far]

    def inside_school(self) -> list[str]:
        return ["ip", "netns", "exec", self.school]


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True, text=True)


def missing() -> str:
    """Why there can be no such line here; empty if there can."""
    if os.geteuid() != 0:
        return "namespaces need root"
    absent = [tool for tool in ("ip", "tc", "iperf3") if shutil.which(tool) is None]
    return f"missing: {', '.join(absent)}" if absent else ""
