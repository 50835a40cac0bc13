"""Queries in MetricsQL, VictoriaMetrics' PromQL.

A corrected point stands some milliseconds after the one it corrects, so of a day's points the last is taken before days
are added up. A step looks back, a day's point stands at its beginning: hence the offsets.
"""

from __future__ import annotations

from dashboards.queries import DAILY, MONTH, NOW, WEEK, Of, Only, Over, Query, Rows, Share, Where
from schoolbeat_server.series_catalogue import metric_of

_QUANTILES = {"p10": "0.1", "p50": "0.5", "p90": "0.9", "p95": "0.95"}


def render(query: Query) -> str:
    if isinstance(query.value, Share):
        return _share(query, query.value)
    if isinstance(query.value, Over):
        return _over(query, query.value)
    return _only(query, _of(query, query.value), query.by)


def render_rows(rows: Rows) -> list[str]:
    """One for each field, and first the time of the point: what a step holds is the last event that began in it."""
    by = ", ".join(rows.by)
    last = {
        name: f"max by ({by}) (last_over_time({_selector(rows.measurement, name, rows.where)}[$__interval]))"
        for name in (*(name for name, _, _ in rows.fields), rows.only.field)
    }
    worth = f"{last[rows.only.field]} {_relation(rows.only)}"
    began = _selector(rows.measurement, rows.only.field, rows.where)
    told = [f"max by ({by}) (tlast_over_time({began}[$__interval])) * 1000 and {worth}"]
    for name, _, scale in rows.fields:
        times = f" * {scale}" if scale != 1 else ""
        told.append(f"{last[name]}{times} and {worth}")
    return told


def tag_values(measurement: str, field: str, tag: str, where: tuple[Where, ...]) -> str:
    return f"label_values({_selector(measurement, field, where)}, {tag})"


def alias(tag: str) -> str:
    return f"{{{{{tag}}}}}"


# ---- parts ---------------------------------------------------------------------------------------------------------


def _of(query: Query, value: Of) -> str:
    selector, window = _selector(query.measurement, value.field, query.where), _window(query)
    scale = f" * {value.scale}" if value.scale != 1 else ""
    if value.how == "mean":
        sums, counts = f"sum_over_time({selector}{window})", f"count_over_time({selector}{window})"
        return f"{_by('sum', query.by)} ({sums}) / {_by('sum', query.by)} ({counts}){scale}"
    if value.how == "sum":
        return f"{_by('sum', query.by)} ({_added(query, value.field)}){scale}"
    if value.how == "increase":
        return f"{_by('sum', query.by)} (increase({selector}{window}))"
    across = {"max": "max", "min": "min", "last": "max", "median": "median"}[value.how]
    return f"{_by(across, query.by)} ({value.how}_over_time({selector}{window})){scale}"


def _added(query: Query, field: str) -> str:
    """Each series' sum over the window; of days, of what was said last."""
    selector = _selector(query.measurement, field, query.where)
    if query.measurement not in DAILY:
        return f"sum_over_time({selector}{_window(query)})"
    if query.per == "day":
        return f"last_over_time({selector}{_window(query)})"
    return f"sum_over_time(last_over_time({selector}[1d])[{_length(query)}:1d])"


def _share(query: Query, share: Share) -> str:
    def sums(fields: tuple[str, ...]) -> str:
        told = [
            _added(query, name)
            if share.each == "sum"
            else f"last_over_time({_selector(query.measurement, name, query.where)}{_window(query)})"
            for name in fields
        ]
        return " + ".join(f"{_by('sum', query.by)} ({one})" for one in told)

    return f"100 * ({sums(share.part)}) / ({sums(share.whole)})"


def _over(query: Query, value: Over) -> str:
    by = tuple(dict.fromkeys((*query.by, *value.series)))
    selector = _selector(query.measurement, value.field, query.where)
    each = f"{_by('max', by)} ({value.each}_over_time({selector}{_window(query)}))"
    each = _only(query, each, by)
    scale = f" * {value.scale}" if value.scale != 1 else ""
    if value.across in _QUANTILES:
        return f"{_by('quantile', query.by)} ({_QUANTILES[value.across]}, {each}){scale}"
    across = "avg" if value.across == "mean" else value.across
    return f"{_by(across, query.by)} ({each}){scale}"


def _only(query: Query, told: str, by: tuple[str, ...]) -> str:
    if query.only is None:
        return told
    selector = _selector(query.measurement, query.only.field, query.where)
    return f"{told} and {_by('max', by)} (last_over_time({selector}{_window(query)})) {_relation(query.only)}"


def _relation(only: Only) -> str:
    return f"{'==' if only.relation == '=' else only.relation} {only.number}"


def _by(across: str, by: tuple[str, ...]) -> str:
    return f"{across} by ({', '.join(by)})" if by else across


def _selector(measurement: str, field: str, where: tuple[Where, ...]) -> str:
    return f"{metric_of(measurement, field)}{{{', '.join(_tag(one) for one in where)}}}"


def _tag(where: Where) -> str:
    if where.value:
        return f'{where.tag}{"!=" if where.negated else "="}"{where.value}"'
    pattern = f"${{{where.variable}}}" if where.variable else where.pattern.replace("\\", "\\\\")
    return f'{where.tag}{"!~" if where.negated else "=~"}"{pattern}"'


def _length(query: Query) -> str:
    lengths = {"interval": "$__interval", "day": "1d", "range": "$__range", "month": MONTH, "week": WEEK, "now": NOW}
    return lengths[query.per]


def _window(query: Query) -> str:
    if query.per != "day":
        return f"[{_length(query)}]"
    return "[1d] offset -12h" if query.measurement in DAILY else "[1d] offset -1d"
