"""histogram_numeric: bins of what is near to each other, each with where it is, in the column's own type, and how many rows are in it."""
from catalogue import aggregate, wrong_count, wrong_type
from errors import mismatch, unsupported
from kinds import BIGINT, DOUBLE, INT, STRING, VOID, array, fractional, numeric, physical, struct
from values import cast, made
from windows import TAIL

TAKEN = '("NUMERIC" or "DATE" or "TIMESTAMP" or "TIMESTAMP_NTZ" or "INTERVAL YEAR TO MONTH" or "INTERVAL DAY TO SECOND")'


@aggregate("histogram_numeric")
def histogram_numeric(c, call, scope):
    if len(call.args) != 2:
        raise wrong_count(call.name, "2", len(call.args))
    a, bins = (c.compile(x, scope) for x in call.args)
    shown = c.shown(call.node)
    if a.kind in (STRING, VOID):
        a = cast(a, DOUBLE)
    if not (numeric(a.kind) or a.kind.name in ("date", "timestamp", "timestamp_ntz", "ym", "dt")):
        raise wrong_type(call.name, shown, 0, TAKEN, a.kind)
    if not (numeric(bins.kind) or bins.kind in (STRING, VOID)):
        raise wrong_type(call.name, shown, 1, '"INT"', bins.kind)
    if not bins.foldable:
        raise mismatch("NON_FOLDABLE_INPUT", shown, f'the input `nb` should be a foldable "INT" expression; however, got "{c.shown(call.args[1])}".')
    if bins.lit is None or bins.kind == VOID:
        raise mismatch("UNEXPECTED_NULL", shown, "The `nb` must not be null.")
    most = cast(bins, INT).lit
    if not isinstance(most, int):
        raise unsupported("histogram_numeric with a computed number of bins", "Write a literal.")
    if most < 2:
        raise mismatch("VALUE_OUT_OF_RANGE", shown, f"The `nb` must be between [2, 2147483647] (current value = {most}).")
    numbers = f"spark_histogram_numbers(spark_histogram({'DISTINCT ' if call.distinct else ''}{as_double(a)}, {most}){TAIL})"
    n, i = f"v{c.fresh()}_", f"v{c.fresh()}_"
    item = f"{{'x': {of_double(f'CAST(list_extract({n}, 2 * {i} + 1) AS DOUBLE)', a.kind)}, 'y': CAST(list_extract({n}, 2 * {i} + 2) AS DOUBLE)}}"
    body = f"list_transform(range(len({n}) // 2), lambda {i}: {item})"
    return made(f"list_extract(list_transform(list_filter([{numbers}], lambda {n}: {n} IS NOT NULL), lambda {n}: {body}), 1)", array(struct([("x", a.kind), ("y", DOUBLE)])), a)


def as_double(e):
    n = e.kind.name
    whole = f"(({e.sql}) - DATE '1970-01-01')" if n == "date" else f"epoch_us({e.sql})" if n in ("timestamp", "timestamp_ntz") else e.sql
    return f"CAST({whole} AS DOUBLE)"


def of_double(x, k):
    """As Java makes a value of the column's type of a place between two."""
    if fractional(k):
        return f"CAST({x} AS {physical(k)})"
    whole = f"CAST(trunc({x}) AS BIGINT)"
    if k.name == "date":
        return f"(DATE '1970-01-01' + CAST({whole} AS INTEGER))"
    if k.name in ("timestamp", "timestamp_ntz"):
        return f"CAST(make_timestamp({whole}) AS TIMESTAMP)" if k.name == "timestamp_ntz" else f"to_timestamp(0) + to_microseconds({whole})"
    return whole if k == BIGINT else f"CAST({whole} AS {physical(k)})"
