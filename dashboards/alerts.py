"""Alert rules for those who want alerts from Grafana: `python -m dashboards.alerts` writes deploy/grafana's files.

No text of them has a dollar sign: Grafana's provisioning would take what follows for a variable of the environment, in
some versions also in queries. Hence `.Labels.x` in templates, and no dashboard variable or macro in queries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import yaml

from dashboards.panels import STORES, Store
from schoolbeat_server.said import Said

TO: Final = Path(__file__).resolve().parents[1] / "deploy" / "grafana" / "provisioning" / "alerting"
LANGUAGES: Final = ("vi", "en")
FOLDER: Final = Said("SchoolBeat – cảnh báo", "SchoolBeat – alerts")
DATA_SOURCE: Final = "schoolbeat"
EXPRESSION: Final = "__expr__"

Every = Literal["1m", "30m"]


class Rule(NamedTuple):
    """It fires where the query's number is `sign` `bound`, for so long. silence: what it means if nothing is found."""

    uid: str
    title: Said
    influxql: str
    metricsql: str
    summary: Said
    to_do: Said
    sign: Literal["gt", "lt"] = "gt"
    bound: float = 0
    lasting: str = "0s"
    severity: Literal["critical", "warning", "info"] = "warning"
    every: Every = "1m"
    silence: Literal["OK", "Alerting"] = "OK"


_SITE: Final = ("area_label", "school_label", "site_label", "isp")
_WHERE: Final = "{{ .Labels.school_label }}, {{ .Labels.site_label }}"
_TARGET: Final = "{{ .Labels.plan }} / {{ .Labels.target }}"


def _sites_in(state: int) -> tuple[str, str]:
    tags = ", ".join(f'"{tag}"' for tag in _SITE)
    return (
        'SELECT "state" FROM (SELECT last("state") AS "state" FROM "schoolbeat_site" WHERE time > now() - 15m '
        f'GROUP BY {tags}) WHERE "state" = {state} GROUP BY {tags}',
        f"max by ({', '.join(_SITE)}) (last_over_time(schoolbeat_site_state[15m])) == {state}",
    )


def _verdicts(code: int) -> tuple[str, str]:
    return (
        'SELECT "verdict" FROM (SELECT last("verdict") AS "verdict" FROM "schoolbeat_target" WHERE time > now() - 8d '
        f'AND "area" = \'all\' GROUP BY "plan", "target") WHERE "verdict" = {code} GROUP BY "plan", "target"',
        f'max by (plan, target) (last_over_time(schoolbeat_target_verdict{{area="all"}}[8d])) == {code}',
    )


def _server(field: str, condition: str) -> tuple[str, str]:
    return (
        f'SELECT "v" FROM (SELECT last("{field}") AS "v" FROM "schoolbeat_server" WHERE time > now() - 15m '
        f'GROUP BY "server") WHERE "v" {condition} GROUP BY "server"',
        f"max by (server) (last_over_time(schoolbeat_server_{field}[15m])) {condition.replace('= ', '== ')}",
    )


_UNITS_MISSED: Final = (
    'SELECT 100.0 * "missed" / ("met" + "missed" + "unknown") AS "v" FROM (SELECT last("missed") AS "missed", '
    'last("met") AS "met", last("unknown") AS "unknown" FROM "schoolbeat_target" WHERE time > now() - 8d '
    'AND "area" != \'all\' GROUP BY "plan", "target", "area") WHERE "missed" > 0 '
    'GROUP BY "plan", "target", "area"',
    '100 * max by (plan, target, area) (last_over_time(schoolbeat_target_missed{area!="all"}[8d])) / ('
    + " + ".join(
        f'max by (plan, target, area) (last_over_time(schoolbeat_target_{name}{{area!="all"}}[8d]))'
        for name in ("met", "missed", "unknown")
    )
    + ") > 0",
)
_LONG: Final = (
    'SELECT count("end_seconds") AS "v" FROM "schoolbeat_outage" WHERE time > now() - 30d AND time < now() - 4h '
    'AND "signal" = \'line.internet\' AND "end_seconds" = 0 AND "down_seconds" > 0 '
    'GROUP BY "area", "school", "site", "isp"',
    "max by (area, school, site, isp) ("
    '(time() - tlast_over_time(schoolbeat_outage_end_seconds{signal="line.internet"}[30d]) > 4 * 3600) '
    'and last_over_time(schoolbeat_outage_end_seconds{signal="line.internet"}[30d]) == 0 '
    'and last_over_time(schoolbeat_outage_down_seconds{signal="line.internet"}[30d]) > 0)',
)
_MANY: Final = (
    'SELECT count("state") AS "v" FROM (SELECT last("state") AS "state" FROM "schoolbeat_site" WHERE time > now() - '
    "15m "
    'GROUP BY "isp", "site") WHERE "state" = 2 GROUP BY "isp"',
    "count by (isp) (max by (isp, site) (last_over_time(schoolbeat_site_state[15m])) == 2)",
)

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        "schoolbeat-line-down",
        Said("Mất đường truyền quá 10 phút", "The line has been down for over 10 minutes"),
        *_sites_in(2),
        Said(
            f"{_WHERE}: mất đường truyền ({{{{ .Labels.isp }}}}).",
            f"{_WHERE}: the line is down ({{{{ .Labels.isp }}}}).",
        ),
        Said(
            "Mở trang của điểm trường trên SchoolBeat xem nấc nào hỏng: nấc bộ định tuyến thì gọi trường, từ đường "
            "tới nhà "
            "mạng trở ra thì gọi nhà mạng kèm phiếu sự cố.",
            "Open the site's page on SchoolBeat and see which rung fails: the router's is the school's, from the "
            "line to "
            "the ISP outward it is the ISP's; send them the incident.",
        ),
        lasting="10m",
    ),
    Rule(
        "schoolbeat-contact-lost",
        Said("Mất liên lạc quá 30 phút", "No word for over 30 minutes"),
        *_sites_in(3),
        Said(f"{_WHERE}: không nghe tin từ thiết bị cổng.", f"{_WHERE}: nothing is heard from the gateway."),
        Said(
            "Chưa biết là mất điện, mất mạng hay thiết bị hỏng: gọi trường hỏi có điện không, đèn của thiết bị cổng "
            "và bộ "
            "định tuyến có sáng không. Khi có lại liên lạc, SchoolBeat tự nói nguyên nhân.",
            "It is not known whether power, line or gateway failed: call the school, ask for power and the lights of "
            "gateway and router. Once it is heard again, SchoolBeat tells the cause by itself.",
        ),
        lasting="30m",
    ),
    Rule(
        "schoolbeat-many-lines",
        Said("Nhiều điểm trường của một nhà mạng cùng mất", "Many sites of one ISP are down"),
        *_MANY,
        Said(
            "{{ .Labels.isp }}: {{ .Values.B.Value }} điểm trường mất đường truyền.",
            "{{ .Labels.isp }}: {{ .Values.B.Value }} sites have their line down.",
        ),
        Said(
            "Gọi tổng đài kỹ thuật của nhà mạng một lần cho cả nhóm; không gọi từng trường. Trang «Toàn tỉnh» có "
            "danh sách.",
            "Call the ISP's desk once for all of them, not school by school. The province's page has the list.",
        ),
        bound=4,
        lasting="5m",
        severity="critical",
    ),
    Rule(
        "schoolbeat-outage-long",
        Said("Gián đoạn Internet quá 4 giờ chưa hết", "An Internet outage that has lasted over 4 hours"),
        *_LONG,
        Said(
            "Trường {{ .Labels.school }}, điểm trường {{ .Labels.site }}: mất Internet quá 4 giờ.",
            "School {{ .Labels.school }}, site {{ .Labels.site }}: no Internet for over 4 hours.",
        ),
        Said(
            "Hỏi nhà mạng giờ khắc phục và ghi vào sự cố; nếu còn tiết học hôm nay, báo trường dùng phương án dự "
            "phòng.",
            "Ask the ISP when it will be mended and note it in the incident; if lessons remain today, tell the "
            "school to use "
            "its fallback.",
        ),
        severity="critical",
    ),
    Rule(
        "schoolbeat-target-missed",
        Said("Chỉ tiêu chưa đạt", "A target is missed"),
        *_verdicts(0),
        Said(f"{_TARGET}: chưa đạt.", f"{_TARGET}: missed."),
        Said(
            "Mở trang kế hoạch trên SchoolBeat: danh sách đơn vị chưa đạt, số liệu và gói minh chứng có sẵn ở đó.",
            "Open the plan's page on SchoolBeat: it has the units that miss it, the figures and the evidence pack.",
        ),
        sign="lt",
        bound=1,
        every="30m",
    ),
    Rule(
        "schoolbeat-target-unknown",
        Said("Chỉ tiêu chưa đủ dữ liệu để kết luận", "A target cannot be judged for want of data"),
        *_verdicts(2),
        Said(f"{_TARGET}: chưa đủ dữ liệu.", f"{_TARGET}: not enough data."),
        Said(
            "Chưa biết không phải là đạt, cũng không phải là không đạt: xem những trường chưa báo cáo và đưa tác tử "
            "của họ trở lại.",
            "Unknown is neither met nor missed: see which schools do not report and bring their agents back.",
        ),
        bound=1,
        every="30m",
        severity="info",
    ),
    Rule(
        "schoolbeat-commune-missed",
        Said("Xã có hơn 20 % đơn vị chưa đạt", "A commune with over 20 % of its units missing a target"),
        *_UNITS_MISSED,
        Said(
            f"Xã {{{{ .Labels.area }}}}, {_TARGET}: {{{{ .Values.B.Value }}}} % đơn vị chưa đạt.",
            f"Commune {{{{ .Labels.area }}}}, {_TARGET}: {{{{ .Values.B.Value }}}} % of the units miss it.",
        ),
        Said(
            "Mở bảng «Toàn tỉnh», chọn xã này, xem nguyên nhân chung (nhà mạng, điện, thiết bị) trước khi hỏi từng "
            "trường. "
            "20 % là mức ví dụ, hãy đặt mức của tỉnh.",
            "Open the province's dashboard, choose this commune and look for a common cause (ISP, power, devices) "
            "before "
            "asking schools one by one. 20 % is an example: set the province's own.",
        ),
        bound=20,
        every="30m",
    ),
    Rule(
        "schoolbeat-server-unwell",
        Said("Máy chủ SchoolBeat tự thấy không khỏe", "The SchoolBeat server finds itself unwell"),
        *_server("ok", "= 0"),
        Said("Máy chủ {{ .Labels.server }} không khỏe.", "Server {{ .Labels.server }} is unwell."),
        Said(
            "Mở địa chỉ /healthz của máy chủ: nó nói lý do và việc cần làm.",
            "Open the server's /healthz: it says why and what to do.",
        ),
        sign="lt",
        bound=1,
        lasting="10m",
        severity="critical",
    ),
    Rule(
        "schoolbeat-queue-waits",
        Said("Bản tin đợi kho chuỗi thời gian quá 15 phút", "Reports have waited for the store for over 15 minutes"),
        *_server("queue_seconds", "> 0"),
        Said(
            "Máy chủ {{ .Labels.server }}: bản tin đã đợi {{ .Values.B.Value }} giây.",
            "Server {{ .Labels.server }}: reports have waited for {{ .Values.B.Value }} s.",
        ),
        Said(
            "Chạy schoolbeat-server series check trên máy chủ: nó nói kho sai ở đâu. Chưa mất gì: bản tin đợi trên "
            "đĩa.",
            "Run schoolbeat-server series check there: it says what is wrong with the store. Nothing is lost yet, "
            "reports "
            "wait on disk.",
        ),
        bound=900,
        lasting="5m",
    ),
    Rule(
        "schoolbeat-nothing-arrives",
        Said("Không còn số liệu nào đến kho", "Nothing reaches the store any more"),
        'SELECT count("ok") AS "v" FROM "schoolbeat_server" WHERE time > now() - 15m',
        "sum(count_over_time(schoolbeat_server_ok[15m]))",
        Said("15 phút qua SchoolBeat không ghi gì vào kho.", "SchoolBeat has written nothing for 15 minutes."),
        Said(
            "Xem máy chủ SchoolBeat có chạy không (systemctl status schoolbeat-server), rồi schoolbeat-server series "
            "check. "
            "Những cảnh báo khác im lặng vì không có số liệu, không phải vì mọi thứ đều tốt.",
            "See whether the SchoolBeat server runs (systemctl status schoolbeat-server), then schoolbeat-server "
            "series "
            "check. Other alerts are silent for want of data, not because all is well.",
        ),
        sign="lt",
        bound=1,
        lasting="5m",
        severity="critical",
        silence="Alerting",
    ),
)

HEAD: Final = """\
# Do dashboards/alerts.py viết ra: sửa ở đó rồi chạy `make dashboards`. / Written by dashboards/alerts.py.
# Chép MỘT tệp (theo kho và ngôn ngữ) sang /etc/grafana/provisioning/alerting/. / Copy ONE file, by store and language.
# Đây là ví dụ: mức và thời gian là của tỉnh. / These are examples: bounds and times are the province's own.
# SchoolBeat tự báo tin rồi; dùng cả hai thì mỗi việc báo hai lần. / SchoolBeat tells people itself; both tell twice.
"""


def files() -> dict[str, str]:
    """Name -> text."""
    return {f"{store}.{language}.yaml": text(store, language) for store in STORES for language in LANGUAGES}


def text(store: Store, language: str) -> str:
    return HEAD + yaml.safe_dump(
        {"apiVersion": 1, "groups": groups(store, language)}, allow_unicode=True, sort_keys=False, width=118
    )


def groups(store: Store, language: str) -> list[dict[str, Any]]:
    """One for each pace."""
    return [
        {
            "orgId": 1,
            "name": f"schoolbeat-{every}",
            "folder": FOLDER.to(language),
            "interval": every,
            "rules": [rule(one, store, language) for one in RULES if one.every == every],
        }
        for every in ("1m", "30m")
    ]


def rule(one: Rule, store: Store, language: str) -> dict[str, Any]:
    return {
        "uid": one.uid,
        "title": one.title.to(language),
        "condition": "C",
        "data": [_query(one, store), _reduced(), _threshold(one)],
        "noDataState": one.silence,
        "execErrState": "Error",
        "for": one.lasting,
        "annotations": {"summary": one.summary.to(language), "description": one.to_do.to(language)},
        "labels": {"severity": one.severity, "source": "schoolbeat"},
        "isPaused": False,
    }


def _query(one: Rule, store: Store) -> dict[str, Any]:
    told: dict[str, Any] = {"refId": "A", "datasource": {"type": STORES[store], "uid": DATA_SOURCE}}
    told |= {"intervalMs": 60_000, "maxDataPoints": 43_200}
    if store == "influxdb":
        told |= {"rawQuery": True, "query": one.influxql, "resultFormat": "time_series"}
    else:
        told |= {"expr": one.metricsql, "instant": True, "range": False}
    return {"refId": "A", "relativeTimeRange": {"from": 900, "to": 0}, "datasourceUid": DATA_SOURCE, "model": told}


def _expression(ref: str, told: dict[str, Any]) -> dict[str, Any]:
    model = {"refId": ref, "datasource": {"type": EXPRESSION, "uid": EXPRESSION}} | told
    return {
        "refId": ref,
        "relativeTimeRange": {"from": 900, "to": 0},
        "datasourceUid": EXPRESSION,
        "model": model | {"intervalMs": 60_000, "maxDataPoints": 43_200},
    }


def _reduced() -> dict[str, Any]:
    """A series to its last number; what is a number already stays as it is."""
    return _expression("B", {"type": "reduce", "expression": "A", "reducer": "last"})


def _threshold(one: Rule) -> dict[str, Any]:
    condition = {
        "type": "query",
        "evaluator": {"type": one.sign, "params": [one.bound]},
        "operator": {"type": "and"},
        "query": {"params": ["B"]},
        "reducer": {"type": "last", "params": []},
    }
    return _expression("C", {"type": "threshold", "expression": "B", "conditions": [condition]})


def main() -> None:
    TO.mkdir(parents=True, exist_ok=True)
    for name, written in files().items():
        (TO / name).write_text(written, encoding="utf-8")


if __name__ == "__main__":
    main()
