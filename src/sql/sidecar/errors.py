"""What the sidecar refuses, as values that travel to the server: a code the server switches on and the vendor's text."""


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code
        self.message = message


def syntax(near, detail=""):
    return Refused("parse_error", f"[PARSE_SYNTAX_ERROR] Syntax error at or near {near}{': ' + detail if detail else ''}. SQLSTATE: 42601")


def unsupported(what, cure=""):
    return Refused("unsupported", f"[UNSUPPORTED_FEATURE] {what} is not supported by this warehouse.{' ' + cure if cure else ''} SQLSTATE: 0A000")


def raised(error_class, text, state):
    """An error that Spark's own analysis gives, by its class."""
    return Refused("unresolved_column", f"[{error_class}] {text} SQLSTATE: {state}")


def mismatch(kind, shown, text):
    return raised("DATATYPE_MISMATCH." + kind, f'Cannot resolve "{shown}" due to data type mismatch: {text}', "42K09")


def quoted(name):
    return "`" + name.replace("`", "``") + "`"
