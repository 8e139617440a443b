"""Volumes, external locations, storage credentials and functions as such: CREATE, ALTER, COMMENT, DROP, SHOW and DESCRIBE; SHOW of principals."""
import sharing
from errors import syntax, unsupported


def kind_and_name(c):
    """What a statement is about, and its name; nothing (and nothing is consumed) if it is something else."""
    if c.take("VOLUME"):
        return "VOLUME", c.name()
    if c.take("EXTERNAL", "LOCATION"):
        return "EXTERNAL_LOCATION", c.name(1)
    if credential(c):
        return "STORAGE_CREDENTIAL", c.name(1)
    return None


def credential(c, word="CREDENTIAL"):
    """[STORAGE] CREDENTIAL, which is what it means alone, too: there are no others."""
    if c.is_word("SERVICE") and c.is_word(word, ahead=1):
        raise unsupported("SERVICE " + word, "Credentials here are STORAGE credentials.")
    return c.take("STORAGE", word) or (word == "CREDENTIALS" or sharing.names_one(c)) and c.take(word)


def create(c):
    other = sharing.create(c)
    if other is not None:
        return other
    if c.is_word("STORAGE", "SERVICE") and c.is_word("CREDENTIAL", ahead=1) or c.is_word("CREDENTIAL") and sharing.names_one(c):
        raise unsupported("CREATE CREDENTIAL", "The REST API makes one: POST /api/2.1/unity-catalog/storage-credentials.")
    external = c.is_word("EXTERNAL")
    if not c.is_word("VOLUME", "LOCATION", ahead=1 if external else 0) or not external and not c.is_word("VOLUME"):
        return None
    c.take("EXTERNAL")
    volume = c.identifier().upper() == "VOLUME"
    out = {"kind": "create_securable", "securable_type": "VOLUME" if volume else "EXTERNAL_LOCATION", "if_not_exists": c.take("IF", "NOT", "EXISTS")}
    out["target"] = c.name(3 if volume else 1)
    if not volume:
        c.expect("URL")
        out["location"] = c.string()
        c.expect("WITH")
        c.expect_symbol("(")
        c.expect("STORAGE", "CREDENTIAL")
        out["source"] = c.identifier()
        c.expect_symbol(")")
    elif external:
        c.expect("LOCATION")
        out["location"] = c.string()
    elif c.is_word("LOCATION"):
        raise syntax("'LOCATION'", "only an EXTERNAL VOLUME has one")
    if c.take("COMMENT"):
        out["comment"] = c.string()
    return out


def alter(c):
    other = sharing.alter(c)
    if other is not None:
        return other
    at, found = c.at, kind_and_name(c)
    if found is None:
        return None
    kind, target = found
    out = {"kind": "alter", "securable_type": kind, "target": target, "options": {}}
    if c.take("RENAME", "TO"):
        out["name"] = ".".join(c.name(3 if kind == "VOLUME" else 1))
        out["options"]["action"] = "rename"
    elif c.take("OWNER", "TO") or c.take("SET", "OWNER", "TO"):
        out["principal"] = c.identifier()
        out["options"]["action"] = "owner"
    elif kind == "EXTERNAL_LOCATION" and c.take("SET", "URL"):
        out["location"], out["cascade"] = c.string(), c.take("FORCE")
        out["options"]["action"] = "url"
    elif kind == "EXTERNAL_LOCATION" and c.take("SET", "STORAGE", "CREDENTIAL"):
        out["source"] = c.identifier()
        out["options"]["action"] = "credential"
    else:
        c.at = at  # tags
        return None
    return out


def comment(c):
    """After COMMENT ON."""
    other = sharing.comment(c)
    if other is not None:
        return other
    found = kind_and_name(c)
    if found is None:
        return None
    c.expect("IS")
    out = {"kind": "alter", "securable_type": found[0], "target": found[1], "options": {"action": "comment"}}
    if not c.take("NULL"):
        out["comment"] = c.string()
    return out


def drop(c):
    other = sharing.drop(c)
    if other is not None:
        return other
    if c.take("VOLUME"):
        kind = "VOLUME"
    elif c.take("EXTERNAL", "LOCATION"):
        kind = "EXTERNAL_LOCATION"
    elif credential(c):
        kind = "STORAGE_CREDENTIAL"
    else:
        return None
    out = {"kind": "drop_securable", "securable_type": kind, "if_exists": c.take("IF", "EXISTS")}
    out["target"] = c.name(3 if kind == "VOLUME" else 1)
    out["cascade"] = kind != "VOLUME" and c.take("FORCE")
    return out


def show(c, pattern):
    """`pattern`: reads LIKE 'text'."""
    out = {"kind": "show_securables"}
    if c.take("VOLUMES"):
        return {**out, "securable_type": "VOLUME", "target": c.name(2) if c.take("IN") or c.take("FROM") else [], "like": pattern(c)}
    if c.take("EXTERNAL", "LOCATIONS"):
        return {**out, "securable_type": "EXTERNAL_LOCATION", "like": pattern(c)}
    if credential(c, "CREDENTIALS"):
        return {**out, "securable_type": "STORAGE_CREDENTIAL", "like": pattern(c)}
    other = sharing.show(c, pattern)
    if other is not None:
        return other
    for word in ("USERS", "GROUPS"):
        if c.take(word):
            out.update(kind="show_principals", securable_type=word, options={})
            if word == "GROUPS" and c.take("WITH"):
                if not c.is_word("USER", "GROUP"):
                    raise syntax(c.near(), "expected USER or GROUP")
                out["options"]["with"] = c.identifier().upper()
                out["principal"] = c.identifier()
            return {**out, "like": pattern(c)}
    which = c.identifier().upper() if c.is_word("USER", "SYSTEM", "ALL") and c.is_word("FUNCTIONS", ahead=1) else "ALL"
    if not c.take("FUNCTIONS"):
        return None
    out.update(securable_type="FUNCTION", target=c.name(2) if c.take("IN") or c.take("FROM") else [], like=pattern(c), options={"which": which})
    if which != "USER":
        out["files"] = built_in()
    return out


def describe(c):
    """A table may be called as one of these, too: then no name follows."""
    if c.peek(1) is None:
        return None
    if c.take("FUNCTION"):
        extended = c.take("EXTENDED")
        out = {"kind": "describe_securable", "securable_type": "FUNCTION", "extended": extended, "target": c.name()}
        if len(out["target"]) == 1 and out["target"][0].lower() in built_in():
            out["options"] = {"built_in": "true"}
        return out
    other = sharing.describe(c)
    if other is not None:
        return other
    found = kind_and_name(c)
    return None if found is None else {"kind": "describe_securable", "securable_type": found[0], "target": found[1]}


def built_in():
    import rewrite  # noqa: F401  which fills the tables
    from catalogue import AGGREGATES, FUNCTIONS, GENERATORS
    from expressions import WINDOW_ONLY

    return sorted({*FUNCTIONS, *AGGREGATES, *GENERATORS, *WINDOW_ONLY})
