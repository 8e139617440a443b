"""PIVOT and UNPIVOT over a relation."""
from sqlglot import exp

from catalogue import AGGREGATES
from errors import raised, unsupported
from expressions import ColumnNode
from kinds import STRING, all_common, common, ident, text
from scopes import Col, Item, Query, Scope, Source
from values import E, cast, castable, literal_of, made
from windows import TAIL, taken_apart


class Pivots:
    def pivoted(self, out, node, scope, before):
        for p in node.args.get("pivots") or []:
            inner = Scope(scope.parent)
            inner.sources = scope.sources[before:]
            q = self.unpivot(p, out, inner) if p.args.get("unpivot") else self.pivot(p, out, inner)
            alias = p.alias or ""
            own = self.fresh()
            del scope.sources[before:]
            scope.sources.append(Source([alias] if alias else [], own, q.columns))
            out = f"({q.sql}) AS {ident(own)}"
        return out

    def pivot(self, node, source, scope):
        from names import output_name

        if len(node.args.get("fields") or []) != 1 or node.args.get("group"):
            raise unsupported("This PIVOT")
        (field,) = node.args["fields"]
        keys = [self.compile(x, scope) for x in (field.this.expressions if isinstance(field.this, exp.Tuple) else [field.this])]
        for k, shown in zip(keys, field.this.expressions if isinstance(field.this, exp.Tuple) else [field.this]):
            if k.kind.name in ("map", "interval", "variant"):
                raise raised("INCOMPARABLE_PIVOT_COLUMN", f"Invalid pivot column `{self.shown(shown)}`. Pivot columns must be comparable.", "42818")
        scope_base = scope.base("aggregate")
        aggregates = []
        used = set()
        for a in node.expressions:
            inner = a.this if isinstance(a, exp.Alias) else a
            for col in inner.find_all(exp.Column):
                used.add(self.compile(col, scope_base).sql if not isinstance(col.this, exp.Star) else "")
            aggregates.append((output_name(a, self), self.pivoted_value(inner, scope_base)))
        for col in field.this.find_all(exp.Column):
            used.add(self.compile(col, scope).sql)
        if isinstance(field.this, exp.Column):
            used.add(keys[0].sql)
        groups = [i for s in scope.sources for i in s.items if not i.hidden and i.e.sql not in used]
        columns, listed = [], []
        for n, g in enumerate(groups):
            columns.append(Col(g.name, g.e.kind, f'"c{n}"', g.e.refs))
            listed.append(f"{g.e.sql} AS \"c{n}\"")
        for value in field.expressions:
            title = value.alias if isinstance(value, (exp.PivotAlias, exp.Alias)) else None
            inner = value.this if isinstance(value, (exp.PivotAlias, exp.Alias)) else value
            if isinstance(title, exp.Expression):
                title = title.name
            parts = inner.expressions if isinstance(inner, exp.Tuple) else [inner.this if isinstance(inner, exp.Paren) else inner]
            values = [self.compile(x, scope) for x in parts]
            shown_values = values
            if len(keys) == 1 and keys[0].kind.name == "struct" and isinstance(inner, exp.Tuple):  # one struct
                parts, values = [inner], [self.compile(inner, scope)]
            if len(values) != len(keys):
                raise raised("PIVOT_VALUE_DATA_TYPE_MISMATCH", f"Invalid pivot value '{self.shown(inner)}': value data type does not match pivot column data type.", "42K09")
            conditions = []
            for k, v, x in zip(keys, values, parts):
                if not v.foldable:
                    raise raised("NON_LITERAL_PIVOT_VALUES", f'Literal expressions required for pivot values, found "{self.shown(x)}".', "42K08")
                if common(k.kind, v.kind) is None and not (k.kind.name == "struct" and castable(v.kind, k.kind)):
                    raise raised("PIVOT_VALUE_DATA_TYPE_MISMATCH", f"Invalid pivot value '{self.shown(inner)}': value data type \"{v.kind}\" does not match pivot column data type \"{k.kind}\".", "42K09")
                conditions.append(f"{k.sql} IS NOT DISTINCT FROM {cast(v, k.kind).sql}")
            condition = " AND ".join(conditions)
            if title is None:
                title = shown_value(self, inner, shown_values)
            for name, e in aggregates:
                ref = f'"c{len(columns)}"'
                columns.append(Col(title if len(aggregates) == 1 else f"{title}_{name}", e.kind, ref, e.refs))
                listed.append(f"CASE WHEN count(*) FILTER (WHERE {condition}) > 0 THEN {e.sql.replace(TAIL, f' FILTER (WHERE {condition})')} END AS {ref}")
        group = " GROUP BY " + ", ".join(g.e.sql for g in groups) if groups else ""
        return Query(f"SELECT {', '.join(listed)} FROM {source}{group}", columns)

    def pivoted_value(self, node, scope):
        """What a column of PIVOT computes: an aggregate, or an expression over aggregates and constants."""
        from queries import aggregates_of

        found = aggregates_of(node)

        def required(part):
            return raised("_LEGACY_ERROR_TEMP_1006", f"Aggregate expression required for pivot, but '{self.shown(part)}' did not appear in any aggregate function.", "42000")

        if not found:
            raise required(node)
        put = {}
        for call_node in found:
            around = call_node
            while isinstance(around.parent, (exp.Filter, exp.WithinGroup, exp.IgnoreNulls, exp.RespectNulls, exp.Window)) and around.parent.this is around and around is not node:
                around = around.parent
            call = taken_apart(around)
            if call is None or call.window:
                raise required(node)
            if call.filter is not None:
                raise unsupported("FILTER in PIVOT")
            put[id(around)] = AGGREGATES[call.name](self, call, scope)
        if id(node) in put:
            return put[id(node)]
        over = with_values(node, put)
        for col in over.find_all(exp.Column):
            raise required(col)
        return self.compile(over, Scope())

    def unpivot(self, node, source, scope):
        if len(node.args.get("fields") or []) != 1:
            raise unsupported("This UNPIVOT")
        (field,) = node.args["fields"]
        value_names = [i.name for v in node.expressions for i in (v.expressions if isinstance(v, exp.Tuple) else [v])]
        name = field.this.name
        rows, taken = [], set()
        for entry in field.expressions:
            title = entry.args.get("alias").name if isinstance(entry, exp.PivotAlias) else None
            inner = entry.this if isinstance(entry, exp.PivotAlias) else entry
            parts = inner.expressions if isinstance(inner, exp.Tuple) else [inner.this if isinstance(inner, exp.Paren) else inner]
            found = [self.compile(p, scope) for p in parts]
            if len(found) != len(value_names):
                raise raised("UNPIVOT_VALUE_SIZE_MISMATCH", f"All unpivot value columns must have the same size as there are value column names ({', '.join(value_names)}).", "428C4")
            taken |= {f.sql for f in found}
            rows.append((title if title is not None else "_".join(p.name for p in parts), found))
        kinds = []
        for i in range(len(value_names)):
            k = all_common([r[1][i].kind for r in rows])
            if k is None:
                raise raised("UNPIVOT_VALUE_DATA_TYPE_MISMATCH", "Unpivot value columns must share a least common type, some types do not.", "42K09")
            kinds.append(k)
        kept = [i for s in scope.sources for i in s.items if not i.hidden and i.e.sql not in taken]
        columns = [Col(i.name, i.e.kind, f'"c{n}"', i.e.refs) for n, i in enumerate(kept)]
        n = len(columns)
        columns.append(Col(name, STRING, f'"c{n}"'))
        columns += [Col(v, k, f'"c{n + 1 + i}"', frozenset().union(*(r[1][i].refs for r in rows))) for i, (v, k) in enumerate(zip(value_names, kinds))]
        listed = [f"{i.e.sql} AS {c.ref}" for i, c in zip(kept, columns)] + [f"u_.{c.ref} AS {c.ref}" for c in columns[n:]]
        text_rows = ", ".join("(" + ", ".join([text(title)] + [cast(e, k).sql for e, k in zip(found, kinds)]) + ")" for title, found in rows)
        where = "" if node.args.get("include_nulls") else " WHERE " + " OR ".join(f"u_.{c.ref} IS NOT NULL" for c in columns[n + 1:])
        return Query(f"SELECT {', '.join(listed)} FROM {source} CROSS JOIN LATERAL (SELECT * FROM (VALUES {text_rows}) AS t_({', '.join(c.ref for c in columns[n:])})) AS u_{where}", columns)


def with_values(node, put):
    """A copy of an expression with what these nodes compute in their places."""
    if id(node) in put:
        return ColumnNode(put[id(node)], "")
    out = type(node)()
    for key, value in node.args.items():
        out.set(key, [with_values(v, put) if isinstance(v, exp.Expression) else v for v in value] if isinstance(value, list) else with_values(value, put) if isinstance(value, exp.Expression) else value)
    return out


def shown_value(c, node, values):
    if isinstance(node, exp.Tuple):
        return "{" + ", ".join(str(v.lit) if v.is_literal else c.shown(x) for v, x in zip(values, node.expressions)) + "}"
    v = values[0]
    return "null" if v.lit is None else str(v.lit) if v.is_literal and not isinstance(v.lit, bool) else c.shown(node)
