"""CSV: one record's text with a schema, writing it, and the schema that a record seems to have."""
import re

from sqlglot import exp

import zones
from catalogue import special, wrong_count, wrong_type
from errors import mismatch, raised, unsupported
from fn_json import options_of, parsed_schema
from kinds import BIGINT, BOOLEAN, DATE, DOUBLE, INT, STRING, TIMESTAMP, VOID, decimal, ident, integral, interval, physical, struct, text
from values import E, cast, implicit, made, time_precision, to_text

READ = {"sep", "delimiter", "quote", "escape", "nullvalue", "ignoreleadingwhitespace", "ignoretrailingwhitespace", "dateformat", "timestampformat", "timestampntzformat", "timeformat", "mode"}
WRITTEN = (READ - {"mode"}) | {"emptyvalue"}
NUMBER = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?"


class Format:
    """How a record is cut: the options that say so, as DuckDB texts."""

    def __init__(self, what, options, known, trimmed):
        for name in options:
            if name not in known:
                raise unsupported(f"The option {name} of {what}")
            if options[name] is None:
                raise unsupported(f"NULL as the option {name} of {what}")
        separator = options.get("sep", options.get("delimiter", ","))
        separator = {"\\t": "\t"}.get(separator, separator)
        quote, escape = options.get("quote", '"'), options.get("escape", "\\")
        if not separator or "\\" in separator or len(quote.encode()) != 1 or len(escape.encode()) != 1 or separator[0] in (quote, escape, " ") or "\n" in separator:
            raise unsupported(f"These marks of {what}", "Give sep, and a quote and an escape of one character each.")
        flags = "".join(letter for letter, name in (("l", "ignoreleadingwhitespace"), ("t", "ignoretrailingwhitespace")) if self.flag(what, options, name, trimmed))
        self.separator = text(separator)
        self.marks = f"{self.separator}, {text(quote)}, {text(escape)}"
        self.flags, self.null = text(flags), options.get("nullvalue", "")

    @staticmethod
    def flag(what, options, name, otherwise):
        given = options.get(name, otherwise).lower()
        if given not in ("true", "false"):
            raise unsupported(f"'{given}' as the option {name} of {what}")
        return given == "true"


def schema_given(c, node, scope):
    """The struct that the second argument of from_csv means."""
    if isinstance(node, exp.Anonymous) and node.name.lower() == "schema_of_csv":
        return struct(seeming(c, node, scope))
    e = c.compile(node, scope)
    if not e.is_literal or not isinstance(e.lit, str):
        raise raised("INVALID_SCHEMA.NON_STRING_LITERAL", f'The input schema "{c.shown(node)}" is not a valid schema string. The input expression must be string literal and not null.', "42K07")
    k = parsed_schema(e.lit)
    if k.name != "struct":
        raise raised("INVALID_SCHEMA.NON_STRUCT_TYPE", f'The input schema "{e.lit}" is not a valid schema string. The input expression should be evaluated to struct type, but got "{k.sql}".', "42K07")
    return k


@special("from_csv")
def from_csv(c, node, scope):
    if not 2 <= len(node.expressions) <= 3:
        raise wrong_count("from_csv", "[2, 3]", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    s = implicit(e, STRING) if e.kind.name in ("string", "void") else None
    k = schema_given(c, node.expressions[1], scope)
    options = options_of(c, node, 2, scope)
    if s is None:
        raise wrong_type("from_csv", c.shown(node), 0, '"STRING"', e.kind)
    mode = (options.get("mode") or "permissive").lower()
    if mode == "dropmalformed":
        raise raised("PARSE_MODE_UNSUPPORTED", "The function `from_csv` doesn't support the DROPMALFORMED mode. Acceptable modes are PERMISSIVE and FAILFAST.", "42601")
    if mode != "permissive":
        raise unsupported(f"from_csv with the mode {mode.upper()}")
    if any(f.lower() == "_corrupt_record" for f, _ in k.args):
        raise unsupported("A column _corrupt_record of from_csv")
    form = Format("from_csv", options, READ, "false")
    c.depth += 1
    v = f"v{c.depth}_"
    c.depth -= 1
    fields = ", ".join(f"{ident(f)} := {read(f'list_extract({v}, {i + 1})', kind, options)}" for i, (f, kind) in enumerate(k.args))
    cut = f"spark_csv_fields({s.sql}, {form.marks}, {text(form.null)}, {form.flags})"
    return made(f"list_extract(list_transform([{cut}], lambda {v}: CASE WHEN {v} IS NOT NULL THEN struct_pack({fields}) END), 1)", k, s)


def refusal(what):
    return f"error('[UNSUPPORTED_FEATURE] {what} in from_csv is not supported by this warehouse. SQLSTATE: 0A000')"


def read(x, k, options):
    """A value out of its text, as Java reads it; NULL where it cannot be read."""
    n = k.name
    if n == "string":
        return x
    if n == "boolean":
        return f"CASE lower({x}) WHEN 'true' THEN TRUE WHEN 'false' THEN FALSE END"
    if integral(k):
        other = refusal("A number in other digits than 0 to 9")
        return f"CASE WHEN regexp_full_match({x}, '[+-]?[0-9]+') THEN TRY_CAST({x} AS {physical(k)}) WHEN regexp_full_match({x}, '[+-]?\\p{{Nd}}+') THEN CAST({other} AS {physical(k)}) END"
    if n in ("float", "double"):
        number = cast(E(x, STRING), k, "try").sql
        blank = "[\\x00-\\x20]*"
        other = refusal("A number in hexadecimal digits")
        return (f"CASE WHEN {x} IN ('Inf', '-Inf') THEN CAST(replace({x}, 'Inf', 'Infinity') AS {physical(k)}) WHEN regexp_full_match({x}, '{blank}({NUMBER}[fFdD]?|[+-]?Infinity){blank}') THEN {number} WHEN regexp_full_match({x}, '{blank}[+-]?NaN{blank}') THEN CAST('NaN' AS {physical(k)}) "
                f"WHEN regexp_full_match({x}, '{blank}[+-]?0[xX].*[pP].*') THEN CAST({other} AS {physical(k)}) END")
    if n == "decimal":
        plain = f"replace({x}, ',', '')"
        return f"CASE WHEN regexp_full_match({plain}, '{NUMBER}') THEN {cast(E(plain, STRING), k, 'try').sql} END"
    if n == "date":
        fmt = options.get("dateformat")
        return f"TRY_CAST(spark_parse_timestamp({x}, {text(fmt)}, FALSE, TRUE) AS DATE)" if fmt else f"spark_string_to_date({x}, TRUE)"
    if n in ("timestamp", "timestamp_ntz"):
        if n == "timestamp":
            zones.refused("A TIMESTAMP in from_csv")
        fmt = options.get("timestampformat" if n == "timestamp" else "timestampntzformat")
        inner = f"spark_parse_timestamp({x}, {text(fmt)}, FALSE, TRUE)" if fmt else f"spark_string_to_timestamp({x}, 'TIMESTAMP', TRUE)"
        if n == "timestamp":
            return f"({inner} AT TIME ZONE 'UTC')"
        # Neither a time without its day nor a time of a zone is one of no zone.
        return inner if fmt else f"CASE WHEN regexp_full_match({x}, '[\\x00-\\x20]*[+-]?[0-9]{{4,6}}(-[0-9]{{1,2}}(-[0-9]{{1,2}}([ T][0-9:.]+)?)?)?[\\x00-\\x20]*') THEN {inner} END"
    if n in ("ym", "dt"):
        return f"spark_string_to_{n}({x}, '{k.args[0]}', '{k.args[1]}', TRUE)"
    if n == "time":
        fmt = options.get("timeformat")
        return time_precision(f"spark_parse_time({x}, {text(fmt)}, TRUE)" if fmt else f"spark_string_to_time({x}, 'TIME', TRUE)", k)
    if n == "interval":
        return f"spark_string_to_interval({x}, TRUE)"
    raise unsupported(f"from_csv into {k.sql}")


@special("to_csv")
def to_csv(c, node, scope):
    if not 1 <= len(node.expressions) <= 2:
        raise wrong_count("to_csv", "[1, 2]", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    options = options_of(c, node, 1, scope)
    if e.kind.name != "struct":
        raise mismatch("UNSUPPORTED_INPUT_TYPE", c.shown(node), f'The input of `to_csv` can\'t be "{e.kind.sql}" type data.')
    form = Format("to_csv", options, WRITTEN, "true")
    c.depth += 1
    v = f"v{c.depth}_"
    c.depth -= 1
    empty = text(options.get("emptyvalue", '""'))
    values = []
    for i, (f, kind) in enumerate(e.kind.args):
        x, flags = f"({v}).{ident(f)}", form.flags + (" || '#'" if i == 0 else "")
        shown = "NULL" if kind == VOID else f"spark_csv_value({written(x, kind, options)}, {form.marks}, {empty}, {flags})"
        values.append(f"coalesce({shown}, {text(form.null)})")
    whole = f" || {form.separator} || ".join(values) if len(values) != 1 else f"nullif({values[0]}, '')"
    return made(f"list_extract(list_transform([{e.sql}], lambda {v}: CASE WHEN {v} IS NOT NULL THEN {whole} END), 1)", STRING, e)


def written(x, k, options):
    n = k.name
    if n == "string":
        return x
    if n == "decimal":
        if k.args[1] <= 6:
            return f"CAST({x} AS VARCHAR)"
        return f"CASE WHEN abs({x}) >= 0.000001 THEN CAST({x} AS VARCHAR) WHEN {x} IS NOT NULL THEN error('[UNSUPPORTED_FEATURE] A DECIMAL below 0.000001 in to_csv is not supported by this warehouse. SQLSTATE: 0A000') END"
    if n == "boolean" or integral(k):
        return f"CAST({x} AS VARCHAR)"
    if n == "date":
        fmt = options.get("dateformat")
        return f"spark_date_format(CAST({x} AS TIMESTAMP), {text(fmt)}, TRUE)" if fmt else to_text(x, k)
    if n in ("timestamp", "timestamp_ntz"):
        if n == "timestamp":
            zones.refused("A TIMESTAMP in to_csv")
            fmt = options.get("timestampformat", "yyyy-MM-dd'T'HH:mm:ss.SSSXXX")
        else:
            fmt = options.get("timestampntzformat", "yyyy-MM-dd'T'HH:mm:ss.SSS")
        return f"spark_date_format(CAST({x} AS TIMESTAMP), {text(fmt)}, {'FALSE' if n == 'timestamp' else 'TRUE'})"
    if n == "time" and options.get("timeformat"):
        raise unsupported("The option timeFormat of to_csv")
    if n in ("float", "double", "time") or interval(k):
        return to_text(x, k)
    raise unsupported(f"to_csv of {k.sql}")


@special("schema_of_csv")
def schema_of_csv(c, node, scope):
    found = seeming(c, node, scope)
    return made(text("STRUCT<" + ", ".join(f"{f}: {k.sql}" for f, k in found) + ">"), STRING)


def seeming(c, node, scope):
    """The columns of a constant record."""
    if not 1 <= len(node.expressions) <= 2:
        raise wrong_count("schema_of_csv", "[1, 2]", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    options = options_of(c, node, 1, scope)
    if not e.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `csv` should be a foldable "STRING" expression; however, got "' + c.shown(node.expressions[0]) + '".')
    if e.kind.name == "void" or e.is_literal and e.lit is None:
        raise mismatch("UNEXPECTED_NULL", c.shown(node), "The `csv` must not be null.")
    if e.kind != STRING:
        raise wrong_type("schema_of_csv", c.shown(node), 0, '"STRING"', e.kind)
    if not e.is_literal or set(options) - {"sep", "delimiter"}:
        raise unsupported("schema_of_csv of another text than a literal, or with these options,")
    Format("schema_of_csv", options, READ, "false")
    separator = options.get("sep", options.get("delimiter", ","))
    separator = {"\\t": "\t"}.get(separator, separator)
    values = e.lit.split(separator)
    if not e.lit or any('"' in v and not re.fullmatch(r'"[^"\\]*"', v) for v in values):
        raise unsupported("schema_of_csv of this text")
    return [(f"_c{i}", kind_of(v.strip('"') if v.startswith('"') else v)) for i, v in enumerate(values)]


def kind_of(v):
    if not v:
        return STRING
    if re.fullmatch(r"[+-]?[0-9]+", v):
        n, digits = int(v), len(v.lstrip("+-"))
        if -2**31 <= n < 2**31:
            return INT
        if -2**63 <= n < 2**63:
            return BIGINT
        return decimal(digits, 0) if digits <= 38 and v.lstrip("+-")[0] != "0" else DOUBLE
    if re.fullmatch(r"[+-]?[0-9]+\.|[+-]?[0-9.]+[eE]\+?[0-9]+", v):
        raise unsupported("schema_of_csv of a whole number written so")
    blank = "[\x00-\x20]*"
    if v in ("Inf", "-Inf") or re.fullmatch(f"{blank}({NUMBER}[fFdD]?|[+-]?NaN|[+-]?Infinity){blank}", v):
        return DOUBLE
    if v.lower() in ("true", "false"):
        return BOOLEAN
    if day := re.fullmatch(r"(\d{4})-(\d{2})-(\d{2})([ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?)?", v):
        import datetime

        try:
            datetime.date(*(int(p) for p in day.groups()[:3]))
        except ValueError:
            raise unsupported("schema_of_csv of this text")
        clock = day.group(4)
        if clock and not (int(clock[1:3]) < 24 and int(clock[4:6]) < 60 and int(clock[7:9]) < 60):
            raise unsupported("schema_of_csv of this text")
        return TIMESTAMP if clock else DATE
    if re.search(r"[0-9]", v) and re.search(r"[-:+]", v) or re.fullmatch(r"[\x00-\x20]*0[xX].*[pP].*", v) or any(ch.isdigit() and not "0" <= ch <= "9" for ch in v):
        raise unsupported("schema_of_csv of a text that may be a time")
    return STRING
