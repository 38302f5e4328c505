"""What a verified token says of a person: who they are, and their groups, under the company's own name for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.control.accounts import SERVICE, TERMINAL
from app.errors import Forbidden, Unauthenticated

# So many names still fit into each statement that reads documents; whoever has more has a directory to ask.
MOST_GROUPS = 500
MOST_CHARS = 200
# Ids that the service itself gives; a person of that name would be taken for somebody else.
RESERVED = (SERVICE, TERMINAL)


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody as their token, or config/people.toml, names them."""

    id: str
    name: str
    groups: tuple[str, ...]
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """Reads a token's claims; `groups_claim` is a name, or a way down such as `realm_access.roles`.

    With `has_directory`, a token that says it has too many groups to name them is taken without them.
    """

    groups_claim: str = "groups"
    has_directory: bool = False

    def person(self, claims: Mapping[str, Any]) -> Person:
        """Give the person. Raises Unauthenticated for claims of another form, Forbidden where groups are missing."""
        user_id, name, unit = str(claims["sub"]), _text(claims.get("name")), _text(claims.get("unit"))
        groups = self._groups(claims)
        if any("\x00" in said for said in (user_id, name, unit, *groups)):
            # The database holds no such text, so nothing of the kind was ever granted.
            raise Unauthenticated("The bearer token holds the character U+0000.")
        if user_id.startswith(RESERVED) or len(user_id) > MOST_CHARS:
            raise Unauthenticated("The bearer token's `sub` is too long, or an id that only the service itself gives.")
        return Person(user_id, name[:MOST_CHARS], groups, unit[:MOST_CHARS])

    def says(self, claims: Mapping[str, Any]) -> bool:
        """Say whether these claims name groups at all."""
        return self._found(claims) is not None

    def _groups(self, claims: Mapping[str, Any]) -> tuple[str, ...]:
        found = self._found(claims)
        if found is None:
            if _has_too_many(claims) and not self.has_directory:
                # Without its groups a person might read what one of them is denied.
                raise Forbidden(
                    "Your company's sign-in did not name your groups: you have too many. Whoever runs this service can"
                    " have it send fewer, or read them from the directory (docs/how-to/sign-in-with-your-company.md)."
                )
            return ()
        groups = [found] if isinstance(found, str) and found and not set(found) & set(" ,") else found
        if not isinstance(groups, list) or not all(isinstance(group, str) for group in groups):
            raise Unauthenticated(f"The bearer token's `{self.groups_claim}` claim is not a list of names.")
        if len(groups) > MOST_GROUPS:
            raise Forbidden(f"You are in {len(groups)} groups; this service takes at most {MOST_GROUPS} from a token.")
        return tuple(groups)

    def _found(self, claims: Mapping[str, Any]) -> Any:
        # Some companies' names are addresses, with dots of their own.
        if self.groups_claim in claims:
            return claims[self.groups_claim]
        found: Any = claims
        for part in self.groups_claim.split("."):
            found = found.get(part) if isinstance(found, Mapping) else None
        return found


def _text(said: Any) -> str:
    return said if isinstance(said, str) else ""


def _has_too_many(claims: Mapping[str, Any]) -> bool:
    """Know Microsoft Entra's two ways of saying that the groups do not fit into the token."""
    elsewhere = claims.get("_claim_names")
    return bool(claims.get("hasgroups")) or (isinstance(elsewhere, Mapping) and "groups" in elsewhere)
