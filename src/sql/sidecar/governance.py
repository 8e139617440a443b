"""Clauses of governance: tags, row filters, column masks, and CREATE FUNCTION."""
import tokens
from errors import raised, syntax, unsupported


def tags(c, out):
    """SET TAGS ('k' = 'v', 'k'), UNSET TAGS ('k', …)."""
    if c.take("SET", "TAGS"):
        out["options"]["action"] = "set_tags"
    elif c.take("UNSET", "TAGS"):
        out["options"]["action"] = "unset_tags"
    else:
        return False
    c.expect_symbol("(")
    while True:
        w = c.peek()
        key = c.string() if w is not None and w.kind == "string" else c.identifier()
        if out["options"]["action"] == "unset_tags":
            out["files"].append(key)
        else:
            out["properties"][key] = c.string() if c.symbol("=") else ""
        if c.symbol(")"):
            return True
        c.expect_symbol(",")


def column_list(c):
    out = []
    c.expect_symbol("(")
    if c.symbol(")"):
        return out
    while True:
        w = c.peek()
        if w is not None and w.kind in ("string", "number"):
            raise unsupported("A constant given to a row filter or column mask", "Give columns.")
        out.append(c.identifier())
        if c.symbol(")"):
            return out
        c.expect_symbol(",")


def row_filter(c):
    """f ON (columns), after ROW FILTER."""
    function = c.name()
    c.expect("ON")
    return {"function": function, "columns": column_list(c)}


def mask(c):
    """f [USING COLUMNS (columns)], after MASK."""
    function = c.name()
    return {"function": function, "columns": column_list(c) if c.take("USING", "COLUMNS") else []}


def policy_clauses(sql):
    """CREATE TABLE's filter and masks, and the text with blanks in their place: sqlglot knows neither."""
    found = {"row_filter": None, "masks": {}}
    head = sql[:200].upper()
    if "CREATE" not in head or "TABLE" not in head or not ("MASK" in sql.upper() or "FILTER" in sql.upper()):
        return sql, found
    c = tokens.Cursor(sql)
    if not c.take("CREATE") or not (c.take("OR", "REPLACE", "TABLE") or c.take("TABLE")):
        return sql, found
    out, depth, column = sql, 0, None
    while c.peek() is not None:
        w, at = c.peek(), c.at
        before = c.words[at - 1]
        starts = depth == 1 and before.kind == "symbol" and before.text in "(,"
        if w.kind == "symbol":
            depth += {"(": 1, ")": -1}.get(w.text, 0)
        elif depth == 0 and c.is_word("AS"):
            break
        elif starts:
            column = w.text
        elif depth == 1 and column is not None and c.take("MASK"):
            found["masks"][column] = mask(c)
            out = blanked(out, w.start, c.words[c.at - 1].end)
            continue
        elif depth == 0 and (c.take("WITH", "ROW", "FILTER") or c.take("ROW", "FILTER")):
            found["row_filter"] = row_filter(c)
            out = blanked(out, w.start, c.words[c.at - 1].end)
            continue
        c.at += 1
    return out, found


def blanked(text, start, end):
    return text[:start] + " " * (end + 1 - start) + text[end + 1:]


def function(c, replace):
    """CREATE FUNCTION, after the word."""
    out = {"kind": "create_function", "or_replace": replace, "if_not_exists": c.take("IF", "NOT", "EXISTS"), "columns": [], "options": {}}
    out["target"] = c.name()
    c.expect_symbol("(")
    while not c.symbol(")"):
        parameter = {"name": c.identifier(), "type": tokens.type_text(c)}
        if c.is_word("DEFAULT"):
            raise unsupported("DEFAULT of a parameter")
        if c.take("NOT", "NULL"):
            raise raised("USER_DEFINED_FUNCTIONS.NOT_NULL_ON_FUNCTION_PARAMETERS", "Cannot specify NOT NULL on function parameters.", "42601")
        if c.is_word("GENERATED"):
            raise raised("INVALID_SQL_SYNTAX.CREATE_FUNC_WITH_GENERATED_COLUMNS_AS_PARAMETERS", "CREATE FUNCTION with generated columns as parameters is not allowed.", "42000")
        if c.is_word("UNIQUE", "CHECK", "PRIMARY", "REFERENCES"):
            raise raised("INVALID_SQL_SYNTAX.CREATE_FUNC_WITH_COLUMN_CONSTRAINTS", "CREATE FUNCTION with constraints on parameters is not allowed.", "42000")
        if c.take("COMMENT"):
            c.string()
        out["columns"].append(parameter)
        w = c.peek()
        if not c.symbol(",") and (w is None or w.text != ")"):
            raise syntax(c.near(), "expected ',' or ')'")
    names = [p["name"].lower() for p in out["columns"]]
    for n in names:
        if names.count(n) > 1:
            raise raised("DUPLICATE_ROUTINE_PARAMETER_NAMES", f"Found duplicate name(s) in the parameter list of the user-defined routine {out['target'][-1]}: `{n}`.", "42734")
    out["options"]["deterministic"] = "true"
    while not c.take("RETURN"):
        if c.take("RETURNS"):
            if c.is_word("TABLE"):
                raise unsupported("A function that returns a table", "Make a view.")
            out["options"]["returns"] = tokens.type_text(c)
        elif c.take("LANGUAGE"):
            language = c.identifier().upper()
            if language != "SQL":
                raise unsupported(f"LANGUAGE {language} of a function")
        elif c.take("NOT", "DETERMINISTIC"):
            out["options"]["deterministic"] = "false"
        elif c.take("COMMENT"):
            out["comment"] = c.string()
        elif not (c.take("DETERMINISTIC") or c.take("CONTAINS", "SQL") or c.take("READS", "SQL", "DATA") or c.take("SQL", "SECURITY", "DEFINER")):
            raise syntax(c.near(), "expected RETURN and an expression")
    if "returns" not in out["options"]:
        raise unsupported("CREATE FUNCTION without RETURNS", "Say the type that it returns.")
    w = c.peek()
    if w is None:
        raise syntax("end of input", "expected an expression")
    out["query_text"] = c.sql[w.start:c.words[-1].end + 1]
    c.at = len(c.words)
    return out
