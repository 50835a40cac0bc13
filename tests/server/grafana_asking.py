"""Asks a real store what a dashboard asks, with variables and macros filled in as Grafana does. No Grafana is here."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from tests.stores import InfluxDB1, VictoriaMetrics

AnyStore = VictoriaMetrics | InfluxDB1
ALL = "$__all"
UTC_OFFSET_SECONDS = 7 * 3_600  # of the dashboards' time zone; steps of a day begin at its midnights
LENGTHS = {"m": 60, "h": 3_600, "d": 86_400}
SPECIAL = re.compile(r"[\\^$*+?.()|\[\]{}/]")  # what Grafana's regex format escapes


class Series(NamedTuple):
    """labels: tags that are not empty. values: (at_ms, number), nulls left out."""

    labels: dict[str, str]
    values: list[tuple[int, float]]


@dataclass(frozen=True)
class Desk:
    """A dashboard's JSON, open in front of a store. chosen: variable -> values; those not in it stand on All, and where
    there is no All on the first that is offered."""

    store: AnyStore
    board: dict[str, Any]
    now_ms: int
    chosen: Mapping[str, Sequence[str]]

    def variables(self) -> dict[str, dict[str, Any]]:
        return {one["name"]: one for one in self.board["templating"]["list"]}

    def offered(self, name: str) -> list[tuple[str, str]]:
        """(text, value) of a query variable."""
        variable = self.variables()[name]
        text = variable["query"] if isinstance(variable["query"], str) else variable["query"]["query"]
        start_ms = self.now_ms - _ms(self.board["time"]["from"].removeprefix("now-"))
        found = self._tag_values(self.filled(text, start_ms, self.now_ms, 60), start_ms)
        pattern = variable["regex"].strip("/").replace("(?<", "(?P<")
        if not pattern:
            return sorted((one, one) for one in found)
        matches = [match for one in found if (match := re.search(pattern, one))]
        return sorted((match["text"], match["value"]) for match in matches)

    def _tag_values(self, text: str, start_ms: int) -> list[str]:
        if isinstance(self.store, InfluxDB1):
            return [row["value"] for one in self.store.query(text) for row in one.values]
        match, label = re.fullmatch(r"label_values\((.*), (\w+)\)", text).groups()  # type: ignore[union-attr]
        bounds = {"start": f"{start_ms / 1000:.3f}", "end": f"{self.now_ms / 1000:.3f}"}
        answer = self.store.get(f"/api/v1/label/{label}/values", **{"match[]": match}, **bounds)
        return [str(one) for one in answer.json()["data"]]

    # ---- panels

    def panels(self) -> list[dict[str, Any]]:
        return [one for one in self.board["panels"] if one["type"] != "row"]

    def ask(self, panel: dict[str, Any], target: dict[str, Any], step_seconds: int = 60) -> list[Series]:
        """Of an event list in InfluxQL: a series for each event and field, told apart by the label __field__."""
        start_ms = self.now_ms - _ms(panel.get("timeFrom") or self.board["time"]["from"].removeprefix("now-"))
        step = max(step_seconds, _ms(panel["interval"]) // 1000)
        text = self.filled(target.get("query") or target["expr"], start_ms, self.now_ms, step)
        if isinstance(self.store, InfluxDB1):
            return self._influx(text)
        if target["instant"]:
            answer = self.store.get("/api/v1/query", query=text, time=f"{self.now_ms / 1000:.3f}", nocache=1)
        else:
            start, end = (_aligned(at // 1000, step) for at in (start_ms, self.now_ms))
            answer = self.store.get("/api/v1/query_range", query=text, start=start, end=end, step=f"{step}s", nocache=1)
        found = []
        for one in answer.json()["data"]["result"]:
            values = one["values"] if "values" in one else [one["value"]]
            labels = {key: value for key, value in one["metric"].items() if value}
            found.append(Series(labels, [(round(float(at) * 1000), float(value)) for at, value in values]))
        return found

    def _influx(self, text: str) -> list[Series]:
        found = []
        for row in self.store.query(text):  # type: ignore[union-attr]
            tags = {key: value for key, value in row.tags.items() if value}
            if not text.startswith("SELECT") or "::tag" not in text:
                column = next(key for key in row.values[0] if key != "time")
                values = [(one["time"], float(one[column])) for one in row.values if one[column] is not None]
                found += [Series(tags, values)] if values else []
                continue
            for one in row.values:
                labels = {key: value for key, value in one.items() if isinstance(value, str) and value}
                numbers = {key: value for key, value in one.items() if isinstance(value, int | float) and key != "time"}
                for key, value in numbers.items():
                    found.append(Series(labels | {"__field__": key}, [(one["time"], float(value))]))
        return found

    # ---- what Grafana fills in

    def filled(self, text: str, start_ms: int, end_ms: int, step_seconds: int) -> str:
        influx = isinstance(self.store, InfluxDB1)
        for name, value in (
            ("$timeFilter", f"time >= {start_ms}ms and time <= {end_ms}ms"),
            ("now()", f"{self.now_ms}ms"),  # what was told here is long ago
            ("$__interval", f"{step_seconds}s"),
            ("$__range", f"{(end_ms - start_ms) // 1000}s"),
        ):
            text = text.replace(name, value)
        for name, variable in self.variables().items():
            if variable["type"] == "query" and (f"${{{name}" in text):
                value = _regex(self._values(name, variable), variable, influx)
                text = text.replace(f"${{{name}:regex}}", value).replace(f"${{{name}}}", value)
        assert "$" not in text.replace(")$/", ")/"), f"not filled in: {text}"
        return text

    def _values(self, name: str, variable: dict[str, Any]) -> list[str]:
        if name in self.chosen:
            return list(self.chosen[name])
        return [ALL] if variable["includeAll"] else [self.offered(name)[0][1]]


def _regex(values: list[str], variable: dict[str, Any], influx: bool) -> str:
    """InfluxQL's by the format `regex`; the Prometheus source's own, which doubles backslashes for its strings."""
    if values == [ALL]:
        return str(variable["allValue"])  # as it stands
    escaped = [SPECIAL.sub(lambda one: "\\" + one[0], value) for value in values]
    if not influx:
        escaped = [value.replace("\\/", "/").replace("\\", "\\\\") for value in escaped]
    return escaped[0] if len(escaped) == 1 else f"({'|'.join(escaped)})"


def _ms(length: str) -> int:
    return int(length[:-1]) * LENGTHS[length[-1]] * 1000


def _aligned(second: int, step: int) -> int:
    return (second + UTC_OFFSET_SECONDS) // step * step - UTC_OFFSET_SECONDS
