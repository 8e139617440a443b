"""query |> operator |> operator ...: how it is read. What it means is said by pipes.py."""
from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.parsers.databricks import DatabricksParser
from sqlglot.tokens import TokenType

from errors import raised, syntax

# What may stand behind a single |, which is then no bitwise OR.
OPERATORS = {"SELECT", "EXTEND", "SET", "DROP", "AS", "WHERE", "PIVOT", "UNPIVOT", "TABLESAMPLE", "INNER", "CROSS", "LEFT", "RIGHT", "FULL", "NATURAL", "SEMI", "ANTI", "JOIN", "UNION", "EXCEPT", "MINUS", "INTERSECT",
             "ORDER", "CLUSTER", "DISTRIBUTE", "SORT", "LIMIT", "OFFSET", "AGGREGATE"}
ARRANGING = {TokenType.ORDER_BY: "order", TokenType.CLUSTER_BY: "cluster", TokenType.DISTRIBUTE_BY: "distribute", TokenType.SORT_BY: "sort", TokenType.LIMIT: "limit", TokenType.OFFSET: "offset"}
SAMPLED = "Sampling fraction"


class Piped(exp.Expression, exp.Query):
    """A query and the operators behind it, in their order."""

    arg_types = {"with_": False, "this": True, "expressions": True}

    @property
    def selects(self):
        return []

    @property
    def named_selects(self):
        return []

    @property
    def is_star(self):
        return False


class Operator(exp.Expression):
    """One operator: its `kind`, and of what it is made."""

    arg_types = {"kind": True, "this": False, "expressions": False, "distinct": False, "group": False, "windows": False, **{k: False for k in ARRANGING.values()}}


Databricks.Generator.TRANSFORMS[Operator] = lambda self, e: "|> " + e.args["kind"].upper()
Databricks.Generator.TRANSFORMS[Piped] = lambda self, e: self.sql(e, "this") + " " + " ".join(self.sql(x) for x in e.expressions)


def failed(case):
    return raised("UNSUPPORTED_FEATURE.PIPE_OPERATOR_AGGREGATE_UNSUPPORTED_CASE", f"The feature is not supported: The SQL pipe operator syntax with aggregation (using |> AGGREGATE) does not support {case}.", "0A000")


def alone(symbols):
    """One | before an operator's name stands for |>."""
    for at, token in enumerate(symbols[:-1]):
        if token.token_type == TokenType.PIPE and symbols[at + 1].token_type not in (TokenType.STRING, TokenType.IDENTIFIER) and symbols[at + 1].text.upper().split(" ")[0] in OPERATORS:
            token.token_type = TokenType.PIPE_GT
    return symbols


class PipeParser(DatabricksParser):
    # --- where pipes stand -------------------------------------------------------------------------------------------------------------------
    def _parse_statement(self):
        return self._piped(super()._parse_statement())

    def _parse_select(self, nested=False, table=False, parse_subquery_alias=True, parse_set_operation=True, consume_pipe=True):
        query = self._parse_select_query(nested=nested, table=table, parse_subquery_alias=parse_subquery_alias, parse_set_operation=parse_set_operation)
        # A relation in parentheses leaves the pipe behind it to the query that it is the relation of.
        if not consume_pipe or table and isinstance(query, exp.Subquery):
            return query
        piped = self._piped(query)
        return piped.subquery(copy=False) if table and piped is not query else piped

    def _parse_wrapped_select(self, table=False):
        return self._piped(super()._parse_wrapped_select(table=table))

    def _parse_query_modifiers(self, this):
        return this if isinstance(this, Piped) else super()._parse_query_modifiers(this)

    def _parse_pipe_syntax_query(self, query):
        return self._piped(query)

    def _parse_paren(self):
        out = super()._parse_paren()
        return exp.Subquery(this=out.this) if isinstance(out, exp.Paren) and isinstance(out.this, Piped) else out

    def _parse_function_call(self, functions=None, anonymous=False, optional_parens=True, any_token=False):
        """EXISTS over any query, not only over those that begin with SELECT."""
        out = super()._parse_function_call(functions=functions, anonymous=anonymous, optional_parens=optional_parens, any_token=any_token)
        if isinstance(out, exp.Anonymous) and out.name.upper() == "EXISTS" and len(out.expressions) == 1 and isinstance(out.expressions[0], exp.Query):
            return exp.Exists(this=out.expressions[0])
        return out

    def _parse_subquery(self, this, parse_alias=True):
        """(query) TABLESAMPLE (...) alias."""
        sample = self._parse_table_sample() if this else None
        out = super()._parse_subquery(this, parse_alias)
        if sample is not None:
            out.set("sample", sample)
        return out

    def _piped(self, query):
        if not self._match(TokenType.PIPE_GT, advance=False) or not isinstance(query, (exp.Query, exp.Values, exp.Table)):
            return query
        if not isinstance(query, exp.Table) and any(query.args.get(k) for k in ARRANGING.values()):
            self.raise_error("Put a query that has ORDER BY or LIMIT in parentheses, or write them as operators")
        withs = query.args.get("with_")
        if isinstance(query, Piped):
            out = query
        else:
            out = Piped(this=query, expressions=[])
            if withs is not None:
                query.set("with_", None)
                out.set("with_", withs)
        while self._match(TokenType.PIPE_GT):
            step = self._operator()
            if step is None:
                raise syntax(f"'{self._curr.text if self._curr else 'end of input'}'", "no pipe operator")
            out.append("expressions", step)
        final = self._arranging()
        if final:
            out.append("expressions", Operator(kind="order", **final))
        elif self._match_set(self.SET_OPERATIONS, advance=False):
            return self._piped(self._parse_set_operations(out))
        return out

    # --- operators ---------------------------------------------------------------------------------------------------------------------------
    def _operator(self):
        word = self._curr.text.upper() if self._curr and self._curr.token_type not in (TokenType.STRING, TokenType.IDENTIFIER) else ""
        kind = self._curr.token_type if self._curr else None
        if word in ("SELECT", "EXTEND", "SET", "DROP", "AS", "WHERE", "AGGREGATE"):
            self._advance()
            return getattr(self, "_pipe_" + word.lower())()
        if word in ("PIVOT", "UNPIVOT"):
            return self._pipe_pivot(word)
        if word == "TABLESAMPLE":
            self._pipe_sample_checked()
            return Operator(kind="tablesample", this=self._parse_table_sample())
        if kind in ARRANGING:
            found = self._arranging()
            words = [w for k, w in (("order", "ORDER BY"), ("cluster", "CLUSTER BY"), ("distribute", "DISTRIBUTE BY"), ("sort", "SORT BY"), ("limit", "LIMIT"), ("offset", "OFFSET")) if found.get(k) is not None]
            if words[0] not in ("LIMIT", "OFFSET") and words[-1] in ("LIMIT", "OFFSET"):
                raise raised("MULTIPLE_QUERY_RESULT_CLAUSES_WITH_PIPE_OPERATORS", f"{words[0]} and {words[-1]} cannot coexist in the same SQL pipe operator using '|>'. Please separate the multiple result clauses into separate pipe operators and then retry the query again.", "42000")
            return Operator(kind="order", **found)
        if kind in self.SET_OPERATIONS:
            return self._pipe_set_operation()
        join = self._parse_join() if kind != TokenType.COMMA else None
        return Operator(kind="join", this=join) if join is not None else None

    def _pipe_select(self):
        hint = self._parse_hint()
        distinct = None
        if not self._match(TokenType.ALL) and self._match(TokenType.DISTINCT):
            distinct = exp.Distinct()
        listed = self._parse_expressions()
        if not listed:
            self.raise_error("Expected an expression")
        group = self._parse_group() if self._match(TokenType.GROUP_BY, advance=False) else None
        windows = []
        while self._match(TokenType.WINDOW, advance=False):
            found = self._parse_window_clause()
            windows = windows or found  # a second clause is read, and its windows are not found: as Spark does
        return Operator(kind="select", expressions=listed, distinct=distinct, group=group, windows=windows or None, this=hint)

    def _pipe_extend(self):
        listed = self._parse_expressions()
        if not listed:
            self.raise_error("Expected an expression")
        return Operator(kind="extend", expressions=listed)

    def _pipe_set(self):
        def assignment():
            parts = self._pipe_name()
            if not self._match(TokenType.EQ):
                self.raise_error("Expected =")
            value = self._parse_disjunction()
            if value is None:
                self.raise_error("Expected an expression")
            if len(parts) > 1:
                raise raised("_LEGACY_ERROR_TEMP_0035", "Operation not allowed: SQL pipe syntax |> SET operator with multi-part assignment key (only single-part keys are allowed).", "42000")
            return exp.EQ(this=exp.Column(this=parts[0]), expression=value)

        return Operator(kind="set", expressions=self._parse_csv(assignment))

    def _pipe_name(self):
        parts = []
        while not parts or self._match(TokenType.DOT):
            part = None if self._match_set((TokenType.NUMBER, TokenType.STRING), advance=False) else self._parse_id_var(any_token=True)
            if part is None:
                self.raise_error("Expected a name")
            parts.append(part)
        return parts

    def _pipe_drop(self):
        def name():
            parts = self._pipe_name()
            out = exp.Column(**dict(zip(("this", "table", "db", "catalog"), reversed(parts[:4]))))
            for field in parts[4:]:
                out = exp.Dot(this=out, expression=field)
            return out

        return Operator(kind="drop", expressions=self._parse_csv(name))

    def _pipe_as(self):
        name = self._parse_id_var(any_token=False)
        if name is None:
            self.raise_error("Expected a name")
        if self._curr and self._curr.token_type == TokenType.DASH and self._prev.end + 1 == self._curr.start and self._next:
            shown = f"{name.name}-{self._next.text}"
            raise raised("INVALID_IDENTIFIER", f"The unquoted identifier {shown} is invalid and must be back quoted as: `{shown}`. Unquoted identifiers can only contain ASCII letters ('a' - 'z', 'A' - 'Z'), digits ('0' - '9'), and underbar ('_').", "42602")
        return Operator(kind="as", this=name)

    def _pipe_where(self):
        condition = self._parse_disjunction()
        if condition is None:
            self.raise_error("Expected a condition")
        if self._match(TokenType.WINDOW, advance=False):
            raise raised("NOT_ALLOWED_IN_PIPE_OPERATOR_WHERE.WINDOW_CLAUSE", "Not allowed in the pipe WHERE clause: Add a WINDOW clause to a |> SELECT before it.", "42601")
        return Operator(kind="where", this=condition)

    def _pipe_pivot(self, word):
        pivot = self._parse_pivot()
        if pivot is None:
            self.raise_error(f"Expected what {word} is made of")
        following = self._curr.text.upper() if self._curr else ""
        if following in ("PIVOT", "UNPIVOT"):
            if following == word:
                raise syntax(f"'{following.lower()}'")
            raise raised("NOT_ALLOWED_IN_FROM.UNPIVOT_WITH_PIVOT", "Not allowed in the FROM clause: UNPIVOT clause together with PIVOT clause.", "42601")
        return Operator(kind="pivot", this=pivot)

    def _pipe_sample_checked(self):
        """What a sample's size cannot be."""
        rest = [t.text.upper() for t in self._tokens[self._index + 1:self._index + 7]] + [""] * 6
        if rest[0] != "(":
            return
        if rest[1] == ")":
            raise raised("_LEGACY_ERROR_TEMP_0014", "TABLESAMPLE does not accept empty inputs.", "42000")
        if rest[1] == "-" and rest[3] in ("PERCENT", "%"):
            raise raised("_LEGACY_ERROR_TEMP_0064", f"{SAMPLED} (-{rest[2]} percent) must be on interval [0, 1].", "42000")
        if rest[1] == "-" and rest[3] == "ROWS":
            raise raised("INVALID_LIMIT_LIKE_EXPRESSION.IS_NEGATIVE", f"The limit like expression \"-{rest[2]}\" is invalid. The limit expression must be equal to or greater than 0, but got -{rest[2]}.", "42K0E")
        if rest[2] == "ROWS" and not rest[1].isdigit():
            raise raised("INVALID_LIMIT_LIKE_EXPRESSION.IS_UNFOLDABLE", f"The limit like expression \"{rest[1].lower()}\" is invalid. The limit expression must evaluate to a constant value.", "42K0E")
        if rest[1] == "BUCKET" and rest[2].isdigit() and rest[5].isdigit() and int(rest[2]) > int(rest[5]):
            raise raised("_LEGACY_ERROR_TEMP_0064", f"{SAMPLED} ({int(rest[2]) / max(int(rest[5]), 1)}) must be on interval [0, 1].", "42000")
        if rest[2] in ("B", "BYTES") or rest[1][:-1].isdigit() and rest[1].endswith("B"):
            raise raised("_LEGACY_ERROR_TEMP_0015", "TABLESAMPLE(byteLengthLiteral) is not supported.", "42000")
        if rest[2] == ")":
            raise raised("_LEGACY_ERROR_TEMP_0016", f"{rest[1].lower()} is not a valid number of bytes: expected a number followed by B, or PERCENT, or ROWS.", "42000")

    def _pipe_set_operation(self):
        kind = {TokenType.UNION: exp.Union, TokenType.EXCEPT: exp.Except}.get(self._curr.token_type, exp.Intersect)
        self._advance()
        distinct = not self._match(TokenType.ALL)
        if distinct:
            self._match(TokenType.DISTINCT)
        if self._match_text_seq("BY", "NAME"):
            self.raise_error("BY NAME is none of a pipe's")
        right = self._parse_select(nested=True, parse_set_operation=False, consume_pipe=False)
        if right is None:
            self.raise_error("Expected a query")
        if not isinstance(right, exp.Subquery) and any(right.args.get(k) for k in ARRANGING.values()):
            self.raise_error("Put a query that has ORDER BY or LIMIT in parentheses, or write them as operators")
        return Operator(kind="union", this=kind(this=exp.Values(expressions=[]), expression=right, distinct=distinct))

    def _pipe_aggregate(self):
        values, keys = [], []
        ends = lambda: not self._curr or self._curr.token_type in (TokenType.PIPE_GT, TokenType.R_PAREN, TokenType.SEMICOLON)
        if not self._match(TokenType.GROUP_BY, advance=False):
            values = self._parse_expressions()
        if not self._match(TokenType.GROUP_BY):
            if not values:
                raise raised("_LEGACY_ERROR_TEMP_0035", "Operation not allowed: The AGGREGATE clause requires a list of aggregate expressions or a list of grouping expressions, or both.", "42000")
        elif ends() and not values:
            values = [exp.Alias(this=exp.column("group"), alias=exp.to_identifier("by"))]  # which it then reads as
        else:
            words = [t.text.upper() for t in self._tokens[self._index:self._index + 2]] + ["", ""]
            if words[0] == "ALL" and words[1] in ("", "|>", ")", ";"):
                raise failed("GROUP BY ALL")
            if words[0] in ("ROLLUP", "CUBE") and words[1] == "(":
                raise failed("GROUP BY " + words[0])
            if words[0] == "(" and words[1] == ")":
                raise syntax("')'")
            keys = self._parse_expressions() if words[0] != "GROUPING SETS" else []
            rest = " ".join(t.text.upper() for t in self._tokens[self._index:self._index + 2])
            for word, case in (("GROUPING", "GROUPING SETS"), ("WITH ROLLUP", "GROUP BY ROLLUP"), ("WITH CUBE", "GROUP BY CUBE")):
                if rest.startswith(word):
                    raise failed(case)
        if not ends() and self._match_text_seq("HAVING", advance=False):
            self.raise_error("Write |> WHERE")
        for value in values:
            for call in value.find_all(exp.Anonymous):
                if call.name.lower() in ("grouping", "grouping_id"):
                    raise failed(call.name.upper())
        return Operator(kind="aggregate", expressions=values, group=exp.Group(expressions=keys))

    def _arranging(self):
        """ORDER BY, LIMIT and their like, by name: each once, in this order."""
        out, places = {}, list(ARRANGING)
        while self._curr and self._curr.token_type in places:
            del places[:places.index(self._curr.token_type) + 1]
            key, value = self.QUERY_MODIFIER_PARSERS[self._curr.token_type](self)
            if value is None:
                break
            out[key] = value
            offset = value.args.get("offset") if key == "limit" else None
            if offset is not None:
                value.set("offset", None)
                out["offset"] = exp.Offset(expression=offset)
        sorting = [k for k in ("order", "sort", "cluster", "distribute") if k in out]
        if len(sorting) > 1 and sorting != ["sort", "distribute"]:
            raise raised("UNSUPPORTED_FEATURE.COMBINATION_QUERY_RESULT_CLAUSES", "The feature is not supported: Combination of ORDER BY/SORT BY/DISTRIBUTE BY/CLUSTER BY.", "0A000")
        return out
