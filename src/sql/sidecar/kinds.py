"""Spark's data types: how they are spelled, how DuckDB holds them, and which type two of them have in common.

Intervals and times are held as numbers: months (INTEGER) for year-month intervals, microseconds (BIGINT) for day-time intervals and times of
day. Arithmetic, comparison and overflow are then those of numbers; text is made where a value leaves the query.
"""
from dataclasses import dataclass, field
from functools import lru_cache

from sqlglot import exp

import srids
from errors import raised, unsupported


@dataclass(frozen=True)
class Kind:
    name: str
    args: tuple = ()  # decimal: (p, s); array: (item,); map: (key, value); struct: ((name, kind), ...); ym, dt: (first unit, last unit); time: (p,); geometry, geography: (srid or "any",)
    null: bool = field(default=True, compare=False)

    def __str__(self):
        n = self.name
        if n == "decimal":
            return f"decimal({self.args[0]},{self.args[1]})"
        if n == "array":
            return f"array<{self.args[0]}>"
        if n == "map":
            return f"map<{self.args[0]},{self.args[1]}>"
        if n == "struct":
            return "struct<" + ",".join(f"{plain_name(f)}:{k}" for f, k in self.args) + ">"
        if n in ("ym", "dt"):
            a, b = self.args
            return f"interval {a}" if a == b else f"interval {a} to {b}"
        if n in ("time", "geometry", "geography"):
            return f"{n}({self.args[0]})"
        return n

    @property
    def sql(self):
        return str(self).upper()


def plain_name(f):
    return f if f.replace("_", "a").isalnum() else "`" + f.replace("`", "``") + "`"


VOID, STRING, BINARY, BOOLEAN = Kind("void"), Kind("string"), Kind("binary"), Kind("boolean")
TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE = Kind("tinyint"), Kind("smallint"), Kind("int"), Kind("bigint"), Kind("float"), Kind("double")
DATE, TIMESTAMP, NTZ, CALENDAR, VARIANT = Kind("date"), Kind("timestamp"), Kind("timestamp_ntz"), Kind("interval"), Kind("variant")
YM_UNITS, DT_UNITS = ("year", "month"), ("day", "hour", "minute", "second")
YM, DT = Kind("ym", ("year", "month")), Kind("dt", ("day", "second"))


def decimal(p, s):
    return Kind("decimal", (p, s))


def array(item):
    return Kind("array", (item,))


def map_(key, value):
    return Kind("map", (key, value))


def struct(fields):
    return Kind("struct", tuple(fields))


def time(p=6):
    return Kind("time", (p,))


INTEGRALS = ("tinyint", "smallint", "int", "bigint")
NUMERICS = INTEGRALS + ("decimal", "float", "double")
RANGES = {"tinyint": (-128, 127), "smallint": (-32768, 32767), "int": (-(2**31), 2**31 - 1), "bigint": (-(2**63), 2**63 - 1)}
AS_DECIMAL = {"tinyint": (3, 0), "smallint": (5, 0), "int": (10, 0), "bigint": (20, 0), "float": (14, 7), "double": (30, 15)}
ORDER = {"tinyint": 0, "smallint": 1, "int": 2, "bigint": 3, "float": 4, "double": 5}


def integral(k):
    return k.name in INTEGRALS


def numeric(k):
    return k.name in NUMERICS


def fractional(k):
    return k.name in ("float", "double", "decimal")


def interval(k):
    return k.name in ("ym", "dt", "interval")


def temporal(k):
    return k.name in ("date", "timestamp", "timestamp_ntz")


def atomic(k):
    return k.name not in ("array", "map", "struct", "void", "interval", "variant", "geometry", "geography")


def spatial(k):
    return k.name in ("geometry", "geography")


def any_in(k, test):
    if test(k):
        return True
    return any(any_in(x[1] if isinstance(x, tuple) else x, test) for x in k.args if isinstance(x, (Kind, tuple)) and not isinstance(x, str))


PHYSICAL = {"void": "INTEGER", "string": "VARCHAR", "binary": "BLOB", "boolean": "BOOLEAN", "tinyint": "TINYINT", "smallint": "SMALLINT", "int": "INTEGER", "bigint": "BIGINT", "float": "FLOAT", "double": "DOUBLE", "date": "DATE",
            "timestamp": "TIMESTAMPTZ", "timestamp_ntz": "TIMESTAMP", "interval": "INTERVAL", "ym": "INTEGER", "dt": "BIGINT", "time": "BIGINT", "variant": "BLOB", "geometry": "BLOB", "geography": "BLOB"}


def physical(k):
    """The DuckDB type that holds values of a kind."""
    if k.name == "decimal":
        return f"DECIMAL({k.args[0]},{k.args[1]})"
    if k.name == "array":
        return physical(k.args[0]) + "[]"
    if k.name == "map":
        return f"MAP({physical(k.args[0])}, {physical(k.args[1])})"
    if k.name == "struct":
        return "STRUCT(" + ", ".join(ident(f) + " " + physical(x) for f, x in k.args) + ")"
    return PHYSICAL[k.name]


@lru_cache(maxsize=4096)
def hides_variant(k):
    """An array, a map or a struct with a VARIANT inside."""
    return bool(k.args) and any_in(k, lambda x: x.name == "variant")


def ident(name):
    return '"' + name.replace('"', '""') + '"'


def text(value):
    return "'" + value.replace("'", "''") + "'"


def bounded(p, s):
    """Spark's rule where digits do not suffice: whole digits are kept, at least six of the fraction."""
    if p <= 38:
        return decimal(p, s)
    whole = p - s
    return decimal(38, max(38 - whole, min(s, 6)))


def capped(p, s):
    """Spark's DecimalType.bounded: both no more than 38."""
    return decimal(min(p, 38), min(s, 38))


def decimal_of(k):
    """The decimal that holds an exact number."""
    return k.args if k.name == "decimal" else AS_DECIMAL[k.name]


def wider(a, b):
    """The tightest common type, nothing if there is none (Spark, ANSI)."""
    if a == b:
        return a
    if a.name == "void":
        return b
    if b.name == "void":
        return a
    if numeric(a) and numeric(b):
        if "decimal" in (a.name, b.name):
            if "double" in (a.name, b.name) or "float" in (a.name, b.name):
                return DOUBLE
            (p1, s1), (p2, s2) = decimal_of(a), decimal_of(b)
            scale, whole = max(s1, s2), max(p1 - s1, p2 - s2)
            p = whole + scale
            return decimal(p, scale) if p <= 38 else decimal(38, max(0, scale - (p - 38)))
        if "float" in (a.name, b.name) and ("bigint" in (a.name, b.name) or "int" in (a.name, b.name)):
            return DOUBLE
        return a if ORDER[a.name] >= ORDER[b.name] else b
    if temporal(a) and temporal(b):
        if "timestamp" in (a.name, b.name):
            return TIMESTAMP
        return NTZ
    for units in (YM_UNITS, DT_UNITS):
        n = "ym" if units is YM_UNITS else "dt"
        if a.name == n and b.name == n:
            return Kind(n, (min(a.args[0], b.args[0], key=units.index), max(a.args[1], b.args[1], key=units.index)))
    if a.name == "time" and b.name == "time":
        return time(max(a.args[0], b.args[0]))
    if spatial(a) and a.name == b.name:
        return Kind(a.name, ("any",))
    return None


def common(a, b):
    """The common type of two branches or items: also of text with anything atomic, and inside nested types."""
    found = wider(a, b)
    if found is not None:
        return found
    if "variant" in (a.name, b.name):
        other = b if a.name == "variant" else a
        return VARIANT if other == STRING else None
    if "string" in (a.name, b.name):
        other = b if a.name == "string" else a
        if integral(other):
            return BIGINT
        if fractional(other):
            return DOUBLE
        return other if atomic(other) and not interval(other) else None
    if a.name == b.name == "array":
        item = common(a.args[0], b.args[0])
        return array(item) if item else None
    if a.name == b.name == "map":
        key, value = common(a.args[0], b.args[0]), common(a.args[1], b.args[1])
        return map_(key, value) if key and value else None
    if a.name == b.name == "struct" and len(a.args) == len(b.args):
        fields = []
        for (f, x), (g, y) in zip(a.args, b.args):
            k = common(x, y)
            if k is None or f.lower() != g.lower():
                return None
            fields.append((f, k))
        return struct(fields)
    return None


def all_common(kinds):
    out = VOID
    for k in sorted(kinds, key=lambda k: k.name == "string"):  # text last, so that it meets what the others agree on
        out = common(out, k)
        if out is None:
            return None
    return out


def orderable(k):
    return k.name not in ("map", "interval", "variant", "geometry", "geography") and all(orderable(x[1] if isinstance(x, tuple) else x) for x in k.args if isinstance(x, (Kind, tuple)))


T = exp.DataType.Type
BY_TOKEN = {T.BOOLEAN: BOOLEAN, T.TINYINT: TINYINT, T.SMALLINT: SMALLINT, T.INT: INT, T.BIGINT: BIGINT, T.FLOAT: FLOAT, T.DOUBLE: DOUBLE, T.TEXT: STRING, T.BINARY: BINARY, T.VARBINARY: BINARY, T.DATE: DATE,
            T.TIMESTAMPTZ: TIMESTAMP, T.TIMESTAMPLTZ: TIMESTAMP, T.TIMESTAMP: TIMESTAMP, T.TIMESTAMPNTZ: NTZ, T.NULL: VOID, T.VARIANT: VARIANT}


def of_node(to):
    """The kind that a parsed type means."""
    this = to.this
    if isinstance(this, exp.Interval):
        unit = this.args.get("unit")
        if isinstance(unit, exp.IntervalSpan):
            return interval_kind(unit.this.name.lower(), unit.expression.name.lower())
        return interval_kind(unit.name.lower(), unit.name.lower())
    if this == T.INTERVAL:
        return CALENDAR
    if this in (T.VARCHAR, T.CHAR, T.NCHAR, T.NVARCHAR):
        if to.expressions:
            raise unsupported("A column or cast of type CHAR or VARCHAR with a length", "Use STRING.")
        return STRING
    if this == T.DECIMAL:
        args = [int(e.name) for e in to.expressions]
        p, s = (args + [0])[:2] if args else (10, 0)
        if p > 38:
            raise raised("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", f"Decimal precision {p} exceeds max precision 38.", "22003")
        if s > p:
            raise raised("DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE", f"Decimal scale {s} cannot be greater than precision {p}.", "42K09")
        return decimal(p, s)
    if this == T.ARRAY:
        return array(of_node(to.expressions[0]))
    if this == T.MAP:
        return map_(of_node(to.expressions[0]), of_node(to.expressions[1]))
    if this == T.STRUCT:
        return struct((e.name, of_node(e.args["kind"]) if isinstance(e, exp.ColumnDef) else of_node(e)) for e in to.expressions)
    if this in (T.TIME, T.TIMETZ):
        p = int(to.expressions[0].name) if to.expressions else 6
        if p > 6:
            raise raised("UNSUPPORTED_TIME_PRECISION", f"The seconds precision {p} of the TIME data type is out of the supported range [0, 6].", "0A001")
        return time(p)
    if this in (T.GEOMETRY, T.GEOGRAPHY):
        name = this.value.lower()
        if not to.expressions:
            raise raised("UNSUPPORTED_DATATYPE", f'Unsupported data type "{name.upper()}".', "0A000")
        srid = to.expressions[0].name
        return Kind(name, ("any",) if srid.lower() == "any" else (srids.checked(name, int(srid)),))
    found = BY_TOKEN.get(this)
    if found is None:
        raise unsupported(f"The type {to.sql('databricks')}")
    return found


def unbounded(to):
    """The type of a cast: there CHAR(n) and VARCHAR(n), also inside another type, are STRING to Spark, which keeps no length."""
    out = to.copy()
    for part in list(out.find_all(exp.DataType)):
        if part.this in (T.VARCHAR, T.CHAR, T.NCHAR, T.NVARCHAR):
            if not part.expressions:
                raise sizeless(part.this.value)
            part.set("this", T.TEXT)
            part.set("expressions", [])
    return out


def sizeless(name):
    return raised("DATATYPE_MISSING_SIZE", f'DataType "{name}" requires a length parameter, for example "{name}"(10). Please specify the length.', "42K01")


def interval_kind(first, last):
    first, last = first.rstrip("s"), last.rstrip("s")
    for n, units in (("ym", YM_UNITS), ("dt", DT_UNITS)):
        if first in units and last in units and units.index(first) <= units.index(last):
            return Kind(n, (first, last))
    raise raised("PARSE_SYNTAX_ERROR", f"Syntax error at or near '{last}': no interval runs from {first} to {last}.", "42601")


def of_text(spelled, parse):
    """The kind of a column as the catalog spells it."""
    return KNOWN.get(spelled) or of_node(parse(spelled))


KNOWN = {k.name: k for k in (VOID, STRING, BINARY, BOOLEAN, TINYINT, SMALLINT, INT, BIGINT, FLOAT, DOUBLE, DATE, TIMESTAMP, NTZ, CALENDAR, VARIANT)}
