"""Operators: arithmetic with Spark's result types and overflow, comparison, logic, text patterns, items of arrays and maps."""
import re

from sqlglot import exp

import zones
from chars import filled
from conditions import in_filter
from decimals import decimals
from division import INTERVAL_ZERO, MODULO_ZERO, ZERO, if_zero
from errors import mismatch, raised, syntax, unsupported
from kinds import (
    BIGINT, BINARY, BOOLEAN, CALENDAR, DATE, DOUBLE, DT, DT_UNITS, INT, NTZ, STRING, TIMESTAMP, VOID, Kind, all_common, array, atomic, bounded, common, decimal, decimal_of, fractional, ident, integral, interval, map_, numeric,
    orderable, physical, spatial, struct, temporal, text, wider,
)
from values import E, cast, implicit, literal_of, made


def diff_types(shown, a, b):
    return mismatch("BINARY_OP_DIFF_TYPES", shown, f'the left and right operands of the binary operator have incompatible types ("{a.sql}" and "{b.sql}").')


def wrong_type(shown, k, wanted):
    return mismatch("BINARY_OP_WRONG_TYPE", shown, f'the binary operator requires the input type {wanted}, not "{k.sql}".')


def unfit(shown, k):
    return mismatch("UNEXPECTED_INPUT_TYPE", shown, f'The first parameter requires another type, however it has the type "{k.sql}".')


def arithmetic(c, node, scope, op, shown=None):
    left, right = c.compile(node.left, scope), c.compile(node.right, scope)
    return combine(op, left, right, shown or c.shown(node))


def combine(op, left, right, shown, attempt=False):
    a, b = left.kind, right.kind
    if op in "+-":
        moved = with_times(op, left, right, shown, attempt)
        if moved is not None:
            return moved
    if op in "*/" and (interval(a) or interval(b)):
        return scaled(op, left, right, shown, attempt)
    if op == "div" and a.name in ("ym", "dt") and b.name == a.name:
        q = f"CAST({left.sql} // NULLIF({right.sql}, 0) AS BIGINT)"
        return made(q if attempt else if_zero(right, left, f"CAST({left.sql} // {right.sql} AS BIGINT)", INTERVAL_ZERO), BIGINT, left, right)
    if a.name == b.name == "string":
        raise wrong_type(shown, a, '("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH" or "INTERVAL")')
    # Text meets a number as that number's widest kin.
    if a.name == "string" and (numeric(b) or b.name in ("string", "void")):
        left = cast(left, BIGINT if integral(b) and op != "/" else DOUBLE)
    if b.name == "string" and (numeric(a) or a.name in ("string", "void")):
        right = cast(right, BIGINT if integral(a) and op != "/" else DOUBLE)
    a, b = left.kind, right.kind
    if a.name == "void" and b.name == "void":
        k = DOUBLE if op == "/" else BIGINT if op == "div" else DOUBLE if op in "/" else INT
        return literal_of(None, DOUBLE if op == "/" else k)
    if a.name == "void":
        left = cast(left, b)
    elif b.name == "void":
        right = cast(right, a)
    a, b = left.kind, right.kind
    if not (numeric(a) and numeric(b)):
        if a == b or "string" in (a.name, b.name) and atomic(a) and atomic(b):  # text turns into what it meets
            raise wrong_type(shown, b if a.name == "string" else a, '("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH" or "INTERVAL")')
        raise diff_types(shown, a, b)
    return numbers(op, left, right, attempt)


def numbers(op, left, right, attempt=False):
    a, b = left.kind, right.kind
    if "decimal" in (a.name, b.name) and "double" not in (a.name, b.name) and "float" not in (a.name, b.name):
        return decimals(op, left, right, attempt)
    if op == "/":
        left, right = cast(left, DOUBLE), cast(right, DOUBLE)
        if attempt:
            return made(f"({left.sql} / NULLIF({right.sql}, 0))", DOUBLE, left, right)
        return made(if_zero(right, left, f"({left.sql} / {right.sql})", ZERO), DOUBLE, left, right)
    if op == "div":
        if fractional(a) or fractional(b):
            raise mismatch("BINARY_OP_WRONG_TYPE", "div", 'the binary operator requires the input type ("BIGINT" or "INTERVAL"), not "DOUBLE".')
        left, right = cast(left, BIGINT), cast(right, BIGINT)
        if attempt:
            return made(f"({left.sql} // NULLIF({right.sql}, 0))", BIGINT, left, right)
        return made(if_zero(right, left, f"({left.sql} // {right.sql})", ZERO), BIGINT, left, right)
    k = wider(a, b)
    left, right = cast(left, k), cast(right, k)
    if op == "%":
        inner = f"({left.sql} % NULLIF({right.sql}, 0))"
        if integral(k):  # the engine takes the least number by -1 for an overflow
            inner = f"CASE WHEN {right.sql} = -1 THEN CASE WHEN {left.sql} IS NOT NULL THEN CAST(0 AS {physical(k)}) END ELSE {inner} END"
        return made(inner if attempt else if_zero(right, left, inner, MODULO_ZERO), k, left, right)
    if attempt and integral(k):
        return made(f"TRY_CAST(CAST({left.sql} AS HUGEINT) {op} CAST({right.sql} AS HUGEINT) AS {physical(k)})", k, left, right)
    return made(f"({left.sql} {op} {right.sql})", k, left, right)


def with_times(op, left, right, shown, attempt=False):
    """Addition and subtraction where a date, a time or an interval takes part; nothing if none does."""
    a, b = left.kind, right.kind
    swapped = op == "+" and (interval(a) and not interval(b) or b.name == "date" and (integral(a) or a.name == "void"))
    if swapped:
        left, right, a, b = right, left, b, a
        if interval(b) and a.name == "void":
            return with_times("+", cast(left, b), right, shown, attempt)
    if interval(b):
        if a.name == "string" and b.name == "ym" and swapped:
            raise diff_types(shown, b, a)
        if a.name == "string":  # read as a timestamp, and text again
            moved = with_times(op, cast(left, TIMESTAMP), right, shown, attempt)
            return cast(moved, STRING)
        if a.name == "void":
            return with_times(op, cast(left, b), right, shown, attempt)
        if interval(a):
            k = wider(a, b) if a != b else a
            if k is None:
                raise diff_types(shown, a, b) if op == "-" and a.name == "dt" else unfit(shown, a)
            if k == CALENDAR:
                return made(f"({left.sql} {op} {right.sql})", k, left, right)
            plain = f"({left.sql} {op} {right.sql})"
            if attempt:
                plain = f"TRY_CAST(CAST({left.sql} AS HUGEINT) {op} CAST({right.sql} AS HUGEINT) AS {physical(k)})"
            else:
                plain = f"CAST(spark_check_sum(CAST({left.sql} AS HUGEINT) {op} CAST({right.sql} AS HUGEINT), '{k.name}+') AS {physical(k)})"
            return made(plain, k, left, right)
        if a.name == "time" and b.name != "dt":
            raise diff_types(shown, a, b)
        if a.name == "time" and b.name == "dt":
            return made(f"spark_time_add({left.sql}, {'-' if op == '-' else ''}{right.sql})", Kind("time", (6,)) if b.args[1] == "second" else a, left, right)
        if temporal(a):
            if b.name == "interval":
                if a == TIMESTAMP:
                    zones.refused("A TIMESTAMP and an interval of months, days and seconds at once")
                return made(f"CAST({left.sql} {op} {right.sql} AS {physical(a)})", a, left, right)
            if b.name == "ym":
                out = f"CAST({left.sql} {op} to_months({right.sql}) AS {physical(a)})"
                if a == TIMESTAMP and not zones.is_utc():
                    out = zones.moved(left.sql, lambda w: f"({w} {op} to_months({right.sql}))")
                return made(f"TRY({out})" if attempt else out, a, left, right)
            if a == DATE and b.args[1] == "day":
                return made(f"CAST({left.sql} {op} CAST({right.sql} // 86400000000 AS INTEGER) AS DATE)", a, left, right)
            to = TIMESTAMP if a == DATE else a
            left = cast(left, to)
            if to == TIMESTAMP and not zones.is_utc():
                return made(zones.days_and_more(left.sql, f"({'-' if op == '-' else ''}CAST({right.sql} AS BIGINT))"), to, left, right)
            return made(f"({left.sql} {op} to_microseconds({right.sql}))", to, left, right)
        raise diff_types(shown, a, b) if op == "+" and not swapped and b.name == "ym" else unfit(shown, a)
    if a == DATE and (b.name in ("int", "smallint", "tinyint", "void")):
        amount = cast(right, INT)
        out = f"spark_date_add({left.sql}, {'-' if op == '-' else ''}CAST({amount.sql} AS BIGINT))"
        return made(f"TRY({out})" if attempt else out, DATE, left, right)
    if op == "-" and temporal(a) and (temporal(b) or b.name == "string") or op == "-" and temporal(b) and a.name == "string":
        if "string" in (a.name, b.name):
            other = b if a.name == "string" else a
            left, right = implicit(left, other), implicit(right, other)
            a, b = left.kind, right.kind
        if a == DATE and b == DATE:
            return made(f"(CAST({left.sql} - {right.sql} AS BIGINT) * 86400000000)", Kind("dt", ("day", "day")), left, right)
        to = TIMESTAMP if TIMESTAMP in (a, b) or DATE in (a, b) and NTZ not in (a, b) else NTZ
        left, right = cast(left, to), cast(right, to)
        wall = zones.walls if to == TIMESTAMP else str
        return made(f"(epoch_us({wall(left.sql)}) - epoch_us({wall(right.sql)}))", DT, left, right)
    if op == "-" and "time" in (a.name, b.name) and "string" in (a.name, b.name):
        k = a if a.name == "time" else b
        left, right, a, b = cast(left, k), cast(right, k), k, k
    if op == "-" and (temporal(b) and (numeric(a) or a.name == "time") or a in (TIMESTAMP, NTZ) and numeric(b)) or op == "+" and b == DATE and fractional(a):
        raise unfit(shown, a)
    if op == "-" and a.name == "time" and b.name == "time":
        return made(f"({left.sql} - {right.sql})", Kind("dt", ("hour", "second")), left, right)
    if interval(a) and (temporal(b) or numeric(b) or b.name == "string"):
        raise diff_types(shown, a, b)
    if interval(a) and b.name == "void":
        return with_times(op, left, cast(right, a), shown, attempt)
    if temporal(a) or temporal(b) or a.name == "time" or b.name == "time":
        if "void" in (a.name, b.name):
            return literal_of(None, DT if op == "-" else b if a.name == "void" else a)
        if DATE in (a, b) and "string" in (a.name, b.name) and op == "+":
            raise unfit(shown, STRING)
        if "string" in (a.name, b.name):
            raise wrong_type(shown, a, '("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH" or "INTERVAL")')
        if a == DATE and numeric(b):
            raise mismatch("UNEXPECTED_INPUT_TYPE", shown, f'The second parameter requires the ("INT" or "SMALLINT" or "TINYINT") type, however it has the type "{b.sql}".')
        raise diff_types(shown, a, b)
    return None


def scaled(op, left, right, shown, attempt):
    a, b = left.kind, right.kind
    if op == "*" and not interval(a):
        left, right, a, b = right, left, b, a
    if interval(b) or not interval(a):
        raise diff_types(shown, left.kind, right.kind)
    if b.name == "string":
        right = cast(right, DOUBLE)
    elif b.name == "void":
        right = cast(right, INT if a.name != "interval" else DOUBLE)
    elif not numeric(b):
        raise diff_types(shown, a, b)
    b = right.kind
    if a == CALENDAR:
        raise unsupported("Multiplying or dividing a calendar interval", "Use a year-month or a day-time interval.")
    k = Kind(a.name, ("year", "month")) if a.name == "ym" else DT
    flag = "TRUE" if attempt else "FALSE"
    name = "spark_interval_times" if op == "*" else "spark_interval_over"
    if b.name == "decimal":
        amount = f"CAST({right.sql} AS VARCHAR)"
        return made(f"CAST({name}_decimal(CAST({left.sql} AS BIGINT), {amount}, '{a.name}', {flag}) AS {physical(k)})", k, left, right)
    if integral(b):
        return made(f"CAST({name}(CAST({left.sql} AS BIGINT), CAST({right.sql} AS BIGINT), '{a.name}', {flag}) AS {physical(k)})", k, left, right)
    return made(f"CAST({name}_double(CAST({left.sql} AS BIGINT), CAST({right.sql} AS DOUBLE), '{a.name}', {flag}) AS {physical(k)})", k, left, right)


def negate(c, node, scope):
    inner = node.this
    if isinstance(inner, exp.Literal) and not inner.is_string and inner.this.isdigit():
        value = -int(inner.this)
        if value >= -(2**31):
            return E(f"({value})", INT, lit=value, foldable=True)
        if value >= -(2**63):
            return E(f"CAST({value} AS BIGINT)" if value > -(2**63) else "CAST('-9223372036854775808' AS BIGINT)", BIGINT, lit=value, foldable=True)
    if isinstance(inner, exp.Cast) and isinstance(inner.this, exp.Literal) and not inner.args.get("typed") and not inner.this.is_string and inner.this.this.isdigit():
        return c.compile(exp.Cast(this=exp.Literal.string("-" + inner.this.this), to=inner.to.copy()), scope)
    e = c.compile(inner, scope)
    if e.kind.name == "string":
        e = cast(e, DOUBLE)
    if e.kind.name == "void":
        e = cast(e, INT)
    if not (numeric(e.kind) or interval(e.kind)):
        raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The first parameter requires the ("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH" or "INTERVAL") type, however it has the type "{e.kind.sql}".')
    text_ = f"CAST(spark_check_sum(-CAST({e.sql} AS HUGEINT), '{e.kind.name}') AS {physical(e.kind)})" if e.kind.name in ("ym", "dt") else f"(-{e.sql})"
    out = made(text_, e.kind, e)
    if e.is_literal and isinstance(e.lit, (int, float)) and e.lit is not True:
        out.lit = -e.lit
    return out


def comparable(left, right, shown, equality):
    a, b = left.kind, right.kind
    k = common(a, b) if a.name not in ("array", "map", "struct") or a != b else a
    if k is None:
        raise diff_types(shown, a, b)
    if not orderable(k) or k.name == "map":
        if k.name == "variant" or spatial(k):
            raise mismatch("INVALID_ORDERING_TYPE", shown, f'A comparison does not support ordering on type "{k.sql}".')
        if k.name == "interval" and equality:
            raise unsupported("Comparing calendar intervals")
        raise wrong_type(shown, k, '"ORDERABLE"' if not equality else '"ANY" that is not a map')
    return cast(left, k), cast(right, k)


def comparison(sign):
    def build(c, node, scope):
        if isinstance(node.right, (exp.Any, exp.All)):
            raise unsupported("A comparison with ANY or ALL")
        left, right = filled(c.compile(node.left, scope), c.compile(node.right, scope))
        left, right = comparable(left, right, c.shown(node), sign in ("=", "<>", "IS NOT DISTINCT FROM", "IS DISTINCT FROM"))
        return made(f"({left.sql} {sign} {right.sql})", BOOLEAN, left, right)

    return build


def logic(word):
    def build(c, node, scope):
        parts = []
        for side in (node.left, node.right):
            e = c.compile(side, scope)
            if e.kind != BOOLEAN:
                taken = implicit(e, BOOLEAN) if e.kind.name in ("string", "void") else None
                if taken is None:
                    parts.append(e)
                    continue
                e = taken
            parts.append(e)
        a, b = parts
        if a.kind != BOOLEAN or b.kind != BOOLEAN:
            if a.kind == b.kind:
                raise wrong_type(c.shown(node), a.kind, '"BOOLEAN"')
            raise diff_types(c.shown(node), a.kind, b.kind)
        return made(f"({a.sql} {word} {b.sql})", BOOLEAN, a, b)

    return build


def not_(c, node, scope):
    inner = node.this
    while isinstance(inner, exp.Paren):
        inner = inner.this
    if isinstance(inner, exp.In) and inner.args.get("query") is not None:
        return in_query(c, inner, inner.args["query"], scope, negated=True, filtering=bool(node.args.get("filtering")))
    if asks_query(inner):
        deeper = negated(inner)
        if node.args.get("filtering"):
            in_filter(deeper)
        return c.compile(deeper, scope)
    inner = node.this
    if (e := c.boolean(inner, scope)) is None:
        raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), 'The first parameter requires the "BOOLEAN" type.')
    return made(f"(NOT {e.sql})", BOOLEAN, e)


def asks_query(node):
    """Whether an IN over a query is among the conditions that AND, OR and NOT connect."""
    if isinstance(node, exp.In):
        return node.args.get("query") is not None
    if isinstance(node, (exp.And, exp.Or)):
        return asks_query(node.this) or asks_query(node.expression)
    return isinstance(node, (exp.Not, exp.Paren)) and asks_query(node.this)


def negated(node):
    """NOT of a condition, down to what AND and OR connect. There an IN over a query is FALSE where it is unknown, and so is a NOT IN: not the
    opposite of each other, wherefore NOT must reach them before they are asked, as in Spark."""
    if isinstance(node, exp.Paren):
        return negated(node.this)
    if isinstance(node, exp.Not):
        return node.this.copy()
    if isinstance(node, (exp.And, exp.Or)):
        both = [exp.Paren(this=negated(side)) for side in (node.this, node.expression)]
        return (exp.Or if isinstance(node, exp.And) else exp.And)(this=both[0], expression=both[1])
    return exp.Not(this=node.copy())


def is_(c, node, scope):
    e = c.compile(node.this, scope)
    other = node.expression
    if isinstance(other, (exp.Cast, exp.TryCast)):
        raise syntax("'::'", "a predicate cannot be cast here")
    if node.args.get("negate") and not isinstance(other, exp.Null):
        raise unsupported("This predicate with IS NOT")
    if isinstance(other, exp.Null):
        return made(f"({e.sql} IS {'NOT ' if node.args.get('negate') else ''}NULL)", BOOLEAN, e)
    if isinstance(other, exp.Boolean):
        b = implicit(e, BOOLEAN) if e.kind.name in ("boolean", "string", "void") else None
        if b is None:
            raise diff_types(c.shown(node), e.kind, BOOLEAN)
        return made(f"({b.sql} IS NOT DISTINCT FROM {'TRUE' if other.this else 'FALSE'})", BOOLEAN, e)
    raise syntax("IS")


def in_(c, node, scope):
    query = node.args.get("query")
    if query is not None:
        return in_query(c, node, query, scope, filtering=bool(node.args.get("filtering")))
    if not node.expressions:
        raise raised("INVALID_SQL_SYNTAX.EMPTY_IN_PREDICATE", "Empty IN predicate is not allowed.", "42000")
    parts = list(filled(c.compile(node.this, scope), *[c.compile(x, scope) for x in c.expanded(node.expressions, scope)]))
    if parts[0].kind.name == "struct" and isinstance(node.this, exp.Tuple):  # rows: what their columns are called is no matter
        names = [f for f, _ in parts[0].kind.args]
        for i, p in enumerate(parts):
            if p.kind.name == "struct" and len(p.kind.args) == len(names):
                parts[i] = cast(p, struct(list(zip(names, [k for _, k in p.kind.args]))))
    k = all_common([p.kind for p in parts])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", c.shown(node), "Input to `in` should all be the same type, but it's [" + ", ".join(f'"{p.kind.sql}"' for p in parts) + "].")
    if not orderable(k):
        raise unsupported(f"IN over {k.sql}")
    parts = [cast(p, k) for p in parts]
    return made(f"({parts[0].sql} IN ({', '.join(p.sql for p in parts[1:])}))", BOOLEAN, *parts)


def in_query(c, node, query, scope, negated=False, filtering=False):
    """IN and NOT IN over a query. Spark answers FALSE where SQL would say NULL; several columns are compared one by one."""
    inner = query.this if isinstance(query, exp.Subquery) else query
    q = c.query(inner, scope)
    left = [c.compile(x, scope) for x in (node.this.expressions if isinstance(node.this, exp.Tuple) else [node.this])]
    if len(left) == 1 and left[0].kind.name == "struct" and len(q.columns) == len(left[0].kind.args) > 1:
        base = left[0]
        left = [made(f"({base.sql}).{ident(f)}", k, base) for f, k in base.kind.args]
    if len(left) != len(q.columns):
        raise mismatch("IN_SUBQUERY_LENGTH_MISMATCH", c.shown(node), f"The number of columns in the left hand side of an IN subquery does not match the number of columns in the output of subquery. Left hand side columns(length: {len(left)}), right hand side columns(length: {len(q.columns)}).")
    casts, changed = [], False
    for i, (x, col) in enumerate(zip(left, q.columns)):
        k = common(x.kind, col.kind)
        if k is None:
            raise mismatch("IN_SUBQUERY_DATA_TYPE_MISMATCH", c.shown(node), f'The data type of one or more elements in the left hand side of an IN subquery is not compatible with the data type of the output of the subquery. Left: "{x.kind.sql}", right: "{col.kind.sql}".')
        left[i] = cast(x, k)
        inner_e = cast(E(f'"q_".{col.ref}', col.kind), k)
        casts.append(f"{inner_e.sql} AS {col.ref}")
        changed = changed or col.kind != k
    sql = f"SELECT {', '.join(casts)} FROM ({q.sql}) AS \"q_\"" if changed else q.sql
    if len(left) == 1:
        text = f"({left[0].sql} {'NOT ' if negated else ''}IN ({sql}))"
        e = made(text if filtering else f"coalesce({text}, FALSE)", BOOLEAN, *left)
    else:
        alias = ident(c.fresh())
        pairs = [f"{x.sql} = {alias}.{col.ref}" for x, col in zip(left, q.columns)]
        if negated:
            pairs = [f"({p} OR ({p}) IS NULL)" for p in pairs]
        e = made(f"({'NOT ' if negated else ''}EXISTS (SELECT 1 FROM ({sql}) AS {alias} WHERE {' AND '.join(pairs)}))", BOOLEAN, *left)
    e.refs |= q.refs
    return e


def between(c, node, scope):
    this, low, high = node.this, node.args["low"], node.args["high"]
    x, a, b = c.compile(this, scope), c.compile(low, scope), c.compile(high, scope)
    x1, a = comparable(x, a, c.shown(node), False)
    x2, b = comparable(x, b, c.shown(node), False)
    return made(f"({x1.sql} >= {a.sql} AND {x2.sql} <= {b.sql})", BOOLEAN, x, a, b)


def textual(c, e, node):
    out = implicit(e, STRING)
    if out is None:
        raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The parameter requires the "STRING" type, however it has the type "{e.kind.sql}".')
    return out


def like(fold, negated=False):
    def build(c, node, scope):
        return liked(c, node, scope, fold, "\\")

    return build


def liked(c, node, scope, fold, escape):
    negated = bool(node.args.get("negate"))  # x NOT LIKE ANY (...) is no NOT (x LIKE ANY (...))
    right = node.expression
    if isinstance(right, (exp.Any, exp.All)):
        inner = right.this
        items = inner.expressions if isinstance(inner, exp.Tuple) else [inner.this if isinstance(inner, exp.Paren) else inner]
        if not items:
            raise raised("_LEGACY_ERROR_TEMP_0064", "Expected something between '(' and ')'.", "42601")
        word = " OR " if isinstance(right, exp.Any) else " AND "
        parts = [one_like(c, node, c.compile(node.this, scope), c.compile(i, scope), fold, escape) for i in items]
        return made("(" + word.join(f"(NOT {p.sql})" if negated else p.sql for p in parts) + ")", BOOLEAN, *parts)
    e = one_like(c, node, c.compile(node.this, scope), c.compile(right, scope), fold, escape)
    return made(f"(NOT {e.sql})", BOOLEAN, e) if negated else e


def one_like(c, node, x, pattern, fold, escape):
    x, pattern = textual(c, x, node), textual(c, pattern, node)
    word = "ILIKE" if fold else "LIKE"
    if pattern.is_literal and isinstance(pattern.lit, str):
        bad_escape(pattern.lit, escape)
        if escape not in pattern.lit:
            return made(f"({x.sql} {word} {pattern.sql})", BOOLEAN, x, pattern)
        return made(f"({x.sql} {word} {pattern.sql} ESCAPE {text(escape)})", BOOLEAN, x, pattern)
    checked = f"spark_like_pattern({pattern.sql}, {text(escape)})"
    return made(f"({x.sql} {word} {checked} ESCAPE {text(escape)})", BOOLEAN, x, pattern)


def bad_escape(pattern, escape):
    i = 0
    while i < len(pattern):
        if pattern[i] == escape:
            if i + 1 == len(pattern):
                raise raised("INVALID_FORMAT.ESC_AT_THE_END", f"The format is invalid: '{pattern}'. The escape character is not allowed to end with.", "42601")
            if pattern[i + 1] not in ("_", "%", escape):
                raise raised("INVALID_FORMAT.ESC_IN_THE_MIDDLE", f"The format is invalid: '{pattern}'. The escape character is not allowed to precede '{pattern[i + 1]}'.", "42601")
            i += 1
        i += 1


def escaped(c, node, scope):
    char = node.expression.this if isinstance(node.expression, exp.Literal) else ""
    if len(char) != 1:
        raise raised("INVALID_ESCAPE_CHAR", "Escape character should be a string literal of length one.", "42604")
    inner = node.this
    return liked(c, inner, scope, isinstance(inner, exp.ILike), char)


def rlike(c, node, scope):
    from fn_strings import java_pattern

    x, pattern = textual(c, c.compile(node.this, scope), node), textual(c, c.compile(node.expression, scope), node)
    return made(f"regexp_matches({x.sql}, {java_pattern(pattern)})", BOOLEAN, x, pattern)


def bitwise(sign):
    def build(c, node, scope):
        left, right = c.compile(node.left, scope), c.compile(node.right, scope)
        left, right = (cast(e, BIGINT) if e.kind.name == "string" and integral(o.kind) else e for e, o in ((left, right), (right, left)))
        k = wider(left.kind, right.kind)
        if k is None:
            raise diff_types(c.shown(node), left.kind, right.kind)
        if k.name == "void":
            k = INT
        if not integral(k):
            raise wrong_type(c.shown(node), k, '"INTEGRAL"')
        left, right = cast(left, k), cast(right, k)
        return made(f"xor({left.sql}, {right.sql})" if sign == "^" else f"({left.sql} {sign} {right.sql})", k, left, right)

    return build


def bit_not(c, node, scope):
    e = c.compile(node.this, scope)
    e = cast(e, BIGINT) if e.kind.name == "string" else cast(e, INT) if e.kind.name == "void" else e
    if not integral(e.kind):
        raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The first parameter requires the "INTEGRAL" type, however it has the type "{e.kind.sql}".')
    return made(f"(~{e.sql})", e.kind, e)


def pipes(c, node, scope):
    return c.compile(exp.Anonymous(this="concat", expressions=[node.left, node.right]), scope)


def choice(c, conditions, values, default, shown):
    k = all_common([v.kind for v in values] + [default.kind])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", shown, "Input to `casewhen` should all be the same type, but it's [" + ", ".join(f'"{v.kind.sql}"' for v in [*values, default]) + "].")
    whens = " ".join(f"WHEN {b.sql} THEN {cast(v, k).sql}" for b, v in zip(conditions, values))
    return made(f"CASE {whens} ELSE {cast(default, k).sql} END", k, *conditions, *values, default)


def struct_of(names, parts):
    k = struct(zip(names, (p.kind for p in parts)))
    lowered = [n.lower() for n in names]
    if len(set(lowered)) != len(lowered):
        raise unsupported("A struct with two fields of one name")
    if not parts:
        raise unsupported("A struct without fields")
    return made("struct_pack(" + ", ".join(f"{ident(n)} := {p.sql if p.kind != VOID else 'CAST(NULL AS INTEGER)'}" for n, p in zip(names, parts)) + ")", k, *parts)


INDEX = "[INVALID_ARRAY_INDEX] The index ' || CAST({i} AS VARCHAR) || ' is out of bounds. The array has ' || CAST(len({a}) AS VARCHAR) || ' elements. Use the SQL function `get()` to tolerate accessing element at invalid index and return NULL instead. SQLSTATE: 22003"


def item(c, base, index, shown):
    if base.kind.name == "array":
        i = index if integral(index.kind) else None
        if i is None and index.kind.name in ("string", "void"):
            i = cast(index, INT)
        if i is None:
            raise mismatch("UNEXPECTED_INPUT_TYPE", shown, f'The second parameter requires the "INTEGRAL" type, however it has the type "{index.kind.sql}".')
        message = "'" + INDEX.format(i=i.sql, a=base.sql) + "'"
        out = f"CASE WHEN {i.sql} < 0 OR {i.sql} >= len({base.sql}) THEN error({message}) ELSE list_extract({base.sql}, CAST({i.sql} AS BIGINT) + 1) END"
        return made(out, base.kind.args[0], base, index)
    if base.kind.name == "map":
        return map_value(c, base, index, shown)
    if base.kind.name == "struct" and index.is_literal and isinstance(index.lit, str):
        return c.field(base, index.lit, shown)
    if base.kind == VOID:
        return literal_of(None, VOID)
    raise raised("INVALID_EXTRACT_BASE_FIELD_TYPE", f"Can't extract a value from \"{shown}\". Need a complex type [STRUCT, ARRAY, MAP] but got \"{base.kind.sql}\".", "42000")


def map_value(c, base, key, shown):
    wanted = implicit(key, base.kind.args[0])
    if wanted is None:
        raise mismatch("UNEXPECTED_INPUT_TYPE", shown, f'The second parameter requires the "{base.kind.args[0].sql}" type, however it has the type "{key.kind.sql}".')
    return made(f"list_extract(map_extract({base.sql}, {wanted.sql}), 1)", base.kind.args[1], base, key)


DISPATCH = {
    exp.Add: lambda c, n, s: arithmetic(c, n, s, "+"), exp.Sub: lambda c, n, s: arithmetic(c, n, s, "-"), exp.Mul: lambda c, n, s: arithmetic(c, n, s, "*"), exp.Div: lambda c, n, s: arithmetic(c, n, s, "/"),
    exp.IntDiv: lambda c, n, s: arithmetic(c, n, s, "div"), exp.Mod: lambda c, n, s: arithmetic(c, n, s, "%"), exp.Neg: negate, exp.EQ: comparison("="), exp.NEQ: comparison("<>"), exp.LT: comparison("<"),
    exp.LTE: comparison("<="), exp.GT: comparison(">"), exp.GTE: comparison(">="), exp.NullSafeEQ: comparison("IS NOT DISTINCT FROM"), exp.NullSafeNEQ: comparison("IS DISTINCT FROM"), exp.And: logic("AND"),
    exp.Or: logic("OR"), exp.Not: not_, exp.Is: is_, exp.In: in_, exp.Between: between, exp.Like: like(False), exp.ILike: like(True), exp.Escape: escaped, exp.RegexpLike: rlike, exp.BitwiseAnd: bitwise("&"),
    exp.BitwiseOr: bitwise("|"), exp.BitwiseXor: bitwise("^"), exp.BitwiseNot: bit_not, exp.DPipe: pipes,
}
