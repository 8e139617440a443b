"""MERGE: its condition and clauses as DuckDB expressions over the two aliases."""
from sqlglot import exp
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

import dialect
import policy
import rewrite
import strict
from errors import Refused, syntax, unsupported
from merge import kind_of


def rewritten(tree, source, target, hole, request):
    using = tree.args["using"]
    target_alias = (tree.this.alias or tree.this.name).lower()
    source_alias = (using.alias or (using.this.name if isinstance(using, exp.Table) else "")).lower()
    if not source_alias:
        source_alias = "source_"
    if source_alias == target_alias:
        raise unsupported(f"MERGE of a target and a source that are both called `{target_alias}`", "Give one an alias.")
    names = [c["name"].lower() for c in source]
    doubled = {n for n in names if names.count(n) > 1}
    seen = policy.Target(request, target_alias, target, lambda node: rewrite.bind_functions(node, hole))
    both = Side(hole, [(target_alias, target), (source_alias, source)], seen)
    only_source, only_target = Side(hole, [(source_alias, source)]), Side(hole, [(target_alias, target)], seen)
    on = both.add(tree.args["on"], seen.joined)
    own = {c["name"].lower(): c["name"] for c in target}
    clauses = []
    for when in tree.args["whens"].expressions:
        kind = kind_of(when)
        side = {"matched": both, "not_matched": only_source, "by_source": only_target}[kind]
        condition = when.args.get("condition")
        if kind == "by_source" and condition is None and (request.get("policy") or {}).get("filter"):
            condition = exp.true()  # for the filter to stand in
        clause = {"kind": kind, "columns": [], "values": [], "condition": side.add(condition, seen.visible if side is not only_source else None) if condition is not None else None}
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
                        raise rewrite.unresolved(f"{e.this.table}.{e.this.name}", [f"{target_alias}.{c['name']}" for c in target])
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
                columns = [c.name for c in then.this.expressions] if isinstance(then.this, exp.Tuple) else [then.this.this.name if isinstance(then.this, exp.Paren) else then.this.name]
                if len(columns) != len(values):
                    raise syntax("')'", f"{len(columns)} columns and {len(values)} values in INSERT")
                pairs = list(zip(columns, values))
        else:
            raise unsupported("This clause of MERGE")
        for name, value in pairs:
            if name.lower() not in own:
                raise rewrite.unresolved(name, [f"{target_alias}.{c['name']}" for c in target])
            if own[name.lower()] in clause["columns"]:
                raise syntax(f"'{name}'", "a column is assigned twice")
            clause["columns"].append(own[name.lower()])
            clause["values"].append(side.add(value))
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


class Side:
    """Expressions that see the same tables, qualified and generated in one go."""

    def __init__(self, hole, tables, seen=None):
        self.hole, self.tables, self.seen, self.expressions, self.guards = hole, tables, seen, [], []

    def add(self, expression, guard=None):
        """`guard`: what a governed target makes of the qualified expression."""
        self.expressions.append(expression.copy())
        self.guards.append(guard)
        return len(self.expressions) - 1

    def finish(self, doubled, source_alias):
        self.text, self.sources = [], []
        if not self.expressions:
            return
        schema = {}
        rewrite.COLUMNS.clear()
        select = exp.Select(expressions=[exp.alias_(e, f"v{i}_", quoted=True) for i, e in enumerate(self.expressions)])
        for i, (alias, columns) in enumerate(self.tables):
            name = f"{self.hole.prefix}m{i}"
            schema[name] = {c["name"].lower(): c["type"] for c in columns}
            rewrite.COLUMNS[name] = [c["name"] for c in columns]
            table = exp.Table(this=exp.to_identifier(name, quoted=True), alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
            select = select.from_(table) if i == 0 else select.join(table, join_type="cross")
        for c in select.find_all(exp.Column):
            c.set("db", None)
            c.set("catalog", None)
        strict.before(select)
        rewrite.bind_functions(select, self.hole)
        mapping = MappingSchema(schema, dialect="databricks", normalize=False)
        select = rewrite.qualified(select, mapping)
        for p in select.selects:
            used = []
            for c in p.find_all(exp.Column):
                if c.table == source_alias:
                    if c.name in doubled:
                        raise Refused("unresolved_column", f"[AMBIGUOUS_REFERENCE] Reference `{c.name}` is ambiguous: the source has it twice. SQLSTATE: 42704")
                    if c.name not in used:
                        used.append(c.name)
            self.sources.append(used)
        if self.seen is not None:
            self.seen.masked(select)
            for p, guard in zip(select.selects, self.guards):
                if guard is not None:
                    p.set("this", guard(p.this.copy()))
        select = annotate_types(select, schema=mapping, dialect="databricks")
        strict.after(select, set())
        select = dialect.to_duckdb(select)
        self.text = [self.hole.pieces(rewrite.generate(p.this)) for p in select.selects]
