"""Databricks SQL as sqlglot parses it, but with every function left as it was written: what a function means is said by one table (catalogue.py)."""
from sqlglot import exp
from sqlglot.dialects.databricks import Databricks
from sqlglot.parsers.databricks import DatabricksParser
from sqlglot.tokens import Token, TokenType

import pipe_syntax

KEPT = ("CAST", "TRY_CAST", "EXTRACT", "TRIM")
UNITS = {u + s for u in ("YEAR", "MONTH", "WEEK", "DAY", "HOUR", "MINUTE", "SECOND", "MILLISECOND", "MICROSECOND", "NANOSECOND") for s in ("", "S")}
TYPED = {"DATE": "DATE", "TIMESTAMP": "TIMESTAMPTZ", "TIMESTAMP_NTZ": "TIMESTAMPNTZ", "TIMESTAMP_LTZ": "TIMESTAMPTZ", "TIME": "TIME"}


class SparkParser(pipe_syntax.PipeParser):
    SUPPORTS_TABLE_QUERY = True
    FUNCTIONS = {}
    NO_PAREN_FUNCTIONS = {}
    NO_PAREN_FUNCTION_PARSERS = {k: v for k, v in DatabricksParser.NO_PAREN_FUNCTION_PARSERS.items() if k in ("CASE", "ANY")}
    FUNCTION_PARSERS = {
        **{k: v for k, v in DatabricksParser.FUNCTION_PARSERS.items() if k in KEPT},
        "SUBSTRING": lambda self: self._parse_cut("substring"), "SUBSTR": lambda self: self._parse_cut("substr"), "OVERLAY": lambda self: self._parse_overlaid(), "POSITION": lambda self: self._parse_place(),
        "TIME_DIFF": lambda self: self._parse_plain("time_diff"),
    }
    FUNCTIONS_WITH_ALIASED_ARGS = {"STRUCT", "NAMED_STRUCT"}
    ARRAY_CONSTRUCTORS = {}
    UNARY_PARSERS = {**DatabricksParser.UNARY_PARSERS, TokenType.PLUS: lambda self: self._parse_signed()}

    def _parse_signed(self):
        """+x: the text '1' becomes a number by it."""
        this = self._operand(self._parse_unary())
        return this if isinstance(this, exp.Literal) and not this.is_string else self.expression(exp.Anonymous(this="positive", expressions=[this]))

    def _parse_string_as_identifier(self):
        """"x" is a text here, never a name."""
        return None

    def _advance_any(self, ignore_reserved=False):
        return None if self._curr is not None and self._curr.token_type == TokenType.STRING else super()._advance_any(ignore_reserved)

    def _parse_plain(self, name):
        return self.expression(exp.Anonymous(this=name, expressions=self._parse_csv(self._parse_lambda)))

    def _parse_cut(self, name):
        """substring(a, 2, 3) and substring(a FROM 2 FOR 3)."""
        args = self._parse_csv(self._parse_lambda)
        if self._match(TokenType.FROM):
            args.append(self._parse_bitwise())
            if self._match(TokenType.FOR):
                args.append(self._parse_bitwise())
        return self.expression(exp.Anonymous(this=name, expressions=args))

    def _parse_overlaid(self):
        args = self._parse_csv(self._parse_lambda)
        if self._match_text_seq("PLACING"):
            args.append(self._parse_bitwise())
            self._match(TokenType.FROM)
            args.append(self._parse_bitwise())
            if self._match(TokenType.FOR):
                args.append(self._parse_bitwise())
        return self.expression(exp.Anonymous(this="overlay", expressions=args))

    def _parse_place(self):
        first = self._parse_bitwise()
        if self._match(TokenType.IN):
            return self.expression(exp.Anonymous(this="position", expressions=[first, self._parse_bitwise()]))
        args = [first] if first is not None else []
        while self._match(TokenType.COMMA):
            args.append(self._parse_lambda())
        return self.expression(exp.Anonymous(this="position", expressions=args))

    def _parse_interval(self, require_interval=True, parse_function_unit=True):
        index = self._index
        if not self._match(TokenType.INTERVAL):
            return None
        parts = []
        while self._curr:
            start, sign = self._index, 1
            if self._match(TokenType.DASH):
                sign = -1
            else:
                self._match(TokenType.PLUS)
            token = self._curr
            if token is None or token.token_type not in (TokenType.STRING, TokenType.NUMBER):
                self._retreat(start)
                break
            self._advance()
            is_text = token.token_type == TokenType.STRING
            unit = self._curr.text if self._curr is not None and self._curr.text.upper() in UNITS and self._curr.token_type != TokenType.STRING else None
            if unit is None:
                if parts:
                    self._retreat(start)
                    break
                if not is_text:
                    self.raise_error("Expected the unit of an interval", self._curr or token)
                parts.append((sign, token.text, None, None, True))
                break
            self._advance()
            to = None
            if self._curr is not None and self._curr.text.upper() == "TO":
                self._advance()
                to = self._curr.text if self._curr is not None else ""
                self._advance()
            parts.append((sign, token.text, unit, to, is_text))
        if not parts:
            self._retreat(index)
            return None
        out = exp.Interval(this=exp.Literal.string(" ".join(f"{'-' if s < 0 else ''}{v}{' ' + u if u else ''}{' to ' + t if t else ''}" for s, v, u, t, _ in parts)))
        out.args["parts"] = parts
        return out

    def _parse_type(self, parse_interval=True, fallback_to_identifier=False):
        token, following = self._curr, self._next
        if token is not None and token.text.upper() in TYPED and token.token_type != TokenType.STRING and following is not None and following.token_type == TokenType.STRING:
            self._advance(2)
            out = exp.Cast(this=exp.Literal.string(following.text), to=exp.DataType.build(TYPED[token.text.upper()]))
            out.args["typed"] = True
            return self._parse_column_ops(out)
        return super()._parse_type(parse_interval=parse_interval, fallback_to_identifier=fallback_to_identifier)

    def _parse_types(self, *args, **options):
        """GEOMETRY(ANY) and GEOGRAPHY(ANY)."""
        token, following = self._curr, self._tokens[self._index + 1:self._index + 4]
        if token is not None and token.text.upper() in ("GEOMETRY", "GEOGRAPHY") and [t.text.upper() for t in following] == ["(", "ANY", ")"]:
            self._advance(4)
            return exp.DataType(this=exp.DataType.Type[token.text.upper()], expressions=[exp.DataTypeParam(this=exp.var("any"))])
        return super()._parse_types(*args, **options)

    def _operand(self, this):
        if this is None:
            self.raise_error("Expected an expression")
        return this

    # Spark's order of the operators between comparison and addition: shifts, &, ^, |.
    def _parse_bitwise(self):
        this = self._parse_exclusive()
        while self._match(TokenType.PIPE):
            this = self.expression(exp.BitwiseOr(this=this, expression=self._parse_exclusive()))
        return this

    def _parse_exclusive(self):
        this = self._parse_both()
        while self._match(TokenType.CARET):
            this = self.expression(exp.BitwiseXor(this=this, expression=self._parse_both()))
        return this

    def _parse_both(self):
        this = self._parse_shifted()
        while self._match(TokenType.AMP):
            this = self.expression(exp.BitwiseAnd(this=this, expression=self._parse_shifted()))
        return this

    def _parse_shifted(self):
        this = self._parse_joined()
        while True:
            if self._touching(TokenType.LT):
                self._advance(2)
                name = "shiftleft"
            elif self._touching(TokenType.GT):
                self._advance(2)
                name = "shiftright"
                if self._curr is not None and self._curr.token_type == TokenType.GT and self._prev.end + 1 == self._curr.start:
                    self._advance()
                    name = "shiftrightunsigned"
            else:
                return this
            this = self.expression(exp.Anonymous(this=name, expressions=[self._operand(this), self._operand(self._parse_joined())]))

    def _parse_pivot_aggregation(self):
        """Also what is computed with an aggregate: avg(a) + 1 AS b. Which parts must be aggregates is asked where it is compiled."""
        start = self._index
        call = self._parse_function()
        if call and not (self._curr is not None and self._curr.token_type in (TokenType.PLUS, TokenType.DASH, TokenType.STAR, TokenType.SLASH, TokenType.MOD)):
            return self._parse_alias(call)
        self._retreat(start)
        value = self._parse_term()
        if not value:
            self.raise_error("Expecting an aggregation function in PIVOT")
        return self._parse_alias(value)

    def _touching(self, kind):
        """Two of one sign with nothing between them."""
        return self._curr is not None and self._next is not None and self._curr.token_type == kind and self._next.token_type == kind and self._curr.end + 1 == self._next.start

    def _parse_joined(self):
        this = self._parse_term()
        while self._match(TokenType.DPIPE):
            this = self.expression(exp.DPipe(this=this, expression=self._parse_factor()))
            while self._match_set(self.TERM):
                klass = self.TERM[self._prev.token_type]
                this = self.expression(klass(this=this, expression=self._parse_factor()))
        return this


class Spark(Databricks):
    Parser = SparkParser

    def tokenize(self, sql, **options):
        """'it''s' is one string with a quote in it; 'it' 's' are two, which Spark joins."""
        out = []
        for t in super().tokenize(sql, **options):
            last = out[-1] if out else None
            if last is not None and t.token_type == last.token_type == TokenType.STRING and last.end + 1 == t.start and sql[last.end] == sql[t.start]:
                out[-1] = Token(TokenType.STRING, last.text + sql[t.start] + t.text, last.line, last.col, last.start, t.end, last.comments)
            else:
                out.append(t)
        return pipe_syntax.alone(out)
