"""Where Spark and DuckDB mean different things by the same words: the tree is changed so that DuckDB answers what Spark would."""
from sqlglot import exp
from sqlglot.errors import ErrorLevel

import strict
from errors import unsupported

INTEGERS = {exp.DataType.Type.TINYINT, exp.DataType.Type.SMALLINT, exp.DataType.Type.INT, exp.DataType.Type.BIGINT}
FLOATS = {exp.DataType.Type.FLOAT, exp.DataType.Type.DOUBLE}
TEMPORAL = {exp.DataType.Type.DATE, exp.DataType.Type.TIMESTAMP, exp.DataType.Type.TIMESTAMPTZ, exp.DataType.Type.TIMESTAMPLTZ, exp.DataType.Type.TIMESTAMPNTZ}
ZERO = "[DIVIDE_BY_ZERO] Division by zero. Use `try_divide` to tolerate divisor being 0 and return NULL instead. SQLSTATE: 22012"

# strftime pieces that Java's patterns map to without loss.
TIME_PIECES = set("YymdHIMSfjpbBaA") | {"-m", "-d", "-H", "-I", "-M", "-S", "-j", "-y"}


def kind(node):
    return node.type.this if node.type is not None else None


def is_integer(node):
    return kind(node) in INTEGERS or (isinstance(node, exp.Literal) and not node.is_string and node.this.isdigit())


def is_decimal(node):
    return kind(node) == exp.DataType.Type.DECIMAL


def decimal_of(node):
    if isinstance(node, exp.Literal) and not node.is_string and "." in node.this and "e" not in node.this.lower():
        whole, fraction = node.this.split(".")
        return max(len(whole.lstrip("0")) + len(fraction), 1), len(fraction)
    if is_decimal(node):
        args = [int(e.name) for e in node.type.expressions]
        return (args[0] if args else 10), (args[1] if len(args) > 1 else 0)
    return {exp.DataType.Type.TINYINT: (3, 0), exp.DataType.Type.SMALLINT: (5, 0), exp.DataType.Type.BIGINT: (20, 0)}.get(kind(node), (10, 0))


def cast(node, to):
    return exp.Cast(this=node, to=exp.DataType.build(to, dialect="duckdb"))


def bounded(precision, scale):
    if precision > 38:
        scale = max(min(scale, 6), scale - (precision - 38))
        precision = 38
    return f"DECIMAL({precision}, {scale})"


def guarded(left, right, result):
    if isinstance(right, exp.Literal) and not right.is_string and float(right.this) != 0:
        return result
    return exp.Case(
        ifs=[exp.If(this=exp.EQ(this=exp.Paren(this=right.copy()), expression=exp.Literal.number(0)), true=exp.Anonymous(this="ERROR", expressions=[exp.Literal.string(ZERO)]))],
        default=result,
    )


def divide(node):
    left, right = node.left, node.right
    decimal = [is_decimal(x) or (isinstance(x, exp.Literal) and not x.is_string and "." in x.this) for x in (left, right)]
    plain = exp.Div(this=exp.Paren(this=left), expression=exp.Paren(this=right))
    if any(decimal) and all(d or is_integer(x) for d, x in zip(decimal, (left, right))):
        (p1, s1), (p2, s2) = decimal_of(left), decimal_of(right)
        scale = max(6, s1 + p2 + 1)
        plain = cast(plain, bounded(p1 - s1 + s2 + scale, scale))
    return guarded(left, right, plain)


def aggregate_arg(node):
    arg = node.this
    return arg.expressions[0] if isinstance(arg, exp.Distinct) and arg.expressions else arg


def outermost(node):
    """An aggregate with its FILTER and OVER, which a cast has to enclose."""
    while isinstance(node.parent, (exp.Filter, exp.Window, exp.IgnoreNulls, exp.RespectNulls)) and node.parent.this is node:
        node = node.parent
    return node


def time_format(node):
    fmt = node.args.get("format")
    if not isinstance(fmt, exp.Literal):
        raise unsupported("A date pattern that is not a literal")
    text, i = fmt.this.replace("strict", ""), 0  # the parser's mark for two-digit fields
    while i < len(text):
        if text[i] == "%":
            piece = text[i + 1: i + 3] if text[i + 1: i + 2] == "-" else text[i + 1: i + 2]
            if piece not in TIME_PIECES:
                raise unsupported(f"The date pattern piece '%{piece}'")
            i += 1 + len(piece)
        elif text[i].isalpha():
            raise unsupported(f"The date pattern letter '{text[i]}'")
        else:
            i += 1


UNITS = {"YYYY": "year", "YY": "year", "YEAR": "year", "QUARTER": "quarter", "Q": "quarter", "MONTH": "month", "MON": "month", "MM": "month", "WEEK": "week", "DAY": "day", "DD": "day", "HOUR": "hour", "MINUTE": "minute", "SECOND": "second"}


def unit_of(node):
    unit = node.args.get("unit")
    text = unit.name.upper() if unit is not None else "DAY"
    if text not in UNITS:
        raise unsupported(f"The unit '{text}'")
    return UNITS[text]


def to_int(node):
    parent = node.parent
    wrapped = exp.Cast(this=node.copy(), to=exp.DataType.build("INT"))
    if parent is None:
        return wrapped
    node.replace(wrapped)
    return wrapped


AS_INT = (exp.Year, exp.Month, exp.Day, exp.DayOfMonth, exp.DayOfYear, exp.Quarter, exp.WeekOfYear, exp.Week, exp.Hour, exp.Minute, exp.Second, exp.Length, exp.DateDiff, exp.TsOrDsDiff, exp.Ascii, exp.StrPosition)
RANKS = (exp.RowNumber, exp.Rank, exp.DenseRank, exp.Ntile)


def to_duckdb(query):
    # Children first: a rule sees its operands in their final form but with the types that they had.
    for node in list(query.walk(bfs=False))[::-1]:
        typed = node.type
        new = fix(node)
        if new is not None and new is not node:
            new.type = new.type or typed
            if node is query:
                query = new
            else:
                node.replace(new)
    return query


def fix(node):
    if isinstance(node, exp.Div) and not isinstance(node, exp.IntDiv):
        return divide(node)
    if isinstance(node, exp.IntDiv):
        if not (is_integer(node.left) and is_integer(node.right)):
            whole = exp.Anonymous(this="TRUNC", expressions=[exp.Div(this=exp.Paren(this=node.left), expression=exp.Paren(this=node.right))])
            return cast(guarded(node.left, node.right, whole), "BIGINT")
        return cast(guarded(node.left, node.right, exp.IntDiv(this=exp.Paren(this=node.left), expression=exp.Paren(this=node.right))), "BIGINT")
    if isinstance(node, exp.Mod):
        return guarded(node.this, node.expression, exp.Mod(this=exp.Paren(this=node.this), expression=exp.Paren(this=node.expression)))
    if isinstance(node, (exp.Cast, exp.TryCast)):
        if node.to.this == exp.DataType.Type.TIMESTAMP:
            node.set("to", exp.DataType.build("TIMESTAMPTZ"))
        if node.to.this in INTEGERS and strict.is_text(node.this):
            return strict.cast_text(node, node.to.sql("databricks").upper())
        if node.to.this in INTEGERS and (kind(node.this) in FLOATS or is_decimal(node.this) or (isinstance(node.this, exp.Literal) and not node.this.is_string and "." in node.this.this)):
            node.set("this", exp.Anonymous(this="TRUNC", expressions=[node.this.copy()]))
        return None
    if isinstance(node, (exp.Sum, exp.Avg)):
        arg = aggregate_arg(node)
        to = None
        if isinstance(node, exp.Sum) and is_integer(arg):
            to = "BIGINT"
        elif is_decimal(arg):
            p, s = decimal_of(arg)
            to = bounded(p + 10, s) if isinstance(node, exp.Sum) else bounded(p + 4, s + 4)
        if to:
            top = outermost(node)
            if top is node:
                return cast(node.copy(), to)
            top.replace(cast(top.copy(), to))
        return None
    if isinstance(node, AS_INT):
        return exp.Cast(this=node.copy(), to=exp.DataType.build("INT"))
    if isinstance(node, RANKS):
        top = outermost(node)
        if top is not node:
            top.replace(exp.Cast(this=top.copy(), to=exp.DataType.build("INT")))
        return None
    if isinstance(node, exp.DayOfWeek):
        return exp.Cast(this=exp.Add(this=exp.Anonymous(this="DAYOFWEEK", expressions=[node.this.copy()]), expression=exp.Literal.number(1)), to=exp.DataType.build("INT"))
    if isinstance(node, (exp.Ceil, exp.Floor)) and not node.args.get("decimals") and (kind(node.this) in FLOATS):
        return cast(node.copy(), "BIGINT")
    if isinstance(node, exp.Substring):
        start = node.args.get("start")
        if isinstance(start, exp.Literal):
            if start.this == "0":
                node.set("start", exp.Literal.number(1))
        elif start is not None and not isinstance(start, exp.Neg):
            node.set("start", exp.Case(ifs=[exp.If(this=exp.EQ(this=start.copy(), expression=exp.Literal.number(0)), true=exp.Literal.number(1))], default=start.copy()))
        return None
    if isinstance(node, (exp.Like, exp.ILike)) and not isinstance(node.parent, exp.Escape):
        if not isinstance(node.expression, exp.Literal) or "\\" in node.expression.this:
            return exp.Escape(this=node.copy(), expression=exp.Literal.string("\\"))
        return None
    if isinstance(node, (exp.TimeToStr, exp.StrToTime, exp.StrToDate, exp.StrToUnix)) and node.args.get("format") is not None:
        if isinstance(node, exp.StrToUnix):
            if kind(node.this) in TEMPORAL:
                return cast(exp.Anonymous(this="EPOCH", expressions=[node.this.copy()]), "BIGINT")
            time_format(node)
            return cast(node.copy(), "BIGINT")
        time_format(node)
        return cast(node.copy(), "TIMESTAMPTZ") if isinstance(node, exp.StrToTime) else None
    if isinstance(node, exp.TsOrDsToDate) and node.args.get("format") is not None:
        time_format(node)
        return None
    if isinstance(node, exp.TimeToUnix):
        return cast(node.copy(), "BIGINT")
    if isinstance(node, (exp.DateAdd, exp.DateSub, exp.TsOrDsAdd, exp.AddMonths)):
        unit = node.args.get("unit")
        if unit is not None and unit.name.upper() not in ("DAY", "WEEK", "MONTH", "YEAR", "QUARTER", "DAYS"):
            return None
        return cast(node.copy(), "DATE")
    if isinstance(node, (exp.Add, exp.Sub)):
        left, right = node.left, node.right
        if isinstance(right, exp.Interval) and kind(left) == exp.DataType.Type.DATE:
            unit = right.args.get("unit")
            if isinstance(unit, exp.Var) and unit.name.upper().rstrip("S") in ("DAY", "WEEK", "MONTH", "YEAR"):
                return cast(node.copy(), "DATE")
        if isinstance(node, exp.Sub) and kind(left) == exp.DataType.Type.DATE and kind(right) == exp.DataType.Type.DATE:
            raise unsupported("The difference of two dates", "Use datediff.")
        return None
    if isinstance(node, (exp.DateTrunc, exp.TimestampTrunc)):
        unit = unit_of(node)
        made = exp.Anonymous(this="DATE_TRUNC", expressions=[exp.Literal.string(unit), cast(node.this.copy(), "TIMESTAMPTZ")])
        return cast(made, "DATE") if isinstance(node, exp.DateTrunc) else made
    if isinstance(node, exp.ArrayAgg):
        if isinstance(outermost(node), exp.Window):
            return None
        arg = aggregate_arg(node)
        made = exp.Filter(this=exp.Anonymous(this="LIST", expressions=[node.this.copy()]), expression=exp.Where(this=exp.Not(this=exp.Is(this=arg.copy(), expression=exp.Null()))))
        return exp.Coalesce(this=made, expressions=[exp.Array(expressions=[])])
    if isinstance(node, exp.CurrentDate):
        return cast(exp.Anonymous(this="NOW", expressions=[]), "DATE")
    if isinstance(node, exp.CurrentTimestamp):
        return exp.Anonymous(this="NOW", expressions=[])
    if isinstance(node, (exp.TimestampFromParts, exp.TimeStrToTime, exp.Timestamp, exp.TsOrDsToTimestamp)) and not isinstance(node.parent, exp.TimeToStr):
        return cast(node.copy(), "TIMESTAMPTZ")
    if isinstance(node, (exp.ArraySize,)):
        return exp.Cast(this=node.copy(), to=exp.DataType.build("INT"))
    if isinstance(node, exp.PercentileDisc) and isinstance(node.parent, exp.WithinGroup):
        for key in node.parent.expression.expressions:
            value = key.this if isinstance(key, exp.Ordered) else key
            if kind(value) not in TEMPORAL and not (isinstance(value, exp.Cast) and value.to.this == exp.DataType.Type.DOUBLE):
                value.replace(cast(value.copy(), "DOUBLE"))
        return None
    if isinstance(node, exp.ApproxQuantile):
        return exp.Anonymous(this="QUANTILE_DISC", expressions=[node.this.copy(), node.args["quantile"].copy()])
    if isinstance(node, (exp.ArgMax, exp.ArgMin)):
        return exp.Anonymous(this="ARG_MAX_NULL" if isinstance(node, exp.ArgMax) else "ARG_MIN_NULL", expressions=[node.this.copy(), node.expression.copy()])
    if isinstance(node, exp.Quantile):
        return exp.Anonymous(this="QUANTILE_CONT", expressions=[node.this.copy(), node.args["quantile"].copy()])
    if isinstance(node, exp.Anonymous):
        return anonymous(node)
    return None


RENAMED = {"getdate": "NOW", "char_length": "LENGTH", "character_length": "LENGTH", "len": "LENGTH", "mean": "AVG", "every": "BOOL_AND", "some": "BOOL_OR", "bool_and": "BOOL_AND", "bool_or": "BOOL_OR",
           "ucase": "UPPER", "lcase": "LOWER", "log10": "LOG10", "log2": "LOG2", "raise_error": "ERROR", "nvl": "COALESCE", "ifnull": "COALESCE", "make_date": "MAKE_DATE", "nullifzero": None, "zeroifnull": None,
           "regr_slope": "REGR_SLOPE", "regr_intercept": "REGR_INTERCEPT", "regr_r2": "REGR_R2", "cot": "COT", "bit_count": "BIT_COUNT", "bit_length": "BIT_LENGTH", "octet_length": "STRLEN"}


def anonymous(node):
    name, args = node.name.lower(), node.expressions
    if name in ("trunc", "error", "list", "quantile_disc", "arg_max_null", "arg_min_null", "regexp_full_match", "date_trunc", "quantile_cont", "dayofweek", "epoch", "now"):
        return None  # made here
    one = args[0].copy() if args else None
    if name == "weekday":
        return exp.Cast(this=exp.Sub(this=exp.Anonymous(this="ISODOW", expressions=[one]), expression=exp.Literal.number(1)), to=exp.DataType.build("INT"))
    if name == "isnull":
        return exp.Paren(this=exp.Is(this=one, expression=exp.Null()))
    if name == "isnotnull":
        return exp.Paren(this=exp.Not(this=exp.Is(this=one, expression=exp.Null())))
    if name == "nullifzero":
        return exp.Nullif(this=one, expression=exp.Literal.number(0))
    if name == "zeroifnull":
        return exp.Coalesce(this=one, expressions=[exp.Literal.number(0)])
    if name == "e" and not args:
        return exp.Anonymous(this="EXP", expressions=[exp.Literal.number("1.0")])
    if name == "positive":
        return exp.Paren(this=one)
    if name == "negative":
        return exp.Neg(this=exp.Paren(this=one))
    if name == "equal_null":
        return exp.NullSafeEQ(this=one, expression=args[1].copy())
    new = RENAMED.get(name)
    if new is None:
        raise unsupported(f"The function `{name}`")
    if new != node.this:
        return exp.Anonymous(this=new, expressions=[a.copy() for a in args])
    return None


def generate(node):
    return node.sql("duckdb", identify=True, comments=False, unsupported_level=ErrorLevel.RAISE)


def spark_name(node):
    """The name that Spark gives an expression without an alias, near enough to be recognised."""
    if isinstance(node, exp.Literal):
        return node.this
    if isinstance(node, exp.Count) and isinstance(node.this, exp.Star):
        return "count(1)"
    if isinstance(node, exp.Subquery):
        return "scalarsubquery()"
    text = node.sql("databricks", normalize_functions="lower", comments=False, identify=False).replace("`", "")
    if isinstance(node, exp.Binary) and not isinstance(node, exp.Dot):
        return f"({text})"
    return text
