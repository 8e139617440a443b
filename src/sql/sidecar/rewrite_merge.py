"""MERGE: its condition and clauses as DuckDB expressions over the two aliases."""
from sqlglot import exp

import routines
from errors import Refused, quoted, raised, syntax, unsupported
from expressions import unresolved
from kinds import BOOLEAN, VOID, ident, of_text, physical
from merge import inserted, kind_of, parts_of
from queries import Compiler
from relations import parse_kind
from scopes import Col, Scope, Source
from values import E, cast, made


def rewritten(tree, relations, target, hole, parameters, request):
    """`relations`: the source, then what subqueries read."""
    from rewrite import numbered

    source, read = relations[0]["columns"], relations[1:]
    if numbered(parts_of(tree)) != len(read):
        raise unsupported("This MERGE")
    using = tree.args["using"]
    target_alias = (tree.this.alias or tree.this.name).lower()
    source_alias = (using.alias or (using.this.name if isinstance(using, exp.Table) else "")).lower()
    if not source_alias:
        source_alias = "source_"
    if source_alias == target_alias:
        raise unsupported(f"MERGE of a target and a source that are both called `{target_alias}`", "Give one an alias.")
    names = [c["name"].lower() for c in source]
    doubled = {n for n in names if names.count(n) > 1}
    evolves = request.get("evolved") is not None
    both = Side(hole, [(target_alias, target), (source_alias, source)], parameters, request, evolves, read)
    only_source, only_target = Side(hole, [(source_alias, source)], parameters, None, evolves, read), Side(hole, [(target_alias, target)], parameters, request, evolves, read)
    on = both.add(tree.args["on"], "on")
    columns_now = request["evolved"] if evolves else target
    own = {c["name"].lower(): c["name"] for c in columns_now}
    types = {c["name"]: c["type"] for c in columns_now}
    before = {c["name"].lower() for c in target}
    given = [c["name"] for c in (source if evolves else target)]
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
                    pairs += [(name, star(name, names, source_alias, "UPDATE")) for name in given]
                elif isinstance(e, exp.EQ) and isinstance(e.this, exp.Column):
                    if e.this.table and e.this.table.lower() != target_alias:
                        raise unresolved(f"{quoted(e.this.table)}.{quoted(e.this.name)}", e.this.name, [(target_alias, c["name"]) for c in target])
                    if evolves and e.this.name.lower() not in before and (e.this.table or kind == "by_source"):
                        raise no_column(e.this.name, target_alias, target)
                    pairs.append((e.this.name, e.expression))
                else:
                    raise unsupported("This assignment")
        elif isinstance(then, exp.Insert):
            clause["action"] = "insert"
            if kind != "not_matched":
                raise syntax("'INSERT'", "only rows that are not matched can be inserted")
            if isinstance(then.this, exp.Star):
                pairs = [(name, star(name, names, source_alias, "INSERT")) for name in given]
            else:
                values = then.expression.expressions if isinstance(then.expression, exp.Tuple) else [then.expression.this if isinstance(then.expression, exp.Paren) else then.expression]
                columns = [c["name"] for c in target] if then.this is None else [c.name for c in inserted(then)]
                if len(columns) != len(values):
                    raise syntax("')'", f"{len(columns)} columns and {len(values)} values in INSERT")
                pairs = list(zip(columns, values))
        else:
            raise unsupported("This clause of MERGE")
        for name, value in pairs:
            if name.lower() not in own:
                if evolves:
                    raise no_column(name, target_alias, target)
                raise unresolved(quoted(name), name, [(target_alias, c["name"]) for c in target])
            if own[name.lower()] in clause["columns"]:
                raise syntax(f"'{name}'", "a column is assigned twice")
            clause["columns"].append(own[name.lower()])
            column = own[name.lower()]
            # UPDATE SET * of a struct leaves the fields alone that the source does not have.
            kept = f"{ident(target_alias)}.{ident(column)}" if evolves and clause["action"] == "update" and any(isinstance(e, exp.Star) for e in then.expressions) else None
            clause["values"].append(side.add(value, ("store", types[column], kept)))
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


def no_column(name, target_alias, target):
    return Refused("unresolved_column", f"[DELTA_MERGE_UNRESOLVED_EXPRESSION] Cannot resolve {name} in UPDATE or INSERT clause given columns {', '.join(target_alias + '.' + c['name'] for c in target)}. SQLSTATE: 42601")


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


def fitted(x, a, to, kept=None, depth=0):
    """A nested value in the shape of a column that has its fields and maybe more: by name; what it lacks is NULL, or what `kept` has there."""
    if a == to or a == VOID:
        return x if a == to else f"CAST(NULL AS {physical(to)})"
    v = f"f{depth}_"
    if a.name == to.name == "struct":
        have = {f.lower(): (f, k) for f, k in a.args}
        keeps = kept is not None and lacks(a, to)
        fields = []
        for f, k in to.args:
            inner = f"({kept}).{ident(f)}" if keeps else None
            if f.lower() in have:
                g, mine = have[f.lower()]
                fields.append(f"{ident(f)} := {fitted(f'({x}).{ident(g)}', mine, k, inner, depth)}")
            else:
                fields.append(f"{ident(f)} := {inner or f'CAST(NULL AS {physical(k)})'}")
        there = f"({x}) IS NOT NULL" + (f" OR ({kept}) IS NOT NULL" if keeps else "")
        return f"CASE WHEN {there} THEN struct_pack({', '.join(fields)}) END"
    if a.name == to.name == "array":
        return f"list_transform({x}, lambda {v}: {fitted(v, a.args[0], to.args[0], None, depth + 1)})"
    if a.name == to.name == "map":
        key, value = fitted(f'{v}."key"', a.args[0], to.args[0], None, depth + 1), fitted(f'{v}."value"', a.args[1], to.args[1], None, depth + 1)
        return f"map_from_entries(list_transform(map_entries({x}), lambda {v}: {{'key': {key}, 'value': {value}}}))"
    return cast(E(x, a), to).sql


def lacks(a, to):
    """Whether a struct has fields, at any depth of structs, that the other has not."""
    have = {f.lower(): k for f, k in a.args}
    return any(f.lower() not in have or k.name == have[f.lower()].name == "struct" and lacks(have[f.lower()], k) for f, k in to.args)


class Side:
    """Expressions that see the same tables."""

    def __init__(self, hole, tables, parameters, request=None, evolves=False, read=()):
        """`request`: with the policy of the first table, which is the target; `read`: the relations of subqueries."""
        self.hole, self.tables, self.parameters, self.request, self.expressions = hole, tables, parameters, request or {}, []
        self.evolves, self.read = evolves, list(read)

    def add(self, expression, place=""):
        self.expressions.append((expression.copy(), place))
        return len(self.expressions) - 1

    def finish(self, doubled, source_alias):
        from rewrite import nested, stored

        self.text, self.sources = [], []
        first = len(self.read)
        c = Compiler(self.hole, self.read + [{"columns": columns} for _, columns in self.tables], self.parameters, self.request)
        scope = Scope()
        for i, (alias, columns) in enumerate(self.tables):
            scope.sources.append(Source([alias], alias, [Col(x["name"], of_text(x["type"], parse_kind), ident(x["name"]), {(first + i, x["name"].lower())}, x.get("declared", "")) for x in columns]))
        seen = routines.Policy(self.request).apply(c, scope.sources[0]) if self.request.get("policy") else None
        place = next((i for i, (alias, _) in enumerate(self.tables) if alias == source_alias), None)
        for node, where in self.expressions:
            before = len(c.outer_depths)
            e = c.compile(node, scope) if where != "on" or seen is None else joined(c, node, scope, seen)
            if any(depth <= scope.depth for depth in c.outer_depths[before:]):
                raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY", "Unsupported subquery expression: a subquery in a value of MERGE cannot use columns of its source or target. Join it into the source.", "0A000")
            if isinstance(where, tuple):
                wanted = of_text(where[1], parse_kind)
                e = made(fitted(e.sql, e.kind, wanted, where[2]), wanted, e) if self.evolves and wanted.args and e.kind.args and nested(wanted) and nested(e.kind) else stored(e, where[1])
            if where == "condition":
                e.sql = routines.guarded(seen, e.sql)
            used = sorted(name for i, name in e.refs if place is not None and i == first + place)
            for name in used:
                if name in doubled:
                    raise Refused("unresolved_column", f"[AMBIGUOUS_REFERENCE] Reference `{name}` is ambiguous: the source has it twice. SQLSTATE: 42704")
            self.text.append(self.hole.pieces(e.sql))
            self.sources.append(used)
