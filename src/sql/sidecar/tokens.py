"""Statements that sqlglot only wraps (SHOW, DESCRIBE, GRANT, USE, COPY INTO, catalogs and schemas), parsed strictly from its tokens."""
import re

from sqlglot.dialects.databricks import Databricks
from sqlglot.errors import TokenError
from sqlglot.tokens import TokenType

import alter_views
import file_statements
import governance
import refusals
import securables
import session_statements
import sharing
import show
import table_clauses
from errors import raised, syntax, unsupported
from kinds import sizeless


class StrictTokenizer(Databricks.Tokenizer):
    # The stock tokenizer swallows everything after SHOW and its like as one string.
    COMMANDS = set()


class Word:
    """One token; a multi-word keyword comes as several words."""

    __slots__ = ("text", "kind", "start", "end")

    def __init__(self, text, kind, start, end):
        self.text, self.kind, self.start, self.end = text, kind, start, end


def words_of(sql):
    out = []
    for t in StrictTokenizer(dialect="databricks").tokenize(sql):
        if t.token_type == TokenType.IDENTIFIER:
            out.append(Word(t.text, "quoted", t.start, t.end))
        elif t.token_type in (TokenType.STRING, TokenType.RAW_STRING):
            last = out[-1] if out else None
            if last is not None and last.kind == "string" and last.end + 1 == t.start and sql[last.end] == sql[t.start]:
                out[-1] = Word(last.text + sql[t.start] + t.text, "string", last.start, t.end)  # 'it''s' is one
            else:
                out.append(Word(t.text, "string", t.start, t.end))
        elif t.token_type == TokenType.NUMBER:
            out.append(Word(t.text, "number", t.start, t.end))
        else:
            parts = t.text.split()
            for p in parts:
                out.append(Word(p, "word" if p[0].isalpha() or p[0] == "_" else "symbol", t.start, t.end))
    return out


SECURABLES = {
    "CATALOG": "CATALOG", "SCHEMA": "SCHEMA", "DATABASE": "SCHEMA", "TABLE": "TABLE", "VIEW": "TABLE", "VOLUME": "VOLUME", "FUNCTION": "FUNCTION", "METASTORE": "METASTORE",
}


class Cursor:
    def __init__(self, sql):
        self.sql = sql
        try:
            self.words = words_of(sql)
        except TokenError as e:
            raise syntax("end of input", str(e).split("\n")[0][:200])
        while self.words and self.words[-1].text == ";" and self.words[-1].kind == "symbol":
            self.words.pop()
        self.at = 0

    def peek(self, ahead=0):
        i = self.at + ahead
        return self.words[i] if i < len(self.words) else None

    def near(self):
        w = self.peek()
        return f"'{w.text}'" if w else "end of input"

    def is_word(self, *texts, ahead=0):
        w = self.peek(ahead)
        return w is not None and w.kind == "word" and w.text.upper() in texts

    def take(self, *texts):
        """Consumes these words in a row, or nothing."""
        for i, t in enumerate(texts):
            if not self.is_word(t, ahead=i):
                return False
        self.at += len(texts)
        return True

    def expect(self, *texts):
        for t in texts:
            if not self.take(t):
                raise syntax(self.near(), f"expected {t}")

    def symbol(self, text):
        w = self.peek()
        if w is not None and w.kind == "symbol" and w.text == text:
            self.at += 1
            return True
        return False

    def expect_symbol(self, text):
        if not self.symbol(text):
            raise syntax(self.near(), f"expected '{text}'")

    def identifier(self):
        w = self.peek()
        if w is None or w.kind not in ("word", "quoted") or not w.text:
            raise syntax(self.near(), "expected a name")
        self.at += 1
        return w.text

    def name(self, most=3):
        parts = [self.identifier()]
        while self.symbol("."):
            parts.append(self.identifier())
        if len(parts) > most:
            raise syntax("'.'", f"a name of at most {most} parts is expected here, got {'.'.join(parts)}")
        return parts

    def string(self):
        w = self.peek()
        if w is None or w.kind != "string":
            raise syntax(self.near(), "expected a string")
        self.at += 1
        return w.text

    def literal(self):
        w = self.peek()
        if w is not None and (w.kind in ("string", "number") or (w.kind == "word" and w.text.upper() in ("TRUE", "FALSE"))):
            self.at += 1
            return w.text
        raise syntax(self.near(), "expected a literal")

    def text_until(self, ends, what="an expression"):
        """The text from here up to the token, outside all parentheses, of which ends(token, the one before it or None) holds; or up to a parenthesis that was
        not opened in it."""
        first, last, depth = self.peek(), None, 0
        while (w := self.peek()) is not None:
            if depth == 0 and ends(w, last):
                break
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(w.text, 0) if w.kind == "symbol" else 0
            if depth < 0:
                break
            last = w
            self.at += 1
        if last is None:
            raise syntax(self.near(), f"expected {what}")
        return self.sql[first.start:last.end + 1]

    def end(self):
        if self.at < len(self.words):
            raise syntax(self.near(), "extra input")


def parse(sql):
    """The statement as a dict, or None if it is one for sqlglot's own parser."""
    c = Cursor(sql)
    if not c.words:
        raise syntax("end of input", "the statement is empty")
    first = c.words[0]
    if first.kind != "word":
        return None
    refusals.check(c)
    handler = STATEMENTS.get(first.text.upper())
    if handler is None:
        return None
    c.at = 1
    out = handler(c)
    if out is None:
        return None
    c.end()
    return out


def moment(c):
    """[TO] VERSION AS OF n, or TIMESTAMP AS OF 'text'."""
    if c.take("VERSION", "AS", "OF"):
        w = c.peek()
        if w is None or not w.text.isdigit():
            raise syntax(c.near(), "expected a version")
        c.at += 1
        return {"version": int(w.text)}
    if c.take("TIMESTAMP", "AS", "OF"):
        return {"timestamp": c.string()}
    raise syntax(c.near(), "expected VERSION AS OF or TIMESTAMP AS OF")


def restore(c):
    c.take("TABLE")
    out = {"kind": "restore", "target": c.name()}
    c.take("TO")
    out.update(moment(c))
    return out


def optimize(c):
    out = {"kind": "optimize", "target": c.name(), "options": {}, "insert_columns": []}
    if c.take("FULL"):
        out["options"]["full"] = "true"
    if c.is_word("WHERE"):
        raise unsupported("OPTIMIZE ... WHERE", "OPTIMIZE TABLE_NAME joins small files.")
    if c.take("ZORDER", "BY"):
        if c.peek() is not None and c.peek().text == "(":
            out["insert_columns"] = table_clauses.columns(c)
        else:
            out["insert_columns"].append(c.identifier())
            while c.symbol(","):
                out["insert_columns"].append(c.identifier())
    return out


def undrop(c):
    c.take("TABLE")
    if c.take("WITH", "ID"):
        return {"kind": "undrop", "name": c.string(), "target": []}
    return {"kind": "undrop", "target": c.name()}


def reorg(c):
    c.expect("TABLE")
    out = {"kind": "optimize", "target": c.name(), "options": {"purge": "true"}, "insert_columns": []}
    if c.is_word("WHERE"):
        raise unsupported("REORG TABLE ... WHERE")
    c.expect("APPLY")
    c.expect_symbol("(")
    if not c.take("PURGE"):
        raise unsupported("REORG TABLE ... APPLY (" + (c.peek().text.upper() if c.peek() else ""))
    c.expect_symbol(")")
    return out


def vacuum(c):
    out = {"kind": "vacuum", "target": c.name(), "options": {}}
    if c.is_word("FULL", "LITE"):
        c.at += 1
    while c.peek() is not None:
        if c.take("RETAIN"):
            w = c.peek()
            if w is None or w.kind != "number":
                raise syntax(c.near(), "expected a number of hours")
            c.at += 1
            out["options"]["retain"] = w.text
            c.expect("HOURS")
        elif c.take("DRY", "RUN"):
            out["options"]["dry_run"] = "true"
        else:
            raise syntax(c.near(), "extra input")
    return out


def name_in(text):
    """A name given as a string, as IDENTIFIER() takes it."""
    c = Cursor(text)
    out = c.name()
    c.end()
    return out


def type_text(c):
    """The words of a type, up to what can follow it."""
    out, depth = "", 0
    while c.peek() is not None:
        w = c.peek()
        if depth == 0 and (w.kind == "string" or (w.kind == "symbol" and w.text in ",)") or (out and w.kind == "word" and w.text.upper() in ("COMMENT", "NOT", "FIRST", "AFTER", "DEFAULT", "RETURN", "LANGUAGE", "DETERMINISTIC", "CONTAINS", "READS", "SQL", "GENERATED", "UNIQUE", "CHECK", "PRIMARY", "REFERENCES"))):
            break
        depth += {"(": 1, "<": 1, ")": -1, ">": -1, ">>": -2}.get(w.text, 0) if w.kind == "symbol" else 0
        out += ("`" + w.text.replace("`", "``") + "`") if w.kind == "quoted" else (" " + w.text if out and out[-1].isalnum() and w.text[0].isalnum() else w.text)
        c.at += 1
    if not out:
        raise syntax(c.near(), "expected a type")
    return out.lower()


def bounded(kind):
    """The type of a column, CHARACTER(n) as CHAR(n). CHAR(n) and VARCHAR(n) are the type of a column itself; inside another one they are refused."""
    kind = re.sub(r"^character\b", "char", kind)
    if kind in ("char", "varchar"):
        raise sizeless(kind.upper())
    if re.search(r"\b(var)?char(acter)?\s*\(", kind) and not re.fullmatch(r"(var)?char\(([1-9]\d{0,8})\)", kind):
        raise unsupported(f"The type {kind.upper()} of a column", "Use STRING, CHAR(n) or VARCHAR(n).")
    return kind


def text_or_null(c):
    if c.take("NULL"):
        return ""
    return c.string()


def alter(c):
    other = securables.alter(c)
    if other is not None:
        return other
    if c.take("CATALOG"):
        kind, parts = "CATALOG", c.name(1)
    elif c.take("SCHEMA") or c.take("DATABASE"):
        kind, parts = "SCHEMA", c.name(2)
    elif c.take("VOLUME"):
        kind, parts = "VOLUME", c.name()
    elif c.is_word("TABLE", "VIEW"):
        kind = "VIEW" if c.is_word("VIEW") else "TABLE"
        c.at += 1
        parts = c.name()
    else:
        raise unsupported("ALTER " + (c.peek().text.upper() if c.peek() else ""))
    out = {"kind": "alter", "securable_type": kind, "target": parts, "options": {}, "properties": {}, "columns": [], "files": []}
    o = out["options"]
    if kind != "VOLUME" and (c.take("OWNER", "TO") or c.take("SET", "OWNER", "TO")):
        o["action"] = "owner"
        out["principal"] = c.identifier()
        return out
    if governance.tags(c, out):
        return out
    if kind in ("CATALOG", "SCHEMA"):
        refusals.unchanged(c, kind)
    other = alter_views.alter(c, kind, parts, out)
    if other is not None:
        return other
    if kind in ("TABLE", "VIEW"):
        if c.take("RENAME", "TO"):
            o["action"] = "rename"
            out["files"] = c.name()
            return out
        if c.take("SET", "TBLPROPERTIES"):
            o["action"] = "set_properties"
            out["properties"] = options(c)
            return out
        if c.take("UNSET", "TBLPROPERTIES"):
            o["action"] = "unset_properties"
            if c.take("IF", "EXISTS"):
                o["if_exists"] = "true"
            out["files"] = keys(c)
            return out
    if kind == "TABLE":
        if table_clauses.alter(c, out):
            return out
        if c.take("SET", "ROW", "FILTER"):
            o["action"] = "set_row_filter"
            out["row_filter"] = governance.row_filter(c)
            return out
        if c.take("DROP", "ROW", "FILTER"):
            o["action"] = "drop_row_filter"
            return out
        if c.take("ADD", "COLUMNS") or c.take("ADD", "COLUMN"):
            o["action"] = "add_columns"
            closed = c.symbol("(")
            while True:
                column = {"name": c.identifier(), "type": type_text(c), "nullable": True}
                column["type"] = bounded(column["type"])
                if c.is_word("DEFAULT"):
                    raise raised("WRONG_COLUMN_DEFAULTS_FOR_DELTA_ALTER_TABLE_ADD_COLUMN_NOT_SUPPORTED", "Failed to execute the command because DEFAULT values are not supported when adding new columns to previously existing Delta tables; please add the column without a default value first, then run a second ALTER TABLE ALTER COLUMN SET DEFAULT command to apply for future inserted rows instead.", "0AKDC")
                if c.is_word("NOT", "FIRST", "AFTER"):
                    raise unsupported("ADD COLUMN ... " + c.peek().text.upper())
                if c.take("COMMENT"):
                    column["comment"] = c.string()
                out["columns"].append(column)
                if not c.symbol(","):
                    break
            if closed:
                c.expect_symbol(")")
            return out
        if c.take("ALTER", "COLUMN") or c.take("ALTER") or c.take("CHANGE", "COLUMN"):
            name = c.identifier()
            if governance.tags(c, out):
                out["columns"] = [{"name": name}]
                return out
            if c.take("COMMENT"):
                o["action"] = "column_comment"
                out["columns"] = [{"name": name, "comment": c.string()}]
                return out
            if c.take("DROP", "NOT", "NULL"):
                o["action"] = "drop_not_null"
                out["columns"] = [{"name": name}]
                return out
            if c.take("SET", "MASK"):
                o["action"] = "set_mask"
                out["masks"] = {name: governance.mask(c)}
                return out
            if c.take("DROP", "MASK"):
                o["action"] = "drop_mask"
                out["columns"] = [{"name": name}]
                return out
            if table_clauses.alter_column(c, out, name):
                return out
            raise unsupported("ALTER COLUMN ... " + (c.peek().text.upper() if c.peek() else ""))
    raise unsupported("ALTER " + kind + " ... " + " ".join(w.text.upper() for w in c.words[c.at:c.at + 2]))


def keys(c):
    """(key, …), texts or names."""
    c.expect_symbol("(")
    out = []
    while True:
        out.append(c.string() if c.peek() is not None and c.peek().kind == "string" else ".".join(c.name(9)))
        if c.symbol(")"):
            return out
        c.expect_symbol(",")


def comment(c):
    c.expect("ON")
    other = securables.comment(c)
    if other is not None:
        return other
    out = {"kind": "alter", "properties": {}, "columns": [], "files": [], "options": {"action": "comment"}}
    if c.take("CATALOG"):
        out.update(securable_type="CATALOG", target=c.name(1))
    elif c.take("SCHEMA") or c.take("DATABASE"):
        out.update(securable_type="SCHEMA", target=c.name(2))
    elif c.take("TABLE"):
        out.update(securable_type="TABLE", target=c.name())
    elif c.take("COLUMN"):
        parts = c.name(4)
        if len(parts) < 2:
            raise syntax(c.near(), "expected TABLE.COLUMN")
        out.update(securable_type="TABLE", target=parts[:-1])
        c.expect("IS")
        out["options"]["action"] = "column_comment"
        out["columns"] = [{"name": parts[-1], "comment": text_or_null(c)}]
        return out
    else:
        raise unsupported("COMMENT ON " + (c.peek().text.upper() if c.peek() else ""))
    c.expect("IS")
    out["comment"] = text_or_null(c)
    return out


def use(c):
    if c.take("CATALOG"):
        return {"kind": "use_catalog", "target": c.name(1)}
    if not c.take("SCHEMA"):
        c.take("DATABASE")
    return {"kind": "use_schema", "target": c.name(2)}


def securable(c):
    if c.take("EXTERNAL", "LOCATION"):
        return {"securable_type": "EXTERNAL_LOCATION", "target": c.name(1)}
    if securables.credential(c):
        return {"securable_type": "STORAGE_CREDENTIAL", "target": c.name(1)}
    other = sharing.grant_target(c)
    if other is not None:
        return other
    if c.take("METASTORE"):
        return {"securable_type": "METASTORE", "target": []}
    for word, kind in SECURABLES.items():
        if c.is_word(word):
            c.at += 1
            return {"securable_type": kind, "target": c.name({"CATALOG": 1, "SCHEMA": 2}.get(kind, 3))}
    if c.is_word("ANY", "ANONYMOUS", "PROCEDURE", "CLEAN", "MATERIALIZED", "EXTERNAL") and c.peek(1) is not None and c.peek(1).kind in ("word", "quoted") and not c.is_word("TO", "FROM", ahead=1):
        raise unsupported("A grant on " + c.peek().text.upper() + (" " + c.peek(1).text.upper() if not c.is_word("PROCEDURE") else ""))
    return {"securable_type": "TABLE", "target": c.name()}


def privileges(c):
    out, words = [], []
    while not c.is_word("ON"):
        if c.symbol(","):
            if not words:
                raise syntax("','", "expected a privilege")
            out.append(" ".join(words))
            words = []
            continue
        w = c.peek()
        if w is None or w.kind != "word":
            raise syntax(c.near(), "expected a privilege")
        c.at += 1
        words.append(w.text.upper())
    if not words:
        raise syntax(c.near(), "expected a privilege")
    out.append(" ".join(words))
    c.expect("ON")
    return out


def grant(c):
    held = privileges(c)
    out = securable(c)
    c.expect("TO")
    sharing.recipient(c, out)
    out.update(kind="grant", privileges=held, principal=c.identifier())
    return out


def revoke(c):
    held = privileges(c)
    out = securable(c)
    c.expect("FROM")
    sharing.recipient(c, out)
    out.update(kind="revoke", privileges=held, principal=c.identifier())
    return out


def clauses(c, comment=True, properties=False):
    out = {}
    while c.peek() is not None:
        if comment and c.take("COMMENT"):
            out["comment"] = c.string()
        elif c.take("MANAGED", "LOCATION"):
            out["location"] = c.string()
        elif properties and c.take("WITH"):
            if not c.take("DBPROPERTIES"):
                c.expect("PROPERTIES")
            out["properties"] = options(c)
        elif c.is_word("LOCATION"):
            raise unsupported("LOCATION here", "Use MANAGED LOCATION.")
        else:
            break
    return out


def create(c):
    at = 2 if c.is_word("OR") and c.is_word("REPLACE", ahead=1) else 0
    temporary = c.is_word("TEMPORARY", "TEMP", ahead=at) and c.is_word("FUNCTION", ahead=at + 1)
    replace = at > 0 and (temporary or c.is_word("FUNCTION", "POLICY", ahead=at))
    if replace or temporary:
        c.at += at + temporary
    if c.take("FUNCTION"):
        return governance.function(c, replace, temporary)
    if c.take("POLICY"):
        return governance.create_policy(c, replace)
    if not c.is_word("CATALOG", "SCHEMA", "DATABASE"):
        return securables.create(c)
    kind = "create_catalog" if c.is_word("CATALOG") else "create_schema"
    c.at += 1
    missing = c.take("IF", "NOT", "EXISTS")
    out = {"kind": kind, "if_not_exists": missing, "target": c.name(1 if kind == "create_catalog" else 2)}
    out.update(clauses(c, properties=kind == "create_schema"))
    if c.is_word("USING") and c.is_word("SHARE", ahead=1) and kind == "create_catalog":
        raise unsupported("CREATE CATALOG ... USING SHARE", "What others share is not read here.")
    if c.is_word("OPTIONS") and kind == "create_catalog" or c.is_word("DEFAULT") and c.is_word("COLLATION", ahead=1):
        raise unsupported(f"CREATE {kind[7:].upper()} ... " + ("OPTIONS" if c.is_word("OPTIONS") else "DEFAULT COLLATION"))
    if "properties" in out:
        out["securable_type"] = "SCHEMA"
    return out


def drop(c):
    if c.take("POLICY"):
        return {"kind": "drop_policy", "name": c.identifier(), **governance.policy_home(c)}
    if c.is_word("VARIABLE", "VAR"):
        raise syntax(c.near(), "expected TEMPORARY before it")
    if c.is_word("TEMPORARY", "TEMP") and c.is_word("VARIABLE", "VAR", ahead=1):
        c.at += 1
        return session_statements.drop(c)
    if c.is_word("TEMPORARY", "TEMP") and c.is_word("FUNCTION", ahead=1):
        c.at += 2
        return {"kind": "drop_function", "temporary": True, "if_exists": c.take("IF", "EXISTS"), "target": c.name(9)}
    other = securables.drop(c)
    if other is not None:
        return other
    if not c.is_word("CATALOG", "SCHEMA", "DATABASE", "TABLE", "VIEW", "FUNCTION"):
        if c.peek() is None:
            raise syntax("end of input")
        raise unsupported("DROP " + c.peek().text.upper())
    word = c.identifier().upper()
    kind = {"CATALOG": "drop_catalog", "SCHEMA": "drop_schema", "DATABASE": "drop_schema", "TABLE": "drop_table", "VIEW": "drop_view", "FUNCTION": "drop_function"}[word]
    out = {"kind": kind, "if_exists": c.take("IF", "EXISTS")}
    out["target"] = c.name({"drop_catalog": 1, "drop_schema": 2}.get(kind, 3))
    if kind in ("drop_catalog", "drop_schema"):
        out["cascade"] = c.take("CASCADE")
        if not out["cascade"]:
            c.take("RESTRICT")
    return out


def explain(c):
    if c.is_word("LOGICAL"):
        raise raised("INVALID_STATEMENT_OR_CLAUSE", "The statement or clause: EXPLAIN LOGICAL is not valid.", "42601")
    mode = c.identifier().upper() if c.is_word("EXTENDED", "CODEGEN", "COST", "FORMATTED") else ""
    w = c.peek()
    if w is None:
        raise syntax("end of input")
    c.at = len(c.words)
    return {"kind": "explain", "query_text": c.sql[w.start:], "options": {"mode": mode}}


def options(c):
    out = {}
    c.expect_symbol("(")
    if c.symbol(")"):
        return out
    while True:
        w = c.peek()
        key = c.string() if w is not None and w.kind == "string" else ".".join(c.name(9))
        c.expect_symbol("=")
        out[key] = c.literal()
        if c.symbol(")"):
            return out
        c.expect_symbol(",")


STATEMENTS = {
    "SHOW": show.show, "DESCRIBE": show.describe, "DESC": show.describe, "USE": use, "GRANT": grant, "REVOKE": revoke, "CREATE": create, "DROP": drop, "EXPLAIN": explain, "COPY": file_statements.copy,
    "RESTORE": restore, "UNDROP": undrop, "OPTIMIZE": optimize, "REORG": reorg, "VACUUM": vacuum, "ALTER": alter, "COMMENT": comment,
    "LIST": file_statements.list_, **{word: file_statements.moved(word) for word in ("PUT", "GET", "REMOVE")},
    "UNSET": lambda c: governance.set_tag(c, False), "DECLARE": session_statements.declare, "SET": session_statements.set_, "RESET": session_statements.reset,
}
