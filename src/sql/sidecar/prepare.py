"""What a statement says before it is read: EXECUTE IMMEDIATE's text with its arguments, and names given as IDENTIFIER('...').

Both are replaced in the text, token by token, so that everything after it sees a plain statement. An argument is a constant expression and stands
where its marker stood, in parentheses; a name stands quoted.
"""
import re

from sqlglot import exp

import session_statements
import tokens
from errors import quoted, raised, syntax, unsupported

PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")


def prepare(sql, parameters, variables):
    """`parameters`: {name: {"value": text or None, "type": …}}, as the request gave them; `variables`: likewise the session's, by name in lower case.
    Answers the plain statement, and the variables that EXECUTE IMMEDIATE ... INTO puts its row into."""
    into = None
    for _ in range(8):
        c = tokens.Cursor(sql)
        if not c.take("EXECUTE", "IMMEDIATE"):
            return {"sql": names(c, Given(parameters, variables)), "into": into or []}
        sql, targets = immediate(c, Given(parameters, variables), into is None)
        into, parameters = into or targets, {}
    raise unsupported("EXECUTE IMMEDIATE nested more than 8 deep")


def marker(c, at):
    """The name of a parameter marker :name that begins at this token, or nothing. col:path and a: INT are none."""
    w = c.words[at]
    if w.kind != "symbol" or w.text != ":" or at + 1 >= len(c.words):
        return None
    following = c.words[at + 1]
    if following.kind not in ("word", "number") or following.start != w.end + 1:
        return None
    if at > 0:
        before = c.words[at - 1]
        if before.end + 1 == w.start and (before.kind != "symbol" or before.text in (")", "]")):
            return None
    return following.text


class Given(dict):
    """The parameters of the request, and with them the variables of its session."""

    def __init__(self, parameters, variables):
        super().__init__(parameters)
        self.variables = variables


def variable_at(c, variables):
    """The variable whose name is at the cursor, and how many tokens that takes; nothing where it is none."""
    parts, at = [], 0
    while c.peek(at) is not None and c.peek(at).kind in ("word", "quoted"):
        parts.append(c.peek(at).text.lower())
        at += 1
        if c.peek(at) is None or c.peek(at).text != ".":
            break
        at += 1
    if c.peek(at) is not None and c.peek(at).text == "(" or not parts or parts[:-1] not in ([], ["session"], ["system", "session"]):
        return None
    return (variables[parts[-1]], at) if parts[-1] in variables else None


class NotText(Exception):
    """What stood where a constant text should."""

    def __init__(self, kind):
        super().__init__(kind)
        self.kind = kind


def constant(c, parameters, ends):
    """The constant text at the cursor, up to one of these words or closing symbols: texts, ||, concat(…), parameters. None: NULL."""
    out = piece(c, parameters)
    while c.peek() is not None and not c.is_word(*ends):
        w = c.peek()
        if w.kind == "symbol" and w.text in (")", ","):
            break
        if w.kind == "symbol" and w.text == "||":
            c.at += 1
        more = piece(c, parameters)  # texts side by side are one
        out = None if out is None or more is None else out + more
    return out


def piece(c, parameters):
    w = c.peek()
    if w is None:
        raise syntax("end of input", "expected a text")
    if w.kind == "string":
        return c.string()
    if w.kind == "number":
        raise NotText("number")
    if c.take("NULL") or c.take("CAST", "NULL"):
        return None
    name = marker(c, c.at)
    if name is not None:
        c.at += 2
        given = parameters.get(name)
        if given is None:
            raise unbound(name)
        if given.get("value") is not None and (given.get("type") or "STRING").upper() != "STRING":
            raise NotText("number")
        return given.get("value")
    if c.symbol("("):
        if c.is_word("SELECT", "WITH", "VALUES", "FROM"):
            raise NotText("query")
        out = constant(c, parameters, ())
        c.expect_symbol(")")
        return out
    found = variable_at(c, getattr(parameters, "variables", {}))
    if found is not None:
        given, count = found
        if given["value"] is not None and given["type"] != "string":
            raise NotText("number")
        c.at += count
        return given["value"]
    following = c.peek(1)
    if c.is_word("CAST") and following is not None and following.text == "(" and c.is_word("NULL", ahead=2) and c.is_word("AS", ahead=3):
        c.at += 4
        tokens.type_text(c)
        c.expect_symbol(")")
        return None
    if c.is_word("CONCAT") and following is not None and following.text == "(":
        c.at += 2
        out = constant(c, parameters, ())
        while c.symbol(","):
            more = constant(c, parameters, ())
            out = None if out is None or more is None else out + more
        c.expect_symbol(")")
        return out
    raise NotText("name" if w.kind in ("word", "quoted") and not (following is not None and following.text == "(") else "expression")


def unbound(name):
    return raised("UNBOUND_SQL_PARAMETER", f"Found the unbound parameter: {name}. Please, fix `args` and provide a mapping of the parameter to either a SQL literal or collection constructor functions.", "42P02")


# --- EXECUTE IMMEDIATE -----------------------------------------------------------------------------------------------------------------------
def immediate(c, parameters, outermost=True):
    start = c.peek()
    try:
        text = constant(c, parameters, ("INTO", "USING"))
    except NotText as e:
        if e.kind == "query":
            raise raised("UNSUPPORTED_EXPR_FOR_PARAMETER", "A query parameter contains unsupported expression: a subquery.", "42K0E")
        if e.kind == "number":
            raise raised("INVALID_EXPR_TYPE_FOR_QUERY_EXECUTE_IMMEDIATE", "Expression type must be string type but got a number.", "42K09")
        if e.kind == "name":
            raise raised("UNRESOLVED_VARIABLE", f"Cannot resolve variable {quoted(c.peek().text)} on search path `system`.`session`.", "42883")
        raise unsupported(f"EXECUTE IMMEDIATE of the expression at '{start.text if start else ''}'", "Give a text.")
    if text is None:
        raise raised("NULL_QUERY_STRING_EXECUTE_IMMEDIATE", "Execute immediate requires a non-null variable as the query string, but the provided variable is null.", "22004")
    into = targets(c) if c.take("INTO") else []
    positional, named = arguments(c, parameters.variables) if c.take("USING") else ([], {})
    c.end()
    if into and not outermost:
        raise unsupported("EXECUTE IMMEDIATE ... INTO inside another")
    return filled(text, positional, named), into


def targets(c):
    """INTO: names of variables."""
    out = session_statements.variable_names(c)
    session_statements.check_targets(out)
    return out


def arguments(c, variables):
    """USING: expressions in order, and those with a name. Variables are named in full, whatever the statement's own names are."""
    closing = False
    if c.peek() is not None and c.peek().text == "(" and enclosed(c):
        closing = c.symbol("(")
    positional, named = [], {}
    while True:
        text = c.text_until(lambda w, last: w.kind == "symbol" and w.text in (",", ")") or last is not None and c.is_word("AS"))
        alias = c.identifier() if c.take("AS") else None
        checked_constant(text, variables)
        inner = tokens.Cursor(text)
        found = variable_at(inner, variables)
        if alias is None and found is not None and found[1] == len(inner.words):
            positional.append((in_full(text, variables), inner.words[-1].text))
            named.setdefault(inner.words[-1].text.lower(), positional[-1][0])
            if not c.symbol(","):
                break
            continue
        text = in_full(text, variables)
        positional.append((text, alias))
        if alias is not None:
            if alias.lower() in named:
                raise raised("EXEC_IMMEDIATE_DUPLICATE_ARGUMENT_ALIASES", f"The USING clause of this EXECUTE IMMEDIATE command contained multiple arguments with same alias ({quoted(alias)}), which is invalid; please update the command to specify unique aliases and then try it again.", "42701")
            named[alias.lower()] = text
        if not c.symbol(","):
            break
    if closing:
        c.expect_symbol(")")
    return positional, named


def enclosed(c):
    """Whether the parenthesis at the cursor closes at the very end: USING (a, b)."""
    depth = 0
    for i in range(c.at, len(c.words)):
        w = c.words[i]
        if w.kind == "symbol":
            depth += {"(": 1, ")": -1}.get(w.text, 0)
            if depth == 0 and w.text == ")":
                return i + 1 == len(c.words) and not c.is_word("SELECT", "WITH", ahead=1)
    return False


def in_full(text, variables):
    c = tokens.Cursor(text)
    out, at = [], 0
    while c.peek() is not None:
        found = variable_at(c, variables)
        before = c.words[c.at - 1] if c.at else None
        if found is None or before is not None and before.kind == "symbol" and before.text in (".", ":"):
            c.at += 1
            continue
        first, last = c.peek(), c.peek(found[1] - 1)
        out += [text[at:first.start], "`system`.`session`." + quoted(last.text)]
        at = last.end + 1
        c.at += found[1]
    return "".join(out) + text[at:]


def checked_constant(text, variables):
    """An argument may not reach what the statement reads."""
    from analyze import parsed

    tree = parsed("SELECT " + text)
    inner = tree.expressions[0] if isinstance(tree, exp.Select) and len(tree.expressions) == 1 else None
    if inner is None or any(v for k, v in tree.args.items() if k not in ("expressions", "kind")):
        raise syntax(f"'{text[:40]}'", "expected an expression")
    if inner.find(exp.Query) is not None:
        raise raised("UNSUPPORTED_EXPR_FOR_PARAMETER", "A query parameter contains unsupported expression: a subquery.", "42K0E")
    for column in inner.find_all(exp.Column):
        parts = [p.name.lower() for p in column.parts]
        if any(parts[:n] == ["system", "session"][2 - n:] and len(parts) > n and parts[n] in variables for n in (0, 1, 2)):
            continue
        raise raised("UNRESOLVED_COLUMN.WITHOUT_SUGGESTION", f"A column, variable, or function parameter with name {quoted(column.name)} cannot be resolved.", "42703")


def filled(text, positional, named):
    """The statement with its markers replaced."""
    inner = tokens.Cursor(text)
    marks = [(w.start, w.end, None) for w in inner.words if w.kind == "symbol" and w.text == "?"]
    names_used = []
    for i in range(len(inner.words)):
        name = marker(inner, i)
        if name is not None:
            names_used.append((inner.words[i].start, inner.words[i + 1].end, name))
    if marks and names_used:
        raise raised("INVALID_QUERY_MIXED_QUERY_PARAMETERS", "Parameterized query must either use positional, or named parameters, but not both.", "42613")
    if names_used and any(alias is None for _, alias in positional):
        raise raised("ALL_PARAMETERS_MUST_BE_NAMED", "Using name parameterized queries requires all parameters to be named. Parameters missing names: " + ", ".join(t for t, a in positional if a is None) + ".", "07001")
    out, at = [], 0
    for i, (start, end, name) in enumerate(sorted(marks + names_used, key=lambda m: m[0])):
        if name is None:
            if i >= len(positional):
                raise unbound("_" + str(start))
            value = positional[i][0]
        else:
            value = named.get(name.lower())
            if value is None:
                raise unbound(name)
        out += [text[at:start], "(" + value + ")"]
        at = end + 1
    return "".join(out) + text[at:]


# --- IDENTIFIER() ----------------------------------------------------------------------------------------------------------------------------
def names(c, parameters):
    """The text with each IDENTIFIER(constant) as the name that it is."""
    out, at = [], 0
    i = 0
    while i < len(c.words):
        w = c.words[i]
        if not (w.kind == "word" and w.text.upper() == "IDENTIFIER" and i + 1 < len(c.words) and c.words[i + 1].kind == "symbol" and c.words[i + 1].text == "("):
            i += 1
            continue
        if i > 0 and c.words[i - 1].kind == "symbol" and c.words[i - 1].text == ":" and c.words[i - 1].end + 1 == w.start:
            raise syntax("'IDENTIFIER'", "a parameter's name is not given this way")
        c.at = i + 2
        try:
            text = constant(c, parameters, ())
        except NotText as e:
            if e.kind == "number":
                raise raised("NOT_A_CONSTANT_STRING.WRONG_TYPE", "The expression used for the routine or clause IDENTIFIER must be a constant STRING which is NOT NULL. The data type of the expression is a number.", "42601")
            raise raised("NOT_A_CONSTANT_STRING.NOT_CONSTANT", "The expression used for the routine or clause IDENTIFIER must be a constant STRING which is NOT NULL. To be considered constant the expression must not depend on any columns, contain a subquery, or invoke a non deterministic function such as rand().", "42601")
        if text is None:
            raise raised("NOT_A_CONSTANT_STRING.NULL", "The expression used for the routine or clause IDENTIFIER must be a constant STRING which is NOT NULL. The expression evaluates to NULL.", "42601")
        c.expect_symbol(")")
        closed = c.words[c.at - 1]
        if not text.strip():
            raise raised("PARSE_EMPTY_STATEMENT", "Syntax error, unexpected empty statement.", "42617")
        parts = parts_in(text)
        before = c.words[i - 1] if i > 0 else None
        if len(parts) > 1 and before is not None and before.kind == "word" and before.text.upper() in ("AS", "OVER", "WINDOW"):
            raise raised("IDENTIFIER_TOO_MANY_NAME_PARTS", f"{'.'.join(quoted(p) for p in parts)} is not a valid identifier as it has more than 1 name parts.", "42601")
        calls = c.peek() is not None and c.peek().kind == "symbol" and c.peek().text == "("
        shown = ".".join(p if calls and PLAIN.match(p) else quoted(p) for p in parts)
        out += [c.sql[at:w.start], shown]
        at = closed.end + 1
        i = c.at
    return "".join(out) + c.sql[at:]


def parts_in(text):
    c = tokens.Cursor(text)
    parts = []
    while True:
        w = c.peek()
        if w is None or w.kind not in ("word", "quoted"):
            raise syntax(c.near(), "IDENTIFIER() was given a text that is no name")
        parts.append(w.text)
        c.at += 1
        if not c.symbol("."):
            break
    if c.peek() is not None:
        raise syntax(c.near(), "IDENTIFIER() was given a text that is no name")
    return parts

