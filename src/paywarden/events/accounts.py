"""People who use the console, and what each role may do beyond the one before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

Role = Literal["analyst", "lead", "admin"]
ROLES: Final[tuple[Role, ...]] = ("analyst", "lead", "admin")
"""An analyst judges cases; a lead also reopens closed ones and assigns others'; an admin also sees who has access."""


@dataclass(frozen=True)
class User:
    """Somebody with a role."""

    name: str
    role: Role

    def is_at_least(self, role: Role) -> bool:
        """Whether the user may do what this role may."""
        return ROLES.index(self.role) >= ROLES.index(role)
