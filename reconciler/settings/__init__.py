"""The environment, read in one place: every setting is trimmed and checked, and an error names it.

Rule: all code reads a setting from `Settings`; no other module reads a variable of the table from the
process's environment. A setting is checked when it is read, so a wrong one that nobody uses is harmless.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reconciler.errors import CredentialError, UsageError
from reconciler.formats import shorten
from reconciler.settings import table
from reconciler.settings.forms import FormError, refuse_quotes
from reconciler.settings.secrecy import find_secrets, hide_login

__all__ = ["Settings", "hide_login", "read_seconds", "to_settings"]


class Settings(Mapping[str, str]):
    """The environment's variables, each checked when it is asked for.

    A variable that is not in the table is returned unchanged (RECONCILER_VAR_x, variables of CI systems). An
    empty setting counts as not set.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._raw = {name: value for name, value in environ.items() if _is_set(name, value)}
        self._checked: dict[str, str] = {}

    def __getitem__(self, name: str) -> str:
        """Return the value, trimmed and checked.

        Raises:
            KeyError: it is not set, or empty.
            CredentialError: the value is malformed and may hold a secret, so it is not repeated.
            UsageError: the value is malformed.
        """
        if name not in self._checked:
            self._checked[name] = _check(name, self._raw[name])
        return self._checked[name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names of the variables that are set, valid or not."""
        return iter(self._raw)

    def __len__(self) -> int:
        """Count the variables that are set."""
        return len(self._raw)

    def __contains__(self, name: object) -> bool:
        """Return whether a variable is set; the value is not checked."""
        return name in self._raw

    @property
    def secrets(self) -> tuple[str, ...]:
        """The texts of secret settings that no message may contain, the longest first."""
        names = (name for name in self._raw if table.may_hold_a_secret(name))
        return find_secrets(self._raw[name] for name in names if not self._is_shown(name))

    def _is_shown(self, name: str) -> bool:
        """Return whether messages may show the value: a path, or an address without a login."""
        value = self._raw[name].strip()
        if name == "RECONCILER_STATE":
            return hide_login(value) == value
        return name in table.PATHS and value[:1] not in {"{", "["} and len(value) < _LONGEST * 4

    def remove(self, names: frozenset[str]) -> Settings:
        """Return a copy without these settings."""
        return Settings({name: value for name, value in self._raw.items() if name not in names})

    def override(self, **values: str) -> Settings:
        """Return a copy with these values instead of its own."""
        return Settings({**self._raw, **values})


def to_settings(environ: Mapping[str, str]) -> Settings:
    """Wrap an environment as Settings. Settings are returned as they are."""
    return environ if isinstance(environ, Settings) else Settings(environ)


def read_seconds(environ: Mapping[str, str], variable: str, default: float) -> float:
    """Read a setting in seconds, `default` if it is not set. UsageError if it is not a number of seconds."""
    text = to_settings(environ).get(variable, "")
    return float(text) if text else default


def _is_set(name: str, value: str) -> bool:
    setting = table.SETTINGS.get(name)
    return setting is None or bool(setting.trim(value))


def _check(name: str, value: str) -> str:
    setting = table.SETTINGS.get(name)
    if setting is None:
        return value
    value = setting.trim(value)
    try:
        return setting.form(value if setting.kept else refuse_quotes(value))
    except FormError as error:
        kind = CredentialError if setting.secret else UsageError
        shown = "" if setting.secret or not error.shows else f"={shorten(hide_login(value), _LONGEST)}"
        what = f" {setting.what}." if setting.what else ""
        raise kind(f"{name}{shown} {error.what}", f"{error.advice}{what}".strip()) from None


_LONGEST = 80
"""Characters of a setting that a message repeats."""
