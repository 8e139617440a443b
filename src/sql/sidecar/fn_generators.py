"""Generators: functions that make rows, in a select list, a LATERAL VIEW or FROM."""
from catalogue import generator, wrong_count, wrong_type
from errors import mismatch, raised, unsupported
from kinds import BIGINT, INT, VOID, all_common, ident, physical
from scopes import Col
from values import cast, implicit


@generator("explode explode_outer posexplode posexplode_outer")
def explode(c, node, scope, outer):
    name = node.name.lower()
    if len(node.expressions) != 1:
        raise wrong_count(name, "1", len(node.expressions))
    a = c.compile(node.expressions[0], scope)
    if a.kind.name not in ("array", "map"):
        raise wrong_type(name, c.shown(node), 0, '("ARRAY" or "MAP")', a.kind)
    columns, listed_ = [], []
    if name.startswith("pos"):
        columns.append(Col("pos", INT, '"c0"'))
        size = f"len({a.sql})" if a.kind.name == "array" else f"len(map_keys({a.sql}))"
        listed_.append(f"CAST(unnest(range({size})) AS INTEGER) AS \"c0\"")
    if a.kind.name == "array":
        n = len(columns)
        columns.append(Col("col", a.kind.args[0], f'"c{n}"', a.refs))
        listed_.append(f"unnest({a.sql}) AS \"c{n}\"")
    else:
        for field, kind in (("key", a.kind.args[0]), ("value", a.kind.args[1])):
            n = len(columns)
            columns.append(Col(field, kind, f'"c{n}"', a.refs))
            listed_.append(f"unnest(map_{field}s({a.sql})) AS \"c{n}\"")
    return columns, f"SELECT {', '.join(listed_)}"


@generator("inline inline_outer")
def inline(c, node, scope, outer):
    if len(node.expressions) != 1:
        raise wrong_count("inline", "1", len(node.expressions))
    a = c.compile(node.expressions[0], scope)
    if a.kind.name != "array" or a.kind.args[0].name != "struct":
        raise wrong_type("inline", c.shown(node), 0, '"ARRAY<STRUCT>"', a.kind)
    fields = a.kind.args[0].args
    columns = [Col(f, k, f'"c{i}"', a.refs) for i, (f, k) in enumerate(fields)]
    listed_ = ", ".join(f"(i_.x).{ident(f)} AS \"c{i}\"" for i, (f, _) in enumerate(fields))
    return columns, f"SELECT {listed_} FROM (SELECT unnest({a.sql}) AS x) AS i_"


@generator("stack")
def stack(c, node, scope, outer):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) < 2:
        raise wrong_count("stack", "> 1", len(args))
    n = implicit(args[0], INT)
    if n is None or args[0].kind.name not in ("int", "string", "smallint", "tinyint", "bigint", "void"):
        raise wrong_type("stack", c.shown(node), 0, '"INT"', args[0].kind)
    if not args[0].foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `n` should be a foldable "INT" expression; however, got "' + c.shown(node.expressions[0]) + '".')
    if args[0].lit is None:
        raise mismatch("UNEXPECTED_NULL", c.shown(node), "The `n` must not be null.")
    count = int(n.lit) if isinstance(n.lit, int) else None
    if count is None:
        raise unsupported("stack with a computed number of rows")
    if count <= 0:
        raise mismatch("VALUE_OUT_OF_RANGE", c.shown(node), f"The `n` must be between (0, 2147483647] (current value = {count}).")
    rest = args[1:]
    width = -(-len(rest) // count)
    columns, rows = [], [[] for _ in range(count)]
    for i in range(width):
        cells = rest[i::width]
        k = all_common([x.kind for x in cells])
        first = next((x.kind for x in cells if x.kind.name != "void"), VOID)
        for r, x in enumerate(cells):
            if x.kind not in (first, VOID):
                raise mismatch("STACK_COLUMN_DIFF_TYPES", c.shown(node), f'The data type of the column ({i}) do not have the same type: "{first.sql}" <> "{x.kind.sql}".')
        columns.append(Col(f"col{i}", k, f'"c{i}"', frozenset().union(*(x.refs for x in cells))))
        for r in range(count):
            rows[r].append(f"CAST({cast(cells[r], k).sql} AS {physical(k)})" if r < len(cells) else f"CAST(NULL AS {physical(k)})")
    return columns, f"SELECT * FROM (VALUES {', '.join('(' + ', '.join(r) + ')' for r in rows)}) AS t_({', '.join(x.ref for x in columns)})"


@generator("range")
def range_(c, node, scope, outer):
    args = [c.compile(a, scope) for a in c.positional("range", node)]
    if not 1 <= len(args) <= 4:
        raise wrong_count("range", "[1, 2, 3, 4]", len(args))
    values = []
    for i, a in enumerate(args[:3]):
        e = implicit(a, BIGINT)
        if e is None or not a.foldable:
            raise raised("UNEXPECTED_INPUT_TYPE", f'The {("first", "second", "third")[i]} parameter of function `range` requires the "BIGINT" type, however "{c.shown(node.expressions[i])}" has the type "{a.kind.sql}".', "42K09")
        if e.lit is None:
            raise raised("UNEXPECTED_INPUT_TYPE", f'The parameter of function `range` requires the "BIGINT" type, however it is NULL.', "42K09")
        values.append(e.sql)
    return [Col("id", BIGINT, '"c0"')], f"SELECT CAST(range AS BIGINT) AS \"c0\" FROM range({', '.join(values)})"
