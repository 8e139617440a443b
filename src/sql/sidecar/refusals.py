"""Statements of the vendor's manual that are not built: refused by their names, with what to do instead."""
from errors import unsupported

LIVE = "Make it a table and refresh it by a job."
GROUPS = "Groups are managed over SCIM."
REPAIR = "Tables are Delta: their log says which files they have."
CACHE = "Files are kept by the engine itself."
FOREIGN = "Queries do not reach into other systems through a connection: bring the data into a table."

# The words that a statement begins with; OR REPLACE and OR REFRESH are left out.
STATEMENTS = {
    ("CREATE", "MATERIALIZED", "VIEW"): LIVE, ("ALTER", "MATERIALIZED", "VIEW"): LIVE, ("DROP", "MATERIALIZED", "VIEW"): LIVE, ("REFRESH", "MATERIALIZED", "VIEW"): LIVE,
    ("CREATE", "STREAMING", "TABLE"): LIVE, ("ALTER", "STREAMING", "TABLE"): LIVE, ("DROP", "STREAMING", "TABLE"): LIVE, ("REFRESH", "STREAMING", "TABLE"): LIVE,
    ("REFRESH", "FOREIGN"): FOREIGN, ("CREATE", "FOREIGN", "CATALOG"): FOREIGN,
    ("CREATE", "PROCEDURE"): "", ("ALTER", "PROCEDURE"): "", ("DROP", "PROCEDURE"): "", ("SHOW", "PROCEDURES"): "", ("DESCRIBE", "PROCEDURE"): "", ("DESC", "PROCEDURE"): "", ("CALL",): "",
    ("CREATE", "GROUP"): GROUPS, ("ALTER", "GROUP"): GROUPS, ("DROP", "GROUP"): GROUPS,
    ("CREATE", "CLEAN", "ROOM"): "", ("ALTER", "CLEAN", "ROOM"): "", ("DROP", "CLEAN", "ROOM"): "", ("DESCRIBE", "CLEAN", "ROOM"): "", ("DESC", "CLEAN", "ROOM"): "", ("SHOW", "CLEAN", "ROOMS"): "",
    ("CREATE", "BLOOMFILTER", "INDEX"): "Files are left out by their statistics.", ("DROP", "BLOOMFILTER", "INDEX"): "",
    ("DENY",): "What is not granted is denied: REVOKE it.",
    ("SYNC", "SCHEMA"): "There is no Hive metastore to take tables from.", ("SYNC", "TABLE"): "There is no Hive metastore to take tables from.",
    ("MSCK", "REPAIR", "TABLE"): REPAIR, ("MSCK", "REPAIR"): "", ("REPAIR", "TABLE"): REPAIR, ("REPAIR", "SCHEMA"): "", ("REPAIR", "PRIVILEGES"): "", ("FSCK", "REPAIR"): REPAIR,
    ("CACHE", "SELECT"): CACHE, ("CACHE", "TABLE"): CACHE, ("CACHE", "LAZY"): CACHE, ("UNCACHE", "TABLE"): CACHE, ("CLEAR", "CACHE"): CACHE,
    ("REFRESH", "FUNCTION"): "Nothing of a function is kept between statements.",
    ("ADD", "JAR"): "", ("ADD", "JARS"): "", ("ADD", "FILE"): "", ("ADD", "FILES"): "", ("ADD", "ARCHIVE"): "", ("ADD", "ARCHIVES"): "",
    ("LIST", "JAR"): "", ("LIST", "JARS"): "", ("LIST", "FILE"): "", ("LIST", "FILES"): "", ("LIST", "ARCHIVE"): "", ("LIST", "ARCHIVES"): "",
    ("SET", "RECIPIENT"): "", ("UNDROP", "SCHEMA"): "UNDROP TABLE brings tables back.", ("UNDROP", "CATALOG"): "UNDROP TABLE brings tables back.",
    ("UNDROP", "MATERIALIZED", "VIEW"): LIVE, ("UNDROP", "VOLUME"): "UNDROP TABLE brings tables back.", ("SHOW", "SCHEMAS", "DROPPED"): "", ("SHOW", "ROUTINES"): "Use SHOW FUNCTIONS.",
}
LONGEST = 3


def check(c):
    """Raises where the statement is one of these. Nothing is consumed."""
    said, ahead = [], 0
    while len(said) < LONGEST and c.peek(ahead) is not None and c.peek(ahead).kind == "word":
        if len(said) == 1 and c.is_word("OR", ahead=ahead) and c.is_word("REPLACE", "REFRESH", ahead=ahead + 1):
            ahead += 2
            continue
        said.append(c.peek(ahead).text.upper())
        ahead += 1
    after = c.peek(ahead)
    for count in range(len(said), 0, -1):
        words = tuple(said[:count])
        if words not in STATEMENTS:
            continue
        # DESCRIBE procedure, DESCRIBE procedure.t: a table called so.
        if words[0] in ("DESCRIBE", "DESC") and count == len(said) and (after is None or after.text == "."):
            return
        raise unsupported(" ".join(words), STATEMENTS[words])


def unchanged(c, kind):
    """What ALTER of a catalog or schema (after its name) cannot change here."""
    for words, name, cure in (
        (("DEFAULT", "COLLATION"), "DEFAULT COLLATION", "Texts compare by their bytes."),
        (("ENABLE", "PREDICTIVE"), "ENABLE PREDICTIVE OPTIMIZATION", "Nothing optimizes tables by itself here: run OPTIMIZE in a job."),
        (("DISABLE", "PREDICTIVE"), "DISABLE PREDICTIVE OPTIMIZATION", "Nothing optimizes tables by itself here."),
        (("INHERIT", "PREDICTIVE"), "INHERIT PREDICTIVE OPTIMIZATION", "Nothing optimizes tables by itself here."),
        (("SET", "MANAGED", "LOCATION"), "SET MANAGED LOCATION", "It is said when the schema is made."),
        (("SET", "RETAIN", "DROPPED"), "RETAIN DROPPED", "What is dropped is kept for 7 days."),
        (("RETAIN", "DROPPED"), "RETAIN DROPPED", "What is dropped is kept for 7 days."),
        (("OPTIONS",), "OPTIONS", ""),
    ):
        if all(c.is_word(w, ahead=i) for i, w in enumerate(words)):
            raise unsupported(f"ALTER {kind} ... {name}", cure)
