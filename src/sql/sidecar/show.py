"""SHOW and DESCRIBE."""
import governance
import securables
import tokens
from errors import quoted, raised, syntax, unsupported


def pattern(c):
    if c.take("LIKE") or (c.peek() is not None and c.peek().kind == "string"):
        return c.string()
    return None


def show(c):
    if c.take("CATALOGS"):
        return {"kind": "show_catalogs", "like": pattern(c)}
    if c.take("SCHEMAS") or c.take("DATABASES"):
        target = c.name(1) if c.take("IN") or c.take("FROM") else []
        return {"kind": "show_schemas", "target": target, "like": pattern(c)}
    for word, kind in (("TABLES", "show_tables"), ("VIEWS", "show_views")):
        if c.take(word):
            if word == "TABLES" and c.take("DROPPED"):
                return dropped(c)
            target = c.name(2) if c.take("IN") or c.take("FROM") else []
            return {"kind": kind, "target": target, "like": pattern(c)}
    if c.take("COLUMNS"):
        if not (c.take("IN") or c.take("FROM")):
            raise syntax(c.near(), "expected IN")
        target = c.name()
        if c.take("IN") or c.take("FROM"):
            place = c.name(2)
            if len(target) > 1 and [p.lower() for p in target[:-1]][-len(place):] != [p.lower() for p in place]:
                raise raised("SHOW_COLUMNS_WITH_CONFLICT_NAMESPACE", f"SHOW COLUMNS with conflicting namespace: {'.'.join(quoted(p) for p in place)} != {'.'.join(quoted(p) for p in target[:-1])}.", "42K05")
            target = target if len(target) > 1 else place + target
        return {"kind": "show_columns", "target": target}
    if c.take("CREATE", "TABLE"):
        out = {"kind": "show_create_table", "target": c.name()}
        if c.take("AS", "SERDE"):
            raise unsupported("SHOW CREATE TABLE ... AS SERDE", "It is for tables of Hive: leave AS SERDE out.")
        return out
    if c.take("TBLPROPERTIES"):
        out = {"kind": "show_properties", "target": c.name(), "files": []}
        if c.symbol("("):
            out["files"] = [c.string() if c.peek() is not None and c.peek().kind == "string" else ".".join(c.name(9))]
            c.expect_symbol(")")
        return out
    if c.take("GRANTS") or c.take("GRANT"):
        principal = ""
        if c.take("TO", "RECIPIENT"):
            return {"kind": "show_grants", "securable_type": "RECIPIENT", "target": c.name(1), "options": {"shares": "true"}}
        if not c.is_word("ON") or c.is_word("ON", ahead=1):
            principal = c.identifier()
        c.expect("ON")
        out = tokens.securable(c)
        out.update(kind="show_grants", principal=principal)
        return out
    if c.take("CURRENT"):
        if not (c.take("SCHEMA") or c.take("DATABASE") or c.take("NAMESPACE")):
            raise syntax(c.near(), "expected SCHEMA")
        return {"kind": "show_current"}
    if c.take("TABLE", "EXTENDED"):
        target = c.name(2) if c.take("IN") or c.take("FROM") else []
        if not c.take("LIKE"):
            raise syntax(c.near(), "expected LIKE")
        out = {"kind": "show_table_extended", "target": target, "like": c.string()}
        if c.take("PARTITION"):
            out.update(columns=partition(c), options={"partition": "true"})
        return out
    if c.take("PARTITIONS"):
        return {"kind": "show_partitions", "target": c.name(), "columns": partition(c, patterns=True) if c.take("PARTITION") else []}
    if c.is_word("POLICIES") or c.is_word("EFFECTIVE") and c.is_word("POLICIES", ahead=1):
        effective = c.take("EFFECTIVE")
        c.take("POLICIES")
        return {"kind": "show_policies", "extended": effective, **governance.policy_home(c)}
    other = securables.show(c, pattern)
    if other is not None:
        return other
    raise unsupported("SHOW " + (c.peek().text.upper() if c.peek() else ""))


def dropped(c):
    """[IN schema] [LIMIT n], after SHOW TABLES DROPPED."""
    out = {"kind": "show_dropped", "target": c.name(2) if c.take("IN") or c.take("FROM") else []}
    if c.take("LIMIT"):
        w = c.peek()
        if w is None or not w.text.isdigit():
            raise syntax(c.near(), "expected a number of tables")
        c.at += 1
        out["version"] = min(int(w.text), 2**31)
    return out


def describe(c):
    if c.is_word("POLICY") and c.is_word("ON", ahead=2):
        c.at += 1
        return {"kind": "describe_policy", "name": c.identifier(), **governance.policy_home(c)}
    if c.take("HISTORY"):
        return {"kind": "describe_history", "target": c.name()}
    if c.take("DETAIL"):
        return {"kind": "describe_detail", "target": c.name()}
    if c.is_word("CATALOG", "SCHEMA", "DATABASE"):
        catalog = c.identifier().upper() == "CATALOG"
        extended = c.take("EXTENDED")
        return {"kind": "describe_namespace", "securable_type": "CATALOG" if catalog else "SCHEMA", "extended": extended, "target": c.name(1 if catalog else 2)}
    if c.take("QUERY") or c.is_word("SELECT", "WITH", "VALUES") or c.is_word("FROM") and not c.is_word("FROM", ahead=1):
        w = c.peek()
        if w is None:
            raise syntax("end of input", "expected a query")
        c.at = len(c.words)
        return {"kind": "describe_query", "query_text": c.sql[w.start:]}
    other = securables.describe(c)
    if other is not None:
        return other
    c.take("TABLE")
    extended = c.take("EXTENDED") or c.take("FORMATTED")
    out = {"kind": "describe_table", "extended": extended, "target": c.name()}
    if c.take("PARTITION"):
        out.update(columns=partition(c), options={"partition": "true"})
    elif c.peek() is not None and not c.is_word("AS", "VERSION", "TIMESTAMP"):
        column = c.name(9)
        out["columns"] = [{"name": ".".join(column)}]
        if len(column) > 1:
            raise unsupported("DESCRIBE of a field", "Describe the column that it is in.")
    if c.take("AS", "JSON"):
        if out.get("columns") and "options" not in out:
            raise raised("UNSUPPORTED_FEATURE.DESC_TABLE_COLUMN_JSON", "DESC TABLE COLUMN AS JSON not supported for individual columns.", "0A000")
        if not extended:
            raise raised("DESCRIBE_JSON_NOT_EXTENDED", "DESCRIBE TABLE ... AS JSON only supported when [EXTENDED|FORMATTED] is specified. For example: DESCRIBE EXTENDED <tableName> AS JSON is supported but DESCRIBE <tableName> AS JSON is not.", "0A000")
        out.setdefault("options", {})["json"] = "true"
    return out


def partition(c, patterns=False):
    """(column = value, …) after PARTITION: columns with their values as written. `patterns`: columns may be LIKE a text instead, or only named."""
    c.expect_symbol("(")
    out = []
    while True:
        key = c.identifier()
        if patterns and c.take("LIKE"):
            c.string()
            out.append({"name": key, "type": "like", "default_value": written(c, 1)})
        elif not c.symbol("="):
            if c.peek() is None or c.peek().text not in (",", ")"):
                raise syntax(c.near(), "expected '='")
            if not patterns:
                raise raised("INVALID_SQL_SYNTAX.EMPTY_PARTITION_VALUE", f"Partition key {quoted(key)} must set value.", "42000")
            out.append({"name": key})
        else:
            at = c.at
            if c.peek() is not None and c.peek().kind == "word" and c.peek(1) is not None and c.peek(1).kind == "string":
                c.at += 1  # a typed literal
            if c.symbol("-") or not c.take("NULL"):
                c.literal()
            out.append({"name": key, "default_value": written(c, c.at - at)})
        if [p["name"].lower() for p in out].count(key.lower()) > 1:
            raise raised("DUPLICATE_KEY", f"Found duplicate keys {quoted(key)}.", "23505")
        if c.symbol(")"):
            return out
        c.expect_symbol(",")


def written(c, count):
    """The last words as they are written."""
    return c.sql[c.words[c.at - count].start:c.words[c.at - 1].end + 1]
