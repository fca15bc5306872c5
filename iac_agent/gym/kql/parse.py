"""The grammar: a query text becomes a table, and steps over it whose expressions are trees.

Precedence, lowest first: or, and, comparison, addition, multiplication, unary, postfix.
Source: https://learn.microsoft.com/kusto/query/?view=microsoft-fabric (syntax of the operators).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, NamedTuple


class KqlError(ValueError):
    """The query cannot be read or run; the message says where and why, as Kusto does."""


@dataclass(frozen=True)
class Literal:
    value: Any


@dataclass(frozen=True)
class Name:
    name: str


@dataclass(frozen=True)
class Member:
    of: Expression
    key: Expression


@dataclass(frozen=True)
class Call:
    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Operation:
    operator: str
    operands: tuple[Expression, ...]


Expression = Literal | Name | Member | Call | Operation


@dataclass(frozen=True)
class Column:
    """An expression with the name its column gets; `descending` matters only in `order by`."""

    name: str
    value: Expression
    descending: bool = True


@dataclass(frozen=True)
class Step:
    """One operator after a pipe. `columns` and `by` are its expressions, `options` what else it says, `inner` a joined query."""

    operator: str
    columns: tuple[Column, ...] = ()
    by: tuple[Column, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    inner: tuple[Query, ...] = ()


@dataclass(frozen=True)
class Query:
    table: str
    steps: tuple[Step, ...]


class Token(NamedTuple):
    kind: str
    text: str
    position: int


_TOKEN = re.compile(
    r"""(?P<space>\s+|//[^\n]*)
    |(?P<string>@?"(?:[^"\\]|\\.)*"|@?'(?:[^'\\]|\\.)*')
    |(?P<timespan>\d+(?:\.\d+)?(?:ms|d|h|m|s)\b)
    |(?P<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    |(?P<word>!(?:in~?|has|has_cs|contains|contains_cs|startswith|endswith|between)(?!\w)
        |(?:in|has_any|has_all)~|project-away|project-rename|mv-expand|[A-Za-z_$]\w*)
    |(?P<sign>=~|!~|==|!=|<=|>=|\.\.|[|()\[\]{},.=<>+\-*/%:;])""",
    re.VERBOSE,
)
_WORD_OPERATORS = {
    *("in", "in~", "!in", "!in~", "has", "!has", "has_cs", "has_any", "has_all", "contains", "!contains", "contains_cs", "!contains_cs"),
    *("startswith", "!startswith", "endswith", "!endswith", "matches", "between", "!between"),
}
_SIGN_OPERATORS = {"==", "!=", "=~", "!~", "<", "<=", ">", ">="}
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds", "ms": "milliseconds"}


def tokens(text: str) -> list[Token]:
    found, position = [], 0
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise KqlError(f"Query is invalid: unexpected character {text[position]!r} at position {position}.")
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match[0], position))
        position = match.end()
    return [*found, Token("end", "", len(text))]


def parse(text: str) -> Query:
    """The query. Raises KqlError."""
    parser = _Parser(tokens(text))
    query = parser.query()
    if parser.peek.kind != "end" and parser.peek.text != ";":
        raise parser.wrong("the end of the query")
    return query


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self.tokens, self.at = found, 0

    @property
    def peek(self) -> Token:
        return self.tokens[self.at]

    def next(self) -> Token:
        self.at += 1
        return self.tokens[self.at - 1]

    def accept(self, *texts: str) -> bool:
        if self.peek.text.lower() in texts and self.peek.kind != "string":
            self.at += 1
            return True
        return False

    def expect(self, text: str) -> None:
        if not self.accept(text):
            raise self.wrong(text)

    def wrong(self, wanted: str) -> KqlError:
        return KqlError(f"Query is invalid: {wanted} expected at position {self.peek.position}, found {self.peek.text or 'the end'!r}.")

    def word(self) -> str:
        if self.peek.kind != "word":
            raise self.wrong("a name")
        return self.next().text

    # --- operators -----------------------------------------------------------------------------------------------

    def query(self) -> Query:
        table = self.word()
        steps = []
        while self.accept("|"):
            steps.append(self._step())
        return Query(table, tuple(steps))

    def _step(self) -> Step:
        operator = self.word().lower()
        match operator:
            case "where" | "filter":
                return Step("where", (Column("", self.expression()),))
            case "project" | "extend" | "distinct" | "project-away" | "project-rename":
                return Step(operator, self._columns())
            case "order" | "sort":
                self.expect("by")
                return Step("order", self._ordered())
            case "take" | "limit":
                return Step("take", options={"rows": self._number()})
            case "top":
                rows = self._number()
                self.expect("by")
                return Step("top", self._ordered(), options={"rows": rows})
            case "count":
                return Step("count")
            case "summarize":
                columns = () if self.peek.text.lower() == "by" else self._columns()
                return Step("summarize", columns, self._columns() if self.accept("by") else ())
            case "mv-expand" | "mvexpand":
                return self._expand()
            case "join":
                return self._join()
            case "union":
                return Step("union", inner=(self._inner(),))
        raise KqlError(f"Query is invalid: the operator {operator} is not supported here.")

    def _expand(self) -> Step:
        columns = self._columns()
        kinds = {}
        if self.accept("to"):
            self.expect("typeof")
            self.expect("(")
            kinds["type"] = self.word()
            self.expect(")")
        return Step("mv-expand", columns, options=kinds)

    def _join(self) -> Step:
        kind = "innerunique"
        if self.accept("kind"):
            self.expect("=")
            kind = self.word().lower()
        inner = self._inner()
        self.expect("on")
        pairs = []
        while True:
            pairs.append(self._join_key())
            if not self.accept(","):
                return Step("join", options={"kind": kind, "on": tuple(pairs)}, inner=(inner,))

    def _join_key(self) -> tuple[str, str]:
        if not self.accept("$left"):
            name = self.word()
            return name, name
        self.expect(".")
        left = self.word()
        self.expect("==")
        self.expect("$right")
        self.expect(".")
        return left, self.word()

    def _inner(self) -> Query:
        self.expect("(")
        inner = self.query()
        self.expect(")")
        return inner

    def _columns(self) -> tuple[Column, ...]:
        found = [self._column(0)]
        while self.accept(","):
            found.append(self._column(len(found)))
        return tuple(found)

    def _column(self, number: int) -> Column:
        if self.peek.text == "*" and self.next():
            return Column("*", Name("*"))
        following = self.tokens[self.at + 1]
        if self.peek.kind == "word" and following.text == "=":
            name = self.word()
            self.expect("=")
            return Column(name, self.expression())
        value = self.expression()
        return Column(default_name(value, number), value)

    def _ordered(self) -> tuple[Column, ...]:
        found = []
        while True:
            value = self.expression()
            descending = not self.accept("asc") and (self.accept("desc") or True)
            if self.accept("nulls"):
                self.word()
            found.append(Column("", value, descending))
            if not self.accept(","):
                return tuple(found)

    def _number(self) -> int:
        if self.peek.kind != "number":
            raise self.wrong("a number")
        return int(self.next().text)

    # --- expressions ---------------------------------------------------------------------------------------------

    def expression(self) -> Expression:
        left = self._and()
        while self.accept("or"):
            left = Operation("or", (left, self._and()))
        return left

    def _and(self) -> Expression:
        left = self._comparison()
        while self.accept("and"):
            left = Operation("and", (left, self._comparison()))
        return left

    def _comparison(self) -> Expression:
        left = self._sum()
        operator = self.peek.text.lower()
        if self.peek.kind == "sign" and operator in _SIGN_OPERATORS:
            self.next()
            return Operation(operator, (left, self._sum()))
        if self.peek.kind != "word" or operator not in _WORD_OPERATORS:
            return left
        self.next()
        if operator == "matches":
            self.expect("regex")
        if operator in ("in", "in~", "!in", "!in~", "has_any", "has_all"):
            self.expect("(")
            return Operation(operator, (left, *self._arguments(")")))
        if operator.endswith("between"):
            self.expect("(")
            low = self._sum()
            self.expect("..")
            high = self._sum()
            self.expect(")")
            return Operation(operator, (left, low, high))
        return Operation(operator, (left, self._sum()))

    def _sum(self) -> Expression:
        left = self._product()
        while self.peek.kind == "sign" and self.peek.text in "+-":
            left = Operation(self.next().text, (left, self._product()))
        return left

    def _product(self) -> Expression:
        left = self._unary()
        while self.peek.kind == "sign" and self.peek.text in "*/%":
            left = Operation(self.next().text, (left, self._unary()))
        return left

    def _unary(self) -> Expression:
        if self.accept("-"):
            return Operation("negate", (self._unary(),))
        value = self._primary()
        while True:
            if self.accept("."):
                value = Member(value, Literal(self.word()))
            elif self.accept("["):
                value = Member(value, self.expression())
                self.expect("]")
            else:
                return value

    def _primary(self) -> Expression:
        token = self.next()
        match token.kind:
            case "string":
                return Literal(_string(token.text))
            case "timespan":
                number, unit = re.fullmatch(r"([\d.]+)(\w+)", token.text).groups()  # type: ignore[union-attr]
                return Literal(timedelta(**{_UNITS[unit]: float(number)}))
            case "number":
                return Literal(float(token.text) if re.search(r"[.eE]", token.text) else int(token.text))
            case "word" if token.text.lower() in ("true", "false"):
                return Literal(token.text.lower() == "true")
            case "word" if self.accept("("):
                if token.text.lower() in ("datetime", "timespan", "dynamic") and self.peek.kind != "string":
                    return self._raw(token.text.lower())
                return Call(token.text.lower(), self._arguments(")"))
            case "word":
                return Literal(None) if token.text == "null" else Name(token.text)
            case "sign" if token.text == "(":
                inner = self.expression()
                self.expect(")")
                return inner
        self.at -= 1
        raise self.wrong("an expression")

    def _raw(self, kind: str) -> Expression:
        """`datetime(2026-01-01)` and `dynamic([1])`: what stands between the parentheses is no expression."""
        depth = 1
        parts: list[str] = []
        while True:
            token = self.next()
            if token.kind == "end":
                raise self.wrong(")")
            depth += (token.text == "(") - (token.text == ")")
            if not depth:
                return Call(kind, (Literal("".join(parts)),))
            parts.append(token.text)

    def _arguments(self, closing: str) -> tuple[Expression, ...]:
        found: list[Expression] = []
        if self.accept(closing):
            return ()
        while True:
            if self.peek.text == "*" and self.next():
                found.append(Name("*"))
            else:
                found.append(self.expression())
            if not self.accept(","):
                self.expect(closing)
                return tuple(found)


def default_name(value: Expression, number: int) -> str:
    """The name Kusto gives a column that has none: a path joined by underscores, `count_`, `Column1`."""
    match value:
        case Name(name=name):
            return name
        case Member(of=of, key=Literal(value=str() as key)):
            return f"{default_name(of, number)}_{key}"
        case Call(name=name, arguments=arguments):
            inner = next((a for a in arguments if isinstance(a, Name | Member)), None)
            if name in ("tostring", "tolower", "toint", "bin") and inner is not None:
                return default_name(inner, number)
            return f"{name}_{default_name(inner, number) if inner is not None else ''}"
    return f"Column{number + 1}"


def _string(source: str) -> str:
    if source.startswith("@"):
        return source[2:-1]
    return re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), source[1:-1])
