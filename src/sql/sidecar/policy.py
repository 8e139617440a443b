"""Row filters and column masks: a table as its reader may see it, and the expressions of a change over the rows and values that he sees."""
from sqlglot import exp

import udf
from errors import unsupported


def call(request, what, columns_of, bind=None):
    """One filter or mask: the function over columns of the table. `columns_of(name)` is the column as an expression."""
    function = request["functions"][what["function"]]
    return udf.inlined(function, [columns_of(c) for c in what["columns"]], bind)


def relation(request, binder):
    """SELECT every column or its mask FROM the table (relation 0) WHERE the filter holds."""
    policy, base = request["policy"], request["relations"][0]
    alias = "g" + binder.hole.prefix  # a name that no body has, and no hole
    column = lambda name: exp.column(exp.to_identifier(name, quoted=True), table=exp.to_identifier(alias, quoted=True))
    table = exp.Table(this=exp.to_identifier(alias, quoted=True), alias=exp.TableAlias(this=exp.to_identifier(alias, quoted=True)))
    binder.bind(table, 0)
    masks = {k.lower(): v for k, v in (policy.get("masks") or {}).items()}
    out = exp.Select()
    for c in base["columns"]:
        value = column(c["name"])
        if c["name"].lower() in masks:
            value = udf.as_type(call(request, masks[c["name"].lower()], column, binder.bind), c["type"])
        out = out.select(exp.alias_(value, c["name"], quoted=True), copy=False)
    out = out.from_(table)
    if policy.get("filter"):
        out = out.where(call(request, policy["filter"], column, binder.bind))
    return out


class Target:
    """The table that a DELETE, UPDATE or MERGE changes, under its alias; made once the statement's columns are qualified."""

    def __init__(self, request, alias, columns, bind_functions):
        self.request, self.alias, self.policy = request, alias, request.get("policy")
        self.types = {c["name"].lower(): c["type"] for c in columns}
        self.bind_functions = bind_functions

    def column(self, name):
        return exp.column(exp.to_identifier(name.lower(), quoted=True), table=exp.to_identifier(self.alias, quoted=True))

    def made(self, what):
        holder = exp.Paren(this=call(self.request, what, self.column))
        self.bind_functions(holder)
        return holder

    def masked(self, tree):
        """Every use of a masked column becomes its mask."""
        if not self.policy:
            return
        masks = {k.lower(): v for k, v in (self.policy.get("masks") or {}).items()}
        for c in list(tree.find_all(exp.Column)):
            if c.table.lower() != self.alias:
                continue
            above = c.parent
            while above is not None and above is not tree:
                if isinstance(above, exp.Query):
                    raise unsupported("A subquery that uses columns of the changed table, which has a row filter or column masks,")
                above = above.parent
            if c.name.lower() in masks:
                c.replace(exp.Paren(this=udf.as_type(self.made(masks[c.name.lower()]), self.types[c.name.lower()])))

    def visible(self, condition=None):
        """The condition on the rows that are seen; it is not evaluated on others."""
        if not self.policy or not self.policy.get("filter"):
            return condition
        return exp.Case(ifs=[exp.If(this=self.made(self.policy["filter"]), true=exp.true() if condition is None else exp.Paren(this=condition))], default=exp.false())

    def joined(self, condition):
        """The same for a join's condition. Equality of bare columns cannot fail, and stays outside for the engine to join by."""
        if not self.policy or not self.policy.get("filter"):
            return condition
        free, rest = [], []
        for part in condition.flatten() if isinstance(condition, exp.And) else [condition]:
            bare = isinstance(part, exp.EQ) and all(isinstance(x, exp.Column) for x in (part.this, part.expression))
            (free if bare else rest).append(part.copy())
        return exp.and_(*free, self.visible(exp.and_(*rest) if rest else None))
