"""Who may use the console: names, Argon2 hashes of passwords, roles, and sessions that can be ended.

A session's token is random and stored only as its hash: who reads the database cannot log in with what is there.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from typing import Final, final

from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError
from sqlalchemy import delete, insert, select, update

from paywarden.adapters.alerts.database import CaseDatabase
from paywarden.adapters.alerts.tables import sessions, users
from paywarden.clock import Clock, system_clock
from paywarden.errors import DataError
from paywarden.events.accounts import ROLES, Role, User

_FREE_FAILURES: Final = 5
_FIRST_LOCK_MS: Final = 30_000
_LONGEST_LOCK_MS: Final = 3_600_000
_SHORTEST_PASSWORD: Final = 12
_MOST_CHARACTERS: Final = 200


@dataclass(frozen=True)
class Session:
    """Somebody who is logged in; ``csrf`` is what their forms must bear."""

    user: User
    csrf: str


@final
class SqlAccounts:
    """Accounts and sessions of the console."""

    def __init__(self, database: CaseDatabase, *, session_ms: int, clock: Clock = system_clock) -> None:
        self._database = database
        self._session_ms = session_ms
        self._clock = clock
        self._hasher = PasswordHasher()
        self._nobody = self._hasher.hash(secrets.token_urlsafe())

    def put(self, name: str, password: str, role: Role) -> bool:
        """The account of that name with this password and role; True if it is new. Their sessions end.

        Raises DataError for an empty or long name, an unknown role, or a password of fewer than twelve characters.
        """
        _check(name, password, role)
        hashed, now = self._hasher.hash(password), self._clock()
        with self._database.writing() as connection:
            fresh = {"password_hash": hashed, "role": role, "failures": 0, "locked_until": 0}
            connection.execute(delete(sessions).where(sessions.c.user == name))
            changed = connection.execute(update(users).where(users.c.name == name).values(fresh)).rowcount
            if not changed:
                connection.execute(insert(users).values(name=name, created_at=now, **fresh))
        return not changed

    def remove(self, name: str) -> None:
        """The account and its sessions are no more. Raises DataError where there is none."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.user == name))
            if not connection.execute(delete(users).where(users.c.name == name)).rowcount:
                raise DataError(f"there is no user {name!r}")

    def all(self) -> list[User]:
        """Every account, by name."""
        with self._database.reading() as connection:
            rows = connection.execute(select(users.c.name, users.c.role).order_by(users.c.name)).all()
        return [User(row.name, row.role) for row in rows]

    def log_in(self, name: str, password: str) -> str | None:
        """The token of a new session; None where name or password is wrong, or after too many wrong ones of late.

        It takes as long for a name that does not exist. After five failures the account rests for 30 s, then twice as
        long each time, up to an hour.
        """
        now, query = self._clock(), select(users).where(users.c.name == name)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        is_right = self._is_right(row.password_hash if row else self._nobody, password)
        if row is None or row.locked_until > now:
            return None
        if not is_right:
            self._count_failure(name, row.failures + 1, now)
            return None
        token = secrets.token_urlsafe(32)
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.expires_at < now))
            connection.execute(update(users).where(users.c.name == name).values(failures=0, locked_until=0))
            session = {"csrf": secrets.token_urlsafe(32), "expires_at": now + self._session_ms}
            connection.execute(insert(sessions).values(token_hash=_hash(token), user=name, **session))
        return token

    def session(self, token: str) -> Session | None:
        """Whose session it is; None once it is over."""
        query = select(users.c.name, users.c.role, sessions.c.csrf).join(sessions, sessions.c.user == users.c.name)
        here = (sessions.c.token_hash == _hash(token)) & (sessions.c.expires_at > self._clock())
        with self._database.reading() as connection:
            row = connection.execute(query.where(here)).first()
        return None if row is None else Session(User(row.name, row.role), row.csrf)

    def log_out(self, token: str) -> None:
        """The session is over."""
        with self._database.writing() as connection:
            connection.execute(delete(sessions).where(sessions.c.token_hash == _hash(token)))

    def _is_right(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password[:_MOST_CHARACTERS])
        except (Argon2Error, InvalidHashError):
            return False

    def _count_failure(self, name: str, failures: int, now: int) -> None:
        beyond = failures - _FREE_FAILURES
        lock = min(_FIRST_LOCK_MS * 2**beyond, _LONGEST_LOCK_MS) if beyond >= 0 else 0
        change = {"failures": failures, "locked_until": now + lock if lock else 0}
        with self._database.writing() as connection:
            connection.execute(update(users).where(users.c.name == name).values(change))


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _check(name: str, password: str, role: str) -> None:
    if not name.strip() or len(name) > 60 or not name.isprintable():
        raise DataError("a user's name has 1 to 60 printable characters")
    if role not in ROLES:
        raise DataError(f"there is no role {role!r}; roles are {', '.join(ROLES)}")
    if not _SHORTEST_PASSWORD <= len(password) <= _MOST_CHARACTERS:
        raise DataError(f"a password has {_SHORTEST_PASSWORD} to {_MOST_CHARACTERS} characters")
