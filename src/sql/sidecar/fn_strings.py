"""Functions of text and bytes."""
from sqlglot import exp

from catalogue import FUNCTIONS, accepts, arguments, define, named, same, special, wrong_count, wrong_type
from errors import mismatch, raised, unsupported
from kinds import BIGINT, BINARY, BOOLEAN, DOUBLE, INT, STRING, VOID, all_common, array, decimal, integral, map_, struct, text
from values import E, cast, implicit, literal_of, made

define("upper ucase", "string", STRING, "upper({0})")
define("lower lcase", "string", STRING, "lower({0})")
define("ascii", "string", INT, "spark_ascii({0})")
define("char chr", "bigint", STRING, "spark_chr({0})")
define("reverse", "string|array", same, lambda a: f"spark_reverse({a.sql})" if a.kind == STRING else f"list_reverse({a.sql})")
define("repeat", "string,int", STRING, "repeat({0}, CASE WHEN {1} < 0 THEN 0 ELSE {1} END)")
define("initcap", "string", STRING, "spark_initcap({0})")
define("soundex", "string", STRING, "spark_soundex({0})")
define("space", "int", STRING, "repeat(' ', CASE WHEN {0} < 0 THEN 0 ELSE {0} END)")
define("substring_index", "string,string,int", STRING, "spark_substring_index({0}, {1}, {2})")
define("find_in_set", "string,string", INT, "spark_find_in_set({0}, {1})")
define("translate", "string,string,string", STRING, "spark_translate({0}, {1}, {2})")
define("levenshtein", "string,string,int?", INT, lambda a, b, n=None: f"CAST(levenshtein({a.sql}, {b.sql}) AS INTEGER)" if n is None else f"CASE WHEN levenshtein({a.sql}, {b.sql}) > {n.sql} THEN -1 ELSE CAST(levenshtein({a.sql}, {b.sql}) AS INTEGER) END")
define("md5", "binary", STRING, "md5({0})")
define("sha sha1", "binary", STRING, "sha1({0})")
define("crc32", "binary", BIGINT, "spark_crc32_bytes({0})")
define("hex", "bigint|binary|string", STRING, lambda a: f"spark_hex_number({a.sql})" if integral(a.kind) else f"hex({a.sql})" if a.kind == BINARY else f"hex(encode({a.sql}))")
define("unhex", "string", BINARY, "spark_unhex({0})")
define("base64", "binary", STRING, "base64({0})")
define("unbase64", "string", BINARY, "spark_unbase64({0}, FALSE)")
define("encode", "string,string", BINARY, "spark_encode({0}, {1})")
define("bit_length", "string|binary", INT, lambda a: f"CAST(octet_length({a.sql if a.kind == BINARY else f'encode({a.sql})'}) * 8 AS INTEGER)")
define("octet_length", "string|binary", INT, lambda a: f"CAST(octet_length({a.sql if a.kind == BINARY else f'encode({a.sql})'}) AS INTEGER)")
define("char_length character_length length len", "string|binary", INT, lambda a: f"CAST(octet_length({a.sql}) AS INTEGER)" if a.kind == BINARY else f"CAST(length({a.sql}) AS INTEGER)")
define("startswith", "any,any", BOOLEAN, lambda a, b: pair(a, b, "starts_with"))
define("endswith", "any,any", BOOLEAN, lambda a, b: pair(a, b, "ends_with"))
define("contains", "any,any", BOOLEAN, lambda a, b: pair(a, b, "contains"))
define("is_valid_utf8", "string|binary", BOOLEAN, lambda a: f"spark_valid_utf8({a.sql if a.kind == BINARY else 'encode(' + a.sql + ')'})")
define("make_valid_utf8", "string|binary", STRING, lambda a: cast(a, STRING).sql)
define("try_validate_utf8", "string|binary", STRING, lambda a: f"CASE WHEN spark_valid_utf8({a.sql}) THEN spark_binary_to_string({a.sql}) END" if a.kind == BINARY else a.sql)
define("validate_utf8", "string|binary", STRING, lambda a: f"CASE WHEN spark_valid_utf8({a.sql}) THEN spark_binary_to_string({a.sql}) ELSE error('[INVALID_UTF8_STRING] Invalid UTF8 byte sequence found in string. SQLSTATE: 22029') END" if a.kind == BINARY else a.sql)
define("instr", "string,string", INT, "CAST(instr({0}, {1}) AS INTEGER)")
define("locate position charindex", "string,string,int?", INT, lambda a, b, n=None: f"CAST(instr({b.sql}, {a.sql}) AS INTEGER)" if n is None else f"spark_locate({a.sql}, {b.sql}, {n.sql})")
define("replace", "string,string,string?", STRING, lambda a, b, r=None: f"spark_replace({a.sql}, {b.sql}, {r.sql if r else chr(39) * 2})")
define("split_part", "string,string,int", STRING, "spark_split_part({0}, {1}, {2})")
define("overlay", "string|binary,string|binary,int,int?", same, lambda a, b, p, n=None: overlaid(a, b, p, n))
define("luhn_check", "string", BOOLEAN, "spark_luhn_check({0})")
define("conv", "string,int,int", STRING, "spark_conv({0}, {1}, {2})")
define("left", "string,int", STRING, "spark_substring({0}, 1, CASE WHEN {1} < 0 THEN 0 ELSE {1} END)")
define("right", "string,int", STRING, "CASE WHEN {1} <= 0 THEN CASE WHEN {0} IS NOT NULL THEN '' END ELSE right({0}, {1}) END")
define("sentences", "string,string?,string?", STRING, lambda *a: refuse("sentences"))
define("quote", "string", STRING, "('''' || replace(replace({0}, '\\', '\\\\'), '''', '\\''') || '''')")
define("regexp_like rlike regexp", "string,string", BOOLEAN, lambda a, p: f"regexp_matches({a.sql}, {java_pattern(p)})")
define("regexp_count", "string,string", INT, lambda a, p: f"CAST(len(regexp_extract_all({a.sql}, {java_pattern(p)})) AS INTEGER)")
define("to_number", "string,string", lambda a: number_format_kind(a[1], "to_number"), lambda a, f: f"CAST(spark_to_number({a.sql}, {number_format(f, 'to_number')}, FALSE) AS DECIMAL{number_format_kind(f, 'to_number').args})")
define("try_to_number", "string,string", lambda a: number_format_kind(a[1], "try_to_number"), lambda a, f: f"CAST(spark_to_number({a.sql}, {number_format(f, 'try_to_number')}, TRUE) AS DECIMAL{number_format_kind(f, 'try_to_number').args})")
define("uuid", "", STRING, "CAST(uuid() AS VARCHAR)", volatile=True)
define("split", "string,string,int?", array(STRING), lambda a, p, n=None: splitting(a, p, n))
define("char2hexint", "string", STRING, lambda a: refuse("char2hexint"))


named("mask", "str", "upperchar", "lowerchar", "digitchar", "otherchar")


@special("mask")
def mask(c, node, scope):
    """Each replacement is one constant character, or NULL, which keeps what is there."""
    args = arguments(c, "mask", node, "string,string?,string?,string?,string?", scope)
    for name, e in zip(("upperChar", "lowerChar", "digitChar", "otherChar"), args[1:]):
        if not e.foldable:
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), f'the input `{name}` should be a foldable "STRING" expression; however, got "{e.sql}".')
        if e.is_literal and e.lit is not None and len(e.lit) != 1:
            raise mismatch("INPUT_SIZE_NOT_ONE", c.shown(node), f"Length of `{name}` should be 1.")
    return made("spark_mask(" + ", ".join([a.sql for a in args] + ["'X'", "'x'", "'n'", "CAST(NULL AS VARCHAR)"][len(args) - 1:]) + ")", STRING, *args)


def refuse(name):
    raise unsupported(f"The function `{name}`")


def pair(a, b, name):
    if a.kind == b.kind == BINARY:
        return f"{name}(hex({a.sql}), hex({b.sql}))" if name != "contains" else f"spark_contains_bytes({a.sql}, {b.sql})"
    for i, e in enumerate((a, b)):
        if implicit(e, STRING) is None:
            raise wrong_type(name.replace("_", ""), name, i, '"STRING"', e.kind)
    return f"{name}({cast(a, STRING).sql}, {cast(b, STRING).sql})"


def overlaid(a, b, p, n):
    if a.kind != b.kind:
        if a.kind == BINARY or b.kind == BINARY:
            from operators import diff_types

            raise mismatch("DATA_DIFF_TYPES", "overlay", f'Input to `overlay` should all be the same type, but it\'s ["{a.kind.sql}", "{b.kind.sql}"].')
    size = n.sql if n else "-1"
    if a.kind == BINARY:
        return f"unhex(spark_overlay_hex(hex({a.sql}), hex({b.sql}), {p.sql}, {size}))"
    return f"spark_overlay({a.sql}, {b.sql}, {p.sql}, {size})"


UNSURE = ("(?<", "(?=", "(?!", "\\G", "\\Z", "\\h", "\\R", "\\X", "&&", "*+", "++", "?+", "\\p{javaLower", "\\p{Is", "\\p{In", "\\k", "\\1", "\\2", "\\3")


def java_pattern(p):
    """A Java pattern for DuckDB's RE2, where both mean the same."""
    if p.is_literal and isinstance(p.lit, str):
        if any(u in p.lit for u in UNSURE):
            raise unsupported("A regular expression with look-around, a back-reference or a possessive quantifier")
        return p.sql
    return f"spark_re2({p.sql})"


PLAIN = set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 ,;:_-@#%&=<>/!'\"~`")


def splitting(a, p, n):
    if p.is_literal and isinstance(p.lit, str):
        java_pattern(p)
        limit = n.sql if n is not None else "-1"
        if all(ch in PLAIN for ch in p.lit):
            return f"spark_split_plain({a.sql}, {p.sql}, {limit})"
    elif n is None:
        return f"spark_split_plain({a.sql}, spark_only_plain({p.sql}), -1)"
    if n is None:
        if p.lit and not any(ch in p.lit for ch in "*?^$|"):
            return f"string_split_regex({a.sql}, {p.sql})"
        if p.lit and p.lit in ("\\|", "[|]", "\\$", "\\?", "\\*", "\\^"):
            return f"spark_split_plain({a.sql}, {text(p.lit.strip('[]')[-1])}, -1)"
    raise unsupported("split by this regular expression")


@special("concat")
def concat(c, node, scope):
    args = [c.compile(a, scope) for a in c.positional("concat", node)]
    if not args:
        return literal_of("", STRING)
    kinds = [a.kind for a in args]
    if any(k.name == "array" for k in kinds):
        k = all_common(kinds)
        if k is None or k.name != "array":
            raise mismatch("DATA_DIFF_TYPES", c.shown(node), "Input to `concat` should all be the same type, but it's [" + ", ".join(f'"{k.sql}"' for k in kinds) + "].")
        parts = [cast(a, k).sql for a in args]
        out = parts[0]
        for p in parts[1:]:
            out = f"CASE WHEN {out} IS NULL OR {p} IS NULL THEN NULL ELSE list_concat({out}, {p}) END" if len(parts) < 4 else f"list_concat({out}, {p})"
        if len(parts) >= 4:
            out = "CASE WHEN " + " OR ".join(f"{p} IS NULL" for p in parts) + f" THEN NULL ELSE {out} END"
        return made(out, k, *args)
    if kinds and all(k == BINARY for k in kinds):
        return made("(" + " || ".join(a.sql for a in args) + ")", BINARY, *args)
    parts = []
    for i, a in enumerate(args):
        e = implicit(a, STRING)
        if e is None:
            raise wrong_type("concat", c.shown(node), i, '("STRING" or "BINARY" or "ARRAY")', a.kind)
        parts.append(e)
    out = made("(" + " || ".join(p.sql for p in parts) + ")" if len(parts) > 1 else parts[0].sql, STRING, *parts)
    if all(p.is_literal and isinstance(p.lit, str) for p in parts):
        out.lit = "".join(p.lit for p in parts)
    return out


@special("concat_ws")
def concat_ws(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if not args:
        raise wrong_count("concat_ws", "> 0", 0)
    sep = implicit(args[0], STRING)
    parts = []
    for i, a in enumerate(args[1:], 1):
        if a.kind.name == "array" and implicit(E("x", a.kind.args[0]), STRING) is not None:
            e = cast(a, array(STRING))
            parts.append(f"coalesce(list_filter({e.sql}, lambda v_: v_ IS NOT NULL), CAST([] AS VARCHAR[]))")
            continue
        e = implicit(a, STRING)
        if e is None:
            raise wrong_type("concat_ws", c.shown(node), i, '("STRING" or "ARRAY<STRING>")', a.kind)
        parts.append(f"CASE WHEN {e.sql} IS NULL THEN CAST([] AS VARCHAR[]) ELSE [{e.sql}] END")
    if not parts:
        return made(f"CASE WHEN {sep.sql} IS NOT NULL THEN '' END", STRING, sep)
    joined = parts[0]
    for p in parts[1:]:
        joined = f"list_concat({joined}, {p})"
    return made(f"CASE WHEN {sep.sql} IS NOT NULL THEN array_to_string({joined}, {sep.sql}) END", STRING, *args)


@special("substring substr")
def substring(c, node, scope):
    args = arguments(c, node.name.lower(), node, "string|binary,int,int?", scope)
    a, start = args[0], args[1]
    length = args[2].sql if len(args) > 2 else "2147483647"
    if a.kind == BINARY:
        return made(f"unhex(spark_substring(hex({a.sql}), CASE WHEN {start.sql} > 0 THEN {start.sql} * 2 - 1 ELSE {start.sql} * 2 END, CASE WHEN {length} > 1000000000 THEN {length} ELSE {length} * 2 END))", BINARY, *args)
    if all(isinstance(x.lit, int) for x in args[1:]) and start.lit >= 1 and (len(args) == 2 or args[2].lit >= 0):  # as the engine's own, which is faster
        return made(f"substring({', '.join(x.sql for x in args)})", STRING, *args)
    return made(f"spark_substring({a.sql}, {start.sql}, {length})", STRING, *args)


@special("trim btrim ltrim rtrim")
def trim(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "string,string?", scope)
    if name in ("ltrim", "rtrim") and len(args) == 2:
        args = [args[1], args[0]]
    if name == "trim" and len(args) == 2 and not node.args.get("swapped"):
        raise wrong_count("trim", "1", 2)
    return trimmed(args, {"trim": "", "btrim": "", "ltrim": "l", "rtrim": "r"}[name])


def trimmed(args, side):
    chars = args[1].sql if len(args) > 1 else "' '"
    if len(args) > 1 and args[1].is_literal and args[1].lit == "":
        return made(args[0].sql, STRING, *args)
    return made(f"{side}trim({args[0].sql}, {chars})", STRING, *args)


def trim_node(c, node, scope):
    """TRIM([BOTH | LEADING | TRAILING] chars FROM text)."""
    this = c.compile_as(node.this, STRING, scope)
    chars = node.args.get("expression")
    args = [this] + ([c.compile_as(chars, STRING, scope)] if chars is not None else [])
    side = {"LEADING": "l", "TRAILING": "r"}.get((node.args.get("position") or "").upper(), "")
    return trimmed(args, side)


@special("lpad rpad")
def pad(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "string|binary,int,string|binary?", scope)
    if args[0].kind == BINARY and len(args) > 2 and args[2].kind != BINARY:
        args[0] = cast(args[0], STRING)
    if args[0].kind == BINARY:
        fill = args[2].sql if len(args) > 2 else "'\\x00'::BLOB"
        return made(f"unhex(spark_{name}(hex({args[0].sql}), {args[1].sql} * 2, hex({fill})))", BINARY, *args)
    fill = cast(args[2], STRING).sql if len(args) > 2 else "' '"
    return made(f"spark_{name}({args[0].sql}, {args[1].sql}, {fill})", STRING, *args)


WIDE = "regexp_matches({}, '[^\\x{{0}}-\\x{{FFFF}}]')"  # characters that are two of Java's


def wide(what):
    return f"error('[UNSUPPORTED_FEATURE] {what} in a text with characters beyond U+FFFF is not supported by this warehouse. SQLSTATE: 0A000')"


@special("regexp_replace")
def regexp_replace(c, node, scope):
    args = arguments(c, "regexp_replace", node, "string,string,string,int?", scope)
    place = None
    if len(args) > 3:
        if not args[3].foldable:
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `position` should be a foldable "INT" expression; however, got "' + c.shown(node.expressions[3]) + '".')
        if args[3].is_literal and args[3].lit is not None and args[3].lit <= 0:
            raise mismatch("VALUE_OUT_OF_RANGE", c.shown(node), f"The `position` must be between (0, 2147483647] (current value = {args[3].lit}).")
        if not args[3].is_literal:
            raise unsupported("regexp_replace from a position that is no literal")
        place = args[3].lit
        if place is None:
            return literal_of(None, STRING)
    rep = args[2]
    if rep.is_literal and isinstance(rep.lit, str):
        replacement = text(java_replacement(rep.lit))
    else:
        replacement = f"spark_re2_replacement({rep.sql})"
    if place is None or place == 1:
        return made(f"regexp_replace({args[0].sql}, {java_pattern(args[1])}, {replacement}, 'g')", STRING, *args)
    s, last = args[0].sql, place - 1
    # Java counts its places in units of UTF-16, and sees nothing before the first.
    return made(f"CASE WHEN {WIDE.format(s)} THEN {wide('regexp_replace from a position')} WHEN length({s}) <= {last} THEN {s} "
                f"ELSE substr({s}, 1, {last}) || regexp_replace(substr({s}, {place}), {java_pattern(args[1])}, {replacement}, 'g') END", STRING, *args)


def java_replacement(t):
    out, i = "", 0
    while i < len(t):
        ch = t[i]
        if ch == "\\" and i + 1 < len(t):
            i += 1
            out += "\\\\" if t[i] == "\\" else t[i]
        elif ch == "$" and i + 1 < len(t) and t[i + 1].isdigit():
            i += 1
            out += "\\" + t[i]
        elif ch in "$\\":
            raise unsupported("This replacement of regexp_replace")
        else:
            out += ch
        i += 1
    return out


@special("regexp_extract regexp_extract_all")
def regexp_extract(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "string,string,int?", scope)
    group = args[2] if len(args) > 2 else literal_of(1, INT)
    if not (group.is_literal and isinstance(group.lit, int)) or not (args[1].is_literal and isinstance(args[1].lit, str)):
        raise unsupported(f"{name} with a pattern or a group that is no literal")
    import re

    pattern = java_pattern(args[1])
    try:
        groups = re.compile(args[1].lit).groups
    except re.error:
        raise unsupported("This regular expression")
    if not 0 <= group.lit <= groups:
        raise raised("INVALID_PARAMETER_VALUE.REGEX_GROUP_INDEX", f"The value of parameter(s) `idx` in `{name}` is invalid: Expects group index between 0 and {groups}, but got {group.lit}.", "22023")
    if name == "regexp_extract":
        return made(f"regexp_extract({args[0].sql}, {pattern}, {group.lit})", STRING, *args)
    return made(f"list_transform(regexp_extract_all({args[0].sql}, {pattern}, {group.lit}), lambda g_: coalesce(g_, ''))", array(STRING), *args)


@special("regexp_substr regexp_instr")
def regexp_find(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "string,string,int?", scope)
    if name == "regexp_substr" and len(args) == 2:
        return made(f"CASE WHEN regexp_matches({args[0].sql}, {java_pattern(args[1])}) THEN nullif(regexp_extract({args[0].sql}, {java_pattern(args[1])}, 0), '') END", STRING, *args)
    if name == "regexp_substr":
        raise unsupported(f"The function `{name}` with a group")
    # Where the text before the first match ends; the group does not change it.
    s, p = args[0].sql, java_pattern(args[1])
    empty = "error('[UNSUPPORTED_FEATURE] regexp_instr of a match without characters is not supported by this warehouse. SQLSTATE: 0A000')"
    nulls = " OR ".join(f"{a.sql} IS NULL" for a in args)
    return made(f"CASE WHEN {nulls} THEN NULL WHEN NOT regexp_matches({s}, {p}) THEN 0 WHEN regexp_extract({s}, {p}, 0) = '' THEN {empty} "
                f"WHEN {WIDE.format(s)} THEN {wide('regexp_instr')} ELSE CAST(length(list_extract(string_split_regex({s}, {p}), 1)) + 1 AS INTEGER) END", INT, *args)


@special("sha2")
def sha2(c, node, scope):
    args = arguments(c, "sha2", node, "binary,int", scope)
    if not (args[1].is_literal and args[1].lit in (0, 256)):
        raise unsupported("sha2 of another length than 256")
    return made(f"sha256({args[0].sql})", STRING, *args)


@special("elt")
def elt(c, node, scope):
    if len(node.expressions) < 2:
        raise wrong_count("elt", "> 1", len(node.expressions))
    n = c.compile_as(node.expressions[0], INT, scope)
    parts = [c.compile(x, scope) for x in node.expressions[1:]]
    binary = all(p.kind == BINARY for p in parts)
    parts = [p if binary else implicit(p, STRING) for p in parts]
    for i, p in enumerate(parts):
        if p is None:
            raise wrong_type("elt", c.shown(node), i + 1, '("STRING" or "BINARY")', VOID)
    message = text("[INVALID_ARRAY_INDEX] The index ") + f" || CAST({n.sql} AS VARCHAR) || " + text(f" is out of bounds. The array has {len(parts)} elements. Use the SQL function `get()` to tolerate accessing element at invalid index and return NULL instead. SQLSTATE: 22003")
    whens = " ".join(f"WHEN {n.sql} = {i} THEN {p.sql}" for i, p in enumerate(parts, 1))
    return made(f"CASE WHEN {n.sql} IS NULL THEN NULL {whens} ELSE error({message}) END", BINARY if binary else STRING, n, *parts)


@special("decode")
def decode(c, node, scope):
    args = node.expressions
    if len(args) == 2:
        a = arguments(c, "decode", node, "binary,string", scope)
        return made(f"spark_decode({a[0].sql}, {a[1].sql})", STRING, *a)
    if len(args) < 2:
        raise wrong_count("decode", "> 1", len(args))
    from operators import choice

    subject = c.compile(args[0], scope)
    pairs, default = args[1:], None
    if len(pairs) % 2:
        default, pairs = c.compile(pairs[-1], scope), pairs[:-1]
    conditions = []
    for k in pairs[::2]:
        from chars import filled
        from operators import comparable

        x, y = comparable(*filled(subject, c.compile(k, scope)), c.shown(node), True)
        conditions.append(made(f"({x.sql} IS NOT DISTINCT FROM {y.sql})", BOOLEAN, x, y))
    return choice(c, conditions, [c.compile(v, scope) for v in pairs[1::2]], default or literal_of(None, VOID), c.shown(node))


@special("to_binary try_to_binary")
def to_binary(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "string,string?", scope)
    attempt = "TRUE" if name.startswith("try") else "FALSE"
    fmt = "hex"
    if len(args) > 1:
        if not args[1].foldable:
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `fmt` should be a foldable "STRING" expression; however, got "' + c.shown(node.expressions[1]) + '".')
        if args[1].is_literal and args[1].lit is None:
            return literal_of(None, BINARY)
        if args[1].is_literal:
            fmt = args[1].lit.lower()
            if fmt not in ("hex", "utf-8", "utf8", "base64"):
                raise mismatch("INVALID_ARG_VALUE", c.shown(node), f"The `fmt` value must to be a \"STRING\" literal of one of ('hex', 'utf-8', 'utf8', 'base64'), but got '{args[1].lit}'.")
        else:
            return made(f"spark_to_binary({args[0].sql}, lower({args[1].sql}), {attempt})", BINARY, *args)
    if fmt in ("utf-8", "utf8"):
        return made(f"encode({args[0].sql})", BINARY, *args)
    return made(f"spark_to_binary({args[0].sql}, '{fmt}', {attempt})", BINARY, *args)


@special("to_char to_varchar")
def to_char(c, node, scope):
    args = [c.compile(a, scope) for a in node.expressions]
    if len(args) != 2:
        raise wrong_count(node.name.lower(), "2", len(args))
    if args[0].kind.name in ("date", "timestamp", "timestamp_ntz"):
        return FUNCTIONS["date_format"](c, exp.Anonymous(this="date_format", expressions=node.expressions), scope)
    if args[0].kind == BINARY:
        if not (args[1].is_literal and isinstance(args[1].lit, str)):
            raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `format` should be a foldable "STRING" expression.')
        fmt = args[1].lit.lower().strip()
        if fmt == "base64":
            return made(f"base64({args[0].sql})", STRING, *args)
        if fmt == "hex":
            return made(f"hex({args[0].sql})", STRING, *args)
        if fmt == "utf-8":
            return made(f"spark_decode({args[0].sql}, 'UTF-8')", STRING, *args)
        raise raised("INVALID_PARAMETER_VALUE.BINARY_FORMAT", f"The value of parameter(s) `format` in `{node.name.lower()}` is invalid: expects one of binary formats 'base64', 'hex', 'utf-8', but got '{args[1].lit}'.", "22023")
    if args[0].kind.name == "string":
        raise unsupported("to_char of text")
    if not args[1].foldable:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), 'the input `format` should be a foldable "STRING" expression.')
    if args[0].kind.name not in ("decimal", "int", "bigint", "smallint", "tinyint", "double", "float"):
        raise wrong_type("to_char", c.shown(node), 0, '("DECIMAL" or "DATE" or "BINARY")', args[0].kind)
    kind = number_format_kind(args[1], "to_char")
    value = args[0] if args[0].kind.name == "decimal" else cast(args[0], decimal(38, 0) if integral(args[0].kind) else decimal(30, 15))
    return made(f"spark_to_char(CAST({value.sql} AS VARCHAR), {number_format(args[1], 'to_char')})", STRING, *args)


def number_format(f, name):
    if not (f.is_literal and isinstance(f.lit, str)):
        raise mismatch("NON_FOLDABLE_INPUT", name, 'the input `format` should be a foldable "STRING" expression.')
    return text(f.lit.upper())


def number_format_kind(f, name):
    number_format(f, name)
    fmt = f.lit.upper()
    whole, _, fraction = fmt.replace("D", ".").partition(".")
    digits = sum(fmt.count(d) for d in "09")
    if not digits or any(ch not in "09GD.,$SMIPR L" for ch in fmt):
        raise raised("INVALID_FORMAT.UNEXPECTED_TOKEN" if digits else "INVALID_FORMAT.WRONG_NUM_DIGIT", f"The format is invalid: '{f.lit}'.", "42601")
    s = sum(fraction.count(d) for d in "09")
    return decimal(min(digits, 38), s)


@special("format_number")
def format_number(c, node, scope):
    args = arguments(c, "format_number", node, "num,int|string", scope)
    if args[1].kind != INT or args[0].kind.name in ("float", "double"):
        raise unsupported("format_number of a DOUBLE, or with a pattern")
    return made(f"spark_format_number(CAST({args[0].sql} AS VARCHAR), {args[1].sql})", STRING, *args)


@special("typeof")
def typeof(c, node, scope):
    if len(node.expressions) != 1:
        raise wrong_count("typeof", "1", len(node.expressions))
    e = c.compile(node.expressions[0], scope)
    out = literal_of(str(e.kind), STRING)
    return out


@special("str_to_map")
def str_to_map(c, node, scope):
    args = arguments(c, "str_to_map", node, "string,string?,string?", scope)
    for i, d in enumerate(args[1:], 1):
        if not (d.is_literal and isinstance(d.lit, str) and all(ch in PLAIN for ch in d.lit)):
            raise unsupported("str_to_map with this delimiter")
    pairs, keys = (args[1].sql if len(args) > 1 else "','"), (args[2].sql if len(args) > 2 else "':'")
    entry = f"{{'key': list_extract(spark_split_plain(v_, {keys}, 2), 1), 'value': list_extract(spark_split_plain(v_, {keys}, 2), 2)}}"
    return made(f"map_from_entries(list_transform(spark_split_plain({args[0].sql}, {pairs}, -1), lambda v_: {entry}))", map_(STRING, STRING), *args)


@special("like ilike")
def like_called(c, node, scope):
    """like(text, pattern[, escape]) is text LIKE pattern ESCAPE escape."""
    name = node.name.lower()
    if not 2 <= len(node.expressions) <= 3:
        raise wrong_count(name, "[2, 3]", len(node.expressions))
    out = (exp.Like if name == "like" else exp.ILike)(this=node.expressions[0].copy(), expression=node.expressions[1].copy())
    if len(node.expressions) == 3:
        out = exp.Escape(this=out, expression=node.expressions[2].copy())
    return c.compile(out, scope)
