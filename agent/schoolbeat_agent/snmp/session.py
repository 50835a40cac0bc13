"""A session with one SNMP agent (v1, v2c, v3): one request at a time, with patience, and every failure named."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Final, TypeVar

from schoolbeat_agent.credentials import Credential
from schoolbeat_agent.snmp.rows import Value

if TYPE_CHECKING:
    from gufo.snmp import User
    from gufo.snmp.aio import SnmpSession

T = TypeVar("T")

PORT: Final = 161
TOGETHER: Final = 40  # objects of one GET: their answer fits a datagram of 1,472 bytes
FEW: Final = 10  # objects that every agent answers together; fewer are not tried
REPETITIONS: Final = 25  # of a GETBULK
AT_ONCE_SECONDS: Final = 0.2  # a time-out sooner than this: the machine said that nothing listens there


class SnmpFailed(Exception):
    """No usable answer: `cause` is a name of the catalogue; `detail` for the technician."""

    def __init__(self, cause: str, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass
class Habits:
    """What one agent has shown so far; outlives sessions.

    repetitions: of a GETBULK that it answered; 0: none, it is asked by GETNEXT. together: objects of a GET that it
    answered. absent: objects that it does not have and for which it refused the whole request.
    """

    repetitions: int = REPETITIONS
    together: int = TOGETHER
    absent: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Patience:
    """tries of one request, each so long; nothing is asked after `deadline` (of the session's clock)."""

    deadline: float
    timeout_seconds: float = 3.0
    tries: int = 3


class Session:
    """Made by `opened`. Holds one UDP socket until nothing refers to it any more."""

    def __init__(
        self,
        gufo: SnmpSession,
        credential: Credential,
        habits: Habits,
        patience: Patience,
        monotonic: Callable[[], float],
    ) -> None:
        self._gufo, self._credential, self._patience = gufo, credential, patience
        self._lock = asyncio.Lock()  # gufo takes the answer to one request for that to another
        self.habits, self.monotonic = habits, monotonic
        self.has_bulk = credential.version != "1"

    def left_seconds(self, deadline: float | None = None) -> float:
        first = self._patience.deadline if deadline is None else min(deadline, self._patience.deadline)
        return first - self.monotonic()

    async def ask(self, request: Callable[[], Awaitable[T]], tries: int = 0, deadline: float | None = None) -> T:
        """One request, again where no answer came. SnmpFailed: timeout, refused, unreachable, auth_failed…"""
        async with self._lock:
            last = (tries or self._patience.tries) - 1
            for attempt in range(last + 1):
                left, started = self.left_seconds(deadline), self.monotonic()
                if left <= 0:
                    break
                try:
                    async with asyncio.timeout(None if left == math.inf else left):
                        return await request()
                except (KeyboardInterrupt, SystemExit, asyncio.CancelledError, SnmpFailed):
                    raise
                except BaseException as error:  # gufo's own panics are no Exception: a datagram may cause one
                    at_once = self.monotonic() - started < min(AT_ONCE_SECONDS, self._patience.timeout_seconds / 2)
                    failed = _failure(error, at_once)
                if attempt == last or failed.cause in ("auth_failed", "internal"):
                    raise failed
        raise SnmpFailed("timeout", "it answers too slowly: the time for this run is over")

    async def together(self, oids: Iterable[str], tries: int = 0) -> dict[str, Value]:
        """What one GET brings: from one moment. Empty where the agent refused the request for one of them (v1)."""
        asked = list(oids)
        found = await self.ask(lambda: self._gufo.get_many(asked), tries)
        return {oid: found[oid] for oid in asked if found.get(oid) is not None}  # type: ignore[misc]

    async def get(self, oids: Iterable[str]) -> dict[str, Value]:
        """As many as there are, in as many requests as they take."""
        wanted = [oid for oid in dict.fromkeys(oids) if oid not in self.habits.absent]
        found: dict[str, Value] = {}
        while wanted:
            piece, wanted = wanted[: self.habits.together], wanted[self.habits.together :]
            found |= await self._halved(piece)
        return found

    async def _halved(self, oids: list[str]) -> dict[str, Value]:
        """An agent may refuse or ignore all for one that it lacks (v1) or for the answer's size: half may be there."""
        many = len(oids) > FEW
        try:
            if found := await self.together(oids, tries=1 if many else 0):
                return found
        except SnmpFailed as failed:
            if not many or failed.cause not in ("timeout", "bad_answer"):
                raise
        absent = self.habits.absent
        if len(oids) == 1:
            absent.add(oids[0])
            return {}
        known, middle = len(absent), (len(oids) + 1) // 2
        halves = await self._halved(oids[:middle]) | await self._halved(oids[middle:])
        if many and len(absent) == known:  # it was not for one that is missing
            self.habits.together = min(self.habits.together, max(middle, FEW))
        return halves

    def rows_below(self, root: str, repetitions: int) -> AsyncIterator[tuple[str, Value | None]]:
        """By GETBULK, or by GETNEXT where repetitions is 0. A request that failed can be made again. Unguarded."""
        if repetitions and self.has_bulk:
            return self._gufo.getbulk(root, repetitions)
        return self._gufo.getnext(root)

    async def prove_identity(self) -> None:
        """SNMP v3: the engine's id, boots and time, then that user and authentication key are accepted."""
        if self._credential.version == "3":
            await self.ask(self._gufo.refresh)


async def opened(
    address: str,
    credential: Credential,
    habits: Habits,
    patience: Patience,
    *,
    port: int = PORT,
    monotonic: Callable[[], float] = time.monotonic,
) -> Session:
    """A session that may be asked. The address is one: names are not resolved. SnmpFailed where that shows already."""
    try:
        gufo = _gufo_session(address, port, credential, patience.timeout_seconds)
    except ImportError as error:
        raise SnmpFailed("not_installed", "gufo-snmp is not there: it has no build for this kind of machine") from error
    except OSError as error:
        raise SnmpFailed("unreachable", f"{address}: {error.strerror or error}") from error
    except ValueError as error:
        raise SnmpFailed("not_configured", f"credential {credential.name}: {error}") from error
    session = Session(gufo, credential, habits, patience, monotonic)
    await session.prove_identity()
    return session


async def why_silent(
    silence: SnmpFailed, address: str, port: int, credential: Credential, patience: Patience
) -> SnmpFailed:
    """SNMP v3: an engine that tells who it is, but answers nothing encrypted, could not read the question."""
    if credential.version != "3" or not credential.privacy or silence.cause != "timeout":
        return silence
    nobody, once = Credential(credential.name, version="3"), replace(patience, deadline=math.inf, tries=1)
    try:
        await opened(address, nobody, Habits(), once, port=port)
    except SnmpFailed:
        return silence
    return SnmpFailed("auth_failed", "it answers, but no encrypted question: is the privacy key right?")


def _gufo_session(address: str, port: int, credential: Credential, timeout_seconds: float) -> SnmpSession:
    # Imported by the first device that is asked by SNMP: an agent without such a device does not carry it.
    from gufo.snmp import SnmpVersion
    from gufo.snmp.aio import SnmpSession

    versions = {"1": SnmpVersion.v1, "2c": SnmpVersion.v2c, "3": SnmpVersion.v3}
    return SnmpSession(
        address,
        port,
        credential.community,
        user=_user(credential) if credential.version == "3" else None,
        version=versions[credential.version],
        timeout=timeout_seconds,
    )


@lru_cache(maxsize=64)
def _user(credential: Credential) -> User:
    """With master keys (RFC 3414, A.2): a megabyte is hashed for each, so not at every run."""
    from gufo.snmp import user as gufo

    auths = {
        "MD5": gufo.Md5Key,
        "SHA1": gufo.Sha1Key,
        "SHA224": gufo.Sha224Key,
        "SHA256": gufo.Sha256Key,
        "SHA384": gufo.Sha384Key,
        "SHA512": gufo.Sha512Key,
    }
    privacies = {"DES": gufo.DesKey, "AES128": gufo.Aes128Key, "AES192": gufo.Aes192Key, "AES256": gufo.Aes256Key}
    if not credential.auth:
        return gufo.User(credential.username)
    if not credential.auth_key or (credential.privacy and not credential.privacy_key):
        raise ValueError("auth_key or privacy_key is missing")
    auth = auths[credential.auth]
    auth_key = auth(auth.get_master_key(credential.auth_key.encode()), gufo.KeyType.Master)
    if not credential.privacy:
        return gufo.User(credential.username, auth_key=auth_key)
    master = auth.get_master_key(credential.privacy_key.encode())
    privacy_key = privacies[credential.privacy](master, gufo.KeyType.Master)
    return gufo.User(credential.username, auth_key=auth_key, priv_key=privacy_key)


def _failure(error: BaseException, at_once: bool) -> SnmpFailed:
    from gufo.snmp import SnmpAuthError, SnmpEncodeError, SnmpError

    if isinstance(error, TimeoutError):
        if at_once:
            return SnmpFailed("refused", "the machine is there, but nothing listens on its SNMP port")
        return SnmpFailed("timeout", "no answer (is SNMP on there, for this address, and the community right?)")
    if isinstance(error, ConnectionRefusedError):
        return SnmpFailed("refused", "the machine is there, but nothing listens on its SNMP port")
    if isinstance(error, OSError):
        return SnmpFailed("unreachable", error.strerror or str(error))
    if isinstance(error, SnmpAuthError):
        return SnmpFailed("auth_failed", "SNMP v3: user name or authentication key refused")
    if isinstance(error, SnmpEncodeError):
        return SnmpFailed("internal", f"the question cannot be written: {error}")
    if isinstance(error, SnmpError) or type(error).__name__ == "PanicException":
        return SnmpFailed("bad_answer", "the answer cannot be read")
    raise error
