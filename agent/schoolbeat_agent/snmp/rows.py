"""What devices answered: object identifiers and values, as the SNMP library gives them."""

from __future__ import annotations

from collections.abc import Mapping

# Counters, gauges, integers and time ticks are int; octet strings bytes; addresses and object identifiers str.
Value = int | bytes | str | float
# Dotted, without a leading dot: {"1.3.6.1.2.1.1.1.0": b"RouterOS RB750Gr3", ...}. An absent one is not known.
Rows = Mapping[str, Value]
