"""JSON: paths, parsing with a schema, writing."""
from sqlglot import exp

from catalogue import GENERATORS, arguments, define, generator, special, wrong_count, wrong_type
import zones
from errors import mismatch, raised, unsupported
from kinds import BIGINT, BOOLEAN, DOUBLE, INT, STRING, VOID, Kind, array, fractional, ident, integral, interval, map_, numeric, of_node, physical, struct, temporal, text
from scopes import Col
from values import E, cast, implicit, literal_of, made, time_precision, to_text

define("get_json_object", "string,string", STRING, "spark_get_json_object({0}, {1})")
define("json_array_length", "text", INT, "spark_json_array_length({0})")
define("json_object_keys", "text", array(STRING), "spark_json_object_keys({0})")


def options_of(c, node, i, scope):
    """The options of from_json and to_json: a literal map."""
    if len(node.expressions) <= i:
        return {}
    given = node.expressions[i]
    if not isinstance(given, exp.Anonymous) or given.name.lower() != "map":
        e = c.compile(given, scope)
        raise raised("INVALID_OPTIONS.NON_MAP_FUNCTION", "Invalid options: Must use the `map()` function for options.", "42K06")
    out = {}
    args = given.expressions
    for k, v in zip(args[::2], args[1::2]):
        a, b = c.compile(k, scope), c.compile(v, scope)
        if a.kind != STRING or b.kind != STRING:
            raise raised("INVALID_OPTIONS.NON_STRING_TYPE", f'Invalid options: A type of keys and values in `map()` must be string, but got "MAP<{a.kind.sql}, {b.kind.sql}>".', "42K06")
        out[a.lit.lower()] = b.lit
    return out


@special("to_json")
def to_json(c, node, scope):
    if not 1 <= len(node.expressions) <= 2:
        raise wrong_count("to_json", "[1, 2]", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    options = options_of(c, node, 1, scope)
    if e.kind.name not in ("struct", "array", "map", "variant"):
        raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The first parameter requires the ("STRUCT" or "ARRAY" or "MAP" or "VARIANT") type, however it has the type "{e.kind.sql}".')
    if e.kind.name == "variant":
        zones.refused("to_json of a VARIANT")
        if options:
            raise unsupported("An option of to_json of a VARIANT")
        return made(f"spark_variant_json({e.sql})", STRING, e)
    known = {k: v for k, v in options.items() if k in ("timestampformat", "dateformat", "ignorenullfields", "pretty")}
    if set(options) - set(known) or known.get("pretty", "false").lower() == "true":
        raise unsupported("This option of to_json")
    return made(f"CASE WHEN {e.sql} IS NOT NULL THEN {written(e.sql, e.kind, options, 0)} END", STRING, e)


def written(x, k, options, depth):
    """JSON text of a value that is not NULL."""
    n = k.name
    v = f"j{depth}_"
    keep = options.get("ignorenullfields", "true").lower() == "false"
    if n == "struct":
        parts = []
        for f, kind in k.args:
            field = f"({x}).{ident(f)}"
            name = quoted_json(f)
            if kind == VOID:
                parts.append(text(f"{name}:null") if keep else "NULL")
                continue
            value = f"CASE WHEN {field} IS NOT NULL THEN {text(name + ':')} || {written(field, kind, options, depth)}" + (f" ELSE {text(name + ':null')}" if keep else "") + " END"
            parts.append(value)
        return f"('{{' || concat_ws(',', {', '.join(parts)}) || '}}')"
    if n == "array":
        return f"('[' || array_to_string(list_transform({x}, lambda {v}: CASE WHEN {v} IS NULL THEN 'null' ELSE {written(v, k.args[0], options, depth + 1)} END), ',') || ']')"
    if n == "map":
        if k.args[0].name in ("struct", "array", "map"):
            raise unsupported("to_json of a map whose keys are nested")
        key = to_text(f'{v}."key"', k.args[0]) if k.args[0] != STRING else f'{v}."key"'
        value = written(f'{v}."value"', k.args[1], options, depth + 1)
        return f"('{{' || array_to_string(list_transform(map_entries({x}), lambda {v}: spark_json_quote({key}) || ':' || CASE WHEN {v}.\"value\" IS NULL THEN 'null' ELSE {value} END), ',') || '}}')"
    if n == "string":
        return f"spark_json_quote({x})"
    if n == "void":
        return "'null'"
    if n == "boolean" or integral(k):
        return f"CAST({x} AS VARCHAR)"
    if n in ("float", "double"):
        return f"spark_json_number({x})"
    if n == "decimal":
        return f"CAST({x} AS VARCHAR)"
    if n == "date":
        fmt = options.get("dateformat")
        return f"spark_json_quote(spark_date_format(CAST({x} AS TIMESTAMP), {text(fmt)}, TRUE))" if fmt else f"spark_json_quote({to_text(x, k)})"
    if n in ("timestamp", "timestamp_ntz"):
        if n == "timestamp":
            zones.refused("A TIMESTAMP in to_json")
        fmt = options.get("timestampformat") or ("yyyy-MM-dd'T'HH:mm:ss.SSSXXX" if n == "timestamp" else "yyyy-MM-dd'T'HH:mm:ss.SSS")
        return f"spark_json_quote(spark_date_format(CAST({x} AS TIMESTAMP), {text(fmt)}, {'FALSE' if n == 'timestamp' else 'TRUE'}))"
    if interval(k) or n == "time":
        return f"spark_json_quote({to_text(x, k)})"
    raise unsupported(f"to_json of {k.sql}")


def quoted_json(name):
    import json

    return json.dumps(name, ensure_ascii=False)


def schema_kind(c, node, scope, name, what="schema"):
    """The type that a schema argument means: DDL text, a JSON schema, or schema_of_json of a literal."""
    if isinstance(node, exp.Anonymous) and node.name.lower() in ("schema_of_json", "schema_of_csv"):
        raise unsupported("A schema made by schema_of_json")
    e = c.compile(node, scope)
    if not e.is_literal or not isinstance(e.lit, str):
        raise raised("INVALID_SCHEMA.NON_STRING_LITERAL", f'The input schema "{c.shown(node)}" is not a valid schema string. The input expression must be string literal and not null.', "42K07")
    return parsed_schema(e.lit)


def parsed_schema(value):
    from relations import parse_kind
    from sqlglot.errors import ParseError, TokenError

    t = value.strip()
    if t.startswith("{"):
        raise unsupported("A schema as JSON")
    for attempt in (t, f"struct<{t}>"):
        try:
            k = of_node(parse_kind(attempt))
            if attempt is t and k.name not in ("struct", "array", "map") and " " in t:
                continue
            return k
        except (ParseError, TokenError, AttributeError, IndexError):
            continue
    raise raised("PARSE_SYNTAX_ERROR", f"Syntax error at or near '{t}'.", "42601")


@special("from_json")
def from_json(c, node, scope):
    if not 2 <= len(node.expressions) <= 3:
        raise wrong_count("from_json", "[2, 3]", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    s = implicit(e, STRING) if e.kind.name in ("string", "void") else None
    if s is None:
        raise wrong_type("from_json", c.shown(node), 0, '"STRING"', e.kind)
    k = schema_kind(c, node.expressions[1], scope, "from_json")
    options = options_of(c, node, 2, scope)
    if set(options) - {"timestampformat", "dateformat", "timeformat", "mode"} or options.get("mode", "permissive").lower() not in ("permissive", "failfast"):
        raise unsupported("This option of from_json")
    if k.name not in ("struct", "array", "map"):
        raise mismatch("INVALID_JSON_SCHEMA", c.shown(node), f'Input schema "{k.sql}" must be a struct, an array, a map or a variant.')
    fast = "TRUE" if options.get("mode", "").lower() == "failfast" else "FALSE"
    if fast == "TRUE":
        raise unsupported("from_json with the mode FAILFAST")
    raw = f"spark_json_parse({s.sql}, '{k.name}')"
    return made(read(raw, k, options, 0, True), k, s)


def read(x, k, options, depth, top=False):
    """A value out of one JSON value's text, NULL where that is of another type."""
    n = k.name
    v = f"r{depth}_"
    if n == "struct":
        fields = ", ".join(f"{ident(f)} := {read(f'spark_json_field({v}, {text(f)})', kind, options, depth + 1)}" for f, kind in k.args)
        return f"list_extract(list_transform([spark_json_object({x})], lambda {v}: CASE WHEN {v} IS NOT NULL THEN struct_pack({fields}) END), 1)"
    if n == "array":
        items = f"spark_json_items({x}, {'TRUE' if top and k.args[0].name == 'struct' else 'FALSE'})"
        out = f"list_transform({items}, lambda {v}: {read(v, k.args[0], options, depth + 1)})"
        if k.args[0].name == "string":
            return out
        # An item of another type spoils the array; inside a larger value Spark keeps parts of it, which is refused.
        bad = f"len(list_filter({out}, lambda {v}: {v} IS NULL)) > len(list_filter({items}, lambda {v}: {v} IS NULL))"
        then = "NULL" if top else "error('[UNSUPPORTED_FEATURE] A malformed item in an array inside JSON is not supported by this warehouse. SQLSTATE: 0A000')"
        return f"CASE WHEN {bad} THEN {then} ELSE {out} END"
    if n == "map":
        if k.args[0] != STRING:
            raise unsupported("from_json into a map whose keys are no STRING")
        return f"map(spark_json_keys({x}), list_transform(spark_json_values({x}), lambda {v}: {read(v, k.args[1], options, depth + 1)}))"
    if n == "string":
        return f"spark_json_text({x})"
    if n == "boolean":
        return f"CAST(spark_json_scalar({x}, 'boolean') AS BOOLEAN)"
    if integral(k):
        return f"TRY_CAST(spark_json_scalar({x}, 'integral') AS {physical(k)})"
    if n in ("float", "double"):
        return f"TRY_CAST(spark_json_scalar({x}, 'double') AS {physical(k)})"
    if n == "decimal":
        return f"TRY_CAST(spark_json_scalar({x}, 'decimal') AS {physical(k)})"
    if n == "date":
        fmt = options.get("dateformat")
        t = f"spark_json_scalar({x}, 'string')"
        return f"TRY_CAST(spark_parse_timestamp({t}, {text(fmt)}, FALSE, TRUE) AS DATE)" if fmt else f"spark_string_to_date({t}, TRUE)"
    if n in ("timestamp", "timestamp_ntz"):
        if n == "timestamp":
            zones.refused("A TIMESTAMP in from_json")
        fmt = options.get("timestampformat")
        t = f"spark_json_scalar({x}, 'string')"
        inner = f"spark_parse_timestamp({t}, {text(fmt)}, FALSE, TRUE)" if fmt else f"spark_string_to_timestamp({t}, 'TIMESTAMP', TRUE)"
        return f"({inner} AT TIME ZONE 'UTC')" if n == "timestamp" else inner
    if n in ("ym", "dt"):
        return f"spark_string_to_{n}(spark_json_scalar({x}, 'string'), '{k.args[0]}', '{k.args[1]}', TRUE)"
    if n == "time":
        fmt = options.get("timeformat")
        t = f"spark_json_scalar({x}, 'string')"
        return time_precision(f"spark_parse_time({t}, {text(fmt)}, TRUE)" if fmt else f"spark_string_to_time({t}, 'TIME', TRUE)", k)
    if n == "interval":
        return f"spark_string_to_interval(spark_json_scalar({x}, 'string'), TRUE)"
    raise unsupported(f"from_json into {k.sql}")


@special("schema_of_json")
def schema_of_json(c, node, scope):
    if not 1 <= len(node.expressions) <= 2:
        raise wrong_count("schema_of_json", "[1, 2]", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    if len(node.expressions) == 2:
        options = options_of(c, node, 1, scope)
        if options:
            raise unsupported("An option of schema_of_json")
    if not e.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `json` should be a foldable "STRING" expression; however, got "' + c.shown(node.expressions[0]) + '".')
    if e.kind.name == "void" or e.is_literal and e.lit is None:
        raise mismatch("UNEXPECTED_NULL", c.shown(node), "The `json` must not be null.")
    if e.kind != STRING:
        raise wrong_type("schema_of_json", c.shown(node), 0, '"STRING"', e.kind)
    return made(f"spark_schema_of_json({e.sql})", STRING, e)


@generator("json_tuple")
def json_tuple(c, node, scope, outer):
    if len(node.expressions) < 2:
        raise wrong_count("json_tuple", "> 1", len(node.expressions))
    args = [c.compile(a, scope) for a in node.expressions]
    for i, a in enumerate(args):
        if a.kind.name != "string" and (i > 0 or a.kind.name != "void"):
            raise mismatch("NON_STRING_TYPE", c.shown(node), "All arguments of the function `json_tuple` must be strings.")
    columns = [Col(f"c{i}", STRING, f'"c{i}"', args[0].refs) for i in range(len(args) - 1)]
    return columns, "SELECT " + ", ".join(f"spark_json_tuple({cast(args[0], STRING).sql}, {cast(a, STRING).sql}) AS {col.ref}" for a, col in zip(args[1:], columns))
