"""A compiled expression, and how it turns from one type into another."""
from kinds import (
    BIGINT, BOOLEAN, CALENDAR, DOUBLE, DT_UNITS, INT, RANGES, STRING, VOID, YM_UNITS, Kind, atomic, decimal, decimal_of, fractional, hides_variant, ident, integral, interval, numeric, physical, spatial, temporal, text,
)
import zones
from errors import mismatch, raised, unsupported

UNKNOWN = object()
UNIT_MICROS = {"day": 86400000000, "hour": 3600000000, "minute": 60000000, "second": 1000000}


class E:
    """DuckDB text with its Spark type. `lit`: the Python value if it is a literal; `refs`: the columns that the value comes from; `declared`: char(n) or
    varchar(n) of a column that was declared so, which nothing made of it inherits; `narrow`: the same value in at most 18 digits, or an error of the
    engine (see decimals.py), for sums and products; `qualifier`: of a column, the parts of its table's name."""

    __slots__ = ("sql", "kind", "refs", "name", "lit", "agg", "window", "volatile", "foldable", "source", "declared", "narrow", "origin", "qualifier")

    def __init__(self, sql, kind, refs=frozenset(), name="", lit=UNKNOWN, agg=False, window=False, volatile=False, foldable=False, source=None, declared="", narrow=None, origin=None, qualifier=()):
        if hides_variant(kind):
            raise unsupported(f"A value of type {kind.sql}, with a VARIANT inside another type,", "Make the whole value a VARIANT.")
        self.declared, self.narrow, self.origin, self.qualifier = declared, narrow, origin, qualifier
        self.sql, self.kind, self.refs, self.name, self.lit, self.agg, self.window, self.volatile, self.foldable, self.source = sql, kind, refs, name, lit, agg, window, volatile, foldable, source

    def with_(self, sql, kind, lit=UNKNOWN):
        return E(sql, kind, self.refs, self.name, lit, self.agg, self.window, self.volatile, self.foldable)

    @property
    def is_literal(self):
        return self.lit is not UNKNOWN

    @property
    def is_null(self):
        return self.kind == VOID


def made(sql, kind, *parts):
    """An expression out of others."""
    return E(sql, kind, frozenset().union(*(p.refs for p in parts)) if parts else frozenset(), agg=any(p.agg for p in parts), window=any(p.window for p in parts), volatile=any(p.volatile for p in parts),
             foldable=all(p.foldable for p in parts))


def literal_of(value, kind):
    if value is None:
        return E("NULL" if kind == VOID else f"CAST(NULL AS {physical(kind)})", kind, lit=None, foldable=True)
    if kind == STRING:
        return E(string_sql(value), kind, lit=value, foldable=True)
    if kind == BOOLEAN:
        return E("TRUE" if value else "FALSE", kind, lit=value, foldable=True)
    return E(f"CAST({value} AS {physical(kind)})", kind, lit=value, foldable=True)


def string_sql(value):
    if "\x00" in value:
        return "(" + " || ".join(p for p in _nul_parts(value)) + ")"
    return text(value)


def _nul_parts(value):
    for i, piece in enumerate(value.split("\x00")):
        if i:
            yield "chr(0)"
        yield text(piece)


# Casts that Spark's ANSI mode knows, beside those of a type to itself, of NULL, and inside nested types.
def castable(a, b):
    x, y = a.name, b.name
    if spatial(a) or spatial(b) and x != "void":  # where they lie is not changed by a cast, only how it is called
        return a == b or spatial(a) and spatial(b) and (x == y and b.args[0] == "any" or x != y and a.args[0] == b.args[0] != "any")
    if a == b or x == "void" or x == y and x not in ("array", "map", "struct"):
        return True
    if "variant" in (x, y):
        other = a if y == "variant" else b
        return not interval(other) and other.name not in ("time", "map", "struct") or x == "variant"
    if y == "string":
        return True
    if x == "string":
        return y not in ("array", "map", "struct")
    if y == "boolean":
        return numeric(a)
    if numeric(a):
        return numeric(b) or y == "timestamp" or (y in ("ym", "dt") and (integral(a) or x == "decimal"))
    if x == "boolean":
        return numeric(b)
    if x == "date":
        return y in ("timestamp", "timestamp_ntz")
    if x in ("timestamp", "timestamp_ntz"):
        return y in ("date", "timestamp", "timestamp_ntz", "time") or (x == "timestamp" and numeric(b))
    if x in ("ym", "dt"):
        return numeric(b) and b.name not in ("float", "double")
    if x == "time":
        return integral(b) or y == "decimal"
    if x == "array" and y == "array":
        return castable(a.args[0], b.args[0])
    if x == "map" and y == "map":
        return castable(a.args[0], b.args[0]) and castable(a.args[1], b.args[1])
    if x == "struct" and y == "struct":
        return len(a.args) == len(b.args) and all(castable(p[1], q[1]) for p, q in zip(a.args, b.args))
    return False


LEGACY = {("boolean", "timestamp"), ("timestamp", "boolean"), ("tinyint", "binary"), ("smallint", "binary"), ("int", "binary"), ("bigint", "binary"), ("date", "boolean"), ("date", "tinyint"), ("date", "smallint"), ("date", "int"),
          ("date", "bigint"), ("date", "float"), ("date", "double"), ("date", "decimal")}


def cast(e, to, mode="ansi", shown=None, depth=0):
    """CAST(e AS to): mode is ansi, or try, which gives NULL where ansi raises."""
    a = e.kind
    if a == to:
        return e
    if not castable(a, to):
        what = shown or e.name or "expression"
        if (a.name, to.name) in LEGACY and mode != "try":
            raise mismatch("CAST_WITH_CONF_SUGGESTION", f"CAST({what} AS {to.sql})", f'cannot cast "{a.sql}" to "{to.sql}" with ANSI mode on.')
        raise mismatch("CAST_WITHOUT_SUGGESTION", f"CAST({what} AS {to.sql})", f'cannot cast "{a.sql}" to "{to.sql}".')
    if a.name == "void":
        if "error('" in e.sql:  # raise_error keeps raising under a cast
            return e.with_(f"CAST(CAST({e.sql} AS VARCHAR) AS {physical(to)})", to)
        return e.with_(f"CAST(NULL AS {physical(to)})", to, None)
    sql = one_cast(e.sql, a, to, mode, depth)
    lit = UNKNOWN
    if e.is_literal:
        lit = folded(e.lit, a, to)
    return e.with_(sql, to, lit)


def folded(value, a, to):
    """A literal's value through a cast that cannot fail; else it is no literal any more."""
    if value is None:
        return None
    if integral(a) and (integral(to) and RANGES[to.name][0] <= value <= RANGES[to.name][1] or to.name == "decimal" and to.args[0] - to.args[1] >= 19):
        return value
    if integral(a) and to == STRING:
        return str(value)
    if a == STRING and integral(to):
        try:
            n = int(value.strip())
        except ValueError:
            return UNKNOWN
        return n if RANGES[to.name][0] <= n <= RANGES[to.name][1] and "_" not in value else UNKNOWN
    return UNKNOWN


def one_cast(x, a, to, mode, depth):
    duck = "TRY_CAST" if mode == "try" else "CAST"
    plain = f"{duck}({x} AS {physical(to)})"
    flag = "TRUE" if mode == "try" else "FALSE"
    n = to.name
    if spatial(a):
        return f"spark_geo_geography({x})" if (a.name, n) == ("geometry", "geography") else x
    if "variant" in (n, a.name):
        import variants

        return variants.to_variant(x, a) if n == "variant" else variants.from_variant(x, to, mode)
    if n == "string":
        return to_text(x, a, depth)
    if a.name == "string":
        return from_text(x, to, flag)
    if n == "boolean":
        return f"({x} <> 0)"
    if numeric(a) and numeric(to):
        if fractional(a) and integral(to):
            if a.name == "decimal":
                x = f"trunc({x})" if a.args[1] else x
                return f"{duck}({x} AS {physical(to)})"
            value = f"CAST(spark_float_to_integral(CAST({x} AS DOUBLE), {text(to.name.upper())}, {flag}) AS {physical(to)})"
            # 2^63 itself counts as the largest BIGINT.
            return f"CASE WHEN CAST({x} AS DOUBLE) = 9223372036854775808::DOUBLE THEN 9223372036854775807 ELSE {value} END" if n == "bigint" else value
        if n == "decimal" and a.name in ("float", "double"):
            return f"CASE WHEN isfinite({x}) THEN {duck}(spark_decimal_text(spark_to_string({x}), {text(to.sql)}, {flag}) AS {physical(to)}) END"
        return plain
    if a.name == "boolean":
        return plain
    if n == "timestamp" and numeric(a):
        if integral(a):
            return f"(make_timestamp(CAST({x} AS BIGINT) * 1000000) AT TIME ZONE 'UTC')"
        return f"(spark_seconds_to_timestamp_(CAST({x} AS DOUBLE)) AT TIME ZONE 'UTC')" if a.name != "decimal" else f"(make_timestamp(spark_exact_micros(CAST({x} AS VARCHAR))) AT TIME ZONE 'UTC')"
    if a.name == "timestamp" and numeric(to):
        micros = f"epoch_us({x})"
        if integral(to):
            return f"{duck}(spark_floor_div({micros}, 1000000) AS {physical(to)})"
        if n == "decimal":
            return f"{duck}(spark_micros_text({micros}) AS {physical(to)})"
        return f"CAST({micros} / 1000000.0::DOUBLE AS {physical(to)})"
    if n in ("timestamp", "timestamp_ntz", "date") and a.name in ("timestamp", "timestamp_ntz", "date"):
        if zones.is_utc() or "timestamp" not in (n, a.name):
            return plain
        if a.name == "timestamp":
            return zones.local(x) if n == "timestamp_ntz" else f"CAST({zones.local(x)} AS DATE)"
        return zones.instant(f"CAST({x} AS TIMESTAMP)")
    if n == "time" and temporal(a):
        return time_precision(f"spark_time_of({zones.local(x) if a.name == 'timestamp' else f'CAST({x} AS TIMESTAMP)'})", to)
    if n == "time" and a.name == "time":
        return time_precision(x, to) if to.args[0] < a.args[0] else x
    if n in ("ym", "dt") and a.name == n:
        return narrowed_interval(x, a, to)
    if n == "ym" or n == "dt":
        return number_to_interval(x, a, to, flag)
    if a.name in ("ym", "dt"):
        return interval_to_number(x, a, to, duck)
    if a.name == "time":
        if n == "decimal":
            return f"{duck}(spark_micros_text({x}) AS {physical(to)})"
        return f"{duck}(spark_floor_div({x}, 1000000) AS {physical(to)})"
    v = f"v{depth}_"
    if n == "array":
        inner = one_of(v, a.args[0], to.args[0], mode, depth + 1)
        return x if inner == v and physical(a) == physical(to) else f"list_transform({x}, lambda {v}: {inner})"
    if n == "map":
        key, value = one_of(f"{v}.\"key\"", a.args[0], to.args[0], mode, depth + 1), one_of(f"{v}.\"value\"", a.args[1], to.args[1], mode, depth + 1)
        return f"map_from_entries(list_transform(map_entries({x}), lambda {v}: {{'key': {key}, 'value': {value}}}))"
    if n == "struct":
        fields = ", ".join(f"{ident(g)} := " + one_of(f"({x}).{ident(f)}", k, m, mode, depth + 1) for (f, k), (g, m) in zip(unique_fields(a), unique_fields(to)))
        return f"CASE WHEN {x} IS NOT NULL THEN struct_pack({fields}) END"
    raise unsupported(f"A cast of {a.sql} to {to.sql}")


def unique_fields(k):
    names = [f.lower() for f, _ in k.args]
    if len(set(names)) != len(names):
        raise unsupported("A struct with two fields of one name")
    return k.args


def one_of(x, a, to, mode, depth):
    if a == to:
        return x
    if a == VOID:
        return f"CAST(NULL AS {physical(to)})"
    return one_cast(x, a, to, mode, depth)


def to_text(x, a, depth=0):
    n = a.name
    if n in ("float", "double"):
        return f"spark_to_string({x})"
    if n == "date":
        return f"spark_date_to_string({x})"
    if n in ("timestamp", "timestamp_ntz"):
        return f"spark_timestamp_to_string({zones.local(x) if n == 'timestamp' else f'CAST({x} AS TIMESTAMP)'})"
    if n == "binary":
        return f"spark_binary_to_string({x})"
    if n == "ym":
        return f"spark_ym_to_string({x}, '{a.args[0]}', '{a.args[1]}')"
    if n == "dt":
        return f"spark_dt_to_string({x}, '{a.args[0]}', '{a.args[1]}')"
    if n == "interval":
        return f"spark_interval_to_string({x})"
    if n == "time":
        return f"spark_time_to_string({x})"
    v = f"v{depth}_"
    if n == "array":
        item = f"coalesce({one_of(v, a.args[0], STRING, 'ansi', depth + 1)}, 'null')"
        return f"('[' || array_to_string(list_transform({x}, lambda {v}: {item}), ', ') || ']')"
    if n == "map":
        key, value = one_of(f"{v}.\"key\"", a.args[0], STRING, "ansi", depth + 1), one_of(f"{v}.\"value\"", a.args[1], STRING, "ansi", depth + 1)
        return f"('{{' || array_to_string(list_transform(map_entries({x}), lambda {v}: {key} || ' -> ' || coalesce({value}, 'null')), ', ') || '}}')"
    if n == "struct":
        parts = " || ', ' || ".join("coalesce(" + one_of(f"({x}).{ident(f)}", k, STRING, "ansi", depth + 1) + ", 'null')" for f, k in unique_fields(a))
        return f"CASE WHEN {x} IS NOT NULL THEN '{{' || {parts} || '}}' END"
    return f"CAST({x} AS VARCHAR)"


def from_text(x, to, flag):
    n = to.name
    if integral(to):
        return f"CAST(spark_string_to_integral({x}, '{n.upper()}', {flag}) AS {physical(to)})"
    if n in ("float", "double"):
        return f"CAST(spark_string_to_double({x}, '{n.upper()}', {flag}) AS {physical(to)})"
    if n == "decimal":
        return f"{'TRY_CAST' if flag == 'TRUE' else 'CAST'}(spark_decimal_text({x}, {text(to.sql)}, {flag}) AS {physical(to)})"
    if n == "boolean":
        return f"spark_string_to_boolean({x}, {flag})"
    if n == "date":
        return f"spark_string_to_date({x}, {flag})"
    if n == "timestamp":
        read = f"spark_string_to_timestamp({x}, 'TIMESTAMP', {flag})"
        return f"({read} AT TIME ZONE 'UTC')" if zones.is_utc() else f"CASE WHEN spark_names_zone({x}) THEN ({read} AT TIME ZONE 'UTC') ELSE {zones.instant(read)} END"
    if n == "timestamp_ntz":
        return f"spark_string_to_timestamp({x}, 'TIMESTAMP_NTZ', {flag})"
    if n == "time":
        return time_precision(f"spark_string_to_time({x}, {text(to.sql)}, {flag})", to)
    if n == "ym":
        return f"spark_string_to_ym({x}, '{to.args[0]}', '{to.args[1]}', {flag})"
    if n == "dt":
        return f"spark_string_to_dt({x}, '{to.args[0]}', '{to.args[1]}', {flag})"
    if n == "interval":
        return f"spark_string_to_interval({x}, {flag})"
    if n == "binary":
        return f"encode({x})"
    raise unsupported(f"A cast of text to {to.sql}")


def time_precision(x, to):
    p = to.args[0]
    return x if p == 6 else f"({x} // {10 ** (6 - p)} * {10 ** (6 - p)})"


def narrowed_interval(x, a, to):
    """An interval whose last unit is coarser loses what stands behind it."""
    if a.name == "ym":
        return f"({x} // 12 * 12)" if to.args[1] == "year" and a.args[1] == "month" else x
    if DT_UNITS.index(to.args[1]) < DT_UNITS.index(a.args[1]):
        unit = UNIT_MICROS[to.args[1]]
        return f"({x} - {x} % {unit})"
    return x


def number_to_interval(x, a, to, flag):
    unit = to.args[1]
    if to.name == "ym":
        whole = f"round({x})" if a.name == "decimal" else x
        return f"CAST(spark_check_interval(CAST({whole} AS HUGEINT) * {12 if unit == 'year' else 1}, {text(a.sql)}, {text(to.sql)}, {flag}) AS INTEGER)"
    factor = UNIT_MICROS[unit]
    if a.name == "decimal" and unit != "second":
        x = f"trunc({x})"
    amount = f"CAST(spark_exact_micros(CAST({x} AS VARCHAR)) AS HUGEINT) * {factor // 1000000}" if a.name == "decimal" else f"CAST({x} AS HUGEINT) * {factor}"
    return f"CAST(spark_check_interval({amount}, {text(a.sql)}, {text(to.sql)}, {flag}) AS BIGINT)"


def interval_to_number(x, a, to, duck):
    if a.name == "ym":
        return f"{duck}({x} // 12 AS {physical(to)})" if a.args[1] == "year" else f"{duck}({x} AS {physical(to)})"
    if to.name == "decimal" and a.args[1] == "second":
        return f"{duck}(spark_micros_text({x}) AS {physical(to)})"
    return f"{duck}({x} // {UNIT_MICROS[a.args[1]]} AS {physical(to)})"


def implicit(e, to):
    """The value as a function's argument of this kind, or nothing where Spark does not convert by itself."""
    a = e.kind
    if a == to:
        return e
    if a.name == "void":
        return cast(e, to)
    if a.name == to.name and a.name in ("ym", "dt"):
        return e.with_(e.sql, to)
    if a.name == "string" and atomic(to):
        return cast(e, to)
    if numeric(a) and numeric(to):
        return cast(e, to)
    if to.name == "string" and atomic(a):
        return cast(e, to)
    if temporal(a) and temporal(to):
        return cast(e, to)
    if a.name == to.name == "time":
        return e.with_(e.sql, to)
    if a.name == to.name and a.name in ("array", "map", "struct") and castable(a, to) and common_nested(a, to):
        return cast(e, to)
    return None


def common_nested(a, to):
    if a.name == "array":
        return implicit(E("x", a.args[0]), to.args[0]) is not None
    if a.name == "map":
        return implicit(E("x", a.args[0]), to.args[0]) is not None and implicit(E("x", a.args[1]), to.args[1]) is not None
    return all(implicit(E("x", x[1]), y[1]) is not None for x, y in zip(a.args, to.args))


# How a value looks when it leaves a query: what DuckDB holds as a number becomes Spark's text.
def delivered(x, k, depth=0, inner=False):
    """DuckDB text of a value as a client sees it, and None if it stays as it is."""
    n = k.name
    if n == "ym":
        return f"spark_ym_shown({x})"
    if n == "dt":
        return f"spark_dt_shown({x})"
    if n == "interval":
        return f"spark_interval_to_string({x})"
    if n == "time":
        return f"spark_time_to_string({x})"
    if spatial(k):
        return f"spark_geo_shown({x})"
    if n == "variant":
        zones.refused("The text of a VARIANT")
        return f"spark_variant_json({x})"
    v = f"v{depth}_"
    if n == "array":
        item = delivered(v, k.args[0], depth + 1, True)
        return f"list_transform({x}, lambda {v}: {item})" if item else None
    if n == "map":
        key, value = delivered(f"{v}.\"key\"", k.args[0], depth + 1, True), delivered(f"{v}.\"value\"", k.args[1], depth + 1, True)
        if not key and not value:
            return None
        return f"map_from_entries(list_transform(map_entries({x}), lambda {v}: {{'key': {key or v + '.key'}, 'value': {value or v + '.value'}}}))"
    if n == "struct":
        parts = [(f, delivered(f"({x}).{ident(f)}", kind, depth + 1, True)) for f, kind in k.args]
        if not any(p for _, p in parts):
            return None
        fields = ", ".join(f"{ident(f)} := {p or f'({x}).{ident(f)}'}" for f, p in parts)
        return f"CASE WHEN {x} IS NOT NULL THEN struct_pack({fields}) END"
    return None
