"""Statements about the session: DECLARE, SET VARIABLE, DROP TEMPORARY VARIABLE."""
import re

from sqlglot import exp

import governance
import tokens
import zones
from errors import quoted, raised, syntax, unsupported

TYPE_ENDS = ("DEFAULT",)


def variable_name(c):
    """[system.][session.]name, as written."""
    return c.name(9)


def upto(c, stops=(), words=()):
    """The text from the cursor up to one of these symbols or words outside all parentheses."""
    return c.text_until(lambda w, _: w.kind == "symbol" and w.text in stops or c.is_word(*words))


def type_of(text):
    from kinds import of_text
    from relations import parse_kind

    return str(of_text(text, parse_kind))


def declare(c):
    replace = c.take("OR", "REPLACE")
    if c.is_word("VARIABLE", "VAR") and not (c.peek(1) is None or c.peek(1).text in ("=", ",") or c.is_word("DEFAULT", ahead=1)):
        c.at += 1
        if c.is_word("IF") and c.is_word("NOT", ahead=1):
            raise syntax("'NOT'", "DECLARE VARIABLE knows no IF NOT EXISTS")
    names = variable_names(c)
    double = doubled(names)
    if double is not None:
        raise raised("DUPLICATE_VARIABLE_NAME_INSIDE_DECLARE", f"Found duplicate variable {quoted(double)} in the declare variable list. Please, remove one of them.", "42734")
    out = {"kind": "declare_variable", "or_replace": replace, "variables": names, "options": {}, "query_text": ""}
    if c.peek() is not None and c.peek().text != "=" and not c.is_word("DEFAULT"):
        out["options"]["type"] = type_of(upto(c, ("=",), TYPE_ENDS).lower())
    if c.symbol("=") or c.take("DEFAULT"):
        out["query_text"] = upto(c)
        if expression_of(out["query_text"]).find(exp.Query) is not None:
            raise raised("INVALID_DEFAULT_VALUE.SUBQUERY_EXPRESSION", f"Failed to execute DECLARE VARIABLE command because the destination variable {quoted(names[0][-1])} has a DEFAULT value {out['query_text']}, which contains subquery expressions.", "42623")
        no_placeholder(out["query_text"], 0)
    elif "type" not in out["options"]:
        raise raised("INVALID_SQL_SYNTAX.VARIABLE_TYPE_OR_DEFAULT_REQUIRED", "Invalid SQL syntax: The definition of a SQL variable requires either a datatype or a DEFAULT clause. For example, use `DECLARE name STRING` or `DECLARE name = 'SQL'` instead of `DECLARE name`.", "42000")
    return out


def variable_names(c):
    out = [variable_name(c)]
    while c.symbol(","):
        out.append(variable_name(c))
    return out


def doubled(names):
    """A name that stands there twice, once each has been located; else nothing."""
    for name in names:
        located(name)
    folded = [n[-1].lower() for n in names]
    return next((n for n in folded if folded.count(n) > 1), None)


def check_targets(names):
    double = doubled(names)
    if double is not None:
        raise raised("DUPLICATE_ASSIGNMENTS", f"The columns or variables list contains duplicate {quoted(double)} as assignment targets.", "42701")


def located(parts):
    """That a variable's name is one of the session's."""
    lowered = [p.lower() for p in parts[:-1]]
    if lowered not in ([], ["session"], ["system", "session"]):
        raise raised("UNRESOLVED_VARIABLE", f"Cannot resolve variable {'.'.join(quoted(p) for p in parts)} on search path `SYSTEM`.`SESSION`.", "42883")


def expression_of(text):
    from analyze import parsed

    tree = parsed("SELECT (" + text + "\n)")
    if not isinstance(tree, exp.Select) or len(tree.expressions) != 1 or any(v for k, v in tree.args.items() if k not in ("expressions", "kind")):
        raise syntax(f"'{text[:40]}'", "expected an expression")
    return tree.expressions[0]


def default_words(text):
    """Where the word DEFAULT stands by itself in a text."""
    words = tokens.words_of(text)
    return [w for i, w in enumerate(words) if w.kind == "word" and w.text.upper() == "DEFAULT" and not (i > 0 and words[i - 1].text in (".", "AS")) and not (i + 1 < len(words) and words[i + 1].text in (".", "("))]


def no_placeholder(text, allowed):
    if len(default_words(text)) > allowed:
        raise raised("DEFAULT_PLACEMENT_INVALID", "A DEFAULT keyword in a MERGE, INSERT, UPDATE, or SET VARIABLE command could not be directly assigned to a target column because it was part of an expression. For example: `UPDATE SET c1 = DEFAULT` is allowed, but `UPDATE T SET c1 = DEFAULT + 1` is not allowed.", "42608")


def is_default(node):
    return isinstance(node, exp.Column) and not node.table and not node.this.args.get("quoted") and node.name.upper() == "DEFAULT" or isinstance(node, exp.Var) and node.name.upper() == "DEFAULT"


def with_markers(query):
    """A row's query whose items may say DEFAULT: each gets a mark with its place, for the server to put the variable's default there."""
    from analyze import parsed

    found = default_words(query)
    if not found:
        return query
    tree = parsed(query)
    if any(c.name.upper() == "DEFAULT" for a in tree.find_all(exp.TableAlias) for c in a.args.get("columns") or []):
        return query  # a column of that name
    if isinstance(tree, exp.Select):
        items = tree.expressions
    elif isinstance(tree, exp.Values) and len(tree.expressions) == 1:
        row = tree.expressions[0]
        items = row.expressions if isinstance(row, exp.Tuple) else [row.this if isinstance(row, exp.Paren) else row]
    else:
        items = []
    places = [i for i, item in enumerate(items) if is_default(item)]
    if len(places) != len(found):
        no_placeholder(query, 0)
    out, at = [], 0
    for word, place in zip(found, places):
        out += [query[at:word.start], f"\x02{place}\x02"]
        at = word.end + 1
    return "".join(out) + query[at:]


def assignment(c):
    """After SET VARIABLE."""
    out = {"kind": "set_variable", "variables": [], "assigned": [], "query_text": ""}
    if c.peek() is not None and c.peek().text == "(":
        c.at += 1
        if c.symbol(")"):
            raise raised("INVALID_SET_SYNTAX", "Expected format is 'SET', 'SET key', or 'SET key=value'. If you want to include special characters in key, or include semicolon in value, please use backquotes, e.g., SET `key`=`value`.", "42000")
        out["variables"] = variable_names(c)
        c.expect_symbol(")")
        c.expect_symbol("=")
        c.expect_symbol("(")
        out["query_text"] = with_markers(upto(c))
        c.expect_symbol(")")
    else:
        while True:
            out["variables"].append(variable_name(c))
            c.expect_symbol("=")
            text = upto(c, (",",))
            if text.strip().upper() == "DEFAULT":
                text = ""
            else:
                no_placeholder(text, 0)
                expression_of(text)
            out["assigned"].append(text)
            if not c.symbol(","):
                break
    check_targets(out["variables"])
    return out


def set_(c):
    if c.is_word("VARIABLE", "VAR") and not (c.peek(1) is not None and c.peek(1).text in ("=", ".")):
        c.at += 1
        return assignment(c)
    if c.is_word("TAG") and c.is_word("ON", ahead=1):
        return governance.set_tag(c, True)
    if c.take("TIME", "ZONE"):
        return {"kind": "set_config", "variables": [["spark.sql.session.timeZone"]], "options": {"zone": zone(c)}}
    if c.peek() is None:
        return {"kind": "set_config", "variables": [], "options": {}}
    if c.is_word("PATH") and not (c.peek(1) is not None and c.peek(1).text == "."):
        raise unsupported("SET PATH", "Give names with their schema, or USE it.")
    if c.symbol("-"):
        if not c.take("V"):
            raise set_syntax()
        return {"kind": "set_config", "variables": [], "options": {"verbose": "true"}}
    rest = []
    while c.peek() is not None and c.peek().kind in ("word", "quoted") or rest and c.peek() is not None and c.peek().text == ".":
        if c.peek().text != ".":
            rest.append(c.peek().text)
        c.at += 1
    if rest and c.peek() is None:
        return {"kind": "set_config", "variables": [rest], "options": {}}
    if not rest or not c.symbol("="):
        raise set_syntax()
    value = c.sql[c.words[c.at - 1].end + 1:].strip().rstrip(";").strip().strip("'\"")
    c.at = len(c.words)
    out = {"kind": "set_config", "variables": [rest], "options": {"value": value}}
    if ".".join(rest).lower() in ("timezone", "spark.sql.session.timezone"):
        out["variables"], out["options"] = [["spark.sql.session.timeZone"]], {"zone": zones.named(value)}
    return out


def set_syntax():
    return raised("INVALID_SET_SYNTAX", "Expected format is 'SET', 'SET key', or 'SET key=value'. If you want to include special characters in key, or include semicolon in value, please use backquotes, e.g., SET `key`=`value`.", "42000")


def reset(c):
    rest = c.name(9) if c.peek() is not None else None
    return {"kind": "set_config", "variables": [rest] if rest else [], "options": {"reset": "true"}}


UNITS = {"HOUR": 3600, "MINUTE": 60, "SECOND": 1, "DAY": 86400}


def zone(c):
    """After SET TIME ZONE: LOCAL, a text, or an interval from UTC."""
    if c.take("LOCAL"):
        return zones.UTC
    if c.peek() is not None and c.peek().kind == "string":
        return zones.named(c.string())
    c.expect("INTERVAL")
    given = upto(c).strip()
    m = re.match(r"'?\s*([+-]?)(\d+)\s*'?\s*(DAY|HOUR|MINUTE|SECOND)S?\Z", given, re.I)
    clock = re.match(r"'\s*([+-]?)(\d{1,2}):(\d{1,2})(?::(\d{1,2}))?\s*'\s*HOUR\s+TO\s+(MINUTE|SECOND)\Z", given, re.I)
    if m is None and clock is None:
        raise unsupported(f"The time zone INTERVAL {given}", "Write a name such as 'Europe/Berlin', or an offset such as '+02:00'.")
    total = int(m.group(2)) * UNITS[m.group(3).upper()] if m else int(clock.group(2)) * 3600 + int(clock.group(3)) * 60 + int(clock.group(4) or 0)
    if total > 18 * 3600:
        raise raised("INVALID_INTERVAL_FORMAT.TIMEZONE_INTERVAL_OUT_OF_RANGE", f"Error parsing '{given}' to interval. The interval value must be in the range of [-18, +18] hours with second precision.", "22006")
    text = f"{'-' if (m or clock).group(1) == '-' else '+'}{total // 3600:02}:{total // 60 % 60:02}"
    return text + (f":{total % 60:02}" if total % 60 else "")


def drop(c):
    """After DROP TEMPORARY; nothing where it is no variable."""
    if not c.take("VARIABLE") and not c.take("VAR"):
        return None
    missing = c.take("IF", "EXISTS")
    name = variable_name(c)
    located(name)
    return {"kind": "drop_variable", "if_exists": missing, "variables": [name]}
