"""What the WHERE of a query says of the tables that it reads itself, so that files which hold no such row need not be opened (delta/file_skipping.h).

A bound is a condition that a row of the table must meet to come through: one column, one comparison, constants. Only comparisons that are never true of
NULL count: then rows that an outer join makes out of nothing do not come through either, and it does not matter which rows of the table it missed.
"""
import re

from sqlglot import exp

from kinds import STRING, integral

MIRRORED = {"=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<="}
COMPARISONS = {exp.EQ: "=", exp.LT: "<", exp.LTE: "<=", exp.GT: ">", exp.GTE: ">="}
MOMENT = re.compile(r"\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}:\d{2}(\.\d{1,6})?)?")
MOST_VALUES = 1000  # of one IN


class Bounds:
    """Of one statement. A table whose hole stands in several places of the text is bound by nothing: what one place leaves out another may want."""

    def __init__(self):
        self.uses, self.found = {}, {}

    def uses_scan(self, rel):
        self.uses[rel] = self.uses.get(rel, 0) + 1

    def selected(self, compiler, where, scope):
        """The WHERE of a SELECT whose FROM is the scope's."""
        scans = {s.scan for s in scope.sources if s.scan is not None}
        if where is None or not scans or compiler.expanding:
            return
        reader = Reader(compiler, scope)
        for part in conjuncts(where):
            for rel, bound in reader.of(part):
                if rel in scans:
                    self.found.setdefault(rel, []).append(bound)

    def listed(self):
        return [{"rel": rel, **b} for rel, found in sorted(self.found.items()) if self.uses.get(rel) == 1 for b in found]


def of_target(compiler, where, scope):
    """Of the rows that a DELETE or UPDATE changes."""
    reader = Reader(compiler, scope)
    mine = len(compiler.relations) - 1
    return [{"rel": rel, **b} for part in conjuncts(where) for rel, b in reader.of(part) if rel == mine]


def conjuncts(node):
    while isinstance(node, exp.Paren):
        node = node.this
    if isinstance(node, exp.And):
        return conjuncts(node.this) + conjuncts(node.expression)
    return [node]


class Reader:
    def __init__(self, compiler, scope):
        self.compiler, self.scope = compiler, scope

    def of(self, node):
        """Pairs of a table's place and a bound; none for a condition that says nothing that we can use."""
        op = COMPARISONS.get(type(node))
        if op is not None:
            return self.bound(node.this, op, [node.expression]) or self.bound(node.expression, MIRRORED[op], [node.this])
        if isinstance(node, exp.Between) and not node.args.get("symmetric"):
            return self.bound(node.this, ">=", [node.args["low"]]) + self.bound(node.this, "<=", [node.args["high"]])
        if isinstance(node, exp.In) and node.expressions and not node.args.get("query") and len(node.expressions) <= MOST_VALUES:
            return self.bound(node.this, "in", node.expressions)
        if isinstance(node, exp.Not) and isinstance(node.this, exp.Is) and isinstance(node.this.expression, exp.Null):
            return self.bound(node.this.this, "not null", [])
        return []

    def bound(self, column, op, constants):
        while isinstance(column, exp.Paren):
            column = column.this
        if not isinstance(column, exp.Column):
            return []
        e = self.compiler.compile(column, self.scope)
        if e.origin is None or e.declared.startswith("char("):
            return []
        values = [self.constant(c) for c in constants]
        if any(v is None for v in values):
            return []
        rel, name = e.origin
        return [(rel, {"column": name, "op": op, "values": values})]

    def constant(self, node):
        """A constant as the server compares it; None: it is none, or of a type that is not compared so."""
        while isinstance(node, exp.Paren):
            node = node.this
        if isinstance(node, (exp.Placeholder, exp.Parameter)):
            name = node.name or (node.this.name if isinstance(node.this, exp.Expression) else "")
            return {"parameter": name} if name else None
        if isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string:
            kind = {exp.DataType.Type.DATE: "date", exp.DataType.Type.TIMESTAMP: "timestamp", exp.DataType.Type.TIMESTAMPTZ: "timestamp", exp.DataType.Type.TIMESTAMPNTZ: "timestamp_ntz"}.get(node.to.this)
            text = node.this.this
            return {"text": text, "type": kind} if kind and MOMENT.fullmatch(text) and (kind != "date" or len(text) == 10) else None
        sign, number = "", node
        if isinstance(number, exp.Neg):
            sign, number = "-", number.this
        if isinstance(number, exp.Literal) and not number.is_string:
            return {"text": sign + number.this, "type": "decimal"} if re.fullmatch(r"\d+(\.\d+)?", number.this) else None
        if isinstance(node, (exp.Literal, exp.Cast)) and not node.find(exp.Column):
            e = self.compiler.compile(node, self.scope)
            if e.is_literal and e.kind == STRING and isinstance(e.lit, str):
                return {"text": e.lit, "type": "string"}
            if e.is_literal and integral(e.kind) and type(e.lit) is int:
                return {"text": str(e.lit), "type": "decimal"}
        return None
