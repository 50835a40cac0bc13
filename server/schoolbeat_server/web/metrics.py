"""/healthz and /metrics: for the programs that watch this server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse, PlainTextResponse, Response
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from schoolbeat_server import schema
from schoolbeat_server.web import province
from schoolbeat_server.web.server_view import Context

router = APIRouter()

_HELP = {
    "schoolbeat_sites": ("gauge", "Sites by state"),
    "schoolbeat_units": ("gauge", "Units of a target by verdict"),
    "schoolbeat_incidents_open": ("gauge", "Open incidents by scope"),
    "schoolbeat_notices": ("gauge", "Notices by channel and delivery"),
    "schoolbeat_aside": ("gauge", "Messages kept aside, by reason"),
    "schoolbeat_count_total": ("counter", "What ingest counts, by name"),
    "schoolbeat_live_pages": ("gauge", "Pages that listen to live events"),
    "schoolbeat_health": ("gauge", "Numbers of the server's own health, by name"),
    "schoolbeat_age_seconds": ("gauge", "How long ago something happened, by name: committed, judged"),
    "schoolbeat_agents_connected": ("gauge", "Gateways with a live session"),
    "schoolbeat_ok": ("gauge", "1 when the server finds itself healthy"),
}
Sample = tuple[str, dict[str, str], float]


@router.get("/healthz", summary="200 when all is well, else 503 with the reasons")
def healthz(context: Context) -> Response:
    health = dict(context.health())
    try:
        with context.engine.connect() as connection:
            connection.execute(select(1))
    except SQLAlchemyError as error:
        health = {**health, "ok": False, "reasons": [*health.get("reasons", []), f"database: {type(error).__name__}"]}
    return JSONResponse(health, 200 if health.get("ok") else 503)


@router.get("/metrics", summary="Prometheus text format", response_class=PlainTextResponse)
def metrics(context: Context) -> Response:
    with context.engine.connect() as connection:
        samples = list(_of_database(connection))
    for verdict in context.verdicts():
        for status, count in (("met", verdict.met), ("missed", verdict.missed), ("unknown", verdict.unknown)):
            labels = {"plan": verdict.plan.id, "target": verdict.target.id, "verdict": status}
            samples.append(("schoolbeat_units", labels, count))
    samples.append(("schoolbeat_live_pages", {}, context.live.count()))
    samples += _of_health(context.health(), context.now_ms())
    return PlainTextResponse(text_of(samples), media_type="text/plain; version=0.0.4; charset=utf-8")


def _of_database(connection: Connection) -> Iterator[Sample]:
    for state, count in province.count_states(province.read_sites(connection)).items():
        yield "schoolbeat_sites", {"state": state}, count
    connected = select(func.count()).select_from(schema.contact).where(schema.contact.c.session)
    yield "schoolbeat_agents_connected", {}, connection.scalar(connected) or 0
    incident, notice = schema.incident.c, schema.notice.c
    query = select(incident.scope, func.count()).where(incident.closed_ms.is_(None)).group_by(incident.scope)
    for scope, count in connection.execute(query):
        yield "schoolbeat_incidents_open", {"scope": scope}, count
    sent, refused = func.count(notice.sent_ms), func.count(notice.refused_ms)
    for channel, all_of_it, taken, lost in connection.execute(
        select(notice.channel, func.count(), sent, refused).group_by(notice.channel)
    ):
        for delivery, count in (("sent", taken), ("refused", lost), ("waiting", all_of_it - taken - lost)):
            yield "schoolbeat_notices", {"channel": channel, "delivery": delivery}, count
    for reason, count in province.count_aside(connection).items():
        yield "schoolbeat_aside", {"reason": reason}, count
    for name, count in province.read_counters(connection).items():
        yield "schoolbeat_count_total", {"name": name}, count


def _of_health(health: Mapping[str, Any], now_ms: int) -> Iterator[Sample]:
    yield "schoolbeat_ok", {}, int(bool(health.get("ok")))
    for name, value in health.items():
        if name == "ok" or not isinstance(value, bool | int | float):
            continue
        if name.endswith("_ms"):
            if value:
                yield "schoolbeat_age_seconds", {"name": name.removesuffix("_ms")}, (now_ms - value) / 1000
        else:
            yield "schoolbeat_health", {"name": name}, float(value)


def text_of(samples: list[Sample]) -> str:
    """Prometheus' text format 0.0.4: grouped by metric, label values escaped."""
    lines = []
    for metric, (kind, meaning) in _HELP.items():
        mine = [(labels, value) for name, labels, value in samples if name == metric]
        if mine:
            lines += [f"# HELP {metric} {meaning}", f"# TYPE {metric} {kind}"]
            lines += [f"{metric}{_labels(labels)} {value!r}" for labels, value in mine]
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = {
        name: value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") for name, value in labels.items()
    }
    return "{" + ",".join(f'{name}="{value}"' for name, value in escaped.items()) + "}"
