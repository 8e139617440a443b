"""What Sail 0.7.2 answers otherwise than Spark, found by running Spark's golden files through it: refused by name, not answered."""
import re

from sqlglot import exp

from errors import Refused, quoted
from expressions import HOLE_WORDS

# Functions whose answers differ, whatever they are given.
OTHERWISE = {"mode", "rand", "random", "randn", "uniform", "randstr", "width_bucket", "json_array_length", "count_min_sketch", "make_dt_interval", "make_interval", "schema_of_csv",
             "regr_r2", "conv", "mask", "regexp_extract_all", "regexp_substr", "try_to_binary", "array_join", "from_xml", "to_xml", "to_char", "to_varchar", "typeof", "left", "right"}
NUMBERS = {"tinyint", "smallint", "int", "bigint", "float", "double", "decimal"}
COMPARED = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.NullSafeEQ)
INTERVALS = ("dt", "ym", "interval")


def on_sail(what, cure=""):
    return Refused("unsupported", f"[UNSUPPORTED_FEATURE] {what} is not supported by a warehouse whose engine is Sail. {cure or 'Use a warehouse of the default engine.'} SQLSTATE: 0A000")


# Names that Sail takes for functions, also where a column has them.
WORDS = {"current_date", "current_timestamp", "current_timezone", "localtimestamp", "now", "curdate"} | set(HOLE_WORDS)


def within_limits(tree, kinds, kind_of, columns):
    if WORDS & columns:
        raise on_sail(f"A column called {quoted(min(WORDS & columns))}")
    for kind in kinds.values():
        if kind.name == "time":
            raise on_sail("A value of type TIME")
    names = [c.alias.lower() for c in tree.find_all(exp.CTE)]
    if len(names) != len(set(names)):
        raise on_sail("A common table expression called as another one")
    name_of = lambda node: getattr(kind_of(node, kinds), "name", None)
    for node in tree.walk():
        if isinstance(node, exp.Anonymous) and not isinstance(node.parent, exp.Table):  # read_files is not Sail's
            call(node, name_of)
        elif isinstance(node, exp.Extract) and node.name.lower() in ("dow", "dayofweek"):
            raise on_sail("extract(DOW)", "Use dayofweek().")
        elif isinstance(node, exp.Cast):
            if (name_of(node.this) or "").startswith("timestamp") and node.to.is_type("text"):
                raise on_sail("A TIMESTAMP as a text", "Use date_format().")
            if (name_of(node.this) in INTERVALS) != (node.to.sql("spark").lower().startswith("interval")) and name_of(node.this) not in (None, "string", "void") and not node.to.is_type("text"):
                raise on_sail("A cast between an interval and a number")
            if node.to.find(exp.DataType) is not None and any(t.this == exp.DataType.Type.TIME for t in node.to.find_all(exp.DataType)):
                raise on_sail("A value of type TIME")
        elif isinstance(node, (exp.Mul, exp.Div)):
            if name_of(node.this) in INTERVALS or name_of(node.expression) in INTERVALS:
                raise on_sail("An interval multiplied or divided")
        elif isinstance(node, COMPARED):
            both = {name_of(node.this), name_of(node.expression)}
            if "string" in both and both & NUMBERS:
                raise on_sail("A number compared with a text", "Cast one of them.")
        elif isinstance(node, (exp.With, exp.Lateral, exp.WindowSpec, exp.In, exp.Exists, exp.DPipe)):
            clause(node, name_of)
        elif isinstance(node, (exp.GroupingSets, exp.Cube, exp.Rollup)):
            select = node.find_ancestor(exp.Select)
            if isinstance(node, exp.GroupingSets) or node.find(exp.Tuple) is not None or select is not None and select.args.get("having"):
                raise on_sail("GROUPING SETS, and HAVING over CUBE and ROLLUP,")
        elif isinstance(node, exp.Join):
            if (node.args.get("kind") or "").upper() in ("SEMI", "ANTI") and not node.args.get("on") and not node.args.get("using"):
                raise on_sail("A SEMI or ANTI JOIN without a condition", "Write ON true.")
            if (node.args.get("method") or "").upper() == "NATURAL":
                raise on_sail("A NATURAL JOIN", "Use USING.")
        elif isinstance(node, exp.Select):
            merged = any(j.args.get("using") or (j.args.get("method") or "").upper() == "NATURAL" for j in node.args.get("joins") or [])
            if merged and any(isinstance(e, exp.Column) and isinstance(e.this, exp.Star) for e in node.expressions):
                raise on_sail("All columns of one table of a JOIN with USING", "Name them.")
        elif isinstance(node, exp.Subquery) and isinstance(node.this, exp.Select) and not isinstance(node.parent, (exp.From, exp.Join, exp.Lateral, exp.SetOperation, exp.With, exp.CTE)):
            counted = [e.unalias() for e in node.this.expressions]
            if any(not isinstance(e, exp.Anonymous) and any(a.name.lower().startswith("count") for a in e.find_all(exp.Anonymous)) for e in counted):
                raise on_sail("A scalar subquery whose value is computed from a count")


def clause(node, name_of):
    if isinstance(node, exp.With) and node.args.get("recursive"):
        raise on_sail("A recursive common table expression")
    if isinstance(node, exp.Lateral) and not node.args.get("view"):
        raise on_sail("LATERAL", "Use LATERAL VIEW, or a join.")
    if isinstance(node, exp.WindowSpec) and (node.args.get("kind") or "").upper() == "RANGE" and any(isinstance(node.args.get(k), exp.Expression) for k in ("start", "end")):
        raise on_sail("A RANGE frame with a distance")
    if isinstance(node, exp.DPipe) and any((name_of(o) or "").startswith("timestamp") for o in (node.this, node.expression)):
        raise on_sail("A TIMESTAMP as a text", "Use date_format().")
    if isinstance(node, exp.In) and node.args.get("query") is not None:
        above = node.parent
        while isinstance(above, (exp.Paren, exp.And)):
            above = above.parent
        if not isinstance(above, exp.Where) or isinstance(node.this, exp.Tuple) or counts(node.args["query"]):
            raise on_sail("NOT IN over a query, and IN as a value,", "Use EXISTS, or a join.")
    if isinstance(node, exp.Exists) and (counts(node.this) or any(node.this.args.get(k) for k in ("limit", "offset"))):
        raise on_sail("EXISTS over an aggregation, LIMIT or OFFSET")


def counts(query):
    """Whether a subquery has a row where it finds none."""
    inner = query.unnest() if isinstance(query, exp.Subquery) else query
    return isinstance(inner, exp.Select) and not inner.args.get("group") and (inner.args.get("having") is not None or any(e.find(exp.Anonymous) is not None for e in inner.expressions))


def call(node, name_of):
    name, args = node.name.lower(), node.expressions
    if name.startswith("st_"):
        raise on_sail(f"The function {quoted(name)}")
    if any(isinstance(a, (exp.Kwarg, exp.PropertyEQ)) for a in args):
        raise on_sail("A function called with names of its parameters")
    if name == "concat" and any((name_of(a) or "").startswith("timestamp") for a in args):
        raise on_sail("A TIMESTAMP as a text", "Use date_format().")
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
