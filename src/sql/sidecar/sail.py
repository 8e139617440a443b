"""A query as the second engine takes it: Spark SQL with a hole for each table, in the statement's own words otherwise.

The text is written anew from the tree, so that what this parser takes for a text or a comment cannot be a table to Sail's. Names that only the server
knows (tables, functions of the catalog, parameters, variables, the caller) are replaced; what is left can only be Sail's own functions.
"""
from sqlglot import exp
from sqlglot.dialects.databricks import Databricks

import routines
import table_defaults
from analyze import parsed, query_of, references, visible_ctes
from catalogue import GENERATORS
from errors import Refused, quoted
from expressions import HOLE_WORDS, ColumnNode, name_parts
from kinds import BIGINT, INT, integral, of_text
from pipes import Stage
from queries import Compiler
from relations import parse_kind
from sail_limits import on_sail, within_limits

MEMBERS = {"is_account_group_member": "member", "is_member": "local_member"}
SCALAR = {"string", "boolean", "tinyint", "smallint", "int", "bigint", "float", "double", "decimal", "date", "timestamp", "timestamp_ntz"}
ROWS = {"range"} | set(GENERATORS)


OPERATORS = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.BitwiseAnd, exp.BitwiseOr, exp.BitwiseXor, exp.DPipe, exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE,
             exp.NullSafeEQ, exp.Is, exp.Like, exp.ILike, exp.RegexpLike, exp.In, exp.Between, exp.Neg, exp.BitwiseNot)


class Text(Databricks):
    class Generator(Databricks.Generator):
        def interval_sql(self, node):
            """As it was written: the parser keeps the pieces."""
            parts = node.args.get("parts")
            if not parts:
                return super().interval_sql(node)
            out = []
            for sign, value, unit, to, is_text in parts:
                shown = f"'{self.escape_str(value)}'" if is_text else value
                out.append(("-" if sign < 0 else "") + shown + (f" {unit}" if unit else "") + (f" TO {to}" if to else ""))
            return "INTERVAL " + " ".join(out)


def rewritten(request, hole):
    tree = parsed(request["sql"]).copy()
    table_defaults.fill(tree, request.get("target"), request.get("defaults"))
    tree = query_of(tree).copy()
    if not isinstance(tree, exp.Query):
        tree = exp.select("*").from_(tree)
    if tree.find(Stage) is not None:
        raise on_sail("A query with pipes")
    if any(node.name.lower() == "ai_query" for node in tree.find_all(exp.Anonymous)):
        raise on_sail("ai_query")
    tables = references(tree)
    if len(tables) > len(request["relations"]):
        raise on_sail("This statement")
    for r in request["relations"][:len(tables)]:
        for c in r["columns"]:
            if c.get("declared", "").startswith("char("):
                raise on_sail(f"The column {quoted(c['name'])} of CHAR(n), whose blanks it does not compare as Spark does,")
            if "variant" in c["type"]:
                raise on_sail(f"The column {quoted(c['name'])} with a VARIANT")
    own = names_of(tree, tables)
    columns = {c["name"].lower() for r in request["relations"] for c in r["columns"]} | own
    called(tree, request, 0)
    kinds = kinds_of(tree, request)
    within_limits(tree, kinds, kind_of, columns)
    for at, t in enumerate(tables):
        placed(t, at, hole)
    for node in list(tree.find_all(exp.Column, exp.Anonymous, exp.Placeholder, exp.Parameter)):
        said(node, request, hole, columns)
    nothing_else(tree, tables)
    checked(tree, kinds)
    # The tree says which operator binds; whether Sail's order of them is the same need not matter.
    for node in list(tree.find_all(*OPERATORS)):
        if isinstance(node.parent, OPERATORS):
            around(node, exp.Paren())
    return {"query": hole.pieces(tree.sql(dialect=Text, comments=False))}


def names_of(tree, tables):
    """Names that the statement itself gives: aliases, CTEs, the parameters of lambdas."""
    out = {a.alias.lower() for a in tree.find_all(exp.Alias, exp.TableAlias, exp.CTE, exp.Subquery) if a.alias}
    out |= {c.name.lower() for a in tree.find_all(exp.TableAlias) for c in a.args.get("columns") or []}
    out |= {p.name.lower() for f in tree.find_all(exp.Lambda) for p in f.expressions}
    return out | {(t.alias or t.name).lower() for t in tables}


def placed(t, at, hole):
    """A table as a hole under the name that the statement calls it by; columns qualified by more than that lose the rest."""
    name, above = t.name, [p.name.lower() for p in (t.args.get("catalog"), t.args.get("db")) if p is not None]
    if not t.alias and isinstance(t.this, exp.Identifier):
        if above:
            for column in t.root().find_all(exp.Column):
                said = [p.name.lower() for p in (column.args.get("catalog"), column.args.get("db")) if p is not None]
                if said and said == above[-len(said):] and column.table.lower() == name.lower():
                    column.set("db", None)
                    column.set("catalog", None)
        kept = t.args.get("alias")
        t.set("alias", exp.TableAlias(this=exp.to_identifier(name, quoted=True), columns=kept.args.get("columns") if kept is not None else None))
    for key in ("db", "catalog", "version"):
        t.set(key, None)
    t.set("this", exp.to_identifier(hole.make({"rel": at}), quoted=True))
    t.args["placed"] = True


def value(hole, what):
    return exp.Column(this=exp.to_identifier(hole.make(what), quoted=True))


def said(node, request, hole, columns):
    """What the session or the request knows, in its place."""
    if isinstance(node, (exp.Placeholder, exp.Parameter)):
        node.replace(value(hole, {"param": node.name}))
        return
    if isinstance(node, exp.Anonymous):
        name = node.name.lower()
        if name in HOLE_WORDS and not node.expressions:
            node.replace(value(hole, {HOLE_WORDS[name]: True}))
        elif name in MEMBERS:
            only = node.expressions[0] if len(node.expressions) == 1 else None
            if not isinstance(only, exp.Literal) or not only.is_string:
                raise on_sail(f"{name} of an expression", "Write the group as a literal.")
            node.replace(value(hole, {MEMBERS[name]: only.this}))
        return
    if isinstance(node.this, exp.Star):
        return
    parts = [p.name.lower() for p in node.parts]
    if len(parts) == 1 and parts[0] in HOLE_WORDS and parts[0] not in columns and not node.this.args.get("quoted"):
        node.replace(value(hole, {HOLE_WORDS[parts[0]]: True}))
        return
    known = request.get("variables") or {}
    if parts[-1] in known and (parts[:-1] in (["session"], ["system", "session"]) or not parts[:-1] and parts[0] not in columns):
        kind = of_text(known[parts[-1]]["type"], parse_kind)
        if kind.name not in SCALAR:
            raise on_sail(f"The variable {quoted(parts[-1])} of {kind.sql}")
        given = known[parts[-1]]["value"]
        node.replace(exp.Cast(this=exp.Null() if given is None else exp.Literal.string(given), to=parse_kind(str(kind)).copy()))


def kinds_of(tree, request):
    """The type of every expression, by its node's id; of none where the statement is not understood here. A copy is compiled, which may be changed."""
    import rewrite  # which needs this module

    copy = tree.copy()
    rewrite.numbered([copy])
    pairs = list(zip(tree.walk(), copy.walk()))
    c = Compiler(rewrite.Holes(request["sql"], [request["relations"]]), request["relations"], {k: of_text(v.lower(), parse_kind) for k, v in (request.get("parameters") or {}).items()}, request)
    c.kinds = {}
    try:
        c.query(copy)
    except Refused:
        return {}
    out = {id(mine): c.kinds[id(its)][1] for mine, its in pairs if id(its) in c.kinds}
    # Some are compiled as copies, with columns in the places of parts (what is sorted by): by their text, where it means one thing.
    said = {}
    for node, kind in c.kinds.values():
        if node.find(ColumnNode) is None:
            said.setdefault(node.sql(), set()).add(kind)
    for mine, _ in pairs:
        if id(mine) not in out and isinstance(mine, (exp.Column, exp.Anonymous)) and len(said.get(mine.sql(), ())) == 1:
            (out[id(mine)],) = said[mine.sql()]
    return out


def kind_of(node, kinds):
    """The type of an expression as it was compiled, or of its parts; None: not known."""
    known = kinds.get(id(node))
    if known is not None:
        return known
    if isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit():
        return INT if int(node.this) < 1 << 31 else BIGINT if int(node.this) < 1 << 63 else None
    if isinstance(node, (exp.Paren, exp.Neg)):
        return kind_of(node.this, kinds)
    if isinstance(node, exp.Cast):
        return of_text(node.to.sql("databricks").lower(), parse_kind)
    if isinstance(node, (exp.Add, exp.Sub, exp.Mul)):
        both = [kind_of(node.this, kinds), kind_of(node.expression, kinds)]
        if None in both or all(integral(k) for k in both):
            return None if None in both else BIGINT if BIGINT in both else INT
        return next(k for k in both if not integral(k))
    if isinstance(node, exp.Anonymous) and len(node.expressions) == 1:
        name, only = node.name.lower(), kind_of(node.expressions[0], kinds)
        if name == "count":
            return BIGINT
        if only is not None and name in ("sum", "max", "min"):
            return BIGINT if name == "sum" and integral(only) else only
    return None


def around(node, outer):
    """The node itself, no copy of it, within another."""
    node.replace(outer)
    outer.set("this", node)
    return outer


def cast_around(node, kind):
    around(around(node, exp.Paren()), exp.Cast(to=exp.DataType.build(kind, dialect="spark")))


def checked(tree, kinds):
    """Whole numbers that overflow wrap around in Sail. They are computed in more digits, and the cast back is an error where they do not fit."""
    for node in list(tree.find_all(exp.Add, exp.Sub, exp.Mul, exp.Neg, exp.Anonymous)):
        total = isinstance(node, exp.Anonymous)
        if total and node.name.lower() != "sum" or isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
            continue
        added = node.expressions[0] if total and len(node.expressions) == 1 else None
        if isinstance(added, exp.Distinct):
            added = added.expressions[0]
        kind = kind_of(added if total else node, kinds)
        if kind is None:
            raise on_sail(f"{'A sum' if total else 'Arithmetic'} over types that are not found out before it runs", "Sail's whole numbers wrap around where they overflow: use a warehouse of the default engine.")
        if not integral(kind):
            continue
        if total:
            cast_around(added, "DECIMAL(28,0)")
            whole = node
            while isinstance(whole.parent, (exp.Filter, exp.Window)) and whole.parent.this is whole:
                whole = whole.parent
            cast_around(whole, "BIGINT")
            continue
        for operand in (node.this, node.args.get("expression")):
            if operand is not None:
                cast_around(operand, "BIGINT" if kind != BIGINT else "DECIMAL(19,0)" if isinstance(node, exp.Mul) else "DECIMAL(20,0)")
        cast_around(node, str(kind))


def called(tree, request, depth):
    """Functions of the catalog as what they are: their bodies, over the call's values."""
    named = request.get("routines") or {}
    if depth > 16:
        raise on_sail("Functions that call each other more than 16 deep")
    for node in list(tree.find_all(exp.Anonymous)):
        whole, parts = node, [node.name]
        while isinstance(whole.parent, exp.Dot):
            whole = whole.parent
        if isinstance(whole, exp.Dot):
            found = name_parts(whole)
            if found is None or found[1] is not node:
                continue
            parts = found[0]
        if isinstance(node.parent, exp.Table):
            parts = [p.name for p in (node.parent.args.get("catalog"), node.parent.args.get("db")) if p is not None] + parts
        at = named.get(".".join(p.lower() for p in parts))
        if at is None:
            continue
        function = request["functions"][at]
        if function.get("table") or function.get("relations") or isinstance(node.parent, exp.Table):
            raise on_sail(f"The function {function['name']}, which reads or returns tables,")
        if len(node.expressions) != len(function["parameters"]) or any(isinstance(a, (exp.Kwarg, exp.PropertyEQ)) for a in node.expressions):
            raise on_sail(f"A call of {function['name']} with names or defaults of parameters", "Give all of its arguments by place.")
        values = {p["name"].lower(): exp.Cast(this=a.copy(), to=parse_kind(p["type"]).copy()) for p, a in zip(function["parameters"], node.expressions)}
        body = exp.Paren(this=routines.body_of(function))
        inner = {p.name.lower() for f in body.find_all(exp.Lambda) for p in f.expressions}
        for column in list(body.find_all(exp.Column)):
            names = [p.name.lower() for p in column.parts]
            if names[:-1] not in ([], [function["name"].split(".")[-1].lower()]) or names[-1] not in values or names[-1] in inner:
                if names[-1] in HOLE_WORDS and len(names) == 1:
                    continue
                raise on_sail(f"The body of {function['name']}")
            column.replace(exp.Paren(this=values[names[-1]].copy()))
        called(body, {**request, "routines": function.get("routines") or {}}, depth + 1)
        whole.replace(exp.Cast(this=body, to=parse_kind(function["returns"]).copy()) if function["returns"] else body)


def nothing_else(tree, tables):
    """No relation is left that the server did not resolve."""
    for t in tree.find_all(exp.Table):
        if t.args.get("placed"):
            continue
        if isinstance(t.this, exp.Identifier) and not t.args.get("db") and t.name.lower() in visible_ctes(t):
            continue
        if isinstance(t.this, exp.Anonymous) and t.this.name.lower() in ROWS and not t.args.get("db"):
            continue
        raise Refused("unresolved_routine", f"[UNRESOLVABLE_TABLE_VALUED_FUNCTION] Could not resolve {quoted(t.name)} to a table-valued function. SQLSTATE: 42883")
    for node in tree.find_all(exp.Lateral):
        if isinstance(node.this, exp.Anonymous) and node.this.name.lower() not in ROWS:
            raise on_sail(f"LATERAL {node.this.name}")
