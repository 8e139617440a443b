"""The one table of functions: for each name its arguments, its result, and the DuckDB text that computes it. What is not here is not known."""
from errors import mismatch, raised
from kinds import BIGINT, BINARY, BOOLEAN, DATE, DOUBLE, INT, NTZ, STRING, TIMESTAMP, VOID, array, decimal, integral, numeric
from values import E, cast, implicit, literal_of, made

FUNCTIONS = {}  # name -> build(compiler, node, scope) -> E
AGGREGATES = {}  # name -> build(compiler, call, scope) -> E, where call is an aggregate's parts
GENERATORS = {}  # name -> build(compiler, node, scope, outer) -> (columns, sql of a relation)
NAMED_ARGUMENTS = {}  # name -> parameter names in order, for f(name => value)

SCALARS = {"string": STRING, "int": INT, "bigint": BIGINT, "double": DOUBLE, "boolean": BOOLEAN, "date": DATE, "timestamp": TIMESTAMP, "ntz": NTZ, "binary": BINARY}
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")


def wrong_count(name, wanted, got):
    return raised("WRONG_NUM_ARGS.WITHOUT_SUGGESTION", f"The `{name}` requires {wanted} parameters but the actual number is {got}.", "42605")


def wrong_type(name, shown, i, wanted, got):
    return mismatch("UNEXPECTED_INPUT_TYPE", shown, f'The {ORDINALS[min(i, 9)]} parameter requires the {wanted} type, however the argument has the type "{got.sql}".')


def accepts(token, e):
    """The argument as this token of a signature takes it, or nothing."""
    k = e.kind
    if "|" in token:
        # A choice of types takes what is one of them as it is; else the first that converts.
        for t in token.split("|"):
            if t in SCALARS and k == SCALARS[t] or t not in SCALARS and accepts(t, e) is not None and k.name not in ("string", "void"):
                return accepts(t, e)
        if k.name == "void" or k.name == "string":
            return next((a for a in (accepts(t, e) for t in token.split("|")) if a is not None), None)
        if integral(k) and "bigint" in token.split("|"):
            return cast(e, BIGINT)
        if numeric(k) and "double" in token.split("|"):
            return cast(e, DOUBLE)
        if token.split("|")[0] == "string":
            return implicit(e, STRING)
        return None
    if token in SCALARS:
        return implicit(e, SCALARS[token])
    if token == "any":
        return e
    if token == "num":
        return e if numeric(k) else cast(e, DOUBLE) if k.name in ("string", "void") else None
    if token == "integral":
        return e if integral(k) else cast(e, BIGINT) if k.name in ("string",) else cast(e, INT) if k.name == "void" else None
    if token == "decimal":
        return e if k.name == "decimal" else None
    if token in ("array", "map", "struct"):
        return e if k.name == token else literal_of(None, array(VOID)) if token == "array" and k == VOID else None
    if token == "list":  # an array, and no NULL in its place
        return e if k.name == "array" else None
    if token == "text":  # STRING as it is: nothing converts to it
        return e if k == STRING else cast(e, STRING) if k.name == "void" else None
    if token == "void":
        return e if k.name == "void" else None
    if token in ("dt", "ym", "interval", "time"):
        return e if k.name == token else None
    if token == "orderable":
        return e
    raise ValueError(token)


SHOWN = {"text": '"STRING"', "num": '"NUMERIC"', "integral": '"INTEGRAL"', "ntz": '"TIMESTAMP_NTZ"', "any": '"ANY"', "list": '"ARRAY"'}


def shown_token(token):
    parts = [SHOWN.get(t, f'"{t.upper()}"') for t in token.split("|")]
    return parts[0] if len(parts) == 1 else "(" + " or ".join(parts) + ")"


def arguments(compiler, name, node, signature, scope):
    """The arguments of a call, compiled and converted to a signature such as "string,int?,any*"."""
    tokens = [t for t in signature.split(",") if t]
    given = compiler.positional(name, node)
    least = sum(1 for t in tokens if t[-1] not in "?*")
    most = 10**9 if tokens and tokens[-1][-1] == "*" else len(tokens)
    if not least <= len(given) <= most:
        wanted = str(least) if least == most else f"> {least - 1}" if most == 10**9 else "[" + ", ".join(str(i) for i in range(least, most + 1)) + "]"
        raise wrong_count(name, wanted, len(given))
    out = []
    for i, g in enumerate(given):
        token = tokens[min(i, len(tokens) - 1)].rstrip("?*")
        e = compiler.compile(g, scope)
        taken = accepts(token, e)
        if taken is None:
            raise wrong_type(name, compiler.shown(node), i, shown_token(token), e.kind)
        out.append(taken)
    return out


def define(names, signature, result, template, volatile=False):
    """A function that is one DuckDB text: `result` a Kind or a function of the arguments, `template` a format or a function of them."""
    def build(compiler, node, scope):
        args = arguments(compiler, node.name.lower(), node, signature, scope)
        kind = result(args) if callable(result) else result
        sql = template(*args) if callable(template) else template.format(*[a.sql for a in args])
        if isinstance(sql, E):
            return sql
        e = made(sql, kind, *args)
        if volatile:
            e.volatile, e.foldable = True, False
        return e

    for n in names.split():
        FUNCTIONS[n] = build


def special(names):
    """A function that builds itself: f(compiler, node, scope) -> E."""
    def mark(f):
        for n in names.split():
            FUNCTIONS[n] = f
        return f
    return mark


def generator(names):
    def mark(f):
        for n in names.split():
            GENERATORS[n] = f
        return f
    return mark


def aggregate(names):
    def mark(f):
        for n in names.split():
            AGGREGATES[n] = f
        return f
    return mark


def named(name, *parameters):
    NAMED_ARGUMENTS[name] = parameters


def same(args):
    return args[0].kind
