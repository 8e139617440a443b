"""SQL functions of the catalog, expanded where they stand: for a call of a query, and for what filters rows or masks a column.

A function comes as the server resolved it: {"name", "parameters": [{"name", "type"}], "returns", "body", "relations"}; `relations` says which
relations of the request the tables of its body are, in the order of references(). What it reads was checked there, under its owner's rights.
The body is compiled in a scope of its own, which knows its parameters and nothing of whoever calls.
"""
from sqlglot import exp

from analyze import parsed, references
from catalogue import AGGREGATES, GENERATORS, wrong_count
from errors import raised, syntax, unsupported
from kinds import VOID, of_text
from relations import parse_kind
from scopes import Scope
from values import cast, literal_of, made


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
    tables = references(exp.Paren(this=out))
    places = function.get("relations") or []
    if len(tables) != len(places):
        raise unsupported(f"The function {function['name']} here: its body reads tables")
    for t, i in zip(tables, places):
        t.args["rel"] = i
    return out


def expanded(c, function, args):
    """A call with these values, as an expression of whoever calls."""
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
        scope.variables[p["name"].lower()] = cast(a, of_text(p["type"], parse_kind), shown=p["name"])
    saved, c.ctes, named, c.named_functions = c.ctes, [{}], c.named_functions, function.get("routines") or {}
    c.expanding += 1
    try:
        e = c.compile(body_of(function), scope)
    finally:
        c.ctes, c.named_functions = saved, named
        c.expanding -= 1
    returns = of_text(function["returns"], parse_kind)
    out = made(f"({cast(e, returns).sql})", returns, e, *args)
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
        call = lambda what: expanded(c, self.functions[what["function"]], [raw[n.lower()] for n in what["columns"]])
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
