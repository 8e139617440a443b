"""time_bucket: times cut into equal spans, on the wall clock of the session."""
from catalogue import special, wrong_count, wrong_type
from errors import mismatch
from kinds import NTZ, TIMESTAMP, VOID, text
from values import literal_of, made
import zones

WIDTHS, TIMES = '("INTERVAL DAY TO SECOND" or "INTERVAL YEAR TO MONTH")', '"(TIMESTAMP OR TIMESTAMP WITHOUT TIME ZONE)"'


@special("time_bucket")
def time_bucket(c, node, scope):
    args = [c.compile(a, scope) for a in c.positional("time_bucket", node)]
    if not 2 <= len(args) <= 3:
        raise wrong_count("time_bucket", "[2, 3]", len(args))
    width, at = args[:2]
    kinds = [a.kind for a in args[1:] if a.kind != VOID]
    if width.kind.name not in ("dt", "ym", "void"):
        raise wrong_type("time_bucket", c.shown(node), 0, WIDTHS, width.kind)
    for i, k in enumerate(a.kind for a in args[1:]):
        if k not in (NTZ, TIMESTAMP, VOID) or k != VOID and k != kinds[0]:
            raise wrong_type("time_bucket", c.shown(node), i + 1, TIMES if k not in (NTZ, TIMESTAMP) else f'"{kinds[0].sql}"', k)
    for name, e in (("bucketSize", width), ("origin", args[2] if len(args) > 2 else None)):
        if e is not None and not e.foldable:
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), f'the input `{name}` should be a foldable "{e.kind.sql}" expression; however, got "{c.shown(node)}".')
    kind = kinds[0] if kinds else TIMESTAMP
    if any(a.kind == VOID for a in args):
        return literal_of(None, kind)
    clock = lambda e: zones.local(e.sql) if kind == TIMESTAMP else e.sql
    origin = clock(args[2]) if len(args) > 2 else "TIMESTAMP '1970-01-01 00:00:00'"
    few = text(f"[DATATYPE_MISMATCH.VALUE_OUT_OF_RANGE] Cannot resolve \"{c.shown(node)}\" due to data type mismatch: The `bucketSize` must be between (0, inf). SQLSTATE: 42K09")
    wide = f"CASE WHEN {width.sql} <= 0 THEN error({few}) ELSE CAST({width.sql} AS BIGINT) END"
    if width.kind.name == "dt":
        inner = f"make_timestamp(epoch_us(o_) + n_ * spark_floor_div(epoch_us(t_) - epoch_us(o_), n_))"
    else:
        month = lambda x: f"(CAST(year({x}) AS BIGINT) * 12 + month({x}))"
        # A day that a month lacks is its last: then the span that was counted may begin after the time.
        k = f"n_ * spark_floor_div({month('t_')} - {month('o_')}, n_)"
        step = lambda months: f"(o_ + to_months(CAST({months} AS INTEGER)))"
        inner = f"CASE WHEN {step(k)} > t_ THEN {step(k + ' - n_')} ELSE {step(k)} END"
    value = f"list_transform([{clock(at)}], lambda t_: list_transform([{origin}], lambda o_: list_transform([{wide}], lambda n_: {inner})[1])[1])[1]"
    value = f"CASE WHEN {at.sql} IS NOT NULL{f' AND {args[2].sql} IS NOT NULL' if len(args) > 2 else ''} THEN {zones.instant(value) if kind == TIMESTAMP else value} END"
    return made(value, kind, *args)
