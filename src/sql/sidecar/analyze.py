"""What a statement is and what it refers to, before any name is resolved."""
import re
from functools import lru_cache

import sqlglot
from sqlglot import exp
from sqlglot.errors import ErrorLevel, ParseError, TokenError

import fn_ai
import governance
import merge
import table_clauses
import tokens
from errors import Refused, raised, syntax, unsupported
from kinds import unbounded
from spark import Spark

PATH_FORMATS = {"csv", "json", "parquet", "delta"}


@lru_cache(maxsize=256)
def parsed(sql):
    """One statement's tree; never changed by its users (they copy)."""
    sql = table_clauses.replacing(table_clauses.evolution(table_clauses.clauses(governance.policy_clauses(sql)[0])[0])[0])[0]
    sql = piped_values(sql)
    try:
        trees = [t for t in sqlglot.parse(sql, dialect=Spark, error_level=ErrorLevel.IMMEDIATE) if t is not None]
    except ParseError as e:
        first = e.errors[0] if e.errors else {}
        if first.get("description") == "Expected type":
            raise Refused("parse_error", f"[UNSUPPORTED_DATATYPE] Unsupported data type \"{str(first.get('highlight')).upper()}\". SQLSTATE: 0A000")
        not_ours(sql)
        raise syntax(f"'{first.get('highlight') or 'end of input'}'", f"{first.get('description', 'cannot be parsed')} (line {first.get('line')}, pos {first.get('col')})")
    except TokenError as e:
        raise syntax("end of input", str(e).split("\n")[0])
    if re.search(r"\*\s*except\b", sql, re.I):
        excepted(sql)
    if re.search(r"\bselect\s+all\s*,", sql, re.I):
        raise unsupported("A column called ALL at the head of a list", "Quote it.")
    if not trees:
        raise syntax("end of input", "the statement is empty")
    if len(trees) > 1:
        raise syntax("';'", "one statement at a time is accepted")
    tree = trees[0]
    # WITH … INSERT INTO t SELECT …: the query's own.
    if isinstance(tree, exp.Insert) and tree.args.get("with_") and isinstance(tree.expression, exp.Query) and not tree.expression.args.get("with_"):
        given = tree.args["with_"]
        tree.set("with_", None)
        tree.expression.set("with_", given)
    return tree


def piped_values(sql):
    """VALUES … AS t |> …: sqlglot's pipes begin at a SELECT, a FROM or a TABLE."""
    if "|>" not in sql or "values" not in sql.lower():
        return sql
    words = tokens.words_of(sql)
    starts = [w.start for i, w in enumerate(words) if w.kind == "word" and w.text.upper() == "VALUES" and (i == 0 or words[i - 1].kind == "symbol" and words[i - 1].text == "(" and (i < 2 or words[i - 2].kind == "symbol"))]
    for at in reversed(starts):
        depth = 0
        for w, following in ((w, n) for w, n in zip(words, words[1:]) if w.start > at):
            depth += {"(": 1, ")": -1}.get(w.text, 0) if w.kind == "symbol" else 0
            if depth < 0:
                break
            if depth == 0 and sql[w.start:w.start + 2] == "|>":
                sql = sql[:at] + "SELECT * FROM " + sql[at:]
                break
    return sql


def not_ours(sql):
    """Syntax of Spark's that sqlglot does not know, by its name."""
    said = [w.text.upper() if w.kind == "word" else w.text for w in tokens.words_of(sql)]
    pairs = set(zip(said, said[1:]))
    if "USING" in said and ({("TRANSFORM", "(")} & pairs or {"MAP", "REDUCE"} & set(said[:1]) or {("SELECT", "MAP"), ("SELECT", "REDUCE")} & pairs or "MAP" in said[-60:] and "FROM" in said[:1]):
        raise unsupported("TRANSFORM, MAP and REDUCE with a script (USING '...')")
    if pairs & {("APPROX", "NEAREST"), ("EXACT", "NEAREST")}:
        raise unsupported("A NEAREST BY join", "Join LATERAL with a subquery that has an order and a LIMIT.")
    if ("TABLE", "(") in pairs and (("SINGLE", "PARTITION") in pairs or ("PARTITION", "BY") in pairs and "OVER" not in said):
        raise unsupported("A table argument with PARTITION BY or WITH SINGLE PARTITION")


def excepted(sql):
    """* EXCEPT wants its columns in parentheses; sqlglot does not."""
    words = tokens.Cursor(sql).words
    for a, b, *rest in zip(words, words[1:], words[2:] + [None], words[3:] + [None, None]):
        if a.kind == "symbol" and a.text == "*" and b.kind == "word" and b.text.upper() == "EXCEPT":
            following, after = rest
            if following is None or following.text != "(":
                raise syntax(f"'{following.text}'" if following else "end of input", "expected '('")
            if after is not None and after.kind == "symbol" and after.text == ")":
                raise syntax("')'", "expected a column")


def analyze(sql, path="`current`.`schema`"):
    strict = tokens.parse(sql)
    if strict is not None:
        return strict
    tree = parsed(sql)
    out = {"options": {}}
    if isinstance(tree, (exp.Query, exp.Values)):
        out["kind"] = "query"
    elif isinstance(tree, exp.Create):
        create(tree, sql, out)
    elif isinstance(tree, exp.Insert):
        insert(tree, out)
        _, out["query_text"], out["replace_using"] = table_clauses.replacing(sql)
        out["evolves"] = table_clauses.evolution(sql)[1]
    elif isinstance(tree, exp.Delete):
        no_more(tree, {"this", "where"})
        out.update(kind="delete", target=name_of(tree.this))
    elif isinstance(tree, exp.Update):
        no_more(tree, {"this", "where", "expressions"})
        out.update(kind="update", target=name_of(tree.this))
    elif isinstance(tree, exp.Merge):
        merge.analyzed(tree, sql, out, name_of, no_more)
    elif isinstance(tree, exp.TruncateTable):
        if len(tree.expressions) != 1 or tree.args.get("partition"):
            raise unsupported("TRUNCATE of more than one table or of a partition")
        out.update(kind="delete", target=name_of(tree.expressions[0]))
    else:
        word = sql.strip().split(None, 2)
        if word[0].upper() in ("FROM", "WITH") and any(w.kind == "word" and w.text.upper() == "INSERT" for w in tokens.words_of(sql)):
            raise unsupported("FROM ... INSERT INTO ... SELECT, into one table or several,", "Write one INSERT INTO ... SELECT ... FROM for each.")
        raise unsupported("The statement " + " ".join(w.upper() for w in word[:2] if w.isalpha()))
    body = query_of(tree)
    names, count = [], 0
    refs = []
    for part in ([body] if body is not None else []) + extra_parts(tree):
        for select in part.find_all(exp.Select):
            if not select.expressions:
                raise syntax("end of input", "a SELECT without columns")
        refs += [reference(t) for t in references(part)]
        for p in part.find_all(exp.Placeholder, exp.Parameter):
            name = p.name
            if name:
                if name not in names:
                    names.append(name)
            else:
                count += 1
    if any(r["kind"] in ("path", "files") for r in refs) and any(i.name.lower() == "_metadata" for part in ([body] if body is not None else []) + extra_parts(tree) for i in part.find_all(exp.Identifier)):
        for r in refs:
            r["metadata"] = r["kind"] in ("path", "files")
    out["tables"] = refs
    parts = ([body] if body is not None else []) + extra_parts(tree)
    out["routines"] = routines_of(parts)
    out["endpoints"] = fn_ai.endpoints_of(parts)
    out["parameters"] = names
    out["positional"] = count
    return out


def shown(node):
    text = node.sql("databricks", comments=False)
    return text if len(text) <= 60 else text[:57] + "..."


def routines_of(parts):
    """Functions that no table of ours knows, as written: the catalog may."""
    import rewrite  # noqa: F401  which fills the tables
    from catalogue import AGGREGATES, FUNCTIONS, GENERATORS
    from expressions import WINDOW_ONLY, name_parts

    out = []
    for part in parts:
        for node in part.find_all(exp.Anonymous):
            above = node.parent
            while isinstance(above, exp.Dot) and above.parent is not None and isinstance(above.parent, exp.Dot):
                above = above.parent
            if isinstance(above, exp.Dot):
                found = name_parts(above)
                names = found[0] if found is not None and found[1] is node else None
                if names is None:
                    continue
            elif isinstance(node.parent, exp.Table) and node.parent.this is node and node.parent.args.get("db") is not None:
                names = [p.name for p in (node.parent.args.get("catalog"), node.parent.args.get("db")) if p is not None] + [node.name]
            else:
                names = [node.name]
                if node.name.lower() in FUNCTIONS or node.name.lower() in AGGREGATES or node.name.lower() in GENERATORS or node.name.lower() in WINDOW_ONLY:
                    continue
            if len(names) <= 3 and names not in out:
                out.append(names)
    return out[:64]


def no_more(tree, known):
    for key, value in tree.args.items():
        if value and key not in known:
            raise unsupported(f"{key.strip('_').replace('_', ' ').upper()} in {tree.key.upper()}")


def query_of(tree):
    if isinstance(tree, (exp.Query, exp.Values)):
        return tree
    if isinstance(tree, (exp.Create, exp.Insert)):
        return tree.expression
    return None


def extra_parts(tree):
    """Expressions over the target that are no query: the predicate and the assignments."""
    if isinstance(tree, exp.Delete):
        return [tree.args["where"].this] if tree.args.get("where") else []
    if isinstance(tree, exp.Update):
        return [e.expression for e in tree.expressions] + ([tree.args["where"].this] if tree.args.get("where") else [])
    if isinstance(tree, exp.Merge):
        return merge.parts_of(tree)
    return []


def name_of(table, joined=False):
    """The parts of a target's name; `joined`: of a relation, which may have joins behind it."""
    if isinstance(table, exp.Schema):
        table = table.this
    if not isinstance(table, exp.Table) or not isinstance(table.this, exp.Identifier):
        raise syntax(f"'{shown(table)}'", "expected a table name")
    if isinstance(table.this, exp.Anonymous) or table.args.get("joins") and not joined:
        raise unsupported("This target")
    parts = [table.this.name]
    node_db, node_catalog = table.args.get("db"), table.args.get("catalog")
    if node_db:
        parts.insert(0, node_db.name)
    if node_catalog:
        parts.insert(0, node_catalog.name)
    if any(not p for p in parts):
        raise syntax("'``'", "an empty name")
    return parts


def visible_ctes(node):
    """Names of the common table expressions that a reference at this node can mean."""
    out = set()
    child, parent = node, node.parent
    while parent is not None:
        if isinstance(parent, exp.With):
            recursive = parent.args.get("recursive")
            for cte in parent.expressions:
                if cte is child and not recursive:
                    break
                out.add(cte.alias.lower())
            child, parent = parent.parent, parent.parent.parent if parent.parent is not None else None
            continue
        w = parent.args.get("with_") or parent.args.get("with")
        if w is not None and w is not child:
            out.update(cte.alias.lower() for cte in w.expressions)
        child, parent = parent, parent.parent
    return out


def references(part):
    """Tables of a query that are not its own expressions, in an order that depends on the text alone."""
    out = []
    for t in part.find_all(exp.Table):
        if isinstance(t.parent, (exp.Version,)):
            continue
        if isinstance(t.this, exp.Identifier) and not t.args.get("db") and t.this.name.lower() in visible_ctes(t):
            continue
        if not isinstance(t.this, exp.Identifier) and not (isinstance(t.this, exp.Anonymous) and t.this.name.lower() in ("read_files", "identifier", "table_changes")):
            continue  # a function that makes rows
        out.append(t)
    return out


def moment(kind, value):
    """VERSION AS OF a number, or TIMESTAMP AS OF a literal in the session's zone."""
    if kind == "VERSION" and isinstance(value, exp.Literal) and value.this.isdigit():
        return {"version": int(value.this)}
    if isinstance(value, (exp.Cast, exp.TryCast, exp.Date, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.Timestamp)):
        value = value.this
    if kind == "TIMESTAMP" and isinstance(value, exp.Literal) and value.is_string:
        return {"timestamp": value.this}
    raise unsupported(f"{kind} AS OF with an expression", "Write a literal.")


def literal(node):
    if isinstance(node, exp.Literal):
        return node.this
    if isinstance(node, exp.Boolean):
        return "true" if node.this else "false"
    if isinstance(node, exp.Neg) and isinstance(node.this, exp.Literal):
        return "-" + node.this.this
    if isinstance(node, exp.Map) or isinstance(node, exp.Anonymous):
        raise unsupported("A map as an option of read_files")
    raise unsupported("An option that is not a literal")


def reference(t):
    this = t.this
    ref = {"kind": "table", "parts": [], "options": {}}
    if isinstance(this, exp.Identifier):
        ref["parts"] = name_of(t, joined=True)
        if len(ref["parts"]) == 2 and ref["parts"][0].lower() in PATH_FORMATS and ("/" in ref["parts"][1]):
            ref.update(kind="path", path=ref["parts"][1], options={"format": ref["parts"][0].lower()})
        version = t.args.get("version")
        if version is not None:
            ref.update(moment(version.this, version.expression))
        return ref
    if t.args.get("version"):
        raise unsupported("Time travel on a function")
    name = (this.name if isinstance(this, exp.Anonymous) else this.sql_name() if isinstance(this, exp.Func) else "").lower()
    if name == "read_files":
        args = list(this.expressions)
        if not args or not isinstance(args[0], exp.Literal) or not args[0].is_string:
            raise unsupported("read_files without a literal path")
        ref.update(kind="files", path=args[0].this)
        for a in args[1:]:
            if not isinstance(a, (exp.Kwarg, exp.PropertyEQ)):
                raise unsupported("A positional option of read_files")
            ref["options"][a.this.name.lower()] = literal(a.expression)
        return ref
    if name == "table_changes":
        args = list(this.expressions)
        if not 2 <= len(args) <= 3 or not isinstance(args[0], exp.Literal) or not args[0].is_string:
            raise syntax("'table_changes'", "expected a table's name as a string, and where the changes begin and end")
        ref.update(kind="changes", parts=tokens.name_in(args[0].this))
        for key, value in zip(("start", "end"), args[1:]):
            if isinstance(value, (exp.Cast, exp.TryCast, exp.Date, exp.TsOrDsToDate, exp.TsOrDsToTimestamp, exp.Timestamp)):
                value = value.this
            if not isinstance(value, exp.Literal):
                raise unsupported("table_changes with an expression", "Write a version or a timestamp as a literal.")
            ref["options"][key + ("_timestamp" if value.is_string else "_version")] = value.this
        return ref
    if name == "identifier":
        (only,) = this.expressions if len(this.expressions) == 1 else (None,)
        if isinstance(only, exp.Literal) and only.is_string:
            ref["parts"] = tokens.name_in(only.this)
        elif isinstance(only, (exp.Placeholder, exp.Parameter)) and only.name:
            ref["named_by"] = only.name
        else:
            raise unsupported("IDENTIFIER() of an expression", "Give a literal or a named parameter.")
        return ref
    raise Refused("unresolved_routine", f"[UNRESOLVABLE_TABLE_VALUED_FUNCTION] Could not resolve `{name}` to a table-valued function. SQLSTATE: 42883")


def column_defs(schema):
    out = []
    for c in schema.expressions:
        if isinstance(c, (exp.Identifier, exp.Column)):
            out.append({"name": c.name})
            continue
        if not isinstance(c, exp.ColumnDef):
            raise unsupported("A table constraint")
        col = {"name": c.name, "nullable": True}
        if c.args.get("kind") is not None:
            unbounded(c.args["kind"])  # refuses what has no length
            col["type"] = tokens.bounded(c.args["kind"].sql("databricks").lower())
        for constraint in c.args.get("constraints") or []:
            kind = constraint.kind
            if isinstance(kind, exp.NotNullColumnConstraint):
                col["nullable"] = bool(kind.args.get("allow_null"))
            elif isinstance(kind, exp.CommentColumnConstraint):
                col["comment"] = kind.this.name
            else:
                raise unsupported("The column constraint " + shown(kind))
        out.append(col)
    return out


def create(tree, sql, out):
    kind = (tree.args.get("kind") or "").upper()
    if kind not in ("TABLE", "VIEW"):
        raise unsupported("CREATE " + kind)
    no_more(tree, {"this", "kind", "replace", "exists", "expression", "properties"})
    out.update(
        kind="create_table" if kind == "TABLE" else "create_view",
        target=name_of(tree.this),
        or_replace=bool(tree.args.get("replace")),
        if_not_exists=bool(tree.args.get("exists")),
        has_query=tree.expression is not None,
        properties={},
        partitioned_by=[],
    )
    if isinstance(tree.this, exp.Schema):
        out["columns"] = column_defs(tree.this)
    if kind == "TABLE":
        out.update({k: v for k, v in governance.policy_clauses(sql)[1].items() if v})
        more = table_clauses.clauses(governance.policy_clauses(sql)[0])[1]
        out["cluster_by"] = more["cluster_by"] or []
        for column in out.get("columns", []):
            column.update(more["columns"].get(column["name"].lower(), {}))
    for p in tree.args["properties"].expressions if tree.args.get("properties") else []:
        if isinstance(p, exp.FileFormatProperty):
            out["file_format"] = p.this.name.lower()
        elif isinstance(p, exp.SchemaCommentProperty):
            out["comment"] = p.this.name
        elif isinstance(p, exp.LocationProperty):
            out["location"] = p.this.name
        elif isinstance(p, exp.PartitionedByProperty):
            listed = p.this.expressions if isinstance(p.this, exp.Schema) else [p.this]
            typed = [c for c in listed if isinstance(c, exp.ColumnDef) and c.args.get("kind") is not None]
            if typed and len(typed) < len(listed):
                raise syntax("'PARTITIONED'", "either names of columns or columns with their types")
            if typed and tree.expression is not None:
                raise syntax("'PARTITIONED'", "a table of a query's columns is partitioned by their names")
            if typed:  # they come after the others
                out["columns"] = out.get("columns", []) + column_defs(exp.Schema(expressions=typed))
            for c in listed:
                if not isinstance(c, (exp.Identifier, exp.Column, exp.ColumnDef)):
                    raise unsupported("PARTITIONED BY with an expression", "Name columns of the table.")
                out["partitioned_by"].append(c.name)
        elif isinstance(p, exp.GlobalProperty):
            raise unsupported("A global temporary view", "Make it a view of a schema.")
        elif isinstance(p, exp.TemporaryProperty) and kind == "VIEW" and not p.this:
            out["temporary"] = True
        elif isinstance(p, exp.WithSchemaBindingProperty) and kind == "VIEW":
            out["options"]["schema_mode"] = p.this.name.upper()
        elif isinstance(p, exp.LikeProperty) and kind == "TABLE" and not p.expressions:
            if out.get("columns") or out["has_query"] or out["or_replace"]:
                raise syntax("'LIKE'", "it stands for the columns of a new table: CREATE TABLE [IF NOT EXISTS] name LIKE table")
            out["copied"] = name_of(p.this)
        elif type(p) is exp.Property:
            out["properties"][p.name] = literal(p.args["value"])
        else:
            raise unsupported(shown(p))
    if out.get("copied") and (out["partitioned_by"] or out.get("cluster_by")):
        raise syntax("'LIKE'", "how the table is partitioned or clustered is copied, too")
    if kind == "TABLE" and tree.expression is not None and not isinstance(tree.expression, (exp.Query, exp.Values)):
        raise unsupported("This form of CREATE TABLE")
    if kind == "VIEW":
        if out.get("temporary") and "schema_mode" in out["options"]:
            raise raised("UNSUPPORTED_FEATURE.TEMPORARY_VIEW_WITH_SCHEMA_BINDING_MODE", "The feature is not supported: Temporary views cannot be created with the WITH SCHEMA clause. Recreate the temporary view when the underlying schema changes, or use a persisted view.", "0A000")
        if tree.expression is None:
            raise syntax("end of input", "a view needs AS and a query")
        depth = 0
        for i, w in enumerate(tokens.words_of(sql)):
            if w.kind == "symbol" and w.text in "()":
                depth += 1 if w.text == "(" else -1
            elif depth == 0 and w.kind == "word" and w.text.upper() == "AS":
                out["query_text"] = sql[w.end + 1:].strip().rstrip(";").strip()
                break


def insert(tree, out):
    no_more(tree, {"this", "expression", "overwrite", "by_name", "is_function"})
    columns = []
    if isinstance(tree.this, exp.Schema):
        columns = [c.name for c in tree.this.expressions]
    out.update(kind="insert", target=name_of(tree.this), overwrite=bool(tree.args.get("overwrite")), by_name=bool(tree.args.get("by_name")), insert_columns=columns, has_query=True)
    if not isinstance(tree.expression, (exp.Query, exp.Values)):
        raise syntax("end of input", "INSERT needs a query or VALUES")
