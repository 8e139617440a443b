"""MERGE as a statement: its clauses in order, and the text of its source, which is a query of its own to the server."""
from sqlglot import exp

import table_clauses
import tokens
from errors import syntax, unsupported


def analyzed(tree, sql, out, name_of, no_more):
    no_more(tree, {"this", "using", "on", "using_cond", "whens"})
    if tree.args.get("using_cond") or tree.args.get("on") is None:
        raise syntax("end of input", "MERGE needs ON and a condition")
    if not isinstance(tree.args["using"], (exp.Table, exp.Subquery)):
        raise unsupported("This source of MERGE")
    out.update(kind="merge", target=name_of(tree.this), query_text="SELECT * FROM " + source_text(sql))
    out["evolves"] = table_clauses.evolution(sql)[1]
    if out["evolves"]:
        out["assigned"] = assigned(tree)
    for part in parts_of(tree):
        if part.find(exp.Query):
            raise unsupported("A subquery in a condition or value of MERGE", "Join it into the source.")
    kinds = [kind_of(w) for w in tree.args["whens"].expressions]
    for kind in ("matched", "not_matched", "by_source"):
        same = [w for w, k in zip(tree.args["whens"].expressions, kinds) if k == kind]
        if any(w.args.get("condition") is None for w in same[:-1]):
            raise syntax("'WHEN'", "only the last clause of its kind may omit its condition")


def assigned(tree):
    """The columns that clauses with a source row give values to; `*`: all that the source has."""
    out = []
    for when in tree.args["whens"].expressions:
        then = when.args["then"]
        if kind_of(when) == "by_source":
            continue
        if isinstance(then, exp.Update):
            out += ["*" if isinstance(e, exp.Star) else e.this.name for e in then.expressions if isinstance(e, (exp.Star, exp.EQ))]
        elif isinstance(then, exp.Insert):
            out += ["*"] if isinstance(then.this, exp.Star) else [c.name for c in inserted(then)]
    return out


def inserted(then):
    """The columns that INSERT names; none where it names none."""
    if then.this is None:
        return []
    return then.this.expressions if isinstance(then.this, exp.Tuple) else [then.this.this if isinstance(then.this, exp.Paren) else then.this]


def kind_of(when):
    if when.args.get("matched"):
        return "matched"
    return "by_source" if when.args.get("source") else "not_matched"


def parts_of(tree):
    out = [tree.args["on"]]
    for w in tree.args["whens"].expressions:
        if w.args.get("condition") is not None:
            out.append(w.args["condition"])
        then = w.args["then"]
        if isinstance(then, exp.Update):
            out += [e.expression for e in then.expressions if isinstance(e, exp.EQ)]
        elif isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple):
            out += then.expression.expressions
    return out


def source_text(sql):
    """What stands between USING and ON, as written."""
    depth, start = 0, None
    for w in tokens.words_of(sql):
        if w.kind == "symbol" and w.text in "()":
            depth += 1 if w.text == "(" else -1
        elif depth == 0 and w.kind == "word":
            if start is None and w.text.upper() == "USING":
                start = w.end + 1
            elif start is not None and w.text.upper() == "ON":
                return sql[start:w.start].strip()
    raise syntax("end of input", "MERGE needs USING and ON")
