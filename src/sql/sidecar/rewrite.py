"""One statement with its tables known: names resolved, types found, lineage found, and DuckDB SQL with a hole for each table.

The result is a list of pieces: text, or what the server puts there ({"rel": 0}, {"param": "p"}, {"user": true}, {"member": "group"}, …).
Holes are named with a prefix that occurs in none of the inputs, so no identifier of a user can be taken for one.
"""
from sqlglot import exp

import bounds
import fn_aggregates  # noqa: F401  the function tables fill themselves
import fn_ai  # noqa: F401
import fn_buckets  # noqa: F401
import fn_collections  # noqa: F401
import fn_csv  # noqa: F401
import fn_formats  # noqa: F401
import fn_generators  # noqa: F401
import fn_geo  # noqa: F401
import fn_hashes  # noqa: F401
import fn_histograms  # noqa: F401
import fn_json  # noqa: F401
import fn_numbers  # noqa: F401
import fn_sketches  # noqa: F401
import fn_strings  # noqa: F401
import fn_times  # noqa: F401
import fn_urls  # noqa: F401
import fn_vectors  # noqa: F401
import variants  # noqa: F401
import routines
import table_defaults
from analyze import parsed, query_of, references
from errors import syntax, unsupported
from expressions import DISPATCH, unresolved
from kinds import BOOLEAN, KNOWN, STRING, ident, of_text, physical
from queries import Compiler
from relations import parse_kind
from scopes import Col, Scope, Source
from values import E, cast, delivered

DISPATCH[exp.Extract] = fn_times.extract_node
DISPATCH[exp.Trim] = fn_strings.trim_node
for _kind in (exp.Window,):
    DISPATCH[_kind] = Compiler.window
for _kind in (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls):
    DISPATCH[_kind] = Compiler.aggregate


def rewrite(request):
    sql, relations = request["sql"], request["relations"]
    hole = Holes(sql, [relations, request.get("functions"), request.get("policy")])
    if request.get("probe") is not None:
        return probed(request, hole)
    if not sql:
        return governed(request, hole)
    if request.get("engine") == "sail":
        import sail  # which needs this module's tables

        return sail.rewritten(request, Holes(sql, [relations, request.get("functions")], "`"))
    tree = parsed(sql).copy()
    if isinstance(tree, exp.TruncateTable):
        tree = exp.Delete(this=tree.expressions[0])
    target = request.get("target")  # DELETE and UPDATE: the columns of the target, under the name it has in the statement
    parameters = {k: of_text(v.lower(), parse_kind) for k, v in (request.get("parameters") or {}).items()}
    table_defaults.fill(tree, target, request.get("defaults"))
    if isinstance(tree, exp.Merge):
        import rewrite_merge  # which needs this module

        return rewrite_merge.rewritten(tree, relations, target, hole, parameters, request)
    if isinstance(tree, (exp.Delete, exp.Update)):
        return over_target(tree, relations, target, hole, parameters, request)
    return one_query(query_of(tree), relations, hole, parameters, request, final=request.get("final", False))


class Holes:
    def __init__(self, sql, relations, mark='"'):
        self.mark = mark
        text = (sql + repr(relations)).lower()
        k = 0
        while f"tarn{k}_" in text:
            k += 1
        self.prefix = f"tarn{k}_"
        self.values = []

    def make(self, value):
        self.values.append(value)
        return f"{self.prefix}{len(self.values) - 1}"

    def quoted(self, value):
        for i, v in enumerate(self.values):
            if v == value:
                return f'"{self.prefix}{i}"'
        return f'"{self.make(value)}"'

    def pieces(self, text):
        out = []
        parts = text.split(self.mark + self.prefix)
        out.append(parts[0])
        for p in parts[1:]:
            number, rest = p.split(self.mark, 1)
            out.append(self.values[int(number)])
            out.append(rest)
        return [p for p in out if p != ""]


def numbered(parts):
    """Each table that the server resolves knows its place among them."""
    at = 0
    for p in parts:
        for t in references(p):
            t.args["rel"] = at
            at += 1
    return at


def governed(request, hole):
    """A table behind its row filter and column masks, as a query of its own: no statement is mixed into it."""
    c = Compiler(hole, request["relations"], {}, request)
    base = request["relations"][0]
    source = Source([], c.fresh(), [Col(x["name"], of_text(x["type"], parse_kind), ident(x["name"]), {(0, x["name"])}, x.get("declared", "")) for x in base["columns"]])
    seen = routines.Policy(request).apply(c, source)
    listed = ", ".join(f"{i.e.sql} AS {ident(i.name)}" for i in source.items)
    text = f"SELECT {listed} FROM {hole.quoted({'rel': 0})} AS {ident(source.alias)}" + (f" WHERE {seen.sql}" if seen is not None else "")
    return {"query": hole.pieces(text), "columns": [i.name for i in source.items], "types": [str(i.e.kind) for i in source.items], "declared": [i.e.declared for i in source.items],
            "lineage": [sorted(list(r) for r in i.e.refs) for i in source.items]}


def stored(e, wanted):
    """A value as a column of this type takes it: Spark's own cast, not the engine's."""
    kind = of_text(wanted, parse_kind)
    if e.kind != kind and e.kind.name != "void" and "variant" in (e.kind.name, kind.name):
        raise unsupported(f"A value of type {e.kind.sql} for a column of type {kind.sql}", "Cast it.")
    if e.kind == kind or nested(kind) or nested(e.kind):
        return e
    return cast(e, kind)


def nested(kind):
    return kind.name in ("array", "map", "struct", "variant")


def assign(request):
    """The DuckDB text of each value as its column takes it."""
    out = []
    for pair in request["pairs"]:
        e = stored(E(pair["sql"], of_text(pair["from"], parse_kind)), pair["to"])
        out.append(f"CAST({e.sql} AS {physical(of_text(pair['to'], parse_kind))})" if nested(e.kind) else e.sql)
    return out


def probed(request, hole):
    """A function by itself, called with the columns of relation 0: the query that it is, what it yields, and that it can be compiled at all."""
    c = Compiler(hole, request["relations"], {}, request)
    function, base = request["functions"][request["probe"]], request["relations"][0]
    source = Source([], c.fresh(), [Col(x["name"], of_text(x["type"], parse_kind), ident(x["name"]), {(0, x["name"])}) for x in base["columns"]])
    from_ = f"{hole.quoted({'rel': 0})} AS {ident(source.alias)}"
    args = [i.e for i in source.items][:len(function["parameters"])]
    for p in function["parameters"]:
        routines.default_of(c, function, p)
    if function.get("table"):
        q = routines.expanded_table(c, function, args)
        text = f"SELECT t_.* FROM {from_}, LATERAL ({q.sql}) AS t_"
        columns = q.columns
    else:
        e = routines.expanded(c, function, args)
        text = f"SELECT {e.sql} AS result FROM {from_}"
        columns = [Col("result", e.kind, "result", e.refs)]
    return {"query": hole.pieces(text), "columns": [k.name for k in columns], "types": [str(k.kind) for k in columns], "lineage": [[] for _ in columns]}


def one_query(query, relations, hole, parameters, request, final=True):
    numbered([query])
    c = Compiler(hole, relations, parameters, request)
    q = c.query(query)
    listed, kinds = [], []
    if not q.columns:
        raise unsupported("A query without columns")
    for col in q.columns:
        shown = delivered(f"r_.{col.ref}", col.kind) if final else None
        listed.append(f"{shown or f'r_.{col.ref}'} AS {ident(col.name)}")
        kinds.append(str(col.kind))
    text = f"SELECT {', '.join(listed)} FROM ({q.sql}) AS r_"
    if not final and any(col.kind.name == "void" for col in q.columns):
        # A NULL of no type is text to whatever reads it by its catalog's type.
        listed = [f"{f'CAST(r_.{col.ref} AS VARCHAR)' if col.kind.name == 'void' else f'r_.{col.ref}'} AS {ident(n)}" for col, n in zip(q.columns, unique([x.name for x in q.columns]))]
        text = f"SELECT {', '.join(listed)} FROM ({q.sql}) AS r_"
    elif not any(shown_changes(col.kind) for col in q.columns) or not final:
        text = f"SELECT * FROM ({q.sql}) AS r_({', '.join(ident(n) for n in unique([col.name for col in q.columns]))})"
    return {"query": hole.pieces(text), "bounds": c.bounds.listed(), "columns": [col.name for col in q.columns], "types": kinds, "declared": [col.declared for col in q.columns], "lineage": [sorted(list(r) for r in col.refs) for col in q.columns], "origins": [list(col.origin) if col.origin else [] for col in q.columns]}


def shown_changes(kind):
    return delivered("x", kind) is not None


def unique(names):
    """DuckDB wants the columns of an alias to differ; the server knows the real names."""
    seen, out = set(), []
    for n in names:
        name, k = n, 1
        while name.lower() in seen:
            k += 1
            name = f"{n}_{k}"
        seen.add(name.lower())
        out.append(name)
    return out


def over_target(tree, relations, target, hole, parameters, request):
    """DELETE and UPDATE: the predicate and the new values as DuckDB expressions over the target under its alias."""
    alias = tree.this.alias or tree.this.name
    parts = [e.expression for e in tree.expressions] if isinstance(tree, exp.Update) else []
    where = tree.args["where"].this if tree.args.get("where") else None
    if numbered(parts + ([where] if where is not None else [])) != len(relations):
        raise unsupported("This statement")
    c = Compiler(hole, relations + [{"columns": target}], parameters, request)
    scope = Scope()
    columns = [Col(x["name"], of_text(x["type"], parse_kind), ident(x["name"]), {(len(relations), x["name"])}, x.get("declared", ""), (len(relations), x["name"])) for x in target]
    names = [alias] if tree.this.alias else [p.name for p in (tree.this.args.get("catalog"), tree.this.args.get("db"), tree.this.this) if p is not None]
    source = Source(names, alias.lower(), columns)
    scope.sources = [source]
    policy = routines.Policy(request)
    seen = policy.apply(c, source)
    out = {"target_alias": alias.lower(), "assignments": [], "lineage": []}
    predicate = c.condition(where, scope, "WHERE").sql if where is not None else "TRUE"
    out["bounds"] = bounds.of_target(c, where, scope) if where is not None and not policy.applies else []
    out["predicate"] = hole.pieces(routines.guarded(seen, predicate))
    by_name = {x["name"].lower(): x["name"] for x in target}
    for e in tree.expressions if isinstance(tree, exp.Update) else []:
        if not isinstance(e, exp.EQ) or not isinstance(e.this, exp.Column):
            raise unsupported("This assignment")
        if e.this.name.lower() not in by_name:
            raise unresolved("`" + e.this.name + "`", e.this.name, [(alias, x["name"]) for x in target])
        value = stored(c.compile(e.expression, scope), next(x["type"] for x in target if x["name"] == by_name[e.this.name.lower()]))
        out["assignments"].append({"column": by_name[e.this.name.lower()], "value": hole.pieces(value.sql)})
        out["lineage"].append(sorted(list(r) for r in value.refs))
    if policy.applies and c.outer_depths:
        raise unsupported("A subquery that uses columns of the changed table, which has a row filter or column masks,")
    return out
