"""MERGE: its condition and clauses as DuckDB expressions over the two aliases."""
from sqlglot import exp

import routines
from errors import Refused, quoted, syntax, unsupported
from expressions import unresolved
from kinds import BOOLEAN, ident, of_text
from merge import kind_of
from queries import Compiler
from relations import parse_kind
from scopes import Col, Scope, Source
from values import made


def rewritten(tree, source, target, hole, parameters, request):
    using = tree.args["using"]
    target_alias = (tree.this.alias or tree.this.name).lower()
    source_alias = (using.alias or (using.this.name if isinstance(using, exp.Table) else "")).lower()
    if not source_alias:
        source_alias = "source_"
    if source_alias == target_alias:
        raise unsupported(f"MERGE of a target and a source that are both called `{target_alias}`", "Give one an alias.")
    names = [c["name"].lower() for c in source]
    doubled = {n for n in names if names.count(n) > 1}
    both = Side(hole, [(target_alias, target), (source_alias, source)], parameters, request)
    only_source, only_target = Side(hole, [(source_alias, source)], parameters), Side(hole, [(target_alias, target)], parameters, request)
    on = both.add(tree.args["on"], "on")
    own = {c["name"].lower(): c["name"] for c in target}
    clauses = []
    for when in tree.args["whens"].expressions:
        kind = kind_of(when)
        side = {"matched": both, "not_matched": only_source, "by_source": only_target}[kind]
        condition = when.args.get("condition")
        if kind == "by_source" and condition is None and (request.get("policy") or {}).get("filter"):
            condition = exp.true()  # for the filter to stand in
        clause = {"kind": kind, "columns": [], "values": [], "condition": side.add(condition, "condition") if condition is not None else None}
        then = when.args["then"]
        pairs = []
        if isinstance(then, exp.Var):
            clause["action"] = then.name.lower()
            if clause["action"] != "delete" or kind == "not_matched":
                raise syntax(f"'{then.name}'", "expected UPDATE, DELETE or INSERT as the clause allows")
        elif isinstance(then, exp.Update):
            clause["action"] = "update"
            if kind == "not_matched":
                raise syntax("'UPDATE'", "rows that are not matched can only be inserted")
            for e in then.expressions:
                if isinstance(e, exp.Star):
                    if kind != "matched":
                        raise syntax("'*'", "UPDATE SET * needs a source row")
                    pairs += [(c["name"], star(c["name"], names, source_alias, "UPDATE")) for c in target]
                elif isinstance(e, exp.EQ) and isinstance(e.this, exp.Column):
                    if e.this.table and e.this.table.lower() != target_alias:
                        raise unresolved(f"{quoted(e.this.table)}.{quoted(e.this.name)}", e.this.name, [(target_alias, c["name"]) for c in target])
                    pairs.append((e.this.name, e.expression))
                else:
                    raise unsupported("This assignment")
        elif isinstance(then, exp.Insert):
            clause["action"] = "insert"
            if kind != "not_matched":
                raise syntax("'INSERT'", "only rows that are not matched can be inserted")
            if isinstance(then.this, exp.Star):
                pairs = [(c["name"], star(c["name"], names, source_alias, "INSERT")) for c in target]
            else:
                values = then.expression.expressions if isinstance(then.expression, exp.Tuple) else [then.expression.this if isinstance(then.expression, exp.Paren) else then.expression]
                columns = [c["name"] for c in target] if then.this is None else [c.name for c in then.this.expressions] if isinstance(then.this, exp.Tuple) else [then.this.this.name if isinstance(then.this, exp.Paren) else then.this.name]
                if len(columns) != len(values):
                    raise syntax("')'", f"{len(columns)} columns and {len(values)} values in INSERT")
                pairs = list(zip(columns, values))
        else:
            raise unsupported("This clause of MERGE")
        for name, value in pairs:
            if name.lower() not in own:
                raise unresolved(quoted(name), name, [(target_alias, c["name"]) for c in target])
            if own[name.lower()] in clause["columns"]:
                raise syntax(f"'{name}'", "a column is assigned twice")
            clause["columns"].append(own[name.lower()])
            clause["values"].append(side.add(value, ("store", next(x["type"] for x in target if x["name"] == own[name.lower()]))))
        clauses.append(clause)
    for side in (both, only_source, only_target):
        side.finish(doubled, source_alias)
    for clause in clauses:
        side = {"matched": both, "not_matched": only_source, "by_source": only_target}[clause["kind"]]
        clause["sources"] = [side.sources[i] for i in clause["values"]]
        clause["values"] = [side.text[i] for i in clause["values"]]
        if clause["condition"] is None:
            del clause["condition"]
        else:
            clause["condition"] = side.text[clause["condition"]]
    return {"merge": {"target_alias": target_alias, "source_alias": source_alias, "on": both.text[on], "clauses": clauses}}


def star(name, names, source_alias, clause):
    if name.lower() not in names:
        raise Refused("unresolved_column", f"[DELTA_MERGE_UNRESOLVED_EXPRESSION] Cannot resolve {name} in {clause} clause given columns {', '.join(source_alias + '.' + n for n in names)}. SQLSTATE: 42601")
    return exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(source_alias, quoted=True))


def joined(c, node, scope, seen):
    """A join's condition over a governed target. Equality of bare columns cannot fail, and stays outside for the engine to join by."""
    free, rest = [], []
    for part in node.flatten() if isinstance(node, exp.And) else [node]:
        e = c.compile(part, scope)
        bare = isinstance(part, exp.EQ) and all(isinstance(x, exp.Column) and not c.compile(x, scope).sql.startswith("(") for x in (part.this, part.expression))
        (free if bare else rest).append(e)
    out = made(" AND ".join([f"({e.sql})" for e in free] + [routines.guarded(seen, " AND ".join(f"({e.sql})" for e in rest) or "TRUE")]), BOOLEAN, *free, *rest)
    return out


class Side:
    """Expressions that see the same tables."""

    def __init__(self, hole, tables, parameters, request=None):
        """`request`: with the policy of the first table, which is the target."""
        self.hole, self.tables, self.parameters, self.request, self.expressions = hole, tables, parameters, request or {}, []

    def add(self, expression, place=""):
        self.expressions.append((expression.copy(), place))
        return len(self.expressions) - 1

    def finish(self, doubled, source_alias):
        from rewrite import stored

        self.text, self.sources = [], []
        c = Compiler(self.hole, [{"columns": columns} for _, columns in self.tables], self.parameters, self.request)
        scope = Scope()
        for i, (alias, columns) in enumerate(self.tables):
            scope.sources.append(Source([alias], alias, [Col(x["name"], of_text(x["type"], parse_kind), ident(x["name"]), {(i, x["name"].lower())}) for x in columns]))
        seen = routines.Policy(self.request).apply(c, scope.sources[0]) if self.request.get("policy") else None
        place = next((i for i, (alias, _) in enumerate(self.tables) if alias == source_alias), None)
        for node, where in self.expressions:
            e = c.compile(node, scope) if where != "on" or seen is None else joined(c, node, scope, seen)
            if isinstance(where, tuple):
                e = stored(e, where[1])
            if where == "condition":
                e.sql = routines.guarded(seen, e.sql)
            used = sorted(name for i, name in e.refs if i == place)
            for name in used:
                if name in doubled:
                    raise Refused("unresolved_column", f"[AMBIGUOUS_REFERENCE] Reference `{name}` is ambiguous: the source has it twice. SQLSTATE: 42704")
            self.text.append(self.hole.pieces(e.sql))
            self.sources.append(used)
