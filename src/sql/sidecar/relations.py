"""FROM: tables, subqueries, VALUES, functions that make rows, joins, LATERAL VIEW, PIVOT, UNPIVOT, TABLESAMPLE."""
from sqlglot import exp

from catalogue import GENERATORS, SCALARS
from conditions import in_filter, subquery_values
from errors import Refused, mismatch, quoted, raised, syntax, unsupported
from expressions import ColumnNode
from kinds import BIGINT, BOOLEAN, INT, STRING, VOID, all_common, common, ident, integral, of_text, physical, text
from pipes import Stage, stage_relation
from pivots import Pivots
from scopes import Col, Item, Query, Scope, Source
from values import E, cast, implicit, literal_of, made


def parse_kind(spelled):
    import sqlglot
    from spark import Spark

    return sqlglot.parse_one(f"CAST(NULL AS {spelled})", dialect=Spark).to


class Relations(Pivots):
    def from_clause(self, node, scope, outer):
        """Fills the scope's sources; gives " FROM ..." or nothing."""
        source = node.args.get("from_") or node.args.get("from")
        out = ""
        if source is not None:
            out = self.relation(source.this, scope)
        for join in node.args.get("joins") or []:
            out = self.join(out, join, scope)
        for view in node.args.get("laterals") or []:
            out = self.lateral(out or "(SELECT 1)", view, scope, view=True)
        return " FROM " + out if out else ""

    def relation(self, node, scope):
        """One relation with the joins that stand inside it; its sources are added to the scope."""
        if isinstance(node, exp.Lateral):
            return self.lateral("", node, scope, view=False)
        if isinstance(node, Stage):
            return stage_relation(node, scope)
        before = len(scope.sources)
        if isinstance(node, exp.Table):
            out = self.table(node, scope)
        elif isinstance(node, exp.Subquery):
            inner = node.this
            if isinstance(inner, exp.Table) or isinstance(inner, exp.Subquery) and (inner.args.get("joins") or inner.args.get("laterals") or inner.alias):
                out = self.joined(node, inner, scope)
            else:
                q = self.wrapped(node, scope.parent_for_relation())  # its joins come below
                out = self.derived_table(node, q, scope)
        elif isinstance(node, exp.Values):
            columns, sql = self.values_rows(node, scope)
            out = self.derived_table(node, Query(sql, columns), scope)
        elif isinstance(node, exp.Unnest):
            raise unsupported("UNNEST", "Use explode.")
        else:
            raise unsupported(f"The relation {self.shown(node)}")
        out = self.pivoted(out, node, scope, before)
        out = self.sampled(out, node, scope, before)
        for join in node.args.get("joins") or []:
            out = self.join(out, join, scope)
        for view in node.args.get("laterals") or []:
            out = self.lateral(out, view, scope, view=True)
        return out

    def joined(self, node, inner, scope):
        """A join in parentheses. Under an alias it is a table of its own; without one its tables keep their names."""
        if node.alias:
            return self.derived_table(node, self.query(exp.Select(expressions=[exp.Star()], from_=exp.From(this=inner.copy())), scope.parent_for_relation()), scope)
        within = Scope(scope.parent)
        within.lambdas, within.variables, within.function = scope.lambdas, scope.variables, scope.function
        out = "(" + self.relation(inner, within) + ")"
        items = within.order if within.order is not None else [i for s in within.sources for i in s.items if not i.hidden]
        if within.order is not None:
            names = {m.name.lower() for m in within.merged}
            if any(i.name.lower() in names for s in scope.sources for i in s.items if not i.hidden) or any(m.name.lower() in names for m in scope.merged):
                raise unsupported("A join in parentheses with USING over a column that the other side has, too,", "Give it an alias.")
            scope.order = (scope.order if scope.order is not None else [i for s in scope.sources for i in s.items if not i.hidden]) + items
            scope.merged = scope.merged + within.merged
        within.sources[0].together = items
        scope.sources += within.sources
        return out

    def derived_table(self, node, q, scope, names=None):
        alias = node.args.get("alias")
        columns = [i.name for i in (alias.args.get("columns") or [])] if isinstance(alias, exp.TableAlias) else []
        from queries import renamed

        own = self.fresh()
        name = node.alias
        source = Source([name] if name else names or [], own, renamed(q.columns, columns, name))
        scope.sources.append(source)
        if q.level:
            source.level = f"{ident(own)}.{q.level}"
        sql, narrow = q.narrow or (q.sql, {})
        for place, ref in narrow.items():
            source.items[place].e.narrow = f"{ident(own)}.{ref}"
        return f"({sql}) AS {ident(own)}"

    def table(self, node, scope):
        this = node.this
        for key in ("hints", "changes", "partition", "only", "rows_from", "when"):
            if node.args.get(key):
                raise unsupported(key.strip("_").upper() + " on a table")
        if not isinstance(this, exp.Identifier) and "rel" not in node.args:
            return self.table_function(node, scope)
        if "rel" not in node.args:
            alias, columns, level = self.ctes[-1].get(node.name.lower(), (None, None, None))
            if alias is None:
                raise unsupported(f"The name {node.name}")
            listed = [c.ref for c in columns] + ([level] if level else [])
            return self.derived_table(node, Query(f"SELECT {', '.join(listed)} FROM {ident(alias)}", columns, level=level), scope, [node.name])
        i = node.args["rel"]
        rel = self.relations[i]
        columns = [Col(c["name"], of_text(c["type"], parse_kind), ident(c["name"]), {(i, c["name"])}, c.get("declared", ""), (i, c["name"])) for c in rel["columns"]]
        virtual = [k for k, c in zip(columns, rel["columns"]) if c.get("hidden")]
        columns = [k for k, c in zip(columns, rel["columns"]) if not c.get("hidden")]
        own = self.fresh()
        alias = node.args.get("alias")
        if isinstance(alias, exp.TableAlias) and alias.args.get("columns"):
            from queries import renamed

            columns = renamed(columns, [x.name for x in alias.args["columns"]], node.alias)
        parts = [node.alias] if node.alias else [p.name for p in (node.args.get("catalog"), node.args.get("db"), this) if p is not None and isinstance(p, exp.Identifier)]
        source = Source(parts, own, columns, virtual)
        source.scan = i
        self.bounds.uses_scan(i)
        scope.sources.append(source)
        return f"{self.hole.quoted({'rel': i})} AS {ident(own)}"

    def values_rows(self, node, scope):
        """(columns, DuckDB text) of VALUES."""
        rows = []
        for r in node.expressions:
            cells = r.expressions if isinstance(r, exp.Tuple) else [r.this if isinstance(r, exp.Paren) else r]
            rows.append([self.compile(x, Scope(scope.parent)) for x in cells])
            if any(e.volatile for e in rows[-1]):
                raise raised("INVALID_INLINE_TABLE.CANNOT_EVALUATE_EXPRESSION_IN_INLINE_TABLE", f"Invalid inline table. Cannot evaluate the expression {self.shown(r)} in inline table definition.", "42000")
        width = len(rows[0])
        if any(len(r) != width for r in rows):
            bad = next(i for i, r in enumerate(rows) if len(r) != width)
            raise raised("INVALID_INLINE_TABLE.NUM_COLUMNS_MISMATCH", f"Inline table expected {width} columns but found {len(rows[bad])} columns in row {bad}.", "42000")
        kinds = []
        for i in range(width):
            k = all_common([r[i].kind for r in rows])
            if k is None:
                raise raised("INVALID_INLINE_TABLE.INCOMPATIBLE_TYPES_IN_INLINE_TABLE", f"Found incompatible types in the column `col{i + 1}` for inline table.", "42000")
            kinds.append(k)
        columns = [Col(f"col{i + 1}", k, f'"c{i}"') for i, k in enumerate(kinds)]
        text_rows = ", ".join("(" + ", ".join(f"CAST({cast(e, k).sql} AS {physical(k)})" for e, k in zip(r, kinds)) + ")" for r in rows)
        return columns, f"SELECT * FROM (VALUES {text_rows}) AS v_({', '.join(c.ref for c in columns)})"

    # --- functions that make rows ------------------------------------------------------------------------------------------------------------
    def table_function(self, node, scope):
        call = node.this
        if isinstance(call, exp.Dot):
            call = call.expression
        if not isinstance(call, exp.Anonymous):
            raise unsupported(f"The relation {self.shown(node)}")
        name = call.name.lower()
        own = self.table_routine(node, call, scope)
        if own is not None:
            return own
        if name in GENERATORS:
            alias = node.args.get("alias")
            names = [i.name for i in (alias.args.get("columns") or [])] if isinstance(alias, exp.TableAlias) else []
            alone = not scope.sources
            sql = self.generated_relation(call, scope, node.alias, names, False, relation=True)
            return f"(SELECT 1) AS one_ LEFT JOIN {sql} ON TRUE" if alone and name.endswith("_outer") else sql
        from catalogue import AGGREGATES, FUNCTIONS

        if name in FUNCTIONS or name in AGGREGATES:
            raise raised("NOT_A_TABLE_FUNCTION", f"{quoted(name)} appears as a table function here, but the function was defined as a scalar function. Please update the query to move the function call outside the FROM clause, or redefine {quoted(name)} as a table function instead.", "42887")
        raise Refused("unresolved_routine", f"[UNRESOLVABLE_TABLE_VALUED_FUNCTION] Could not resolve {quoted(call.name)} to a table-valued function. Please make sure that {quoted(call.name)} is defined as a table-valued function and that all required parameters are provided correctly. SQLSTATE: 42883")

    def table_routine(self, node, call, scope):
        """A function of the catalog that returns a table."""
        parts = [p.name for p in (node.args.get("catalog"), node.args.get("db")) if p is not None] + [call.name]
        if not self.is_local(parts):
            return None
        import routines

        q = routines.table_called(self, self.functions[self.named_functions[".".join(p.lower() for p in parts)]], call, scope)
        return "LATERAL " + self.derived_table(node, q, scope, [call.name])

    def generated_relation(self, call, scope, alias, names, outer, relation=False):
        """`relation`: where a table stands, and not in a list or a LATERAL VIEW."""
        columns, sql = GENERATORS[call.name.lower()](self, call, scope.for_lateral(), outer or call.name.lower().endswith("_outer"))
        if names:
            if len(names) != len(columns) and relation:
                raise raised("NUM_TABLE_VALUE_ALIASES_MISMATCH", f"Number of given aliases does not match number of output columns. Function name: {call.name}; number of aliases: {len(names)}; number of output columns: {len(columns)}.", "42826")
            if len(names) != len(columns):
                raise raised("UDTF_ALIAS_NUMBER_MISMATCH", f"The number of aliases supplied in the AS clause does not match the number of columns output by the UDTF. Expected {len(columns)} aliases, but got {','.join(names)}.", "42802")
            columns = [Col(n, c.kind, c.ref, c.refs) for n, c in zip(names, columns)]
        own = self.fresh()
        scope.sources.append(Source([alias or call.name], own, columns))
        return f"LATERAL ({sql}) AS {ident(own)}"

    def generated(self, call, scope, names, node, after):
        """A generator of a select list: what joins to FROM, and its columns. `after`: whether FROM has anything yet."""
        name = call.name.lower()
        before = bool(scope.sources) or after
        if not names or len(names) == 1 and not isinstance(node, exp.Aliases):
            sql = self.generated_relation(call, scope, "", [], False)
            source = scope.sources.pop()
            if names:
                if len(source.items) != 1:
                    raise raised("UDTF_ALIAS_NUMBER_MISMATCH", f"The number of aliases supplied in the AS clause does not match the number of columns output by the UDTF. Expected {len(source.items)} aliases, but got {','.join(names)}.", "42802")
                source.items[0].name = names[0]
        else:
            sql = self.generated_relation(call, scope, "", names, False)
            source = scope.sources.pop()
        joined = (" LEFT JOIN " + sql + " ON TRUE" if name.endswith("_outer") else " CROSS JOIN " + sql) if before else " FROM " + sql
        if not before and name.endswith("_outer"):
            joined = " FROM (SELECT 1) AS one_ LEFT JOIN " + sql + " ON TRUE"
        return joined, source.items

    def lateral(self, left, node, scope, view):
        alias = node.args.get("alias")
        names = [i.name for i in (alias.args.get("columns") or [])] if isinstance(alias, exp.TableAlias) else []
        inner = node.this
        if view:
            if not isinstance(inner, exp.Anonymous) or inner.name.lower() not in GENERATORS:
                raise raised("UNRESOLVED_ROUTINE" if isinstance(inner, exp.Anonymous) else "PARSE_SYNTAX_ERROR", f"Cannot resolve routine {self.shown(inner)} as a generator.", "42883")
            outer = bool(node.args.get("outer")) or inner.name.lower().endswith("_outer")
            sql = self.generated_relation(inner, scope, node.alias or (alias.this.name if alias is not None and alias.this is not None else ""), names, outer)
            return f"{left} LEFT JOIN {sql} ON TRUE" if outer else f"{left} CROSS JOIN {sql}"
        if isinstance(inner, exp.Subquery):
            q = self.query(inner, scope.for_lateral())
            return "LATERAL " + self.derived_table(node, q, scope)
        if isinstance(inner, exp.Anonymous):
            table = exp.Table(this=inner.copy(), alias=alias)
            return self.table_function(table, scope)
        raise unsupported(f"LATERAL {self.shown(inner)}")

    # --- joins -------------------------------------------------------------------------------------------------------------------------------
    def join(self, left, node, scope):
        side, kind, method = (node.args.get("side") or "").upper(), (node.args.get("kind") or "").upper(), (node.args.get("method") or "").upper()
        before = len(scope.sources)
        left_order = scope.order if scope.order is not None else [i for s in scope.sources for i in s.items if not i.hidden]
        left_merged = list(scope.merged)
        saved = scope.order
        right = self.relation(node.this, scope)
        if isinstance(node.this, exp.Lateral) or right.startswith("LATERAL"):
            pass
        added = scope.sources[before:]
        right_items = added[0].together if added and added[0].together is not None else [i for s in added for i in s.items if not i.hidden]
        if side in ("LEFT", "FULL") and any(s.level for s in added) or side in ("RIGHT", "FULL") and any(s.level for s in scope.sources[:before]) or kind in ("SEMI", "ANTI") and any(s.level for s in added):
            raise misplaced()
        scope.order = left_order + right_items if saved is not None or scope.order is not None else None
        word = {"": "", "LEFT": "LEFT ", "RIGHT": "RIGHT ", "FULL": "FULL "}.get(side)
        semi = kind in ("SEMI", "ANTI")
        if word is None or kind not in ("", "INNER", "OUTER", "CROSS", "SEMI", "ANTI") or method not in ("", "NATURAL"):
            raise unsupported(f"{method} {side} {kind} JOIN".replace("  ", " "))
        if isinstance(node.this, exp.Lateral) and method == "NATURAL":
            raise raised("INCOMPATIBLE_JOIN_TYPES", "The join types LATERAL and NATURAL are incompatible.", "42613")
        if isinstance(node.this, exp.Lateral) and node.args.get("using"):
            raise raised("UNSUPPORTED_FEATURE.LATERAL_JOIN_USING", "The feature is not supported: JOIN USING with LATERAL correlation.", "0A000")
        on, using = node.args.get("on"), [i.name for i in node.args.get("using") or []]
        if method == "NATURAL":
            mine = {i.name.lower() for i in right_items}
            using = [i.name for i in left_order if i.name.lower() in mine]
        condition = ""
        if using:
            condition = self.merge_columns(using, left_order, left_merged, right_items, side, scope, semi)
        elif on is not None:
            scope.order = None if not scope.merged else scope.order
            if any(isinstance(n, exp.Anonymous) and n.name.lower() in ("rand", "random", "randn", "uuid") for n in on.walk(prune=lambda x: isinstance(x, exp.Query))):
                raise raised("INVALID_NON_DETERMINISTIC_EXPRESSIONS", f'The operator expects a deterministic expression, but the actual expression is "{self.shown(on)}".', "42K0E")
            if on.find(exp.Query) is not None:
                left, right, on = self.with_subqueries(left, right, on, scope, before, bool(side) or semi)
            condition = self.condition(on, scope, "JOIN").sql
        outer_rows = isinstance(node.this, (exp.Lateral, exp.Table)) and isinstance(node.this.this, exp.Anonymous) and node.this.this.name.lower().endswith("_outer")
        if outer_rows and (side not in ("", "LEFT") or condition or semi):
            raise unsupported("A join of this kind with a generator that keeps rows")
        if outer_rows:
            return f"{left} LEFT JOIN {right} ON TRUE"
        if semi:
            del scope.sources[before:]
            scope.order = left_order if saved is not None else None
            word = f"{kind} "
        if not condition:
            if kind != "CROSS" and (word or semi) or semi:
                condition = "TRUE"
            else:
                return f"{left} CROSS JOIN {right}"
        return f"{left} {word}JOIN {right} ON {condition}"

    def with_subqueries(self, left, right, on, scope, before, apart):
        """A join's condition with its subqueries. DuckDB takes none in the condition of an outer join: there (`apart`) each is computed beside the rows
        whose columns it uses. Of both sides it may use none: Spark's rule, too."""
        on = exp.Paren(this=on.copy())
        in_filter(on)
        added, lefts = scope.sources[before:], scope.sources[:before]
        values = {True: [], False: []}  # of the right side, of the left
        beside = {side: ident(self.fresh()) for side in values}
        for node in subquery_values(on.this):
            e = self.compile(node, scope)
            uses = lambda sources: any(ident(s.alias) + "." in e.sql for s in sources)
            if uses(added) and uses(lefts):
                raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_CORRELATED_EXPRESSION_IN_JOIN_CONDITION", f"Unsupported subquery expression: Correlated subqueries in the join predicate cannot reference both join inputs: {self.shown(node)}.", "0A000")
            if apart and isinstance(node, (exp.In, exp.Not)) and not node.args.get("filtering"):
                raise unsupported("IN over a query as a value in the condition of an outer join", "Use EXISTS.")
            if apart:
                side = uses(added)
                node.replace(ColumnNode(E(f'{beside[side]}."p{len(values[side])}"', e.kind, e.refs), "predicate"))
                values[side].append(e)
        if values[True] and right.startswith("LATERAL"):
            raise unsupported("A subquery over a lateral relation in the condition of an outer join")
        for side, found in values.items():
            if found:
                listed = ", ".join(e.sql + f' AS "p{i}"' for i, e in enumerate(found))
                computed = f" CROSS JOIN LATERAL (SELECT {listed}) AS {beside[side]}"
                left, right = (left, f"({right}{computed})") if side else (left + computed, right)
        return left, right, on.this

    def merge_columns(self, using, left_order, left_merged, right_items, side, scope, semi):
        conditions, merged = [], []
        for name in using:
            pair = []
            for items, where in ((left_order, "left"), (right_items, "right")):
                hits = [i for i in items if i.name.lower() == name.lower()]
                if not hits:
                    raise raised("UNRESOLVED_USING_COLUMN_FOR_JOIN", f"USING column {quoted(name)} cannot be resolved on the {where} side of the join. The {where}-side columns: [{', '.join(quoted(i.name) for i in items)}].", "42703")
                if len(hits) > 1:
                    raise raised("AMBIGUOUS_REFERENCE", f"Reference {quoted(name)} is ambiguous.", "42704")
                pair.append(hits[0])
            from chars import filled
            from operators import comparable

            a, b = comparable(*filled(pair[0].e, pair[1].e), name, True)
            conditions.append(f"{a.sql} = {b.sql}")
            if side == "RIGHT":
                e = pair[1].e
            elif side == "FULL":
                a, b = comparable(pair[0].e, pair[1].e, name, True)
                e = made(f"coalesce({a.sql}, {b.sql})", a.kind, a, b)
            else:
                e = pair[0].e
            merged.append(Item(pair[0].name if side != "RIGHT" else pair[1].name, e))
            if semi:
                continue
            for p in pair:
                p.hidden = True
        if semi:
            return " AND ".join(conditions)
        names = {n.lower() for n in using}
        scope.merged = [m for m in left_merged if m.name.lower() not in names] + merged
        scope.order = merged + [i for i in left_order if i.name.lower() not in names] + ([] if semi else [i for i in right_items if i.name.lower() not in names])
        return " AND ".join(conditions)

    def sampled(self, out, node, scope, before):
        sample = node.args.get("sample")
        if sample is None:
            return out
        if len(scope.sources) != before + 1:
            raise unsupported("TABLESAMPLE of this relation")
        repeated = sample.args.get("seed") is not None
        whole = lambda key: int(sample.args[key].this) if isinstance(sample.args.get(key), exp.Literal) and not sample.args[key].is_string and sample.args[key].this.isdigit() else None
        scope.sources[before].scan = None  # a part of it, which no condition may choose
        own = ident(scope.sources[before].alias)
        if sample.args.get("size") is not None:
            n = whole("size")
            if n is None:
                raise unsupported("TABLESAMPLE by this size", "Give a number of ROWS.")
            return f"(SELECT * FROM {out} LIMIT {n}) AS {own}"
        if sample.args.get("bucket_numerator") is not None:
            x, y = whole("bucket_numerator"), whole("bucket_denominator")
            if not x or not y or x > y or sample.args.get("bucket_field") is not None:
                raise unsupported("TABLESAMPLE of this bucket")
            percent = 100 * x / y
        else:
            given = sample.args.get("percent")
            if not isinstance(given, exp.Literal) or given.is_string:
                raise unsupported("TABLESAMPLE by this share", "Give a number of PERCENT.")
            percent = float(given.this)
        if not 0 <= percent <= 100:
            raise raised("_LEGACY_ERROR_TEMP_0064", f"Sampling fraction ({percent / 100}) must be on interval [0, 1].", "42000")
        if repeated and percent not in (0, 100):
            raise unsupported("TABLESAMPLE ... REPEATABLE", "The engine samples with several threads.")
        return f"(SELECT * FROM {out} USING SAMPLE {percent!r} PERCENT (bernoulli)) AS {own}"


def misplaced():
    return raised("INVALID_RECURSIVE_REFERENCE.PLACE", "Invalid recursive reference found inside WITH RECURSIVE clause. Recursive references cannot be used on the right side of left outer/semi/anti joins, on the left side of right outer joins, in full outer joins, in aggregates, and in subquery expressions.", "42836")


def parent_for_relation(self):
    """What a subquery of FROM sees: the query around, not its neighbours."""
    return self.parent


def for_lateral(self):
    """What a lateral relation sees: the sources to its left, and the query around."""
    out = Scope(self.parent)
    out.sources, out.merged, out.order, out.lambdas, out.variables, out.function = list(self.sources), list(self.merged), self.order, self.lambdas, self.variables, self.function
    out.aliases = dict(self.generated)
    return out


Scope.parent_for_relation = parent_for_relation
Scope.for_lateral = for_lateral
