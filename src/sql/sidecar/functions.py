"""The functions and node kinds that a query may use: each one is known to mean the same in DuckDB, by itself or through dialect.py.

An allow list, for two reasons: a function that differs must be refused by name rather than answer wrongly, and the engine's own
functions (files, settings, secrets) must be out of reach whatever the parser lets through.
"""
from sqlglot import exp

# Expressions that are not functions: structure, operators, literals.
NODES = {
    "Select", "Subquery", "Union", "Intersect", "Except", "Values", "Tuple", "With", "CTE", "From", "Join", "Where", "Group", "Having", "Order",
    "Ordered", "Limit", "Offset", "Fetch", "Distinct", "Qualify", "Window", "WindowSpec", "Windows", "Table", "TableAlias", "Alias", "Aliases", "Column", "Identifier", "Star",
    "Dot", "Literal", "Boolean", "Null", "Paren", "Neg", "Not", "And", "Or", "Xor", "Add", "Sub", "Mul", "Div", "IntDiv", "Mod", "EQ", "NEQ", "LT", "LTE", "GT", "GTE",
    "NullSafeEQ", "NullSafeNEQ", "Is", "In", "Between", "Like", "ILike", "Escape", "RegexpLike", "Exists", "Any", "All", "Case", "If", "Cast", "TryCast", "DataType", "DataTypeParam", "ColumnDef",
    "Interval", "IntervalSpan", "Var", "Bracket", "Lateral", "Unnest", "Explode", "Placeholder", "Parameter", "Filter", "Cube", "Rollup", "GroupingSets", "BitwiseAnd", "BitwiseOr", "BitwiseXor",
    "BitwiseNot", "DPipe", "PropertyEQ", "Kwarg", "Hint", "Concat", "Array", "Struct", "Map", "Lambda", "IgnoreNulls", "RespectNulls", "Version", "Extract", "Date", "TableColumn", "AnonymousAggFunc",
    "SessionParameter", "TimeUnit", "WithinGroup", "Schema",
}

# Functions that sqlglot knows, by class name.
FUNCTIONS = {
    "Count", "CountIf", "Sum", "Avg", "Min", "Max", "Stddev", "StddevSamp", "StddevPop", "Variance", "VariancePop", "Corr", "CovarPop", "CovarSamp", "AnyValue", "First", "Last", "FirstValue",
    "LastValue", "LogicalAnd", "LogicalOr", "ArrayAgg", "ArrayUniqueAgg", "Median", "PercentileCont", "PercentileDisc", "ApproxDistinct", "Quantile", "ApproxQuantile", "Percentile", "ArgMax", "ArgMin", "Mode", "Skewness",
    "RowNumber", "Rank", "DenseRank", "PercentRank", "CumeDist", "Ntile", "Lag", "Lead", "NthValue", "Grouping", "GroupingId",
    "Coalesce", "Nullif", "Nvl2", "If", "Greatest", "Least", "Abs", "Sign", "Sqrt", "Cbrt", "Exp", "Ln", "Log", "Pow", "Round", "Ceil", "Floor", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan",
    "Atan2", "Degrees", "Radians", "Pi", "Rand", "SafeDivide", "Mod", "IntDiv",
    "Lower", "Upper", "Length", "Trim", "Substring", "Left", "Right", "Concat", "ConcatWs", "Replace", "Repeat", "Reverse", "Pad", "StrPosition", "StartsWith", "EndsWith", "Contains", "Split",
    "SplitPart", "RegexpReplace", "RegexpExtract", "RegexpLike", "RegexpILike", "MD5", "SHA2", "SHA", "Ascii", "Chr", "Unicode", "Uuid", "Translate", "Levenshtein", "RegexpExtractAll", "RegexpCount",
    "CurrentDate", "CurrentTimestamp", "CurrentUser", "CurrentCatalog", "CurrentSchema", "CurrentDatabase", "SessionUser", "Year", "Month", "Day", "DayOfMonth", "DayOfWeek", "DayOfYear", "Quarter", "WeekOfYear", "Week", "Hour",
    "Minute", "Second", "LastDay", "DateAdd", "DateSub", "DateDiff", "TsOrDsAdd", "TsOrDsDiff", "TsOrDsToDate", "AddMonths", "TimestampTrunc", "DateTrunc", "TimeToStr", "StrToTime", "StrToDate", "DateFromParts", "TsOrDsToTimestamp", "TsOrDsToTime",
    "Date", "Timestamp", "UnixToTime", "StrToUnix", "TimeToUnix", "TimestampAdd", "TimestampDiff", "DateStrToDate", "Extract", "TimeStrToTime", "Dayname", "Monthname", "TimestampFromParts", "MakeInterval_",
    "ArraySize", "ArrayContains", "ArrayDistinct", "ArraySort", "SortArray", "ArrayToString", "ArrayConcat", "ArrayMax", "ArrayMin", "Flatten", "Explode", "Array", "Struct", "Transform", "ArrayFilter", "GenerateSeries",
    "BitwiseAndAgg", "BitwiseOrAgg", "BitwiseXorAgg", "Typeof", "RegexpSplit", "Initcap", "UnixToStr", "VarMap_", "Case", "Cast", "TryCast", "Xor", "Any", "All", "Exists", "And", "Or", "TsOrDiToDi", "Int64", "Hex", "ToNumber_",
}

# Functions that sqlglot leaves anonymous, by lower-case name; dialect.py knows each of them.
ANONYMOUS = {
    "is_account_group_member", "is_member", "weekday", "now", "char_length", "character_length", "isnull", "isnotnull", "nvl", "ifnull", "e", "positive", "negative", "bool_and", "bool_or", "every", "some",
    "version", "current_version", "zeroifnull", "nullifzero", "raise_error", "assert_true", "bit_length", "octet_length", "mean", "to_timestamp_ntz", "getdate", "sequence", "equal_null", "log1p", "expm1", "cot", "bit_count", "try_add", "try_subtract",
    "try_multiply", "try_divide", "date_from_unix_date", "date_part", "unix_date", "make_date", "user", "session_user", "current_metastore", "regr_slope", "regr_intercept", "regr_r2", "log10", "log2", "ucase", "lcase", "len",
}


def check(expression, search_path):
    """Raises by name for the first node or function that is not on the lists."""
    from errors import Refused, unsupported

    for node in expression.walk():
        kind = type(node).__name__
        if isinstance(node.parent, exp.Table) and node.arg_key == "this" and isinstance(node, exp.Func):
            continue  # a table function: analyze.reference knows them by name
        if isinstance(node, exp.Anonymous):
            name = node.name
            if name.lower() not in ANONYMOUS:
                raise Refused(
                    "unresolved_routine",
                    f"[UNRESOLVED_ROUTINE] Cannot resolve routine `{name}` on search path [`system`.`builtin`, `system`.`session`, {search_path}]. SQLSTATE: 42883",
                )
        elif kind in NODES or kind in FUNCTIONS:
            continue
        elif isinstance(node, exp.Func):
            raise unsupported(f"The function `{node.sql_name().lower()}`")
        else:
            raise unsupported(f"The clause {kind} ({shown(node)})")


def shown(node):
    text = node.sql("databricks", comments=False)
    return text if len(text) <= 60 else text[:57] + "..."
