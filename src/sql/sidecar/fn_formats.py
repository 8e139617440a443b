"""format_string and printf: a constant format of Java's, taken apart into texts and values."""
import re

from catalogue import special, wrong_count
from errors import raised, unsupported
from kinds import BOOLEAN, DOUBLE, STRING, VOID, integral, text
from values import literal_of, made, one_cast

SPEC = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")
BITS = {"tinyint": 8, "smallint": 16, "int": 32, "bigint": 64}


@special("format_string printf")
def format_string(c, node, scope):
    name = node.name.lower()
    args = [c.compile(a, scope) for a in node.expressions]
    if not args:
        raise wrong_count(name, "> 0", 0)
    form, values = args[0], args[1:]
    if form.kind == VOID or form.is_literal and form.lit is None:
        return literal_of(None, STRING)
    if not form.is_literal or form.kind != STRING:
        raise unsupported(f"{name} with a format that is no literal")
    pieces, at, following = [], 0, 0
    for m in SPEC.finditer(form.lit):
        pieces.append(text(plain(form.lit[at:m.start()], name)))
        at = m.end()
        place, flags, width, precision, kind = m.groups()
        if kind in "%n":
            pieces.append(text("%" if kind == "%" else "\n"))
            continue
        if place == "0":
            raise raised("INVALID_PARAMETER_VALUE.ZERO_INDEX", f"The value of parameter(s) `strfmt` in {c.shown(node)} is invalid: expects %1$, %2$ and so on, but got %0$.", "22023")
        following += place is None
        index = int(place or following) - 1
        if index >= len(values):
            pieces.append(f"error({text(f'Format specifier {m.group(0)!r} has no argument: {len(values)} were given')})")
            continue
        pieces.append(padded(shown(values[index], kind, flags, precision, m.group(0)), flags, width))
    pieces.append(text(plain(form.lit[at:], name)))
    return made("concat(" + ", ".join(pieces) + ")", STRING, *args)


def plain(piece, name):
    if "%" in piece:
        raise unsupported(f"This format of {name}")
    return piece


def shown(e, kind, flags, precision, spelled):
    """The value as the conversion writes it; NULL is the word."""
    k, null = e.kind, lambda sql: f"coalesce({sql}, 'null')"
    if kind in "sS" and precision is None and not set(flags) - {"-"} and (k in (STRING, BOOLEAN, VOID) or integral(k) or k.name in ("float", "double")):
        sql = null(e.sql if k == STRING else "CAST(NULL AS VARCHAR)" if k == VOID else one_cast(e.sql, k, STRING, "ansi", 0))
        return f"upper({sql})" if kind == "S" else sql
    if kind == "d" and precision is None and not set(flags) - {"-", "0"} and (integral(k) or k == VOID):
        return null(f"CAST({e.sql} AS VARCHAR)")
    if kind in "xX" and precision is None and not set(flags) - {"-", "0"} and integral(k):
        sql = f"to_hex(CAST({e.sql} AS HUGEINT) + CASE WHEN {e.sql} < 0 THEN {2 ** BITS[k.name]}::HUGEINT ELSE 0 END)"
        return null(sql if kind == "X" else f"lower({sql})")
    if kind == "f" and not set(flags) - {"-", "0"} and k.name in ("float", "double") and int(precision or 6) <= 18:
        # Java rounds the digits that it would print of a DOUBLE, half up.
        value = one_cast(f"CAST({e.sql} AS DOUBLE)", DOUBLE, STRING, "ansi", 0)
        return null(f"CASE WHEN isfinite({e.sql}) THEN CAST(CAST({value} AS DECIMAL(38, {int(precision or 6)})) AS VARCHAR) ELSE {value} END")
    raise unsupported(f"The format {spelled} of a {k.sql}")


def padded(sql, flags, width):
    if not width:
        return sql
    side, filler = ("rpad", " ") if "-" in flags else ("lpad", " ")
    if "0" in flags and "-" not in flags:
        # The sign stays in front of the zeros.
        return f"list_transform([{sql}], lambda w_: CASE WHEN w_ IN ('null', 'NaN', 'Infinity', '-Infinity') THEN lpad(w_, CAST(greatest({width}, length(w_)) AS INTEGER), ' ') WHEN w_[1] = '-' THEN '-' || lpad(w_[2:], CAST(greatest({width} - 1, length(w_) - 1) AS INTEGER), '0') ELSE lpad(w_, CAST(greatest({width}, length(w_)) AS INTEGER), '0') END)[1]"
    return f"list_transform([{sql}], lambda w_: {side}(w_, CAST(greatest({width}, length(w_)) AS INTEGER), '{filler}'))[1]"
