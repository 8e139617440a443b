"""URLs: their parts, as java.net.URI takes them apart. Only the URLs that everyone reads alike are taken apart; others are refused."""
from catalogue import arguments, define, special
from errors import unsupported
from kinds import STRING, text
from values import literal_of, made

define("url_encode", "string", STRING, "spark_url_encode({0})")
define("url_decode", "string", STRING, "spark_url_decode({0})")
define("try_url_decode", "string", STRING, "spark_try_url_decode({0})")

CHAR = "[A-Za-z0-9_.!~*''();:&=+$,-]|%[0-9A-Fa-f]{2}"
LABEL = "[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?"
LAST = "[A-Za-z]([A-Za-z0-9-]*[A-Za-z0-9])?"
BYTE = "(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
HOST = rf"({LABEL}\.)*{LAST}|{BYTE}(\.{BYTE}){{3}}"
USER = f"({CHAR})*"
URL = rf"[A-Za-z][A-Za-z0-9+.-]*://({USER}@)?({HOST})(:[0-9]{{0,5}})?(/({CHAR}|[@/])*)?(\?({CHAR}|[@/?])*)?(#({CHAR}|[@/?])*)?"
NEVER = r"""[\x00-\x20"<>\\^`{|}]|%[^0-9A-Fa-f]|%.[^0-9A-Fa-f]|%.?$"""  # signs that no URL has
PARTS = {
    "PROTOCOL": r"^([^:]+):", "AUTHORITY": r"^[^:]+://([^/?#]*)", "PATH": r"^[^:]+://[^/?#]*([^?#]*)", "QUERY": r"^[^?#]*\?([^#]*)", "REF": "#(.*)$",
    "USERINFO": r"^[^:]+://([^/?#@]*)@", "HOST": r"^[^:]+://(?:[^/?#@]*@)?([^/?#:@]*)", "FILE": r"^[^:]+://[^/?#]*([^#]*)",
}


@special("parse_url try_parse_url")
def parse_url(c, node, scope):
    name = node.name.lower()
    args = arguments(c, name, node, "string,string,string?", scope)
    if any(a.is_null or a.is_literal and a.lit is None for a in args):
        return literal_of(None, STRING)
    part, key = args[1], args[2] if len(args) > 2 else None
    if not part.is_literal or key is not None and not key.is_literal:
        raise unsupported(f"{name} of a part or a key that is no literal")
    if part.lit not in PARTS or key is not None and part.lit != "QUERY":
        return literal_of(None, STRING)
    url = args[0].sql
    pattern = text(PARTS[part.lit])
    found = f"CASE WHEN regexp_matches({url}, {pattern}) THEN regexp_extract({url}, {pattern}, 1) END"
    if key is not None:
        if not key.lit or not key.lit.replace("_", "").replace("-", "").isalnum() or not key.lit.isascii():
            raise unsupported(f"{name} of a key with signs")
        pair = text(f"(&|^){key.lit}=([^&]*)")
        found = f"CASE WHEN regexp_matches({found}, {pair}) THEN regexp_extract({found}, {pair}, 2) END"
    other = f"error('[UNSUPPORTED_FEATURE] {name} of a URL that is not scheme://[user@]host[:port][/path][?query][#reference], or has other signs in it, is not supported by this warehouse. SQLSTATE: 0A000')"
    bad = "NULL" if name == "try_parse_url" else f"error('[INVALID_URL] The url is invalid: ' || {url} || '. Use `try_parse_url` to tolerate invalid URL and return NULL instead. SQLSTATE: 22P02')"
    return made(f"CASE WHEN {url} IS NULL THEN NULL WHEN regexp_matches({url}, '{NEVER}') THEN {bad} WHEN NOT regexp_full_match({url}, '{URL}') THEN {other} ELSE {found} END", STRING, *args)
