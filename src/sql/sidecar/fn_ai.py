"""ai_query: a serving endpoint asked for each row. DuckDB calls tarn_ask, whose values come from the server (sql/questions.h)."""
from sqlglot import exp

from catalogue import special, wrong_count
from errors import mismatch, raised, unsupported
from fn_json import parsed_schema, read, written
from kinds import BOOLEAN, STRING, struct, text
from values import E, cast, made

PARAMETERS = ("endpoint", "request", "returntype", "failonerror", "modelparameters", "responseformat", "files")
NOT_BUILT = {"modelparameters": "modelParameters", "responseformat": "responseFormat", "files": "files"}


def given(node):
    """The arguments by their names."""
    out = {}
    for i, a in enumerate(node.expressions):
        if isinstance(a, (exp.Kwarg, exp.PropertyEQ)):
            name = a.this.name.lower()
            if name not in PARAMETERS:
                raise raised("UNRECOGNIZED_PARAMETER_NAME", f"Cannot invoke routine `ai_query` because the routine call included a named argument reference for the argument named `{name}`, but this routine does not include any signature containing an argument with this name.", "4274K")
            value = a.expression
        elif len(out) < i:
            raise raised("UNEXPECTED_POSITIONAL_ARGUMENT", "Cannot invoke routine `ai_query` because it contains positional argument(s) following the named argument.", "4274K")
        else:
            if i >= len(PARAMETERS):
                raise wrong_count("ai_query", "[2, 7]", len(node.expressions))
            name, value = PARAMETERS[i], a
        if name in out:
            raise raised("DUPLICATE_ROUTINE_PARAMETER_ASSIGNMENT.DOUBLE_NAMED_ARGUMENT_REFERENCE", f"Call to routine `ai_query` is invalid because it includes multiple argument assignments to the same parameter name `{name}`.", "4274K")
        out[name] = value
    for name, shown in NOT_BUILT.items():
        if name in out:
            raise unsupported(f"ai_query with {shown}")
    for name in ("endpoint", "request"):
        if name not in out:
            raise raised("REQUIRED_PARAMETER_NOT_FOUND", f"Cannot invoke routine `ai_query` because the parameter named `{name}` is required.", "4274K")
    return out


def literal(c, node, scope, kind, name):
    e = c.compile(node, scope)
    if not e.is_literal or e.kind != kind or e.lit is None:
        raise mismatch("NON_FOLDABLE_INPUT", c.shown(node), f'the input `{name}` should be a foldable "{kind.sql}" expression.')
    return e.lit


def endpoints_of(parts):
    """Endpoints whose answers' types the server must say, because a call has no returnType."""
    out = []
    for part in parts:
        for node in part.find_all(exp.Anonymous):
            if node.name.lower() != "ai_query":
                continue
            args = given(node)
            name = args["endpoint"]
            if "returntype" not in args and isinstance(name, exp.Literal) and name.is_string and name.this not in out:
                out.append(name.this)
    return out


@special("ai_query")
def ai_query(c, node, scope):
    args = given(node)
    name = literal(c, args["endpoint"], scope, STRING, "endpoint")
    each = "failonerror" in args and not literal(c, args["failonerror"], scope, BOOLEAN, "failOnError")
    if "returntype" in args:
        kind = parsed_schema(literal(c, args["returntype"], scope, STRING, "returnType"))
    elif name in c.endpoints:
        kind = parsed_schema(c.endpoints[name])
    else:
        raise unsupported("ai_query without a returnType in this place", "Add returnType => 'DOUBLE', or another type.")
    request = c.compile(args["request"], scope)
    asked = f"CASE WHEN {request.sql} IS NOT NULL THEN {written(request.sql, request.kind, {'ignorenullfields': 'false'}, 0)} END"
    value = "substr(ai_, 2)" if each else "ai_"
    parsed = value if kind == STRING else cast(E(value, STRING), kind, "try").sql if kind.name not in ("struct", "array", "map") else read(f"spark_json_parse({value}, '{kind.name}')", kind, {}, 0, True)
    wrong = (text(f'[AI_FUNCTION_HTTP_PARSE_CAST_ERROR] Failed to parse model output when casting to the specified returnType: "{kind.sql}", response JSON was: "') + f" || {value} || "
             + text('". Please update the returnType to match the contents of the type represented by the response JSON and then retry the query again. SQLSTATE: 2203G'))
    call = f"{'tarn_ask_each' if each else 'tarn_ask'}({c.hole.quoted({'asker': True})}, {text(name)}, {asked})"
    if each:
        result = f"CASE WHEN ai_[1] = 'v' THEN {parsed} END"
        body = f"struct_pack(\"result\" := {result}, \"errorMessage\" := CASE WHEN ai_[1] = 'e' THEN {value} WHEN ai_ IS NOT NULL AND ({parsed}) IS NULL THEN {wrong} END)"
        out_kind = struct([("result", kind), ("errorMessage", STRING)])
    else:
        body = f"CASE WHEN ai_ IS NOT NULL THEN coalesce({parsed}, error({wrong})) END"
        out_kind = kind
    # Through a list of one, so that each row is asked once however often its answer is looked at.
    e = made(f"list_extract(list_transform([{call}], lambda ai_: {body}), 1)", out_kind, request)
    e.volatile, e.foldable = True, False
    return e
