"""What a table's definition says in expressions (generated columns, defaults, constraints) or in words that sqlglot does not know (CLUSTER BY,
identity columns): read from the tokens, kept as written. The table's log holds these texts, for every writer to read."""
import tokens
from errors import raised, syntax, unsupported

ENDS = ("COMMENT", "NOT", "NULL", "GENERATED", "DEFAULT", "MASK", "CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "REFERENCES", "FIRST", "AFTER")


def between(c):
    """The text between a parenthesis, which is next, and its partner."""
    c.expect_symbol("(")
    start, depth = c.peek(), 1
    if start is None:
        raise syntax("end of input", "expected an expression")
    while True:
        w = c.peek()
        if w is None:
            raise syntax("end of input", "expected ')'")
        if w.kind == "symbol":
            depth += {"(": 1, ")": -1}.get(w.text, 0)
        c.at += 1
        if depth == 0:
            text = c.sql[start.start:w.start].strip()
            if not text:
                raise syntax("')'", "expected an expression")
            return text


def number(c):
    sign = -1 if c.symbol("-") else 1
    w = c.peek()
    if w is None or w.kind != "number" or not w.text.isdigit():
        raise syntax(c.near(), "expected a whole number")
    c.at += 1
    return sign * int(w.text)


def generated(c, out):
    """After GENERATED: what the column is generated as."""
    always = c.take("ALWAYS")
    if not always:
        c.expect("BY", "DEFAULT")
    c.expect("AS")
    if not c.take("IDENTITY"):
        if not always:
            raise syntax(c.near(), "expected IDENTITY")
        out["generated"] = between(c)
        return
    start, step = 1, 1
    if c.symbol("("):
        while not c.symbol(")"):
            if c.take("START"):
                c.take("WITH")
                start = number(c)
            elif c.take("INCREMENT"):
                c.take("BY")
                step = number(c)
            else:
                raise syntax(c.near(), "expected START WITH or INCREMENT BY")
            c.symbol(",")
    if step == 0:
        raise raised("DELTA_IDENTITY_COLUMNS_ILLEGAL_STEP", "IDENTITY column step cannot be 0.", "42611")
    if not all(-2**63 <= n < 2**63 for n in (start, step)):
        raise syntax("'IDENTITY'", "its numbers must be BIGINTs")
    out["identity"] = {"always": always, "start": start, "step": step}


def expression(c):
    """An expression up to what can follow it in a column's definition."""
    return c.text_until(lambda w, last: last is not None and (w.text in ",)" if w.kind == "symbol" else w.kind == "word" and w.text.upper() in ENDS))


def columns(c):
    """(a, b), plain names."""
    c.expect_symbol("(")
    out = []
    if c.symbol(")"):
        return out
    while True:
        parts = c.name(9)
        if len(parts) > 1:
            raise unsupported("A nested field here")
        out.append(parts[0])
        if c.symbol(")"):
            return out
        c.expect_symbol(",")


def clauses(sql):
    """CREATE TABLE's clauses of that kind, and the text with blanks in their place."""
    found = {"columns": {}, "cluster_by": None}
    upper = sql.upper()
    if "TABLE" not in upper[:200] or not any(word in upper for word in ("GENERATED", "DEFAULT", "CLUSTER")):
        return sql, found
    c = tokens.Cursor(sql)
    if not c.take("CREATE") or not (c.take("OR", "REPLACE", "TABLE") or c.take("TABLE")):
        return sql, found
    out, depth, angles, column = sql, 0, 0, None
    while c.peek() is not None:
        w, at = c.peek(), c.at
        before = c.words[at - 1]
        starts = depth == 1 and angles == 0 and before.kind == "symbol" and before.text in "(,"
        clause = None
        if w.kind == "symbol":
            depth += {"(": 1, ")": -1}.get(w.text, 0)
            angles += {"<": 1, ">": -1, ">>": -2}.get(w.text, 0) if depth == 1 else 0
        elif depth == 0 and c.is_word("AS"):
            break
        elif starts:
            column = w.text
        elif depth == 1 and angles == 0 and column is not None and c.take("GENERATED"):
            clause = found["columns"].setdefault(column.lower(), {})
            generated(c, clause)
        elif depth == 1 and angles == 0 and column is not None and c.take("DEFAULT"):
            clause = found["columns"].setdefault(column.lower(), {})
            clause["default_value"] = expression(c)
        elif depth == 0 and c.take("CLUSTER", "BY"):
            if c.is_word("AUTO"):
                raise unsupported("CLUSTER BY AUTO", "Name the columns.")
            clause = found
            found["cluster_by"] = [] if c.take("NONE") else columns(c)
        if clause is not None:
            blank = c.words[c.at - 1].end
            out = out[:w.start] + " " * (blank + 1 - w.start) + out[blank + 1:]
            continue
        c.at += 1
    return out, found


def evolution(sql):
    """Whether it is MERGE or INSERT WITH SCHEMA EVOLUTION, and the text with blanks in place of these words."""
    if "EVOLUTION" not in sql.upper():
        return sql, False
    c = tokens.Cursor(sql)
    if not (c.take("MERGE") or c.take("INSERT")) or not c.take("WITH", "SCHEMA", "EVOLUTION"):
        return sql, False
    start, end = c.words[1].start, c.words[3].end + 1
    return sql[:start] + " " * (end - start) + sql[end:], True


def replacing(sql):
    """INSERT INTO t [BY NAME] REPLACE WHERE condition query, or REPLACE USING (columns) query: the text with blanks in place of the clause, the condition,
    the columns."""
    if "REPLACE" not in sql.upper():
        return sql, "", []
    c = tokens.Cursor(sql)
    if not c.take("INSERT", "INTO"):
        return sql, "", []
    while c.peek() is not None and not c.is_word("SELECT", "VALUES", "WITH", "FROM"):
        if not c.is_word("REPLACE") or not c.is_word("WHERE", "USING", "ON", ahead=1):
            c.at += 1
            continue
        first, depth, using = c.at, 0, []
        c.at += 2
        if c.is_word("ON", ahead=-1):
            raise unsupported("INSERT ... REPLACE ON", "Use REPLACE USING, REPLACE WHERE, or MERGE.")
        if c.is_word("USING", ahead=-1):
            using = columns(c)
        else:
            while c.peek() is not None and not (depth == 0 and c.is_word("SELECT", "VALUES", "WITH", "TABLE", "FROM") and c.words[c.at - 1].text.upper() != "DISTINCT"):
                depth += {"(": 1, ")": -1}.get(c.peek().text, 0) if c.peek().kind == "symbol" else 0
                c.at += 1
        if c.peek() is None or c.at == first + 2:
            raise syntax(c.near(), "REPLACE WHERE needs a condition and a query, REPLACE USING columns and a query")
        start, end = c.words[first].start, c.words[c.at - 1].end + 1
        return sql[:start] + " " * (end - start) + sql[end:], "" if using else sql[c.words[first + 2].start:end].strip(), using
    return sql, "", []


def alter(c, out):
    """ALTER TABLE's clauses about columns, constraints and clustering; False: none of these."""
    o = out["options"]
    if c.take("CLUSTER", "BY"):
        o["action"] = "cluster_by"
        if c.is_word("AUTO"):
            raise unsupported("CLUSTER BY AUTO", "Name the columns.")
        out["cluster_by"] = [] if c.take("NONE") else columns(c)
    elif c.take("ADD", "CONSTRAINT"):
        o["action"], o["name"] = "add_constraint", c.identifier()
        if c.is_word("PRIMARY", "FOREIGN", "UNIQUE"):
            raise unsupported("A " + c.peek().text.upper() + " KEY constraint")
        c.expect("CHECK")
        out["query_text"] = between(c)
    elif c.take("DROP", "CONSTRAINT"):
        o["action"] = "drop_constraint"
        if c.take("IF", "EXISTS"):
            o["if_exists"] = "true"
        o["name"] = c.identifier()
    elif c.take("RENAME", "COLUMN"):
        o["action"] = "rename_column"
        out["files"] = [c.identifier()]
        if c.peek() is not None and c.peek().text == ".":
            raise unsupported("RENAME COLUMN of a nested field")
        c.expect("TO")
        out["files"].append(c.identifier())
    elif c.take("DROP", "COLUMNS") or c.take("DROP", "COLUMN"):
        o["action"] = "drop_columns"
        if c.take("IF", "EXISTS"):
            o["if_exists"] = "true"
        out["files"] = columns(c) if c.peek() is not None and c.peek().text == "(" else [c.identifier()]
        if c.peek() is not None and c.peek().text == ".":
            raise unsupported("DROP COLUMN of a nested field")
    elif c.is_word("ADD", "DROP", "PARTITION", "RECOVER", "SET"):
        partitions(c)
        return False
    else:
        return False
    return True


def partitions(c):
    """What is about partitions as a metastore keeps them: Delta keeps them in the table's log, and refuses."""
    at = c.at
    for words in (("ADD",), ("DROP",), (), ("RECOVER", "PARTITIONS"), ("SET", "SERDE"), ("SET", "SERDEPROPERTIES")):
        c.at = at
        if words and not c.take(*words):
            continue
        what = "ALTER TABLE " + " ".join(words)
        if len(words) < 2:
            c.take("IF", "NOT", "EXISTS") or c.take("IF", "EXISTS")
            if not c.take("PARTITION") or c.peek() is None or c.peek().text != "(":
                continue
            what = what + " PARTITION" if words else "ALTER TABLE RENAME PARTITION"
        cure = "" if "SERDE" in what else " Their partitions come and go with their rows: use INSERT, DELETE or UPDATE."
        raise raised("DELTA_OPERATION_NOT_ALLOWED", f"Operation not allowed: `{what}` is not supported for Delta tables.{cure}", "0AKDC")
    c.at = at


def alter_column(c, out, name):
    """After ALTER COLUMN name; False: none of these."""
    o = out["options"]
    column = {"name": name}
    if c.take("SET", "DEFAULT"):
        o["action"] = "set_default"
        column["default_value"] = expression(c)
    elif c.take("DROP", "DEFAULT"):
        o["action"] = "drop_default"
    elif c.take("SET", "NOT", "NULL"):
        o["action"] = "set_not_null"
    elif c.take("TYPE"):
        o["action"] = "column_type"
        column["type"] = tokens.bounded(tokens.type_text(c))
    else:
        return False
    out["columns"] = [column]
    return True
