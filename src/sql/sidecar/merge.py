"""MERGE as a statement: its clauses in order, and the text of its source, which is a query of its own to the server."""
from sqlglot import exp

import table_clauses
import tokens
from errors import raised, syntax, unsupported


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
    subqueries(tree)
    kinds = [kind_of(w) for w in tree.args["whens"].expressions]
    for kind in ("matched", "not_matched", "by_source"):
        same = [w for w, k in zip(tree.args["whens"].expressions, kinds) if k == kind]
        if any(w.args.get("condition") is None for w in same[:-1]):
            raise syntax("'WHEN'", "only the last clause of its kind may omit its condition")


def subqueries(tree):
    """Delta takes a subquery in a value only, and there one that yields a value: its texts."""
    conditions = [("search", tree.args["on"])]
    for when in tree.args["whens"].expressions:
        then = when.args["then"]
        if when.args.get("condition") is not None:
            conditions.append(("UPDATE" if isinstance(then, exp.Update) else "INSERT" if isinstance(then, exp.Insert) else "DELETE", when.args["condition"]))
    for where, condition in conditions:
        if condition.find(exp.Query):
            raise raised("DELTA_UNSUPPORTED_SUBQUERY", f"Subqueries are not supported in the {where} condition of MERGE operation (condition = {condition.sql('databricks', comments=False)}). Join it into the source.", "0AKDC")
    for value in values_of(tree):
        for query in value.find_all(exp.Query):
            above = query.parent
            while isinstance(above, (exp.Subquery, exp.Paren)):
                above = above.parent
            if query.find_ancestor(exp.Query) is None and isinstance(above, (exp.Exists, exp.In)):
                raise raised("UNSUPPORTED_SUBQUERY_EXPRESSION_CATEGORY.UNSUPPORTED_IN_EXISTS_SUBQUERY", "Unsupported subquery expression: IN/EXISTS predicate subqueries are not supported in the values of MERGE. Join it into the source.", "0A000")


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
    return [tree.args["on"]] + [w.args["condition"] for w in tree.args["whens"].expressions if w.args.get("condition") is not None] + values_of(tree)


def values_of(tree):
    out = []
    for w in tree.args["whens"].expressions:
        then = w.args["then"]
        if isinstance(then, exp.Update):
            out += [e.expression for e in then.expressions if isinstance(e, exp.EQ)]
        elif isinstance(then, exp.Insert) and isinstance(then.expression, exp.Tuple):
            out += then.expression.expressions
        elif isinstance(then, exp.Insert) and isinstance(then.expression, exp.Paren):
            out.append(then.expression.this)
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
