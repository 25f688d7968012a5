"""Creates a resource exactly once, whatever happens to the reply.

Rule: after a create whose result is unknown, look for the resource before sending the create again. If
looking fails too, the error says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from reconciler.errors import CredentialError, ReplyLostError, ServiceError, StoppedError, UnavailableError
from reconciler.http import Transport

T = TypeVar("T")
_ATTEMPTS = 4


def create_once(
    send: Callable[[int], T | None],
    find: Callable[[ServiceError], T | None],
    settle: Callable[[ServiceError, int], T],
    what: str,
    expected: str,
) -> T:
    """Send a create until the service accepts it or the resource is found.

    Args:
        send: sends the create, given the number of the attempt (1, 2, …). None if the reply is not about it.
        find: looks for the resource, given the error of the create.
        settle: answers a refusal, given the error and the number of the attempt. Raises, or returns the
            resource.
        what: the resource, for messages.
        expected: what the reply should be ("an operation").

    Raises:
        ReplyLostError: nobody knows whether it was created.
        UnavailableError: nothing was sent, or the service kept failing and the resource does not exist.
    """
    attempt = 1
    while True:
        failed: ServiceError = ReplyLostError(
            f"The create of {what} was not answered with {expected}",
            "Run the command again: it looks for it first.",
        )
        try:
            made = send(attempt)
            if made is not None:
                return made
        except ReplyLostError as error:
            failed = error
        except UnavailableError as error:
            if error.status is None and (attempt == 1 or isinstance(error, StoppedError)):
                raise  # no connection: nothing was sent
            failed = error
        except ServiceError as error:
            return settle(error, attempt)
        found = find(failed)
        if found is not None:
            return found
        if attempt == _ATTEMPTS:
            raise failed
        attempt += 1


@contextmanager
def explain_failed_look(what: str, failed: ServiceError) -> Iterator[None]:
    """Turn a failed look for `what` into a ReplyLostError that also says why the create failed."""
    try:
        yield
    except StoppedError:
        raise
    except (ServiceError, CredentialError) as error:
        raise ReplyLostError(
            f"{failed.summary}; and we could not find out whether {what} exists: {error.summary}",
            "Run the command again later: it looks for it first, and creates nothing twice.",
        ) from failed


def look_until(look: Callable[[], T | None], transport: Transport, seconds: float, what: str) -> T | None:
    """Look until the resource is found or the time is over, with longer and longer pauses.

    Raises:
        StoppedError: the run is being stopped between two looks.
        ServiceError, CredentialError: raised by `look`.
    """
    for _ in count_looks(transport, seconds, f"looking for {what} again", pause=0.5):
        found = look()
        if found is not None:
            return found
    return None


def count_looks(transport: Transport, seconds: float, purpose: str, *, pause: float = 0.25) -> Iterator[int]:
    """Yield 0, 1, 2, … with longer and longer pauses in between, until the time is over.

    Raises:
        StoppedError, naming `purpose`: the run is being stopped.
    """
    until, look = transport.clock() + seconds, 0
    while True:
        yield look
        left = until - transport.clock()
        if left <= 0:
            return
        transport.wait(min(pause, left), purpose)
        pause, look = min(pause * 2, 5.0), look + 1
