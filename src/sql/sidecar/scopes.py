"""What names mean at a place of a query: its sources, the parameters of lambdas, the aliases of its own list, the query around it."""
from errors import quoted, raised, unsupported
from kinds import ident
from values import E, made


class Col:
    """An output column: `ref` is its quoted name in the DuckDB text of its query; `declared` as an E's."""

    __slots__ = ("name", "kind", "ref", "refs", "declared", "origin", "qualifier")

    def __init__(self, name, kind, ref, refs=frozenset(), declared="", origin=None, qualifier=()):
        """`origin`: the (relation, column) that it is, under whatever name. `qualifier`: the parts of its table's name, for the next operator of a pipe."""
        self.name, self.kind, self.ref, self.refs, self.declared, self.origin, self.qualifier = name, kind, ref, frozenset(refs), declared, origin, tuple(qualifier)


class Query:
    __slots__ = ("sql", "columns", "refs", "ordered", "level", "narrow")

    def __init__(self, sql, columns, refs=frozenset(), level=None, narrow=None):
        """`level`: in the step of a recursive query, the hidden column that says how deep its rows are. `narrow`: the same query for FROM, with hidden
        columns of what is narrow among its own (see E), and their names by place; nothing if there are none."""
        self.sql, self.columns, self.refs, self.level, self.narrow = sql, columns, frozenset(refs), level, narrow


class Item:
    """A column of a source, as an expression."""

    __slots__ = ("name", "e", "hidden", "outer_only")

    def __init__(self, name, e, hidden=False):
        self.name, self.e, self.hidden = name, e, hidden


class Source:
    """`names`: the parts by which it may be qualified, innermost last (["cat", "schema", "t"], or ["alias"])."""

    def __init__(self, names, alias, columns, virtual=()):
        self.names, self.alias = [n.lower() for n in names], alias
        self.shown = list(names)
        self.level = None  # as a Query's
        self.scan = None  # the place of the table that this is, whole
        self.together = None  # of the first source of a join in parentheses: the columns that this has
        self.items = [Item(c.name, E(f"{ident(alias)}.{c.ref}", c.kind, c.refs, c.name, declared=c.declared, origin=c.origin, qualifier=tuple(names))) for c in columns]
        # Columns that no star stands for, found where no other has their name: _metadata of files.
        self.virtual = [Item(c.name, E(f"{ident(alias)}.{c.ref}", c.kind, c.refs, c.name)) for c in virtual]

    def answers_to(self, parts):
        return 0 < len(parts) <= len(self.names) and self.names[-len(parts):] == [p.lower() for p in parts]


class Scope:
    def __init__(self, parent=None):
        self.parent = parent
        self.sources = []
        self.merged = []  # columns of USING and NATURAL joins: Item, found before those of the sources
        self.order = None  # the columns of * where joins have changed it
        self.lambdas = {}
        self.aliases = {}  # lateral aliases, lower case
        self.alias_first = False
        self.layer = None
        self.variables = {}  # the parameters of a function whose body this is
        self.function = ""  # and its name
        self.windows = {}
        self.generated = {}  # what generators to the left in the list are called
        self.depth = parent.depth + 1 if parent is not None else 0
        self.inside = ""  # where aggregates are not allowed: the clause's name

    def derived(self):
        out = Scope(self.parent)
        out.depth = self.depth
        out.sources, out.merged, out.order, out.lambdas, out.aliases, out.alias_first, out.layer, out.windows, out.inside = (
            self.sources, self.merged, self.order, self.lambdas, self.aliases, self.alias_first, self.layer, self.windows, self.inside)
        out.variables, out.function = self.variables, self.function
        return out

    def with_lambda(self, names):
        out = self.derived()
        out.lambdas = {**self.lambdas, **names}
        return out

    def base(self, inside=""):
        """The scope below the aggregation."""
        out = self.derived()
        out.layer, out.inside = None, inside
        return out

    def with_aliases(self, aliases, first=False):
        out = self.derived()
        out.aliases, out.alias_first = aliases, first
        return out

    # --- lookup ------------------------------------------------------------------------------------------------------------------------------
    def lookup(self, c, parts):
        lowered = [p.lower() for p in parts]
        if lowered[0] in self.lambdas:
            return self.fields(c, self.lambdas[lowered[0]], parts[1:])
        if self.alias_first and len(parts) == 1 and lowered[0] in self.aliases:
            return self.alias(lowered[0], parts[0])
        listed = self.listed_field(c, parts)
        if listed is not None:
            return listed
        found = self.in_sources(c, parts)
        if found is not None:
            return self.grouped(c, parts, found) if self.layer is not None and not found.foldable else found
        if lowered[0] in self.aliases:
            return self.fields(c, self.alias(lowered[0], parts[0]), parts[1:])
        s = self.parent
        while s is not None:
            e = s.outer(c, parts)
            if e is not None:
                if not e.foldable:
                    c.outer_depths.append(s.depth)
                return e
            s = s.parent
        return self.variable(c, parts)

    def listed_field(self, c, parts):
        """A field of what the list gives, in HAVING and ORDER BY above an aggregation, where a column of that name has no such field."""
        alias = self.aliases.get(parts[0].lower()) if self.layer is not None and len(parts) > 1 else None
        if alias is None or alias.kind.name != "struct" or any(s.answers_to(parts[:1]) for s in self.sources):
            return None
        below = self.in_sources_quietly(c, parts[:1])
        if below is None or self.in_sources_quietly(c, parts) is not None:
            return None
        return self.fields(c, alias, parts[1:])

    def variable(self, c, parts):
        lowered = parts[0].lower()
        if len(parts) > 1 and lowered == self.function and parts[1].lower() in self.variables:
            return self.fields(c, self.variables[parts[1].lower()], parts[2:])
        if lowered in self.variables:
            return self.fields(c, self.variables[lowered], parts[1:])
        return self.session_variable(c, parts) if self.parent is None else None

    def session_variable(self, c, parts):
        """What is none of the query's own names may be a variable of the session. The bodies of functions know none."""
        if c.expanding or not c.session_variables:
            return None
        lowered = [p.lower() for p in parts]
        for before in (["system", "session"], ["session"], []):
            n = len(before)
            if lowered[:n] == before and len(lowered) > n and lowered[n] in c.session_variables:
                return self.fields(c, c.session_variable(lowered[n]), parts[n + 1:])
        return None

    def alias(self, lowered, shown):
        e = self.aliases[lowered]
        if e is None:
            raise raised("AMBIGUOUS_LATERAL_COLUMN_ALIAS", f"Lateral column alias {quoted(shown)} is ambiguous and has several matches.", "42702")
        return e

    def outer(self, c, parts):
        """A column of this scope as a subquery inside it sees it."""
        lowered = parts[0].lower()
        if lowered in self.lambdas:
            return self.fields(c, self.lambdas[lowered], parts[1:])
        e = self.in_sources(c, parts)
        if e is not None and self.layer is not None:
            return self.grouped(c, parts, e)
        if e is None and lowered in self.aliases:
            return self.fields(c, self.aliases[lowered], parts[1:])
        return self.variable(c, parts) if e is None else e

    def grouped(self, c, parts, e):
        """The key that a column of the sources is, or a field of one."""
        ref = self.layer.ref_of(e)
        for n in range(len(parts) - 1, 0, -1):
            if ref is None and self.in_sources_quietly(c, parts[:n]) is not None:
                key = self.layer.ref_of(self.in_sources_quietly(c, parts[:n]))
                ref = self.fields(c, key, parts[n:]) if key is not None else None
        if ref is None:
            raise self.layer.missing(c, parts, e)
        return ref

    def fields(self, c, e, rest):
        for name in rest:
            e = c.field(e, name, name)
        return e

    def in_sources(self, c, parts):
        name = parts[0].lower()
        found = [i.e for i in self.merged if i.name.lower() == name]
        if found:
            return self.fields(c, found[-1], parts[1:])
        # The longest qualification first: schema.table.column before table.column.field.
        for n in range(min(3, len(parts) - 1), 0, -1):
            named = [s for s in self.sources if s.answers_to(parts[:n])]
            hits = [i.e for s in named for i in s.items if i.name.lower() == parts[n].lower()] or [i.e for s in named for i in s.virtual if i.name.lower() == parts[n].lower()]
            if len(hits) > 1:
                raise ambiguous(parts)
            if hits:
                return self.fields(c, hits[0], parts[n + 1:])
        hits = [i.e for s in self.sources for i in s.items if i.name.lower() == name and not i.hidden] or [i.e for s in self.sources for i in s.virtual if i.name.lower() == name]
        if len(hits) > 1:
            raise ambiguous(parts)
        return self.fields(c, hits[0], parts[1:]) if hits else None

    def in_sources_quietly(self, c, parts):
        try:
            return self.in_sources(c, parts)
        except Exception:
            return None

    def star(self, c, node):
        """The columns that * or t.* stands for, as Items."""
        from sqlglot import exp

        star = node if isinstance(node, exp.Star) else node.this
        if isinstance(node, exp.Star):
            if not self.sources:
                raise raised("INVALID_USAGE_OF_STAR_OR_REGEX", "Invalid usage of '*' in query without FROM clause.", "42000")
            items = self.order if self.order is not None else [i for s in self.sources for i in s.items if not i.hidden]
        else:
            parts = [p.name for p in node.parts[:-1]]
            sources = [s for s in self.sources if s.answers_to(parts)]
            above = self.parent
            while not sources and above is not None:
                sources = [s for s in above.sources if s.answers_to(parts)]
                if sources and above.layer is not None:
                    raise above.layer.missing(c, parts, sources[0].items[0].e)
                if sources:
                    c.outer_depths.append(above.depth)
                above = above.parent
            if sources:
                items = [i for s in sources for i in s.items]
            else:
                base = self.lookup(c, parts)
                if base is None or base.kind.name != "struct":
                    raise raised("CANNOT_RESOLVE_STAR_EXPAND", f"Cannot resolve {'.'.join(quoted(p) for p in parts)}.* given input columns {', '.join(quoted(n[-1]) for n in self.names())}. Please check that the specified table or struct exists and is accessible in the input columns.", "42704")
                items = [Item(f, c.field(base, f)) for f, _ in base.kind.args]
        return self.without(c, items, star)

    def without(self, c, items, star):
        left_out = star.args.get("except_") or star.args.get("except") or []
        if not left_out:
            return items
        out, seen = list(items), []
        for x in left_out:
            from expressions import column_parts, unresolved

            parts = [p.lower() for p in column_parts(x.this if isinstance(x, exp_alias()) else x) or []]
            for other in seen:
                if other[:len(parts)] == parts or parts[:len(other)] == other:
                    raise raised("EXCEPT_OVERLAPPING_COLUMNS", f"Columns in an EXCEPT list must be distinct and non-overlapping, but got ({', '.join('.'.join(s) for s in seen + [parts])}).", "42702")
            seen.append(parts)
            hit = None
            for drop in range(min(3, len(parts) - 1), -1, -1):
                qualified = [s for s in self.sources if drop and s.answers_to(parts[:drop])]
                allowed = {id(i) for s in qualified for i in s.items} if drop else None
                hit = next((k for k, i in enumerate(out) if i.name.lower() == parts[drop] and (allowed is None or id(i) in allowed or any(i.e.sql == j.e.sql for s in qualified for j in s.items))), None)
                if hit is not None:
                    rest = parts[drop + 1:]
                    break
            if hit is None:
                raise unresolved(".".join(quoted(p) for p in parts), parts[-1], [(i.name,) for i in items])
            if rest:
                out[hit] = Item(out[hit].name, without_field(out[hit].e, rest, parts))
            else:
                del out[hit]
        return out

    def names(self):
        out = [tuple(s.shown[-1:]) + (i.name,) for s in self.sources for i in s.items if not i.hidden]
        out += [(i.name,) for i in self.merged]
        if self.parent is not None and not out:
            return self.parent.names()
        return out


def exp_alias():
    from sqlglot import exp

    return exp.Alias


def without_field(e, path, shown):
    """A struct without one of its fields."""
    from expressions import unresolved

    if e.kind.name != "struct" or not any(f.lower() == path[0] for f, _ in e.kind.args):
        raise unresolved(".".join(quoted(p) for p in shown), path[-1], [(f,) for f, _ in e.kind.args] if e.kind.name == "struct" else [])
    parts = []
    for f, k in e.kind.args:
        field = made(f"({e.sql}).{ident(f)}", k, e)
        if f.lower() == path[0]:
            if len(path) == 1:
                continue
            field = without_field(field, path[1:], shown)
        parts.append((f, field))
    from operators import struct_of

    if not parts:
        raise unsupported("A struct without fields")
    inner = struct_of([f for f, _ in parts], [p for _, p in parts])
    return made(f"CASE WHEN {e.sql} IS NOT NULL THEN {inner.sql} END", inner.kind, e)


def ambiguous(parts):
    return raised("AMBIGUOUS_REFERENCE", f"Reference {'.'.join(quoted(p) for p in parts)} is ambiguous.", "42704")


def lookup_own(self, c, name):
    """A column of the sources themselves."""
    return self.in_sources(c, [name])


Scope.lookup_own = lookup_own
