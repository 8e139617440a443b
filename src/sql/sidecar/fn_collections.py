"""Arrays, maps, structs, and functions over lambdas."""
from sqlglot import exp

from catalogue import arguments, define, same, special, wrong_count, wrong_type
import zones
from errors import mismatch, raised, unsupported
from expressions import column_name
from kinds import BIGINT, BOOLEAN, DATE, DOUBLE, DT, INT, STRING, TIMESTAMP, VOID, Kind, all_common, array, common, fractional, ident, integral, interval, map_, numeric, orderable, physical, struct, temporal, text
from operators import item, map_value, struct_of
from values import E, cast, implicit, literal_of, made


def listed(e):
    """Arrays of NULLs only have no type of their own in DuckDB."""
    return e


@special("array")
def make_array(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    k = all_common([a.kind for a in args])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", c.shown(node), "Input to `array` should all be the same type, but it's [" + ", ".join(f'"{a.kind.sql}"' for a in args) + "].")
    out = made(f"CAST([{', '.join(cast(a, k).sql for a in args)}] AS {physical(array(k))})", array(k), *args)
    out.foldable = all(a.foldable for a in args)
    return out


@special("map")
def make_map(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) % 2:
        raise raised("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", f"The `map` requires 2n (n > 0) parameters but the actual number is {len(args)}.", "42605")
    keys, values = args[::2], args[1::2]
    k, v = all_common([a.kind for a in keys]), all_common([a.kind for a in values])
    for kind, which, side in ((k, "keys", keys), (v, "values", values)):
        if kind is None:
            raise mismatch("CREATE_MAP_KEY_DIFF_TYPES" if which == "keys" else "CREATE_MAP_VALUE_DIFF_TYPES", c.shown(node), f"The given {which} of function `map` should all be the same type, but they are [" + ", ".join(f'"{a.kind.sql}"' for a in side) + "].")
    if k.name in ("map", "void") and args:
        if k.name == "map":
            raise mismatch("INVALID_MAP_KEY_TYPE", c.shown(node), "The key of map cannot be/contain \"MAP\".")
    key_list = f"CAST([{', '.join(cast(a, k).sql for a in keys)}] AS {physical(array(k))})"
    value_list = f"CAST([{', '.join(cast(a, v).sql for a in values)}] AS {physical(array(v))})"
    return made(checked_map(key_list, value_list, k), map_(k, v), *args)


def checked_map(keys, values, k):
    """A NULL key or a key twice is Spark's error, not DuckDB's."""
    null = text("[NULL_MAP_KEY] Cannot use null as map key. SQLSTATE: 2200E")
    twice = text("[DUPLICATED_MAP_KEY] Duplicate map key was found, please check the input data. If you want to remove the duplicated keys, you can set \"spark.sql.mapKeyDedupPolicy\" to \"LAST_WIN\" so that the key inserted at last takes precedence. SQLSTATE: 23505")
    return f"CASE WHEN len(list_filter({keys}, lambda k_: k_ IS NULL)) > 0 THEN error({null}) WHEN list_unique({keys}) < len({keys}) THEN error({twice}) ELSE map({keys}, {values}) END"


@special("map_from_arrays")
def map_from_arrays(c, node, scope):
    a, b = arguments(c, "map_from_arrays", node, "array,array", scope)
    return made(checked_map(a.sql, b.sql, a.kind.args[0]), map_(a.kind.args[0], b.kind.args[0]), a, b)


@special("map_from_entries")
def map_from_entries(c, node, scope):
    (a,) = arguments(c, "map_from_entries", node, "array", scope)
    item_kind = a.kind.args[0]
    if item_kind.name != "struct" or len(item_kind.args) != 2:
        raise wrong_type("map_from_entries", c.shown(node), 0, '"ARRAY" of pair "STRUCT"', a.kind)
    (f, k), (g, v) = item_kind.args
    keys, values = f"list_transform({a.sql}, lambda v_: v_.{ident(f)})", f"list_transform({a.sql}, lambda v_: v_.{ident(g)})"
    return made(f"CASE WHEN len(list_filter({a.sql}, lambda v_: v_ IS NULL)) > 0 THEN NULL ELSE {checked_map(keys, values, k)} END", map_(k, v), a)


@special("named_struct")
def named_struct(c, node, scope):
    args = node.expressions
    if len(args) % 2 or not args:
        raise raised("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", f"The `named_struct` requires 2n (n > 0) parameters but the actual number is {len(args)}.", "42605")
    names, parts = [], []
    for n, v in zip(args[::2], args[1::2]):
        e = c.compile(n, scope)
        if not e.is_literal or not isinstance(e.lit, str):
            raise mismatch("CREATE_NAMED_STRUCT_WITHOUT_FOLDABLE_STRING", c.shown(node), "Only foldable `STRING` expressions are allowed to appear at odd position.")
        names.append(e.lit)
        parts.append(c.compile(v, scope))
    return struct_of(names, parts)


@special("struct")
def make_struct(c, node, scope):
    parts = [c.compile(a, scope) for a in node.expressions]
    return struct_of([column_name(a, i + 1) for i, a in enumerate(node.expressions)], parts)


define("size cardinality", "array|map", INT, lambda a: f"CAST({'len' if a.kind.name == 'array' else 'cardinality'}({a.sql}) AS INTEGER)")
define("array_size", "array", INT, "CAST(len({0}) AS INTEGER)")
define("map_keys", "map", lambda a: array(a[0].kind.args[0]), "map_keys({0})")
define("map_values", "map", lambda a: array(a[0].kind.args[1]), "map_values({0})")
define("map_entries", "map", lambda a: array(struct([("key", a[0].kind.args[0]), ("value", a[0].kind.args[1])])), "map_entries({0})")
define("flatten", "array", lambda a: flat_kind(a[0]), "CASE WHEN len(list_filter({0}, lambda v_: v_ IS NULL)) > 0 THEN NULL ELSE flatten({0}) END")
define("array_distinct", "array", same, lambda a: distinct_text(a.sql))
define("array_min", "array", lambda a: a[0].kind.args[0], "list_min({0})")
define("array_max", "array", lambda a: a[0].kind.args[0], "list_max({0})")
define("array_compact", "array", same, "list_filter({0}, lambda v_: v_ IS NOT NULL)")
define("get", "list,int", lambda a: a[0].kind.args[0], "CASE WHEN {1} < 0 THEN NULL ELSE list_extract({0}, CAST({1} AS BIGINT) + 1) END")


def flat_kind(a):
    if a.kind.args[0].name != "array":
        raise wrong_type("flatten", "flatten", 0, '"ARRAY" of "ARRAY"', a.kind)
    return a.kind.args[0]


def distinct_text(x):
    return f"list_filter({x}, lambda v_, i_: i_ = CASE WHEN v_ IS NULL THEN list_position(list_transform({x}, lambda w_: w_ IS NULL), TRUE) ELSE list_position({x}, v_) END)"


def with_item(c, node, name, scope, extra=0):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 2:
        raise wrong_count(name, "2", len(args))
    a, x = args
    if a.kind.name == "void":
        raise mismatch("NULL_TYPE", c.shown(node), f"Null typed values cannot be used as arguments of `{name}`.")
    if a.kind.name != "array":
        raise wrong_type(name, c.shown(node), 0, '"ARRAY"', a.kind)
    k = common(a.kind.args[0], x.kind)
    if x.kind.name == "void":
        if name in ("array_contains", "array_position"):
            raise mismatch("NULL_TYPE", c.shown(node), f"Null typed values cannot be used as arguments of `{name}`.")
    if k is None or (a.kind.args[0].name == "string") != (x.kind.name == "string") and x.kind.name != "void" and a.kind.args[0].name != "void":
        raise mismatch("ARRAY_FUNCTION_DIFF_TYPES", c.shown(node), f'Input to `{name}` should have been "ARRAY" followed by a value with same element type, but it\'s ["{a.kind.sql}", "{x.kind.sql}"].')
    return cast(a, array(k)), cast(x, k), k


@special("array_contains")
def array_contains(c, node, scope):
    a, x, _ = with_item(c, node, "array_contains", scope)
    return made(f"CASE WHEN {a.sql} IS NULL OR {x.sql} IS NULL THEN NULL WHEN list_contains({a.sql}, {x.sql}) THEN TRUE WHEN len(list_filter({a.sql}, lambda v_: v_ IS NULL)) > 0 THEN NULL ELSE FALSE END", BOOLEAN, a, x)


@special("array_position")
def array_position(c, node, scope):
    a, x, _ = with_item(c, node, "array_position", scope)
    return made(f"CASE WHEN {a.sql} IS NULL OR {x.sql} IS NULL THEN NULL ELSE CAST(coalesce(list_position({a.sql}, {x.sql}), 0) AS BIGINT) END", BIGINT, a, x)


@special("array_remove")
def array_remove(c, node, scope):
    a, x, k = with_item(c, node, "array_remove", scope)
    return made(f"CASE WHEN {x.sql} IS NULL THEN NULL ELSE list_filter({a.sql}, lambda v_: v_ IS NULL OR v_ <> {x.sql}) END", array(k), a, x)


@special("array_append array_prepend")
def array_append(c, node, scope):
    name = node.name.lower()
    a, x, k = with_item(c, node, name, scope)
    sides = (a.sql, f"[{x.sql}]") if name == "array_append" else (f"[{x.sql}]", a.sql)
    return made(f"CASE WHEN {a.sql} IS NULL THEN NULL ELSE list_concat({sides[0]}, {sides[1]}) END", array(k), a, x)


def two_arrays(c, node, scope, name):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 2:
        raise wrong_count(name, "2", len(args))
    for i, a in enumerate(args):
        if a.kind.name not in ("array", "void"):
            raise mismatch("BINARY_ARRAY_DIFF_TYPES", c.shown(node), f'Input to function `{name}` should have been two "ARRAY" with same element type, but it\'s ["{args[0].kind.sql}", "{args[1].kind.sql}"].')
    k = common(args[0].kind, args[1].kind)
    if k is None or k.name != "array":
        raise mismatch("BINARY_ARRAY_DIFF_TYPES", c.shown(node), f'Input to function `{name}` should have been two "ARRAY" with same element type, but it\'s ["{args[0].kind.sql}", "{args[1].kind.sql}"].')
    return cast(args[0], k), cast(args[1], k), k


HAS = "CASE WHEN v_ IS NULL THEN len(list_filter({b}, lambda w_: w_ IS NULL)) > 0 ELSE list_contains({b}, v_) END"


@special("array_union array_intersect array_except arrays_overlap")
def array_sets(c, node, scope):
    name = node.name.lower()
    a, b, k = two_arrays(c, node, scope, name)
    either = f"{a.sql} IS NULL OR {b.sql} IS NULL"
    if name == "array_union":
        out = distinct_text(f"list_concat({a.sql}, {b.sql})")
    elif name == "arrays_overlap":
        nulls = f"len(list_filter({a.sql}, lambda v_: v_ IS NULL)) + len(list_filter({b.sql}, lambda v_: v_ IS NULL)) > 0 AND len({a.sql}) > 0 AND len({b.sql}) > 0"
        return made(f"CASE WHEN {either} THEN NULL WHEN list_has_any({a.sql}, {b.sql}) THEN TRUE WHEN {nulls} THEN NULL ELSE FALSE END", BOOLEAN, a, b)
    else:
        test = HAS.format(b=b.sql)
        kept = f"list_filter({a.sql}, lambda v_: {'NOT ' if name == 'array_except' else ''}({test}))"
        out = distinct_text(kept)
    return made(f"CASE WHEN {either} THEN NULL ELSE {out} END", k, a, b)


@special("array_join")
def array_join(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if not 2 <= len(args) <= 3:
        raise wrong_count("array_join", "[2, 3]", len(args))
    a = cast(args[0], array(STRING)) if args[0].kind.name == "array" and implicit(E("x", args[0].kind.args[0]), STRING) is not None else None
    if a is None:
        raise wrong_type("array_join", c.shown(node), 0, '"ARRAY<STRING>"', args[0].kind)
    sep = implicit(args[1], STRING)
    if len(args) == 3:
        rep = implicit(args[2], STRING)
        return made(f"CASE WHEN {rep.sql} IS NULL THEN NULL ELSE array_to_string(list_transform({a.sql}, lambda v_: coalesce(v_, {rep.sql})), {sep.sql}) END", STRING, *args)
    return made(f"array_to_string(list_filter({a.sql}, lambda v_: v_ IS NOT NULL), {sep.sql})", STRING, *args)


@special("array_repeat")
def array_repeat(c, node, scope):
    x, n = arguments(c, "array_repeat", node, "any,int", scope)
    k = x.kind
    return made(f"CASE WHEN {n.sql} IS NULL THEN NULL ELSE list_transform(range(CAST(CASE WHEN {n.sql} < 0 THEN 0 ELSE {n.sql} END AS BIGINT)), lambda i_: {x.sql}) END", array(k), x, n)


@special("slice")
def slice_(c, node, scope):
    a, start, n = arguments(c, "slice", node, "array,int,int", scope)
    zero = text("[INVALID_PARAMETER_VALUE.START] The value of parameter(s) `start` in `slice` is invalid: Expects a positive or a negative value for `start`, but got 0. SQLSTATE: 22023")
    short = text("[INVALID_PARAMETER_VALUE.LENGTH] The value of parameter(s) `length` in `slice` is invalid: Expects `length` greater than or equal to 0. SQLSTATE: 22023")
    begin = f"CASE WHEN {start.sql} < 0 THEN len({a.sql}) + {start.sql} + 1 ELSE {start.sql} END"
    return made(f"CASE WHEN {start.sql} = 0 THEN error({zero}) WHEN {n.sql} < 0 THEN error({short}) WHEN {begin} < 1 OR {n.sql} = 0 THEN list_slice({a.sql}, 1, 0) ELSE list_slice({a.sql}, {begin}, {begin} + CAST({n.sql} AS BIGINT) - 1) END", a.kind, a, start, n)


@special("sort_array")
def sort_array(c, node, scope):
    args = arguments(c, "sort_array", node, "array,any?", scope)
    if not orderable(args[0].kind.args[0]):
        raise mismatch("INVALID_ORDERING_TYPE", c.shown(node), f'The `sort_array` does not support ordering on type "{args[0].kind.args[0].sql}".')
    if len(args) > 1 and (args[1].kind != BOOLEAN or not args[1].foldable):
        raise wrong_type("sort_array", c.shown(node), 1, '"BOOLEAN"', args[1].kind)
    if len(args) > 1 and args[1].lit is None:
        return literal_of(None, args[0].kind)
    if len(args) > 1 and not isinstance(args[1].lit, bool):
        raise unsupported("sort_array with a computed order")
    up = len(args) < 2 or args[1].lit
    return made(f"list_sort({args[0].sql}, '{'ASC' if up else 'DESC'}', 'NULLS {'FIRST' if up else 'LAST'}')", args[0].kind, *args)


@special("array_sort")
def array_sort(c, node, scope):
    if len(node.expressions) == 2:
        return sorted_by(c, node, scope)
    (a,) = arguments(c, "array_sort", node, "array", scope)
    return made(f"list_sort({a.sql}, 'ASC', 'NULLS LAST')", a.kind, a)


MOST_COMPARED = 1000


def sorted_by(c, node, scope):
    """array_sort with a comparator. Each item's place is how many stand before it by the comparator, equal ones in the order that they have: which is
    Spark's own order wherever the comparator has one. One that has none is refused."""
    a = c.compile(node.expressions[0], scope)
    if a.kind.name != "array":
        raise wrong_type("array_sort", c.shown(node), 0, '"ARRAY"', a.kind)
    names, body = c.apply(node.expressions[1], [a.kind.args[0]] * 2, scope, "array_sort")
    if body.kind.name not in ("int", "void"):
        raise mismatch("UNEXPECTED_RETURN_TYPE", c.shown(node), f'The `lambdafunction` requires return "INT" type, but the actual is "{body.kind.sql}" type.')
    if body.volatile:
        raise unsupported("array_sort with a comparator that is random")
    if body.is_literal and body.lit is not None:  # one run, rising or falling
        return made(f"list_reverse({a.sql})" if body.lit < 0 else a.sql, a.kind, a)
    s, i, j, p = (f"{letter}{c.depth}{c.fresh()}_" for letter in "sijp")
    null = "error('[COMPARATOR_RETURNS_NULL] The comparator has returned a NULL for a comparison between two items. It should return a positive integer for \"greater than\", 0 for \"equal\" and a negative integer for \"less than\". SQLSTATE: 22004')"
    none = "error('[UNSUPPORTED_FEATURE] array_sort with a comparator that orders some items both ways, or in a circle, is not supported by this warehouse. Return 0 for items that are equal. SQLSTATE: 0A000')"
    many = f"error('[UNSUPPORTED_FEATURE] array_sort with a comparator over more than {MOST_COMPARED} items is not supported by this warehouse. SQLSTATE: 0A000')"
    at = lambda one, other: "coalesce(sign({}), {})".format(replaced(replaced(body.sql, names[0], f"list_extract({s}, {one} + 1)"), names[1], f"list_extract({s}, {other} + 1)"), null)
    before = f"CASE WHEN {i} = {j} THEN 0 WHEN list_extract({s}, {i} + 1) IS NOT DISTINCT FROM list_extract({s}, {j} + 1) THEN CAST({j} < {i} AS INTEGER) WHEN {at(i, j)} <> -({at(j, i)}) THEN {none} WHEN {at(j, i)} < 0 OR {at(j, i)} = 0 AND {j} < {i} THEN 1 ELSE 0 END"
    places = f"list_transform(range(len({s})), lambda {i}: list_sum(list_transform(range(len({s})), lambda {j}: {before})))"
    placed = f"list_transform([{places}], lambda {p}: CASE WHEN len(list_distinct({p})) < len({p}) THEN {none} ELSE list_transform(range(len({p})), lambda {i}: list_extract({s}, list_position({p}, {i}))) END)"
    sql = f"list_extract(list_transform([{a.sql}], lambda {s}: CASE WHEN len({s}) > {MOST_COMPARED} THEN {many} WHEN len({s}) < 2 THEN {s} ELSE list_extract({placed}, 1) END), 1)"
    return made(sql, a.kind, a, body)


@special("arrays_zip")
def arrays_zip(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    for i, a in enumerate(args):
        if a.kind == VOID:
            args[i] = a = literal_of(None, array(VOID))
        if a.kind.name != "array":
            raise wrong_type("arrays_zip", c.shown(node), i, '"ARRAY"', a.kind)
    names = [a.name if isinstance(a, (exp.Column, exp.Identifier)) and not isinstance(a, exp.Literal) else str(i) for i, a in enumerate(node.expressions)]
    size = f"greatest({', '.join(f'len({a.sql})' for a in args)})" if len(args) > 1 else f"len({args[0].sql})" if args else "0"
    fields = [made(f"list_extract({a.sql}, i_ + 1)", a.kind.args[0], a) for a in args]
    s = struct_of(names, fields)
    nulls = " OR ".join(f"{a.sql} IS NULL" for a in args)
    return made(f"CASE WHEN {nulls} THEN NULL ELSE list_transform(range({size}), lambda i_: {s.sql}) END", array(s.kind), *args)


@special("element_at try_element_at")
def element_at(c, node, scope):
    name = node.name.lower()
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 2:
        raise wrong_count(name, "2", len(args))
    a, i = args
    if a.kind.name == "map":
        return map_value(c, a, i, c.shown(node))
    if a.kind.name != "array" :
        raise wrong_type(name, c.shown(node), 0, '("ARRAY" or "MAP")', a.kind)
    if not integral(i.kind) or i.kind == BIGINT:
        if i.kind.name == "void":
            i = cast(i, INT)
        else:
            raise wrong_type(name, c.shown(node), 1, '"INT"', i.kind)
    zero = text("[INVALID_INDEX_OF_ZERO] The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1). SQLSTATE: 22003")
    far = text("[INVALID_ARRAY_INDEX_IN_ELEMENT_AT] The index ") + f" || CAST({i.sql} AS VARCHAR) || " + text(" is out of bounds. The array has ") + f" || CAST(len({a.sql}) AS VARCHAR) || " + text(" elements. Use `try_element_at` to tolerate accessing element at invalid index and return NULL instead. SQLSTATE: 22003")
    outside = "" if name.startswith("try") else f" WHEN abs({i.sql}) > len({a.sql}) THEN error({far})"
    return made(f"CASE WHEN {i.sql} = 0 THEN error({zero}){outside} ELSE list_extract({a.sql}, {i.sql}) END", a.kind.args[0], a, i)


@special("array_insert")
def array_insert(c, node, scope):
    raise unsupported("The function `array_insert`")


@special("map_concat")
def map_concat(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if any(a.kind.name != "map" for a in args):
        raise mismatch("MAP_CONCAT_DIFF_TYPES", c.shown(node), "The `map_concat` should all be of type map, but it's [" + ", ".join(f'"{a.kind.sql}"' for a in args) + "].")
    if not args:
        return made("map(CAST([] AS VARCHAR[]), CAST([] AS VARCHAR[]))", map_(STRING, STRING))
    k = all_common([a.kind for a in args])
    if k is None:
        raise mismatch("DATA_DIFF_TYPES", c.shown(node), "Input to `map_concat` should all be the same type, but it's [" + ", ".join(f'"{a.kind.sql}"' for a in args) + "].")
    args = [cast(a, k) for a in args]
    keys = values = None
    for a in args:
        keys = f"map_keys({a.sql})" if keys is None else f"list_concat({keys}, map_keys({a.sql}))"
        values = f"map_values({a.sql})" if values is None else f"list_concat({values}, map_values({a.sql}))"
    nulls = " OR ".join(f"{a.sql} IS NULL" for a in args)
    return made(f"CASE WHEN {nulls} THEN NULL ELSE {checked_map(keys, values, k.args[0])} END", k, *args)


@special("map_contains_key")
def map_contains_key(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 2:
        raise wrong_count("map_contains_key", "2", len(args))
    m, key = args
    wanted = implicit(key, m.kind.args[0]) if m.kind.name == "map" and key.kind.name != "void" else None
    if key.kind.name == "void":
        raise mismatch("NULL_TYPE", c.shown(node), "Null typed values cannot be used as arguments of `map_contains_key`.")
    if wanted is None or (m.kind.args[0].name == "string") != (key.kind.name == "string"):
        raise mismatch("MAP_FUNCTION_DIFF_TYPES", c.shown(node), f'Input to `map_contains_key` should have been "MAP" followed by a value with same key type, but it\'s ["{m.kind.sql}", "{key.kind.sql}"].')
    return made(f"list_contains(map_keys({m.sql}), {wanted.sql})", BOOLEAN, m, wanted)


@special("sequence")
def sequence(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if not 2 <= len(args) <= 3:
        raise wrong_count("sequence", "[2, 3]", len(args))
    k = common(args[0].kind, args[1].kind)
    if k is None or not (integral(k) or temporal(k)):
        raise mismatch("SEQUENCE_WRONG_INPUT_TYPES", c.shown(node), '`sequence` uses the wrong parameter type. The parameter type must conform to: the start and stop expressions must resolve to the same type.')
    if k == TIMESTAMP:
        zones.refused("sequence of TIMESTAMPs")
    a, b = cast(args[0], k), cast(args[1], k)
    bounds = "Illegal sequence boundaries: "
    if integral(k):
        step = cast(args[2], k) if len(args) > 2 and integral(args[2].kind) else None
        if len(args) > 2 and step is None:
            raise mismatch("SEQUENCE_WRONG_INPUT_TYPES", c.shown(node), "`sequence` uses the wrong parameter type.")
        by = f"CAST({step.sql} AS BIGINT)" if step else f"CASE WHEN {a.sql} <= {b.sql} THEN 1 ELSE -1 END"
        bad = f"({by} > 0 AND {a.sql} > {b.sql}) OR ({by} < 0 AND {a.sql} < {b.sql}) OR ({by} = 0 AND {a.sql} <> {b.sql})"
        message = text("[INTERNAL_ERROR] Illegal sequence boundaries. SQLSTATE: XX000")
        return made(f"CASE WHEN {bad} THEN error({message}) WHEN {by} = 0 THEN [{a.sql}] ELSE CAST(generate_series(CAST({a.sql} AS BIGINT), CAST({b.sql} AS BIGINT), {by}) AS {physical(array(k))}) END", array(k), *args)
    if len(args) == 2:
        step_sql = f"CASE WHEN {a.sql} <= {b.sql} THEN to_days(1) ELSE to_days(-1) END"
    elif args[2].kind.name == "ym":
        step_sql = f"to_months({args[2].sql})"
    elif args[2].kind.name == "dt":
        step_sql = f"to_microseconds({args[2].sql})"
    elif args[2].kind.name == "interval":
        step_sql = args[2].sql
    else:
        raise mismatch("SEQUENCE_WRONG_INPUT_TYPES", c.shown(node), "`sequence` uses the wrong parameter type.")
    if len(args) > 2 and args[2].kind.name == "ym":
        raise unsupported("sequence by months")
    return made(f"CAST(generate_series(CAST({a.sql} AS TIMESTAMP), CAST({b.sql} AS TIMESTAMP), {step_sql}) AS {physical(array(k))})", array(k), *args)


@special("shuffle")
def shuffle(c, node, scope):
    raise unsupported("The function `shuffle`")


# --- functions over lambdas ------------------------------------------------------------------------------------------------------------------
def array_argument(c, node, scope, name, places):
    args = node.expressions
    if len(args) not in places:
        raise wrong_count(name, str(places[0]) if len(places) == 1 else str(list(places)), len(args))
    a = c.compile(args[0], scope)
    if a.kind.name != "array":
        if a.kind.name == "void":
            return cast(a, array(VOID))
        raise wrong_type(name, c.shown(node), 0, '"ARRAY"', a.kind)
    return a


def arity(node):
    return len(node.expressions) if isinstance(node, exp.Lambda) else 1


def needs_lambda(c, node, name, i=1):
    if not isinstance(node.expressions[i], exp.Lambda):
        raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The {("first", "second", "third", "fourth")[i]} parameter requires a function.')


@special("transform")
def transform(c, node, scope):
    a = array_argument(c, node, scope, "transform", (2,))
    f = node.expressions[1]
    kinds = [a.kind.args[0]] + ([INT] if arity(f) == 2 else [])
    names, body = c.apply(f, kinds, scope, "transform")
    if len(names) == 2:
        zero = body.sql.replace(names[1], f"CAST({names[1]} - 1 AS INTEGER)")
        return made(f"list_transform({a.sql}, lambda {names[0]}, {names[1]}: {zero})", array(body.kind), a, body)
    return made(f"list_transform({a.sql}, lambda {names[0]}: {body.sql})", array(body.kind), a, body)


def predicate(c, f, kinds, scope, node, name):
    names, body = c.apply(f, kinds, scope, name)
    if body.kind != BOOLEAN:
        if body.kind.name != "void":
            raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The second parameter requires the "BOOLEAN" type, however "{c.shown(f)}" has the type "{body.kind.sql}".')
        body = cast(body, BOOLEAN)
    return names, body


@special("filter")
def filter_(c, node, scope):
    a = array_argument(c, node, scope, "filter", (2,))
    f = node.expressions[1]
    names, body = predicate(c, f, [a.kind.args[0]] + ([INT] if arity(f) == 2 else []), scope, node, "filter")
    sql = body.sql.replace(names[1], f"CAST({names[1]} - 1 AS INTEGER)") if len(names) == 2 else body.sql
    return made(f"list_filter({a.sql}, lambda {', '.join(names)}: {sql})", a.kind, a, body)


@special("exists any_match")
def exists(c, node, scope):
    a = array_argument(c, node, scope, "exists", (2,))
    names, body = predicate(c, node.expressions[1], [a.kind.args[0]], scope, node, "exists")
    hits = f"list_transform({a.sql}, lambda {names[0]}: {body.sql})"
    return made(f"CASE WHEN {a.sql} IS NULL THEN NULL WHEN list_contains({hits}, TRUE) THEN TRUE WHEN len(list_filter({hits}, lambda v_: v_ IS NULL)) > 0 THEN NULL ELSE FALSE END", BOOLEAN, a, body)


@special("forall all_match")
def forall(c, node, scope):
    a = array_argument(c, node, scope, "forall", (2,))
    names, body = predicate(c, node.expressions[1], [a.kind.args[0]], scope, node, "forall")
    hits = f"list_transform({a.sql}, lambda {names[0]}: {body.sql})"
    return made(f"CASE WHEN {a.sql} IS NULL THEN NULL WHEN list_contains({hits}, FALSE) THEN FALSE WHEN len(list_filter({hits}, lambda v_: v_ IS NULL)) > 0 THEN NULL ELSE TRUE END", BOOLEAN, a, body)


@special("aggregate reduce")
def aggregate(c, node, scope):
    a = array_argument(c, node, scope, node.name.lower(), (3, 4))
    zero = c.compile(node.expressions[1], scope)
    names, body = c.apply(node.expressions[2], [zero.kind, a.kind.args[0]], scope, "aggregate")
    if body.kind != zero.kind:
        taken = cast(body, zero.kind) if zero.kind.name != "void" and implicit(body, zero.kind) is not None else None
        if taken is None:
            raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The third parameter requires the "{zero.kind.sql}" type, however "{c.shown(node.expressions[2])}" has the type "{body.kind.sql}".')
        body = taken
    acc, item_ = names
    # list_reduce loses track of what its lambda captures: whatever the body uses from outside travels with each item.
    import re

    outside = [t for t in dict.fromkeys(re.findall(r'"s\d+"\."(?:[^"]|"")*"|\b[pekz]\d+_(?:\d+_)?', body.sql)) if t not in (acc, item_)]
    text_ = body.sql
    for n, t in enumerate(outside):
        text_ = re.sub(re.escape(t) if t[0] == '"' else rf"\b{t}\b", f"{item_}.k{n}", text_)
    body = made(text_, body.kind, body)
    extra = "".join(f", 'k{n}': {t}" for n, t in enumerate(outside))
    carried = "".join(f", 'k{n}': {item_}.k{n}" for n in range(len(outside)))
    # list_reduce wants one type: the state travels beside the item.
    zero_sql = f"CAST({zero.sql} AS {physical(zero.kind)})"
    start = f"{{'s': {zero_sql}, 'x': CAST(NULL AS {physical(a.kind.args[0])}){extra}}}"
    items = f"list_transform({a.sql}, lambda v_: {{'s': CAST(NULL AS {physical(zero.kind)}), 'x': v_{extra}}})"
    inner = replaced(replaced(body.sql, acc, f"{acc}.s"), item_, f"{item_}.x")
    out = f"list_reduce({items}, lambda {acc}, {item_}: {{'s': CAST({inner} AS {physical(zero.kind)}), 'x': CAST(NULL AS {physical(a.kind.args[0])}){carried}}}, {start})"
    value = E(f"CASE WHEN {a.sql} IS NULL THEN NULL ELSE ({out}).s END", zero.kind)
    result = made(value.sql, zero.kind, a, zero, body)
    if len(node.expressions) == 4:
        c.depth += 1
        f = node.expressions[3]
        names, last = c.apply(f, [zero.kind], scope, "aggregate")
        c.depth -= 1
        result = made(f"list_extract(list_transform([{value.sql}], lambda {names[0]}: {last.sql}), 1)", last.kind, result, last)
        result.sql = f"CASE WHEN {a.sql} IS NULL THEN NULL ELSE {result.sql} END"
    return result


def replaced(sql, name, by):
    import re

    return re.sub(rf"\b{name}\b(?!\.(?:[sx]|k\d+)\b)", by, sql)


@special("zip_with")
def zip_with(c, node, scope):
    if len(node.expressions) != 3:
        raise wrong_count("zip_with", "3", len(node.expressions))
    a, b = c.compile(node.expressions[0], scope), c.compile(node.expressions[1], scope)
    for i, x in enumerate((a, b)):
        if x.kind.name != "array":
            raise wrong_type("zip_with", c.shown(node), i, '"ARRAY"', x.kind)
    names, body = c.apply(node.expressions[2], [a.kind.args[0], b.kind.args[0]], scope, "zip_with")
    index = f"z{c.depth}_"
    sql = replaced(replaced(body.sql, names[0], f"list_extract({a.sql}, {index} + 1)"), names[1], f"list_extract({b.sql}, {index} + 1)")
    return made(f"CASE WHEN {a.sql} IS NULL OR {b.sql} IS NULL THEN NULL ELSE list_transform(range(greatest(len({a.sql}), len({b.sql}))), lambda {index}: {sql}) END", array(body.kind), a, b, body)


@special("transform_keys transform_values map_filter")
def over_map(c, node, scope):
    name = node.name.lower()
    if len(node.expressions) != 2:
        raise wrong_count(name, "2", len(node.expressions))
    m = c.compile(node.expressions[0], scope)
    if m.kind.name != "map":
        raise wrong_type(name, c.shown(node), 0, '"MAP"', m.kind)
    names, body = c.apply(node.expressions[1], list(m.kind.args), scope, name)
    entry = f"e{c.depth}_"
    sql = replaced(replaced(body.sql, names[0], f'{entry}."key"'), names[1], f'{entry}."value"')
    entries = f"map_entries({m.sql})"
    if name == "map_filter":
        if body.kind != BOOLEAN:
            raise mismatch("UNEXPECTED_INPUT_TYPE", c.shown(node), f'The second parameter requires the "BOOLEAN" type, however it has the type "{body.kind.sql}".')
        return made(f"map_from_entries(list_filter({entries}, lambda {entry}: {sql}))", m.kind, m, body)
    if name == "transform_values":
        return made(f"map_from_entries(list_transform({entries}, lambda {entry}: {{'key': {entry}.\"key\", 'value': {sql}}}))", map_(m.kind.args[0], body.kind), m, body)
    if body.kind.name == "map":
        raise mismatch("INVALID_MAP_KEY_TYPE", c.shown(node), 'The key of map cannot be/contain "MAP".')
    keys = f"list_transform({entries}, lambda {entry}: {sql})"
    return made(checked_map(keys, f"map_values({m.sql})", body.kind), map_(body.kind, m.kind.args[1]), m, body)


MOST_ITEMS = 2147483632


@special("array_insert")
def array_insert(c, node, scope):
    """Places count from 1, or from the end: -1 is after the last. What lies beyond is filled with NULL."""
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 3:
        raise wrong_count("array_insert", "3", len(args))
    a, p, x = args
    if a.kind.name == "void":
        return literal_of(None, VOID)
    if a.kind.name != "array":
        raise wrong_type("array_insert", c.shown(node), 0, '"ARRAY"', a.kind)
    place, k = implicit(p, INT) if integral(p.kind) or p.kind == VOID else None, common(a.kind.args[0], x.kind)
    if place is None:
        raise wrong_type("array_insert", c.shown(node), 1, '"INT"', p.kind)
    own = a.kind.args[0]
    if k is None or (own == STRING) != (x.kind == STRING) and VOID not in (own, x.kind):
        raise mismatch("ARRAY_FUNCTION_DIFF_TYPES", c.shown(node), f'Input to `array_insert` should have been "ARRAY" followed by a value with same element type, but it\'s ["{a.kind.sql}", "{x.kind.sql}"].')
    kind = array(k)
    l, n, v = f"CAST({cast(a, kind).sql} AS {physical(kind)})", f"CAST({place.sql} AS BIGINT)", f"[CAST({cast(x, k).sql} AS {physical(k)})]"
    nulls = lambda count: f"list_transform(range(greatest({count}, 0)), lambda n{c.depth}_: CAST(NULL AS {physical(k)}))"
    joined = lambda *parts: parts[0] if len(parts) == 1 else f"list_concat({parts[0]}, {joined(*parts[1:])})"
    behind = f"(len({l}) + {n} + 2)"
    zero = text("[INVALID_INDEX_OF_ZERO] The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1). SQLSTATE: 22003")
    large = text(f"[COLLECTION_SIZE_LIMIT_EXCEEDED.FUNCTION] Can't create array with more than {MOST_ITEMS} elements by `array_insert`. SQLSTATE: 54000")
    return made(f"CASE WHEN {l} IS NULL OR {n} IS NULL THEN NULL WHEN {n} = 0 THEN error({zero}) WHEN abs({n}) > 10000000 THEN error({large}) "
                f"WHEN {n} > 0 THEN {joined(f'list_slice({l}, 1, {n} - 1)', nulls(f'{n} - 1 - len({l})'), v, f'list_slice({l}, {n}, len({l}))')} "
                f"WHEN -{n} > len({l}) THEN {joined(v, nulls(f'-{n} - 1 - len({l})'), l)} "
                f"ELSE {joined(f'list_slice({l}, 1, {behind} - 1)', v, f'list_slice({l}, {behind}, len({l}))')} END", kind, a, p, x)


@special("map_zip_with")
def map_zip_with(c, node, scope):
    if len(node.expressions) != 3:
        raise wrong_count("map_zip_with", "3", len(node.expressions))
    a, b = c.compile(node.expressions[0], scope), c.compile(node.expressions[1], scope)
    for i, x in enumerate((a, b)):
        if x.kind.name != "map":
            raise wrong_type("map_zip_with", c.shown(node), i, '"MAP"', x.kind)
    k = common(a.kind.args[0], b.kind.args[0])
    if k is None or (a.kind.args[0] == STRING) != (b.kind.args[0] == STRING) and (lambda other: temporal(other) or other.name == "decimal")(a.kind.args[0] if b.kind.args[0] == STRING else b.kind.args[0]):
        raise mismatch("MAP_ZIP_WITH_DIFF_TYPES", c.shown(node), f'Input to the `map_zip_with` should have been two "MAP"s with compatible key types, but it\'s ["{a.kind.args[0].sql}", "{b.kind.args[0].sql}"].')
    a, b = cast(a, map_(k, a.kind.args[1])), cast(b, map_(k, b.kind.args[1]))
    names, body = c.apply(node.expressions[2], [k, a.kind.args[1], b.kind.args[1]], scope, "map_zip_with")
    key = f"k{c.depth}_"
    sql = replaced(replaced(replaced(body.sql, names[0], key), names[1], f"list_extract(map_extract({a.sql}, {key}), 1)"), names[2], f"list_extract(map_extract({b.sql}, {key}), 1)")
    keys = distinct_text(f"list_concat(map_keys({a.sql}), map_keys({b.sql}))")
    return made(f"CASE WHEN {a.sql} IS NULL OR {b.sql} IS NULL THEN NULL ELSE map_from_entries(list_transform({keys}, lambda {key}: {{'key': {key}, 'value': {sql}}})) END", map_(k, body.kind), a, b, body)
