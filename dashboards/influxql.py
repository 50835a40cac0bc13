"""Queries in InfluxQL, as InfluxDB 1, 2 and 3 read it.

InfluxQL has 0 for 0 ÷ 0, so a share asks first whether there is anything to divide by. Days begin at 17:00 UTC, which
is midnight in Viet Nam, all year. What is asked of now is so by itself, so that it can stand beside what is of a month.
"""

from __future__ import annotations

from dashboards.queries import NOW, Of, Only, Over, Query, Rows, Share, Where

_DAY = "time(1d,17h)"
_PERCENTILES = {"p10": 10, "p50": 50, "p90": 90, "p95": 95}


def render(query: Query, column: str = "v") -> str:
    """column: what the number is called in the answer; tables that are put together want names of their own."""
    if isinstance(query.value, Share):
        return _share(query, query.value, column)
    if isinstance(query.value, Over):
        return _over(query, query.value, column)
    if query.only is not None:
        return _filtered(query, query.value, query.only, column)
    return f"{_select(query, _of(query.value, column), query.by)}{_fill(query, 'null')}"


def render_rows(rows: Rows) -> str:
    fields = ", ".join(
        f'"{name}"' + (f" * {scale}" if scale != 1 else "") + f' AS "{name}"' for name, _, scale in rows.fields
    )
    tags = ", ".join(f'"{tag}"::tag' for tag in rows.by)
    condition = _relation(rows.only, rows.only.field)
    return (
        f'SELECT {fields}, {tags} FROM "{rows.measurement}" WHERE $timeFilter AND {_tags(rows.where)} AND {condition} '
        f"ORDER BY time DESC LIMIT {rows.most}"
    )


def tag_values(measurement: str, tag: str, where: tuple[Where, ...]) -> str:
    condition = f" WHERE {_tags(where)}" if where else ""
    return f'SHOW TAG VALUES FROM "{measurement}" WITH KEY = "{tag}"{condition}'


def alias(tag: str) -> str:
    return f"$tag_{tag}"


# ---- parts ---------------------------------------------------------------------------------------------------------


def _of(value: Of, column: str) -> str:
    if value.how == "increase":
        return f'non_negative_difference(max("{value.field}")) AS "{column}"'
    scale = f" * {value.scale}" if value.scale != 1 else ""
    return f'{value.how}("{value.field}"){scale} AS "{column}"'


def _select(query: Query, what: str, by: tuple[str, ...]) -> str:
    return f'SELECT {what} FROM "{query.measurement}" WHERE {_where(query)}{_group(query, by)}'


def _share(query: Query, share: Share, column: str) -> str:
    """The sums of each group, then the division where there is something to divide by."""
    names = tuple(dict.fromkeys((*share.part, *share.whole)))
    gathered = ", ".join(f'{share.each}("{name}") AS "{name}"' for name in names)
    inner = _select(query, gathered, (*query.by, *share.series)) + _fill(query, "none")
    if share.series:
        sums = ", ".join(f'sum("{name}") AS "{name}"' for name in names)
        inner = f"SELECT {sums} FROM ({inner}) WHERE {_time(query)}{_group(query, query.by)}{_fill(query, 'none')}"
    part, whole = (" + ".join(f'"{name}"' for name in side) for side in (share.part, share.whole))
    return (
        f'SELECT 100.0 * ({part}) / ({whole}) AS "{column}" FROM ({inner}) WHERE {_time(query)} AND {whole} > 0'
        f"{_group_by(query.by)}"
    )


def _over(query: Query, value: Over, column: str) -> str:
    by = tuple(dict.fromkeys((*query.by, *value.series)))
    each = f'{value.each}("{value.field}") AS "each"'
    condition = ""
    if query.only is not None:
        each += f', last("{query.only.field}") AS "only"'
        condition = f" AND {_relation(query.only, 'only')}"
    inner = _select(query, each, by) + _fill(query, "none")
    rank = _PERCENTILES.get(value.across)
    outer = f'percentile("each", {rank})' if rank else f'{value.across}("each")'
    scale = f" * {value.scale}" if value.scale != 1 else ""
    return (
        f'SELECT {outer}{scale} AS "{column}" FROM ({inner}) WHERE {_time(query)}{condition}'
        f"{_group(query, query.by)}{_fill(query, 'null')}"
    )


def _filtered(query: Query, value: Of, only: Only, column: str) -> str:
    inner = _select(query, f'{_of(value, column)}, last("{only.field}") AS "only"', query.by) + _fill(query, "none")
    return f'SELECT "{column}" FROM ({inner}) WHERE {_time(query)} AND {_relation(only, "only")}{_group_by(query.by)}'


def _relation(only: Only, name: str) -> str:
    return f'"{name}" {only.relation} {only.number}'


def _where(query: Query) -> str:
    return " AND ".join(filter(None, (_time(query), _tags(query.where))))


def _time(query: Query) -> str:
    return f"time > now() - {NOW}" if query.per == "now" else "$timeFilter"


def _tags(where: tuple[Where, ...]) -> str:
    return " AND ".join(_tag(one) for one in where)


def _tag(where: Where) -> str:
    if where.value:
        return f"\"{where.tag}\" {'!=' if where.negated else '='} '{where.value}'"
    pattern = f"${{{where.variable}:regex}}" if where.variable else where.pattern
    return f'"{where.tag}" {"!~" if where.negated else "=~"} /^({pattern})$/'


def _group(query: Query, by: tuple[str, ...]) -> str:
    step = {"interval": "time($__interval)", "day": _DAY}.get(query.per, "")
    return _group_by(by, step)


def _group_by(by: tuple[str, ...], step: str = "") -> str:
    parts = [*filter(None, (step,)), *(f'"{tag}"' for tag in by)]
    return f" GROUP BY {', '.join(parts)}" if parts else ""


def _fill(query: Query, what: str) -> str:
    """null: a gap of a chart stays a gap. Days are drawn as bars, which have gaps by themselves."""
    if query.per not in ("interval", "day"):
        return ""
    return f" fill({what if query.per == 'interval' else 'none'})"
