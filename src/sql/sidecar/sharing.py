"""Connections to other systems, and Delta Sharing's shares, recipients and providers: CREATE, ALTER, COMMENT ON, DROP, SHOW, DESCRIBE, and who gets a share.
What an option of a connection says is never part of an error: it may be a password."""
import tokens
from errors import quoted, raised, syntax, unsupported

KINDS = {"CONNECTION": "CONNECTION", "SERVER": "CONNECTION", "SHARE": "SHARE", "RECIPIENT": "RECIPIENT", "PROVIDER": "PROVIDER"}
SHARED = ("TABLE", "SCHEMA", "DATABASE", "VIEW", "VOLUME", "MODEL")


def names_one(c, ahead=1):
    """Whether a name follows, not the rest of one: connection.t and share are tables, too."""
    w, after = c.peek(ahead), c.peek(ahead + 1)
    return w is not None and w.kind in ("word", "quoted") and not (c.is_word("TO", "FROM", "IS", "AS", ahead=ahead) and after is not None)


def kind(c, unless_named=False):
    """What a statement is about; nothing (and nothing is consumed) if it is something else. `unless_named`: a table may stand here without the word TABLE."""
    if c.is_word(*KINDS) and (not unless_named or names_one(c)):
        return KINDS[c.identifier().upper()]
    return None


def create(c):
    """After CREATE."""
    found = kind(c)
    if found is None:
        return None
    if found == "PROVIDER":
        raise unsupported("CREATE PROVIDER", "The REST API makes one of the credential file that the provider gave: POST /api/2.1/unity-catalog/providers.")
    out = {"kind": "create_securable", "securable_type": found, "if_not_exists": c.take("IF", "NOT", "EXISTS"), "options": {}, "properties": {}}
    out["target"] = c.name(1)
    if found == "CONNECTION":
        c.expect("TYPE")
        out["options"]["type"] = c.identifier().upper()
        c.expect("OPTIONS")
        connection_options(c, out)
    said = set()
    while c.peek() is not None:
        if found == "RECIPIENT" and "ID" not in said and c.take("USING", "ID"):
            said.add("ID")
            out["source"] = c.string()
        elif "COMMENT" not in said and c.take("COMMENT"):
            said.add("COMMENT")
            out["comment"] = c.string()
        elif found == "RECIPIENT" and "PROPERTIES" not in said and c.take("PROPERTIES"):
            said.add("PROPERTIES")
            out["properties"] = recipient_properties(c)
        else:
            break
    return out


def connection_options(c, out):
    """(option value, …): values into the properties, calls of secret() as their scope and key."""
    out["properties"], out["secrets"] = {}, {}
    c.expect_symbol("(")
    while True:
        w = c.peek()
        key = c.string() if w is not None and w.kind == "string" else ".".join(c.name(9))
        if key in out["properties"] or key in out["secrets"]:
            raise raised("DUPLICATE_KEY", f"Found duplicate keys {quoted(key)}.", "23505")
        c.symbol("=")
        if c.is_word("SECRET") and c.peek(1) is not None and c.peek(1).text == "(":
            c.at += 2
            out["secrets"][key] = secret(c, key)
        else:
            sign = "-" if c.peek(1) is not None and c.peek(1).kind == "number" and c.symbol("-") else ""
            w = c.peek()
            if w is None or not (w.kind in ("string", "number") or c.is_word("TRUE", "FALSE")):
                raise syntax(quoted(key), "expected a literal or secret('scope', 'key') as its value")
            c.at += 1
            out["properties"][key] = sign + (w.text if w.kind != "word" else w.text.lower())
        if c.symbol(")"):
            return
        if not c.symbol(","):
            raise syntax(quoted(key), "expected ',' or ')' after its value")


def secret(c, key):
    parts = []
    for end in (",", ")"):
        w = c.peek()
        if w is None or w.kind != "string":
            raise unsupported(f"secret() of an expression, as the option {quoted(key)},", "Give its scope and key as literals.")
        parts.append(c.string())
        c.expect_symbol(end)
    return parts


def recipient_properties(c):
    out = tokens.options(c)
    for name in out:
        unreserved(name)
    return out


def unreserved(name):
    if name.lower().startswith("databricks."):
        raise raised("UNSUPPORTED_FEATURE", f"The property {quoted(name)} of a recipient is not supported: names that begin with databricks. are the platform's own.", "0A000")


def alter(c):
    """After ALTER."""
    found = kind(c)
    if found is None:
        return None
    out = {"kind": "alter", "securable_type": found, "target": c.name(1), "options": {}, "properties": {}, "files": []}
    o = out["options"]
    if c.take("RENAME", "TO"):
        o["action"], out["name"] = "rename", c.identifier()
    elif c.take("OWNER", "TO") or c.take("SET", "OWNER", "TO"):
        o["action"], out["principal"] = "owner", c.identifier()
    elif found == "CONNECTION" and c.take("OPTIONS"):
        o["action"] = "options"
        connection_options(c, out)
    elif found == "RECIPIENT" and c.take("SET", "PROPERTIES"):
        o["action"], out["properties"] = "set_properties", recipient_properties(c)
    elif found == "RECIPIENT" and c.take("UNSET", "PROPERTIES"):
        o["action"] = "unset_properties"
        if c.take("IF", "EXISTS"):
            o["if_exists"] = "true"
        out["files"] = tokens.keys(c)
        for name in out["files"]:
            unreserved(name)
    elif found == "SHARE" and c.is_word("ADD", "ALTER", "REMOVE"):
        o["action"] = {"ADD": "add", "ALTER": "update", "REMOVE": "remove"}[c.identifier().upper()]
        out["shared"] = shared_object(c, o["action"])
    elif c.peek() is None:
        raise syntax("end of input", "expected what becomes of it")
    else:
        raise unsupported(f"ALTER {found} ... " + " ".join(w.text.upper() for w in c.words[c.at:c.at + 2] if w.kind == "word"))
    return out


def shared_object(c, action):
    """[TABLE] name … after ADD, ALTER or REMOVE."""
    for words in (("MATERIALIZED", "VIEW"), ("STREAMING", "TABLE"), ("NOTEBOOK", "FILE")):
        if c.is_word(words[0]) and c.is_word(words[1], ahead=1):
            raise unsupported(f"A {' '.join(words)} in a share")
    out = {"type": "TABLE", "partitions": []}
    if c.is_word(*SHARED) and names_one(c):
        out["type"] = c.identifier().upper().replace("DATABASE", "SCHEMA")
    out["name"] = c.name(2 if out["type"] == "SCHEMA" else 3)
    if action == "remove":
        return out
    if c.take("COMMENT"):
        out["comment"] = c.string()
    if out["type"] == "TABLE" and c.take("PARTITION"):
        out["partitions"].append(shared_partition(c))
        while c.symbol(","):
            c.take("PARTITION")
            out["partitions"].append(shared_partition(c))
    if out["type"] != "SCHEMA" and c.take("AS"):
        out["shared_as"] = c.name(2)
    if out["type"] == "TABLE" and c.is_word("WITH", "WITHOUT"):
        if c.is_word("CHANGE", ahead=1):
            raise unsupported("WITH CHANGE DATA FEED of a table in a share", "Use WITH HISTORY.")
        given = c.identifier().upper() == "WITH"
        c.expect("HISTORY")
        out["history"] = "ENABLED" if given else "DISABLED"
    return out


def shared_partition(c):
    """(column = value, column LIKE 'text', column = CURRENT_RECIPIENT('property'), …)"""
    out = []
    c.expect_symbol("(")
    while True:
        one = {"column": c.identifier(), "op": "LIKE" if c.take("LIKE") else "EQUAL"}
        if one["op"] == "EQUAL":
            c.expect_symbol("=")
        if c.take("CURRENT_RECIPIENT"):
            c.expect_symbol("(")
            if c.symbol(")"):  # CURRENT_RECIPIENT().property
                c.expect_symbol(".")
                one["property"] = ".".join(c.name(9))
            else:
                one["property"] = c.string()
                c.expect_symbol(")")
        else:
            sign = "-" if c.symbol("-") else ""
            one["value"] = sign + (c.string() if one["op"] == "LIKE" else c.literal())
        out.append(one)
        if c.symbol(")"):
            return out
        c.expect_symbol(",")


def comment(c):
    """After COMMENT ON."""
    found = kind(c)
    if found is None:
        return None
    out = {"kind": "alter", "securable_type": found, "target": c.name(1), "options": {"action": "comment"}}
    c.expect("IS")
    if not c.take("NULL"):
        out["comment"] = c.string()
    return out


def drop(c):
    """After DROP."""
    found = kind(c)
    if found is None:
        return None
    out = {"kind": "drop_securable", "securable_type": found, "if_exists": c.take("IF", "EXISTS"), "target": c.name(1)}
    if found == "CONNECTION":
        c.take("RESTRICT")  # nothing hangs on one
    return out


def describe(c):
    extended = c.is_word("CONNECTION", "SERVER") and c.is_word("EXTENDED", ahead=1) and c.peek(2) is not None
    found = kind(c, unless_named=True)
    if found is None:
        return None
    if extended:
        c.take("EXTENDED")
    return {"kind": "describe_securable", "securable_type": found, "extended": extended, "target": c.name(1)}


def show(c, pattern):
    out = {"kind": "show_securables", "options": {}}
    if c.take("ALL", "IN", "SHARE"):
        return {**out, "securable_type": "SHARE", "target": c.name(1), "options": {"objects": "true"}}
    if c.take("CONNECTIONS") or c.take("SERVERS"):
        return {**out, "securable_type": "CONNECTION", "like": pattern(c)}
    if c.take("SHARES", "IN", "PROVIDER"):
        return {**out, "securable_type": "PROVIDER", "target": c.name(1), "options": {"shares": "true"}, "like": pattern(c)}
    for word in ("SHARE", "RECIPIENT", "PROVIDER"):
        if c.take(word + "S"):
            return {**out, "securable_type": word, "like": pattern(c)}
    return None


def grant_target(c):
    """What GRANT, REVOKE and SHOW GRANTS are about, after ON; nothing if it is something else."""
    found = kind(c, unless_named=True)
    return None if found is None else {"securable_type": found, "target": c.name(1)}


def recipient(c, out):
    """Who gets a share: [TO | FROM] RECIPIENT name."""
    if out["securable_type"] == "SHARE":
        c.expect("RECIPIENT")
