"""Who may speak on the managed broker: accounts, their password hashes and the topics each may touch."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import pwd
import re
import secrets
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from schoolbeat_wire import bounds, topics

PASSWORDS_FILE = "passwords"
ACL_FILE = "acl"
SERVER_USER = "server"

# A wire name has no '.', so '{site}.{agent}' can be taken apart again in one way only, and no '+', '#', '/'
# or space, so it can never widen a topic or break a line of a file.
_USER_NAME = re.compile(rf"{bounds.NAME.pattern}(?:\.{bounds.NAME.pattern})?")
_HASH = re.compile(r"\$7\$[1-9][0-9]{0,6}\$[A-Za-z0-9+/]{4,88}={0,2}\$[A-Za-z0-9+/]{86}==")
_ACL_LINE = re.compile(r"topic (?:read|write|readwrite) [A-Za-z0-9$/+#_.-]{1,200}")

_ITERATIONS = 101  # Mosquitto's own figure. Our passwords are 192 random bits: more would only slow the broker
_SALT_BYTES = 12


class CredentialsError(ValueError):
    """An account cannot be written: the text names the thing, the value and what is allowed."""


@dataclass(frozen=True)
class Account:
    """One who may connect. acl_lines are Mosquitto's `topic read|write|readwrite <filter>` lines."""

    username: str
    password_hash: str
    acl_lines: tuple[str, ...]


def agent_user_name(site: str, agent: str) -> str:
    """The user name (and so the client id) of an agent: `{site}.{agent}`."""
    for thing, name in (("site", site), ("agent", agent)):
        if not bounds.NAME.fullmatch(name):
            raise CredentialsError(
                f"{thing} {name!r}: dùng 1–40 ký tự a-z, 0-9 và '-' ở giữa / allowed are 1-40 of a-z, 0-9 and inner '-'"
            )
    return f"{site}.{agent}"


def agent_account(site: str, agent: str, password: str) -> Account:
    """An agent may touch its own topics and nothing else."""
    username = agent_user_name(site, agent)
    lines = [f"topic write {topics.topic(site, agent, kind)}" for kind in topics.FROM_AGENT]
    lines += [f"topic read {topics.topic(site, agent, kind)}" for kind in topics.FROM_SERVER]
    return Account(username, hash_password(password), tuple(lines))


def server_account(password: str, username: str = SERVER_USER) -> Account:
    """The server may touch everything of ours. A second connection of its own needs a second user name,
    because the managed broker takes the user name as the client id. All versions: what speaks another one than ours
    is counted, which nobody could do who does not hear it."""
    return Account(username, hash_password(password), (f"topic readwrite {topics.ROOT}/#", "topic read $SYS/#"))


def new_password() -> str:
    """192 random bits in 32 characters that can be typed, copied and put into a URL."""
    return secrets.token_urlsafe(24)


def hash_password(password: str, salt: bytes | None = None) -> str:
    """As mosquitto_passwd writes it: `$7$iterations$salt$hash`, PBKDF2 with SHA-512."""
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ITERATIONS)
    return f"$7${_ITERATIONS}${base64.b64encode(salt).decode()}${base64.b64encode(digest).decode()}"


def check_account(account: Account) -> None:
    """Refuse what would break a line: Mosquitto says so only in its log, and does not start the next time."""
    if not _USER_NAME.fullmatch(account.username):
        raise CredentialsError(
            f"tên tài khoản {account.username!r}: chỉ dùng a-z, 0-9, '-' và một dấu '.'"
            f" / user name {account.username!r}: only a-z, 0-9, '-' and one '.'"
        )
    if not _HASH.fullmatch(account.password_hash):
        raise CredentialsError(
            f"mật khẩu băm của {account.username}: cần dạng $7$…$…$…"
            f" / password hash of {account.username}: must be of the form $7$…$…$…"
        )
    for line in account.acl_lines:
        if not _ACL_LINE.fullmatch(line):
            raise CredentialsError(
                f"quyền của {account.username}: {line!r} không hợp lệ"
                f" / topics of {account.username}: {line!r}: must be 'topic read|write|readwrite FILTER'"
            )


def passwords_text(accounts: Iterable[Account]) -> str:
    """Mosquitto's password file."""
    return "".join(f"{account.username}:{account.password_hash}\n" for account in accounts)


def acl_text(accounts: Iterable[Account]) -> str:
    """Mosquitto's ACL file. Explicit lines for each user: a `%u` pattern would leave the site free."""
    return "\n".join("\n".join((f"user {account.username}", *account.acl_lines, "")) for account in accounts)


def write_accounts(folder: Path, accounts: Iterable[Account], owner: str | None = None) -> None:
    """Replace all accounts in the broker's folder. The running broker takes them with its next reload.

    owner: the user the broker runs as; only root can give files away, others leave it None.
    """
    with _locked(folder):
        _write(folder, {account.username: account for account in accounts}, owner)


def add_account(folder: Path, account: Account, owner: str | None = None) -> None:
    """Add an account, or replace the one of the same name. Safe while a server runs on the same folder."""
    _change(folder, lambda accounts: accounts.update({account.username: account}), owner)


def remove_account(folder: Path, username: str, owner: str | None = None) -> bool:
    """Take an account away; the reload disconnects who uses it. False if there was none."""
    found = []
    _change(folder, lambda accounts: found.append(accounts.pop(username, None)), owner)
    return found != [None]


def read_accounts(folder: Path) -> list[Account]:
    """The accounts as the two files state them, in their order; none if there are no files yet."""
    hashes = dict(line.partition(":")[::2] for line in _lines(folder / PASSWORDS_FILE))
    topics: dict[str, list[str]] = {}
    username = ""
    for line in _lines(folder / ACL_FILE):
        if line.startswith("user "):
            username = line.removeprefix("user ")
        else:
            topics.setdefault(username, []).append(line)
    return [Account(name, digest, tuple(topics.get(name, ()))) for name, digest in hashes.items()]


def server_password(path: Path) -> str:
    """The server's own password: made at the first start, kept in a file that only we can read."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path.read_text(encoding="utf-8").strip()
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        password = new_password()
        file.write(password + "\n")
    return password


def site_key(folder: Path, site: str) -> str:
    """32 hex digits, the same for a site for ever: with it, a new card gives the same devices the same ids.

    Made from a secret in the server's folder, which is made at the first call; a backup must hold it.
    """
    secret = server_password(folder / "site-key-secret")
    return hashlib.blake2b(site.encode(), key=secret.encode()[:64], digest_size=16, person=b"sitekey").hexdigest()


def write_secret(path: Path, content: bytes, owner: str | None) -> None:
    """Whole or not at all: write beside it, hand it to its owner, rename over it. Mode 0600."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            give_to(file.fileno(), owner)
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def give_to(target: Path | int, owner: str | None) -> None:
    """Make `owner` (and its group) own the file; nothing if owner is None."""
    if owner is not None:
        entry = pwd.getpwnam(owner)
        os.chown(target, entry.pw_uid, entry.pw_gid)


def _change(folder: Path, edit: Callable[[dict[str, Account]], object], owner: str | None) -> None:
    with _locked(folder):
        accounts = {account.username: account for account in read_accounts(folder)}
        edit(accounts)
        _write(folder, accounts, owner)


def _write(folder: Path, accounts: dict[str, Account], owner: str | None) -> None:
    for account in accounts.values():
        check_account(account)
    # Topics first: with the files half exchanged, somebody has rights but no password yet, not the reverse.
    write_secret(folder / ACL_FILE, acl_text(accounts.values()).encode(), owner)
    write_secret(folder / PASSWORDS_FILE, passwords_text(accounts.values()).encode(), owner)


def _lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One writer at a time, also across processes (`schoolbeat-server agent add` beside a running server)."""
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
