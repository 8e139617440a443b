"""VARIANT: parse_json, paths, and casts from and to other types. The engine holds a value as its bytes (engine/functions/variants.cc)."""
import re

from catalogue import arguments, define, special, wrong_count, wrong_type
import zones
from errors import raised, unsupported
from kinds import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, FLOAT, NTZ, STRING, TIMESTAMP, VARIANT, atomic, integral, interval, of_node, physical, text
from values import castable, from_text, literal_of, made, one_cast

PATH = re.compile(r"""\$(?:\[\d{1,9}\]|\.[^.\[]+|\['[^']+'\]|\["[^"]+"\])*\Z""")

define("parse_json", "text", VARIANT, "spark_parse_json({0}, FALSE)")
define("try_parse_json", "text", VARIANT, "spark_parse_json({0}, TRUE)")


def to_variant(x, a):
    n = a.name
    if n == "boolean":
        return f"spark_variant_of_boolean({x})"
    if integral(a):
        return f"spark_variant_of_bigint(CAST({x} AS BIGINT))"
    if n in ("float", "double", "date", "binary"):
        return f"spark_variant_of_{n}({x})"
    if n == "decimal":
        return f"spark_variant_of_decimal(CAST({x} AS VARCHAR))"
    if n == "string":
        return f"spark_variant_of_text({x})"
    if n in ("timestamp", "timestamp_ntz"):
        return f"spark_variant_of_moment(epoch_us({x}), {'TRUE' if n == 'timestamp' else 'FALSE'})"
    raise unsupported(f"A cast of {a.sql} to VARIANT")


def from_variant(x, to, mode):
    """Spark's cast: by the type of the value inside; what does not fit is INVALID_VARIANT_CAST, and NULL in try_cast."""
    if not atomic(to) or interval(to) or to.name == "time":
        raise unsupported(f"A cast of VARIANT to {to.sql}", "Take its parts by paths.")
    wrong = f"CAST(NULL AS {physical(to)})" if mode == "try" else f"CAST(spark_variant_invalid_cast({x}, {text(to.sql)}) AS {physical(to)})"
    whole = f"spark_variant_whole({x})"
    inside = {
        BOOLEAN: f"({whole} <> 0)", BIGINT: whole, DOUBLE: f"spark_variant_double({x})", FLOAT: f"CAST(spark_variant_double({x}) AS FLOAT)", STRING: f"spark_variant_text({x})", BINARY: f"spark_variant_bytes({x})",
        DATE: f"CAST(DATE '1970-01-01' + CAST({whole} AS INTEGER) AS DATE)", TIMESTAMP: f"(make_timestamp({whole}) AT TIME ZONE 'UTC')", NTZ: f"make_timestamp({whole})",
    }
    branches = []
    for a, value in inside.items():
        if a == to:
            branches.append((a.name, value))
        elif castable(a, to):
            branches.append((a.name, f"coalesce({one_cast(value, a, to, 'try', 9)}, {wrong})"))
    digits = f"spark_variant_text({x})"
    if to == STRING:
        branches += [("decimal", digits), ("object", digits), ("array", digits)]
        zones.refused("The text of a VARIANT")
    elif to == BOOLEAN:
        branches.append(("decimal", f"({digits} <> '0')"))
    elif integral(to):
        branches.append(("decimal", f"coalesce({from_text(f'spark_variant_truncated({x})', to, 'TRUE')}, {wrong})"))
    elif to.name in ("float", "double", "decimal"):
        branches.append(("decimal", f"coalesce({from_text(digits, to, 'TRUE')}, {wrong})"))
    elif to == TIMESTAMP:
        branches.append(("decimal", f"(make_timestamp(spark_exact_micros({digits})) AT TIME ZONE 'UTC')"))
    cases = " ".join(f"WHEN '{name}' THEN {value}" for name, value in branches)
    return f"CASE spark_variant_type({x}) {cases} WHEN 'void' THEN NULL ELSE CASE WHEN {x} IS NOT NULL THEN {wrong} END END"


def at_path(e, path):
    return made(f"spark_variant_get({e.sql}, {text(path)})", VARIANT, e)


@special("variant_get try_variant_get")
def variant_get(c, node, scope):
    name = node.name.lower()
    if not 2 <= len(node.expressions) <= 3:
        raise wrong_count(name, "[2, 3]", len(node.expressions))
    e, path = c.compile(node.expressions[0], scope), c.compile(node.expressions[1], scope)
    if e.kind == VARIANT or e.kind.name == "void":
        e = e if e.kind == VARIANT else literal_of(None, VARIANT)
    else:
        raise wrong_type(name, c.shown(node), 0, '"VARIANT"', e.kind)
    if not path.is_literal or not isinstance(path.lit, str):
        raise unsupported(f"A path of {name} that is no literal")
    if not PATH.match(path.lit):
        raise raised("INVALID_VARIANT_GET_PATH", f"The path `{path.lit}` is not a valid variant extraction path in ``{name}``.\nA valid path should start with `$` and is followed by zero or more segments like `[123]`, `.name`, `['name']`, or `[\"name\"]`.", "22023")
    found = at_path(e, path.lit)
    if len(node.expressions) == 2:
        return found
    to = kind_of(c, node.expressions[2], scope)
    return found if to == VARIANT else made(from_variant(found.sql, to, "try" if name.startswith("try") else "ansi"), to, e)


def kind_of(c, node, scope):
    from relations import parse_kind

    t = c.compile(node, scope)
    if not t.is_literal or not isinstance(t.lit, str):
        raise unsupported("A type of variant_get that is no literal")
    return of_node(parse_kind(t.lit))


@special("is_variant_null")
def is_variant_null(c, node, scope):
    e = one(c, node, scope)
    return made(f"coalesce(spark_is_variant_null({e.sql}), FALSE)", BOOLEAN, e)


@special("schema_of_variant")
def schema_of_variant(c, node, scope):
    e = one(c, node, scope)
    return made(f"spark_schema_of_variant({e.sql})", STRING, e)


def one(c, node, scope):
    (e,) = arguments(c, node.name.lower(), node, "any", scope)
    if e.kind.name == "void":
        return literal_of(None, VARIANT)
    if e.kind != VARIANT:
        raise wrong_type(node.name.lower(), c.shown(node), 0, '"VARIANT"', e.kind)
    return e
