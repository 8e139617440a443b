"""Sketches: theta, tuple, HyperLogLog and KLL. Made by aggregates, kept as BINARY in Apache DataSketches' forms, and read by functions.

Sizes and modes are constants and checked here, each family in the way that Spark checks it; the bytes are the engine's (functions/*_sketches.cc).
"""
from sqlglot import exp

from catalogue import NAMED_ARGUMENTS, aggregate, named, special, wrong_count, wrong_type
from errors import mismatch, quoted, raised, unsupported
from kinds import BIGINT, BINARY, BOOLEAN, DOUBLE, FLOAT, INT, STRING, VOID, array, integral, numeric
from values import cast, implicit, made
from windows import TAIL

MODES = ("sum", "min", "max", "alwaysone")


def given(c, name, node, args, low, high):
    """The arguments in their order, however they were named."""
    if any(isinstance(a, (exp.Kwarg, exp.PropertyEQ)) for a in args):
        args = c.positional(name, exp.Anonymous(this=name, expressions=list(args) + left_out(name, args)))
    if len(args) < low and name.startswith("tuple_"):
        raise raised("REQUIRED_PARAMETER_NOT_FOUND", f"Cannot invoke routine {quoted(name)} because a parameter is required, but the routine call did not supply a value.", "4274K")
    if not low <= len(args) <= high:
        raise wrong_count(name, str(low) if low == high else "[" + ", ".join(str(i) for i in range(low, high + 1)) + "]", len(args))
    return args


def left_out(name, args):
    """What a call by names leaves out before something that it gives."""
    said = {a.this.name.lower() for a in args if isinstance(a, (exp.Kwarg, exp.PropertyEQ))}
    placed = NAMED_ARGUMENTS.get(name, ())[:len(args) - len(said)]
    defaults = {"lgnomentries": exp.Literal.number(12), "mode": exp.Literal.string("sum")}
    return [exp.Kwarg(this=exp.to_identifier(n), expression=defaults[n]) for n in NAMED_ARGUMENTS.get(name, ()) if n in defaults and n not in said and n not in placed]


def parts(c, call, scope, low, high):
    if call.within or call.nulls:
        raise raised("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", f"The function {quoted(call.name)} does not support this syntax.", "42000")
    return [c.compile(a, scope) for a in given(c, call.name, call.node, call.args, low, high)]


def distinct(call):
    return "DISTINCT " if call.distinct else ""


def sketch(c, name, node, e, i):
    """An argument that is a sketch: nothing converts to BINARY."""
    if e.kind == VOID:
        return cast(e, BINARY)
    if e.kind != BINARY:
        raise wrong_type(name, c.shown(node), i, '"BINARY"', e.kind)
    return e


# --- keys: the bytes that the library would hash -----------------------------------------------------------------------------------------------
THETA_KEYS = '("ARRAY<INT>" or "ARRAY<BIGINT>" or "BINARY" or "DOUBLE" or "FLOAT" or "INT" or "BIGINT" or "STRING")'


def hashed(e):
    """Of one of the types that a key may have; nothing for another."""
    k = e.kind
    if k == VOID:
        return "CAST(NULL AS BLOB)"
    if k == BINARY:
        return e.sql
    if k == STRING:
        return f"spark_sketch_key({e.sql})"
    if k in (INT, BIGINT):
        return f"spark_sketch_key(CAST({e.sql} AS BIGINT))"
    if k in (FLOAT, DOUBLE):
        return f"spark_sketch_key(CAST({e.sql} AS DOUBLE))"
    if k.name == "array" and k.args[0] in (INT, BIGINT):
        return f"unhex(array_to_string(list_transform({e.sql}, lambda v_: hex(spark_sketch_key(coalesce(v_, 0)))), ''))"
    return None


def theta_key(c, call, e):
    sql = hashed(e)
    if sql is None:
        raise wrong_type(call.name, c.shown(call.node), 0, THETA_KEYS, e.kind)
    return sql


def tuple_key(c, call, e):
    """Here other types turn into one that may stand."""
    if hashed(e) is None:
        if numeric(e.kind):
            e = cast(e, DOUBLE)
        elif e.kind == BOOLEAN:
            e = cast(e, STRING)
        elif e.kind == array(VOID):
            e = cast(e, array(INT))
        elif e.kind.name in ("date", "timestamp", "timestamp_ntz"):
            raise unsupported(f"A key of type {e.kind.sql} in a tuple sketch", "Cast it to STRING.")
    return theta_key(c, call, e)


# --- constants ---------------------------------------------------------------------------------------------------------------------------------
def constant(c, name, node, e, title, kind):
    """The value of an argument that must be constant, as tuple and KLL sketches say it."""
    if not e.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), f'the input `{title}` should be a foldable "{kind.sql}" expression.')
    if e.lit is None or e.kind == VOID:
        raise mismatch("UNEXPECTED_NULL", c.shown(node), f"The `{title}` must not be null.")
    if not e.is_literal:
        raise unsupported(f"An expression as `{title}` of {name}", "Write a literal.")
    return e.lit


def hinted(c, node, text):
    return mismatch("TYPE_CHECK_FAILURE_WITH_HINT", c.shown(node), text)


def nominal_range(name, value):
    return f"Invalid call to `{name}`; the `lgNomEntries` value must be between 4 and 26, inclusive: {value}."


def tuple_size(c, name, node, args, i):
    if len(args) <= i:
        return 12
    e = args[i]
    if not (numeric(e.kind) or e.kind in (STRING, VOID)):
        raise wrong_type(name, c.shown(node), i, '"INT"', e.kind)
    if e.kind == STRING and e.is_literal and e.lit is not None:
        if not name.endswith(tuple(f"_agg_{k}" for k in ("double", "integer"))):
            raise wrong_type(name, c.shown(node), i, '"INT"', e.kind)
        if not e.lit.strip().lstrip("+-").isdigit():
            raise raised("CAST_INVALID_INPUT", f"The value '{e.lit}' of the type \"STRING\" cannot be cast to \"INT\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead.", "22018")
    value = int(constant(c, name, node, e, "lgNomEntries", INT))
    if not 4 <= value <= 26:
        raise hinted(c, node, "[SKETCH_INVALID_LG_NOM_ENTRIES] " + nominal_range(name, value))
    return value


def tuple_mode(c, name, node, args, i):
    if len(args) <= i:
        return 0
    e = args[i]
    value = constant(c, name, node, e, "mode", STRING)
    if str(value).lower() not in MODES:
        raise hinted(c, node, f"[TUPLE_INVALID_SKETCH_MODE] Invalid call to `{name}`: mode '{value}' is not supported. Valid modes are: {', '.join(MODES)}.")
    return MODES.index(str(value).lower())


def least_checked(c, call, args, default, low, high, not_constant, out_of_range):
    """The size of a theta or HLL sketch: INT and nothing else; a NULL counts as 0."""
    if len(args) < 2:
        return default
    e = args[1]
    if e.kind not in (INT, VOID):
        raise wrong_type(call.name, c.shown(call.node), 1, '"INT"', e.kind)
    if not e.foldable:
        raise not_constant
    value = 0 if e.lit is None else e.lit
    if not e.is_literal:
        raise unsupported(f"An expression as the size of {call.name}", "Write a literal.")
    if not low <= value <= high:
        raise out_of_range(value)
    return value


def theta_size(c, call, args):
    return least_checked(c, call, args, 12, 4, 26,
                         raised("THETA_LG_NOM_ENTRIES_MUST_BE_CONSTANT", f"Invalid call to `{call.name}`; the `lgNomEntries` value must be a constant value, but got a non-constant expression.", "42K0E"),
                         lambda value: raised("SKETCH_INVALID_LG_NOM_ENTRIES", nominal_range(call.name, value), "22003"))


# --- theta -------------------------------------------------------------------------------------------------------------------------------------
@aggregate("theta_sketch_agg")
def theta_sketch_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    key, size = theta_key(c, call, args[0]), theta_size(c, call, args)
    return made(f"coalesce(spark_theta_agg({distinct(call)}{key}, {size}){TAIL}, spark_theta_empty(0))", BINARY, args[0])


@aggregate("theta_union_agg")
def theta_union_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    a = sketch(c, call.name, call.node, args[0], 0)
    return made(f"coalesce(spark_theta_union_agg({distinct(call)}{a.sql}, {theta_size(c, call, args)}){TAIL}, spark_theta_empty(0))", BINARY, a)


def of_none(name):
    """An intersection of no sketches holds everything, which no sketch says; Spark ends with an error of the library's."""
    return f"error('[UNSUPPORTED_FEATURE] {name} of no sketches is not supported by this warehouse. SQLSTATE: 0A000')"


@aggregate("theta_intersection_agg")
def theta_intersection_agg(c, call, scope):
    (a,) = parts(c, call, scope, 1, 1)
    a = sketch(c, call.name, call.node, a, 0)
    return made(f"coalesce(spark_theta_intersection_agg({distinct(call)}{a.sql}){TAIL}, {of_none(call.name)})", BINARY, a)


@special("theta_sketch_estimate")
def theta_estimate(c, node, scope):
    (a,) = [c.compile(x, scope) for x in given(c, node.name.lower(), node, node.expressions, 1, 1)]
    a = sketch(c, node.name.lower(), node, a, 0)
    return made(f"spark_theta_estimate({a.sql})", BIGINT, a)


@special("theta_union theta_intersection theta_difference")
def theta_pair(c, node, scope):
    name = node.name.lower()
    args = [c.compile(x, scope) for x in given(c, name, node, node.expressions, 2, 3 if name == "theta_union" else 2)]
    a, b = (sketch(c, name, node, x, i) for i, x in enumerate(args[:2]))
    if name != "theta_union":
        return made(f"spark_{name}({a.sql}, {b.sql})", BINARY, a, b)
    if len(args) < 3:
        return made(f"spark_{name}({a.sql}, {b.sql}, 12)", BINARY, a, b)
    if args[2].kind not in (INT, VOID):
        raise wrong_type(name, c.shown(node), 2, '"INT"', args[2].kind)
    return made(f"spark_{name}({a.sql}, {b.sql}, {cast(args[2], INT).sql})", BINARY, a, b, args[2])


# --- tuple -------------------------------------------------------------------------------------------------------------------------------------
NUMBERS = {"double": DOUBLE, "integer": INT}
for _kind in NUMBERS:
    named(f"tuple_sketch_agg_{_kind}", "key", "summary", "lgnomentries", "mode")
    named(f"tuple_union_agg_{_kind}", "child", "lgnomentries", "mode")
    named(f"tuple_intersection_agg_{_kind}", "child", "mode")
    for _with in ("", "theta_"):
        named(f"tuple_union_{_with}{_kind}", "first", "second", "lgnomentries", "mode")
        named(f"tuple_intersection_{_with}{_kind}", "first", "second", "mode")


@aggregate("tuple_sketch_agg_double tuple_sketch_agg_integer")
def tuple_sketch_agg(c, call, scope):
    args = parts(c, call, scope, 2, 4)
    kind = NUMBERS[call.name.rsplit("_", 1)[1]]
    value = implicit(args[1], kind)
    if value is None:
        raise wrong_type(call.name, c.shown(call.node), 1, f'"{kind.sql}"', args[1].kind)
    key = tuple_key(c, call, args[0])
    size, mode = tuple_size(c, call.name, call.node, args, 2), tuple_mode(c, call.name, call.node, args, 3)
    function = f"spark_tuple_agg_{call.name.rsplit('_', 1)[1]}"
    return made(f"coalesce({function}({distinct(call)}{key}, {value.sql}, {size}, {mode}){TAIL}, spark_tuple_empty(0))", BINARY, args[0], value)


@aggregate("tuple_union_agg_double tuple_union_agg_integer")
def tuple_union_agg(c, call, scope):
    args = parts(c, call, scope, 1, 3)
    a = sketch(c, call.name, call.node, args[0], 0)
    size, mode = tuple_size(c, call.name, call.node, args, 1), tuple_mode(c, call.name, call.node, args, 2)
    return made(f"coalesce(spark_{call.name}({distinct(call)}{a.sql}, {size}, {mode}){TAIL}, spark_tuple_empty(0))", BINARY, a)


@aggregate("tuple_intersection_agg_double tuple_intersection_agg_integer")
def tuple_intersection_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    a = sketch(c, call.name, call.node, args[0], 0)
    return made(f"coalesce(spark_{call.name}({distinct(call)}{a.sql}, {tuple_mode(c, call.name, call.node, args, 1)}){TAIL}, {of_none(call.name)})", BINARY, a)


@special("tuple_sketch_estimate_double tuple_sketch_estimate_integer tuple_sketch_theta_double tuple_sketch_theta_integer")
def tuple_measure(c, node, scope):
    name = node.name.lower()
    (a,) = [c.compile(x, scope) for x in given(c, name, node, node.expressions, 1, 1)]
    a = sketch(c, name, node, a, 0)
    return made(f"spark_{name}({a.sql})", DOUBLE, a)


@special("tuple_sketch_summary_double tuple_sketch_summary_integer")
def tuple_summary(c, node, scope):
    name = node.name.lower()
    args = [c.compile(x, scope) for x in given(c, name, node, node.expressions, 1, 2)]
    a = sketch(c, name, node, args[0], 0)
    return made(f"spark_{name}({a.sql}, {tuple_mode(c, name, node, args, 1)})", DOUBLE if name.endswith("double") else BIGINT, a)


@special("tuple_union_double tuple_union_integer tuple_union_theta_double tuple_union_theta_integer tuple_intersection_double tuple_intersection_integer tuple_intersection_theta_double "
         "tuple_intersection_theta_integer tuple_difference_double tuple_difference_integer tuple_difference_theta_double tuple_difference_theta_integer")
def tuple_pair(c, node, scope):
    name = node.name.lower()
    most = 4 if "union" in name else 3 if "intersection" in name else 2
    args = [c.compile(x, scope) for x in given(c, name, node, node.expressions, 2, most)]
    a, b = (sketch(c, name, node, x, i) for i, x in enumerate(args[:2]))
    more = ""
    if most == 4:
        more = f", {tuple_size(c, name, node, args, 2)}, {tuple_mode(c, name, node, args, 3)}"
    elif most == 3:
        more = f", {tuple_mode(c, name, node, args, 2)}"
    return made(f"spark_{name}({a.sql}, {b.sql}{more})", BINARY, a, b)


# --- HyperLogLog -------------------------------------------------------------------------------------------------------------------------------
@aggregate("hll_sketch_agg")
def hll_sketch_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    if args[0].kind not in (INT, BIGINT, STRING, BINARY, VOID):
        raise wrong_type(call.name, c.shown(call.node), 0, '("INT" or "BIGINT" or "STRING" or "BINARY")', args[0].kind)
    size = least_checked(c, call, args, 12, 4, 21,
                         raised("HLL_K_MUST_BE_CONSTANT", f"Invalid call to `{call.name}`; the `K` value must be a constant value, but got a non-constant expression.", "42K0E"),
                         lambda value: raised("HLL_INVALID_LG_K", f"Invalid call to `{call.name}`; the `lgConfigK` value must be between 4 and 21, inclusive: {value}.", "22546"))
    return made(f"coalesce(spark_hll_agg({distinct(call)}{hashed(args[0])}, {size}){TAIL}, spark_hll_empty({size}))", BINARY, args[0])


def allowed(c, name, node, args, i):
    if len(args) <= i:
        return "FALSE"
    if args[i].kind not in (BOOLEAN, VOID):
        raise wrong_type(name, c.shown(node), i, '"BOOLEAN"', args[i].kind)
    return cast(args[i], BOOLEAN).sql


@aggregate("hll_union_agg")
def hll_union_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    a = sketch(c, call.name, call.node, args[0], 0)
    return made(f"coalesce(spark_hll_union_agg({distinct(call)}{a.sql}, {allowed(c, call.name, call.node, args, 1)}){TAIL}, spark_hll_empty(12))", BINARY, *args)


@special("hll_sketch_estimate")
def hll_estimate(c, node, scope):
    (a,) = [c.compile(x, scope) for x in given(c, node.name.lower(), node, node.expressions, 1, 1)]
    a = sketch(c, node.name.lower(), node, a, 0)
    return made(f"spark_hll_estimate({a.sql})", BIGINT, a)


@special("hll_union")
def hll_union(c, node, scope):
    args = [c.compile(x, scope) for x in given(c, "hll_union", node, node.expressions, 2, 3)]
    a, b = (sketch(c, "hll_union", node, x, i) for i, x in enumerate(args[:2]))
    return made(f"spark_hll_union({a.sql}, {b.sql}, {allowed(c, 'hll_union', node, args, 2)})", BINARY, *args)


# --- KLL ---------------------------------------------------------------------------------------------------------------------------------------
ITEMS = {"bigint": BIGINT, "float": FLOAT, "double": DOUBLE}
TAKEN = {"bigint": '("TINYINT" or "INT" or "BIGINT" or "SMALLINT")', "float": '"FLOAT"', "double": '("FLOAT" or "DOUBLE")'}
KLL = lambda *names: " ".join(f"{n}_{k}" for n in names for k in ITEMS)


def kll_size(c, call, args, default):
    if len(args) < 2:
        return default
    e = args[1]
    if e.kind not in (INT, VOID):
        raise wrong_type(call.name, c.shown(call.node), 1, '"INT"', e.kind)
    value = constant(c, call.name, call.node, e, "k", INT)
    if not 8 <= value <= 65535:
        raise hinted(c, call.node, f"[KLL_SKETCH_K_OUT_OF_RANGE] For function `{call.name}`, the k parameter must be between 8 and 65535 (inclusive), but got {value}.")
    return value


@aggregate(KLL("kll_sketch_agg"))
def kll_sketch_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    item, k = call.name.rsplit("_", 1)[1], args[0].kind
    if not (k == VOID or integral(k) and item == "bigint" or k == FLOAT and item != "bigint" or k == DOUBLE and item == "double"):
        raise wrong_type(call.name, c.shown(call.node), 0, TAKEN[item], k)
    size = kll_size(c, call, args, 200)
    return made(f"coalesce(spark_kll_agg_{item}({distinct(call)}{cast(args[0], ITEMS[item]).sql}, {size}){TAIL}, spark_kll_empty({size}))", BINARY, args[0])


@aggregate(KLL("kll_merge_agg"))
def kll_merge_agg(c, call, scope):
    args = parts(c, call, scope, 1, 2)
    a = sketch(c, call.name, call.node, args[0], 0)
    size = kll_size(c, call, args, 0)
    return made(f"coalesce(spark_{call.name}({distinct(call)}{a.sql}, {size}){TAIL}, spark_kll_empty({size or 200}))", BINARY, a)


@special(KLL("kll_sketch_get_n", "kll_sketch_to_string"))
def kll_measure(c, node, scope):
    name = node.name.lower()
    (a,) = [c.compile(x, scope) for x in given(c, name, node, node.expressions, 1, 1)]
    a = sketch(c, name, node, a, 0)
    return made(f"spark_{name}({a.sql})", BIGINT if "get_n" in name else STRING, a)


@special(KLL("kll_sketch_merge"))
def kll_pair(c, node, scope):
    name = node.name.lower()
    a, b = (sketch(c, name, node, c.compile(x, scope), i) for i, x in enumerate(given(c, name, node, node.expressions, 2, 2)))
    return made(f"spark_{name}({a.sql}, {b.sql})", BINARY, a, b)


@special(KLL("kll_sketch_get_quantile", "kll_sketch_get_rank"))
def kll_place(c, node, scope):
    """Of one rank or value, or of each of an array, where NULL counts as 0."""
    name = node.name.lower()
    args = [c.compile(x, scope) for x in given(c, name, node, node.expressions, 2, 2)]
    a, at = sketch(c, name, node, args[0], 0), args[1]
    item, ranked = ITEMS[name.rsplit("_", 1)[1]], "get_rank" in name
    asked, answer = (item, DOUBLE) if ranked else (DOUBLE, item)
    many = at.kind.name == "array"
    taken = None if at.kind in (BINARY, BOOLEAN) or not many and not (numeric(at.kind) or at.kind in (STRING, VOID)) else implicit(at, array(asked) if many else asked)
    if taken is None:
        raise wrong_type(name, c.shown(node), 1, f'("{asked.sql}" or "ARRAY<{asked.sql}>")', at.kind)
    if not at.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), f'the input `{"quantile" if ranked else "rank"}` should be a foldable "{at.kind.sql}" expression.')
    if not many:
        return made(f"spark_{name}({a.sql}, {taken.sql})", answer, a, taken)
    v = f"v{c.fresh()}_"
    return made(f"CASE WHEN {a.sql} IS NOT NULL THEN list_transform({taken.sql}, lambda {v}: spark_{name}({a.sql}, coalesce({v}, 0))) END", array(answer), a, taken)
