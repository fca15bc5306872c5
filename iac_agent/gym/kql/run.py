"""Running a parsed query over tables of rows."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from iac_agent.gym.kql import functions
from iac_agent.gym.kql.functions import Row
from iac_agent.gym.kql.parse import Call, Column, Expression, KqlError, Literal, Member, Name, Operation, Query, Step, parse

Tables = Mapping[str, Callable[[], list[Row]]]


def run(text: str, tables: Tables, now: datetime) -> list[Row]:
    """The rows a query yields. `tables` make their rows when asked. Raises KqlError for what cannot be read or run."""
    try:
        return _Run(tables, now).query(parse(text))
    except (TypeError, ArithmeticError, IndexError, AttributeError) as problem:
        raise KqlError(f"Query is invalid: {problem}.") from problem


class _Run:
    def __init__(self, tables: Tables, now: datetime) -> None:
        self.tables, self.now = tables, now

    def query(self, query: Query) -> list[Row]:
        table = self.tables.get(query.table.lower())
        if table is None:
            raise KqlError(f"Table {query.table} was not found; there are {', '.join(sorted(self.tables))}.")
        rows = table()
        for step in query.steps:
            rows = self._step(step, rows)
        return rows

    def _step(self, step: Step, rows: list[Row]) -> list[Row]:
        match step.operator:
            case "where":
                return [r for r in rows if self._true(step.columns[0].value, r)]
            case "project":
                return [{c.name: self.value(c.value, r) for c in step.columns} for r in rows]
            case "extend":
                return [{**r, **{c.name: self.value(c.value, r) for c in step.columns}} for r in rows]
            case "project-away":
                gone = {c.name for c in step.columns}
                return [{k: v for k, v in r.items() if k not in gone} for r in rows]
            case "project-rename":
                names = {c.value.name: c.name for c in step.columns if isinstance(c.value, Name)}
                return [{names.get(k, k): v for k, v in r.items()} for r in rows]
            case "distinct":
                shown = [{c.name: self.value(c.value, r) for c in step.columns} for r in rows]
                return list({functions.text(list(r.values())): r for r in shown}.values())
            case "order":
                return self._sorted(rows, step.columns)
            case "take":
                return rows[: step.options["rows"]]
            case "top":
                return self._sorted(rows, step.columns)[: step.options["rows"]]
            case "count":
                return [{"Count": len(rows)}]
            case "summarize":
                return self._summarized(step, rows)
            case "mv-expand":
                return self._expanded(step, rows)
            case "join":
                return self._joined(step, rows)
        return rows + self.query(step.inner[0])

    def _true(self, condition: Expression, row: Row) -> bool:
        return self.value(condition, row) is True

    def _sorted(self, rows: list[Row], columns: tuple[Column, ...]) -> list[Row]:
        def compare(one: Row, other: Row) -> int:
            for column in columns:
                a, b = self.value(column.value, one), self.value(column.value, other)
                if a is None or b is None:
                    found = (a is not None) - (b is not None)
                else:
                    found = (a > b) - (a < b) if type(a) is type(b) else (functions.text(a) > functions.text(b)) * 2 - 1
                if found:
                    return -found if column.descending else found
            return 0

        return sorted(rows, key=functools.cmp_to_key(compare))

    def _summarized(self, step: Step, rows: list[Row]) -> list[Row]:
        groups: dict[str, tuple[Row, list[Row]]] = {}
        for row in rows:
            by = {c.name: self.value(c.value, row) for c in step.by}
            groups.setdefault(functions.text(list(by.values())), (by, []))[1].append(row)
        if not step.by and not groups:
            groups[""] = ({}, [])
        out = []
        for by, held in groups.values():
            found = dict(by)
            for column in step.columns:
                found.update(self._aggregate(column, held))
            out.append(found)
        return out

    def _aggregate(self, column: Column, rows: list[Row]) -> Row:
        call = column.value
        if not isinstance(call, Call):
            raise KqlError("Query is invalid: summarize takes aggregation functions.")
        if call.name in ("arg_max", "arg_min"):
            return self._extreme(column, call, rows)
        function = functions.AGGREGATES.get(call.name)
        if function is None:
            raise KqlError(f"Query is invalid: {call.name} is no aggregation function.")
        return {column.name: function(rows, *(functools.partial(self.value, a) for a in call.arguments))}

    def _extreme(self, column: Column, call: Call, rows: list[Row]) -> Row:
        """`arg_max(x, *)`: the row with the greatest x, or the columns of it that are named."""
        key, *wanted = call.arguments
        ordered = self._sorted(rows, (Column("", key, call.name == "arg_max"),))
        if not ordered:
            return {}
        if any(isinstance(w, Name) and w.name == "*" for w in wanted):
            return ordered[0]
        name = key.name if isinstance(key, Name) else column.name
        found = {name: self.value(key, ordered[0])}
        return {**found, **{w.name: self.value(w, ordered[0]) for w in wanted if isinstance(w, Name)}}

    def _expanded(self, step: Step, rows: list[Row]) -> list[Row]:
        out = []
        for row in rows:
            column = step.columns[0]
            value = self.value(column.value, row)
            if isinstance(value, dict):
                value = [{k: v} for k, v in value.items()]
            out += [{**row, column.name: item} for item in (value if isinstance(value, list) else [value])]
        return out

    def _joined(self, step: Step, rows: list[Row]) -> list[Row]:
        right = self.query(step.inner[0])
        pairs, kind = step.options["on"], step.options["kind"]
        index: dict[str, list[Row]] = {}
        for row in right:
            index.setdefault(functions.text([row.get(r) for _, r in pairs]), []).append(row)
        columns = list(dict.fromkeys(k for r in right for k in r))
        out, seen = [], set()
        for row in rows:
            key = functions.text([row.get(left) for left, _ in pairs])
            matches = index.get(key, [])
            if kind in ("leftanti", "anti"):
                out += [] if matches else [row]
            elif kind in ("leftsemi",):
                out += [row] if matches else []
            elif kind != "innerunique" or key not in seen:
                missing: list[Row] = [dict.fromkeys(columns)] if kind == "leftouter" else []
                out += [_beside(row, other) for other in matches or missing]
            seen.add(key)
        return out

    # --- values --------------------------------------------------------------------------------------------------

    def value(self, expression: Expression, row: Row) -> Any:
        match expression:
            case Literal(value=value):
                return value
            case Name(name=name):
                if name not in row and row:
                    return self._missing(name, row)
                return row.get(name)
            case Member(of=of, key=key):
                return functions.member(self.value(of, row), self.value(key, row))
            case Operation(operator="and", operands=(left, right)):
                return self._true(left, row) and self._true(right, row)
            case Operation(operator="or", operands=(left, right)):
                return self._true(left, row) or self._true(right, row)
            case Operation(operator=operator, operands=operands):
                return self._operated(operator, [self.value(o, row) for o in operands])
            case Call(name="ago", arguments=(span,)):
                return self.now - self.value(span, row)
            case Call(name="now"):
                return self.now
            case Call(name=name, arguments=arguments):
                function = functions.SCALARS.get(name)
                if function is None:
                    raise KqlError(f"Query is invalid: the function {name} is not supported here.")
                return function(*(self.value(a, row) for a in arguments))
        raise KqlError(f"Query is invalid: {expression} has no value.")

    @staticmethod
    def _missing(name: str, row: Row) -> Any:
        """A column that this row lacks: null, but an error where no row can have it."""
        if not name[:1].isalpha() and name[:1] != "_":
            raise KqlError(f"Failed to resolve scalar expression named '{name}'.")
        return row.get(name)

    @staticmethod
    def _operated(operator: str, values: list[Any]) -> Any:
        try:
            return functions.OPERATORS[operator](*values)
        except TypeError:
            if any(v is None for v in values):
                return None if operator in "+-*/%" else False
            raise


def _beside(left: Row, right: Row) -> Row:
    """A joined row: columns of the right side whose name is taken get a number."""
    return {**left, **{f"{k}1" if k in left else k: v for k, v in right.items()}}
