"""SQL functions of the catalog, expanded where they stand: one function for a call of a query and for what filters rows or masks a column.

A function comes as the server resolved it: {"name", "parameters": [{"name", "type"}], "returns", "body", "relations"}; `relations` says which
relations of the request the tables of its body are, in the order of references(). What it reads was checked there, under its owner's rights.
"""
from sqlglot import exp

from analyze import parsed, references
from errors import Refused, quoted, syntax, unsupported


def text_of(body):
    """The body as a statement, as the server analyses it too."""
    return f"SELECT ({body}\n)"


def body_of(body):
    """The one expression that a body is: nothing after it, no aggregate or generator that would change the query around it."""
    tree = parsed(text_of(body))
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or any(v for k, v in tree.args.items() if k not in ("expressions", "kind")):
        raise syntax("'RETURN'", "the body of a function is one expression")
    out = tree.expressions[0].copy()
    if isinstance(out, (exp.Tuple, exp.Alias, exp.Star)):
        raise syntax("'RETURN'", "the body of a function is one expression")
    for node in out.walk(prune=lambda n: isinstance(n, exp.Query)):
        if isinstance(node, (exp.AggFunc, exp.Window, exp.Explode, exp.Unnest)):
            raise unsupported(f"`{node.sql('databricks')[:60]}` in the body of a function", "Put it into a subquery.")
    if out.find(exp.Placeholder, exp.Parameter):
        raise unsupported("A parameter marker in the body of a function")
    return out


def inlined(function, arguments, bind=None):
    """The call as an expression. `arguments`: expressions, qualified with a name that no table of a body has, so that none captures them.
    `bind(table, relation)` puts a relation of the request where the body names a table, and answers its columns; without it the body may read none."""
    holder = exp.Paren(this=body_of(function["body"]))
    tables = references(holder)
    if len(tables) != len(function.get("relations") or []) or (tables and bind is None):
        raise unsupported(f"The function {function['name']} here: its body reads tables")
    columns = {id(t): {c.lower() for c in bind(t, i)} for t, i in zip(tables, function.get("relations") or [])}
    if len(arguments) != len(function["parameters"]):
        raise unsupported(f"A call of {function['name']} with {len(arguments)} arguments", f"It takes {len(function['parameters'])}.")
    values = {p["name"].lower(): exp.Paren(this=as_type(a, p["type"])) for p, a in zip(function["parameters"], arguments)}
    own = function["name"].split(".")[-1].lower()
    for column in list(holder.find_all(exp.Column)):
        name, table = column.name.lower(), column.table.lower()
        if table and has_source(column, table):
            continue
        if table == own and name in values:
            column.replace(values[name].copy())
        elif table in values:
            column.replace(exp.Dot(this=values[table].copy(), expression=column.this.copy()))
        elif not table and known_below(column, name, columns):
            continue
        elif not table and name in values:
            column.replace(values[name].copy())
        else:
            # Left as it is, it could mean a column of whoever calls.
            raise Refused("unresolved_column", f"[UNRESOLVED_COLUMN.WITHOUT_SUGGESTION] A column, variable, or function parameter with name {quoted(column.name)} cannot be resolved. SQLSTATE: 42703")
    return exp.Paren(this=as_type(holder, function["returns"]))


def as_type(node, to):
    return exp.Cast(this=node, to=exp.DataType.build(to, dialect="databricks"))


def sources_of(select):
    out = []
    start = select.args.get("from_") or select.args.get("from")
    if start is not None:
        out.append(start.this)
    out += [j.this for j in select.args.get("joins") or []]
    out += list(select.args.get("laterals") or [])
    return out


def selects_above(node):
    node = node.parent
    while node is not None:
        if isinstance(node, exp.Select):
            yield node
        node = node.parent


def has_source(column, name):
    return any(s.alias_or_name.lower() == name for select in selects_above(column) for s in sources_of(select))


def known_below(column, name, columns):
    """Whether a subquery of the body, which comes before the parameters, has the name."""
    for select in selects_above(column):
        if any(isinstance(p, exp.Alias) and p.alias.lower() == name for p in select.expressions if not is_within(column, p)):
            return True
        for source in sources_of(select):
            if id(source) in columns:
                if name in columns[id(source)]:
                    return True
            elif isinstance(source, exp.Subquery) and not any(s.is_star for s in source.this.selects):
                if name in (n.lower() for n in source.named_selects):
                    return True
            else:
                raise unsupported(f"The name `{name}` in a subquery of a function's body", "Qualify it with the function's or the table's name.")
    return False


def is_within(node, tree):
    while node is not None and node is not tree:
        node = node.parent
    return node is tree
