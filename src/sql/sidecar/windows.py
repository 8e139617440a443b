"""Aggregates and window functions: the call's parts (DISTINCT, ORDER BY within the group, FILTER, OVER) around the function's own text."""
from sqlglot import exp

from catalogue import AGGREGATES, FUNCTIONS
import zones
from errors import mismatch, quoted, raised, syntax, unsupported
from expressions import column_parts
from kinds import BOOLEAN, DATE, INT, integral, orderable, temporal
from values import E, cast, implicit, made

TAIL = "\x01"  # where FILTER and OVER stand in an aggregate's text


class Call:
    """One call of an aggregate or window function, taken apart."""

    def __init__(self, name, node):
        self.name, self.node = name, node
        self.args, self.distinct, self.order, self.filter, self.nulls, self.window = [], False, None, None, None, None
        self.within = False


def taken_apart(node):
    call = Call("", None)
    inner = node
    while not isinstance(inner, (exp.Anonymous, exp.Dot)):
        if isinstance(inner, exp.Window):
            call.window = inner
        elif isinstance(inner, exp.Filter):
            call.filter = inner.expression.this
        elif isinstance(inner, exp.WithinGroup):
            call.within = True
            call.order = inner.expression
        elif isinstance(inner, exp.IgnoreNulls):
            call.nulls = "ignore"
        elif isinstance(inner, exp.RespectNulls):
            call.nulls = "respect"
        else:
            return None
        inner = inner.this
    if isinstance(inner, exp.Dot):
        return None
    call.name, call.node = inner.name.lower(), inner
    args = []
    for a in inner.expressions:
        if isinstance(a, exp.Distinct):
            call.distinct = True
            args += a.expressions
        elif isinstance(a, exp.IgnoreNulls):
            call.nulls = "ignore"
            args.append(a.this)
        elif isinstance(a, exp.RespectNulls):
            call.nulls = "respect"
            args.append(a.this)
        elif isinstance(a, exp.Order):
            raise syntax("'ORDER'")
        else:
            args.append(a)
    call.args = args
    return call


def unordered(c, name, call):
    return raised("WINDOW_FUNCTION_FRAME_NOT_ORDERED", f"Window function {name} requires the window to be ordered. You need to add an ORDER BY clause. For example: SELECT {c.shown(call.node)} OVER (PARTITION BY window_partition ORDER BY window_ordering) FROM table.", "42601")


def unaccepted(c, node, k):
    return mismatch("SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE", c.shown(node), f'The data type of a window frame bound "{k.sql}" does not match the expected data type ("NUMERIC" or "INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH" or "INTERVAL").')


RANDOM = {"rand", "random", "randn", "uuid", "shuffle", "randstr", "uniform", "monotonically_increasing_id", "spark_partition_id"}


def random_call(c, node):
    """Whether an expression calls a random function itself: not as an argument of a function of the catalog, nor in a subquery."""
    stack = [node]
    while stack:
        n = stack.pop()
        if isinstance(n, exp.Query) or isinstance(n, exp.Anonymous) and c.is_local([n.name]):
            continue
        if isinstance(n, exp.Anonymous) and n.name.lower() in RANDOM:
            return True
        stack += list(n.iter_expressions())
    return False


class Windows:
    def aggregation_around(self, node, scope):
        """An aggregate function in a subquery's WHERE, over columns of the query around alone, whose HAVING the subquery stands in, is of that query's
        aggregation: the scope there. Nothing: it is the subquery's own."""
        if scope.parent is None or any(isinstance(x, (exp.Query, exp.Lambda)) for x in node.walk()):
            return None
        columns = [column_parts(x) for x in node.find_all(exp.Column) if not isinstance(x.this, exp.Star)]
        if not columns or None in columns:
            return None
        own = [scope.in_sources_quietly(self, p) is not None for p in columns]
        if all(own):
            return None
        s = scope.parent
        while s is not None:
            theirs = [s.in_sources_quietly(self, p) is not None for p in columns]
            if any(own) and any(t and not o for t, o in zip(theirs, own)):
                raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.AGGREGATE_FUNCTION_MIXED_OUTER_LOCAL_REFERENCES", f"Unsupported subquery expression: Found an aggregate function in a correlated predicate that has both outer and local references, which is not supported: {self.shown(node)}.", "0A000")
            if all(theirs):
                return s if s.layer is not None and s.inside == "HAVING" and scope.inside == "WHERE" else None
            s = s.parent
        return None

    def aggregate(self, node, scope):
        """An aggregate's call without OVER: a column of the aggregation below."""
        call = taken_apart(node)
        if call is None or call.name not in AGGREGATES:
            if call is not None and call.name not in FUNCTIONS:
                return self.call(call.node, scope)
            raise raised("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", f"The function {self.shown(node)} does not support this syntax.", "42000")
        if call.name in ("grouping", "grouping_id"):
            if scope.layer is None:
                raise raised("UNSUPPORTED_GROUPING_EXPRESSION", "grouping()/grouping_id() can only be used with GroupingSets/Cube/Rollup.", "42K0E")
            if not scope.layer.keys and scope.layer.sets is not None and (scope.inside == "HAVING" or scope.alias_first):
                raise raised("UNSUPPORTED_GROUPING_EXPRESSION", "grouping()/grouping_id() can only be used with GroupingSets/Cube/Rollup.", "42K0E")
            below = scope.base("GROUP BY")
            below.aliases, below.alias_first = {}, False  # what is grouped by, whatever the list calls it
            return scope.layer.grouping(self, call.node, [self.compile(a, below) for a in call.args])
        around = self.aggregation_around(node, scope)
        if around is not None:
            self.outer_depths.append(around.depth)
            return self.aggregate(node, around)
        if scope.layer is None:
            if scope.inside == "aggregate":
                raise raised("NESTED_AGGREGATE_FUNCTION", "It is not allowed to use an aggregate function in the argument of another aggregate function. Please use the inner aggregate function in a sub-query.", "42607")
            if scope.inside == "FILTER":
                raise raised("INVALID_AGGREGATE_FILTER.CONTAINS_AGGREGATE", f'The FILTER expression "{self.shown(node)}" in an aggregate function is invalid. Expected a FILTER expression without an aggregate function.', "42903")
            if scope.inside == "GROUP BY":
                raise raised("GROUP_BY_AGGREGATE", f"Aggregate functions are not allowed in GROUP BY, but found {self.shown(node)}.", "42903")
            raise unsupported("An aggregate function here")
        if any(random_call(self, a) for a in call.args):
            raise raised("AGGREGATE_FUNCTION_WITH_NONDETERMINISTIC_EXPRESSION", f'Non-deterministic expression "{self.shown(node)}" should not appear in the arguments of an aggregate function.', "42845")
        if call.filter is not None and random_call(self, call.filter):
            raise raised("INVALID_AGGREGATE_FILTER.NON_DETERMINISTIC", f'The FILTER expression "{self.shown(call.filter)}" in an aggregate function is invalid. Expected a deterministic FILTER expression.', "42903")
        base = scope.base("aggregate")
        base.aliases = scope.aliases
        e = AGGREGATES[call.name](self, call, base)
        if e.window:
            raise raised("_LEGACY_ERROR_TEMP_1034", "A window function cannot stand in an aggregate function.", "42000")
        tail = self.filtered(call, base)
        return scope.layer.add(E(e.sql.replace(TAIL, tail), e.kind, e.refs, volatile=e.volatile))

    def filtered(self, call, base):
        if call.filter is None:
            return ""
        inner = base.base("FILTER")
        from queries import has_window

        if has_window(call.filter):
            raise raised("INVALID_AGGREGATE_FILTER.CONTAINS_WINDOW_FUNCTION", f'The FILTER expression "{self.shown(call.filter)}" in an aggregate function is invalid. Expected a FILTER expression without a window function.', "42903")
        e = self.compile(call.filter, inner)
        if e.volatile:
            raise raised("INVALID_AGGREGATE_FILTER.NON_DETERMINISTIC", f'The FILTER expression "{self.shown(call.filter)}" in an aggregate function is invalid. Expected a deterministic FILTER expression.', "42903")
        if e.kind != BOOLEAN:
            raise raised("INVALID_AGGREGATE_FILTER.NOT_BOOLEAN", f'The FILTER expression "{self.shown(call.filter)}" in an aggregate function is invalid. Expected a FILTER expression of the BOOLEAN type.', "42903")
        return f" FILTER (WHERE {e.sql})"

    def window(self, node, scope):
        call = taken_apart(node)
        if call is None:
            raise unsupported(f"The window expression {self.shown(node)}")
        name = call.name
        if scope.inside in ("aggregate", "FILTER") and scope.layer is None and scope.inside == "aggregate":
            raise raised("_LEGACY_ERROR_TEMP_1034", "It is not allowed to use a window function inside an aggregate function. Please use the inner window function in a sub-query.", "42000")
        spec = self.specification(node, scope)
        partition = [self.compile(p, scope) for p in spec.args.get("partition_by") or []]
        if any(p.kind.name == "variant" for p in partition):
            raise unsupported("A window partitioned by a VARIANT")
        order = spec.args.get("order")
        frame = self.frame(spec, scope)
        if call.within and name in FUNCTIONS:
            raise raised("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", f"The function {quoted(name)} does not support WITHIN GROUP (ORDER BY ...).", "42000")
        if call.distinct and name not in ("percentile_cont", "percentile_disc"):
            raise raised("DISTINCT_WINDOW_FUNCTION_UNSUPPORTED", f"Distinct window functions are not supported: {self.shown(call.node)}.", "0A000")
        if name in RANKED:
            if order is None:
                raise unordered(self, name, call)
            if frame:
                raise raised("_LEGACY_ERROR_TEMP_1036", f"Window Frame must match the required frame of {name}().", "42000")
            e = self.ranked(call, scope)
        elif name in ("lag", "lead"):
            if order is None:
                raise unordered(self, name, call)
            e = self.shifted(call, scope)
        elif name == "nth_value":
            e = self.nth(call, scope)
        elif name in AGGREGATES:
            if name in PERCENTILES and (order is not None or frame):
                raise raised("INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", f'Cannot specify ORDER BY or a window frame for "{self.shown(call.node)}".', "42601")
            e = AGGREGATES[name](self, call, scope)
            if name in ("listagg", "string_agg") and order is not None and call.order is not None:
                raise raised("INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", f'Cannot specify ORDER BY or a window frame for "{self.shown(call.node)}".', "42601")
        elif name in FUNCTIONS:
            raise raised("UNSUPPORTED_EXPR_FOR_WINDOW", f'Expression "{self.shown(call.node)}" not supported within a window function.', "42P20")
        else:
            return self.call(call.node, scope)
        keys = []
        for key in order.expressions if order is not None else []:
            this = key.this if isinstance(key, exp.Ordered) else key
            k = self.compile(this, scope)
            if not orderable(k.kind):
                raise mismatch("INVALID_ORDERING_TYPE", self.shown(this), f'The `sortorder` does not support ordering on type "{k.kind.sql}".')
            if k.is_literal:
                k = made(f"coalesce({k.sql})", k.kind, k)
            keys.append(k.sql + (" DESC" if key.args.get("desc") else " ASC") + (" NULLS FIRST" if key.args.get("nulls_first") else " NULLS LAST"))
        over = " OVER (" + " ".join(x for x in ("PARTITION BY " + ", ".join(p.sql for p in partition) if partition else "", "ORDER BY " + ", ".join(keys) if keys else "", frame) if x) + ")"
        tail = self.filtered(call, scope)
        out = made(e.sql.replace(TAIL, tail + over), e.kind, e, *partition)
        out.window, out.foldable = True, False
        return out

    def specification(self, node, scope):
        """OVER name, OVER (...), OVER (name ...)."""
        if isinstance(node.args.get("alias"), exp.Identifier) and not node.args.get("partition_by") and not node.args.get("order") and not node.args.get("spec"):
            found = scope.windows.get(node.args["alias"].name.lower())
            if found is None:
                raise raised("MISSING_WINDOW_SPECIFICATION", f"Window specification is not defined in the WINDOW clause for {quoted(node.args['alias'].name)}. For more information about WINDOW clauses, please refer to 'https://spark.apache.org/docs/latest/sql-ref-syntax-qry-select-window.html'.", "42P20")
            return found
        if isinstance(node.args.get("alias"), exp.Identifier):
            raise unsupported("A named window with additions")
        return node

    def frame(self, spec, scope):
        s = spec.args.get("spec")
        if s is None:
            return ""
        if s.args.get("exclude"):
            raise syntax("'EXCLUDE'")
        kind = (s.args.get("kind") or "").upper()
        bounds, values = [], []
        for key in ("start", "end"):
            value, side = s.args.get(key), s.args.get(key + "_side")
            if value is None:
                bounds.append("CURRENT ROW")
            elif isinstance(value, str):
                bounds.append(f"{value.upper()}{' ' + side.upper() if side else ''}")
            else:
                e = self.compile(value, scope)
                if not e.foldable:
                    raise raised("DATATYPE_MISMATCH.SPECIFIED_WINDOW_FRAME_WITHOUT_FOLDABLE", f"Window frame bound '{self.shown(value)}' is not a literal.", "42K09")
                text = e.sql
                values.append(e.kind)
                if kind == "ROWS" and (not integral(e.kind) or e.is_literal and e.lit is not None and not -2**31 <= e.lit < 2**31):
                    raise mismatch("SPECIFIED_WINDOW_FRAME_UNACCEPTED_TYPE", self.shown(value), f'The data type of the window frame bound "{e.kind.sql}" does not match the expected data type "INT".')
                if e.kind.name in ("dt", "ym"):
                    zones.refused("A window frame between intervals")
                if e.kind.name == "dt":
                    text = f"to_microseconds({e.sql})"
                elif e.kind.name == "ym":
                    text = f"to_months({e.sql})"
                elif temporal(e.kind) and not isinstance(value, exp.Cast):
                    raise raised("_LEGACY_ERROR_TEMP_0064", "Frame bound value must be a literal.", "42601")
                elif temporal(e.kind):
                    raise unaccepted(self, value, e.kind)
                elif e.kind.name == "interval" or not e.kind.name in ("tinyint", "smallint", "int", "bigint"):
                    raise unsupported("This bound of a window frame")
                bounds.append(f"{text} {side.upper()}")
        if bounds[0] == "UNBOUNDED FOLLOWING" or bounds[1] == "UNBOUNDED PRECEDING":
            raise mismatch("SPECIFIED_WINDOW_FRAME_INVALID_BOUND", self.shown(spec), f'Window frame upper bound "{bounds[1]}" does not follow the lower bound "{bounds[0]}".')
        if bounds[0].endswith("FOLLOWING") and bounds[1].endswith("PRECEDING"):
            raise mismatch("SPECIFIED_WINDOW_FRAME_WRONG_COMPARISON", self.shown(spec), "The lower bound of a window frame must be less than or equal to the upper bound.")
        if kind == "RANGE" and any("UNBOUNDED" not in b and b != "CURRENT ROW" for b in bounds):
            order = spec.args.get("order")
            keys = order.expressions if order is not None else []
            if len(keys) != 1:
                raise mismatch("RANGE_FRAME_MULTI_ORDER" if keys else "RANGE_FRAME_WITHOUT_ORDER", self.shown(spec), "A range window frame with value boundary cannot be used in a window specification with multiple order by expressions.")
            key = self.compile(keys[0].this if isinstance(keys[0], exp.Ordered) else keys[0], scope).kind
            if key == DATE and any(k.name == "dt" and k.args != ("day", "day") for k in values):
                raise mismatch("RANGE_FRAME_INVALID_TYPE", self.shown(spec), f'The data type "{key.sql}" used in the order specification does not support the data type "INTERVAL DAY TO SECOND" which is used in the range frame.')
            if key.name in ("string", "boolean") and values:  # the bound turns into what is ordered by
                raise unaccepted(self, spec, key)
            if key.name in ("binary", "timestamp", "timestamp_ntz") and any(integral(k) for k in values):
                raise mismatch("RANGE_FRAME_INVALID_TYPE", self.shown(spec), f'The data type "{key.sql}" used in the order specification does not support the data type "INT" which is used in the range frame.')
        return f"{kind} BETWEEN {bounds[0]} AND {bounds[1]}"

    def ranked(self, call, scope):
        name = call.name
        if name == "ntile":
            if len(call.args) > 1:
                from catalogue import wrong_count

                raise wrong_count(name, "[0, 1]", len(call.args))
            n = self.compile(call.args[0], scope) if call.args else None
            return E(f"CAST(ntile({n.sql if n else 1}){TAIL} AS INTEGER)", INT)
        if call.args:
            from catalogue import wrong_count

            raise wrong_count(name, "0", len(call.args))
        from kinds import DOUBLE

        if name in ("percent_rank", "cume_dist"):
            return E(f"{name}(){TAIL}", DOUBLE)
        return E(f"CAST({name}(){TAIL} AS INTEGER)", INT)

    def shifted(self, call, scope):
        args = [self.compile(a, scope) for a in call.args]
        if not 1 <= len(args) <= 3:
            from catalogue import wrong_count

            raise wrong_count(call.name, "[1, 2, 3]", len(args))
        value = args[0]
        by = implicit(args[1], INT) if len(args) > 1 else None
        default = cast(args[2], value.kind) if len(args) > 2 else None
        nulls = " IGNORE NULLS" if call.nulls == "ignore" else ""
        inner = f"{call.name}({value.sql}{', ' + (by.sql if by else '1') if by or default else ''}{', ' + default.sql if default else ''}{nulls}){TAIL}"
        return made(inner, value.kind, *args)

    def nth(self, call, scope):
        args = [self.compile(a, scope) for a in call.args]
        if not 2 <= len(args) <= 3:
            from catalogue import wrong_count

            raise wrong_count(call.name, "2", len(args))
        if args[1].is_literal and isinstance(args[1].lit, int) and args[1].lit <= 0:
            raise mismatch("VALUE_OUT_OF_RANGE", self.shown(call.node), f"The offset must be between [1, 9223372036854775807] (current value = {args[1].lit}L).")
        ignore = call.nulls == "ignore" or len(args) == 3 and args[2].lit is True
        return made(f"nth_value({args[0].sql}, {cast(args[1], INT).sql}{' IGNORE NULLS' if ignore else ''}){TAIL}", args[0].kind, args[0])


RANKED = {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile"}
PERCENTILES = {"median", "percentile", "percentile_cont", "percentile_disc"}
