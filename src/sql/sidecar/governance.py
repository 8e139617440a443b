"""Clauses of governance: tags, row filters, column masks, and CREATE FUNCTION."""
import securables
import tokens
from errors import quoted, raised, syntax, unsupported


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


def tagged(c):
    """What SET TAG ON and UNSET TAG ON are about, as ALTER ... SET TAGS has it."""
    for word, kind, most in (("CATALOG", "CATALOG", 1), ("SCHEMA", "SCHEMA", 2), ("DATABASE", "SCHEMA", 2), ("TABLE", "TABLE", 3), ("VIEW", "TABLE", 3), ("VOLUME", "VOLUME", 3), ("COLUMN", "TABLE", 4)):
        if c.take(word):
            parts, columns = c.name(most), []
            if word == "COLUMN":
                if len(parts) < 2:
                    raise syntax(c.near(), "expected TABLE.COLUMN")
                parts, columns = parts[:-1], [{"name": parts[-1]}]
            return {"kind": "alter", "securable_type": kind, "target": parts, "columns": columns, "properties": {}, "files": [], "options": {}}
    if c.peek() is None:
        raise syntax("end of input", "expected what is tagged")
    raise unsupported("A tag on " + c.peek().text.upper(), "Tags are of catalogs, schemas, tables, views, columns and volumes.")


def set_tag(c, sets):
    """[UN]SET TAG ON securable key [= value], after the first word."""
    c.expect("TAG", "ON")
    out = tagged(c)
    w = c.peek()
    key = c.string() if w is not None and w.kind == "string" else c.identifier()
    out["options"]["action"] = "set_tags" if sets else "unset_tags"
    if not sets:
        out["files"].append(key)
    elif c.symbol("="):
        w = c.peek()
        out["properties"][key] = c.string() if w is not None and w.kind == "string" else c.identifier()
    else:
        out["properties"][key] = ""
    return out


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


def principals(c):
    out = [c.identifier()]
    while c.symbol(","):
        out.append(c.identifier())
    return out


def condition_text(c, *ends):
    """A condition as it is written, up to one of these words, a comma, or the end; its alias, if it has one."""
    def ends_at(w, last):
        # `condition [AS] alias`: a name after a whole condition.
        alias = last is not None and last.text == ")" and w.kind in ("word", "quoted") and not c.is_word("AND", "OR")
        return alias or c.is_word(*ends) or w.kind == "symbol" and w.text == ","

    return c.text_until(ends_at, "a condition")


def policy_home(c):
    """ON CATALOG c | SCHEMA s | TABLE t."""
    c.expect("ON")
    for word, most in (("CATALOG", 1), ("SCHEMA", 2), ("DATABASE", 2), ("TABLE", 3)):
        if c.take(word):
            return {"securable_type": "SCHEMA" if word == "DATABASE" else word, "target": c.name(most)}
    if c.is_word("METASTORE"):
        raise unsupported("A policy on a metastore")
    raise raised("POLICY_ON_SECURABLE_TYPE_NOT_SUPPORTED", f"Policies are for a CATALOG, SCHEMA or TABLE; got {c.near()}.", "42000")


def create_policy(c, replace):
    """CREATE POLICY, after the word."""
    out = {"kind": "create_policy", "or_replace": replace, "name": c.identifier()}
    out.update(policy_home(c))
    if c.take("COMMENT"):
        out["comment"] = c.string()
    p = {"mask": False, "function": [], "to": [], "except": [], "when": "", "on_column": "", "match": [], "arguments": []}
    if c.take("COLUMN", "MASK"):
        p["mask"] = True
    elif not c.take("ROW", "FILTER"):
        if c.is_word("GRANT", "DENY"):
            raise unsupported(f"CREATE POLICY ... {c.peek().text.upper()}", "Use a ROW FILTER or a COLUMN MASK.")
        raise syntax(c.near(), "expected ROW FILTER or COLUMN MASK")
    p["function"] = c.name()
    c.expect("TO")
    p["to"] = principals(c)
    if c.take("EXCEPT"):
        p["except"] = principals(c)
    c.expect("FOR")
    if not c.take("TABLES"):
        raise unsupported(f"A policy FOR {c.peek().text.upper() if c.peek() else ''}", "Use FOR TABLES.")
    if c.take("WHEN"):
        p["when"] = condition_text(c, "MATCH", "ON", "USING")
    if c.take("MATCH", "COLUMNS"):
        while True:
            one = {"condition": condition_text(c, "AS", "ON", "USING"), "alias": ""}
            if c.take("AS") or c.peek() is not None and c.peek().kind in ("word", "quoted") and not c.is_word("ON", "USING"):
                one["alias"] = c.identifier()
            p["match"].append(one)
            if not c.symbol(","):
                break
    if p["mask"]:
        c.expect("ON", "COLUMN")
        p["on_column"] = c.identifier()
    if c.take("USING", "COLUMNS"):
        c.expect_symbol("(")
        while True:
            w = c.peek()
            if w is not None and (w.kind in ("string", "number") or c.is_word("TRUE", "FALSE")):
                p["arguments"].append({"text": c.literal(), "constant": True})
            elif w is not None and w.kind == "symbol" and w.text == "-":
                c.at += 1
                p["arguments"].append({"text": "-" + c.literal(), "constant": True})
            else:
                p["arguments"].append({"text": c.identifier(), "constant": False})
            if c.symbol(")"):
                break
            c.expect_symbol(",")
    out["policy"] = p
    return out


def kept_as_text(kind):
    """CHAR and VARCHAR are no types of parameters and results."""
    if kind.startswith(("varchar", "char")) and not kind.startswith("character"):
        raise raised("UNSUPPORTED_CHAR_OR_VARCHAR_AS_STRING", "The char/varchar type can't be used in the table schema.", "0A000")


def default_text(c):
    """An expression as it is written, up to the next parameter."""
    return c.text_until(lambda w, _: w.kind == "symbol" and w.text in ",)" or c.is_word("COMMENT"))


def returned_columns(c, called):
    """(name type [COMMENT text], …) after RETURNS TABLE, or nothing."""
    out = []
    if not c.symbol("("):
        return out
    while True:
        column = {"name": c.identifier(), "type": tokens.type_text(c)}
        if c.take("NOT", "NULL"):
            raise raised("USER_DEFINED_FUNCTIONS.NOT_NULL_ON_FUNCTION_PARAMETERS", "Cannot specify NOT NULL on the columns of a function's result.", "42601")
        if c.take("COMMENT"):
            c.string()
        out.append(column)
        if c.symbol(")"):
            break
        c.expect_symbol(",")
    names = [p["name"].lower() for p in out]
    for n in names:
        if names.count(n) > 1:
            raise raised("DUPLICATE_ROUTINE_RETURNS_COLUMNS", f"Found duplicate column(s) in the RETURNS clause column list of the user-defined routine {called}: {quoted(n)}.", "42711")
    return out


def function(c, replace, temporary=False):
    """CREATE FUNCTION, after the word."""
    out = {"kind": "create_function", "or_replace": replace, "if_not_exists": c.take("IF", "NOT", "EXISTS"), "columns": [], "options": {}, "temporary": temporary}
    if replace and out["if_not_exists"]:
        raise raised("INVALID_SQL_SYNTAX.CREATE_ROUTINE_WITH_IF_NOT_EXISTS_AND_REPLACE", "Cannot create a routine with both IF NOT EXISTS and REPLACE specified.", "42000")
    if temporary and out["if_not_exists"]:
        raise raised("INVALID_SQL_SYNTAX.CREATE_TEMP_FUNC_WITH_IF_NOT_EXISTS", "CREATE TEMPORARY FUNCTION with IF NOT EXISTS is not allowed.", "42000")
    out["target"] = c.name(9 if temporary else 3)
    if temporary and out["target"][-1].lower() in securables.built_in():
        if not replace:
            raise raised("ROUTINE_ALREADY_EXISTS", f"Cannot create the function {quoted(out['target'][-1])} because a routine of that name already exists. Choose a different name.", "42723")
        raise unsupported(f"A temporary function in place of the built-in function {quoted(out['target'][-1])}", "Choose a different name.")
    c.expect_symbol("(")
    while not c.symbol(")"):
        parameter = {"name": c.identifier(), "type": tokens.type_text(c)}
        kept_as_text(parameter["type"])
        if c.take("DEFAULT"):
            parameter["default_value"] = default_text(c)
        elif any("default_value" in p for p in out["columns"]):
            raise raised("USER_DEFINED_FUNCTIONS.NOT_A_VALID_DEFAULT_PARAMETER_POSITION", f"In routine {out['target'][-1]} parameter {quoted(parameter['name'])} with no DEFAULT follows one that has a DEFAULT.", "42601")
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
            if c.take("TABLE"):
                out["options"]["table"] = "true"
                out["returned"] = returned_columns(c, out["target"][-1])
            else:
                out["options"]["returns"] = tokens.type_text(c)
                kept_as_text(out["options"]["returns"])
        elif c.take("LANGUAGE"):
            language = c.identifier().upper()
            if language != "SQL":
                raise unsupported(f"LANGUAGE {language} of a function")
        elif c.take("NOT", "DETERMINISTIC"):
            out["options"]["deterministic"] = "false"
        elif c.take("COMMENT"):
            out["comment"] = c.string()
        elif c.take("CONTAINS", "SQL"):
            out["options"]["access"] = "CONTAINS_SQL"
        elif c.take("READS", "SQL", "DATA"):
            out["options"]["access"] = "READS_SQL_DATA"
        elif not (c.take("DETERMINISTIC") or c.take("SQL", "SECURITY", "DEFINER")):
            raise syntax(c.near(), "expected RETURN and an expression")
    w = c.peek()
    if w is None:
        raise syntax("end of input", "expected an expression")
    if "table" in out["options"] and not (c.is_word("SELECT", "WITH", "VALUES", "FROM", "TABLE") or w.kind == "symbol" and w.text == "("):
        raise raised("USER_DEFINED_FUNCTIONS.SQL_TABLE_UDF_BODY_MUST_BE_A_QUERY", f"SQL table function {out['target'][-1]} body must be a query.", "42601")
    out["query_text"] = c.sql[w.start:c.words[-1].end + 1]
    c.at = len(c.words)
    return out
