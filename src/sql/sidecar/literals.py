"""Literals: numbers with Spark's types, typed text (DATE '...'), intervals."""
import re

from sqlglot import exp

import zones
from errors import Refused, raised, syntax, unsupported
from kinds import BIGINT, CALENDAR, DATE, DOUBLE, DT_UNITS, INT, NTZ, TIMESTAMP, YM_UNITS, Kind, decimal, of_node, time
from values import E, UNIT_MICROS, cast, literal_of

UNITS = {"year": 12, "month": 1}
MICROS = {**UNIT_MICROS, "week": 7 * 86400000000, "millisecond": 1000, "microsecond": 1}


def number_literal(digits):
    low = digits.lower()
    if "e" in low:
        if float(low) == float("inf"):
            raise raised("INVALID_NUMERIC_LITERAL_RANGE", f"Numeric literal {digits} is outside the valid range for double with minimum value of -1.7976931348623157E+308 and maximum value of 1.7976931348623157E+308. Please adjust the value accordingly.", "22003")
        return E(f"CAST('{low}' AS DOUBLE)", DOUBLE, lit=float(low), foldable=True)
    if "." in low:
        whole, fraction = low.split(".")
        s = len(fraction)
        p = max(len(whole.lstrip("0")) + s, s, 1)
        if p > 38:
            raise raised("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", f"Decimal precision {p} exceeds max precision 38.", "22003")
        return E(f"CAST('{digits}' AS DECIMAL({p},{s}))", decimal(p, s), lit=float(low), foldable=True)
    value = int(low)
    if value <= 2**31 - 1:
        return E(str(value), INT, lit=value, foldable=True)
    if value <= 2**63 - 1:
        return E(f"CAST({value} AS BIGINT)", BIGINT, lit=value, foldable=True)
    p = len(str(value))
    if p > 38:
        raise raised("DECIMAL_PRECISION_EXCEEDS_MAX_PRECISION", f"Decimal precision {p} exceeds max precision 38.", "22003")
    return E(f"CAST('{value}' AS DECIMAL({p},0))", decimal(p, 0), lit=value, foldable=True)


DATE_SHAPE = re.compile(r"\s*[+-]?\d{4,7}(-\d{1,2}(-\d{1,2}([ T].*)?)?)?\s*$", re.S)
STAMP_SHAPE = re.compile(r"\s*[+-]?\d{4,6}(-\d{1,2}(-\d{1,2}([ T](\d{1,2}(:\d{1,2}(:\d{1,2}(\.\d*)?)?)?)?(.*))?)?)?\s*$|\s*T?\d{1,2}:\d{1,2}(:\d{1,2}(\.\d*)?)?.*$", re.S)


def typed_literal(compiler, node):
    """DATE '...', TIMESTAMP '...': bad text is an error of the statement, not of a row."""
    value, to = node.this.this, of_node(node.to)
    spelled = {"timestamp": "TIMESTAMP", "timestamp_ntz": "TIMESTAMP_NTZ", "date": "DATE", "time": "TIME"}.get(to.name)
    if spelled is None:
        raise raised("UNSUPPORTED_TYPED_LITERAL", f'Literals of the type "{to.sql}" are not supported. Supported types are "DATE", "TIMESTAMP_NTZ", "TIMESTAMP_LTZ", "TIMESTAMP", "INTERVAL", "X", "TIME".', "0A000")
    if value.strip().lower() in ("now", "today", "tomorrow", "yesterday", "epoch"):
        word = value.strip().lower()
        now = "CAST(now() AS DATE)" if zones.is_utc() else f"CAST({zones.local('now()')} AS DATE)"
        day = {"today": now, "tomorrow": f"({now} + 1)", "yesterday": f"({now} - 1)", "epoch": "DATE '1970-01-01'", "now": now}[word]
        if to.name == "date":
            return E(day, DATE, foldable=True)
        if to.name in ("timestamp", "timestamp_ntz"):
            if not zones.is_utc():
                zones.refused(f"The literal {spelled} '{word}'")
            base = "now()" if word == "now" else f"CAST({day} AS TIMESTAMPTZ)"
            return E(base if to.name == "timestamp" else f"CAST({base} AS TIMESTAMP)", to, foldable=True)
    source = literal_of(value, Kind("string"))
    e = cast(source, to)
    # The row function says what is wrong with it; the class of a literal's error is another.
    checked = e.sql.replace("spark_string_to_", "spark_literal_", 1 if zones.is_utc() else -1)
    return E(checked, time(6) if to.name == "time" else to, foldable=True, lit=UNSET)


UNSET = object()


def bad(text, category):
    return Refused("parse_error", f"[{category}] {text} SQLSTATE: 42601")


def interval_literal(compiler, node, scope):
    """INTERVAL n unit [n unit ...], INTERVAL 'text', INTERVAL '...' unit TO unit."""
    parts = node.args.get("parts")
    if parts is None:
        raise unsupported(f"The interval {compiler.shown(node)}")
    spans = [p for p in parts if p[3] is not None]
    if spans:
        if len(parts) > 1:
            raise bad("Can only have a single from-to unit in the interval literal syntax", "_LEGACY_ERROR_TEMP_0024")
        sign, value, first, last, quoted_text = parts[0]
        if not quoted_text:
            raise bad("The value of from-to unit must be a string", "_LEGACY_ERROR_TEMP_0027")
        return from_to(("-" if sign < 0 else "") , value, first, last)
    totals = []
    for sign, value, unit, _, quoted_text in parts:
        if unit is None:
            totals += text_units(value, sign)
        else:
            totals.append(one_unit(value, unit, sign, quoted_text))
    return combined(totals, " ".join(f"{v} {u or ''}" for _, v, u, _, _ in parts))


def unit_name(unit):
    u = unit.lower()
    u = u[:-1] if u.endswith("s") else u
    return u if u in UNITS or u in MICROS else None


def one_unit(value, unit, sign, quoted_text):
    u = unit_name(unit)
    if u is None:
        if unit.lower() in ("nanosecond", "nanoseconds"):
            raise bad(f"Error parsing '{value} {unit}' to interval: invalid unit '{unit}'.", "INVALID_INTERVAL_FORMAT.INVALID_UNIT")
        raise syntax(f"'{unit}'")
    return (u, amount(value, u, sign))


def amount(value, u, sign):
    v = value.strip()
    m = re.fullmatch(r"([+-]?)\s*(\d*)(?:\.(\d*))?", v)
    if not m:
        raise bad(f"Can only use numbers in the interval value part for multiple unit value pairs interval form, but got invalid value: {value}", "_LEGACY_ERROR_TEMP_0026")
    if not m or not (m.group(2) or m.group(3)):
        raise bad(f"Error parsing '{value}' to interval.", "INVALID_INTERVAL_FORMAT.INVALID_VALUE")
    if m.group(3) is not None and u != "second":
        raise bad(f"Error parsing '{value} {u}' to interval: '{u}' cannot have fractional part.", "INVALID_INTERVAL_FORMAT.INVALID_FRACTION")
    n = int(m.group(2) or 0)
    if m.group(1) == "-":
        sign = -sign
    if u in UNITS:
        return sign * n * UNITS[u]
    total = n * MICROS[u]
    if m.group(3):
        total += int((m.group(3) + "000000")[:6])
    return sign * total


WORD = re.compile(r"\s*([+-]?)\s*([+-]?)\s*(\d+(?:\.\d*)?|\.\d+)\s+([a-zA-Z]+)")


def text_units(value, sign):
    body = value.strip()
    if body.lower().startswith("interval"):
        body = body[8:]
        if body and not body[0].isspace():
            raise bad(f"The value of the typed literal \"INTERVAL\" is invalid: '{value}'.", "INVALID_TYPED_LITERAL")
    out, at = [], 0
    if not body.strip():
        raise bad(f"The value of the typed literal \"INTERVAL\" is invalid: '{value}'.", "INVALID_TYPED_LITERAL")
    while at < len(body.rstrip()):
        m = WORD.match(body, at)
        if not m or (m.group(1) and m.group(2)):
            raise bad(f"The value of the typed literal \"INTERVAL\" is invalid: '{value}'.", "INVALID_TYPED_LITERAL")
        u = unit_name(m.group(4))
        if u is None:
            raise bad(f"The value of the typed literal \"INTERVAL\" is invalid: '{value}'.", "INVALID_TYPED_LITERAL")
        out.append((u, amount((m.group(1) or m.group(2)) + m.group(3), u, sign)))
        at = m.end()
    return out


def combined(totals, shown):
    months = [(u, n) for u, n in totals if u in UNITS]
    micros = [(u, n) for u, n in totals if u in MICROS]
    if months and micros:
        raise bad(f"Cannot mix year-month and day-time fields: interval {shown}.", "_LEGACY_ERROR_TEMP_0029")
    if months:
        n = sum(n for _, n in months)
        if not -(2**31) <= n < 2**31:
            raise bad("Error parsing the interval: integer overflow.", "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION")
        order = [YM_UNITS.index(u) for u, _ in months]
        return E(f"CAST({n} AS INTEGER)", Kind("ym", (YM_UNITS[min(order)], YM_UNITS[max(order)])), lit=n, foldable=True)
    n = sum(n for _, n in micros)
    if not -(2**63) <= n < 2**63:
        raise bad("Error parsing the interval: long overflow.", "INTERVAL_ARITHMETIC_OVERFLOW.WITHOUT_SUGGESTION")
    order = [DT_UNITS.index({"week": "day", "millisecond": "second", "microsecond": "second"}.get(u, u)) for u, _ in micros]
    return E(f"CAST({n} AS BIGINT)", Kind("dt", (DT_UNITS[min(order)], DT_UNITS[max(order)])), lit=n, foldable=True)


SPANS = {
    ("year", "month"): r"([+-]?)(\d+)-(\d+)", ("day", "hour"): r"([+-]?)(\d+) +(\d+)", ("day", "minute"): r"([+-]?)(\d+) +(\d+):(\d+)", ("day", "second"): r"([+-]?)(\d+) +(\d+):(\d+):(\d+)(?:\.(\d{1,9}))?",
    ("hour", "minute"): r"([+-]?)(\d+):(\d+)", ("hour", "second"): r"([+-]?)(\d+):(\d+):(\d+)(?:\.(\d{1,9}))?", ("minute", "second"): r"([+-]?)(\d+):(\d+)(?:\.(\d{1,9}))?",
}
LIMITS = {"month": 11, "hour": 23, "minute": 59, "second": 59}


def from_to(sign, value, first, last):
    first, last = (unit_name(first) or first), (unit_name(last) or last)
    shape = SPANS.get((first, last))
    if shape is None:
        raise bad(f"Error parsing '{value}' to interval: cannot support (interval '{value}' {first} to {last}) expression.", "INVALID_INTERVAL_FORMAT.UNSUPPORTED_FROM_TO_EXPRESSION")
    m = re.fullmatch(r"\s*" + shape + r"\s*", value)
    if m is None:
        noticed = "" if (first, last) == ("year", "month") else "_WITH_NOTICE"
        raise bad(f"Error parsing '{value}' to interval: the interval string does not match the format of `{first} to {last}`.", "INVALID_INTERVAL_FORMAT.UNMATCHED_FORMAT_STRING" + noticed)
    negative = (m.group(1) == "-") != (sign == "-")
    units = (YM_UNITS if first == "year" else DT_UNITS)
    units = units[units.index(first): units.index(last) + 1]
    total = 0
    for i, u in enumerate(units):
        n = int(m.group(2 + i))
        if i and n > LIMITS[u]:
            raise bad(f"Error parsing '{value}' to interval: {u} {n} outside range [0, {LIMITS[u]}].", "INVALID_INTERVAL_FORMAT.INTERVAL_PARSING")
        total += n * (UNITS[u] if first == "year" else MICROS[u])
    if last == "second":
        fraction = m.group(2 + len(units)) or ""
        total += int((fraction + "000000")[:6])
    total = -total if negative else total
    if first == "year":
        if not -(2**31) <= total < 2**31:
            raise bad(f"Error parsing '{value}' to interval: integer overflow.", "INVALID_INTERVAL_FORMAT.INTERVAL_PARSING")
        return E(f"CAST({total} AS INTEGER)", Kind("ym", (first, last)), lit=total, foldable=True)
    if not -(2**63) <= total < 2**63:
        raise bad(f"Error parsing '{value}' to interval: long overflow.", "_LEGACY_ERROR_TEMP_0063" if (first, last) != ("day", "second") else "INVALID_INTERVAL_FORMAT.INTERVAL_PARSING")
    return E(f"CAST({total} AS BIGINT)", Kind("dt", (first, last)), lit=total, foldable=True)
