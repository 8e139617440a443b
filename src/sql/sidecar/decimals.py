"""Arithmetic of decimals with Spark's result types.

Those grow with every product: two DECIMAL(15,2) make a DECIMAL(31,4), which the engine computes in 128 bits, at less than half the speed, though hardly
a value needs them. Its own products and sums of decimals of at most 18 digits stay in 64 bits, and raise an overflow where one does not fit. So what is
summed up is computed that way first (E.narrow): no row has left an aggregation before all are in, and if one did not fit, the server runs the statement
once more and asks for none of it (Executor::run). Both give the same digits. All else is computed in the digits of its type.
"""
from division import MODULO_ZERO, ZERO, if_zero
from kinds import BIGINT, bounded, decimal, decimal_of, physical, text
from values import cast, made

MOST = 18  # digits of 64 bits
SPARE = 10  # digits before the point that must be left, lest overflows are common

wide = False  # of the request that is being answered: nothing is narrow


def use(flag):
    global wide
    wide = bool(flag)


def short(e):
    """The operand in at most 18 digits."""
    return e.narrow or (e.sql if e.kind.args[0] <= MOST else None)


def narrow(op, left, right, kind):
    """A sum, difference or product in 18 digits, of a type that has more; nothing where it is not to be."""
    p, s = kind.args
    if wide or p <= MOST or MOST - s < SPARE:
        return None
    a, b = short(left), short(right)
    return f"({a} {op} {b})" if a and b else None


def beyond(left, right):
    """The left operand of a product that may need more than 18 digits: two of at most 18 would be held there."""
    (p, s), (q, _) = left.kind.args, right.kind.args
    return f"CAST({left.sql} AS DECIMAL({MOST + 1},{s}))" if p <= MOST and q <= MOST < p + q else left.sql


def exact(e):
    """The decimal that an operand is in decimal arithmetic: a literal has just its own digits."""
    if e.kind.name == "decimal":
        return e
    if e.is_literal and isinstance(e.lit, int) and e.source != "cast":
        p = max(len(str(abs(e.lit))), 1)
        return e.with_(f"CAST({e.lit} AS DECIMAL({p},0))", decimal(p, 0), e.lit)
    out = cast(e, decimal(*decimal_of(e.kind)))
    if e.kind == BIGINT:  # 20 digits by its type
        out.narrow = f"CAST({e.sql} AS DECIMAL({MOST},0))"
    return out


def decimals(op, left, right, attempt):
    left, right = exact(left), exact(right)
    (p1, s1), (p2, s2) = left.kind.args, right.kind.args
    duck = "TRY_CAST" if attempt else "CAST"
    if op in "+-":
        scale = max(s1, s2)
        k = bounded(max(p1 - s1, p2 - s2) + scale + 1, scale)
        digits = max(p1 - s1, p2 - s2) + scale
        both = f"DECIMAL({digits + (digits == MOST)},{scale})"  # of 18 and 18 the engine would make 18 again
        inner = f"CAST({left.sql} AS {both}) {op} CAST({right.sql} AS {both})" if digits <= 38 else None
        if inner is None:
            return made(f"{duck}(spark_decimal_math({text(op)}, CAST({left.sql} AS VARCHAR), CAST({right.sql} AS VARCHAR), {k.args[1]}) AS {physical(k)})", k, left, right)
        out = made(f"{duck}({inner} AS {physical(k)})", k, left, right)
        if s1 == s2 and not attempt:
            out.narrow = narrow(op, left, right, k)
        return out
    if op == "*":
        k = bounded(p1 + p2 + 1, s1 + s2)
        if k.args[1] == s1 + s2:  # DuckDB's own product, which raises what does not fit
            out = made(f"{duck}({beyond(left, right)} * {right.sql} AS {physical(k)})", k, left, right)
            if not attempt:
                out.narrow = narrow(op, left, right, k)
            return out
        return made(f"{duck}(spark_decimal_math('*', CAST({left.sql} AS VARCHAR), CAST({right.sql} AS VARCHAR), {k.args[1]}) AS {physical(k)})", k, left, right)
    if op == "/":
        scale = max(6, s1 + p2 + 1)
        k = bounded(p1 - s1 + s2 + scale, scale)
        q = f"{duck}(spark_decimal_math('/', CAST({left.sql} AS VARCHAR), CAST(NULLIF({right.sql}, 0) AS VARCHAR), {k.args[1]}) AS {physical(k)})"
        return made(q if attempt else if_zero(right, left, q, ZERO), k, left, right)
    if op == "div":
        q = f"{duck}(spark_decimal_math('d', CAST({left.sql} AS VARCHAR), CAST(NULLIF({right.sql}, 0) AS VARCHAR), 0) AS BIGINT)"
        return made(q if attempt else if_zero(right, left, q, ZERO), BIGINT, left, right)
    scale = max(s1, s2)
    k = bounded(min(p1 - s1, p2 - s2) + scale, scale)
    q = f"{duck}({left.sql} % NULLIF({right.sql}, 0) AS {physical(k)})"
    return made(q if attempt else if_zero(right, left, q, MODULO_ZERO), k, left, right)
