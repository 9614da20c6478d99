"""Named figures: what docs/figures.yaml says of each, read from published tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template
from typing import Any

import pandas as pd

from analysis.rounding import Form

KEYS = {"args", "table", "where", "value", "low", "high", "let", "form", "absent"}


class FigureError(Exception):
    """A figure cannot be had: one line says which and why."""


class NoRowError(FigureError):
    """No row of the table is the one that a figure asks for."""


class NotKeptError(FigureError):
    """The tables of a run that is not in git were not kept yet."""


class Figures:
    """The figures of a file of definitions.

    A definition says `table` (campaign/table), `where` (column: value, a list for any of several;
    `$name` is an argument of the citation), `value`, and `low` and `high` where the form asks for
    an interval: columns, or expressions over columns (`suppressed_j / baseline_j`,
    `(coverage * windows).sum()`). `let` names values of other rows, each with what differs
    (`table`, `where`, `value`), for an expression over them. `form` is a name or its settings.
    `absent` is what the text says where there is no such row (a law that was not found).
    """

    def __init__(self, definitions: Mapping[str, Any], tables: Any) -> None:
        """
        Args:
            definitions: `forms` and `figures`, by name.
            tables: `tables.table(campaign, name)` gives a DataFrame or raises FigureError.
        """
        self._forms = definitions["forms"]
        self._figures = definitions["figures"]
        self._tables = tables

    @property
    def names(self) -> set[str]:
        return set(self._figures)

    def text(self, name: str, arguments: Sequence[str] = ()) -> str:
        """A figure as it stands in a text.

        Raises:
            FigureError: No such name, table, column or row; or more than one row.
        """
        if name not in self._figures:
            raise FigureError("no such figure in docs/figures.yaml")
        figure = self._figures[name]
        if unknown := set(figure) - KEYS:
            raise FigureError(f"unknown key '{unknown.pop()}'; known are {', '.join(sorted(KEYS))}")
        wanted = figure.get("args", [])
        if len(wanted) != len(arguments):
            raise FigureError(f"takes {len(wanted)} arguments ({', '.join(wanted)})")
        given = dict(zip(wanted, arguments, strict=True))
        form = self._form(figure["form"])
        bounds = ("low", "high") if form.interval else ()
        try:
            values = [self._value(figure, figure[key], given) for key in ("value", *bounds)]
        except NoRowError:
            if "absent" in figure:
                return figure["absent"]
            raise
        return form.text(*values)

    def _form(self, form: str | Mapping[str, Any]) -> Form:
        if isinstance(form, str):
            if form not in self._forms:
                raise FigureError(f"no form '{form}'; there are {', '.join(self._forms)}")
            form = self._forms[form]
        return Form(**form)

    def _value(self, figure: Mapping[str, Any], expression: str, given: Mapping[str, str]) -> Any:
        if "let" not in figure:
            return _evaluate(self._rows(figure, given), _argument(expression, given))
        named = {}
        for name, other in figure["let"].items():
            merged = {**figure, **other, "where": figure.get("where", {}) | other.get("where", {})}
            named[name] = _evaluate(self._rows(merged, given), merged["value"])
        return pd.eval(expression, local_dict=named, engine="python")

    def _rows(self, figure: Mapping[str, Any], given: Mapping[str, str]) -> pd.DataFrame:
        table = _argument(figure["table"], given)
        campaign, _, name = table.partition("/")
        rows = self._tables.table(campaign, name)
        for column, wanted in figure.get("where", {}).items():
            if column not in rows:
                raise FigureError(f"{table} has no column '{column}'")
            several = wanted if isinstance(wanted, list) else [wanted]
            several = [_argument(one, given) for one in several]
            if pd.api.types.is_numeric_dtype(rows[column]):
                several = [float(one) for one in several]
            rows = rows[rows[column].isin(several)]
            if rows.empty:
                words = " or ".join(map(str, several))
                raise NoRowError(f"{table} has no such row with {column} = {words}")
        return rows


def _argument(value: Any, given: Mapping[str, str]) -> Any:
    return Template(value).substitute(given) if isinstance(value, str) else value


def _evaluate(rows: pd.DataFrame, expression: str) -> Any:
    """A column or an expression over the rows: one value, or one row's."""
    if expression in rows:
        found = rows[expression]
    else:
        try:
            found = rows.eval(expression, engine="python")
        except (pd.errors.UndefinedVariableError, AttributeError, SyntaxError) as error:
            raise FigureError(f"'{expression}': {error}") from None
    if not isinstance(found, pd.Series):
        return found
    if len(found) != 1:
        raise FigureError(f"'{expression}' of {len(found)} rows, not of one")
    return found.iloc[0]
