"""What a plan is made for and from: its place, and what the command line gave.

Rule: this module imports no step, so that a command that makes no plan does not pay for them.
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct, field

from reconciler.model.stack import Guards


class Context(Struct, frozen=True):
    """The place that a plan was made for. The first line of a plan shows it.

    Attributes:
        credential: its kind, never the secret.
        service: whose models they are ("google"), or "emulator".
        location: of manifests that name none; "" if no kind needs one.
        state: where the state is, without a login.
        embedded: the endpoint is an emulator inside the command. Its port differs each time.
    """

    endpoint: str = ""
    project: str = ""
    credential: str = ""
    service: str = ""
    stack: str = ""
    location: str = ""
    state: str = ""
    embedded: bool = False


class Inputs(Struct, frozen=True):
    """The inputs of a plan: paths and command options, kept so that they can be read again."""

    paths: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict)
    targets: tuple[str, ...] = ()
    excludes: tuple[str, ...] = ()
    replace: tuple[str, ...] = ()
    retry_failed: bool = False
    destroy: bool = False
    refresh_only: bool = False
    guards: Guards = field(default_factory=Guards)
