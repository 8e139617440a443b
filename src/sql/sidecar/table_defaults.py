"""The word DEFAULT as a value of INSERT, UPDATE and MERGE: what the column's definition says, NULL where it says nothing."""
from sqlglot import exp

from analyze import parsed


def is_default(node):
    if isinstance(node, exp.Var):
        return node.name.upper() == "DEFAULT"
    return isinstance(node, exp.Column) and not node.table and not node.this.args.get("quoted") and node.name.upper() == "DEFAULT"


def fill(tree, target, defaults):
    """`target`: the table's columns, none where the statement has none; `defaults`: expressions by column, lower case."""
    if not target or not isinstance(tree, (exp.Insert, exp.Update, exp.Merge)) or any(c["name"].lower() == "default" for c in target):
        return
    def of(column):
        text = (defaults or {}).get(column.lower())
        return exp.Paren(this=parsed("SELECT (" + text + "\n)").expressions[0].copy()) if text else exp.Null()
    if isinstance(tree, exp.Insert) and isinstance(tree.expression, exp.Values):
        names = [c.name for c in tree.this.expressions] if isinstance(tree.this, exp.Schema) else [c["name"] for c in target]
        for row in tree.expression.expressions:
            cells = row.expressions if isinstance(row, exp.Tuple) else [row.this if isinstance(row, exp.Paren) else row]
            for name, cell in zip(names, cells):
                if is_default(cell):
                    cell.replace(of(name))
    elif isinstance(tree, exp.Update):
        assigned(tree, of)
    elif isinstance(tree, exp.Merge):
        for when in tree.args["whens"].expressions:
            then = when.args.get("then")
            if isinstance(then, exp.Update):
                assigned(then, of)
            elif isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple) and (then.this is None or isinstance(then.this, exp.Tuple)):
                names = [c.name for c in then.this.expressions] if then.this is not None else [c["name"] for c in target]
                for name, cell in zip(names, then.expression.expressions):
                    if is_default(cell):
                        cell.replace(of(name))


def assigned(node, of):
    for e in node.expressions:
        if isinstance(e, exp.EQ) and isinstance(e.this, exp.Column) and is_default(e.expression):
            e.set("expression", of(e.this.name))
