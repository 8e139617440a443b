"""A generator beside an aggregation: the aggregation is a query of its own, and the generator stands over its rows, as Spark takes the two apart."""
from sqlglot import exp

from catalogue import GENERATORS
from errors import raised, unsupported
from names import output_name


def inner_of(p):
    return p.this if isinstance(p, (exp.Alias, exp.Aliases)) else p


def generator(c, p):
    call = inner_of(p)
    return call if isinstance(call, exp.Anonymous) and call.name.lower() in GENERATORS and not c.is_local([call.name]) else None


def taken_apart(c, node):
    """The query over the aggregation, or nothing where there are not both."""
    from queries import has_aggregate, has_window, order_keys

    calls = [generator(c, p) for p in node.expressions]
    if not any(calls) or node.args.get("group") is None and not any(has_aggregate(p) for p in node.expressions):
        return None
    if sum(1 for call in calls if call is not None) > 1:
        raise raised("UNSUPPORTED_GENERATOR.MULTI_GENERATOR", "The generator is not supported: only one generator allowed per SELECT clause but found 2.", "42K0E")
    if any(node.args.get(k) for k in ("having", "qualify", "windows")) or any(has_window(p) for p in node.expressions) or any(starred(inner_of(p)) for p in node.expressions) or any(has_aggregate(k) for k in order_keys(node)):
        raise unsupported("This query with a generator beside an aggregation", "Use LATERAL VIEW over a subquery.")
    called = named_by(next(p for p, call in zip(node.expressions, calls) if call is not None))
    below, above = [], []
    for i, (p, call) in enumerate(zip(node.expressions, calls)):
        if call is None:
            # A name that the generator gives and that something else has too: which of them is meant depends on more than the list.
            if called & ({column.name.lower() for column in p.find_all(exp.Column)} | named_by(p)):
                raise unsupported("A name that a generator beside an aggregation gives, used beside it,", "Use LATERAL VIEW over a subquery.")
            name = f"_gen_kept_{i}"
            below.append(exp.alias_(inner_of(p).copy(), p.alias if isinstance(p, exp.Alias) else name, quoted=True))
            above.append(exp.alias_(exp.column(p.alias if isinstance(p, exp.Alias) else name, table="_gen_", quoted=True), output_name(p, c), quoted=True))
            continue
        given = []
        for place, argument in enumerate(call.expressions):
            if argument.find(exp.Column, exp.Query) is None and not has_aggregate(argument):
                given.append(argument.copy())
                continue
            below.append(exp.alias_(argument.copy(), f"_gen_input_{place}", quoted=True))
            given.append(exp.column(f"_gen_input_{place}", table="_gen_", quoted=True))
        out = p.copy()
        over = exp.Anonymous(this=call.this, expressions=given)
        if isinstance(out, (exp.Alias, exp.Aliases)):
            out.set("this", over)
        above.append(out if out.this is over else over)
    kept = ("order", "sort", "limit", "offset", "distinct", "distribute", "cluster")
    inner = exp.Select(**{k: v for k, v in node.args.items() if k not in kept and k not in ("expressions", "with_")})
    inner.set("expressions", below)
    outer = exp.Select(expressions=above, from_=exp.From(this=exp.Subquery(this=inner, alias=exp.TableAlias(this=exp.to_identifier("_gen_", quoted=True)))))
    for k in kept:
        if node.args.get(k) is not None:
            outer.set(k, node.args[k])
    return outer


def starred(p):
    return isinstance(p, exp.Star) or isinstance(p, exp.Column) and isinstance(p.this, exp.Star) or isinstance(p, exp.Dot) and isinstance(p.expression, exp.Star)


def named_by(p):
    if isinstance(p, exp.Aliases):
        return {i.name.lower() for i in p.expressions}
    return {p.alias.lower()} if isinstance(p, exp.Alias) else set()
