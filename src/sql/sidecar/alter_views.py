"""ALTER SCHEMA's properties, ALTER VIEW ... AS and WITH SCHEMA."""
import tokens
from errors import syntax

MODES = ("BINDING", "COMPENSATION", "TYPE EVOLUTION", "EVOLUTION")


def alter(c, kind, parts, out):
    """After the name of a schema or view: the statement, or nothing (and nothing is consumed) where it is another clause."""
    o = out["options"]
    if kind == "SCHEMA" and c.is_word("SET", "UNSET") and c.is_word("DBPROPERTIES", "PROPERTIES", ahead=1):
        sets = c.take("SET")
        c.at += 1 if sets else 2
        o["action"] = "set_properties" if sets else "unset_properties"
        if sets:
            out["properties"] = tokens.options(c)
        else:
            if c.take("IF", "EXISTS"):
                o["if_exists"] = "true"
            out["files"] = tokens.keys(c)
        return out
    if kind == "VIEW" and c.take("WITH", "SCHEMA"):
        o["action"], o["schema_mode"] = "schema_mode", "TYPE EVOLUTION" if c.take("TYPE", "EVOLUTION") else c.identifier().upper()
        if o["schema_mode"] not in MODES:
            raise syntax(f"'{o['schema_mode']}'", "expected " + ", ".join(MODES))
        return out
    if kind == "VIEW" and c.take("AS"):
        w = c.peek()
        if w is None:
            raise syntax("end of input", "a view needs AS and a query")
        c.at = len(c.words)
        return {"kind": "create_view", "target": parts, "or_replace": True, "query_text": c.sql[w.start:], "options": {"alter": "true"}}
    return None
