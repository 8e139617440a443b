"""The name that Spark gives an output column without an alias, near enough to be recognised."""
from sqlglot import exp


def output_name(node, compiler):
    if isinstance(node, exp.Alias):
        return node.alias
    title = getattr(node, "title", None)
    if title is not None:
        return title
    if isinstance(node, exp.Paren):
        return output_name(node.this, compiler)
    if isinstance(node, exp.Column):
        return node.name
    if isinstance(node, exp.Dot) and isinstance(node.expression, exp.Identifier):
        return node.expression.name
    if isinstance(node, exp.Literal):
        return node.this
    if isinstance(node, exp.Anonymous) and node.name.lower() == "count" and len(node.expressions) == 1 and isinstance(node.expressions[0], exp.Star):
        return "count(1)"
    if isinstance(node, exp.Subquery):
        return "scalarsubquery()"
    text = compiler.shown(node)
    if isinstance(node, exp.Binary) and not isinstance(node, exp.Dot):
        return f"({text})"
    return text
