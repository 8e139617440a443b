"""What conditions are made of, before they are compiled."""
from sqlglot import exp


def in_filter(node):
    """Marks what a condition only lets pass: there, NULL is as good as FALSE."""
    if isinstance(node, (exp.And, exp.Or)):
        in_filter(node.this), in_filter(node.expression)
    elif isinstance(node, exp.Paren):
        in_filter(node.this)
    elif isinstance(node, (exp.In, exp.Not)):
        node.args["filtering"] = True


def subquery_values(node):
    """The outermost expressions of a condition that are computed by a subquery; NOT IN is one."""
    is_in = lambda n: isinstance(n, exp.In) and n.args.get("query") is not None
    if is_in(node) or isinstance(node, exp.Not) and is_in(node.this) or isinstance(node, exp.Subquery) or isinstance(node, exp.Exists) and isinstance(node.this, exp.Query):
        return [node]
    return [found for child in node.iter_expressions() for found in subquery_values(child)]
