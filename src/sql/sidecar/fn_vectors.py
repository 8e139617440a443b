"""Vectors: arrays of FLOAT. What is added up is added in Spark 4.2's own order and in single precision, eight products at a time, so that the last digit is the same."""
from catalogue import aggregate, special, wrong_count, wrong_type
from kinds import FLOAT, array
from values import made
from windows import TAIL

VECTOR = array(FLOAT)


def taken(c, node, scope, wanted, least):
    """The arguments of a call, which nothing is converted for."""
    name, given = node.name.lower(), node.expressions
    if not least <= len(given) <= len(wanted):
        raise wrong_count(name, str(least) if least == len(wanted) else f"[{least}, {len(wanted)}]", len(given))
    args = [c.compile(g, scope) for g in given]
    for i, (a, k) in enumerate(zip(args, wanted)):
        if a.kind != k:
            raise wrong_type(name, c.shown(node), i, f'"{k.sql}"', a.kind)
    return args


class Names:
    """Names of lambdas' parameters, which no other call has."""

    def __init__(self, c):
        self.c = c

    def fresh(self):
        return f"v{self.c.fresh()}_"

    def bound(self, sql, body):
        """body(name), where the name stands for a value that is computed once."""
        name = self.fresh()
        return f"list_extract(list_transform([{sql}], lambda {name}: {body(name)}), 1)"

    def each(self, vector, term):
        i = self.fresh()
        return f"list_transform(range(len({vector})), lambda {i}: {term(i)})"

    def summed(self, terms):
        def body(p):
            k, x, y = self.fresh(), self.fresh(), self.fresh()
            eight = " + ".join(f"list_extract({p}, 8 * {k} + {n})" for n in range(1, 9))
            return (f"list_reduce(list_concat([CAST(0 AS FLOAT)], list_transform(range(len({p}) // 8), lambda {k}: {eight}), list_slice({p}, (len({p}) // 8) * 8 + 1, len({p}))), "
                    f"lambda {x}, {y}: {x} + {y})")

        return self.bound(terms, body)


def at(vector, i):
    return f"list_extract({vector}, {i} + 1)"


def root(x):
    return f"CAST(sqrt({x}) AS FLOAT)"


def holed(vector):
    return f"len(list_filter({vector}, lambda n_: n_ IS NULL)) > 0"


@special("vector_cosine_similarity vector_inner_product vector_l2_distance")
def pair(c, node, scope):
    name, n = node.name.lower(), Names(c)
    a, b = taken(c, node, scope, [VECTOR, VECTOR], 2)

    def computed(v, w):
        product = lambda p, q: n.summed(n.each(p, lambda i: f"{at(p, i)} * {at(q, i)}"))
        if name == "vector_inner_product":
            return product(v, w)
        if name == "vector_l2_distance":
            far = n.each(v, lambda i: f"({at(v, i)} - {at(w, i)}) * ({at(v, i)} - {at(w, i)})")
            return root(n.summed(far))
        return n.bound(root(f"{product(v, v)} * {product(w, w)}"), lambda z: f"CASE WHEN {z} = 0 THEN NULL ELSE {product(v, w)} / {z} END")

    empty = "NULL" if name == "vector_cosine_similarity" else "CAST(0 AS FLOAT)"
    told = lambda v, w: f"error('[VECTOR_DIMENSION_MISMATCH] Vectors passed to `{name}` must have the same dimension, but got ' || len({v}) || ' and ' || len({w}) || '. SQLSTATE: 22000')"
    sql = n.bound(a.sql, lambda v: n.bound(b.sql, lambda w: f"CASE WHEN {v} IS NULL OR {w} IS NULL THEN NULL WHEN len({v}) <> len({w}) THEN {told(v, w)} WHEN len({v}) = 0 THEN {empty} "
                                                            f"WHEN {holed(v)} OR {holed(w)} THEN NULL ELSE {computed(v, w)} END"))
    return made(f"CAST({sql} AS FLOAT)", FLOAT, a, b)


@special("vector_norm vector_normalize")
def norm(c, node, scope):
    name, n = node.name.lower(), Names(c)
    args = taken(c, node, scope, [VECTOR, FLOAT], 1)
    degree = args[1].sql if len(args) > 1 else "CAST(2 AS FLOAT)"

    def length(v, d):
        largest = f"coalesce(list_max(list_filter(list_transform({v}, lambda x_: abs(x_)), lambda x_: NOT isnan(x_))), CAST(0 AS FLOAT))"
        plain = n.summed(n.each(v, lambda i: f"abs({at(v, i)})"))
        squares = n.summed(n.each(v, lambda i: f"{at(v, i)} * {at(v, i)}"))
        return f"CASE {d} WHEN 1 THEN {plain} WHEN 2 THEN {root(squares)} ELSE {largest} END"

    def result(v, d):
        if name == "vector_norm":
            return length(v, d)
        return n.bound(length(v, d), lambda z: f"CASE WHEN len({v}) = 0 THEN {v} WHEN {z} = 0 THEN NULL ELSE {n.each(v, lambda i: f'{at(v, i)} / {z}')} END")

    told = lambda d: f"error('[INVALID_VECTOR_NORM_DEGREE] The degree for `{name}` must be 1.0, 2.0, or positive infinity, but got ' || spark_to_string({d}) || '. SQLSTATE: 22023')"
    sql = n.bound(args[0].sql, lambda v: n.bound(degree, lambda d: f"CASE WHEN {v} IS NULL OR {d} IS NULL THEN NULL WHEN {d} NOT IN (1, 2, CAST('Infinity' AS FLOAT)) THEN {told(d)} "
                                                                   f"WHEN {holed(v)} THEN NULL ELSE {result(v, d)} END"))
    k = FLOAT if name == "vector_norm" else VECTOR
    return made(f"CAST({sql} AS {'FLOAT' if k == FLOAT else 'FLOAT[]'})", k, *args)


@aggregate("vector_sum vector_avg")
def summed(c, call, scope):
    if len(call.args) != 1:
        raise wrong_count(call.name, "1", len(call.args))
    e = c.compile(call.args[0], scope)
    if e.kind != VECTOR:
        raise wrong_type(call.name, c.shown(call.node), 0, f'"{VECTOR.sql}"', e.kind)
    return made(f"CAST(spark_vector_items(spark_{call.name}({'DISTINCT ' if call.distinct else ''}{e.sql}){TAIL}) AS FLOAT[])", VECTOR, e)
