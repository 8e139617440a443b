"""COPY INTO, LIST, and what drivers alone do with files."""
import tokens
from errors import syntax, unsupported


def copy(c):
    c.expect("INTO")
    out = {"kind": "copy_into", "target": c.name(), "options": {}, "copy_options": {}, "files": []}
    c.expect("FROM")
    if c.peek() is not None and c.peek().kind == "symbol":
        raise unsupported("COPY INTO from a query", "Load the files, then INSERT ... SELECT.")
    out["source"] = c.string()
    if c.is_word("WITH"):
        raise unsupported("COPY INTO with an inline credential", "Use an external location.")
    c.expect("FILEFORMAT")
    c.expect_symbol("=")
    out["file_format"] = c.identifier().lower()
    while c.peek() is not None:
        if c.take("FILES"):
            c.expect_symbol("=")
            c.expect_symbol("(")
            while True:
                out["files"].append(c.string())
                if c.symbol(")"):
                    break
                c.expect_symbol(",")
        elif c.take("FORMAT_OPTIONS"):
            out["options"] = tokens.options(c)
        elif c.take("COPY_OPTIONS"):
            out["copy_options"] = tokens.options(c)
        else:
            raise unsupported("COPY INTO ... " + c.peek().text.upper()) if c.peek().kind == "word" else syntax(c.near())
    return out


def list_(c):
    out = {"kind": "list_files", "source": c.string(), "options": {}}
    if c.is_word("WITH"):
        raise unsupported("LIST with a credential", "Use an external location.")
    if c.take("LIMIT"):
        w = c.peek()
        if w is None or not w.text.isdigit():
            raise syntax(c.near(), "expected a number")
        c.at += 1
        out["options"]["limit"] = w.text
    return out


def moved(word):
    """PUT, GET and REMOVE move files between a volume and the machine of the driver that sends them."""
    def refused(c):
        if c.peek() is None or c.peek().kind != "string":
            return None
        raise unsupported(f"The statement {word}", "Use the Files API, or `databricks fs cp`.")
    return refused
