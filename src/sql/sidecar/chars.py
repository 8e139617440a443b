"""CHAR(n) columns as Spark compares them: ApplyCharTypePadding of its 4.2.0."""
from kinds import STRING, VOID
from values import literal_of, made


def char_length(e):
    """n of a CHAR(n) column; of anything else nothing."""
    return int(e.declared[5:-1]) if e.declared.startswith("char(") and e.kind == STRING else None


def filled(left, *others):
    """Texts as Spark compares them: where one is a CHAR(n) column and the others are constants, or all are such columns, the shorter ones are filled up with
    blanks. A CHAR(n) column's value has its n characters already."""
    lengths = [char_length(e) for e in (left, *others)]
    if len(others) == 1 and lengths[0] is None and lengths[1] is not None:
        return tuple(reversed(filled(others[0], left)))
    if lengths[0] is None:
        return (left, *others)
    if all(n is not None for n in lengths):
        return tuple(to_length(e, n, max(lengths)) for e, n in zip((left, *others), lengths))
    if not all(e.foldable and e.kind.name in ("string", "void") for e in others):
        return (left, *others)
    if all(e.is_literal for e in others):
        longest = max([lengths[0]] + [len(e.lit) for e in others if e.lit is not None])
        return (to_length(left, lengths[0], longest), *(e if e.lit is None else literal_of(e.lit.ljust(longest), STRING) for e in others))
    longest = "greatest(" + ", ".join([str(lengths[0])] + [f"coalesce(length({e.sql}), 0)" for e in others]) + ")"
    fill = lambda e: e if e.kind == VOID else made(f"CASE WHEN length({e.sql}) < {longest} THEN rpad({e.sql}, CAST({longest} AS INTEGER), ' ') ELSE {e.sql} END", STRING, e)
    return tuple(fill(e) for e in (left, *others))


def to_length(e, n, wanted):
    return e if wanted <= n else made(f"rpad({e.sql}, {wanted}, ' ')", STRING, e)
