"""hash, xxhash64: over all arguments, each with the hash of those before it; a NULL leaves that as it is. And the bitmaps' places."""
from catalogue import define, special, wrong_count, wrong_type
from errors import mismatch, unsupported
from kinds import BIGINT, BINARY, INT, any_in, ident
from values import made

HASHES = {"hash": ("spark_hash", INT, "CAST(42 AS INTEGER)"), "xxhash64": ("spark_xxhash64", BIGINT, "CAST(42 AS BIGINT)")}


@special("hash xxhash64")
def hashed(c, node, scope):
    name = node.name.lower()
    function, kind, seed = HASHES[name]
    if not node.expressions:
        raise wrong_count(name, "> 0", 0)
    args = [c.compile(a, scope) for a in node.expressions]
    if any(any_in(a.kind, lambda k: k.name == "map") for a in args):
        raise mismatch("HASH_MAP_TYPE", c.shown(node), f'Input to the function `{name}` cannot contain elements of the "MAP" type. In Spark, same maps may have different hashcode, thus hash expressions are prohibited on "MAP" elements.')
    for a in args:
        seed = over(c, function, a.sql, a.kind, seed)
    return made(seed, kind, *args)


def over(c, function, x, k, seed):
    """The hash of a value after `seed`, which is the hash of those before it."""
    n = k.name
    if n == "void":
        return seed
    if n == "struct":
        v = f"v{c.fresh()}_"
        inner = f"{v}.h"
        for f, kind in k.args:
            inner = over(c, function, f"({v}.x).{ident(f)}", kind, inner)
        return f"list_extract(list_transform([{{'x': {x}, 'h': {seed}}}], lambda {v}: CASE WHEN {v}.x IS NULL THEN {v}.h ELSE {inner} END), 1)"
    if n == "array":
        if k.args[0].name == "void":
            return f"coalesce({seed})"
        v, a, b, i = (f"{letter}{c.fresh()}_" for letter in "vabi")
        step = f"{{'h': {over(c, function, f'{b}.x', k.args[0], f'{a}.h')}, 'x': {b}.x}}"
        items = f"list_transform({v}.x, lambda {i}: {{'h': {v}.h, 'x': {i}}})"
        return (f"list_extract(list_transform([{{'x': {x}, 'h': {seed}}}], lambda {v}: CASE WHEN {v}.x IS NULL OR len({v}.x) = 0 THEN {v}.h "
                f"ELSE (list_reduce(list_concat([{{'h': {v}.h, 'x': NULL}}], {items}), lambda {a}, {b}: {step})).h END), 1)")
    value = {
        "boolean": f"CAST({x} AS INTEGER)", "tinyint": f"CAST({x} AS INTEGER)", "smallint": f"CAST({x} AS INTEGER)", "int": x, "bigint": x, "string": f"encode({x})", "binary": x,
        "date": f"CAST(({x}) - DATE '1970-01-01' AS INTEGER)", "timestamp": f"epoch_us({x})", "timestamp_ntz": f"epoch_us({x})",
    }.get(n)
    size = {"boolean": "int", "tinyint": "int", "smallint": "int", "int": "int", "date": "int", "string": "bytes", "binary": "bytes"}.get(n, "long")
    if n == "decimal":
        whole = f"replace(CAST({x} AS VARCHAR), '.', '')"
        value, size = (f"CAST({whole} AS BIGINT)", "long") if k.args[0] <= 18 else (f"CAST({whole} AS HUGEINT)", "big")
    if n in ("float", "double"):
        # 0.0 is -0.0, and one NaN is as good as another.
        value, size = (f"spark_bits({x})", "int" if n == "float" else "long")
    if value is None:
        raise unsupported(f"A hash of {k.sql}")
    return f"{function}_{size}({value}, {seed})"


define("bitmap_bit_position", "bigint", BIGINT, "CAST(CASE WHEN {0} > 0 THEN ({0} - 1) % 32768 ELSE (-CAST({0} AS HUGEINT)) % 32768 END AS BIGINT)")
define("bitmap_bucket_number", "bigint", BIGINT, "CAST(CASE WHEN {0} > 0 THEN 1 + ({0} - 1) // 32768 ELSE -((-CAST({0} AS HUGEINT)) // 32768) END AS BIGINT)")


@special("bitmap_count")
def bitmap_count(c, node, scope):
    if len(node.expressions) != 1:
        raise wrong_count("bitmap_count", "1", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    if e.kind != BINARY:
        raise wrong_type("bitmap_count", c.shown(node), 0, '"BINARY"', e.kind)
    return made(f"CASE WHEN octet_length({e.sql}) = 0 THEN CAST(0 AS BIGINT) ELSE CAST(bit_count(CAST({e.sql} AS BIT)) AS BIGINT) END", BIGINT, e)
