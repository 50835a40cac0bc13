"""Why a thing that was asked did not answer, in the catalogue's causes."""

from __future__ import annotations

import errno

from schoolbeat_agent.observation import ProbeFailed

UNREACHABLE = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL)


class NoAnswer(Exception):
    """What was asked is down, or answers wrongly: `cause` is a name of the catalogue, `detail` for the technician."""

    def __init__(self, cause: str, detail: str = "") -> None:
        super().__init__(detail or cause)
        self.cause = cause
        self.detail = detail


def no_answer_from(error: OSError, asked: str) -> NoAnswer:
    """The NoAnswer a socket's error means. ProbeFailed when it speaks of this machine and not of the network."""
    if isinstance(error, TimeoutError):
        return NoAnswer("timeout", f"{asked}: no answer in time")
    detail = f"{asked}: {error.strerror or error}"
    if isinstance(error, ConnectionRefusedError):
        return NoAnswer("refused", detail)
    if error.errno in UNREACHABLE:
        return NoAnswer("unreachable", detail)
    if isinstance(error, ConnectionError):  # reset, aborted, broken pipe; asyncio raises some without a number
        return NoAnswer("bad_answer", detail)
    if error.errno in (errno.EPERM, errno.EACCES):
        raise ProbeFailed("no_permission", f"this machine's firewall forbids it: {detail}") from error
    raise ProbeFailed("internal", detail) from error
