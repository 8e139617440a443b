"""One query with its tables known: columns checked, stars expanded, lineage found, and DuckDB SQL with a hole for each table.

The result is a list of pieces: text, or what the server puts there ({"rel": 0}, {"param": "p"}, {"user": true}, {"member": "group"}, …).
Holes are named with a prefix that occurs in none of the inputs, so no identifier of a user can be taken for one.
"""
import difflib

from sqlglot import exp
from sqlglot.errors import OptimizeError, UnsupportedError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.optimizer.normalize_identifiers import normalize_identifiers
from sqlglot.optimizer.qualify_columns import qualify_columns, quote_identifiers
from sqlglot.optimizer.qualify_tables import qualify_tables
from sqlglot.optimizer.scope import Scope, build_scope, traverse_scope
from sqlglot.schema import MappingSchema

import dialect
import policy
import strict
from analyze import extra_parts, parsed, query_of, references
from errors import Refused, quoted, unsupported


def rewrite(request):
    sql, relations = request["sql"], request["relations"]
    if not sql:
        return governed(request)
    tree = parsed(sql).copy()
    hole = Holes(sql, [relations, request.get("functions"), request.get("policy")])
    target = request.get("target")  # DELETE and UPDATE: the columns of the target, under the name it has in the statement
    if isinstance(tree, exp.Merge):
        import rewrite_merge  # which needs this module

        return rewrite_merge.rewritten(tree, relations[0]["columns"], target, hole, request)
    if isinstance(tree, (exp.Delete, exp.Update)):
        return over_target(tree, relations, target, hole, request)
    return one_query(query_of(tree), relations, hole)


class Holes:
    def __init__(self, sql, relations):
        text = (sql + repr(relations)).lower()
        k = 0
        while f"tarn{k}_" in text:
            k += 1
        self.prefix = f"tarn{k}_"
        self.values = []

    def make(self, value):
        self.values.append(value)
        return f"{self.prefix}{len(self.values) - 1}"

    def pieces(self, text):
        out = []
        parts = text.split('"' + self.prefix)
        out.append(parts[0])
        for p in parts[1:]:
            number, rest = p.split('"', 1)
            out.append(self.values[int(number)])
            out.append(rest)
        return [p for p in out if p != ""]


class Binder:
    """Puts relations of the request where tables stand."""

    def __init__(self, hole, relations):
        self.hole, self.relations, self.schema, self.rel_of = hole, relations, {}, {}
        COLUMNS.clear()

    def bind(self, t, i):
        rel = self.relations[i]
        name = self.hole.make({"rel": i})
        alias = t.alias or (t.this.name if isinstance(t.this, exp.Identifier) and "/" not in t.this.name else {"range": "range"}.get(rel.get("kind"), f"files_{i}"))
        table_alias = t.args.get("alias") or exp.TableAlias()
        table_alias.set("this", exp.to_identifier(alias, quoted=True))
        t.set("this", exp.to_identifier(name, quoted=True))
        t.set("db", None)
        t.set("catalog", None)
        t.set("version", None)
        t.set("alias", table_alias)
        self.schema[name] = {c["name"].lower(): c["type"] for c in rel["columns"]}
        self.rel_of[name] = i
        COLUMNS[name] = [c["name"] for c in rel["columns"]]
        return COLUMNS[name]


def governed(request):
    """A table behind its row filter and column masks (policy.py), as a query of its own: no statement is mixed into it."""
    hole = Holes("", [request["relations"], request["functions"], request["policy"]])
    binder = Binder(hole, request["relations"])
    query = policy.relation(request, binder)
    strict.before(query)
    return translated(query, binder, {c["name"].lower(): c["name"] for c in request["relations"][0]["columns"]})


def one_query(query, relations, hole):
    if isinstance(query, exp.Values):
        query = exp.select("*").from_(exp.alias_(query.copy(), "values_", table=["col%d" % (i + 1) for i in range(len(query.expressions[0].expressions if query.expressions else []))]))
    strict.before(query)
    holder = exp.Paren(this=query)  # keeps a parent so that replacing the root works
    name_outputs(query)
    wanted = {}
    for q in leftmost(query):
        for p in q.expressions:
            if p.alias_or_name:
                wanted.setdefault(p.alias_or_name.lower(), p.alias_or_name)
    binder = Binder(hole, relations)
    for i, t in enumerate(references(query)):
        for name in binder.bind(t, i):
            wanted.setdefault(name.lower(), name)
    return translated(holder.this, binder, wanted)


def translated(query, binder, wanted):
    """DuckDB's text of a query whose tables are bound; `wanted`: how columns are spelled."""
    hole = binder.hole
    holder = exp.Paren(this=query)
    for c in query.find_all(exp.Column):
        c.set("db", None)
        c.set("catalog", None)
    bind_functions(query, hole)
    query = holder.this
    mapping = MappingSchema(binder.schema, dialect="databricks", normalize=False)
    query = qualified(query, mapping)
    output = [p for p in query.selects]
    scope = build_scope(query)
    lineage = Lineage(binder.rel_of, binder.relations).of(scope) if scope is not None else []
    query = annotate_types(query, schema=mapping, dialect="databricks")
    strict.after(query, {c.lower() for cs in COLUMNS.values() for c in cs} | {n.lower() for n in query.named_selects})
    query = dialect.to_duckdb(query)
    names = []
    for q in leftmost(query):
        for i, p in enumerate(q.selects):
            name = wanted.get(p.alias_or_name.lower(), p.alias_or_name)
            names.append(name)
            ident = exp.to_identifier(name, quoted=True)
            if isinstance(p, exp.Alias):
                p.set("alias", ident)
            elif isinstance(p, exp.Column):
                p.replace(exp.alias_(p.copy(), ident))
    if not names:
        names = [p.alias_or_name for p in output]
    return {"query": hole.pieces(generate(query)), "columns": names, "lineage": [sorted(s) for s in lineage]}


def generate(node):
    try:
        return dialect.generate(node)
    except UnsupportedError as e:
        raise unsupported(str(e).split("\n")[0])


def leftmost(query):
    while isinstance(query, (exp.SetOperation, exp.Subquery)):
        query = query.this
    return [query] if isinstance(query, exp.Select) else []


def name_outputs(query):
    for select in query.find_all(exp.Select):
        for p in list(select.expressions):
            if isinstance(p, (exp.Alias, exp.Aliases, exp.Column, exp.Star, exp.Dot)) or p.is_star:
                continue
            if isinstance(p, exp.Explode):
                name = "col"
            else:
                name = dialect.spark_name(p)
            p.replace(exp.alias_(p.copy(), name, quoted=True))


def bind_functions(query, hole):
    """What depends on the caller or the parameters becomes a hole: the text stays cacheable."""

    for node in list(query.find_all(exp.CurrentUser, exp.SessionUser, exp.CurrentCatalog, exp.CurrentSchema, exp.CurrentDatabase, exp.Anonymous, exp.Placeholder, exp.Parameter)):
        name = node.name.lower() if isinstance(node, exp.Anonymous) else ""
        if isinstance(node, (exp.CurrentUser, exp.SessionUser)) or name in ("user", "session_user", "current_user"):
            value = {"user": True}
        elif isinstance(node, exp.CurrentCatalog):
            value = {"catalog": True}
        elif isinstance(node, (exp.CurrentSchema, exp.CurrentDatabase)):
            value = {"schema": True}
        elif name in ("is_account_group_member", "is_member"):
            args = node.expressions
            if len(args) != 1 or not isinstance(args[0], exp.Literal) or not args[0].is_string:
                raise unsupported(f"{name} without one literal group name")
            value = {"member": args[0].this} if name == "is_account_group_member" else {"local_member": args[0].this}
        elif isinstance(node, (exp.Placeholder, exp.Parameter)):
            value = {"param": node.name} if node.name else {"param": "?"}
        else:
            continue
        # A literal of a shape that no rule touches; its text is exchanged after generation.
        node.replace(exp.Var(this='"' + hole.make(value) + '"'))


def qualified(query, mapping):
    try:
        query = normalize_identifiers(query, dialect="databricks")
        query = qualify_tables(query, dialect="databricks")
        query = qualify_columns(query, mapping, allow_partial_qualification=False, dialect="databricks")
        quote_identifiers(query, dialect="databricks", identify=True)
    except OptimizeError as e:
        text = str(e)
        first = text.split("\n")[0]
        for lead in ("Unknown column: ", "Column '", "Unknown table: "):
            if first.startswith(lead):
                name = first[len(lead):].split("'")[0].split(".")[0] if lead != "Column '" else first[len(lead):].split("'")[0]
                raise unresolved(name.replace('"', "").replace("`", ""), [c for names in COLUMNS.values() for c in names])
        if "mbiguous" in first:
            raise Refused("unresolved_column", f"[AMBIGUOUS_REFERENCE] {first}. SQLSTATE: 42704")
        raise Refused("unsupported", f"[UNSUPPORTED_FEATURE] {first[:200]} SQLSTATE: 0A000")
    check_columns(query)
    return query


def check_columns(query):
    for scope in traverse_scope(query):
        if not isinstance(scope.expression, exp.Query):
            continue
        for c in scope.unqualified_columns:
            if not c.table:
                raise unresolved(c.name, known(scope))
        if scope.external_columns and not scope.is_correlated_subquery and not scope.is_udtf:
            c = scope.external_columns[0]
            raise unresolved(f"{c.table}.{c.name}" if c.table else c.name, known(scope))


# Column names of the tables of the statement in hand (one request at a time), for suggestions.
COLUMNS = {}


def known(scope):
    out = []
    for name, source in scope.sources.items():
        if isinstance(source, exp.Table):
            out += [f"{name}.{c}" for c in COLUMNS.get(source.name, [])]
        elif isinstance(source.expression, exp.Query):
            out += [f"{name}.{c}" for c in source.expression.named_selects]
        else:
            alias = source.expression.args.get("alias")
            out += [f"{name}.{c.name}" for c in (alias.args.get("columns") or [])] if alias else []
    return out


def unresolved(name, candidates):
    shown = ".".join(quoted(p) for p in name.split("."))
    near = difflib.get_close_matches(name.split(".")[-1], [c.split(".")[-1] for c in candidates], n=3, cutoff=0.0)
    if near:
        full = [next(c for c in candidates if c.split(".")[-1] == n) for n in near]
        listed = ", ".join(".".join(quoted(p) for p in f.split(".")) for f in full)
        return Refused(
            "unresolved_column",
            f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name {shown} cannot be resolved. Did you mean one of the following? [{listed}]. SQLSTATE: 42703",
        )
    return Refused("unresolved_column", f"[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name {shown} cannot be resolved. SQLSTATE: 42703")


class Lineage:
    """For each output column, the columns of the referenced tables that its value comes from."""

    def __init__(self, rel_of, relations):
        self.rel_of = rel_of
        self.names = [{c["name"].lower(): c["name"] for c in r["columns"]} for r in relations]
        self.done = {}

    def of(self, scope):
        if id(scope) in self.done:
            return self.done[id(scope)]
        self.done[id(scope)] = []  # a recursive expression refers to itself
        node = scope.expression
        if isinstance(node, exp.SetOperation):
            left, right = (self.of(s) for s in scope.set_operation_scopes)
            out = [a | (right[i] if i < len(right) else set()) for i, a in enumerate(left)]
        elif isinstance(node, exp.Query):
            out = [self.expression(scope, p) for p in node.selects]
        else:
            out = [self.expression(scope, node)]
        self.done[id(scope)] = out
        return out

    def column(self, scope, table, name):
        s = scope
        while s is not None:
            source = s.sources.get(table)
            if isinstance(source, exp.Table):
                rel = self.rel_of.get(source.name)
                return set() if rel is None else {(rel, self.names[rel].get(name.lower(), name))}
            if isinstance(source, Scope):
                outputs = self.of(source)
                if isinstance(source.expression, exp.Query):
                    for i, n in enumerate(source.expression.named_selects):
                        if n.lower() == name.lower() and i < len(outputs):
                            return outputs[i]
                    # Renamed by a column list on the alias: by position is unknown here, so all of it.
                    return set().union(*outputs) if outputs else set()
                return set().union(*outputs) if outputs else set()
            s = s.parent
        return set()

    def expression(self, scope, node):
        out = set()
        for n in node.walk(prune=lambda x: isinstance(x, exp.Query) and x is not node):
            if isinstance(n, exp.Column):
                out |= self.column(scope, n.table, n.name)
            elif isinstance(n, exp.Query) and n is not node:
                for sub in scope.subquery_scopes:
                    if sub.expression is n or sub.expression is n.unnest():
                        for s in self.of(sub):
                            out |= s
        return out


def over_target(tree, relations, target, hole, request):
    """DELETE and UPDATE: the predicate and the new values as DuckDB expressions over the target under the alias "target"."""
    alias = tree.this.alias or tree.this.name
    where = tree.args["where"].this if tree.args.get("where") else exp.true()
    sets = []
    for e in tree.expressions if isinstance(tree, exp.Update) else []:
        if not isinstance(e, exp.EQ) or not isinstance(e.this, exp.Column):
            raise unsupported("This assignment")
        sets.append((e.this.name, e.expression))
    parts = [e for _, e in sets] + ([where] if tree.args.get("where") else [])
    refs = sum(len(references(p)) for p in parts)
    if refs != len(relations):
        raise unsupported("This statement")
    select = exp.Select(expressions=[exp.alias_(e.copy(), f"v{i}") for i, (_, e) in enumerate(sets)] + [exp.alias_(where.copy(), "where_")])
    name = hole.make({"target": True})
    table = exp.Table(this=exp.to_identifier(name, quoted=True), alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    schema = {name: {c["name"].lower(): c["type"] for c in target}}
    COLUMNS.clear()
    COLUMNS[name] = [c["name"] for c in target]
    rel_of = {}
    at = 0
    for p in select.expressions:
        for t in references(p):
            rel = relations[at]
            ref = hole.make({"rel": at})
            t.set("alias", exp.TableAlias(this=exp.to_identifier(t.alias or t.name, quoted=True)))
            t.set("this", exp.to_identifier(ref, quoted=True))
            t.set("db", None)
            t.set("catalog", None)
            schema[ref] = {c["name"].lower(): c["type"] for c in rel["columns"]}
            rel_of[ref] = at
            at += 1
    select = select.from_(table)
    for c in select.find_all(exp.Column):
        c.set("db", None)
        c.set("catalog", None)
    strict.before(select)
    bind_functions(select, hole)
    mapping = MappingSchema(schema, dialect="databricks", normalize=False)
    select = qualified(select, mapping)
    lineage = []
    lookup = Lineage({**rel_of, name: len(relations)}, relations + [{"columns": target}])
    outputs = lookup.of(build_scope(select))
    seen = policy.Target(request, alias.lower(), target, lambda node: bind_functions(node, hole))
    seen.masked(select)
    last = select.selects[-1]
    last.set("this", seen.visible(last.this.copy()))
    select = annotate_types(select, schema=mapping, dialect="databricks")
    strict.after(select, set())
    select = dialect.to_duckdb(select)
    out = {"target_alias": alias.lower(), "assignments": [], "predicate": hole.pieces(generate(select.selects[-1].this)), "lineage": lineage}
    by_name = {c["name"].lower(): c["name"] for c in target}
    for i, (column, _) in enumerate(sets):
        if column.lower() not in by_name:
            raise unresolved(column, [f"{alias}.{c['name']}" for c in target])
        out["assignments"].append({"column": by_name[column.lower()], "value": hole.pieces(generate(select.selects[i].this))})
        lineage.append(sorted(outputs[i]))
    return out
