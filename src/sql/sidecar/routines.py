"""SQL functions of the catalog, expanded where they stand: for a call of a query, and for what filters rows or masks a column.

A function comes as the server resolved it: {"name", "parameters": [{"name", "type"}], "returns", "body", "relations"}; `relations` says which
relations of the request the tables of its body are, in the order of references(). What it reads was checked there, under its owner's rights.
The body is compiled in a scope of its own, which knows its parameters and nothing of whoever calls.
"""
from sqlglot import exp

import zones
from analyze import parsed, references
from catalogue import AGGREGATES, GENERATORS, wrong_count
from errors import quoted, raised, syntax, unsupported
from kinds import STRING, ident, of_text
from relations import parse_kind
from scopes import Col, Query, Scope
from values import E, cast, literal_of, made


def body_of(function):
    """The one expression that a body is: no aggregate or generator that would change the query around it."""
    tree = parsed("SELECT (" + function["body"] + "\n)")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or any(v for k, v in tree.args.items() if k not in ("expressions", "kind")):
        raise syntax("'RETURN'", "the body of a function is one expression")
    out = tree.expressions[0].copy()
    if isinstance(out, (exp.Tuple, exp.Alias, exp.Star)):
        raise syntax("'RETURN'", "the body of a function is one expression")
    for node in out.walk(prune=lambda n: isinstance(n, exp.Query)):
        if isinstance(node, exp.Window) or isinstance(node, exp.Anonymous) and node.name.lower() in {**AGGREGATES, **GENERATORS}:
            raise raised("USER_DEFINED_FUNCTIONS.CANNOT_CONTAIN_COMPLEX_FUNCTIONS", "SQL scalar function cannot contain aggregate, window or generate functions.", "42601")
    if out.find(exp.Placeholder, exp.Parameter):
        raise unsupported("A parameter marker in the body of a function")
    placed(function, exp.Paren(this=out))
    return out


def default_of(c, function, parameter):
    """A parameter's default value, or nothing."""
    text = parameter.get("default")
    if not text:
        return None
    tree = parsed("SELECT (" + text + "\n)").expressions[0].copy()
    if tree.find(exp.Query) is not None:
        raise raised("USER_DEFINED_FUNCTIONS.NOT_A_VALID_DEFAULT_EXPRESSION", f"The DEFAULT expression of {function['name'].split('.')[-1]}.{parameter['name']} is not supported because it contains a subquery.", "42601")
    saved, named = c.ctes, c.named_functions
    c.ctes, c.named_functions = [{}], function.get("routines") or {}
    c.expanding += 1
    zone = in_its_zone()
    try:
        return cast(c.compile(tree, Scope()), of_text(parameter["type"], parse_kind), shown=text)
    finally:
        c.ctes, c.named_functions = saved, named
        c.expanding -= 1
        zones.use(zone)


def in_its_zone():
    """A function was made in UTC, and means what it meant there; answers the zone around it."""
    zone = zones.current
    zones.use(zones.UTC)
    return zone


def arguments_of(c, function, node, scope):
    """A call's values, one for each parameter: by place, by name, by default."""
    short, parameters = function["name"].split(".")[-1], function["parameters"]
    names = [p["name"].lower() for p in parameters]
    given, by_name = [], {}
    for a in node.expressions:
        if isinstance(a, (exp.Kwarg, exp.PropertyEQ)):
            key = a.this.name.lower()
            if key not in names:
                raise raised("UNRECOGNIZED_PARAMETER_NAME", f"Cannot invoke routine {quoted(short)} because the routine call included a named argument reference for the argument named {quoted(key)}, but this routine does not include any signature containing an argument with this name.", "4274K")
            if key in by_name or names.index(key) < len(given):
                raise raised("DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE", f"Call to routine {quoted(short)} is invalid because it includes multiple argument assignments to the same parameter name {quoted(key)}.", "4274K")
            by_name[key] = a.expression
        elif by_name:
            raise raised("UNEXPECTED_POSITIONAL_ARGUMENT", f"Cannot invoke routine {quoted(short)} because it contains positional argument(s) following the named argument.", "4274K")
        else:
            given.append(a)
    if len(given) > len(parameters):
        raise wrong_count(short, str(len(parameters)), len(given))
    out = [c.compile(a, scope) for a in given]
    for p in parameters[len(given):]:
        if p["name"].lower() in by_name:
            out.append(c.compile(by_name[p["name"].lower()], scope))
            continue
        default = default_of(c, function, p)
        if default is None:
            if by_name:
                raise raised("REQUIRED_PARAMETER_NOT_FOUND", f"Cannot invoke routine {quoted(short)} because the parameter named {quoted(p['name'])} is required, but the routine call did not supply a value.", "4274K")
            raise wrong_count(short, str(len(parameters)), len(given))
        out.append(default)
    return out


def called(c, function, node, scope):
    """A call in an expression."""
    if function.get("table"):
        raise raised("NOT_A_SCALAR_FUNCTION", f"{quoted(function['name'].split('.')[-1])} appears as a scalar expression here, but the function was defined as a table function.", "42887")
    return expanded(c, function, arguments_of(c, function, node, scope))


def table_called(c, function, node, scope):
    """A call in FROM: a Query over the sources to its left."""
    if not function.get("table"):
        raise raised("NOT_A_TABLE_FUNCTION", f"{quoted(function['name'].split('.')[-1])} appears as a table function here, but the function was defined as a scalar function.", "42887")
    return expanded_table(c, function, arguments_of(c, function, node, scope.for_lateral()))


def expanded_table(c, function, args):
    scope, short = scope_of(c, function, args), function["name"].split(".")[-1]
    tree = parsed(function["body"]).copy()
    if tree.find(exp.Placeholder, exp.Parameter):
        raise unsupported("A parameter marker in the body of a function")
    placed(function, tree)
    saved, c.ctes, named, c.named_functions = c.ctes, [{}], c.named_functions, function.get("routines") or {}
    c.expanding += 1
    zone = in_its_zone()
    try:
        q = c.query(tree, scope)
    finally:
        c.ctes, c.named_functions = saved, named
        c.expanding -= 1
        zones.use(zone)
    wanted = function.get("columns") or []
    if not wanted:
        return q
    if len(wanted) != len(q.columns):
        raise raised("USER_DEFINED_FUNCTIONS.RETURN_COLUMN_COUNT_MISMATCH", f"The number of columns produced by the RETURN clause (num: `{len(q.columns)}`) does not match the number of column names specified by the RETURNS clause (num: `{len(wanted)}`) of {short}.", "42601")
    alias = c.fresh()
    columns, listed = [], []
    for i, (w, col) in enumerate(zip(wanted, q.columns)):
        e = cast(E(f"{ident(alias)}.{col.ref}", col.kind, col.refs), of_text(w["type"], parse_kind), shown=col.name)
        columns.append(Col(w["name"], e.kind, f'"c{i}"', col.refs))
        listed.append(f'{e.sql} AS "c{i}"')
    return Query(f"SELECT {', '.join(listed)} FROM ({q.sql}) AS {ident(alias)}", columns, q.refs)


def placed(function, tree):
    """Says of each table of a body which relation of the request it is."""
    tables, places = references(tree), function.get("relations") or []
    if len(tables) != len(places):
        raise unsupported(f"The function {function['name']} here: its body reads tables")
    for t, i in zip(tables, places):
        t.args["rel"] = i


def scope_of(c, function, args):
    """What the body of a function knows: its parameters."""
    short = function["name"].split(".")[-1]
    if len(args) != len(function["parameters"]):
        raise wrong_count(short, str(len(function["parameters"])), len(args))
    if c.expanding >= 32:
        raise unsupported("Functions that call each other more than 32 deep")
    scope = Scope()
    scope.function = short.lower()
    for p, a in zip(function["parameters"], args):
        if a.volatile:
            raise unsupported(f"A random value as an argument of {function['name']}")
        scope.variables[p["name"].lower()] = made_plain(cast(a, of_text(p["type"], parse_kind), shown=p["name"]))
    return scope


def made_plain(e):
    """A value that no longer is the column it came from: a CHAR(n) is a STRING in a function's body."""
    if not e.declared:
        return e
    return e.with_(e.sql, e.kind, e.lit)


def expanded(c, function, args):
    """A call with these values, as an expression of whoever calls."""
    scope = scope_of(c, function, args)
    saved, c.ctes, named, c.named_functions = c.ctes, [{}], c.named_functions, function.get("routines") or {}
    c.expanding += 1
    zone = in_its_zone()
    try:
        e = c.compile(body_of(function), scope)
        if function["returns"]:
            e = cast(e, of_text(function["returns"], parse_kind))
    finally:
        c.ctes, c.named_functions = saved, named
        c.expanding -= 1
        zones.use(zone)
    out = made(f"({e.sql})", e.kind, e, *args)
    out.volatile, out.foldable = e.volatile, False
    return out


class Policy:
    """The row filter and the column masks of the table that a request reads or changes."""

    def __init__(self, request):
        self.functions = request.get("functions") or []
        self.policy = request.get("policy")

    def apply(self, c, source):
        """The condition that a row of the source must meet to be seen (nothing: none); masked columns become their masks."""
        if not self.policy:
            return None
        raw = {i.name.lower(): i.e for i in source.items}
        call = lambda what: expanded(c, self.functions[what["function"]], [literal_of(n["constant"], STRING) if isinstance(n, dict) else raw[n.lower()] for n in what["columns"]])
        masks = {k.lower(): v for k, v in (self.policy.get("masks") or {}).items()}
        seen = call(self.policy["filter"]) if self.policy.get("filter") else None
        for name in masks:
            if name not in raw:
                raise unsupported(f"A mask of the column {name}, which the table does not have,")
        self.masked = set(masks)
        for i in source.items:
            if i.name.lower() in masks:
                e = cast(call(masks[i.name.lower()]), i.e.kind)
                i.e = made(f"({e.sql})", i.e.kind, e)
                i.e.name = i.name
        return seen

    @property
    def applies(self):
        return bool(self.policy)


def guarded(seen, condition):
    """The condition on the rows that are seen; it is not evaluated on others."""
    return condition if seen is None else f"CASE WHEN {seen.sql} THEN {condition} ELSE FALSE END"
