"""Where DuckDB would answer what Spark does not: refused, by Spark's own error class where Spark refuses too, as unsupported where we cannot be right.

`before` sees the tree as it was written, `after` the qualified one whose expressions have types.
"""
import re

from sqlglot import exp
from sqlglot.optimizer.scope import traverse_scope

from errors import Refused, unsupported

T = exp.DataType.Type
INTEGERS = {T.TINYINT, T.SMALLINT, T.INT, T.BIGINT}
NUMBERS = INTEGERS | {T.FLOAT, T.DOUBLE, T.DECIMAL}
TEXTS = {T.VARCHAR, T.TEXT, T.CHAR}
INSTANTS = {T.DATE, T.TIMESTAMP, T.TIMESTAMPTZ, T.TIMESTAMPLTZ, T.TIMESTAMPNTZ}
COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.NullSafeEQ)


def raised(error_class, text, state):
    return Refused("unresolved_column", f"[{error_class}] {text} SQLSTATE: {state}")


def kind(node):
    return node.type.this if node is not None and node.type is not None else None


def is_text(node):
    return kind(node) in TEXTS or (isinstance(node, exp.Literal) and node.is_string)


def is_integer(node):
    return kind(node) in INTEGERS or (isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit())


def is_number(node):
    return kind(node) in NUMBERS or (isinstance(node, exp.Literal) and not node.is_string)


def is_interval(node):
    return isinstance(node, exp.Interval) or kind(node) in (T.INTERVAL,)


def before(query):
    for node in query.walk():
        rule = BEFORE.get(type(node))
        if rule is not None:
            rule(node)


def star(node):
    parent = node.parent
    if isinstance(parent, exp.Column):
        if isinstance(parent.parent, exp.Count):
            raise raised("INVALID_USAGE_OF_STAR_WITH_TABLE_IDENTIFIER_IN_COUNT", "count(table.*) is not allowed. Please use count(*) or expand the columns manually, e.g. count(col1, col2).", "42000")
        parent = parent.parent
    if not isinstance(parent, (exp.Select, exp.Count)):
        raise unsupported("A star inside an expression", "List the columns.")
    left_out = node.args.get("except_") or node.args.get("except") or []
    seen = set()
    for e in left_out:
        e = e.this if isinstance(e, exp.Alias) else e
        if isinstance(e, exp.Dot) or (isinstance(e, exp.Column) and e.table):
            raise unsupported("EXCEPT of a nested or qualified column", "Name top-level columns.")
        if e.name.lower() in seen:
            raise raised("EXCEPT_OVERLAPPING_COLUMNS", f"Columns in an EXCEPT list must be distinct and non-overlapping, but got ({', '.join(x.name for x in left_out)}).", "42702")
        seen.add(e.name.lower())


def count(node):
    if node.this is None and not node.expressions:
        raise raised("WRONG_NUM_ARGS.WITH_SUGGESTION", "The `count` requires > 0 parameters but the actual number is 0.", "42605")


def grouping_sets(node):
    for e in node.find_all(exp.Column, exp.Tuple, exp.Paren, exp.Expression):
        if e is not node and not isinstance(e, (exp.Column, exp.Tuple, exp.Paren, exp.Identifier, exp.Literal, exp.Cube, exp.Rollup, exp.GroupingSets, exp.Dot)):
            raise unsupported("An expression in GROUPING SETS, CUBE or ROLLUP", "Name it in a subquery.")


def temporal_unit(node):
    unit = node.args.get("unit")
    if isinstance(unit, exp.Literal) and unit.is_string:
        raise raised("INVALID_PARAMETER_VALUE.DATETIME_UNIT", f"The value of parameter(s) `unit` in `{node.sql_name().lower()}` is invalid: expects one of the units without quotes YEAR, QUARTER, MONTH, WEEK, DAY, DAYOFYEAR, HOUR, MINUTE, SECOND, MILLISECOND, MICROSECOND, but got the string literal '{unit.this}'.", "22023")
    if unit is not None and unit.name.upper().rstrip("S") in ("MICROSECOND", "MILLISECOND", "NANOSECOND"):
        raise unsupported(f"The unit {unit.name.upper()}")


def arg_extreme(node):
    if node.args.get("count") is not None:
        raise unsupported("max_by and min_by with a number of rows")


def mode(node):
    if node.this is None and not node.expressions and isinstance(node.parent, exp.WithinGroup) and len(node.parent.expression.expressions) == 1:
        return  # the order says which
    if isinstance(node.this, exp.Distinct):
        raise raised("INVALID_WITHIN_GROUP_EXPRESSION.DISTINCT_UNSUPPORTED", "Invalid function `mode` with WITHIN GROUP. The function does not support DISTINCT with WITHIN GROUP.", "42K0K")
    raise unsupported("The function `mode`", "Which of several modes it gives is not defined.")


def split(node):
    by = node.args.get("expression")
    if not isinstance(by, exp.Literal) or not by.this:
        raise unsupported("split by something else than a literal that is not empty")


def split_part(node):
    by, index = node.args.get("delimiter"), node.args.get("part_index")
    if not isinstance(by, exp.Literal) or not by.this:
        raise unsupported("split_part by something else than a literal that is not empty")
    if isinstance(index, exp.Literal) and index.this == "0":
        raise raised("INVALID_INDEX_OF_ZERO", "The index 0 is invalid. An index shall be either < 0 or > 0 (the first element has index 1).", "22003")
    if index is not None and not isinstance(index, exp.Literal) and not (isinstance(index, exp.Neg) and isinstance(index.this, exp.Literal)):
        raise unsupported("split_part with an index that is not a literal")


def interval(node):
    this, unit = node.this, node.args.get("unit")
    if isinstance(this, exp.Literal) and this.is_string and unit is None:
        raise unsupported("An interval given as text alone", "Write INTERVAL '1' DAY.")
    if isinstance(this, exp.Literal) and this.is_string and not re.fullmatch(r"\s*[+-]?\d+(\.\d+)?\s*", this.this) and not isinstance(unit, exp.IntervalSpan):
        raise unsupported("An interval whose text is no number")
    if isinstance(unit, exp.IntervalSpan):
        raise unsupported("An interval with a range of units", "Add intervals of one unit.")


def typed(node):
    to = node.args.get("to")
    if to is None:
        return
    if to.this == T.DATE and isinstance(node, exp.Cast) and isinstance(node.this, exp.Literal) and node.this.is_string and not DATE.fullmatch(node.this.this):
        raise raised("CAST_INVALID_INPUT", f"The value '{node.this.this}' of the type \"STRING\" cannot be cast to \"DATE\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead.", "22018")
    for t in to.find_all(exp.DataType):
        if t.this in (T.TIME, T.TIMETZ):
            raise unsupported("The type TIME")
        if t.this == T.INTERVAL or isinstance(t.this, exp.Interval):
            raise unsupported("A cast to an interval")
        if t.this == T.DECIMAL and not t.expressions:
            t.set("expressions", [exp.DataTypeParam(this=exp.Literal.number(10)), exp.DataTypeParam(this=exp.Literal.number(0))])


DATE = re.compile(r"\s*[+-]?\d{4,7}(-\d{1,2}(-\d{1,2}([ T].*)?)?)?\s*")


def moment(node):
    seconds = node.args.get("sec")
    if seconds is not None and not (isinstance(seconds, exp.Literal) and seconds.this.isdigit() and int(seconds.this) < 60):
        raise unsupported("make_timestamp with seconds that are not a whole literal")


def pattern(node):
    fmt = node.args.get("format")
    if fmt is None:
        return
    text = fmt.this if isinstance(fmt, exp.Literal) else ""
    if text.count("%Y") != 1 or "%y" in text or "%j" in text or re.search(r"%Y[%y\d]", text):
        raise unsupported("A date pattern without a year of four digits")


def percentile(node):
    """WITHIN GROUP over numbers gives a DOUBLE in Spark, and a window takes neither order nor frame."""
    top = node
    while isinstance(top.parent, (exp.WithinGroup, exp.Filter, exp.Window)) and top.parent.this is top:
        if isinstance(top.parent, exp.WithinGroup):
            order = top.parent.expression
            keys = order.expressions if isinstance(order, exp.Order) else []
            if len(keys) != 1 and not isinstance(node, exp.Median):
                raise raised("INVALID_WITHIN_GROUP_EXPRESSION.WRONG_NUM_ORDERINGS", f"Invalid function with WITHIN GROUP. The function requires 1 orderings in WITHIN GROUP but got {len(keys)}.", "42K0K")
        top = top.parent
    if isinstance(node, exp.PercentileDisc):
        share = node.this
        # Only where share times rows has no rounding of its own do both engines take the same row.
        if not (isinstance(share, exp.Literal) and float(share.this) in (0.0, 0.25, 0.5, 0.75, 1.0)):
            raise unsupported("percentile_disc of another share than 0, 0.25, 0.5, 0.75 or 1")
        if isinstance(top, exp.Window):
            raise unsupported("percentile_disc over a window")
    if isinstance(top, exp.Window):
        if top.args.get("alias") is not None:
            raise unsupported("A percentile over a named window", "Write the window out.")
        if top.args.get("order") is not None or top.args.get("spec") is not None:
            raise raised("INVALID_WINDOW_SPEC_FOR_AGGREGATION_FUNC", "Cannot specify ORDER BY or a window frame for this function.", "42601")


def quantile(node):
    if isinstance(node.parent, exp.WithinGroup):
        raise raised("INVALID_SQL_SYNTAX.FUNCTION_WITH_UNSUPPORTED_SYNTAX", "The function `percentile` does not support WITHIN GROUP (ORDER BY ...).", "42000")


def typeof(node):
    raise unsupported("The function `typeof`")


def explode(node):
    if isinstance(node.this, (exp.Null, exp.Struct)):
        raise raised("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", f"Cannot resolve \"{node.sql('databricks')}\" due to data type mismatch: The first parameter requires the \"ARRAY\" or \"MAP\" type.", "42K09")


def in_rows(node):
    if isinstance(node.this, exp.Tuple) and node.args.get("query") is not None:
        inner = node.args["query"].unnest()
        if isinstance(inner, exp.Select) and not inner.is_star and len(inner.selects) != len(node.this.expressions):
            raise raised("DATATYPE_MISMATCH.IN_SUBQUERY_LENGTH_MISMATCH", f"Cannot resolve IN: the number of columns in the left hand side of an IN subquery does not match the number of columns in the output of subquery (left {len(node.this.expressions)}, right {len(inner.selects)}).", "42K09")


def lambda_names(node):
    for p in node.expressions:
        if p.name.lower() == "all":
            raise unsupported("A lambda parameter called all")


BEFORE = {
    exp.Star: star, exp.Count: count, exp.GroupingSets: grouping_sets, exp.Cube: grouping_sets, exp.Rollup: grouping_sets, exp.DateAdd: temporal_unit, exp.DateSub: temporal_unit, exp.TsOrDsAdd: temporal_unit,
    exp.DateDiff: temporal_unit, exp.TsOrDsDiff: temporal_unit, exp.TimestampAdd: temporal_unit, exp.TimestampDiff: temporal_unit, exp.ArgMax: arg_extreme, exp.ArgMin: arg_extreme, exp.Mode: mode,
    exp.Split: split, exp.RegexpSplit: split, exp.SplitPart: split_part, exp.Interval: interval, exp.Cast: typed, exp.TryCast: typed, exp.TimestampFromParts: moment, exp.StrToTime: pattern, exp.StrToDate: pattern,
    exp.TsOrDsToDate: pattern, exp.StrToUnix: pattern, exp.PercentileDisc: percentile, exp.PercentileCont: percentile, exp.Median: percentile, exp.Quantile: quantile, exp.Typeof: typeof, exp.Explode: explode, exp.In: in_rows,
    exp.Lambda: lambda_names,
}


def after(query, names):
    for node in query.walk():
        if isinstance(node, exp.Order):
            order(node, names)
        elif isinstance(node, (exp.Cast, exp.TryCast)):
            if is_interval(node.this):
                raise unsupported("A cast of an interval")
        elif isinstance(node, (exp.Mul, exp.Div, exp.SafeDivide)) and any(is_interval(a) for a in node.args.values() if isinstance(a, exp.Expression)):
            raise unsupported("Multiplying or dividing an interval")
        elif isinstance(node, (exp.Add, exp.Sub)):
            summed(node)
        elif isinstance(node, COMPARISONS):
            compared(node)
        elif isinstance(node, (exp.Between, exp.In)):
            ranged(node)
        elif isinstance(node, (exp.Coalesce, exp.Array, exp.If, exp.Case, exp.Neg)) and any(isinstance(a, exp.Interval) for a in node.iter_expressions()):
            raise unsupported("An interval as a value", "Intervals may be added to a date or a timestamp.")
        elif isinstance(node, (exp.DateAdd, exp.DateSub, exp.TsOrDsAdd)):
            days(node)
    for p in query.selects if isinstance(query, exp.Query) else []:
        if is_interval(p.unalias()):
            raise unsupported("An interval as a result", "Intervals may be added to a date or a timestamp.")
    for scope in traverse_scope(query):
        inner = scope.expression
        if isinstance(inner, exp.Select) and scope.external_columns and scope.is_correlated_subquery and (inner.args.get("limit") or inner.args.get("offset")):
            raise unsupported("LIMIT in a correlated subquery")


def order(node, names):
    for key in node.expressions:
        this = key.this if isinstance(key, exp.Ordered) else key
        if isinstance(this, (exp.Var, exp.Column, exp.Identifier)) and this.name.lower() == "all" and not (isinstance(this, exp.Column) and this.table):
            if "all" in names or (isinstance(key, exp.Ordered) and (bool(key.args.get("nulls_first")) == bool(key.args.get("desc")))):
                raise unsupported("ORDER BY ALL with an order of nulls of its own, or over a column called all")


def summed(node):
    left, right = node.left, node.right
    intervals = is_interval(left), is_interval(right)
    if any(intervals):
        other = right if intervals[0] else left
        if all(intervals) or kind(other) in NUMBERS or is_text(other) or is_number(other):
            raise unsupported("Arithmetic between an interval and something that is no date or timestamp")
        return
    for a, b in ((left, right), (right, left)):
        if kind(a) in INSTANTS and is_text(b):
            raise unsupported("Adding text to a time, or taking it away", "Cast it to an interval, a number of days, or a date.")
    if isinstance(node, exp.Sub) and kind(left) in INSTANTS and kind(right) in INSTANTS:
        raise unsupported("The difference of two times as an interval", "Use datediff or timestampdiff.")


def ranged(node):
    """x BETWEEN and x IN (list): each bound meets x as in a comparison."""
    value = node.this
    bounds = [node.args.get("low"), node.args.get("high")] if isinstance(node, exp.Between) else list(node.expressions)
    for b in bounds:
        if b is None:
            continue
        if is_interval(b):
            raise unsupported("Comparing intervals")
        if is_text(b) and is_number(value) and not is_text(value):
            b.replace(whole(b, "BIGINT") if is_integer(value) else exp.Cast(this=b.copy(), to=exp.DataType.build("DOUBLE")))
        elif is_number(b) and is_text(value) and not is_text(b):
            raise unsupported("Text among numbers in BETWEEN or IN", "Cast one side.")


def compared(node):
    left, right = node.left, node.right
    if is_interval(left) or is_interval(right):
        raise unsupported("Comparing intervals")
    for here, there in (("this", "expression"), ("expression", "this")):
        text, number = node.args[here], node.args[there]
        if not (is_text(text) and is_number(number)) or is_text(number):
            continue
        # ANSI: text meets a whole number as BIGINT, any other number as DOUBLE.
        if is_integer(number):
            node.set(here, whole(text, "BIGINT"))
        else:
            node.set(here, exp.Cast(this=text.copy(), to=exp.DataType.build("DOUBLE")))


def whole(text, to):
    made = exp.Cast(this=text.copy(), to=exp.DataType.build(to))
    made.this.type = exp.DataType.build("VARCHAR")
    made.type = exp.DataType.build(to)
    return made


def days(node):
    amount = node.args.get("expression")
    while isinstance(amount, (exp.Paren, exp.Neg)) or (isinstance(amount, exp.Mul) and isinstance(amount.expression, (exp.Neg, exp.Literal))):
        amount = amount.this
    if isinstance(amount, exp.Literal) and (amount.is_string and not re.fullmatch(r"\s*[+-]?\d+\s*", amount.this)):
        raise raised("CAST_INVALID_INPUT", f"The value '{amount.this}' of the type \"STRING\" cannot be cast to \"INT\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead.", "22018")
    if (isinstance(amount, exp.Literal) and not amount.is_string and not amount.this.isdigit()) or kind(amount) in (T.DOUBLE, T.FLOAT, T.DECIMAL, T.BIGINT) and not isinstance(amount, exp.Literal):
        raise raised("DATATYPE_MISMATCH.UNEXPECTED_INPUT_TYPE", "The second parameter of date_add and date_sub requires the (\"INT\" or \"SMALLINT\" or \"TINYINT\") type.", "42K09")


BAD_NUMBER = "[CAST_INVALID_INPUT] The value '%s' of the type \"STRING\" cannot be cast to \"%s\" because it is malformed. Correct the value as per the syntax, or change its target type. Use `try_cast` to tolerate malformed input and return NULL instead. SQLSTATE: 22018"


def cast_text(node, spelled):
    """CAST and TRY_CAST of text to a whole number: DuckDB would round what Spark refuses."""
    text = node.this
    if isinstance(text, exp.Literal) and re.fullmatch(r"\s*[+-]?\d+\s*", text.this):
        return None
    shape = exp.Anonymous(this="REGEXP_FULL_MATCH", expressions=[exp.Cast(this=text.copy(), to=exp.DataType.build("VARCHAR")), exp.Literal.string(r"\s*[+-]?\d+\s*")])
    if isinstance(node, exp.TryCast):
        return exp.Case(ifs=[exp.If(this=shape, true=node.copy())])
    head, tail = (BAD_NUMBER % ("\x00", spelled)).split("\x00")
    message = exp.DPipe(this=exp.DPipe(this=exp.Literal.string(head), expression=exp.Cast(this=text.copy(), to=exp.DataType.build("VARCHAR"))), expression=exp.Literal.string(tail))
    wrong = exp.If(this=exp.Not(this=shape), true=exp.Anonymous(this="ERROR", expressions=[message]))
    return exp.Case(ifs=[wrong], default=node.copy())
