"""GROUP BY: an aggregation is a relation of its own, of its keys and its aggregates; what stands above it sees only those."""
import itertools
import re

from sqlglot import exp

from errors import Refused, mismatch, quoted, raised, syntax, unsupported
from expressions import ColumnNode, unresolved
from kinds import BIGINT, TINYINT, any_in, ident, physical
from values import E


class Layer:
    def __init__(self, c, node, scope, projections, group):
        self.alias = c.fresh()
        self.keys, self.aggregates, self.sets, self.explicit = [], [], None, group is not None
        self.busy = False
        self.places = True  # whether a number is a place in the list
        self.above = None  # what the list gives, while HAVING and ORDER BY are read
        base = scope.base("GROUP BY")
        if group is not None:
            self.read(c, group, base, projections)

    def read(self, c, group, base, projections):
        if not group.expressions and any(not x.expressions for k in ("rollup", "cube") for x in group.args.get(k) or []):
            raise syntax("'WITH'")
        if group.args.get("totals"):
            raise unsupported("GROUP BY ... WITH TOTALS")
        plain, special = [], []
        items = [e for e in group.expressions]
        if group.args.get("all") and not items and base.lookup_own(c, "all") is not None:
            group, items = exp.Group(), [exp.column("all")]
        if len(items) == 1 and isinstance(items[0], (exp.Column, exp.Var)) and items[0].name.lower() == "all" and base.lookup(c, ["all"]) is None or group.args.get("all"):
            from queries import has_aggregate

            items, self.places = [p.this if isinstance(p, exp.Alias) else p for p in projections if not has_aggregate(p)], False
        for kind in ("grouping_sets", "cube", "rollup"):
            items += group.args.get(kind) or []
        for i in items:
            if isinstance(i, (exp.Rollup, exp.Cube)) and not i.expressions:  # WITH ROLLUP, WITH CUBE: over all that was named
                keys = [s for s in plain]
                special.append(rollup(keys) if isinstance(i, exp.Rollup) else cube(keys))
                plain = []
            elif isinstance(i, (exp.Rollup, exp.Cube)):
                parts = [self.together(c, e, base, projections) for e in i.expressions]
                special.append(rollup(parts) if isinstance(i, exp.Rollup) else cube(parts))
            elif isinstance(i, exp.GroupingSets):
                sets = self.sets_of(c, i, base, projections)
                # GROUP BY a, b GROUPING SETS (...): the sets alone say what is grouped.
                if group.args.get("grouping_sets") and i in group.args["grouping_sets"]:
                    plain = []
                special.append(sets)
            else:
                plain.append([self.key(c, i, base, projections)])
        if special:
            product = [[]]
            for sets in special:
                product = [p + s for p in product for s in sets]
            flat = [k for p in plain for k in p]
            self.sets = [list(dict.fromkeys(flat + p)) for p in product]

    def together(self, c, node, base, projections):
        if isinstance(node, exp.Tuple):
            return [self.key(c, e, base, projections) for e in node.expressions]
        if isinstance(node, exp.Paren):
            return [self.key(c, node.this, base, projections)]
        return [self.key(c, node, base, projections)]

    def sets_of(self, c, node, base, projections):
        out = []
        for e in node.expressions:
            if isinstance(e, (exp.Rollup, exp.Cube)):
                parts = [self.together(c, x, base, projections) for x in e.expressions]
                out += rollup(parts) if isinstance(e, exp.Rollup) else cube(parts)
            elif isinstance(e, exp.GroupingSets):
                out += self.sets_of(c, e, base, projections)
            else:
                out.append(self.together(c, e, base, projections))
        return out

    def key(self, c, node, base, projections):
        """The place of a grouping expression among the keys."""
        from queries import has_aggregate

        if self.places and isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal) and not node.this.is_string and node.this.this.isdigit():
            raise raised("GROUP_BY_POS_OUT_OF_RANGE", f"GROUP BY position -{node.this.this} is not in select list (valid range is [1, {len(projections)}]).", "42805")
        if self.places and isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
            place = int(node.this)
            if any(isinstance(p, ColumnNode) for p in projections):
                raise raised("STAR_GROUP_BY_POS", "Star (*) is not allowed in a select list when GROUP BY an ordinal position is used.", "0A000")
            if not 1 <= place <= len(projections):
                raise raised("GROUP_BY_POS_OUT_OF_RANGE", f"GROUP BY position {place} is not in select list (valid range is [1, {len(projections)}]).", "42805")
            p = projections[place - 1]
            node = p.this if isinstance(p, exp.Alias) else p
            if has_aggregate(node):
                raise raised("GROUP_BY_POS_AGGREGATE", f"GROUP BY {place} refers to an expression {c.shown(node)} that contains an aggregate function. Aggregate functions are not allowed in GROUP BY.", "42903")
        elif isinstance(node, exp.Column) and not node.table and base.lookup_own(c, node.name) is None:
            hits = [p for p in projections if isinstance(p, exp.Alias) and p.alias.lower() == node.name.lower()]
            if hits:
                node = hits[0].this
        if has_aggregate(node):
            raise raised("GROUP_BY_AGGREGATE", f"Aggregate functions are not allowed in GROUP BY, but found {c.shown(node)}.", "42903")
        e = c.compile(node, base)
        if any_in(e.kind, lambda k: k.name in ("variant", "interval")):
            raise unsupported(f"Grouping by a {e.kind.sql}")
        for i, k in enumerate(self.keys):
            if same_value(k, e):
                return i
        self.keys.append(e)
        return len(self.keys) - 1

    # --- what the clauses above see ----------------------------------------------------------------------------------------------------------
    def reference(self, i):
        k = self.keys[i]
        return E(f"{ident(self.alias)}.\"g{i}\"", k.kind, k.refs, k.name, agg=True, declared=k.declared, origin=k.origin, qualifier=k.qualifier)

    def ref_of(self, e):
        return next((self.reference(i) for i, k in enumerate(self.keys) if same_value(k, e)), None)

    def grouped(self, c, node, scope):
        """The key that an expression is, if it is one."""
        if self.busy or not self.keys:
            if isinstance(node, ColumnNode):
                raise self.missing(c, [node.name], node.e)
            return None
        if isinstance(node, ColumnNode):
            found = self.ref_of(node.e)
            if found is None:
                raise self.missing(c, [node.name], node.e)
            return found
        if isinstance(node, (exp.Anonymous, exp.Window, exp.Query, exp.Subquery, exp.Exists, exp.Star, exp.Lambda)):
            from queries import has_aggregate

            if not isinstance(node, exp.Anonymous) or has_aggregate(node) or node.name.lower() in ("grouping", "grouping_id"):
                return None
        aliases = c.aliases
        try:
            e = c.compile(node, scope.base(scope.inside))
        except Refused:
            return None
        finally:
            c.aliases = aliases
        return self.ref_of(e) if not e.volatile else None

    def missing(self, c, parts, e):
        shown = ".".join(parts)
        if self.above is not None:  # they see what the list gives and what is grouped by, and no other column
            return unresolved(".".join(quoted(p) for p in parts), parts[-1], [(name,) for name in self.above])
        if not self.places and not self.keys:
            return raised("UNRESOLVED_ALL_IN_GROUP_BY", "Cannot infer grouping columns for GROUP BY ALL based on the select clause. Please explicitly specify the grouping columns.", "42803")
        if not self.explicit or not self.keys:
            return raised("MISSING_GROUP_BY", "The query does not include a GROUP BY clause. Add GROUP BY or turn it into the window functions using OVER clauses.", "42803")
        return raised("MISSING_AGGREGATION", f'The non-aggregating expression "{shown}" is based on columns which are not participating in the GROUP BY clause. Add the columns or the expression to the GROUP BY, aggregate the expression, or use "any_value({shown})" if you do not care which of the values within a group is returned.', "42803")

    def add(self, e):
        """The output column of an aggregate."""
        for i, a in enumerate(self.aggregates):
            if a.sql == e.sql and not e.volatile:
                break
        else:
            i = len(self.aggregates)
            self.aggregates.append(e)
        return E(f"{ident(self.alias)}.\"a{i}\"", e.kind, e.refs, agg=True)

    def grouping(self, c, node, args):
        """grouping(a) and grouping_id(a, b)."""
        if self.sets is None:
            raise raised("UNSUPPORTED_GROUPING_EXPRESSION", "grouping()/grouping_id() can only be used with GroupingSets/Cube/Rollup.", "42K0E")
        places = []
        for e in args:
            at = next((i for i, k in enumerate(self.keys) if same_value(k, e)), None)
            if at is None:
                raise raised("GROUPING_COLUMN_MISMATCH", f"Column of grouping ({c.shown(node)}) can't be found in grouping columns {', '.join(k.name for k in self.keys)}.", "42803")
            places.append(at)
        if node.name.lower() == "grouping_id":
            if not self.keys:
                return E("CAST(0 AS BIGINT)", BIGINT, agg=True)
            if args and places != list(range(len(self.keys))):
                raise raised("GROUPING_ID_COLUMN_MISMATCH", f"Columns of grouping_id ({c.shown(node)}) does not match grouping columns.", "42803")
            places = list(range(len(self.keys)))
            return self.add(E(f"CAST(GROUPING({', '.join(key_sql(self.keys[p]) for p in places)}) AS BIGINT)", BIGINT))
        return self.add(E(f"CAST(GROUPING({key_sql(self.keys[places[0]])}) AS TINYINT)", TINYINT))

    def sql(self, source, where):
        used = {i for s in self.sets for i in s} if self.sets is not None else set(range(len(self.keys)))
        listed = [f"{key_sql(k) if i in used else f'CAST(NULL AS {physical(k.kind)})'} AS \"g{i}\"" for i, k in enumerate(self.keys)] + [f"{a.sql} AS \"a{i}\"" for i, a in enumerate(self.aggregates)]
        if not listed:
            listed = ["count(*) AS \"a0\""]
        group = ""
        if self.sets is not None:
            group = " GROUP BY GROUPING SETS (" + ", ".join("(" + ", ".join(key_sql(self.keys[i]) for i in s) + ")" for s in self.sets) + ")"
            if [] in self.sets and len(self.sets) > 1:
                group += " HAVING count(*) > 0"  # over no rows, Spark makes no grand total beside other sets
        elif self.keys:
            group = " GROUP BY " + ", ".join(key_sql(k) for k in self.keys)
        return f"SELECT {', '.join(listed)}{source}{where}{group}"


def key_sql(k):
    """A constant key must not be taken for a place in the list, and maps are the same in whatever order their entries stand."""
    if any_in(k.kind, lambda x: x.name == "map"):
        return sorted_maps(k.sql, k.kind)
    if k.foldable:
        return f"coalesce({k.sql})" if k.kind.name != "void" else "coalesce(CAST(NULL AS INTEGER))"
    return k.sql


def sorted_maps(x, k, depth=0):
    """A value with the entries of its maps by their keys."""
    v = f"m{depth}_"
    if k.name == "map":
        key, value = sorted_maps(f"{v}.key", k.args[0], depth + 1), sorted_maps(f"{v}.value", k.args[1], depth + 1)
        return f"CASE WHEN {x} IS NOT NULL THEN map_from_entries(list_sort(list_transform(map_entries({x}), lambda {v}: {{'key': {key}, 'value': {value}}}))) END"
    if k.name == "array" and any_in(k, lambda y: y.name == "map"):
        return f"list_transform({x}, lambda {v}: {sorted_maps(v, k.args[0], depth + 1)})"
    if k.name == "struct" and any_in(k, lambda y: y.name == "map"):
        fields = ", ".join(f"{ident(f)} := {sorted_maps(f'({x}).{ident(f)}', kind, depth + 1)}" for f, kind in k.args)
        return f"CASE WHEN {x} IS NOT NULL THEN struct_pack({fields}) END"
    return x


def same_value(a, b):
    """Whether two expressions are one, also where only the sides of a sum or product are exchanged."""
    return a.sql == b.sql or sides(a.sql) is not None and sides(a.sql) == sides(b.sql)


def sides(sql):
    m = re.fullmatch(r"\(([^()]*) ([+*&|=]|AND|OR) ([^()]*)\)", sql)
    return (m.group(2), *sorted((m.group(1), m.group(3)))) if m else None


def rollup(parts):
    return [[k for p in parts[:n] for k in p] for n in range(len(parts), -1, -1)]


def cube(parts):
    out = []
    for mask in itertools.product((True, False), repeat=len(parts)):
        out.append([k for keep, p in zip(mask, parts) if keep for k in p])
    return out

