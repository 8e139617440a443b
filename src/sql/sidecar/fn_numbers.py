"""Functions of numbers, bits and conditions."""
from sqlglot import exp

from catalogue import FUNCTIONS, arguments, define, same, special, wrong_count, wrong_type
from errors import mismatch, raised, unsupported
from kinds import (
    BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, FLOAT, INT, SMALLINT, STRING, TIMESTAMP, TINYINT, VOID, Kind, all_common, array, bounded, capped, decimal, decimal_of, fractional, integral, interval, numeric, orderable, physical, text, wider,
)
from operators import combine
from values import E, cast, implicit, literal_of, made

for _n, _duck in (("sqrt", None), ("cbrt", "cbrt"), ("exp", "spark_exp"), ("sin", "sin"), ("cos", "cos"), ("tan", "tan"), ("atan", "atan"), ("sinh", "sinh"), ("cosh", "spark_cosh"), ("tanh", "tanh"), ("degrees", "degrees"), ("radians", "radians"),
                  ("asinh", "asinh"), ("rint", None), ("signum", None)):
    if _duck:
        define(_n, "double", DOUBLE, _duck + "({0})")
define("sqrt", "double", DOUBLE, "CASE WHEN {0} < 0 THEN CAST('NaN' AS DOUBLE) ELSE sqrt({0}) END")
define("acos", "double", DOUBLE, "CASE WHEN {0} < -1 OR {0} > 1 THEN CAST('NaN' AS DOUBLE) ELSE acos({0}) END")
define("asin", "double", DOUBLE, "CASE WHEN {0} < -1 OR {0} > 1 THEN CAST('NaN' AS DOUBLE) ELSE asin({0}) END")
define("acosh", "double", DOUBLE, "CASE WHEN {0} < 1 THEN CAST('NaN' AS DOUBLE) ELSE acosh({0}) END")
define("atanh", "double", DOUBLE, "CASE WHEN abs({0}) > 1 THEN CAST('NaN' AS DOUBLE) WHEN {0} = 1 THEN CAST('Infinity' AS DOUBLE) WHEN {0} = -1 THEN CAST('-Infinity' AS DOUBLE) ELSE atanh({0}) END")
define("rint", "double", DOUBLE, "round_even({0}, 0)")
define("ln", "double", DOUBLE, "CASE WHEN {0} <= 0 THEN NULL ELSE ln({0}) END")
define("log2", "double", DOUBLE, "CASE WHEN {0} <= 0 THEN NULL ELSE log2({0}) END")
define("log10", "double", DOUBLE, "CASE WHEN {0} <= 0 THEN NULL ELSE log10({0}) END")
define("log1p", "double", DOUBLE, "CASE WHEN {0} <= -1 THEN NULL ELSE spark_log1p({0}) END")
define("expm1", "double", DOUBLE, "spark_expm1({0})")
define("log", "double,double?", DOUBLE, lambda a, b=None: f"CASE WHEN {a.sql} <= 0 THEN NULL ELSE ln({a.sql}) END" if b is None else f"CASE WHEN {a.sql} <= 0 OR {b.sql} <= 0 THEN NULL ELSE ln({b.sql}) / ln({a.sql}) END")
# Java: a power by NaN is NaN, and so is 1 to an endless power.
define("pow power", "double,double", DOUBLE, "CASE WHEN isnan({1}) OR abs({0}) = 1 AND isinf({1}) THEN CAST('NaN' AS DOUBLE) ELSE pow({0}, {1}) END")
define("atan2", "double,double", DOUBLE, "atan2({0}, {1})")
define("hypot", "double,double", DOUBLE, "sqrt({0} * {0} + {1} * {1})")
define("cot", "double", DOUBLE, "(1 / tan({0}))")
define("sec", "double", DOUBLE, "(1 / cos({0}))")
define("csc", "double", DOUBLE, "(1 / sin({0}))")
define("pi", "", DOUBLE, "pi()")
define("e", "", DOUBLE, "exp(CAST(1 AS DOUBLE))")
define("factorial", "int", BIGINT, "CASE WHEN {0} < 0 OR {0} > 20 THEN NULL ELSE CAST(factorial({0}) AS BIGINT) END")
define("isnan", "double", BOOLEAN, "coalesce(isnan({0}), FALSE)")
define("bin", "bigint", STRING, "spark_bin({0})")


@special("shiftleft shiftright shiftrightunsigned")
def shift(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "any,int", scope)
    k = args[0].kind
    if k.name in ("tinyint", "smallint", "void"):
        args[0] = cast(args[0], INT)
    elif k.name == "string":
        args[0] = cast(args[0], INT)
    elif k.name not in ("int", "bigint"):
        raise wrong_type(name, c.shown(node), 0, '("INT" or "BIGINT")', k)
    k = args[0].kind
    return made(f"CAST(spark_{name}(CAST({args[0].sql} AS BIGINT), {args[1].sql}, {64 if k == BIGINT else 32}) AS {physical(k)})", k, *args)


@special("bit_count")
def bit_count(c, node, scope):
    (e,) = arguments(c, "bit_count", node, "any", scope)
    if e.kind.name == "void":
        e = cast(e, INT)
    if not (integral(e.kind) or e.kind == BOOLEAN):
        if e.kind.name == "string":
            raise wrong_type("bit_count", c.shown(node), 0, '("INTEGRAL" or "BOOLEAN")', e.kind)
        raise wrong_type("bit_count", c.shown(node), 0, '("INTEGRAL" or "BOOLEAN")', e.kind)
    return made(f"spark_bit_count(CAST({e.sql} AS BIGINT))", INT, e)


@special("getbit bit_get")
def getbit(c, node, scope):
    args = arguments(c, node.name.lower(), node, "any,int", scope)
    if not integral(args[0].kind):
        if args[0].kind.name == "void":
            args[0] = cast(args[0], INT)
        else:
            raise wrong_type(node.name.lower(), c.shown(node), 0, '"INTEGRAL"', args[0].kind)
    bits = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}[args[0].kind.name]
    return made(f"CAST(spark_getbit(CAST({args[0].sql} AS BIGINT), {args[1].sql}, {bits}) AS TINYINT)", TINYINT, *args)


def signed(e, c, node, name):
    k = e.kind
    if k.name == "string" or k.name == "void":
        return cast(e, DOUBLE)
    if not (numeric(k) or k.name in ("ym", "dt")):
        raise wrong_type(name, c.shown(node), 0, '("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH")', k)
    return e


@special("abs")
def abs_(c, node, scope):
    (e,) = arguments(c, "abs", node, "any", scope)
    e = signed(e, c, node, "abs")
    return made(f"abs({e.sql})", e.kind, e)


@special("sign signum")
def sign(c, node, scope):
    (e,) = arguments(c, node.name.lower(), node, "any", scope)
    e = signed(e, c, node, node.name.lower())
    x = e.sql if e.kind.name in ("ym", "dt") else cast(e, DOUBLE).sql
    return made(f"CAST(CASE WHEN isnan(CAST({x} AS DOUBLE)) THEN CAST('NaN' AS DOUBLE) ELSE sign({x}) END AS DOUBLE)", DOUBLE, e)


@special("positive")
def positive(c, node, scope):
    (e,) = arguments(c, "positive", node, "any", scope)
    if e.kind.name not in ("interval",):
        e = signed(e, c, node, "positive")
    return made(f"({e.sql})", e.kind, e)


@special("negative")
def negative(c, node, scope):
    if len(node.expressions) != 1:
        raise wrong_count("negative", "1", len(node.expressions))
    return c.compile(exp.Neg(this=node.expressions[0].copy()), scope)


@special("ceil ceiling floor")
def ceil(c, node, scope):
    name = "floor" if node.name.lower() == "floor" else "ceil"
    args = arguments(c, node.name.lower(), node, "num,int?", scope)
    e = args[0]
    if len(args) == 2:
        if not args[1].foldable or args[1].lit is None:
            raise unsupported(f"{name} with a computed scale")
        scale = args[1].lit
        if e.kind.name in ("float", "double") or integral(e.kind):
            e = cast(e, decimal(30, 15) if e.kind.name == "double" else decimal(14, 7) if e.kind.name == "float" else decimal(*decimal_of(e.kind)))
        p, s = e.kind.args
        if not isinstance(scale, int) or scale < 0 or scale > s:
            raise unsupported(f"{name} with this scale")
        k = bounded(p - s + scale + 1, scale)
        return made(f"CAST({name}(CAST({e.sql} AS DECIMAL(38,{s})) * {10 ** scale}) / {10 ** scale} AS {physical(k)})" if scale == 0 else f"CAST(spark_decimal_math({text('<' if name == 'floor' else '>')}, CAST({e.sql} AS VARCHAR), '', {scale}) AS {physical(k)})", k, *args)
    if integral(e.kind):
        return made(f"CAST({e.sql} AS BIGINT)", BIGINT, e)
    if e.kind.name == "decimal":
        p, s = e.kind.args
        if s == 0:
            return e
        k = bounded(p - s + 1, 0)
        return made(f"CAST({name}({e.sql}) AS {physical(k)})", k, e)
    return made(f"CAST(spark_float_to_integral({name}(CAST({e.sql} AS DOUBLE)), 'SATURATE', FALSE) AS BIGINT)", BIGINT, e)


@special("round bround")
def round_(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "num,int?", scope)
    e = args[0]
    scale = 0
    if len(args) > 1:
        if not args[1].foldable:
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `scale` should be a foldable "INT" expression.')
        if args[1].lit is None:
            return literal_of(None, e.kind)
        if not isinstance(args[1].lit, int):
            raise unsupported(f"{name} with a computed scale")
        scale = args[1].lit
    mode = "r" if name == "round" else "b"
    if integral(e.kind):
        if scale >= 0:
            return made(e.sql, e.kind, e)
        rounded = f"spark_decimal_math('{mode}', CAST({e.sql} AS VARCHAR), '', {scale})"
        overflow = "error('[ARITHMETIC_OVERFLOW] Overflow. If necessary set ANSI_MODE to false to bypass this error. SQLSTATE: 22003')"
        return made(f"CASE WHEN {e.sql} IS NOT NULL THEN coalesce(TRY_CAST({rounded} AS {physical(e.kind)}), {overflow}) END", e.kind, e)
    if e.kind.name == "decimal":
        p, s = e.kind.args
        whole = p - s + 1
        k = capped(max(whole + min(s, scale), 1), min(s, scale)) if scale >= 0 else capped(max(whole, -scale + 1), 0)
        return made(f"CAST(spark_decimal_math('{mode}', CAST({e.sql} AS VARCHAR), '', {scale}) AS {physical(k)})", k, e)
    return made(f"CAST(spark_round_double(CAST({e.sql} AS DOUBLE), {scale}, {'TRUE' if mode == 'b' else 'FALSE'}) AS {physical(e.kind)})" if e.kind == DOUBLE else f"CAST(spark_round_double(CAST(spark_to_string({e.sql}) AS DOUBLE), {scale}, {'TRUE' if mode == 'b' else 'FALSE'}) AS FLOAT)", e.kind, e)


@special("mod")
def mod(c, node, scope):
    a, b = arguments(c, "mod", node, "any,any", scope)
    return combine("%", a, b, c.shown(node))


@special("pmod")
def pmod(c, node, scope):
    a, b = arguments(c, "pmod", node, "any,any", scope)
    r = combine("%", a, b, c.shown(node))
    other = cast(b, r.kind) if b.kind.name != "string" else cast(cast(b, DOUBLE), r.kind)
    return made(f"CASE WHEN {r.sql} < 0 THEN ({r.sql} + {other.sql}) % {other.sql} ELSE {r.sql} END", r.kind, r, b)


@special("div")
def div(c, node, scope):
    a, b = arguments(c, "div", node, "any,any", scope)
    return combine("div", a, b, c.shown(node))


@special("try_add try_subtract try_multiply try_divide try_mod")
def try_arithmetic(c, node, scope):
    name = node.name.lower()
    a, b = arguments(c, name, node, "any,any", scope)
    op = {"try_add": "+", "try_subtract": "-", "try_multiply": "*", "try_divide": "/", "try_mod": "%"}[name]
    return combine(op, a, b, c.shown(node), attempt=True)


@special("width_bucket")
def width_bucket(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 4:
        raise wrong_count("width_bucket", "4", len(args))
    n = implicit(args[3], BIGINT)
    if args[0].kind.name in ("ym", "dt"):
        if not all(a.kind.name == args[0].kind.name for a in args[:3]) or n is None:
            raise wrong_type("width_bucket", c.shown(node), 1, f'"{args[0].kind.sql}"', args[1].kind)
        values = [made(f"CAST({a.sql} AS DOUBLE)", DOUBLE, a) for a in args[:3]]
    else:
        values = []
        for i, a in enumerate(args[:3]):
            e = implicit(a, DOUBLE) if not interval(a.kind) else None
            if e is None:
                raise wrong_type("width_bucket", c.shown(node), i, '"DOUBLE"', a.kind)
            values.append(e)
    return made(f"spark_width_bucket({', '.join(v.sql for v in values)}, {n.sql})", BIGINT, *args)


@special("greatest least")
def greatest(c, node, scope):
    name = node.name.lower()
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) < 2:
        raise wrong_count(name, "> 1", len(args))
    k = all_common([a.kind for a in args])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", c.shown(node), f"Input to `{name}` should all be the same type, but it's [" + ", ".join(f'"{a.kind.sql}"' for a in args) + "].")
    if not orderable(k):
        raise mismatch("INVALID_ORDERING_TYPE", c.shown(node), f'The `{name}` does not support ordering on type "{k.sql}".')
    return made(f"{name}({', '.join(cast(a, k).sql for a in args)})", k, *args)


@special("coalesce ifnull nvl")
def coalesce(c, node, scope):
    name = node.name.lower()
    args = [c.compile(a, scope) for a in node.expressions]
    if not args or name != "coalesce" and len(args) != 2:
        raise wrong_count(name, "> 0" if name == "coalesce" else "2", len(args))
    k = all_common([a.kind for a in args])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", c.shown(node), "Input to `coalesce` should all be the same type, but it's [" + ", ".join(f'"{a.kind.sql}"' for a in args) + "].")
    return made(f"coalesce({', '.join(cast(a, k).sql for a in args)})", k, *args)


@special("nvl2")
def nvl2(c, node, scope):
    a, b, d = arguments(c, "nvl2", node, "any,any,any", scope)
    return conditional(c, made(f"({a.sql} IS NOT NULL)", BOOLEAN, a), b, d, c.shown(node))


def conditional(c, condition, b, d, shown):
    k = all_common([b.kind, d.kind])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", shown, f'Input to `if` should all be the same type, but it\'s ["{b.kind.sql}", "{d.kind.sql}"].')
    return made(f"CASE WHEN {condition.sql} THEN {cast(b, k).sql} ELSE {cast(d, k).sql} END", k, condition, b, d)


@special("if iff")
def if_(c, node, scope):
    a, b, d = arguments(c, node.name.lower(), node, "any,any,any", scope)
    condition = implicit(a, BOOLEAN) if a.kind.name in ("boolean", "void", "string") else None
    if condition is None:
        raise wrong_type("if", c.shown(node), 0, '"BOOLEAN"', a.kind)
    return conditional(c, condition, b, d, c.shown(node))


@special("nullif")
def nullif(c, node, scope):
    from operators import comparable

    a, b = arguments(c, "nullif", node, "any,any", scope)
    x, y = comparable(a, b, c.shown(node), True)
    return made(f"CASE WHEN {x.sql} = {y.sql} THEN NULL ELSE {a.sql} END", a.kind, a, b)


@special("equal_null")
def equal_null(c, node, scope):
    from operators import comparable

    x, y = comparable(*arguments(c, "equal_null", node, "any,any", scope), c.shown(node), True)
    return made(f"({x.sql} IS NOT DISTINCT FROM {y.sql})", BOOLEAN, x, y)


define("isnull", "any", BOOLEAN, "({0} IS NULL)")
define("isnotnull", "any", BOOLEAN, "({0} IS NOT NULL)")
define("nullifzero", "num", same, "NULLIF({0}, 0)")
define("zeroifnull", "num", same, "coalesce({0}, 0)")
define("nanvl", "double,double", DOUBLE, "CASE WHEN isnan({0}) THEN {1} ELSE {0} END")
define("version current_version", "", STRING, lambda: refuse("version"))
define("assert_true", "boolean,string?", VOID, lambda a, m=None: f"CASE WHEN {a.sql} THEN NULL ELSE error({m.sql if m else text('[USER_RAISED_EXCEPTION] the condition is not true!')}) END")


def refuse(name):
    raise unsupported(f"The function `{name}`")


@special("raise_error")
def raise_error(c, node, scope):
    args = arguments(c, "raise_error", node, "string,any?", scope)
    if len(args) > 1:
        raise unsupported("raise_error with a class")
    return made(f"error('[USER_RAISED_EXCEPTION] ' || coalesce({args[0].sql}, 'null') || ' SQLSTATE: P0001')", VOID, *args)


def word_hole(name, hole):
    @special(name)
    def build(c, node, scope):
        if node.expressions:
            raise wrong_count(name, "0", len(node.expressions))
        return E(c.hole.quoted({hole: True}), STRING, foldable=True)


for _w, _h in {"current_user": "user", "user": "user", "session_user": "user", "current_catalog": "catalog", "current_schema": "schema", "current_database": "schema"}.items():
    word_hole(_w, _h)


@special("is_account_group_member is_member")
def member(c, node, scope):
    args = node.expressions
    name = node.name.lower()
    if len(args) != 1 or not isinstance(args[0], exp.Literal) or not args[0].is_string:
        raise unsupported(f"{name} without one literal group name")
    return E(c.hole.quoted({"member" if name == "is_account_group_member" else "local_member": args[0].this}), BOOLEAN)


def as_cast(name, kind):
    @special(name)
    def build(c, node, scope):
        if len(node.expressions) != 1:
            raise wrong_count(name, "1", len(node.expressions))
        return cast(c.compile(node.expressions[0], scope), kind, shown=c.shown(node.expressions[0]))


for _n, _k in {"boolean": BOOLEAN, "tinyint": TINYINT, "smallint": SMALLINT, "int": INT, "bigint": BIGINT, "float": FLOAT, "double": DOUBLE, "decimal": decimal(10, 0), "date": DATE, "timestamp": TIMESTAMP, "binary": BINARY,
               "string": STRING}.items():
    as_cast(_n, _k)


# --- random numbers --------------------------------------------------------------------------------------------------------------------------
def seed_of(c, node, e, scope):
    """A seed gives Spark's own numbers, but only for one row: the order of several is Spark's alone."""
    if not e.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `seed` should be a foldable ("INT" or "BIGINT") expression.')
    if e.kind.name not in ("tinyint", "smallint", "int", "bigint", "void"):
        raise wrong_type(node.name.lower(), c.shown(node), 0, '("INT" or "BIGINT")', e.kind)
    if scope.sources or scope.parent is not None:
        raise unsupported("A random function with a seed over rows of a table")
    return f"coalesce({cast(e, BIGINT).sql}, 0)"


@special("rand random randn")
def rand(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    name = node.name.lower()
    if len(args) > 1:
        raise wrong_count(name, "[0, 1]", len(args))
    if not args:
        if name == "randn":
            raise unsupported("randn without a seed")
        return E("random()", DOUBLE, volatile=True)
    e = made(f"spark_rand{'n' if name == 'randn' else ''}({seed_of(c, node, args[0], scope)})", DOUBLE)
    e.volatile, e.foldable = True, False
    return e


@special("uniform")
def uniform(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if not 2 <= len(args) <= 3:
        raise wrong_count("uniform", "[2, 3]", len(args))
    for i, a in enumerate(args[:2]):
        if not (numeric(a.kind) or a.kind == VOID):
            raise wrong_type("uniform", c.shown(node), i, '("INTEGRAL" or "FLOAT" or "DOUBLE" or "DECIMAL")', a.kind)
        if not a.foldable:
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), f'the input `{("min", "max")[i]}` should be a foldable number.')
    if len(args) == 3 and args[2].kind.name in ("float", "double", "decimal", "string"):
        raise wrong_type("uniform", c.shown(node), 2, '"INTEGRAL"', args[2].kind)
    k = wider(args[0].kind, args[1].kind)
    if FLOAT in (args[0].kind, args[1].kind) and DOUBLE not in (args[0].kind, args[1].kind):
        k = FLOAT
    seed = f"spark_rand({seed_of(c, node, args[2], scope)})" if len(args) == 3 else "random()"
    if any(a.kind == VOID for a in args[:2]):
        return literal_of(None, k)
    a, b = cast(args[0], DOUBLE), cast(args[1], DOUBLE)
    out = f"({a.sql} + ({b.sql} - {a.sql}) * {seed})"
    sql = f"CAST(trunc({out}) AS {physical(k)})" if integral(k) else f"CAST({out} AS {physical(k)})"
    return E(sql, k, volatile=True)


@special("randstr")
def randstr(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if not 1 <= len(args) <= 2:
        raise wrong_count("randstr", "[1, 2]", len(args))
    if not args[0].foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `length` should be a foldable "INT" or "SMALLINT" expression.')
    n = implicit(args[0], INT) if args[0].kind.name not in ("string",) else None
    if n is None:
        raise wrong_type("randstr", c.shown(node), 0, '("INT" or "SMALLINT")', args[0].kind)
    if len(args) == 2 and args[1].kind.name in ("float", "double", "decimal", "string"):
        raise wrong_type("randstr", c.shown(node), 1, '("INT" or "BIGINT")', args[1].kind)
    if args[0].lit is None:
        return literal_of("", STRING)
    seed = seed_of(c, node, args[1], scope) if len(args) == 2 else "CAST(random() * 9007199254740992 AS BIGINT)"
    return E(f"spark_randstr({n.sql}, {seed})", STRING, volatile=True)
