"""Tell which branches of a prompt template can never be taken, whatever the values of its variables.

The conditions of a template compare texts, so a few values of each variable stand for all: empty, each
constant that some condition names, and one that none does. They are tried out, up to a limit; where
there are more, nothing is claimed.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from itertools import product
from math import prod
from typing import TYPE_CHECKING, TypeVar

from jinja2 import nodes

from imagegen_app.core.prompts import is_true
from imagegen_app.core.variable_kinds import VariableKind
from imagegen_app.core.variables import PromptTemplateError, Value, Variable

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: Combinations of values that are tried for one question, and evaluated conditions in all.
_MAX_COMBINATIONS = 2_000
_MAX_EVALUATIONS = 40_000
#: Numbers that stand for all others.
_NUMBERS = tuple(map(Decimal, ("1", "0", "7919", "-7919", "0.73")))


@dataclass(frozen=True, slots=True)
class BranchFact:
    """What is wrong with one branch of a condition."""

    #: `repeated`, `always`, `never` or `choice`.
    kind: str
    #: Which condition of the template, in the order in which they begin, and which of its branches.
    condition: int
    branch: int
    #: The variable that decides it; empty if there is not one alone.
    name: str = ""
    #: The value that is no choice, for `choice`.
    value: str = ""
    #: The branch of the same condition that says the same, for `repeated`.
    same_as: int = 0


_N = TypeVar("_N", bound=nodes.Node)
#: A condition, and whether it is to hold.
_Wanted = tuple[nodes.Node, bool]


def branch_facts(tree: nodes.Template, variables: Sequence[Variable]) -> list[BranchFact]:
    """Return what is wrong with the branches of a checked template."""
    return list(_Walk(tree, variables).block(tree.body, ()))


class _Walk:
    def __init__(self, tree: nodes.Template, variables: Sequence[Variable]) -> None:
        self.variables = {one.name: one for one in variables}
        named = _named_texts(tree, variables)
        self.values = {one.name: _candidates(one, named) for one in variables}
        self.count = 0
        self.evaluations = _MAX_EVALUATIONS

    def block(self, body: Sequence[nodes.Node], path: tuple[_Wanted, ...]) -> Iterator[BranchFact]:
        for node in body:
            if isinstance(node, nodes.If):
                yield from self.condition(node, path)

    def condition(self, node: nodes.If, path: tuple[_Wanted, ...]) -> Iterator[BranchFact]:
        number = self.count
        self.count += 1
        candidates = [node, *node.elif_]
        earlier: tuple[_Wanted, ...] = ()
        is_decided = False
        for branch, one in enumerate(candidates):
            fact = None
            if is_decided:
                fact = BranchFact("never", number, branch)
            else:
                fact = self._fact(number, branch, candidates, path=path, earlier=earlier)
            if fact is not None:
                yield fact
            is_taken = fact is None or fact.kind == "always"
            is_decided = is_decided or (
                is_taken and not self.can_be((*path, *earlier, (one.test, False)))
            )
            if is_taken:
                yield from self.block(one.body, (*path, *earlier, (one.test, True)))
            else:
                self._skip(one.body)
            earlier = (*earlier, (one.test, False))
        if not node.else_:
            return
        if is_decided:
            yield BranchFact("never", number, len(candidates))
            self._skip(node.else_)
        else:
            yield from self.block(node.else_, (*path, *earlier))

    def _fact(
        self,
        number: int,
        branch: int,
        candidates: Sequence[nodes.If],
        *,
        path: tuple[_Wanted, ...],
        earlier: tuple[_Wanted, ...],
    ) -> BranchFact | None:
        test = candidates[branch].test
        same = next((n for n in range(branch) if candidates[n].test == test), None)
        if same is not None:
            return BranchFact("repeated", number, branch, same_as=same)
        for name, value in self._impossible_choices(test):
            return BranchFact("choice", number, branch, name=name, value=value)
        if not self.can_be((*path, *earlier, (test, True))):
            return BranchFact("never", number, branch, name=_only_name(test))
        # The last of several that cover all values is as it should be.
        if not self.can_be((*path, (test, False))):
            return BranchFact("always", number, branch, name=_only_name(test))
        return None

    def can_be(self, wanted: Sequence[_Wanted]) -> bool:
        """Return whether all conditions can hold at once; True where that would take too long to find."""
        names = sorted({one.name for test, _is in wanted for one in _names(test)})
        values = [self.values[name] for name in names]
        count = prod(map(len, values))
        if count > _MAX_COMBINATIONS or count * len(wanted) > self.evaluations:
            return True
        self.evaluations -= count * len(wanted)
        return any(
            all(
                is_true(test, dict(zip(names, row, strict=True))) is is_so for test, is_so in wanted
            )
            for row in product(*values)
        )

    def _impossible_choices(self, test: nodes.Node) -> Iterator[tuple[str, str]]:
        for compared in _found(test, nodes.Compare):
            sides = [compared.expr, *(one.expr for one in compared.ops)]
            texts = [str(one.value) for one in sides if isinstance(one, nodes.Const)]
            for side in sides:
                variable = self.variables[side.name] if isinstance(side, nodes.Name) else None
                if variable is None or variable.kind is not VariableKind.CHOICE:
                    continue
                for text in texts:
                    if text not in {*variable.choices, ""}:
                        yield variable.name, text

    def _skip(self, body: Sequence[nodes.Node]) -> None:
        """Count the conditions of a branch that is told of already."""
        inside = [one for node in body for one in _found(node, nodes.If)]
        # Each `elif` is a node of its own, and no condition that begins.
        self.count += len(inside) - sum(len(one.elif_) for one in inside)


def _named_texts(tree: nodes.Template, variables: Sequence[Variable]) -> list[str]:
    """Return each text that a value can be compared with: constants, and values of other variables."""
    found = ["", *(str(one.value) for one in tree.find_all(nodes.Const))]
    for variable in variables:
        found += [variable.default, *variable.choices]
        if variable.kind is VariableKind.SWITCH:
            found += ["yes", "no"]
        elif variable.kind is VariableKind.NUMBER:
            bounds = [one for one in (variable.minimum, variable.maximum) if one is not None]
            found += map(str, (*_NUMBERS, *bounds, *(one + 1 for one in bounds)))
    return list(dict.fromkeys(found))


def _candidates(variable: Variable, named: Sequence[str]) -> list[Value]:
    """Return values of a variable that stand for all that conditions can tell apart."""
    if variable.kind is VariableKind.SWITCH:
        return [False, True]
    found: list[Value] = []
    for text in named:
        try:
            found.append(variable.clean(text))
        except PromptTemplateError:
            continue
    if variable.kind not in {VariableKind.NUMBER, VariableKind.CHOICE}:
        # One that no other variable has, and one that all others may have, too.
        found += [f"\N{BULLET}{variable.name}", "\N{BULLET}"]
    # Numbers that are equal may be written differently, which conditions see.
    return list({(type(one), str(one)): one for one in found}.values()) or [""]


def _names(test: nodes.Node) -> list[nodes.Name]:
    return _found(test, nodes.Name)


def _found(node: nodes.Node, kind: type[_N]) -> list[_N]:
    return [*([node] if isinstance(node, kind) else []), *node.find_all(kind)]


def _only_name(test: nodes.Node) -> str:
    names = {one.name for one in _names(test)}
    return names.pop() if len(names) == 1 else ""
