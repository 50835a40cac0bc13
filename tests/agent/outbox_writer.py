"""A process that adds minutes to an outbox as fast as it can and tells each on stdout once it is durable."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from tests.agent.rows import FIRST, row

from schoolbeat_agent.outbox import Outbox
from schoolbeat_wire.messages import Ack


def main(path: Path, rows: int) -> None:
    box = Outbox(path, hardware="aa" * 8, boot="bb" * 16)
    box.keep_inventory("0123456789ab", b"inventory")
    for n in range(rows):
        seq = box.next
        box.add(row(FIRST + seq, values=60), "0123456789ab", seq % 3 > 0)
        if box.disk_error:
            os.write(2, box.disk_error.encode())
            sys.exit(1)
        os.write(1, b"%d\n" % seq)
        if n % 5 == 4:  # the server settles what it got; rows that were never sent are marked before
            box.mark_sent(0, seq - 2)
            box.settle(Ack("cc" * 4, FIRST * 60_000, box.epoch, [(0, seq - 2)]))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
