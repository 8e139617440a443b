"""Queries: SELECT with its clauses, set operations, common table expressions. Each is DuckDB text with named and typed columns."""
import re

from sqlglot import exp

import generated_groups
from bounds import Bounds
from catalogue import AGGREGATES, FUNCTIONS, GENERATORS
from conditions import in_filter
from errors import Refused, mismatch, quoted, raised, syntax, unsupported
from expressions import WINDOW_ONLY, ColumnNode, Expressions, column_parts, unresolved
from grouping import Layer
from kinds import BOOLEAN, INT, STRING, VOID, any_in, common, ident, integral, of_text, orderable, physical, text
from names import output_name
from pipe_syntax import Piped
from pipes import Pipes
from relations import Relations, misplaced, parse_kind
from scopes import Col, Item, Query, Scope, Source
from values import E, cast, castable, implicit, literal_of, made, string_sql as sql_text
from windows import Windows


class Compiler(Expressions, Relations, Windows, Pipes):
    def __init__(self, hole, relations, parameters=None, request=None):
        Expressions.__init__(self, hole, parameters, "`current`.`schema`")
        self.relations = relations
        self.functions = (request or {}).get("functions") or []
        self.named_functions = {k.lower(): v for k, v in ((request or {}).get("routines") or {}).items()}
        self.endpoints = (request or {}).get("endpoints") or {}  # of ai_query: what type each answers
        self.expanding = 0
        self.session_variables = (request or {}).get("variables") or {}
        self.ctes = [{}]
        self.recursion = []  # the scopes around the steps of recursive queries that are being compiled
        self.aliases = 0
        self.bounds = Bounds()

    def session_variable(self, name):
        """A variable of the session: a constant, though not a literal as far as types go."""
        given = self.session_variables[name]
        kind = of_text(given["type"], parse_kind)
        if kind == STRING or kind == VOID or given["value"] is None:
            e = literal_of(given["value"], kind)
            return e if kind in (STRING, VOID) else E(e.sql, kind, foldable=True)
        return E(f"CAST({text(given['value'])} AS {physical(kind)})", kind, foldable=True)

    def fresh(self):
        """A name for a relation that no other has."""
        self.aliases += 1
        return f"s{self.aliases}"

    def local_routine(self, parts, node, scope):
        """A call of a function of the catalog, by the name that it was called by."""
        if not self.is_local(parts):
            return None
        import routines  # which compiles bodies with this

        return routines.called(self, self.functions[self.named_functions[".".join(p.lower() for p in parts)]], node, scope)

    def is_local(self, parts):
        return ".".join(p.lower() for p in parts) in self.named_functions and not (len(parts) == 1 and parts[0].lower() in FUNCTIONS)

    # --- any query ---------------------------------------------------------------------------------------------------------------------------
    def query(self, node, outer=None):
        """`outer`: the scope around a subquery."""
        if isinstance(node, exp.Subquery):
            if node.args.get("joins") or node.args.get("laterals") or node.args.get("pivots"):
                raise unsupported("A join in parentheses here")
            return self.wrapped(node, outer)
        withs = node.args.get("with_") or node.args.get("with")
        if withs is None:
            return self.body(node, outer)
        self.ctes.append(dict(self.ctes[-1]))
        try:
            texts = self.common_tables(withs, outer)
            q = self.body(node, outer)
        finally:
            self.ctes.pop()
        recursive = "RECURSIVE " if any(t[1] for t in texts) else ""
        return Query(f"WITH {recursive}{', '.join(t[0] for t in texts)} {q.sql}", q.columns, q.refs, q.level)

    def wrapped(self, node, outer):
        """(query) with a WITH, an order or a limit of its own."""
        withs = node.args.get("with_") or node.args.get("with")
        if withs is not None:
            self.ctes.append(dict(self.ctes[-1]))
            try:
                texts = self.common_tables(withs, outer)
                q = self.query(node.this, outer)
            finally:
                self.ctes.pop()
            recursive = "RECURSIVE " if any(t[1] for t in texts) else ""
            q = Query(f"WITH {recursive}{', '.join(t[0] for t in texts)} {q.sql}", q.columns, q.refs, q.level)
        elif isinstance(node.this, exp.Table):
            q = self.query(exp.Select(expressions=[exp.Star()], from_=exp.From(this=node.this)), outer)
        else:
            q = self.query(node.this, outer)
        return self.arranged(node, q, outer)

    def body(self, node, outer):
        if isinstance(node, exp.Select):
            return self.select(node, outer)
        if isinstance(node, exp.SetOperation):
            return self.set_operation(node, outer)
        if isinstance(node, Piped):
            return self.piped(node, outer)
        if isinstance(node, exp.Values):
            return self.values_query(node, outer)
        if isinstance(node, exp.Subquery):
            return self.query(node, outer)
        if isinstance(node, exp.Table):
            return self.query(exp.Select(expressions=[exp.Star()], from_=exp.From(this=node)), outer)
        raise unsupported(f"The query {self.shown(node)}")

    def common_tables(self, withs, outer):
        seen = set()
        for c in withs.expressions:
            if c.alias.lower() in seen:
                raise raised("DUPLICATED_CTE_NAMES", f"CTE definition can't have duplicate names: `{c.alias}`.", "42602")
            seen.add(c.alias.lower())
        return [self.cte(c, bool(withs.args.get("recursive")), outer) for c in withs.expressions]

    def cte(self, node, recursive, outer):
        name = node.alias
        inner = node.this
        columns = [i.name for i in (node.args["alias"].args.get("columns") or [])]
        alias = self.fresh()
        if recursive and any(isinstance(t.this, exp.Identifier) and t.name.lower() == name.lower() and not t.args.get("db") for t in inner.find_all(exp.Table)):
            return self.recursive_cte(node, name, inner, columns, alias, outer)
        q = self.query(inner, outer)
        self.ctes[-1][name.lower()] = (alias, renamed(q.columns, columns, name), q.level)
        return f"{ident(alias)} AS ({q.sql})", False

    def recursive_cte(self, node, name, inner, columns, alias, outer):
        if not isinstance(inner, exp.Union):
            raise raised("INVALID_RECURSIVE_CTE", "Invalid recursive definition found. Recursive queries must contain an UNION or an UNION ALL statement with 2 children. The first child needs to be the anchor term without any recursive references.", "42836")
        refers = lambda part: any(isinstance(t.this, exp.Identifier) and t.name.lower() == name.lower() and not t.args.get("db") for t in part.find_all(exp.Table))
        if inner.args.get("with_") is not None and any(refers(w.this) for w in inner.args["with_"].expressions if w.alias.lower() != name.lower()):
            raise raised("INVALID_RECURSIVE_CTE", "Invalid recursive definition found. Recursive references stand in the second child of the UNION ALL only.", "42836")
        if node.args.get("max_recursion") or inner.args.get("order") or inner.args.get("limit") or inner.args.get("with_") is not None:
            raise unsupported("This recursive query")
        if inner.args.get("distinct"):
            raise raised("UNION_NOT_SUPPORTED_IN_RECURSIVE_CTE", "The UNION operator is not yet supported within recursive common table expressions (WITH clauses that refer to themselves, directly or indirectly). Please use UNION ALL instead.", "42836")
        if not refers(inner.expression) or refers(inner.this) and name.lower() not in self.ctes[-1]:
            own_with = inner.this.args.get("with_") or (inner.this.this.args.get("with_") if isinstance(inner.this, exp.Subquery) else None)
            if own_with is None or not any(w.alias.lower() == name.lower() for w in own_with.expressions):
                raise raised("INVALID_RECURSIVE_CTE", "Invalid recursive definition found. Recursive queries must contain an UNION or an UNION ALL statement with 2 children. The first child needs to be the anchor term without any recursive references.", "42836")
        anchor = self.query(inner.this, outer)
        own = [Col(c.name, c.kind if c.kind != VOID else INT, c.ref, c.refs) for c in renamed(anchor.columns, columns, name)]
        level = '"level_"'
        self.ctes[-1][name.lower()] = (alias, own, level)
        self.recursion.append(outer)
        try:
            step = self.query(inner.expression, outer)
        finally:
            self.recursion.pop()
        self.ctes[-1][name.lower()] = (alias, own, None)
        if step.level is None:
            if inner.expression.args.get("order") or inner.expression.args.get("limit") or isinstance(inner.expression, exp.Subquery) and (inner.expression.this.args.get("order") or inner.expression.this.args.get("limit")):
                raise misplaced()
            raise unsupported("A recursive reference in this place")
        if len(step.columns) != len(own):
            raise columns_differ("UNION", len(own), len(step.columns))
        first = ", ".join(f"CAST({c.ref} AS {physical(c.kind)}) AS {c.ref}" for c in own)
        second = ", ".join(f"{cast(E(c.ref, c.kind), o.kind).sql} AS {o.ref}" for c, o in zip(step.columns, own))
        # Spark's limits: 100 levels, a million rows. What goes on for ever ends with its name.
        told = lambda what: f"error({sql_text(what)} || substr(CAST({level} AS VARCHAR), 1, 0))"
        most = told("[RECURSION_LEVEL_LIMIT_EXCEEDED] Recursion level limit 100 reached but query has not exhausted, try increasing it like 'WITH RECURSIVE t(col) MAX RECURSION LEVEL 200'. SQLSTATE: 42836")
        wide = told("[RECURSION_ROW_LIMIT_EXCEEDED] Recursion row limit 1000000 reached but query has not exhausted. SQLSTATE: 42836")
        guard = f'CASE WHEN {level} >= 99 THEN {most} WHEN "row_" > 1000000 THEN {wide} ELSE TRUE END'
        return (f"{ident(alias)}({', '.join([c.ref for c in own] + [level])}) AS (SELECT {first}, 0 AS {level} FROM ({anchor.sql}) UNION ALL "
                f'SELECT {second}, {level} + 1 AS {level} FROM (SELECT *, row_number() OVER () AS "row_" FROM ({step.sql})) WHERE {guard})'), True

    # --- set operations ----------------------------------------------------------------------------------------------------------------------
    def set_operation(self, node, outer):
        return self.combined(node, self.query(node.this, outer), self.query(node.expression, outer), outer)

    def combined(self, node, left, right, outer):
        word = {exp.Union: "UNION", exp.Intersect: "INTERSECT", exp.Except: "EXCEPT"}[type(node)]
        if node.args.get("by_name"):
            raise unsupported("UNION BY NAME")
        if len(left.columns) != len(right.columns):
            raise columns_differ(word, len(left.columns), len(right.columns))
        distinct = node.args.get("distinct")
        columns, sides = [], ([], [])
        for i, (a, b) in enumerate(zip(left.columns, right.columns)):
            k = common(a.kind, b.kind)
            if k is None:
                raise raised("INCOMPATIBLE_COLUMN_TYPE", f"{word} can only be performed on tables with compatible column types. The {i + 1}. column of the second table is \"{b.kind.sql}\" type which is not compatible with \"{a.kind.sql}\" at the same column of the first table.", "42825")
            if (distinct or word != "UNION") and any_in(k, lambda x: x.name in ("map", "variant")):
                raise raised("UNSUPPORTED_FEATURE.SET_OPERATION_ON_MAP_TYPE", "Cannot have MAP type columns in DataFrame which calls set operations (INTERSECT, EXCEPT, etc.).", "0A000")
            ref = f'"c{i}"'
            columns.append(Col(a.name, k, ref, a.refs | b.refs, a.declared if k == a.kind else "", qualifier=a.qualifier))
            for col, side in ((a, sides[0]), (b, sides[1])):
                side.append(f"{cast(E(col.ref, col.kind), k).sql} AS {ref}")
        word += "" if distinct else " ALL"
        sql = f"SELECT {', '.join(sides[0])} FROM ({left.sql}) {word} SELECT {', '.join(sides[1])} FROM ({right.sql})"
        q = Query(sql, columns, left.refs | right.refs)
        return self.arranged(node, q, outer, wrap=True)

    def arranged(self, node, q, outer, wrap=True):
        """ORDER BY, LIMIT and OFFSET over the columns of a finished query."""
        if not any(node.args.get(a) for a in ("order", "sort", "limit", "offset", "distribute", "cluster")):
            return q
        alias = self.fresh()
        scope = Scope(outer)
        scope.sources = [Source([], alias, q.columns)]
        tail = self.order_by(node, scope, [Item(c.name, E(f"{ident(alias)}.{c.ref}", c.kind, c.refs)) for c in q.columns]) + self.limits(node, scope)
        return Query(f"SELECT {', '.join(f'{ident(alias)}.{c.ref} AS {c.ref}' for c in q.columns)} FROM ({q.sql}) AS {ident(alias)}{tail}", q.columns, q.refs)

    def values_query(self, node, outer):
        columns, sql = self.values_rows(node, Scope(outer))
        alias = node.args.get("alias")
        if isinstance(alias, exp.TableAlias) and alias.args.get("columns"):
            columns = renamed(columns, [i.name for i in alias.args["columns"]], "")
        return self.arranged(node, Query(sql, columns), outer)

    # --- SELECT ------------------------------------------------------------------------------------------------------------------------------
    def select(self, node, outer):
        if node.args.get("sample"):
            raise syntax("'TABLESAMPLE'", "it stands before the alias")
        for key in ("into", "connect", "match", "prewhere", "operation_modifiers", "kind", "locks", "exclude"):
            if node.args.get(key):
                raise unsupported(f"{key.upper()} in SELECT")
        if not node.expressions:
            raise syntax("end of input", "a SELECT without columns")
        apart = generated_groups.taken_apart(self, node)
        if apart is not None:
            return self.select(apart, outer)
        scope = Scope(outer)
        before = len(self.outer_depths)
        source = self.from_clause(node, scope, outer)
        for w in node.args.get("windows") or []:
            if w.name.lower() in scope.windows:
                raise raised("INVALID_SQL_SYNTAX.REPETITIVE_WINDOW_DEFINITION", f"Invalid SQL syntax: The definition of window {quoted(w.name)} is repetitive.", "42000")
            scope.windows[w.name.lower()] = w
        where = ""
        if node.args.get("where"):
            inner = scope.base("WHERE")
            where = " WHERE " + self.condition(node.args["where"].this, inner, "WHERE").sql
            self.bounds.selected(self, node.args["where"].this, inner)
        projections, source = self.expanded_projections(node, scope, source)
        having, qualify, group = node.args.get("having"), node.args.get("qualify"), node.args.get("group")
        aggregated = group is not None or having is not None or any(has_aggregate(p) for p in projections) or any(has_aggregate(k) for k in order_keys(node))
        below = len(self.outer_depths)
        if aggregated:
            scope.layer = Layer(self, node, scope, projections, group)
        items, aliases, yielding = [], {}, set()
        for p in projections:
            inner = p.this if isinstance(p, exp.Alias) else p
            at = scope.with_aliases({k: v for k, v in aliases.items()})
            e = self.compile(inner, at)
            name = output_name(p, self)
            items.append(Item(name, e))
            if isinstance(p, exp.Alias) or isinstance(p, ColumnNode) and p.args.get("lateral"):
                key = name.lower()
                # One of several columns of a generator gives way to what the list calls so.
                if isinstance(p, ColumnNode) and p.args["lateral"] == "column":
                    aliases.setdefault(key, e)
                    yielding.add(key)
                else:
                    aliases[key] = None if key in aliases and key not in yielding else e
                    yielding.discard(key)
        if scope.layer is not None and any(d < scope.depth for d in self.outer_depths[below:]):
            raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.CORRELATED_REFERENCE", "Unsupported subquery expression: Expressions referencing the outer query are not supported outside of WHERE/HAVING clauses.", "0A000")
        tail, apart = "", scope.layer is not None and any(i.e.window for i in items)
        if scope.layer is not None:
            scope.layer.above = [i.name for i in items]
        if having is not None:
            at = scope.with_aliases({i.name.lower(): i.e for i in items})
            at.inside = "HAVING"
            condition = self.condition(having.this, at, "HAVING").sql
            tail += " WHERE " + condition
            for given in sorted({i.e.sql for i in items}, key=len, reverse=True):
                condition = condition.replace(given, "")
            apart = apart or re.search(ident(scope.layer.alias) + r'\."[ag][0-9]+"', condition) is not None
        if apart:
            self.sorted_apart(node, scope, items)
        if qualify is not None:
            at = scope.with_aliases({i.name.lower(): i.e for i in items})
            q = self.condition(qualify.this, at, "QUALIFY")
            if not has_window(qualify.this) and not q.window and not any(i.e.window for i in items):
                raise raised("QUALIFY_REQUIRES_WINDOW_FUNCTION", "QUALIFY requires at least one window function in the SELECT list or the QUALIFY condition.", "42903")
            tail += " QUALIFY " + q.sql
        distinct = node.args.get("distinct")
        if distinct is not None:
            if distinct.args.get("on"):
                raise syntax("'ON'")
            for i in items:
                if any_in(i.e.kind, lambda k: k.name in ("map", "variant", "interval")):
                    raise unsupported(f"DISTINCT over a {i.e.kind.sql}")
        named = [p.this if isinstance(p, exp.Paren) else p for p in projections]
        columns = [Col(i.name, i.e.kind, f'"c{n}"', i.e.refs, i.e.declared, i.e.origin, i.e.qualifier if isinstance(p, (exp.Column, ColumnNode)) else ()) for n, (i, p) in enumerate(zip(items, named))]
        listed = ", ".join(f"{i.e.sql} AS {c.ref}" for i, c in zip(items, columns))
        levels, level = [s.level for s in scope.sources if s.level], None
        if levels:
            if scope.layer is not None or distinct is not None or any(i.e.window for i in items):
                raise misplaced()
            if not self.recursion or outer is not self.recursion[-1]:
                raise unsupported("A recursive reference in a subquery")
            level = '"level_"'
            listed += f", {levels[0] if len(levels) == 1 else 'greatest(' + ', '.join(levels) + ')'} AS {level}"
        order = "" if distinct is not None else self.order_by(node, scope, items)
        if scope.layer is not None:
            source, where = f" FROM ({scope.layer.sql(source, where)}) AS {ident(scope.layer.alias)}", ""
        sql = f"SELECT {'DISTINCT ' if distinct is not None else ''}{listed}{source}{where}{tail}"
        narrow = {n: f'"n{n}"' for n, i in enumerate(items) if i.e.narrow and not i.e.volatile and not i.e.window}
        refs = frozenset().union(*(c.refs for c in columns)) if columns else frozenset()
        if (node.args.get("limit") or node.args.get("offset")) and any(d < scope.depth for d in self.outer_depths[before:]):
            self.limit_within(node, scope)
        if distinct is not None:
            return self.arranged(node, Query(sql, columns, refs), outer)
        ended = order + self.limits(node, scope)
        if level and ended:
            raise misplaced()
        extra = "".join(f", {items[n].e.narrow} AS {ref}" for n, ref in narrow.items())
        return Query(sql + ended, columns, refs, level, (f"SELECT {listed}{extra}{source}{where}{tail}{ended}", narrow) if narrow else None)

    def limit_within(self, node, scope):
        """LIMIT in a subquery that uses columns of the query around: which rows are left has to be said."""
        one = scope.layer is not None and not scope.layer.keys and scope.layer.sets is None
        if one:
            return
        if not (node.args.get("any_row") or order_keys(node)):
            raise unsupported("LIMIT in a correlated subquery without an order", "Add ORDER BY.")
        inner = scope.base("WHERE")
        for part in (node.args["where"].this.flatten() if isinstance(node.args["where"].this, exp.And) else [node.args["where"].this]) if node.args.get("where") else []:
            before = len(self.outer_depths)
            e = self.compile(part, inner)
            if any(d < scope.depth for d in self.outer_depths[before:]) and not any(ident(s.alias) + "." in e.sql for s in scope.sources):
                # Spark takes such a condition out of the subquery, and the order with it.
                raise unsupported("LIMIT in a subquery with a condition on the query around alone")

    def condition(self, node, scope, clause):
        if clause == "WHERE":
            if any(self.aggregation_around(a, scope) is None for a in aggregates_of(node)):
                raise raised("INVALID_WHERE_CONDITION", f'The WHERE condition "{self.shown(node)}" contains invalid expressions: aggregate functions. Rewrite the query to avoid window functions, aggregate functions, and generator functions in the WHERE clause.', "42903")
            if has_window(node):
                raise raised("WINDOW_FUNCTION_NOT_ALLOWED_IN_CLAUSE", "Window functions are not allowed in WHERE clause.", "42601")
        if clause == "QUALIFY" and self.plain_aggregate(node) and scope.layer is None:
            raise raised("QUALIFY_AGGREGATE_NOT_ALLOWED", "Aggregate functions are not allowed in QUALIFY without GROUP BY.", "42903")
        in_filter(node)
        e = self.compile(node, scope)
        if e.kind == BOOLEAN:
            return e
        taken = implicit(e, BOOLEAN) if e.kind.name in ("string", "void") else cast(e, BOOLEAN) if clause == "HAVING" and castable(e.kind, BOOLEAN) else None
        if taken is None:
            raise raised("DATATYPE_MISMATCH.FILTER_NOT_BOOLEAN", f'Cannot resolve "{self.shown(node)}" due to data type mismatch: Filter expression "{self.shown(node)}" of type "{e.kind.sql}" is not a boolean.', "42K09")
        return taken

    @staticmethod
    def plain_aggregate(node):
        return has_aggregate(node)

    def expanded_projections(self, node, scope, source):
        """The select list without stars and generators: a generator becomes a source of its own."""
        out, generators = [], 0
        for p in node.expressions:
            inner = p.this if isinstance(p, (exp.Alias, exp.Aliases)) else p
            if isinstance(inner, exp.Star) or (isinstance(inner, exp.Column) and isinstance(inner.this, exp.Star)):
                if isinstance(p, (exp.Alias, exp.Aliases)):
                    raise raised("INVALID_USAGE_OF_STAR_OR_REGEX", "Invalid usage of '*' in expression `alias`.", "42000")
                out += [ColumnNode(i.e, i.name) for i in scope.star(self, inner)]
                continue
            if isinstance(inner, exp.Dot) and isinstance(inner.expression, exp.Star):
                base = self.compile(inner.this, scope.base())
                if base.kind.name != "struct":
                    raise raised("CANNOT_RESOLVE_STAR_EXPAND", f"Cannot resolve {self.shown(inner)}.", "42704")
                out += [ColumnNode(i.e, i.name) for i in scope.without(self, [Item(f, self.field(base, f)) for f, _ in base.kind.args], inner.expression)]
                continue
            if isinstance(inner, exp.Anonymous) and inner.name.lower() in GENERATORS and not self.is_local([inner.name]):
                generators += 1
                if generators > 1 and any(has_aggregate(x) for x in node.expressions):
                    raise raised("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "The generator is not supported: only one generator allowed per SELECT clause but found 2.", "42K0E")
                if node.args.get("group") is not None and not has_aggregate(inner) or any(has_aggregate(x) for x in node.expressions):
                    raise unsupported("A generator beside an aggregation", "Use LATERAL VIEW over a subquery.")
                given = [p.args["alias"].name] if isinstance(p, exp.Alias) else [i.name for i in p.expressions] if isinstance(p, exp.Aliases) else []
                extra, items = self.generated(inner, scope, given, p, bool(source))
                source += extra
                out += [ColumnNode(i.e, i.name, ("column" if isinstance(p, exp.Aliases) else "alias") if given else "") for i in items]
                for i in items if given else []:
                    scope.generated[i.name.lower()] = None if i.name.lower() in scope.generated else i.e
                continue
            if isinstance(p, exp.Aliases):
                raise raised("MULTI_ALIAS_WITHOUT_GENERATOR", f"Multi part aliasing ({', '.join(i.name for i in p.expressions)}) is not supported with {self.shown(inner)} as it is not a generator function.", "42K0E")
            out.append(p)
        return out, source

    # --- ORDER BY, LIMIT ---------------------------------------------------------------------------------------------------------------------
    def order_by(self, node, scope, items):
        keys = order_keys(node)
        if not keys:
            return ""
        # A name that two outputs have means neither: then it is a column below.
        aliases, twice = {}, set()
        for i in items:
            key = i.name.lower()
            if key in aliases and (aliases[key].sql != i.e.sql or i.e.name.lower() != key):
                twice.add(key)
            aliases.setdefault(key, i.e)
        plain = {k.name.lower() for k in (k.this if isinstance(k, exp.Ordered) else k for k in keys) if isinstance(k, exp.Column) and not k.table}
        for key in twice & plain:
            if scope.in_sources_quietly(self, [key]) is None:
                raise raised("AMBIGUOUS_REFERENCE", f"Reference {quoted(key)} is ambiguous.", "42704")
            del aliases[key]
        at = scope.with_aliases(aliases, first=True)
        grouped = {self.shown(g) for g in node.args["group"].expressions} if node.args.get("group") else ()
        for key in keys:
            if not grouped or self.shown(key.this if isinstance(key, exp.Ordered) else key) not in grouped:
                sorted_by_subquery(key)
        out = []
        for key in keys:
            this = key.this if isinstance(key, exp.Ordered) else key
            direction = ""
            if isinstance(key, exp.Ordered):
                direction = (" DESC" if key.args.get("desc") else " ASC") + (" NULLS FIRST" if key.args.get("nulls_first") else " NULLS LAST")
                if key.args.get("with_fill"):
                    raise syntax("WITH")
            word = this.name.lower() if isinstance(this, (exp.Var, exp.Column)) and not (isinstance(this, exp.Column) and (this.table or this.this.quoted if isinstance(this.this, exp.Identifier) else True)) else ""
            if word == "all" and len(keys) == 1 and "all" not in aliases and scope.lookup_own(self, "all") is None:
                out += [f"{n + 1}{direction}" for n in range(len(items))]
                continue
            minus = isinstance(this, exp.Neg) and isinstance(this.this, exp.Literal)
            literal = this.this if minus else this
            if isinstance(literal, exp.Literal) and not literal.is_string and literal.this.isdigit():
                place = -int(literal.this) if minus else int(literal.this)
                if not 1 <= place <= len(items):
                    raise raised("ORDER_BY_POS_OUT_OF_RANGE", f"ORDER BY position {place} is not in select list (valid range is [1, {len(items)}]).", "42805")
                e = items[place - 1].e
            else:
                before = len(self.outer_depths)
                e = self.compile(this, at)
                if any(d == scope.depth for d in self.outer_depths[before:]):
                    raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_SCALAR_SUBQUERY", "Unsupported subquery expression: Correlated scalar subqueries can only be used in filters, aggregations, projections, and UPDATE/MERGE/DELETE commands.", "0A000")
            if not orderable(e.kind):
                raise mismatch("INVALID_ORDERING_TYPE", self.shown(this), f'The `sortorder` does not support ordering on type "{e.kind.sql}".')
            place = next((n for n, i in enumerate(items) if i.e is e or i.e.sql == e.sql), None)
            if place is not None:
                out.append(f"{place + 1}{direction}")
            elif e.is_literal:
                continue
            else:
                out.append(f"({e.sql}){direction}")
        return " ORDER BY " + ", ".join(out) if out else ""

    def sorted_apart(self, node, scope, items):
        """ORDER BY above an aggregation that a window function or a HAVING with values of its own stands over: Spark finds there what the list gives, and
        the columns that are grouped by."""
        named = {i.name.lower() for i in items}
        keys = {k.sql for k in scope.layer.keys if k.name}
        base = scope.base()
        for key in order_keys(node):
            for column in key.find_all(exp.Column):
                parts = column_parts(column)
                if parts is None or column.find_ancestor(exp.Query) is not node or len(parts) == 1 and parts[0].lower() in named:
                    continue
                found = base.in_sources_quietly(self, parts)
                if found is not None and not any(found.sql == k or found.sql.startswith("(" + k + ")") for k in keys) and (has_aggregate(key) or not self.is_listed(key, scope, items)):
                    raise unresolved(".".join(quoted(p) for p in parts), parts[-1], [(i.name,) for i in items])
            if has_aggregate(key):
                raise raised("UNSUPPORTED_EXPR_FOR_OPERATOR", f'A query operator contains one or more unsupported expressions. Consider to rewrite it to avoid window functions, aggregate functions, and generator functions in the WHERE clause. Invalid expressions: ["{self.shown(key.this if isinstance(key, exp.Ordered) else key)}"]', "42K0E")

    def is_listed(self, key, scope, items):
        """Whether a key of a sort is an expression of the list."""
        try:
            return self.compile(key.this if isinstance(key, exp.Ordered) else key, scope).sql in {i.e.sql for i in items}
        except Refused:
            return False

    def limits(self, node, scope):
        out = ""
        for key, word in (("limit", "LIMIT"), ("offset", "OFFSET")):
            given = node.args.get(key)
            if given is None:
                continue
            if isinstance(given, exp.Fetch):
                raise syntax("'FETCH'")
            value = given.expression
            if isinstance(value, (exp.Column, exp.Var)) and value.name.lower() == "all":
                continue
            for call in value.find_all(exp.Anonymous):
                if self.is_local([call.name]):
                    raise raised("UNSUPPORTED_SQL_UDF_USAGE", f"Using SQL function {quoted(call.name)} in {key.upper()} is not supported.", "0A000")
            e = self.compile(value, Scope())
            if not e.foldable:
                raise raised(f"INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", f"The limit like expression \"{self.shown(value)}\" is invalid. The {key} expression must evaluate to a constant value.", "42K0E")
            if e.kind == VOID:
                raise raised("INVALID_LIMIT_LIKE_EXPRESSION.IS_NULL", f"The evaluated {key} expression must not be null.", "42K0E")
            if e.kind != INT and not integral(e.kind):
                raise raised("INVALID_LIMIT_LIKE_EXPRESSION.DATA_TYPE", f"The {key} expression must be integer type, but got \"{e.kind.sql}\".", "42K0E")
            if e.is_literal and e.lit is not None and e.lit < 0:
                raise raised("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", f"The {key} expression must be equal to or greater than 0, but got {e.lit}.", "42K0E")
            out += f" {word} CAST({e.sql} AS BIGINT)" if not e.is_literal else f" {word} {e.lit}"
        return out


def order_keys(node):
    order = node.args.get("order") or node.args.get("sort")
    if node.args.get("cluster") is not None:
        return [exp.Ordered(this=k.this if isinstance(k, exp.Ordered) else k, nulls_first=True) for k in node.args["cluster"].expressions]
    return order.expressions if order is not None else []


def has_aggregate(node):
    """Whether an expression calls an aggregate function, not counting those of subqueries and the windows' own."""
    return bool(aggregates_of(node))


def aggregates_of(node):
    stack, found = [node], []
    while stack:
        n = stack.pop()
        if isinstance(n, exp.Query):
            continue
        if isinstance(n, exp.Window):
            inner = n.this
            while isinstance(inner, (exp.IgnoreNulls, exp.RespectNulls, exp.Filter, exp.WithinGroup)):
                inner = inner.this
            stack += [c for c in inner.iter_expressions()] + [c for k, v in n.args.items() if k != "this" for c in (v if isinstance(v, list) else [v]) if isinstance(c, exp.Expression)]
            continue
        if isinstance(n, exp.Anonymous) and n.name.lower() in AGGREGATES:
            found.append(n)
            continue
        stack += list(n.iter_expressions())
    return found


def sorted_by_subquery(key):
    """Spark computes no predicate by a subquery in a sort."""
    for q in key.find_all(exp.Query):
        above = q.parent
        while isinstance(above, (exp.Subquery, exp.Paren)):
            above = above.parent
        if isinstance(above, (exp.Exists, exp.In)) and above.find_ancestor(exp.Query) is key.find_ancestor(exp.Query):
            raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY", "Unsupported subquery expression: IN/EXISTS predicate subqueries can only be used in filters, joins, aggregations, window functions, projections, and UPDATE/MERGE/DELETE commands.", "0A000")


def has_window(node):
    return any(isinstance(n, exp.Window) for n in node.walk(prune=lambda x: isinstance(x, exp.Query)))


def renamed(columns, names, what):
    if not names:
        return columns
    if len(names) != len(columns):
        raise raised("ASSIGNMENT_ARITY_MISMATCH", f"The number of columns or variables assigned or aliased: {len(names)} does not match the number of source expressions: {len(columns)}.", "42802")
    return [Col(n, c.kind, c.ref, c.refs, c.declared, c.origin) for n, c in zip(names, columns)]


def columns_differ(word, a, b):
    return raised("NUM_COLUMNS_MISMATCH", f"{word} can only be performed on inputs with the same number of columns, but the first input has {a} columns and the second input has {b} columns.", "42826")
