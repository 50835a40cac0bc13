"""What a time-series store says of itself: which one it is, how long it keeps, and what an operator must put right."""

from __future__ import annotations

import math
import re
import ssl
from dataclasses import dataclass, field
from typing import Any, Final

from schoolbeat_server.said import Said
from schoolbeat_server.series_asking import Asking, Get, Page, at, json_of
from schoolbeat_server.settings import Series

NAMES: Final = {
    "influxdb1": "InfluxDB 1",
    "influxdb2": "InfluxDB 2",
    "influxdb3": "InfluxDB 3",
    "victoriametrics": "VictoriaMetrics",
}
_DAY: Final = 86_400
# Of VictoriaMetrics' durations; a number alone counts months, which it takes as 31 days.
_UNIT_DAYS: Final = {"": 31.0, "s": 1 / _DAY, "h": 1 / 24, "d": 1.0, "w": 7.0, "M": 31.0, "y": 365.0}
_UNIT_SECONDS: Final = {
    "ns": 1e-9,
    "us": 1e-6,
    "µs": 1e-6,
    "ms": 1e-3,
    "s": 1,
    "m": 60,
    "h": 3600,
    "d": _DAY,
    "w": 7 * _DAY,
}
_LONGEST_DEDUP_SECONDS: Final = 60  # our minutes are a minute apart: longer, and whole minutes would go


@dataclass(frozen=True)
class About:
    """problems: what keeps points from being stored, or makes figures wrong. unsure: what could not be found out."""

    reached: bool
    found: str = ""  # one of settings.STORES; empty: not recognised
    version: str = ""
    retention_days: int | None = None  # 0: for ever; None: not known
    exists: bool | None = None  # the database or bucket
    started: int = 0  # of its process, seconds since 1970; 0: not known
    rows_invalid: int | None = None  # lines that VictoriaMetrics answered 204 to and did not understand, from anyone
    rows_ignored: int | None = None  # and those outside its retention
    problems: tuple[Said, ...] = ()
    unsure: tuple[Said, ...] = ()


@dataclass
class _Finding:
    values: dict[str, Any] = field(default_factory=dict)
    problems: list[Said] = field(default_factory=list)
    unsure: list[Said] = field(default_factory=list)

    def wrong(self, vi: str, en: str) -> None:
        self.problems.append(Said(vi, en))

    def not_known(self, vi: str, en: str) -> None:
        self.unsure.append(Said(vi, en))

    def about(self, reached: bool = True) -> About:
        return About(reached, problems=tuple(self.problems), unsure=tuple(self.unsure), **self.values)


def about(settings: Series, tls: ssl.SSLContext) -> About:
    """Asks over the network, a few seconds at most a question; changes nothing."""
    with Asking(settings, tls) as asking:
        return judged(settings, asking.get)


def started(settings: Series, tls: ssl.SSLContext) -> int:
    """When VictoriaMetrics' process began, seconds since 1970; 0: it does not say."""
    with Asking(settings, tls) as asking:
        return int(_number(asking.get("/metrics"), "vm_app_start_timestamp") or 0)


def judged(settings: Series, get: Get) -> About:
    finding = _Finding()
    ping = get("/ping")
    if not ping.status:
        finding.wrong(ping.text, ping.text)
        return finding.about(False)
    metrics = get("/metrics") if _version(ping)[:1] in ("", "1") else Page(0, {}, "")
    found, version = recognised(ping, metrics)
    finding.values |= {"found": found, "version": version}
    if found and found != settings.kind:
        was, ours = f"{NAMES[found]} {version}".strip(), NAMES.get(settings.kind, settings.kind)
        finding.wrong(
            f'kho ở địa chỉ này là {was}, không phải {ours}: sửa series.kind = "{found}"',
            f'the store at this address is {was}, not {ours}: set series.kind = "{found}"',
        )
        return finding.about()
    if _refused(ping, finding, settings):
        return finding.about()
    if not found:
        finding.not_known(
            f"không nhận ra kho là loại nào (trả lời {ping.status})",
            f"it was not recognised which store this is (it answered {ping.status})",
        )
    {"victoriametrics": _victoriametrics, "influxdb1": _influxdb1, "influxdb2": _influxdb2, "influxdb3": _influxdb3}[
        settings.kind
    ](settings, get, finding)
    return finding.about()


def recognised(ping: Page, metrics: Page) -> tuple[str, str]:
    """(kind, version) as it says itself; VictoriaMetrics, which plays InfluxDB 1.8 on some paths, comes first."""
    if "vm_app_version" in metrics.text:
        return "victoriametrics", _label(metrics, "vm_app_version", "short_version")
    version = _version(ping)
    kind = {"1": "influxdb1", "2": "influxdb2", "3": "influxdb3"}.get(version[:1], "")
    return kind, version


def _version(ping: Page) -> str:
    return ping.headers.get("x-influxdb-version", "").lstrip("vV")[:40]


def _refused(page: Page, finding: _Finding, settings: Series) -> bool:
    """A login that is not accepted, or an address that leads elsewhere."""
    if page.status in (401, 403):
        key = (
            "series.token_file" if settings.token or settings.kind in ("influxdb2", "influxdb3") else "series.username"
        )
        key += "" if settings.token or settings.kind in ("influxdb2", "influxdb3") else ", series.password_file"
        finding.wrong(
            f"kho không nhận đăng nhập ({page.status}): xem {key}",
            f"the store does not accept the login ({page.status}): see {key}",
        )
        return True
    if 300 <= page.status <= 399:
        where = page.headers.get("location", "").split("?")[0][:200]
        finding.wrong(
            f"địa chỉ chuyển hướng sang {where}: không theo, vì có mật khẩu đi kèm; sửa series.url",
            f"the address redirects to {where}, not followed because a secret goes with it: correct series.url",
        )
        return True
    return False


# ---- VictoriaMetrics ---------------------------------------------------------------------------------------


def _victoriametrics(settings: Series, get: Get, finding: _Finding) -> None:
    metrics = get("/metrics")
    retention = _flag(metrics, "retentionPeriod")
    if not retention:  # not to be read, or of a vmauth, vmagent or vminsert in front of the storage
        finding.not_known(
            "không đọc được /metrics của kho VictoriaMetrics: chưa kiểm tra được -dedup.minScrapeInterval=1ms và thời "
            "hạn lưu; hãy tự kiểm tra và đặt series.retention_days",
            "/metrics of VictoriaMetrics' storage cannot be read, so -dedup.minScrapeInterval=1ms and the retention "
            "were not checked: check them yourself and set series.retention_days",
        )
        return
    finding.values |= {
        "exists": True,
        "started": int(_number(metrics, "vm_app_start_timestamp") or 0),
        "rows_invalid": _whole(_number(metrics, 'vm_rows_invalid_total{type="influx"}')),
        "rows_ignored": _sum(metrics, "vm_rows_ignored_total"),
        "retention_days": retention_days(retention),
    }
    if _number(metrics, "vm_storage_is_read_only", prefix=True):
        finding.wrong(
            "đĩa của VictoriaMetrics gần đầy nên nó chỉ còn cho đọc: giải phóng chỗ",
            "VictoriaMetrics' disk is nearly full, so it is read-only: free some room",
        )
    _check_dedup(_flag(metrics, "dedup.minScrapeInterval"), finding)


def _check_dedup(flag: str, finding: _Finding) -> None:
    seconds = seconds_of(flag or "0s")
    if not seconds:
        finding.wrong(
            "VictoriaMetrics chạy không có -dedup.minScrapeInterval=1ms: điểm gửi lại sẽ bị đếm hai lần; thêm cờ ấy "
            "rồi khởi động lại nó",
            "VictoriaMetrics runs without -dedup.minScrapeInterval=1ms: a point sent again counts twice; add the flag "
            "and start it again",
        )
    elif seconds > _LONGEST_DEDUP_SECONDS:
        finding.wrong(
            f"VictoriaMetrics chạy với -dedup.minScrapeInterval={flag}: các phút sẽ mất; đặt 1ms (nhiều nhất 60s)",
            f"VictoriaMetrics runs with -dedup.minScrapeInterval={flag}: minutes go lost; set 1ms (60s at most)",
        )


def retention_days(flag: str) -> int | None:
    """-retentionPeriod in whole days; None where it is not understood. VictoriaMetrics keeps a day at least."""
    parts = re.fullmatch(r"(\d+(?:\.\d+)?)([a-zA-Z]?)", flag.strip())
    unit = _UNIT_DAYS.get(parts[2]) if parts else None
    return max(1, int(float(parts[1]) * unit)) if parts and unit is not None else None


def _flag(page: Page, name: str) -> str:
    """As VictoriaMetrics tells its command line in /metrics since 1.42."""
    found = re.search(r'^flag\{name="' + re.escape(name) + r'", ?value="([^"]*)"', page.text, re.M)
    return found[1] if found else ""


def _number(page: Page, metric: str, prefix: bool = False) -> float | None:
    found = re.search("^" + re.escape(metric) + (r"(?:\{[^}\n]*\})?" if prefix else "") + r" (\S+)$", page.text, re.M)
    try:
        return float(found[1]) if found and math.isfinite(float(found[1])) else None
    except ValueError:
        return None


def _sum(page: Page, metric: str) -> int | None:
    found = re.findall("^" + re.escape(metric) + r"(?:\{[^}\n]*\})? (\d+)$", page.text, re.M)
    return sum(map(int, found)) if found else None


def _label(page: Page, metric: str, label: str) -> str:
    found = re.search("^" + re.escape(metric) + r"\{[^}\n]*\b" + re.escape(label) + r'="([^"]{0,60})"', page.text, re.M)
    return found[1] if found else ""


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)


# ---- InfluxDB ----------------------------------------------------------------------------------------------


def _influxdb1(settings: Series, get: Get, finding: _Finding) -> None:
    name = _quoted(settings.database)
    page = get("/query", db=settings.database, q=f"SHOW RETENTION POLICIES ON {name}")
    if page.status == 401:
        _refused(page, finding, settings)
        return
    result = at(json_of(page), "results", 0)
    if "database not found" in str(at(result, "error")):
        finding.values["exists"] = False
        finding.wrong(
            f"InfluxDB chưa có cơ sở dữ liệu «{settings.database}»: tạo bằng CREATE DATABASE {name}",
            f"InfluxDB has no database “{settings.database}”: create it by CREATE DATABASE {name}",
        )
        return
    columns, rows = at(result, "series", 0, "columns"), at(result, "series", 0, "values")
    policies = [dict(zip(columns, row, strict=False)) for row in rows] if isinstance(rows, list) and columns else []
    default = next((one for one in policies if one.get("default")), None)
    if default is None:
        _retention_unknown(finding, page.status)
        return
    finding.values |= {"exists": True, "retention_days": _days(seconds_of(str(default.get("duration", ""))))}


def _influxdb2(settings: Series, get: Get, finding: _Finding) -> None:
    page = get("/api/v2/buckets", name=settings.database, org=settings.org, limit="1")
    if page.status == 401:
        _refused(page, finding, settings)
        return
    bucket = at(json_of(page), "buckets", 0)
    if page.status == 404 or (page.status == 200 and not isinstance(bucket, dict)):
        finding.not_known(
            f"không thấy bucket «{settings.database}» của tổ chức «{settings.org}»: chưa có, hoặc token không có "
            "quyền đọc",
            f"bucket “{settings.database}” of organisation “{settings.org}” is not seen: it does not exist, or the "
            "token may not read buckets",
        )
        return
    if not isinstance(bucket, dict):
        _retention_unknown(finding, page.status)
        return
    rules = [rule for rule in bucket.get("retentionRules") or [] if isinstance(rule, dict)]
    seconds = [rule["everySeconds"] for rule in rules if isinstance(rule.get("everySeconds"), int)]
    finding.values |= {"exists": True, "retention_days": _days(min(seconds, default=0))}


def _influxdb3(settings: Series, get: Get, finding: _Finding) -> None:
    query = "SELECT database_name, retention_period_ns FROM system.databases"
    page = get("/api/v3/query_sql", db="_internal", q=query, format="json")
    rows = json_of(page)
    found = [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    named = [row for row in found if row.get("database_name") == settings.database]
    if page.status == 401:
        _refused(page, finding, settings)
    elif named:
        nanoseconds = named[0].get("retention_period_ns")
        seconds = nanoseconds / 1e9 if isinstance(nanoseconds, int) else 0
        finding.values |= {"exists": True, "retention_days": _days(seconds)}
    elif found:
        finding.values["exists"] = False
        finding.not_known(
            f"chưa có cơ sở dữ liệu «{settings.database}»: InfluxDB 3 sẽ tự tạo, không có thời hạn lưu",
            f"there is no database “{settings.database}” yet: InfluxDB 3 will make it, without a retention",
        )
    else:
        _retention_unknown(finding, page.status)


def _retention_unknown(finding: _Finding, status: int) -> None:
    finding.not_known(
        f"kho không cho biết thời hạn lưu (trả lời {status}): đặt series.retention_days",
        f"the store does not tell its retention (it answered {status}): set series.retention_days",
    )


def seconds_of(duration: str) -> float:
    """A duration as Go writes it: 720h0m0s, 1ms, 0s; 0 where it is not understood."""
    parts = re.findall(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)", duration)
    return sum(float(number) * _UNIT_SECONDS[unit] for number, unit in parts)


def _days(seconds: float) -> int:
    """0: for ever. What is kept for part of a day is kept for less than one: rounded up, so that it is not for ever."""
    return math.ceil(seconds / _DAY) if seconds < _DAY else int(seconds // _DAY)


def _quoted(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'
