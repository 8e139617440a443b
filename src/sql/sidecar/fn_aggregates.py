"""Aggregate functions. Each gives DuckDB text with TAIL where FILTER and OVER stand."""
from sqlglot import exp

from catalogue import aggregate, wrong_count, wrong_type
from errors import mismatch, quoted, raised, unsupported
from kinds import BIGINT, BINARY, BOOLEAN, DOUBLE, DT, INT, STRING, TIMESTAMP, TINYINT, VOID, all_common, array, capped, decimal, decimal_of, fractional, ident, integral, interval, map_, numeric, orderable, physical, struct, text, Kind
from values import E, cast, implicit, literal_of, made
from windows import TAIL


def compiled(c, call, scope, low, high=None):
    high = low if high is None else high
    if not low <= len(call.args) <= high:
        raise wrong_count(call.name, str(low) if low == high else str(list(range(low, high + 1))), len(call.args))
    return [alike(call, c.compile(a, scope)) for a in call.args]


def alike(call, e):
    """An argument whose values are told apart: bytes of a VARIANT may differ where Spark's do not."""
    if e.kind.name == "variant" and (call.distinct or call.name in ("approx_count_distinct", "mode", "histogram_numeric")):
        raise unsupported(f"{call.name} of different values of type VARIANT")
    return e


def within(call):
    if call.within:
        raise raised("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", f"The function {quoted(call.name)} does not support WITHIN GROUP (ORDER BY ...).", "42000")


def distinct(call):
    return "DISTINCT " if call.distinct else ""


def shown(c, call):
    return c.shown(call.node)


@aggregate("count")
def count(c, call, scope):
    within(call)
    if not call.args:
        raise raised("WRONG_NUM_ARGS.WITH_SUGGESTION", "The `count` requires > 0 parameters but the actual number is 0.", "42605")
    nodes = []
    for a in call.args:
        if isinstance(a, exp.Column) and isinstance(a.this, exp.Star):
            if len(call.args) == 1 and not call.distinct:
                raise raised("INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT", "count(table.*) is not allowed. Please use count(*) or expand the columns manually, e.g. count(col1, col2).", "42000")
            nodes += c.expanded([a], scope)
        elif isinstance(a, exp.Star):
            if len(call.args) == 1 and not call.distinct and not (a.args.get("except_") or a.args.get("except")):
                return E(f"count(*){TAIL}", BIGINT)
            nodes += c.expanded([a], scope)
        else:
            nodes.append(a)
    args = [alike(call, c.compile(a, scope)) for a in nodes]
    if len(args) == 1:
        return made(f"count({distinct(call)}{args[0].sql}){TAIL}", BIGINT, *args)
    whole = " AND ".join(f"{a.sql} IS NOT NULL" for a in args)
    if call.distinct:
        return made(f"count(DISTINCT CASE WHEN {whole} THEN ({', '.join(a.sql for a in args)}) END){TAIL}", BIGINT, *args)
    return made(f"count(CASE WHEN {whole} THEN 1 END){TAIL}", BIGINT, *args)


@aggregate("count_if")
def count_if(c, call, scope):
    (a,) = compiled(c, call, scope, 1)
    if a.kind not in (BOOLEAN, VOID):
        raise wrong_type("count_if", shown(c, call), 0, '"BOOLEAN"', a.kind)
    if call.distinct:
        return made(f"count(DISTINCT CASE WHEN {a.sql} THEN 1 END){TAIL}", BIGINT, a)
    return made(f"count(CASE WHEN {a.sql} THEN 1 END){TAIL}", BIGINT, a)


def addend(call, a):
    """What is added up. Decimals in 64 bits where all rows are in before any leaves, for then a statement may begin anew (decimals.py)."""
    return a.sql if call.window else a.narrow or a.sql


def summable(c, call, a, name):
    if a.kind.name in ("string", "void"):
        return cast(a, DOUBLE)
    if not (numeric(a.kind) or a.kind.name in ("ym", "dt")):
        raise wrong_type(name, shown(c, call), 0, '("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH")', a.kind)
    return a


@aggregate("sum try_sum")
def sum_(c, call, scope):
    within(call)
    (a,) = compiled(c, call, scope, 1)
    a = summable(c, call, a, call.name)
    attempt = call.name.startswith("try")
    inner = f"sum({distinct(call)}{addend(call, a)}){TAIL}"
    if integral(a.kind) or a.kind.name in ("ym", "dt"):
        k = BIGINT if integral(a.kind) else Kind(a.kind.name, ("year", "month") if a.kind.name == "ym" else ("day", "second"))
        if attempt:
            return made(f"TRY_CAST({inner} AS {physical(k)})", k, a)
        return made(f"CAST(spark_check_sum(CAST({inner} AS HUGEINT), '{'bigint' if k == BIGINT else k.name}') AS {physical(k)})", k, a)
    if a.kind.name == "decimal":
        p, s = a.kind.args
        k = capped(p + 10, s)
        return made(f"{'TRY_CAST' if attempt else 'CAST'}({inner} AS {physical(k)})", k, a)
    return made(f"sum({distinct(call)}CAST({a.sql} AS DOUBLE)){TAIL}", DOUBLE, a)


@aggregate("avg mean try_avg")
def avg(c, call, scope):
    within(call)
    (a,) = compiled(c, call, scope, 1)
    a = cast(a, DOUBLE) if a.kind == TIMESTAMP else summable(c, call, a, "avg")
    d = distinct(call)
    if a.kind.name == "decimal":
        p, s = a.kind.args
        k = capped(p + 4, s + 4)
        x = addend(call, a)
        return made(f"CAST(spark_decimal_math('/', CAST(sum({d}{x}){TAIL} AS VARCHAR), CAST(NULLIF(count({d}{x}){TAIL}, 0) AS VARCHAR), {k.args[1]}) AS {physical(k)})", k, a)
    if a.kind.name in ("ym", "dt") and call.name == "try_avg":  # NULL where the sum does not fit its type, though the average would
        k = Kind(a.kind.name, ("year", "month") if a.kind.name == "ym" else ("day", "second"))
        whole = f"TRY_CAST(sum({d}{a.sql}){TAIL} AS {physical(k)})"
        return made(f"CAST(spark_decimal_math('/', CAST({whole} AS VARCHAR), CAST(NULLIF(count({d}{a.sql}){TAIL}, 0) AS VARCHAR), 0) AS {physical(k)})", k, a)
    if a.kind.name in ("ym", "dt"):
        k = Kind(a.kind.name, ("year", "month") if a.kind.name == "ym" else ("day", "second"))
        return made(f"CAST(spark_decimal_math('/', CAST(sum({d}{a.sql}){TAIL} AS VARCHAR), CAST(NULLIF(count({d}{a.sql}){TAIL}, 0) AS VARCHAR), 0) AS {physical(k)})", k, a)
    return made(f"avg({d}CAST({a.sql} AS DOUBLE)){TAIL}", DOUBLE, a)


@aggregate("min max")
def extreme(c, call, scope):
    within(call)
    args = compiled(c, call, scope, 1, 2)
    a = args[0]
    if not orderable(a.kind):
        raise mismatch("INVALID_ORDERING_TYPE", shown(c, call), f'The `{call.name}` does not support ordering on type "{a.kind.sql}".')
    if len(args) == 2:
        raise unsupported(f"{call.name} with a number of rows")
    return made(f"{call.name}({distinct(call)}{a.sql}){TAIL}", a.kind, a)


@aggregate("first first_value last last_value any_value")
def first(c, call, scope):
    within(call)
    args = compiled(c, call, scope, 1, 2)
    if len(args) == 2 and (args[1].kind != BOOLEAN or not args[1].foldable):
        if args[1].kind != BOOLEAN:
            raise wrong_type(call.name, shown(c, call), 1, '"BOOLEAN"', args[1].kind)
        raise mismatch("NON_FOLDABLE_INPUT", shown(c, call), 'the input `ignoreNulls` should be a foldable "BOOLEAN" expression.')
    ignore = call.nulls == "ignore" or len(args) == 2 and args[1].lit is True
    a = args[0]
    name = "last" if call.name.startswith("last") else "first"
    if scope.layer is None and not call.window:
        if ignore:
            return made(f"{name}({a.sql}) FILTER (WHERE {a.sql} IS NOT NULL)" if call.filter is None else refuse("first IGNORE NULLS with FILTER"), a.kind, a)
        return made(f"{name}({a.sql}){TAIL}", a.kind, a)
    if call.window:
        return made(f"{name}_value({a.sql}{' IGNORE NULLS' if ignore else ''}){TAIL}", a.kind, a)
    return made(f"{name}({a.sql}){TAIL}", a.kind, a)


def refuse(what):
    raise unsupported(what)


def statistic(names, duck, guard=""):
    @aggregate(names)
    def build(c, call, scope):
        within(call)
        (a,) = compiled(c, call, scope, 1)
        e = implicit(a, DOUBLE)
        if e is None:
            raise wrong_type(call.name, shown(c, call), 0, '"DOUBLE"', a.kind)
        if call.window is not None:  # each frame from its first row on, as Spark goes through it
            return made(f"list_aggregate(list({distinct(call)}{e.sql}){TAIL}, '{duck}')", DOUBLE, e)
        return made(f"{duck}({distinct(call)}{e.sql}){TAIL}", DOUBLE, e)


for _n, _d in (("stddev std stddev_samp", "spark_stddev_samp"), ("stddev_pop", "spark_stddev_pop"), ("variance var_samp", "spark_var_samp"), ("var_pop", "spark_var_pop")):
    statistic(_n, _d)


def two_numbers(names, duck):
    @aggregate(names)
    def build(c, call, scope):
        within(call)
        args = compiled(c, call, scope, 2)
        es = []
        for i, a in enumerate(args):
            e = implicit(a, DOUBLE)
            if e is None:
                raise wrong_type(call.name, shown(c, call), i, '"DOUBLE"', a.kind)
            es.append(e)
        if call.name.startswith("regr_") and duck.startswith("spark_"):
            es.reverse()  # (y, x)
        return made(f"{duck}({distinct(call)}{es[0].sql}, {es[1].sql}){TAIL}", DOUBLE, *es)


for _n in ("corr", "covar_pop", "covar_samp", "regr_slope", "regr_intercept", "regr_r2", "regr_sxx", "regr_syy", "regr_sxy"):
    two_numbers(_n, "spark_" + _n)
for _n in ("regr_avgx", "regr_avgy"):
    two_numbers(_n, _n)


@aggregate("regr_count")
def regr_count(c, call, scope):
    args = compiled(c, call, scope, 2)
    return made(f"count(CASE WHEN {args[0].sql} IS NOT NULL AND {args[1].sql} IS NOT NULL THEN 1 END){TAIL}", BIGINT, *args)


@aggregate("bool_and every bool_or some any")
def booleans(c, call, scope):
    within(call)
    (a,) = compiled(c, call, scope, 1)
    if a.kind not in (BOOLEAN, VOID, STRING):
        raise wrong_type(call.name, shown(c, call), 0, '"BOOLEAN"', a.kind)
    a = implicit(a, BOOLEAN)
    return made(f"{'bool_and' if call.name in ('bool_and', 'every') else 'bool_or'}({a.sql}){TAIL}", BOOLEAN, a)


@aggregate("bit_and bit_or bit_xor")
def bits(c, call, scope):
    (a,) = compiled(c, call, scope, 1)
    if not integral(a.kind):
        if a.kind.name in ("string", "void"):
            a = cast(a, BIGINT if a.kind.name == "string" else INT)
        else:
            raise wrong_type(call.name, shown(c, call), 0, '"INTEGRAL"', a.kind)
    return made(f"{call.name}({distinct(call)}{a.sql}){TAIL}", a.kind, a)


@aggregate("max_by min_by")
def by(c, call, scope):
    args = compiled(c, call, scope, 2, 3)
    a, b = args[:2]
    if not orderable(b.kind):
        raise mismatch("INVALID_ORDERING_TYPE", shown(c, call), f'The `{call.name}` does not support ordering on type "{b.kind.sql}".')
    if len(args) == 3:
        n = args[2]
        if not integral(n.kind):
            raise wrong_type(call.name, shown(c, call), 2, '"INTEGRAL"', n.kind)
        if not n.foldable:
            raise mismatch("NON_FOLDABLE_INPUT", shown(c, call), 'the input `k` should be a foldable "INT" expression.')
        if not isinstance(n.lit, int) or not 1 <= n.lit <= 100000:
            raise mismatch("VALUE_OUT_OF_RANGE", shown(c, call), f"The `k` must be between [1, 100000] (current value = {n.lit}).")
        pairs = f"array_agg({{'x': {a.sql}, 'o': {b.sql}}}){TAIL}"
        # Whatever is in an aggregate's list: ordered by the second value, without the rows where it is NULL.
        order = f"list_sort(list_filter(list_transform({pairs}, lambda v_: {{'o': v_.o, 'x': v_.x}}), lambda v_: v_.o IS NOT NULL), '{'DESC' if call.name == 'max_by' else 'ASC'}')"
        return made(f"coalesce(list_transform(list_slice({order}, 1, {n.lit}), lambda v_: v_.x), CAST([] AS {physical(array(a.kind))}))", array(a.kind), a, b)
    return made(f"{'arg_max_null' if call.name == 'max_by' else 'arg_min_null'}({a.sql}, {b.sql}){TAIL}", a.kind, a, b)


@aggregate("collect_list array_agg")
def collect_list(c, call, scope):
    (a,) = compiled(c, call, scope, 1)
    if call.within:
        within(call)
    inner = f"array_agg({distinct(call)}{a.sql}){TAIL}"
    return made(f"coalesce(list_filter({inner}, lambda v_: v_ IS NOT NULL), CAST([] AS {physical(array(a.kind))}))", array(a.kind), a)


@aggregate("collect_set")
def collect_set(c, call, scope):
    (a,) = compiled(c, call, scope, 1)
    if a.kind.name == "map":
        raise mismatch("UNSUPPORTED_INPUT_TYPE", shown(c, call), 'The input of `collect_set` can\'t be "MAP" type data.')
    return made(f"coalesce(list_filter(array_agg(DISTINCT {a.sql}){TAIL}, lambda v_: v_ IS NOT NULL), CAST([] AS {physical(array(a.kind))}))", array(a.kind), a)


@aggregate("approx_count_distinct")
def approx(c, call, scope):
    args = compiled(c, call, scope, 1, 2)
    return made(f"count(DISTINCT {args[0].sql}){TAIL}", BIGINT, *args)


@aggregate("skewness kurtosis")
def moments(c, call, scope):
    (a,) = compiled(c, call, scope, 1)
    e = implicit(a, DOUBLE)
    if e is None:
        raise wrong_type(call.name, shown(c, call), 0, '"DOUBLE"', a.kind)
    return made(f"spark_{call.name}({distinct(call)}{e.sql}){TAIL}", DOUBLE, e)


@aggregate("grouping grouping_id")
def grouping(c, call, scope):
    raise raised("UNSUPPORTED_GROUPING_EXPRESSION", "grouping()/grouping_id() can only be used with GroupingSets/Cube/Rollup.", "42K0E")


@aggregate("mode")
def mode(c, call, scope):
    if call.within:
        keys = call.order.expressions
        if call.args and not call.distinct:
            raise raised("INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS", "Invalid function `mode` with WITHIN GROUP. The function requires 0 orderings in WITHIN GROUP but got 1.", "42K0K")
        if call.distinct:
            raise raised("INVALID_WITHIN_GROUP_EXPRESSION.DISTINCT_UNSUPPORTED", "Invalid function `mode` with WITHIN GROUP. The function does not support DISTINCT with WITHIN GROUP.", "42K0K")
        if len(keys) != 1:
            raise raised("INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS", f"Invalid function `mode` with WITHIN GROUP. The function requires 1 orderings in WITHIN GROUP but got {len(keys)}.", "42K0K")
        a = c.compile(keys[0].this, scope)
        return moded(c, call, a, "DESC" if keys[0].args.get("desc") else "ASC")
    if call.distinct:
        raise raised("INVALID_WITHIN_GROUP_EXPRESSION.DISTINCT_UNSUPPORTED", "Invalid function `mode` with WITHIN GROUP. The function does not support DISTINCT with WITHIN GROUP.", "42K0K")
    args = compiled(c, call, scope, 1, 2) if call.args else None
    if args is None:
        raise raised("INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING", "Invalid function `mode` with WITHIN GROUP. WITHIN GROUP is required for the function.", "42K0K")
    if len(args) == 2:
        if args[1].kind not in (BOOLEAN, VOID):
            raise raised("UNEXPECTED_INPUT_TYPE", f'The second parameter of function `mode` requires the "BOOLEAN" type, however it has the type "{args[1].kind.sql}".', "42K09")
        if not args[1].foldable:
            raise raised("NON_FOLDABLE_ARGUMENT", "The function `mode` requires the parameter `deterministic` to be a foldable expression of the type \"BOOLEAN\", but the actual argument is a non-foldable.", "42K08")
        if args[1].lit is None:
            raise mismatch("UNEXPECTED_NULL", shown(c, call), "The `deterministic` must not be null.")
        if args[1].lit is True:
            return moded(c, call, args[0], "ASC")
    raise unsupported("The function `mode` without an order", "Which of several modes it gives is not defined.")


def moded(c, call, a, way):
    if not orderable(a.kind):
        raise unsupported(f"mode over {a.kind.sql}")
    items = f"list_filter(array_agg({a.sql}){TAIL}, lambda v_: v_ IS NOT NULL)"
    best = "list_min" if way == "ASC" else "list_max"
    # The most frequent value; of several the first in the order.
    distinct_ = f"list_transform(list_distinct({items}), lambda v_: {{'n': len(list_filter({items}, lambda w_: w_ = v_)), 'v': v_}})"
    top = f"list_max(list_transform({distinct_}, lambda d_: d_.n))"
    return made(f"{best}(list_transform(list_filter({distinct_}, lambda d_: d_.n = {top}), lambda d_: d_.v))", a.kind, a)


# --- percentiles -----------------------------------------------------------------------------------------------------------------------------
def share_of(c, call, e, node):
    if e.kind.name == "void" or e.is_literal and e.lit is None:
        raise mismatch("UNEXPECTED_NULL", shown(c, call), "The `percentage` must not be null.")
    if not e.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", shown(c, call), f'the input `percentage` should be a foldable "DOUBLE" expression; however, got "{c.shown(node)}".')
    if e.kind.name == "array":
        inner = node.expressions if isinstance(node, exp.Anonymous) else None
        if inner is None:
            raise unsupported("Computed percentages")
        values = [literal_number(c, x) for x in inner]
    else:
        values = [e.lit if isinstance(e.lit, (int, float)) else literal_number(c, node)]
    for v in values:
        if v is None:
            raise unsupported("Computed percentages")
        if not 0 <= v <= 1:
            raise mismatch("VALUE_OUT_OF_RANGE", shown(c, call), f"The `percentage` must be between [0.0, 1.0] (current value = {float(v)}D).")
    return values, e.kind.name == "array"


def literal_number(c, node):
    if isinstance(node, exp.Paren):
        return literal_number(c, node.this)
    if isinstance(node, exp.Neg):
        v = literal_number(c, node.this)
        return None if v is None else -v
    if isinstance(node, exp.Literal):
        try:
            return float(node.this)
        except ValueError:
            return None
    if isinstance(node, exp.Cast):
        return literal_number(c, node.this)
    return None


def percentile_text(kind, a, values, many, desc):
    """The continuous or discrete percentile, by Spark's own arithmetic over the sorted list."""
    items = f"list_sort(list_filter(array_agg({a.sql}){TAIL}, lambda v_: v_ IS NOT NULL), '{'DESC' if desc else 'ASC'}')"
    if kind == "disc":
        one = lambda v: f"list_extract(p_, greatest(1, CAST(ceil({v!r}::DOUBLE * len(p_)) AS BIGINT)))"
        if a.kind.name in ("ym", "dt"):
            out_kind = a.kind
        else:
            out_kind = a.kind
        wrap = lambda x: x
    else:
        out_kind = Kind(a.kind.name, ("year", "month") if a.kind.name == "ym" else ("day", "second")) if a.kind.name in ("ym", "dt") else DOUBLE

        def one(v):
            at = f"({v!r}::DOUBLE * (len(p_) - 1))"
            low, high = f"list_extract(p_, CAST(floor({at}) AS BIGINT) + 1)", f"list_extract(p_, CAST(ceil({at}) AS BIGINT) + 1)"
            low, high = f"CAST({low} AS DOUBLE)", f"CAST({high} AS DOUBLE)"
            return f"CASE WHEN floor({at}) = ceil({at}) OR {low} = {high} THEN {low} ELSE (ceil({at}) - {at}) * {low} + ({at} - floor({at})) * {high} END"

        wrap = (lambda x: f"CAST(spark_float_to_integral(round({x}), 'BIGINT', FALSE) AS {physical(out_kind)})") if out_kind != DOUBLE else (lambda x: f"CAST({x} AS DOUBLE)")
    body = "[" + ", ".join(wrap(one(v)) for v in values) + "]" if many else wrap(one(values[0]))
    return f"list_extract(list_transform(list_filter([{items}], lambda q_: len(q_) > 0), lambda p_: {body}), 1)", array(out_kind) if many else out_kind


def measured(c, call, e, name):
    if e.kind.name in ("string", "void"):
        return cast(e, DOUBLE)
    if not (numeric(e.kind) or e.kind.name in ("ym", "dt")):
        raise wrong_type(name, shown(c, call), 0, '("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH")', e.kind)
    return e


@aggregate("percentile")
def percentile(c, call, scope):
    within(call)
    args = compiled(c, call, scope, 2, 3)
    if len(args) == 3:
        raise unsupported("percentile with frequencies")
    a = measured(c, call, args[0], "percentile")
    share = args[1] if args[1].kind.name in ("array", "void") else implicit(args[1], DOUBLE)
    if share is None:
        raise wrong_type("percentile", shown(c, call), 1, '("DOUBLE" or "ARRAY<DOUBLE>")', args[1].kind)
    values, many = share_of(c, call, args[1], call.args[1])
    if call.distinct:
        raise unsupported("percentile of DISTINCT values")
    sql, k = percentile_text("cont", a, values, many, False)
    return made(sql, k, a)


@aggregate("median")
def median(c, call, scope):
    within(call)
    (a,) = compiled(c, call, scope, 1)
    a = measured(c, call, a, "median")
    sql, k = percentile_text("cont", a, [0.5], False, False)
    return made(sql, k, a)


@aggregate("percentile_cont percentile_disc")
def percentile_within(c, call, scope):
    if call.distinct:
        raise raised("INVALID_WITHIN_GROUP_EXPRESSION.DISTINCT_UNSUPPORTED", f"Invalid function {quoted(call.name)} with WITHIN GROUP. The function does not support DISTINCT with WITHIN GROUP.", "42K0K")
    if not call.within:
        raise raised("INVALID_WITHIN_GROUP_EXPRESSION.WITHIN_GROUP_MISSING", f"Invalid function {quoted(call.name)} with WITHIN GROUP. WITHIN GROUP is required for the function.", "42K0K")
    keys = call.order.expressions
    if len(keys) != 1:
        raise raised("INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS", f"Invalid function {quoted(call.name)} with WITHIN GROUP. The function requires 1 orderings in WITHIN GROUP but got {len(keys)}.", "42K0K")
    (share,) = compiled(c, call, scope, 1)
    a = measured(c, call, c.compile(keys[0].this, scope), call.name)
    values, many = share_of(c, call, share, call.args[0])
    if call.name.endswith("disc"):
        a = a if a.kind.name in ("ym", "dt") else cast(a, DOUBLE)
    sql, k = percentile_text(call.name[-4:], a, values, many, bool(keys[0].args.get("desc")))
    return made(sql, k, a)


@aggregate("approx_percentile percentile_approx")
def approx_percentile(c, call, scope):
    args = compiled(c, call, scope, 2, 3)
    a = args[0]
    if a.kind.name in ("string", "void"):
        a = cast(a, DOUBLE)
    if not (numeric(a.kind) or a.kind.name in ("date", "timestamp", "timestamp_ntz", "ym", "dt")):
        raise wrong_type(call.name, shown(c, call), 0, '("NUMERIC" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ" or "INTERVAL YEAR TO MONTH" or "INTERVAL DAY TO SECOND")', a.kind)
    if len(args) == 3:
        if not args[2].foldable:
            raise mismatch("NON_FOLDABLE_INPUT", shown(c, call), 'the input `accuracy` should be a foldable "INTEGRAL" expression.')
        if args[2].lit is None:
            raise mismatch("UNEXPECTED_NULL", shown(c, call), "The `accuracy` must not be null.")
        if not integral(args[2].kind):
            raise wrong_type(call.name, shown(c, call), 2, '"INTEGRAL"', args[2].kind)
        if not isinstance(args[2].lit, int) or not 0 < args[2].lit <= 2**31 - 1:
            raise mismatch("VALUE_OUT_OF_RANGE", shown(c, call), f"The `accuracy` must be between (0, 2147483647] (current value = {args[2].lit}L).")
    values, many = share_of(c, call, args[1], call.args[1])
    d = " DISTINCT" if call.distinct else ""
    items = f"list_sort(list_filter(array_agg({d.strip()} {a.sql}){TAIL}, lambda v_: v_ IS NOT NULL))"
    one = lambda v: f"list_extract(p_, greatest(1, CAST(ceil({v!r}::DOUBLE * len(p_)) AS BIGINT)))"
    body = "[" + ", ".join(one(v) for v in values) + "]" if many else one(values[0])
    return made(f"list_extract(list_transform(list_filter([{items}], lambda q_: len(q_) > 0), lambda p_: {body}), 1)", array(a.kind) if many else a.kind, a)


# --- listagg ---------------------------------------------------------------------------------------------------------------------------------
@aggregate("listagg string_agg")
def listagg(c, call, scope):
    args = compiled(c, call, scope, 1, 2)
    a = args[0]
    binary = a.kind == BINARY
    if not binary:
        taken = implicit(a, STRING)
        if taken is None:
            raise wrong_type("listagg", shown(c, call), 0, '("STRING" or "BINARY")', a.kind)
        a = taken
    sep = args[1] if len(args) > 1 else None
    if sep is not None:
        if not sep.foldable:
            raise mismatch("NON_FOLDABLE_INPUT", shown(c, call), 'the input `delimiter` should be a foldable "STRING" expression.')
        if binary and sep.kind.name == "string" or not binary and sep.kind == BINARY:
            raise mismatch("DATA_DIFF_TYPES", shown(c, call), f'Input to `listagg` should all be the same type, but it\'s ["{a.kind.sql}", "{sep.kind.sql}"].')
        if not (sep.kind.name in ("string", "void") or sep.kind == BINARY):
            raise wrong_type("listagg", shown(c, call), 1, '("STRING" or "BINARY")', sep.kind)
    value = f"hex({a.sql})" if binary else a.sql
    by = "''" if sep is None or sep.lit is None else f"hex({sep.sql})" if binary else sep.sql
    keys = []
    if call.order is not None:
        for k in call.order.expressions:
            e = c.compile(k.this, scope)
            way = (" DESC" if k.args.get("desc") else " ASC") + (" NULLS FIRST" if k.args.get("nulls_first") else " NULLS LAST")
            if call.distinct and (e.sql != a.sql and e.sql != args[0].sql or len(call.order.expressions) > 1):
                raise raised("INVALID_WITHIN_GROUP_EXPRESSION.MISMATCH_WITH_DISTINCT_INPUT", f"Invalid function `listagg` with WITHIN GROUP. The function is invoked with DISTINCT and WITHIN GROUP but expressions \"{c.shown(call.args[0])}\" and \"{c.shown(k.this)}\" do not match. The WITHIN GROUP ordering expression must be picked from the function inputs.", "42K0K")
            if call.distinct and e.sql == args[0].sql and e.sql != a.sql:
                if e.kind.name in ("float", "double", "timestamp"):
                    raise raised("INVALID_WITHIN_GROUP_EXPRESSION.MISMATCH_WITH_DISTINCT_INPUT_UNSAFE_CAST", f"Invalid function `listagg` with WITHIN GROUP. The function is invoked with DISTINCT and WITHIN GROUP, but its input would be cast unsafely from \"{e.kind.sql}\".", "42K0K")
                order = "list_sort(list_filter(array_agg(DISTINCT " + e.sql + f"){TAIL}, lambda v_: v_ IS NOT NULL), '{'DESC' if k.args.get('desc') else 'ASC'}')"
                shown_item = cast(E("v_", e.kind), STRING).sql
                return made(f"NULLIF(array_to_string(list_transform({order}, lambda v_: {shown_item}), {by}), CASE WHEN len({order}) = 0 THEN '' END)", STRING, a)
            keys.append((value if e.sql == a.sql else e.sql) + way)
    elif not call.window:
        keys = []
    order = " ORDER BY " + ", ".join(keys) if keys else ""
    if call.distinct and not keys:
        order = ""
    out = f"string_agg({distinct(call)}{value}, {by}{order}){TAIL}"
    return made(f"unhex({out})" if binary else out, BINARY if binary else STRING, a)


@aggregate("count_min_sketch bitmap_construct_agg bitmap_or_agg schema_of_json_agg")
def sketches(c, call, scope):
    raise unsupported(f"The function `{call.name}`")
