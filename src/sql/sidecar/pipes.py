"""Queries with pipes: each operator is a query of its own over the relation that those before it made, whose columns keep the names of their tables."""
from sqlglot import exp

from catalogue import GENERATORS
from errors import quoted, raised, unsupported
from expressions import ColumnNode, column_parts, unresolved
from kinds import ident
from pipe_syntax import Operator
from scopes import Col, Item, Query, Scope, Source


class Stage(exp.Expression):
    """The relation so far, as what a FROM is over. `scope`: its columns by their names."""

    arg_types = {"text": True, "scope": True}

    def copy(self):
        return self

    def __deepcopy__(self, memo):
        return self


class Pipes:
    def piped(self, node, outer):
        before = len(self.outer_depths)
        stage = self.first(node.this, outer)
        for step in node.expressions:
            stage = getattr(self, "pipe_" + step.args["kind"])(stage, step, outer)
            if any(s.level for s in stage.args["scope"].sources):
                raise unsupported("A recursive reference in a query with pipes", "Write SELECT.")
        depth = outer.depth + 1 if outer is not None else 0
        if any(d < depth for d in self.outer_depths[before:]) and any(step.args.get(k) for step in node.expressions for k in ("limit", "offset")):
            raise unsupported("LIMIT by a pipe in a correlated subquery", "Write SELECT ... ORDER BY ... LIMIT.")
        return self.select(exp.Select(expressions=self.nodes(seen(stage)), from_=exp.From(this=stage)), outer)

    def first(self, node, outer):
        """What the first operator is over."""
        plain = isinstance(node, exp.Select) and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Star) and not any(node.expressions[0].args.values())
        if plain and not any(v for k, v in node.args.items() if k not in ("expressions", "from_", "joins", "laterals")) and node.args.get("from_"):
            return self.stage(node, outer)
        if isinstance(node, (exp.Values, exp.Table)):
            return self.stage(exp.Select(from_=exp.From(this=node)), outer)
        return self.carried(self.query(node, outer), outer)

    def stage(self, node, outer):
        """The FROM of a query by itself."""
        scope = Scope(outer)
        return Stage(text=self.from_clause(node, scope, outer)[len(" FROM "):], scope=scope)

    def carried(self, q, outer, entries=None):
        """A finished query as a stage. `entries`: of each column the parts of its table's name and how it is found; else the names that it says itself."""
        if not q.columns:
            raise unsupported("A query without columns")
        own, scope = self.fresh(), Scope(outer)
        whole = Source([], own, q.columns)
        whole.level = f"{ident(own)}.{q.level}" if q.level else None
        sql, narrow = q.narrow or (q.sql, {})
        by_name = {}
        scope.order = []
        for place, (item, column) in enumerate(zip(whole.items, q.columns)):
            if place in narrow:
                item.e.narrow = f"{ident(own)}.{narrow[place]}"
            names, found = entries[place] if entries is not None else (column.qualifier, "plain")
            item.hidden = found == "hidden"
            item.e.qualifier = names
            source = by_name.get(tuple(n.lower() for n in names))
            if source is None:
                source = by_name[tuple(n.lower() for n in names)] = Source(list(names), own, [])
                source.level = whole.level
                scope.sources.append(source)
            if found == "virtual":
                source.virtual.append(item)
                continue
            source.items.append(item)
            if not item.hidden:
                scope.order.append(item)
        return Stage(text=f"({sql}) AS {ident(own)}", scope=scope)

    @staticmethod
    def nodes(items):
        return [ColumnNode(i.e, i.name) for i in items]

    def over(self, stage, listed, outer, **clauses):
        """A query over a stage whose list begins with these (node, names, how it is found); what the stage hides is carried beside them."""
        hidden = beside(stage)
        q = self.select(exp.Select(expressions=[n for n, _, _ in listed] + self.nodes(i for i, _, _ in hidden), from_=exp.From(this=stage), **clauses), outer)
        return self.carried(q, outer, [(names, found) for _, names, found in listed] + [(names, found) for _, names, found in hidden])

    @staticmethod
    def kept(items):
        return [(ColumnNode(i.e, i.name), i.e.qualifier, "plain") for i in items]

    # --- operators ---------------------------------------------------------------------------------------------------------------------------
    def pipe_select(self, stage, step, outer):
        return self.carried(self.select(exp.Select(expressions=step.expressions, from_=exp.From(this=stage), **{k: v for k, v in step.args.items() if k in ("distinct", "group", "windows") and v}), outer), outer)

    def pipe_extend(self, stage, step, outer):
        added = [self.checked("EXTEND", n) for n in step.expressions]
        columns = [isinstance(n, exp.Column) for n in added]
        scope = stage.args["scope"]
        qualifiers = [(found.qualifier if found is not None else ()) for found in (scope.in_sources_quietly(self, [p.name for p in n.parts]) if plain else None for n, plain in zip(added, columns))]
        return self.over(stage, self.kept(seen(stage)) + [(n, q, "plain") for n, q in zip(added, qualifiers)], outer)

    def checked(self, clause, node):
        """An expression of EXTEND or SET, which is one value for each row."""
        from queries import has_aggregate

        inner = node.this if isinstance(node, (exp.Alias, exp.Aliases)) else node
        if isinstance(inner, exp.Star) or isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star):
            raise raised("INVALID_USAGE_OF_STAR_OR_REGEX", "Invalid usage of '*' in expression `pipeexpression`.", "42000")
        if has_aggregate(inner):
            call = next(n for n in inner.walk() if isinstance(n, exp.Anonymous) and has_aggregate(n))
            raise raised("PIPE_OPERATOR_CONTAINS_AGGREGATE_FUNCTION", f"Non-grouping expression {self.shown(call)} is provided as an argument to the |> {clause} pipe operator but contains an aggregate function; please update it to a non-aggregate expression.", "0A000")
        if isinstance(inner, exp.Anonymous) and inner.name.lower() in GENERATORS and not self.is_local([inner.name]):
            raise unsupported(f"A generator in the pipe operator {clause}", "Write |> SELECT *, or LATERAL VIEW.")
        return node

    def pipe_set(self, stage, step, outer):
        for assigned in step.expressions:
            name = assigned.this.name
            items = seen(stage)
            hits = [n for n, i in enumerate(items) if i.name.lower() == name.lower()]
            if not hits:
                raise unresolved(quoted(name), name, [(i.name,) for i in items])
            if len(hits) > 1:
                raise raised("AMBIGUOUS_REFERENCE", f"Reference {quoted(name)} is ambiguous.", "42704")
            listed = self.kept(items)
            value = self.checked("SET", assigned.expression)
            listed[hits[0]] = (exp.Alias(this=value, alias=exp.to_identifier(items[hits[0]].name, quoted=True)), (), "plain")
            stage = self.over(stage, listed, outer)
        return stage

    def pipe_drop(self, stage, step, outer):
        scope = stage.args["scope"]
        by_value = {id(i): i for i in seen(stage)}
        for node in step.expressions:
            parts = column_parts(node)
            if len(parts) > 1:
                self.resolve(parts, scope)  # which names the field that a struct does not have
        left = scope.star(self, exp.Star(except_=step.expressions))
        return self.over(stage, [(ColumnNode(i.e, i.name), i.e.qualifier if id(i) in by_value else (), "plain") for i in left], outer) if left else self.carried(Query("", []), outer)

    def pipe_as(self, stage, step, outer):
        q = self.select(exp.Select(expressions=self.nodes(seen(stage)), from_=exp.From(this=stage)), outer)
        return self.carried(q, outer, [((step.name,), "plain") for _ in q.columns])

    def pipe_where(self, stage, step, outer):
        from queries import has_aggregate

        for column in step.this.find_all(exp.Column) if has_aggregate(step.this) else ():
            if column.find_ancestor(exp.Query, Operator) is step and not isinstance(column.this, exp.Star) and column.find_ancestor(exp.Lambda) is None:
                self.compile(column, stage.args["scope"].base())  # a name that is none is told before a function that may not stand here
        return self.over(stage, self.kept(seen(stage)), outer, where=exp.Where(this=step.this))

    def pipe_order(self, stage, step, outer):
        clauses = {k: step.args[k] for k in ("order", "sort", "cluster", "distribute", "limit", "offset") if step.args.get(k) is not None}
        items = seen(stage)
        for key in ("order", "sort", "cluster", "distribute"):
            if clauses.get(key) is None:
                continue
            listed = []
            for given in clauses[key].expressions:
                this = given.this if isinstance(given, exp.Ordered) else given
                if isinstance(this, exp.Literal) and not this.is_string and this.this.isdigit() and not 1 <= int(this.this) <= len(items):
                    raise raised("ORDER_BY_POS_OUT_OF_RANGE", f"ORDER BY position {this.this} is not in select list (valid range is [1, {len(items)}]).", "42805")
                if key == "distribute":
                    self.compile(this, stage.args["scope"].base("DISTRIBUTE BY"))
                whole = isinstance(this, (exp.Var, exp.Column)) and this.name.lower() == "all" and len(clauses[key].expressions) == 1 and stage.args["scope"].in_sources_quietly(self, ["all"]) is None
                if whole and key == "order":
                    listed += [exp.Ordered(**{**given.args, "this": n}) if isinstance(given, exp.Ordered) else n for n in self.nodes(items)]
                else:
                    listed.append(given)
            clauses[key] = type(clauses[key])(expressions=listed)
        return self.over(stage, self.kept(items), outer, **clauses)

    def pipe_join(self, stage, step, outer):
        return self.stage(exp.Select(from_=exp.From(this=stage), joins=[step.this]), outer)

    def pipe_union(self, stage, step, outer):
        left = self.select(exp.Select(expressions=self.nodes(seen(stage)), from_=exp.From(this=stage)), outer)
        return self.carried(self.combined(step.this, left, self.query(step.this.expression, outer), outer), outer)

    def together(self, stage, outer):
        """A stage as one table: under the name of all its columns, if they have one."""
        items = seen(stage)
        names = {tuple(i.e.qualifier) for i in items}
        only = next(iter(names)) if len(names) == 1 else ()
        q = self.select(exp.Select(expressions=self.nodes(items), from_=exp.From(this=stage)), outer)
        return self.carried(q, outer, [(only, "plain") for _ in q.columns])

    def pipe_pivot(self, stage, step, outer):
        whole = self.together(stage, outer)
        scope = whole.args["scope"]
        return Stage(text=self.pivoted(whole.args["text"], exp.Subquery(pivots=[step.this]), scope, 0), scope=bare(scope))

    def pipe_tablesample(self, stage, step, outer):
        whole = self.together(stage, outer)
        return Stage(text=self.sampled(whole.args["text"], exp.Subquery(sample=step.this), whole.args["scope"], 0), scope=whole.args["scope"])

    def pipe_aggregate(self, stage, step, outer):
        from queries import has_aggregate, has_window

        items = seen(stage)
        for value in step.expressions:
            inner = value.this if isinstance(value, exp.Alias) else value
            if has_window(inner):
                raise raised("UNSUPPORTED_FEATURE.PIPE_OPERATOR_AGGREGATE_UNSUPPORTED_CASE", "The feature is not supported: The SQL pipe operator syntax with aggregation (using |> AGGREGATE) does not support window functions; please update the query to move the window functions to a subsequent |> SELECT operator instead.", "0A000")
            if isinstance(inner, exp.Column):
                self.compile(inner, stage.args["scope"])  # what is no column at all is told first
            if not has_aggregate(inner):
                raise raised("PIPE_OPERATOR_AGGREGATE_EXPRESSION_CONTAINS_NO_AGGREGATE_FUNCTION", f"Non-grouping expression {self.shown(inner)} is provided as an argument to the |> AGGREGATE pipe operator but does not contain any aggregate function; please update it to include an aggregate function and then retry the query again.", "0A000")
        keys, listed = [], []
        for given in step.args["group"].expressions:
            inner = given.this if isinstance(given, exp.Alias) else given
            if isinstance(inner, exp.Literal) and not inner.is_string and inner.this.isdigit():
                if not 1 <= int(inner.this) <= len(items):
                    raise raised("GROUP_BY_POS_OUT_OF_RANGE", f"GROUP BY position {inner.this} is not in select list (valid range is [1, {len(items)}]).", "42805")
                place = items[int(inner.this) - 1]
                given = inner = ColumnNode(place.e, place.name)
                keys.append(inner)
                listed.append(given)
                continue
            keys.append(inner.copy())
            listed.append(given)
        node = exp.Select(expressions=listed + step.expressions, from_=exp.From(this=stage), group=exp.Group(expressions=keys) if keys else None)
        return self.carried(self.select(node, outer), outer)


def seen(stage):
    """The columns of a stage that * stands for."""
    scope = stage.args["scope"]
    return scope.order if scope.order is not None else [i for s in scope.sources for i in s.items if not i.hidden]


def beside(stage):
    """Those that are found by their table's name alone, and those that no star stands for: (item, names, how it is found)."""
    scope = stage.args["scope"]
    shown = {(i.name.lower(), i.e.sql, i.e.qualifier) for i in seen(stage)}  # a column of USING is its side's
    out = [(i, tuple(s.shown), "hidden") for s in scope.sources for i in s.items if (i.name.lower(), i.e.sql, i.e.qualifier) not in shown and s.names]
    return out + [(i, tuple(s.shown), "virtual") for s in scope.sources for i in s.virtual]


def bare(scope):
    """A scope whose columns are those of its sources, in their order."""
    scope.order = None
    return scope


def stage_relation(node, scope):
    """A stage as the first relation of a FROM."""
    given = node.args["scope"]
    scope.sources += given.sources
    scope.merged, scope.order = list(given.merged), list(given.order) if given.order is not None else None
    return node.args["text"]
