"""Who may ask what: one table of role × command × relation, as data, so that tests and documents read the same."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass

from contracts.command import Refused, Role

ANY = "any"
"""The relation that everybody has to everything."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table: may `role`, standing in `relation` to the thing, ask for `command`?"""

    command: str
    role: Role
    relation: str
    allowed: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """`role` may ask for a command when one of `relations` holds and none of `unless`.

    A relation written `a&b` holds when both do.
    """

    role: Role
    relations: tuple[str, ...]
    unless: frozenset[str] = frozenset()

    def allows(self, relations: frozenset[str]) -> bool:
        """Whether a person who stands in exactly `relations` to the thing may ask."""
        if self.unless & relations:
            return False
        return any(alternative == ANY or relations.issuperset(alternative.split("&")) for alternative in self.relations)


class AccessTable:
    """The rules of one service. A command is named by its class; a query, by a word such as `"read_order"`.

    Relations are words that the service looks up in its own read models, never in the token: `own`, `proxy`,
    `assigned`, `offered`, `same_point`, `not_server`, and `any`, which always holds. What no rule allows is forbidden.
    """

    def __init__(self) -> None:
        self._rules: dict[str, list[Rule]] = {}

    def rule(self, command: type | str, role: Role, *relations: str, unless: Collection[str] = ()) -> "AccessTable":
        """Allow `role` to ask for `command` if one of `relations` holds (none given: always), and none of `unless`."""
        rule = Rule(role, relations or (ANY,), frozenset(unless))
        self._rules.setdefault(_name(command), []).append(rule)
        return self

    @property
    def commands(self) -> tuple[str, ...]:
        """The names with at least one rule, in the order they were declared."""
        return tuple(self._rules)

    @property
    def relations(self) -> tuple[str, ...]:
        """Every relation (or conjunction `a&b`) that a rule speaks of, `any` first."""
        spoken = {relation for rules in self._rules.values() for rule in rules for relation in rule.relations}
        return (ANY, *sorted(spoken - {ANY}))

    def allows(self, command: type | str, role: Role, relations: Collection[str]) -> bool:
        """Whether `role` may ask for `command` in these relations."""
        held = frozenset(relations) | {ANY}
        return any(rule.role is role and rule.allows(held) for rule in self._rules.get(_name(command), ()))

    def check(self, command: type | str, role: Role, relations: Collection[str]) -> None:
        """Raise Refused("forbidden") unless `role` may ask for `command` in these relations."""
        if not self.allows(command, role, relations):
            raise Refused("forbidden", command=_name(command), role=role.value)

    def role_for(
        self, command: type | str, held: Collection[Role], relations: Collection[str], wanted: Role | None = None
    ) -> Role:
        """The role in which a person who holds `held` asks: the one they wanted, else the first that the table allows.

        Raises Refused("role_not_held") for a wanted role that is not theirs, Refused("forbidden") when no role may.
        """
        if wanted is not None:
            if wanted not in held:
                raise Refused("role_not_held", role=wanted.value)
            self.check(command, wanted, relations)
            return wanted
        for role in held:
            if self.allows(command, role, relations):
                return role
        raise Refused("forbidden", command=_name(command), role=",".join(role.value for role in held))

    def cells(self) -> Iterator[Cell]:
        """Every (command, role, relation) with its answer, each relation taken alone: what tests and documents walk."""
        for command in self.commands:
            for role in Role:
                for relation in self.relations:
                    yield Cell(command, role, relation, self.allows(command, role, relation.split("&")))


def _name(command: type | str) -> str:
    return command if isinstance(command, str) else command.__name__
