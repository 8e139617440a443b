"""Functions of dates, timestamps, times of day and intervals."""
import re

from sqlglot import exp

from catalogue import FUNCTIONS, arguments, define, same, special, wrong_count, wrong_type
import zones
from errors import mismatch, raised, unsupported
from kinds import BIGINT, CALENDAR, DATE, DOUBLE, DT, DT_UNITS, INT, NTZ, STRING, TIMESTAMP, TINYINT, VOID, YM, Kind, decimal, integral, interval, numeric, physical, temporal, text, time
from values import E, UNIT_MICROS, cast, implicit, literal_of, made, time_precision

define("current_date curdate", "", DATE, lambda: f"CAST({zones.local('now()')} AS DATE)" if not zones.is_utc() else "CAST(now() AS DATE)")
define("current_timestamp now getdate", "", TIMESTAMP, "now()")
define("localtimestamp", "", NTZ, lambda: zones.local("now()"))
define("current_timezone", "", STRING, lambda: text(zones.current))
define("add_months", "date,int", DATE, "CAST({0} + to_months({1}) AS DATE)")
define("last_day", "date", DATE, "last_day({0})")
define("unix_date", "date", INT, "CAST({0} - DATE '1970-01-01' AS INTEGER)")
define("unix_seconds", "timestamp", BIGINT, "spark_floor_div(epoch_us({0}), 1000000)")
define("unix_millis", "timestamp", BIGINT, "spark_floor_div(epoch_us({0}), 1000)")
define("unix_micros", "timestamp", BIGINT, "epoch_us({0})")
define("date_from_unix_date", "int", DATE, "(DATE '1970-01-01' + {0})")
define("weekday", "date", INT, "CAST(isodow({0}) - 1 AS INTEGER)")
define("dayname", "date", STRING, "left(dayname({0}), 3)")
define("monthname", "date", STRING, "left(monthname({0}), 3)")
define("make_date", "int,int,int", DATE, "spark_make_date({0}, {1}, {2})")
define("make_ym_interval", "int?,int?", YM, lambda y=None, m=None: f"CAST(spark_check_sum(CAST({y.sql if y else 0} AS HUGEINT) * 12 + {m.sql if m else 0}, 'ym') AS INTEGER)")
define("try_make_interval", "int?,int?,int?,int?,int?,int?,any?", CALENDAR, lambda *a: refuse("try_make_interval"))
define("from_utc_timestamp", "timestamp,string", TIMESTAMP, "(timezone(spark_zone({1}), {0}) AT TIME ZONE 'UTC')")
define("to_utc_timestamp", "timestamp,string", TIMESTAMP, lambda t, z: zones.instant_in(f"spark_zone({z.sql})", f"CAST({t.sql} AS TIMESTAMP)"))


def refuse(name):
    raise unsupported(f"The function `{name}`")


def parts(fields):
    for names, sql in fields.items():
        define(names, "date", INT, f"CAST({sql} AS INTEGER)")


parts({"year": "year({0})", "quarter": "quarter({0})", "month": "month({0})", "day dayofmonth": "day({0})", "dayofyear": "dayofyear({0})", "dayofweek": "dayofweek({0}) + 1", "weekofyear": "week({0})"})


@special("hour minute second")
def clock(c, node, scope):
    name = node.name.lower()
    if len(node.expressions) != 1:
        raise wrong_count(name, "1", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    if e.kind.name == "time":
        size = UNIT_MICROS[name]
        return made(f"CAST({e.sql} // {size} % {24 if name == 'hour' else 60} AS INTEGER)", INT, e)
    if e.kind != NTZ:
        taken = implicit(e, TIMESTAMP)
        if taken is None:
            raise wrong_type(name, c.shown(node), 0, '("TIMESTAMP" or "TIME")', e.kind)
        e = taken
    return made(f"CAST({name}({walls(e)}) AS INTEGER)", INT, e)


def walls(e):
    """A time as the wall clock shows it: what its parts are taken of."""
    return e.sql if e.kind != TIMESTAMP or zones.is_utc() else zones.local(e.sql)


EXTRACTED = {
    "year": ("year", "y", "years", "yr", "yrs"), "yearofweek": ("yearofweek",), "quarter": ("quarter", "qtr"), "month": ("month", "mon", "mons", "months"), "week": ("week", "w", "weeks"), "day": ("day", "d", "days"),
    "dayofweek": ("dayofweek", "dow"), "dayofweek_iso": ("dayofweek_iso", "dow_iso"), "doy": ("doy",), "hour": ("hour", "h", "hours", "hr", "hrs"), "minute": ("minute", "m", "min", "mins", "minutes"),
    "second": ("second", "s", "sec", "seconds", "secs"),
}
FIELD = {w: f for f, words in EXTRACTED.items() for w in words}


def extracted(c, field, e, node, name="extract"):
    f = FIELD.get(field.lower())
    k = e.kind
    bad = raised("INVALID_EXTRACT_FIELD", f"Cannot extract `{field}` from \"{c.shown(node)}\".", "42601")
    if f is None:
        raise bad
    x = e.sql
    if k.name == "ym":
        if f == "year":
            return made(f"CAST({x} // 12 AS INTEGER)", INT, e)
        if f == "month":
            return made(f"CAST({x} % 12 AS TINYINT)", TINYINT, e)
        raise bad
    if k.name == "dt":
        if f not in DT_UNITS:
            raise bad
        if f == "second":
            return made(f"CAST(spark_micros_text({x} % 60000000) AS DECIMAL(8,6))", decimal(8, 6), e)
        rest = {"day": x, "hour": f"{x} % 86400000000", "minute": f"{x} % 3600000000"}[f]
        out = INT if f == "day" else TINYINT
        return made(f"CAST({rest} // {UNIT_MICROS[f]} AS {physical(out)})", out, e)
    if k.name == "interval":
        sql = {"year": f"CAST(datepart('year', {x}) AS INTEGER)", "month": f"CAST(datepart('month', {x}) AS TINYINT)", "day": f"CAST(datepart('day', {x}) AS INTEGER)", "hour": f"CAST(datepart('hour', {x}) AS BIGINT)",
               "minute": f"CAST(datepart('minute', {x}) AS TINYINT)", "second": f"CAST(spark_micros_text(CAST(datepart('microsecond', {x}) AS BIGINT)) AS DECIMAL(8,6))"}.get(f)
        if sql is None:
            raise bad
        kind = {"year": INT, "month": TINYINT, "day": INT, "hour": BIGINT, "minute": TINYINT, "second": decimal(8, 6)}[f]
        return made(sql, kind, e)
    if k.name == "time":
        if f not in ("hour", "minute", "second"):
            raise bad
        if f == "second":
            return made(f"CAST(spark_micros_text({x} % 60000000) AS DECIMAL(8,6))", decimal(8, 6), e)
        return made(f"CAST({x} // {UNIT_MICROS[f]} % {24 if f == 'hour' else 60} AS INTEGER)", INT, e)
    if k.name in ("string", "void"):
        e = cast(e, TIMESTAMP)
        x = e.sql
    elif not temporal(k):
        raise bad
    if f in ("hour", "minute", "second") and k == DATE:
        e = cast(e, TIMESTAMP)
        x = e.sql
    x = walls(e)
    if f == "second":
        return made(f"CAST(spark_micros_text(CAST(datepart('microseconds', CAST({x} AS TIMESTAMP)) AS BIGINT)) AS DECIMAL(8,6))", decimal(8, 6), e)
    sql = {"year": "year({0})", "yearofweek": "isoyear({0})", "quarter": "quarter({0})", "month": "month({0})", "week": "week({0})", "day": "day({0})", "dayofweek": "dayofweek({0}) + 1", "dayofweek_iso": "isodow({0})",
           "doy": "dayofyear({0})", "hour": "hour({0})", "minute": "minute({0})"}[f]
    return made(f"CAST({sql.format(x)} AS INTEGER)", INT, e)


def extract_node(c, node, scope):
    return extracted(c, node.this.name, c.compile(node.expression, scope), node.expression)


@special("date_part datepart extract")
def date_part(c, node, scope):
    name = node.name.lower()
    args = node.expressions
    if len(args) != 2:
        raise wrong_count(name, "2", len(args))
    field = c.compile(args[0], scope)
    if not (field.foldable and (field.is_literal and isinstance(field.lit, str) or field.lit is None)):
        raise raised("NON_FOLDABLE_ARGUMENT", f'The function `{name}` requires the parameter `field` to be a foldable expression of the type "STRING", but the actual argument is a non-foldable.', "42K08")
    e = c.compile(args[1], scope)
    if field.lit is None:
        return literal_of(None, DOUBLE)
    return extracted(c, field.lit, e, args[1], name)


# --- adding and subtracting ------------------------------------------------------------------------------------------------------------------
def whole_days(c, node, name, e, i=1):
    """A number of days: INT or less, or text that is one."""
    if e.kind.name in ("int", "smallint", "tinyint"):
        return cast(e, INT)
    if e.kind.name in ("string", "void"):
        return cast(e, INT)
    raise wrong_type(name, c.shown(node), i, '("INT" or "SMALLINT" or "TINYINT")', e.kind)


UNITS = {"MICROSECOND": 1, "MILLISECOND": 1000, "SECOND": 10**6, "MINUTE": 6 * 10**7, "HOUR": 36 * 10**8, "DAY": 864 * 10**8, "DAYOFYEAR": 864 * 10**8, "WEEK": 7 * 864 * 10**8}
MONTHS = {"MONTH": 1, "QUARTER": 3, "YEAR": 12}


def unit_of(c, node, name, first):
    if isinstance(first, exp.Column) and not first.table and first.name.upper() in {**UNITS, **MONTHS}:
        return first.name.upper()
    if isinstance(first, exp.Identifier) and first.name.upper() in {**UNITS, **MONTHS}:
        return first.name.upper()
    shown = f"string literal '{first.this}'" if isinstance(first, exp.Literal) else c.shown(first)
    raise raised("INVALID_PARAMETER_VALUE.DATETIME_UNIT", f"The value of parameter(s) `unit` in `{name}` is invalid: expects one of the units without quotes YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, but got the {shown}.", "22023")


@special("date_add dateadd timestampadd date_sub")
def date_add(c, node, scope):
    name = node.name.lower()
    args = node.expressions
    if len(args) == 3 and name != "date_sub":
        return timestamp_add(c, node, scope, name)
    if len(args) != 2:
        raise wrong_count(name, "2", len(args))
    day = c.compile(args[0], scope)
    d = implicit(day, DATE)
    if d is None:
        raise wrong_type(name, c.shown(node), 0, '"DATE"', day.kind)
    n = whole_days(c, node, name, c.compile(args[1], scope))
    return made(f"spark_date_add({d.sql}, {'-' if name == 'date_sub' else ''}CAST({n.sql} AS BIGINT))", DATE, d, n)


def timestamp_add(c, node, scope, name):
    unit = unit_of(c, node, name, node.expressions[0])
    n = c.compile(node.expressions[1], scope)
    amount = implicit(n, BIGINT)
    if amount is None:
        raise wrong_type(name, c.shown(node), 1, '"BIGINT"', n.kind)
    t = c.compile(node.expressions[2], scope)
    if t.kind != NTZ:
        taken = implicit(t, TIMESTAMP)
        if taken is None:
            raise wrong_type(name, c.shown(node), 2, '"TIMESTAMP"', t.kind)
        t = taken
    if t.kind == TIMESTAMP and not zones.is_utc():
        if unit in MONTHS:
            return made(zones.moved(t.sql, lambda w: f"({w} + to_months(CAST({amount.sql} * {MONTHS[unit]} AS INTEGER)))"), t.kind, t, amount)
        if unit in ("DAY", "DAYOFYEAR", "WEEK"):
            return made(zones.moved(t.sql, lambda w: f"({w} + to_days(CAST({amount.sql} * {7 if unit == 'WEEK' else 1} AS INTEGER)))"), t.kind, t, amount)
        return made(f"({t.sql} + to_microseconds({amount.sql} * {UNITS[unit]}))", t.kind, t, amount)
    if unit in MONTHS:
        return made(f"({t.sql} + to_months(CAST({amount.sql} * {MONTHS[unit]} AS INTEGER)))", t.kind, t, amount)
    if unit in ("DAY", "DAYOFYEAR", "WEEK"):
        return made(f"({t.sql} + to_days(CAST({amount.sql} * {7 if unit == 'WEEK' else 1} AS INTEGER)))", t.kind, t, amount)
    return made(f"({t.sql} + to_microseconds({amount.sql} * {UNITS[unit]}))", t.kind, t, amount)


@special("datediff date_diff timestampdiff timediff")
def date_diff(c, node, scope):
    name = node.name.lower()
    args = node.expressions
    if len(args) == 2 and name not in ("timestampdiff", "timediff"):
        a, b = arguments(c, name, node, "date,date", scope)
        return made(f"CAST({a.sql} - {b.sql} AS INTEGER)", INT, a, b)
    if len(args) != 3:
        raise wrong_count(name, "2" if name != "timestampdiff" else "3", len(args))
    unit = unit_of(c, node, name, args[0])
    a, b = c.compile(args[1], scope), c.compile(args[2], scope)
    both = NTZ if a.kind == NTZ and b.kind == NTZ else TIMESTAMP
    for i, e in ((1, a), (2, b)):
        if implicit(e, both) is None:
            raise wrong_type(name, c.shown(node), i, '"TIMESTAMP"', e.kind)
    a, b = implicit(a, both), implicit(b, both)
    if unit in MONTHS:
        return made(f"(spark_months_between_whole(CAST({walls(a)} AS TIMESTAMP), CAST({walls(b)} AS TIMESTAMP)) // {MONTHS[unit]})", BIGINT, a, b)
    return made(f"((epoch_us({walls(b)}) - epoch_us({walls(a)})) // {UNITS[unit]})", BIGINT, a, b)


@special("months_between")
def months_between(c, node, scope):
    args = arguments(c, "months_between", node, "timestamp,timestamp,boolean?", scope)
    off = args[2].sql if len(args) > 2 else "TRUE"
    if zones.offset is None:
        zones.refused("months_between")  # counts what has passed since midnight, which a day of 23 hours makes another number
    return made(f"spark_months_between(CAST({walls(args[0])} AS TIMESTAMP), CAST({walls(args[1])} AS TIMESTAMP), {off})", DOUBLE, *args)


@special("next_day")
def next_day(c, node, scope):
    a, b = arguments(c, "next_day", node, "date,string", scope)
    return made(f"spark_next_day({a.sql}, {b.sql})", DATE, a, b)


@special("trunc")
def trunc(c, node, scope):
    args = arguments(c, "trunc", node, "date,string", scope)
    return made(f"spark_trunc({args[0].sql}, {args[1].sql})", DATE, *args)


@special("date_trunc")
def date_trunc(c, node, scope):
    if len(node.expressions) != 2:
        raise wrong_count("date_trunc", "2", len(node.expressions))
    unit, t = c.compile_as(node.expressions[0], STRING, scope), c.compile(node.expressions[1], scope)
    if t.kind != NTZ:
        taken = implicit(t, TIMESTAMP)
        if taken is None:
            raise wrong_type("date_trunc", c.shown(node), 1, '"TIMESTAMP"', t.kind)
        t = taken
    if not zones.is_utc():
        t = cast(t, TIMESTAMP)
        whole = zones.instant(f"spark_date_trunc({unit.sql}, {zones.local(t.sql)})")
        within = zones.moved(t.sql, lambda w: f"spark_date_trunc({unit.sql}, {w})")
        return made(f"CASE WHEN upper({unit.sql}) IN ('DAY', 'DD', 'HOUR', 'MINUTE', 'SECOND', 'MILLISECOND', 'MICROSECOND') THEN {within} ELSE {whole} END", t.kind, unit, t)
    out = f"spark_date_trunc({unit.sql}, CAST({t.sql} AS TIMESTAMP))"
    return made(out if t.kind == NTZ else f"({out} AT TIME ZONE 'UTC')", t.kind, unit, t)


# --- making ----------------------------------------------------------------------------------------------------------------------------------
@special("make_timestamp make_timestamp_ntz make_timestamp_ltz try_make_timestamp try_make_timestamp_ntz try_make_timestamp_ltz")
def make_timestamp(c, node, scope):
    name = node.name.lower()
    kind = NTZ if name.endswith("_ntz") else TIMESTAMP
    attempt = "TRUE" if name.startswith("try") else "FALSE"
    n = len(node.expressions)
    if n == 1 and not name.endswith("_ltz"):
        d = c.compile(node.expressions[0], scope)
        if d.kind.name not in ("date", "void"):
            raise wrong_type(name, c.shown(node), 0, '"DATE"', d.kind)
        return cast(d, kind)
    if n in (2, 3) and any(True for _ in node.expressions) and n != 6:
        args = [c.compile(a, scope) for a in node.expressions]
        if n == 3 and kind == NTZ:
            raise wrong_count(name, "[2, 6]", n)
        d = implicit(args[0], DATE) if args[0].kind.name in ("date", "void") else None
        if d is None:
            raise wrong_type(name, c.shown(node), 0, '"DATE"', args[0].kind)
        t = implicit(args[1], time(6)) if args[1].kind.name in ("time", "void") else None
        if t is None:
            raise wrong_type(name, c.shown(node), 1, '"TIME"', args[1].kind)
        out = f"(CAST({d.sql} AS TIMESTAMP) + to_microseconds({t.sql}))"
        if n == 3:
            zone = implicit(args[2], STRING)
            return made(zones.instant_in(f"spark_zone({zone.sql})", out), TIMESTAMP, d, t, zone)
        return made(out if kind == NTZ else zones.instant(out), kind, d, t)
    if n < 6 or n > (6 if kind == NTZ else 7):
        raise wrong_count(name, "[2, 6]" if kind == NTZ else "[6, 7]", n)
    args = [c.compile(a, scope) for a in node.expressions]
    ints = []
    for i, a in enumerate(args[:5]):
        e = implicit(a, INT)
        if e is None:
            raise wrong_type(name, c.shown(node), i, '"INT"', a.kind)
        ints.append(e)
    sec = implicit(args[5], decimal(16, 6)) if args[5].kind.name != "string" else cast(args[5], decimal(16, 6))
    if sec is None:
        raise wrong_type(name, c.shown(node), 5, '"DECIMAL(16,6)"', args[5].kind)
    out = f"spark_make_timestamp({', '.join(i.sql for i in ints)}, spark_exact_micros(CAST({sec.sql} AS VARCHAR)), {attempt})"
    if n == 7:
        zone = implicit(args[6], STRING)
        if zone is None:
            raise wrong_type(name, c.shown(node), 6, '"STRING"', args[6].kind)
        return made(zones.instant_in(f"spark_zone({zone.sql})", out), TIMESTAMP, *args)
    return made(out if kind == NTZ else zones.instant(out), kind, *args)


@special("make_interval")
def make_interval(c, node, scope):
    args = [c.compile(a, scope) for a in c.positional("make_interval", node)]
    if len(args) > 7:
        raise wrong_count("make_interval", "[0, 1, 2, 3, 4, 5, 6, 7]", len(args))
    ints = []
    for i, a in enumerate(args[:6]):
        e = implicit(a, INT)
        if e is None:
            raise wrong_type("make_interval", c.shown(node), i, '"INT"', a.kind)
        ints.append(e.sql)
    ints += ["0"] * (6 - len(ints))
    sec = implicit(args[6], decimal(18, 6)) if len(args) > 6 else None
    if len(args) > 6 and sec is None:
        raise wrong_type("make_interval", c.shown(node), 6, '"DECIMAL(18,6)"', args[6].kind)
    return made(f"spark_make_interval({', '.join(ints)}, spark_exact_micros(CAST({sec.sql if sec else 0} AS VARCHAR)))", CALENDAR, *args)


@special("make_dt_interval")
def make_dt_interval(c, node, scope):
    args = [c.compile(a, scope) for a in c.positional("make_dt_interval", node)]
    if len(args) > 4:
        raise wrong_count("make_dt_interval", "[0, 1, 2, 3, 4]", len(args))
    ints = []
    for i, a in enumerate(args[:3]):
        e = implicit(a, INT)
        if e is None:
            raise wrong_type("make_dt_interval", c.shown(node), i, '"INT"', a.kind)
        ints.append(e.sql)
    ints += ["0"] * (3 - len(ints))
    sec = implicit(args[3], decimal(18, 6)) if len(args) > 3 else None
    total = f"CAST({ints[0]} AS HUGEINT) * 86400000000 + CAST({ints[1]} AS HUGEINT) * 3600000000 + CAST({ints[2]} AS HUGEINT) * 60000000 + spark_exact_micros(CAST({sec.sql if sec else 0} AS VARCHAR))"
    return made(f"CAST(spark_check_sum({total}, 'dt') AS BIGINT)", DT, *args)


# --- text to times and back ------------------------------------------------------------------------------------------------------------------
ZONE_LETTERS = re.compile(r"[VzOXxZ]")


def shown_pattern(fmt):
    """A pattern that does not print the zone: which it is the engine does not know."""
    if not (fmt.is_literal and isinstance(fmt.lit, str)) or ZONE_LETTERS.search(re.sub(r"'[^']*'", "", fmt.lit)):
        zones.refused("A pattern that prints the zone, or is no literal,")
    return fmt.sql


def read_instant(out, fmt, name):
    """What a pattern read: an instant where it reads a zone, else the wall clock's."""
    if zones.is_utc():
        return f"({out} AT TIME ZONE 'UTC')"
    if not (fmt.is_literal and isinstance(fmt.lit, str)):
        zones.refused(f"{name} by a pattern that is no literal")
    letters = re.sub(r"'[^']*'", "", fmt.lit)
    if ZONE_LETTERS.search(letters) and "[" in letters:
        zones.refused(f"{name} by a pattern whose zone may be there or not")
    return f"({out} AT TIME ZONE 'UTC')" if ZONE_LETTERS.search(letters) else zones.instant(out)


@special("to_timestamp to_timestamp_ltz to_timestamp_ntz try_to_timestamp")
def to_timestamp(c, node, scope):
    name = node.name.lower()
    kind = NTZ if name.endswith("ntz") else TIMESTAMP
    flag = "TRUE" if name.startswith("try") else "FALSE"
    args = [c.compile(a, scope) for a in node.expressions]
    if not 1 <= len(args) <= 2:
        raise wrong_count(name, "[1, 2]", len(args))
    if len(args) == 1:
        if kind == NTZ and numeric(args[0].kind) or not (args[0].kind.name in ("string", "void") or temporal(args[0].kind) or numeric(args[0].kind)):
            raise wrong_type(name, c.shown(node), 0, '("STRING" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ")', args[0].kind)
        return cast(args[0], kind, "try" if flag == "TRUE" else "ansi", c.shown(node.expressions[0]))
    fmt = implicit(args[1], STRING)
    if temporal(args[0].kind):
        return made(f"CASE WHEN {fmt.sql} IS NOT NULL THEN {cast(args[0], kind).sql} END", kind, *args)
    s = implicit(args[0], STRING) if args[0].kind.name in ("string", "void") else None
    if s is None:
        raise wrong_type(name, c.shown(node), 0, '("STRING" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ")', args[0].kind)
    out = f"spark_parse_timestamp({s.sql}, {fmt.sql}, {'TRUE' if kind == NTZ else 'FALSE'}, {flag})"
    return made(out if kind == NTZ else read_instant(out, fmt, name), kind, s, fmt)


@special("to_date try_to_date")
def to_date(c, node, scope):
    name = node.name.lower()
    flag = "TRUE" if name.startswith("try") else "FALSE"
    args = [c.compile(a, scope) for a in node.expressions]
    if not 1 <= len(args) <= 2:
        raise wrong_count(name, "[1, 2]", len(args))
    if len(args) == 1:
        return cast(args[0], DATE, "try" if flag == "TRUE" else "ansi", c.shown(node.expressions[0]))
    fmt = implicit(args[1], STRING)
    if temporal(args[0].kind):
        return made(f"CASE WHEN {fmt.sql} IS NOT NULL THEN {cast(args[0], DATE).sql} END", DATE, *args)
    s = implicit(args[0], STRING) if args[0].kind.name in ("string", "void") else None
    if s is None:
        raise wrong_type(name, c.shown(node), 0, '("STRING" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ")', args[0].kind)
    out = f"spark_parse_timestamp({s.sql}, {fmt.sql}, FALSE, {flag})"
    if not zones.is_utc():
        return cast(made(read_instant(out, fmt, name), TIMESTAMP, s, fmt), DATE)
    return made(f"CAST({out} AS DATE)", DATE, s, fmt)


@special("unix_timestamp to_unix_timestamp")
def unix_timestamp(c, node, scope):
    name = node.name.lower()
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) > 2 or not args and name != "unix_timestamp":
        raise wrong_count(name, "[1, 2]", len(args))
    if not args:
        return E("spark_floor_div(epoch_us(now()), 1000000)", BIGINT)
    fmt = implicit(args[1], STRING) if len(args) > 1 else literal_of("yyyy-MM-dd HH:mm:ss", STRING)
    if temporal(args[0].kind):
        t = cast(args[0], TIMESTAMP) if args[0].kind != NTZ else args[0]
        return made(f"(epoch_us({t.sql}) // 1000000)", BIGINT, *args)  # towards zero, unlike unix_seconds
    s = implicit(args[0], STRING) if args[0].kind.name in ("string", "void") else None
    if s is None:
        raise wrong_type(name, c.shown(node), 0, '("STRING" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ")', args[0].kind)
    out = f"spark_parse_timestamp({s.sql}, {fmt.sql}, FALSE, FALSE)"
    return made(f"(epoch_us({out if zones.is_utc() else read_instant(out, fmt, name)}) // 1000000)", BIGINT, s, fmt)


@special("from_unixtime")
def from_unixtime(c, node, scope):
    args = arguments(c, "from_unixtime", node, "bigint,string?", scope)
    fmt = args[1].sql if len(args) > 1 else "'yyyy-MM-dd HH:mm:ss'"
    at = f"make_timestamp({args[0].sql} * 1000000)"
    if not zones.is_utc():
        seen = zones.local(f"({at} AT TIME ZONE 'UTC')")
        return made(f"spark_date_format({seen}, {shown_pattern(args[1]) if len(args) > 1 else fmt}, FALSE)", STRING, *args)
    return made(f"spark_date_format({at}, {fmt}, FALSE)", STRING, *args)


@special("date_format")
def date_format(c, node, scope):
    if len(node.expressions) != 2:
        raise wrong_count("date_format", "2", len(node.expressions))
    t, fmt = c.compile(node.expressions[0], scope), c.compile_as(node.expressions[1], STRING, scope)
    if t.kind.name == "time":
        return made(f"spark_time_format({t.sql}, {fmt.sql})", STRING, t, fmt)
    if t.kind != NTZ:
        taken = implicit(t, TIMESTAMP)
        if taken is None:
            raise wrong_type("date_format", c.shown(node), 0, '"TIMESTAMP"', t.kind)
        t = taken
    if not zones.is_utc():
        return made(f"spark_date_format({zones.local(cast(t, TIMESTAMP).sql)}, {shown_pattern(fmt)}, FALSE)", STRING, t, fmt)
    return made(f"spark_date_format(CAST({t.sql} AS TIMESTAMP), {fmt.sql}, {'TRUE' if t.kind == NTZ else 'FALSE'})", STRING, t, fmt)


@special("timestamp_seconds")
def timestamp_seconds(c, node, scope):
    (e,) = arguments(c, "timestamp_seconds", node, "num", scope)
    if integral(e.kind):
        return made(f"(make_timestamp(spark_check_sum(CAST({e.sql} AS HUGEINT) * 1000000, 'bigint')) AT TIME ZONE 'UTC')", TIMESTAMP, e)
    if e.kind.name == "decimal":
        return made(f"(make_timestamp(spark_exact_micros(CAST({e.sql} AS VARCHAR))) AT TIME ZONE 'UTC')", TIMESTAMP, e)
    return made(f"(spark_seconds_to_timestamp_(CAST({e.sql} AS DOUBLE)) AT TIME ZONE 'UTC')", TIMESTAMP, e)


@special("timestamp_millis timestamp_micros")
def timestamp_units(c, node, scope):
    name = node.name.lower()
    (e,) = arguments(c, name, node, "any", scope)
    if not integral(e.kind) and e.kind.name != "void":
        raise wrong_type(name, c.shown(node), 0, '"INTEGRAL"', e.kind)
    factor = 1000 if name.endswith("millis") else 1
    return made(f"(make_timestamp(spark_check_sum(CAST({e.sql} AS HUGEINT) * {factor}, 'bigint')) AT TIME ZONE 'UTC')", TIMESTAMP, e)


@special("convert_timezone")
def convert_timezone(c, node, scope):
    n = len(node.expressions)
    if n == 2:
        zone, t = arguments(c, "convert_timezone", node, "string,ntz", scope)
        return made(f"timezone(spark_zone({zone.sql}), {zones.instant(t.sql)})", NTZ, zone, t)
    a, b, t = arguments(c, "convert_timezone", node, "string,string,ntz", scope)
    return made(f"timezone(spark_zone({b.sql}), {zones.instant_in(f'spark_zone({a.sql})', t.sql)})", NTZ, a, b, t)


# --- times of day ----------------------------------------------------------------------------------------------------------------------------
@special("time")
def to_time_kind(c, node, scope):
    if len(node.expressions) != 1:
        raise wrong_count("time", "1", len(node.expressions))
    return cast(c.compile(node.expressions[0], scope), time(6))


@special("current_time localtime")
def current_time(c, node, scope):
    p = 6
    if node.expressions:
        e = c.compile(node.expressions[0], scope)
        if not (e.is_literal and isinstance(e.lit, int)):
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `precision` should be a foldable "INT" expression.')
        if not 0 <= e.lit <= 6:
            raise mismatch("VALUE_OUT_OF_RANGE", c.shown(node), f"The `precision` must be between [0, 6] (current value = {e.lit}).")
        p = e.lit
    return E(time_precision(f"spark_time_of({zones.local('now()')})", time(p)), time(p))


@special("make_time")
def make_time(c, node, scope):
    args = arguments(c, "make_time", node, "int,int,any", scope)
    sec = implicit(args[2], decimal(16, 6))
    if sec is None:
        raise wrong_type("make_time", c.shown(node), 2, '"DECIMAL(16,6)"', args[2].kind)
    return made(f"spark_make_time({args[0].sql}, {args[1].sql}, spark_exact_micros(CAST({sec.sql} AS VARCHAR)))", time(6), *args)


@special("to_time try_to_time")
def to_time(c, node, scope):
    name = node.name.lower()
    flag = "TRUE" if name.startswith("try") else "FALSE"
    args = arguments(c, name, node, "text,string?" if flag == "TRUE" else "string,string?", scope)
    if len(args) == 1:
        return made(f"spark_string_to_time({args[0].sql}, 'TIME(6)', {flag})" if flag == "TRUE" else f"spark_parse_time({args[0].sql}, '', {flag})", time(6), *args)
    return made(f"spark_parse_time({args[0].sql}, {args[1].sql}, {flag})", time(6), *args)


@special("time_diff")
def time_diff(c, node, scope):
    unit, a, b = arguments(c, "time_diff", node, "string,any,any", scope)
    for i, e in ((1, a), (2, b)):
        if e.kind.name not in ("time", "void", "string"):
            raise wrong_type("time_diff", c.shown(node), i, '"TIME"', e.kind)
    a, b = (e if e.kind.name == "time" else cast(e, time(6)) for e in (a, b))
    return made(f"spark_time_diff({unit.sql}, {a.sql}, {b.sql})", BIGINT, unit, a, b)


@special("time_trunc")
def time_trunc(c, node, scope):
    unit, t = arguments(c, "time_trunc", node, "string,any", scope)
    if t.kind.name not in ("time", "void", "string"):
        raise wrong_type("time_trunc", c.shown(node), 1, '"TIME"', t.kind)
    t = t if t.kind.name == "time" else cast(t, time(6))
    return made(f"spark_time_trunc({unit.sql}, {t.sql})", t.kind, unit, t)


def from_number(name, factor):
    @special(f"time_from_{name}")
    def build(c, node, scope):
        (e,) = arguments(c, f"time_from_{name}", node, "num" if name == "seconds" else "integral", scope)
        if name == "seconds" and e.kind.name == "decimal":
            x = f"spark_exact_micros(CAST({e.sql} AS VARCHAR))"
        elif name == "seconds" and not integral(e.kind):
            x = f"CAST(spark_float_to_integral(floor(CAST({e.sql} AS DOUBLE) * 1000000), 'BIGINT', FALSE) AS HUGEINT)"
        else:
            x = f"CAST({e.sql} AS HUGEINT) * {factor}"
        return made(f"spark_check_time(CAST({x} AS HUGEINT), '{name}')", time(6), e)


def to_number(name, factor):
    @special(f"time_to_{name}")
    def build(c, node, scope):
        (e,) = arguments(c, f"time_to_{name}", node, "any", scope)
        if e.kind.name not in ("time", "void", "string"):
            raise wrong_type(f"time_to_{name}", c.shown(node), 0, '"TIME"', e.kind)
        e = e if e.kind.name == "time" else cast(e, time(6))
        if name == "seconds":
            return made(f"CAST(spark_micros_text({e.sql}) AS DECIMAL(14,6))", decimal(14, 6), e)
        return made(f"({e.sql} // {factor})", BIGINT, e)


for _n, _f in (("seconds", 1000000), ("millis", 1000), ("micros", 1)):
    from_number(_n, _f)
    to_number(_n, _f)
