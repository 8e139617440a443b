"""Expressions: names to columns, operators and functions to DuckDB text, each with the type that Spark gives it."""
import difflib

from sqlglot import exp

import operators
import variants
from catalogue import AGGREGATES, FUNCTIONS, GENERATORS, NAMED_ARGUMENTS
from errors import Refused, mismatch, quoted, raised, syntax, unsupported
from kinds import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, INT, STRING, TIMESTAMP, VARIANT, VOID, all_common, array, decimal, ident, integral, numeric, of_node, orderable, physical, struct, text, unbounded
from literals import interval_literal, number_literal, typed_literal
from values import E, UNKNOWN, cast, implicit, literal_of, made, string_sql

PLAIN_WORDS = {"current_date", "current_timestamp", "current_user", "current_timezone", "localtimestamp", "now", "user", "session_user", "current_time", "current_catalog", "current_schema", "current_database", "curdate", "localtime"}
HOLE_WORDS = {"current_user": "user", "user": "user", "session_user": "user", "current_catalog": "catalog", "current_schema": "schema", "current_database": "schema"}


class Expressions:
    def __init__(self, hole, parameters, path):
        self.hole, self.parameters, self.path = hole, parameters or {}, path
        self.depth = 0
        self.outer_depths = []  # of the scopes that names were found in beyond their own query

    # --- entry -------------------------------------------------------------------------------------------------------------------------------
    kinds = None  # of every node that was compiled, by its id, where somebody asks (sail.py)

    def compile(self, node, scope):
        e = self.compiled(node, scope)
        if self.kinds is not None:
            self.kinds[id(node)] = (node, e.kind)
        return e

    def compiled(self, node, scope):
        if scope.layer is not None and not isinstance(node, (exp.Literal, exp.Null, exp.Boolean)):
            found = scope.layer.grouped(self, node, scope)
            if found is not None:
                return found
        method = DISPATCH.get(type(node))
        if method is None:
            raise unsupported(f"The expression {self.shown(node)}")
        return method(self, node, scope)

    def compile_as(self, node, kind, scope, what="the expression"):
        e = self.compile(node, scope)
        out = implicit(e, kind)
        if out is None:
            raise mismatch("UNEXPECTED_INPUT_TYPE", self.shown(node), f'{what} requires the "{kind.sql}" type, however it has the type "{e.kind.sql}".')
        return out

    @staticmethod
    def shown(node):
        if node.find(ColumnNode) is not None:
            node = node.copy().transform(lambda n: exp.column(n.title) if isinstance(n, ColumnNode) else n)
        out = node.sql("databricks", normalize_functions="lower", comments=False).replace("`", "")
        return out if len(out) <= 200 else out[:197] + "..."

    def boolean(self, node, scope):
        e = self.compile(node, scope)
        if e.kind == BOOLEAN:
            return e
        out = implicit(e, BOOLEAN) if e.kind.name in ("string", "void") else None
        if out is None:
            return None
        return out

    # --- names -------------------------------------------------------------------------------------------------------------------------------
    def column(self, node, scope):
        if isinstance(node.this, exp.Star):
            raise raised("INVALID_USAGE_OF_STAR_OR_REGEX", "Invalid usage of '*' in expression.", "42000")
        parts = [p.name for p in node.parts]
        if len(parts) == 1 and not (isinstance(node.this, exp.Identifier) and node.this.quoted):
            word = parts[0].lower()
            if word == "grouping__id" and scope.layer is not None and scope.layer.sets is not None:
                return scope.layer.grouping(self, exp.Anonymous(this="grouping_id", expressions=[]), [])
            # A column of the sources comes first, then the function; aliases, parameters and what is around come after it.
            own = word in scope.lambdas or scope.alias_first and word in scope.aliases or scope.in_sources_quietly(self, parts) is not None
            if word in PLAIN_WORDS and not own:
                return FUNCTIONS[word](self, exp.Anonymous(this=word, expressions=[]), scope)
        return self.resolve(parts, scope)

    def identifier(self, node, scope):
        return self.resolve([node.name], scope)

    def resolve(self, parts, scope):
        e = scope.lookup(self, parts)
        if e is None:
            raise unresolved(".".join(quoted(p) for p in parts), parts[-1], scope.names())
        return e

    def dot(self, node, scope):
        """a.b.c of an expression: a field of a struct, or of each item of an array of structs."""
        if isinstance(node.expression, exp.Anonymous) or isinstance(node.expression, exp.Dot):
            flat = name_parts(node)
            if flat is not None:
                parts, call = flat
                return self.routine(parts, call, scope)
        if isinstance(node.expression, exp.Star):
            raise raised("INVALID_USAGE_OF_STAR_OR_REGEX", "Invalid usage of '*' in expression.", "42000")
        flat = column_parts(node)
        if flat is not None:
            e = scope.lookup(self, flat)
            if e is not None:
                return e
        base = self.compile(node.this, scope)
        return self.field(base, node.expression.name, self.shown(node.this))

    def field(self, base, name, shown=""):
        k = base.kind
        if k.name == "struct":
            at = [i for i, (f, _) in enumerate(k.args) if f.lower() == name.lower()]
            if len(at) > 1:
                raise raised("AMBIGUOUS_REFERENCE_TO_FIELDS", f"Ambiguous reference to the field `{name}`. It appears {len(at)} times in the schema.", "42000")
            if not at:
                raise raised("FIELD_NOT_FOUND", f"No such struct field {quoted(name)} in {', '.join(quoted(f) for f, _ in k.args)}.", "42704")
            f, kind = k.args[at[0]]
            return made(f"({base.sql}).{ident(f)}", kind, base)
        if k.name == "array" and k.args[0].name == "struct":
            inner = self.field(E("v_", k.args[0]), name)
            return made(f"list_transform({base.sql}, lambda v_: {inner.sql})", array(inner.kind), base)
        if k.name == "map":
            return operators.map_value(self, base, literal_of(name, STRING), shown)
        if k.name == "void":
            return literal_of(None, VOID)
        if k.name == "variant":
            raise unsupported("A path into a VARIANT")
        raise raised("INVALID_EXTRACT_BASE_FIELD_TYPE", f"Can't extract a value from \"{shown}\". Need a complex type [STRUCT, ARRAY, MAP] but got \"{k.sql}\".", "42000")

    def bracket(self, node, scope):
        if len(node.expressions) != 1:
            raise syntax("','", "one index is expected")
        base, index = self.compile(node.this, scope), self.compile(node.expressions[0], scope)
        if scope.layer is not None and scope.aliases and base.kind.name not in ("array", "map", "struct", "void", "variant") and isinstance(node.this, exp.Column):
            # What the list gives has no items: then the column of that name below, if it is grouped by.
            below = scope.with_aliases({})
            try:
                base = self.compile(node.this, below)
            except Refused:
                pass
        return operators.item(self, base, index, self.shown(node.this))

    def json_path(self, node, scope):
        base = self.compile(node.this, scope)
        parts = node.expression.expressions[1:] if isinstance(node.expression, exp.JSONPath) else None
        if base.kind not in (STRING, VARIANT) or parts is None:
            raise unsupported("A path with a colon into something else than a STRING")
        path = "$"
        for p in parts:
            if isinstance(p, exp.JSONPathKey) and isinstance(p.this, str):
                path += "['" + p.this + "']"
            elif isinstance(p, exp.JSONPathSubscript) and isinstance(p.this, int):
                path += f"[{p.this}]"
            else:
                raise unsupported("This path into JSON")
        if base.kind == VARIANT:
            if any(isinstance(p, exp.JSONPathKey) and set(p.this) & set(".['\"]") for p in parts):
                # In `a.b` the point parts two names, in ['a.b'] it does not; both come here alike.
                raise unsupported("A name with a point, a bracket or a quote in a path with a colon", "Write variant_get(v, '$[\"a.b\"]').")
            return variants.at_path(base, path)
        return made(f"spark_get_json_object({base.sql}, {text(path)})", STRING, base)

    # --- literals ----------------------------------------------------------------------------------------------------------------------------
    def literal(self, node, scope):
        if node.is_string:
            return literal_of(node.this, STRING)
        return number_literal(node.this)

    def hex(self, node, scope):
        digits = node.this
        digits = "0" + digits if len(digits) % 2 else digits
        if not all(d in "0123456789abcdefABCDEF" for d in digits):
            raise raised("INVALID_TYPED_LITERAL", f'The value of the typed literal "X" is invalid: \'{digits}\'.', "42604")
        return E(f"unhex('{digits}')", BINARY, lit=bytes.fromhex(digits), foldable=True)

    def parameter(self, node, scope):
        name = node.name or (node.this.name if isinstance(node.this, exp.Expression) else "")
        if not name:
            raise unsupported("A positional parameter", "Use a named one, :name.")
        kind = self.parameters.get(name, STRING)
        return E(self.hole.quoted({"param": name}), kind, foldable=True)

    def concat_literals(self, node, scope):
        parts = [self.compile(e, scope) for e in node.expressions]
        if all(p.is_literal and isinstance(p.lit, str) for p in parts):
            return literal_of("".join(p.lit for p in parts), STRING)
        raise syntax("a string")

    # --- calls -------------------------------------------------------------------------------------------------------------------------------
    def positional(self, name, node):
        """A call's arguments in the order of its parameters: f(b => 2, a => 1)."""
        args = list(node.expressions)
        if not any(isinstance(a, (exp.Kwarg, exp.PropertyEQ)) for a in args):
            return args
        names = NAMED_ARGUMENTS.get(name)
        if names is None:
            raise raised("NAMED_PARAMETERS_NOT_SUPPORTED", f"Named parameters are not supported for function {quoted(name)}; please retry the query with positional arguments to the function call instead.", "4274K")
        out, seen = [], {}
        for a in args:
            if isinstance(a, (exp.Kwarg, exp.PropertyEQ)):
                key = a.this.name.lower()
                if key not in names:
                    raise raised("UNRECOGNIZED_PARAMETER_NAME", f"Cannot invoke routine {quoted(name)} because the routine call included a named argument reference for the argument named {quoted(key)}, but this routine does not include any signature containing an argument with this name.", "4274K")
                if key in seen or names.index(key) < len(out):
                    raise raised("DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE", f"Call to routine {quoted(name)} is invalid because it includes multiple argument assignments to the same parameter name {quoted(key)}.", "4274K")
                seen[key] = a.expression
            elif seen:
                raise raised("UNEXPECTED_POSITIONAL_ARGUMENT", f"Cannot invoke routine {quoted(name)} because it contains positional argument(s) following the named argument.", "4274K")
            else:
                out.append(a)
        for n in names[len(out):]:
            if n in seen:
                out.append(seen.pop(n))
            elif seen:
                raise raised("REQUIRED_PARAMETER_NOT_FOUND", f"Cannot invoke routine {quoted(name)} because the parameter named {quoted(n)} is required.", "4274K")
        return out

    def call(self, node, scope):
        name = node.name.lower()
        if any(isinstance(a, exp.Star) or (isinstance(a, exp.Column) and isinstance(a.this, exp.Star)) for a in node.expressions) and name != "count":
            node = exp.Anonymous(this=node.this, expressions=self.expanded(node.expressions, scope))
        own = self.local_routine([node.name], node, scope)
        if own is not None:
            return own
        if name in AGGREGATES:
            return self.aggregate(node, scope)
        if name in WINDOW_ONLY:
            raise raised("WINDOW_FUNCTION_WITHOUT_OVER_CLAUSE", f"Window function {name}() requires an OVER clause.", "42601")
        if name in GENERATORS:
            raise raised("UNSUPPORTED_GENERATOR.NESTED_IN_EXPRESSIONS", f'The generator is not supported: nested in expressions "{self.shown(node)}".', "42K0E")
        build = FUNCTIONS.get(name)
        if build is None:
            raise no_routine([node.name], self.path)
        if any(isinstance(a, exp.Distinct) for a in node.expressions):
            raise raised("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", f"The function {quoted(name)} does not support DISTINCT.", "42000")
        e = build(self, node, scope)
        return e

    def expanded(self, nodes, scope):
        out = []
        for n in nodes:
            if isinstance(n, exp.Star) or (isinstance(n, exp.Column) and isinstance(n.this, exp.Star)):
                out += [ColumnNode(c.e, c.name) for c in scope.star(self, n)]
            else:
                out.append(n)
        return out

    def routine(self, parts, call, scope):
        """cat.schema.f(x): a SQL function of the catalog, or system.builtin.f."""
        lowered = [p.lower() for p in parts]
        if lowered[:2] in (["system", "builtin"],) or lowered[:1] == ["builtin"]:
            return self.call(call, scope)
        own = self.local_routine(parts, call, scope)
        if own is None:
            raise no_routine(parts, self.path)
        return own

    def local_routine(self, parts, node, scope):
        return None

    def is_local(self, parts):
        return False

    # --- nested values -----------------------------------------------------------------------------------------------------------------------
    def given(self, node, scope):
        return node.e

    def tuple(self, node, scope):
        parts = [self.compile(x, scope) for x in node.expressions]
        names = [column_name(x, i + 1) for i, x in enumerate(node.expressions)]
        return operators.struct_of(names, parts)

    def alias(self, node, scope):
        return self.compile(node.this, scope)

    def paren(self, node, scope):
        e = self.compile(node.this, scope)
        return E(f"({e.sql})", e.kind, e.refs, e.name, e.lit, e.agg, e.window, e.volatile, e.foldable, declared=e.declared, narrow=e.narrow) if not e.is_literal else e

    def cast(self, node, scope):
        if isinstance(node.this, exp.Literal) and node.args.get("typed"):
            return typed_literal(self, node)
        e = self.compile(node.this, scope)
        to = of_node(unbounded(node.to))
        if node.args.get("format") is not None:
            raise syntax("FORMAT")
        out = cast(e, to, "try" if isinstance(node, exp.TryCast) else "ansi", self.shown(node.this))
        if out is e:
            out = e.with_(e.sql, e.kind, e.lit)
        out.source = "cast"  # no literal as arithmetic with decimals counts its digits
        return out

    def interval(self, node, scope):
        return interval_literal(self, node, scope)

    def case(self, node, scope):
        subject = node.args.get("this")
        conditions, values = [], []
        for branch in node.args["ifs"]:
            if subject is not None:
                conditions.append(self.compile(exp.EQ(this=subject.copy(), expression=branch.this.copy()), scope))
            else:
                b = self.compile(branch.this, scope)
                if b.kind != BOOLEAN:
                    taken = implicit(b, BOOLEAN) if b.kind.name in ("void",) else None
                    if taken is None:
                        raise mismatch("UNEXPECTED_INPUT_TYPE", self.shown(node), f'The condition of WHEN requires the "BOOLEAN" type, however it has the type "{b.kind.sql}".')
                    b = taken
                conditions.append(b)
            values.append(self.compile(branch.args["true"], scope))
        default = self.compile(node.args["default"], scope) if node.args.get("default") is not None else literal_of(None, VOID)
        return operators.choice(self, conditions, values, default, self.shown(node))

    def subquery(self, node, scope):
        q = self.query(node.this, scope)
        if len(q.columns) != 1:
            raise raised("INVALID_SUBQUERY_EXPRESSION.SCALAR_SUBQUERY_RETURN_MORE_THAN_ONE_OUTPUT_COLUMN", f"Scalar subquery must return only one column, but returned {len(q.columns)}.", "42823")
        column = q.columns[0]
        return E(f"({q.sql})", column.kind, column.refs | q.refs, column.name)

    def exists(self, node, scope):
        inner = node.this
        if not isinstance(inner, exp.Query):  # exists(array, lambda)
            return FUNCTIONS["exists"](self, exp.Anonymous(this="exists", expressions=[inner, *node.expressions]), scope)
        inner.args["any_row"] = True  # which rows a LIMIT leaves is no matter
        q = self.query(inner, scope)
        return E(f"EXISTS ({q.sql})", BOOLEAN, q.refs)

    def any_call(self, node, scope):
        inner = node.this.this if isinstance(node.this, exp.Paren) else node.this
        return self.compile(exp.Anonymous(this="any", expressions=[inner]), scope)

    def lambda_(self, node, scope):
        raise raised("INVALID_LAMBDA_FUNCTION_CALL.NON_HIGHER_ORDER_FUNCTION", "A lambda function should only be used in a higher order function.", "42K0D")

    def apply(self, node, kinds, scope, what):
        """A lambda over parameters of these kinds: (parameter names in DuckDB, body)."""
        if not isinstance(node, exp.Lambda):  # any expression: a function that does not look at its arguments
            self.depth += 1
            hidden = [f"p{self.depth}_{i}_" for i in range(len(kinds))]
            self.depth -= 1
            return hidden, self.compile(node, scope)
        names = [p.name for p in node.expressions]
        if len(names) != len(kinds):
            raise raised("INVALID_LAMBDA_FUNCTION_CALL.NUM_ARGS_MISMATCH", f"A higher order function expects {len(kinds)} arguments, but got {len(names)}.", "42K0D")
        if len({n.lower() for n in names}) != len(names):
            raise raised("INVALID_LAMBDA_FUNCTION_CALL.DUPLICATE_ARG_NAMES", f"The lambda function has duplicate arguments {', '.join(names)}.", "42K0D")
        self.depth += 1
        made_names = [f"p{self.depth}_{i}_" for i in range(len(names))]
        inner = scope.with_lambda({n.lower(): E(m, k) for n, m, k in zip(names, made_names, kinds)})
        try:
            body = self.compile(node.this, inner)
        finally:
            self.depth -= 1
        return made_names, body


class ColumnNode(exp.Expression):
    """A column that a star or a generator stood for, already resolved. `lateral`: what stands to its right may call it by its name."""

    arg_types = {"e": True, "title": True, "lateral": False}

    def __init__(self, e=None, name="", lateral=""):
        super().__init__(e=e, title=name, lateral=lateral)  # what a copy keeps

    @property
    def e(self):
        return self.args["e"]

    @property
    def title(self):
        return self.args["title"]

    def copy(self):
        return self

    def __deepcopy__(self, memo):
        return self

    @property
    def name(self):
        return self.title


WINDOW_ONLY = {"row_number", "rank", "dense_rank", "percent_rank", "cume_dist", "ntile", "lag", "lead", "nth_value"}


def name_parts(node):
    """(['cat', 'schema', 'f'], the call) of cat.schema.f(...)."""
    parts = []
    right = node
    while isinstance(right, exp.Dot):
        left = right.this
        flat = column_parts(left) if not isinstance(left, exp.Identifier) else [left.name]
        if flat is None:
            return None
        parts += flat
        right = right.expression
    if isinstance(right, exp.Anonymous):
        return parts + [right.name], right
    return None


def column_parts(node):
    """The names of a.b.c.d, if it is nothing but names."""
    if isinstance(node, exp.Column) and not isinstance(node.this, exp.Star):
        return [p.name for p in node.parts]
    if isinstance(node, exp.Identifier):
        return [node.name]
    if isinstance(node, exp.Dot):
        left, right = column_parts(node.this), column_parts(node.expression)
        return left + right if left is not None and right is not None else None
    return None


def column_name(node, place):
    if isinstance(node, exp.Alias):
        return node.alias
    if isinstance(node, (exp.Column, exp.Identifier, ColumnNode)):
        return node.name
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        return node.expression.name
    return f"col{place}"


def unresolved(shown, last, candidates):
    near = difflib.get_close_matches(last, [c[-1] for c in candidates], n=3, cutoff=0.0)
    if near:
        full = [next(c for c in candidates if c[-1] == n) for n in near]
        listed = ", ".join(".".join(quoted(p) for p in f if p) for f in full)
        return Refused("unresolved_column", f"[UNRESOLVED_COLUMN.WITH_SUGGESTION] A column, variable, or function parameter with name {shown} cannot be resolved. Did you mean one of the following? [{listed}]. SQLSTATE: 42703")
    return Refused("unresolved_column", f"[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name {shown} cannot be resolved. SQLSTATE: 42703")


def no_routine(parts, path):
    shown = ".".join(quoted(p) for p in parts)
    return Refused("unresolved_routine", f"[UNRESOLVED_ROUTINE] Cannot resolve routine {shown} on search path [`system`.`builtin`, `system`.`session`, {path}]. Verify the spelling of {shown}, check that the routine exists, and confirm you have `USE` privilege on the catalog and schema, and EXECUTE on the routine. SQLSTATE: 42883")


DISPATCH = {
    exp.Column: Expressions.column, exp.Identifier: Expressions.identifier, exp.Dot: Expressions.dot, exp.Bracket: Expressions.bracket, exp.Literal: Expressions.literal, exp.HexString: Expressions.hex,
    exp.Placeholder: Expressions.parameter, exp.Parameter: Expressions.parameter, exp.Concat: Expressions.concat_literals, exp.Anonymous: Expressions.call, exp.Tuple: Expressions.tuple, exp.Alias: Expressions.alias,
    exp.Paren: Expressions.paren, exp.Cast: Expressions.cast, exp.TryCast: Expressions.cast, exp.Interval: Expressions.interval, exp.Case: Expressions.case, exp.Subquery: Expressions.subquery, exp.Exists: Expressions.exists,
    exp.Lambda: Expressions.lambda_, exp.JSONExtract: Expressions.json_path, ColumnNode: Expressions.given, exp.Any: Expressions.any_call,
    exp.Null: lambda self, node, scope: literal_of(None, VOID), exp.Boolean: lambda self, node, scope: literal_of(bool(node.this), BOOLEAN),
    exp.RawString: lambda self, node, scope: literal_of(node.this, STRING), exp.Var: lambda self, node, scope: self.resolve([node.name], scope),
    **operators.DISPATCH,
}
