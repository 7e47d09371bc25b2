"""Changed numbers in asserts: every assert of a claim's cell must fail when its number is changed.

A mutant is the cell with one change. A figure that is compared for equality moves by a fifth, a
whole one by 1, and each such change must be noticed. Of a bound, what is measured is moved past it;
of two results that must be close, one is moved by 1; of a comparison with a table, a number of the
table; an assert without any number is turned round.
"""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Iterator
from typing import Any

import torch

CLOSE = {"allclose", "isclose", "equal"}
FAR = 1e30
_HOMES = (ast.List, ast.Tuple, ast.Set, ast.Dict)

Find = Callable[[ast.Module], list[ast.AST]]


def asserts(tree: ast.AST) -> list[ast.Assert]:
    """The assert statements of a cell, in their order."""
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Assert)]
    return sorted(found, key=lambda node: node.lineno)


def is_number(node: ast.AST) -> bool:
    """Whether a number stands here."""
    return isinstance(node, ast.Constant) and type(node.value) in (int, float)


def figures(statement: ast.Assert) -> list[ast.AST]:
    """The numbers that an assert compares for equality, those in lists and tables included."""
    found = []
    for node in ast.walk(statement.test):
        if isinstance(node, ast.Compare) and all(isinstance(op, ast.Eq) for op in node.ops):
            sides = [node.left, *node.comparators]
            while sides:
                side = sides.pop()
                if isinstance(side, _HOMES):
                    sides += side.values if isinstance(side, ast.Dict) else side.elts
                elif is_number(side):
                    found.append(side)
    return found


def changed(source: str, find: Find, change: Callable[[Any], None]) -> Iterator[ast.Module]:
    """The cell once for each place that `find` finds, with that place changed."""
    for index in range(len(find(ast.parse(source)))):
        tree = ast.parse(source)
        change(find(tree)[index])
        yield ast.fix_missing_locations(tree)


def move(node: Any) -> None:
    """A whole number by 1, any other by a fifth."""
    node.value += 1 if isinstance(node.value, int) else node.value / 5 + 1e-9


def figure_mutants(source: str, number: int) -> Iterator[ast.Module]:
    """Each figure of this assert moved: all of them must be noticed."""
    return changed(source, lambda tree: figures(asserts(tree)[number]), move)


def other_mutants(source: str, number: int) -> Iterator[ast.Module]:
    """Other changes, of which this assert must notice one."""

    def inside(tree: ast.Module, kind: type) -> list:
        return [node for node in ast.walk(asserts(tree)[number].test) if isinstance(node, kind)]

    def far(way: float) -> Callable[[Any], None]:
        def change(node: Any) -> None:
            node.left = _plus(node.left, way)

        return change

    def close(tree: ast.Module) -> list:
        return [call for call in inside(tree, ast.Call) if _name(call) in CLOSE]

    def written(tree: ast.Module) -> list:
        homes = (node for node in ast.walk(tree) if isinstance(node, _HOMES))
        return [part for home in homes for part in ast.walk(home) if is_number(part)]

    yield from changed(source, close, _move_first)
    yield from changed(source, lambda tree: inside(tree, ast.Compare), far(FAR))
    yield from changed(source, lambda tree: inside(tree, ast.Compare), far(-FAR))
    yield from changed(source, written, move)
    parts = list(ast.walk(asserts(ast.parse(source))[number].test))
    if any(isinstance(part, ast.Name) for part in parts) and not any(map(is_number, parts)):
        yield from changed(source, lambda tree: [asserts(tree)[number]], _turn_round)


def _move_first(call: Any) -> None:
    call.args[0] = _plus(call.args[0], 1)


def _turn_round(statement: Any) -> None:
    statement.test = ast.UnaryOp(op=ast.Not(), operand=statement.test)


def _name(call: Any) -> str:
    return getattr(call.func, "attr", getattr(call.func, "id", ""))


def _plus(node: ast.expr, number: float) -> ast.expr:
    return ast.BinOp(left=node, op=ast.Add(), right=ast.Constant(value=number))


def run(cell: ast.Module | str, names: dict[str, Any], place: str) -> None:
    """Execute a cell in these names; libraries may ask for its source."""
    source = cell if isinstance(cell, str) else ast.unparse(cell)
    linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)
    exec(compile(source, place, "exec"), names)


def survivors(source: str, names: dict[str, Any], place: str) -> list[str]:
    """The asserts of a cell that do not notice a change of their number, as they are written.

    Args:
        source: the cell.
        names: what the cells before it have left.
        place: the cell's name in tracebacks.

    >>> survivors("assert x == 3", {"x": 3}, "right")
    []
    >>> survivors("assert x == 3 or True", {"x": 3}, "vain")
    ['assert x == 3 or True']
    """
    state = torch.get_rng_state()
    alive = []
    for number, statement in enumerate(asserts(ast.parse(source))):
        seen = [_fails(m, number, names, place, state) for m in figure_mutants(source, number)]
        if not seen:
            seen = [any(_fails(m, number, names, place, state)
                        for m in other_mutants(source, number))]  # fmt: skip
        if not all(seen):
            alive.append(ast.unparse(statement))
    torch.set_rng_state(state)
    return alive


def _fails(tree: ast.Module, number: int, names: dict, place: str, state: torch.Tensor) -> bool:
    """Whether this very assert fails, and not an earlier one."""
    mark = "a change was noticed"
    asserts(tree)[number].msg = ast.Constant(value=mark)
    torch.set_rng_state(state)
    try:
        run(ast.fix_missing_locations(tree), dict(names), place)
    except AssertionError as error:
        return str(error) == mark
    except Exception:
        return False
    return False
