"""Small conditions on columns, such as `snr > 3 and quality == 'good'`; read as a syntax tree, never executed."""

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool
from numpy import ndarray

from nwb_mtm.errors import ConfigError, did_you_mean

Columns = Mapping[str, ndarray]

COMPARE: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
ARITHMETIC: Mapping[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
}
FUNCTIONS = ("isnull", "startswith", "contains", "abs", "column")
HELP = "Write for example  snr > 3 and quality == 'good'  or  outcome in ['hit', 'miss'] and not isnull(rt)."


def evaluate(text: str, columns: Columns, *, where: str) -> Bool[ndarray, " row"]:
    """Which rows satisfy a condition; a missing value satisfies no comparison.

    >>> columns = {"snr": np.array([2.0, 4.0]), "label": np.array(["a", "b"])}
    >>> evaluate("snr > 3 and label != 'mua'", columns, where="units")
    array([False,  True])
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError) as error:
        raise ConfigError(f"Cannot understand the condition {text!r}. {HELP}", kind="bad_value") from error
    value = np.asarray(_Reading(text, columns, where).value(tree.body))
    rows = len(next(iter(columns.values()))) if columns else 0
    if value.dtype.kind not in "biuf":
        raise ConfigError(f"The condition {text!r} is no yes or no. {HELP}", kind="bad_value")
    with np.errstate(invalid="ignore"):
        chosen = value.astype(bool) & ~np.isnan(value.astype(np.float64))
    return np.broadcast_to(chosen, (rows,)).copy() if chosen.ndim == 0 else chosen


def column_names(text: str) -> frozenset[str]:
    """Every name that a condition uses; empty when it cannot be parsed."""
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    return frozenset(node.id for node in ast.walk(tree) if isinstance(node, ast.Name)) - set(FUNCTIONS)


MOST_VALUES = 12  # of a column that are listed one by one


def values_of(text: str, columns: Columns) -> str:
    """What the columns of a condition hold, for somebody whose condition chose nothing.

    >>> values_of("side == 'lefft'", {"side": np.array(["left", "right", "left"])})
    'side holds left (2), right (1)'
    """
    named = [name for name in columns if name in column_names(text) or f"column({name!r})" in text]
    return "; ".join(f"{name} holds {_listed(columns[name])}" for name in named)


def _listed(values: ndarray) -> str:
    known = values[~_is_null(values)] if values.dtype.kind in "fU" else values
    if not len(known):
        return "no values"
    found, counts = np.unique(known, return_counts=True)
    if len(found) <= MOST_VALUES:
        return ", ".join(f"{value} ({count})" for value, count in zip(found.tolist(), counts.tolist()))
    if found.dtype.kind in "biuf":
        return f"numbers from {found[0]:g} to {found[-1]:g}"
    return f"{len(found)} different values, such as {', '.join(map(str, found[:3].tolist()))}"


class _Reading:
    """One condition over one table."""

    def __init__(self, text: str, columns: Columns, where: str) -> None:
        self.text, self.columns, self.where = text, columns, where

    def value(self, node: ast.AST) -> Any:
        """The value of a piece of the condition: an array by row, or a plain value."""
        match node:
            case ast.Constant(value=str() | int() | float() | bool() | None):
                return node.value
            case ast.Name():
                return self._column(node.id)
            case ast.List() | ast.Tuple() | ast.Set():
                return [self.value(item) for item in node.elts]
            case ast.BoolOp():
                parts = [self._truth(part) for part in node.values]
                return np.logical_and.reduce(parts) if isinstance(node.op, ast.And) else np.logical_or.reduce(parts)
            case ast.UnaryOp(op=ast.Not()):
                return np.logical_not(self._truth(node.operand))
            case ast.UnaryOp(op=ast.USub()):
                return -_number(self.value(node.operand))
            case ast.BinOp() if type(node.op) in ARITHMETIC:
                with np.errstate(all="ignore"):
                    left, right = _number(self.value(node.left)), _number(self.value(node.right))
                    return ARITHMETIC[type(node.op)](left, right)
            case ast.Compare():
                return self._compare(node)
            case ast.Call(func=ast.Name(id=name), args=args, keywords=[]) if name in FUNCTIONS:
                return self._call(name, args)
        raise ConfigError(f"{ast.unparse(node)!r} is not allowed in a condition. {HELP}", kind="bad_value")

    def _truth(self, node: ast.AST) -> Any:
        value = np.asarray(self.value(node))
        if value.dtype.kind == "U":
            return np.isin(np.char.lower(value), ["true", "1", "yes"])
        if value.dtype.kind == "f":
            return (value != 0) & ~np.isnan(value)
        return value.astype(bool)

    def _column(self, name: str) -> ndarray:
        if name in self.columns:
            return self.columns[name]
        hint = did_you_mean(name, self.columns)
        raise ConfigError(
            f"{self.where} has no column {name!r}.{hint} Its columns: {', '.join(self.columns) or 'none'}.",
            kind="bad_value",
        )

    def _compare(self, node: ast.Compare) -> Any:
        values = [self.value(item) for item in (node.left, *node.comparators)]
        parts = [_compared(op, a, b) for op, a, b in zip(node.ops, values[:-1], values[1:])]
        if any(part is None for part in parts):
            raise ConfigError(f"{ast.unparse(node)!r} compares text with numbers. {HELP}", kind="bad_value")
        return np.logical_and.reduce(parts)

    def _call(self, name: str, nodes: list[ast.expr]) -> Any:
        if name == "column" and len(nodes) == 1 and isinstance(nodes[0], ast.Constant):
            return self._column(str(nodes[0].value))
        values = [self.value(node) for node in nodes]
        if name == "isnull" and len(values) == 1:
            return _is_null(np.asarray(values[0]))
        if name == "abs" and len(values) == 1:
            return np.abs(_number(values[0]))
        if name in ("startswith", "contains") and len(values) == 2 and isinstance(values[1], str):
            text = np.asarray(values[0]).astype(np.str_)
            return np.char.startswith(text, values[1]) if name == "startswith" else np.char.find(text, values[1]) >= 0
        raise ConfigError(f"{name} has the wrong number of values in {self.text!r}. {HELP}", kind="bad_value")


def _compared(op: ast.cmpop, left: Any, right: Any) -> Any:
    """Elementwise; None when text meets a number in an order, or the comparison is none of ours."""
    if isinstance(op, ast.In | ast.NotIn):
        choices = right if isinstance(right, list) else [right]
        found = np.logical_or.reduce([_compared(ast.Eq(), left, choice) for choice in choices])
        return found if isinstance(op, ast.In) else np.logical_not(found)
    if type(op) not in COMPARE:
        return None
    a, b = _matched(np.asarray(left), np.asarray(right))
    if (a.dtype.kind == "U") != (b.dtype.kind == "U"):
        return (
            None if not isinstance(op, ast.Eq | ast.NotEq) else np.full(a.shape or b.shape, isinstance(op, ast.NotEq))
        )
    with np.errstate(invalid="ignore"):
        result = COMPARE[type(op)](a, b)
    known = ~(_is_null(a) | _is_null(b)) if a.dtype.kind == "f" or b.dtype.kind == "f" else True
    return result & known


def _matched(a: ndarray, b: ndarray) -> tuple[ndarray, ndarray]:
    """Text that holds numbers is compared as numbers when the other side is one."""
    if a.dtype.kind == "U" and b.dtype.kind in "biuf":
        numbers = _numbers(a)
        return (numbers, b) if not np.isnan(numbers).all() else (a, b)
    if b.dtype.kind == "U" and a.dtype.kind in "biuf":
        right, left = _matched(b, a)
        return left, right
    return a, b


def _numbers(text: ndarray) -> ndarray:
    out = np.full(text.shape, np.nan)
    for place, cell in np.ndenumerate(text):
        try:
            out[place] = {"true": 1.0, "false": 0.0}.get(str(cell).casefold()) or float(cell)
        except ValueError:
            out[place] = 0.0 if str(cell).casefold() == "false" else np.nan
    return out


def _number(value: Any) -> ndarray:
    array = np.asarray(value)
    return _numbers(array) if array.dtype.kind == "U" else array.astype(np.float64)


def _is_null(values: ndarray) -> Any:
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind == "U":
        return np.isin(np.char.lower(values), ["", "nan", "n/a", "none", "na"])
    return np.zeros(values.shape, bool)
