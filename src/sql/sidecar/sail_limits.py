"""What Sail 0.7.2 answers otherwise than Spark, found by running Spark's golden files through it: refused by name, not answered."""
import re

from sqlglot import exp

from errors import Refused, quoted

# Functions whose answers differ, whatever they are given.
OTHERWISE = {"mode", "rand", "random", "randn", "uniform", "randstr", "width_bucket", "json_array_length", "count_min_sketch", "make_dt_interval", "make_interval"}
COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ)
INTERVALS = ("dt", "ym", "interval")


def on_sail(what, cure=""):
    return Refused("unsupported", f"[UNSUPPORTED_FEATURE] {what} is not supported by a warehouse whose engine is Sail. {cure or 'Use a warehouse of the default engine.'} SQLSTATE: 0A000")


# Names that Sail takes for functions, also where a column has them.
WORDS = {"current_date", "current_timestamp", "current_timezone", "localtimestamp", "now", "curdate"}


def within_limits(tree, kinds, kind_of, columns):
    if WORDS & columns:
        raise on_sail(f"A column called {quoted(min(WORDS & columns))}")
    for kind in kinds.values():
        if kind.name == "time":
            raise on_sail("A value of type TIME")
    name_of = lambda node: getattr(kind_of(node, kinds), "name", None)
    for node in tree.walk():
        if isinstance(node, exp.Anonymous):
            call(node, name_of)
        elif isinstance(node, exp.Extract) and node.name.lower() in ("dow", "dayofweek"):
            raise on_sail("extract(DOW)", "Use dayofweek().")
        elif isinstance(node, exp.Cast):
            if (name_of(node.this) in INTERVALS) != (node.to.sql("spark").lower().startswith("interval")) and name_of(node.this) not in (None, "string", "void") and not node.to.is_type("text"):
                raise on_sail("A cast between an interval and a number")
            if node.to.find(exp.DataType) is not None and any(t.this == exp.DataType.Type.TIME for t in node.to.find_all(exp.DataType)):
                raise on_sail("A value of type TIME")
        elif isinstance(node, (exp.Mul, exp.Div)):
            if name_of(node.this) in INTERVALS or name_of(node.expression) in INTERVALS:
                raise on_sail("An interval multiplied or divided")
        elif isinstance(node, COMPARED):
            if {name_of(node.this), name_of(node.expression)} == {"string", "decimal"}:
                raise on_sail("A DECIMAL compared with a text", "Cast one of them.")
        elif isinstance(node, (exp.GroupingSets, exp.Cube, exp.Rollup)):
            select = node.find_ancestor(exp.Select)
            if isinstance(node, exp.GroupingSets) or select is not None and select.args.get("having"):
                raise on_sail("GROUPING SETS, and HAVING over CUBE and ROLLUP,")
        elif isinstance(node, exp.Join):
            if (node.args.get("kind") or "").upper() in ("SEMI", "ANTI") and not node.args.get("on") and not node.args.get("using"):
                raise on_sail("A SEMI or ANTI JOIN without a condition", "Write ON true.")
        elif isinstance(node, exp.Select):
            merged = any(j.args.get("using") or (j.args.get("method") or "").upper() == "NATURAL" for j in node.args.get("joins") or [])
            if merged and any(isinstance(e, exp.Column) and isinstance(e.this, exp.Star) for e in node.expressions):
                raise on_sail("All columns of one table of a JOIN with USING", "Name them.")
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and not isinstance(node.parent, (exp.From, exp.Join, exp.Lateral, exp.SetOperation, exp.With, exp.CTE)):
            counted = [e.unalias() for e in node.this.expressions]
            if any(not isinstance(e, exp.Anonymous) and any(a.name.lower().startswith("count") for a in e.find_all(exp.Anonymous)) for e in counted):
                raise on_sail("A scalar subquery whose value is computed from a count")


def call(node, name_of):
    name, args = node.name.lower(), node.expressions
    if name in OTHERWISE:
        raise on_sail(f"The function {quoted(name)}")
    if name == "count" and len(args) > 1 or name == "count" and any(isinstance(a, exp.Column) and isinstance(a.this, exp.Star) and a.table for a in args):
        raise on_sail("count of several columns")
    if name in ("date_part", "datepart") and args and isinstance(args[0], exp.Literal) and args[0].this.lower() in ("dow", "dayofweek"):
        raise on_sail("date_part('DOW')", "Use dayofweek().")
    if name == "split" and (len(args) < 2 or not isinstance(args[1], exp.Literal) or args[1].this == ""):
        raise on_sail("split by other than a literal text that is not empty")
    if name in ("lpad", "rpad") and args and name_of(args[0]) != "string":
        raise on_sail(f"{name} of other than a text")
    if name in ("to_timestamp", "try_to_timestamp") and args and name_of(args[0]) not in ("string", "date", "timestamp", "timestamp_ntz"):
        raise on_sail(f"{name} of a number", "Use timestamp_seconds().")
    if name == "timestamp_seconds" and args and name_of(args[0]) not in ("tinyint", "smallint", "int", "bigint"):
        raise on_sail("timestamp_seconds of a fraction")
    if name == "from_json" and (len(args) < 2 or not isinstance(args[1], exp.Literal) or re.search(r"\b(array|time)\b", args[1].this, re.I)):
        raise on_sail("from_json into an array or a TIME")
