"""The certificates that every connection trusts, and its proxy: the same settings for all libraries.

requests, google-auth, the clients of the object stores, boto3 and azure-identity each read variables of
their own from the process's environment, so a value of one variable is copied to all.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import cache
from pathlib import Path
from typing import NoReturn

from msgspec import Struct

from reconciler.errors import UsageError
from reconciler.settings import Settings, table

_LOCAL = ("localhost", "127.0.0.0/8", "127.0.0.1", "::1")
"""Never reached through a proxy: a credential for this machine must not leave it."""


class Trust(Struct, frozen=True):
    """The certificates that every connection trusts.

    Attributes:
        named: (variable, path) of each file, or folder of files, once each; () if the machine's own are used.
        path: of one file, or folder, that has them all; "" if the machine's own are used.
    """

    named: tuple[tuple[str, str], ...] = ()
    path: str = ""

    @classmethod
    def read(cls, settings: Settings) -> Trust:
        """Find the certificates as `find` does, and check them for a library that reads them.

        Raises:
            UsageError: a file is not there, or holds no certificate.
        """
        trust = cls.find(settings)
        trust.check()
        return trust

    @classmethod
    def find(cls, settings: Settings) -> Trust:
        """Find the files that all the variables name together. Reading them takes long, so that waits.

        Some variables are set for a whole machine, others for one command, so none replaces another.

        Raises:
            UsageError: a file is not there, or one of several holds no certificate.
        """
        named: dict[str, str] = {}
        for variable in table.CERTIFICATES:
            if path := settings.get(variable, ""):
                named.setdefault(path, variable)
        return _make_trust(tuple((variable, path) for path, variable in named.items()))

    def check(self) -> None:
        """Raise UsageError if a file holds no certificate."""
        for variable, path in self.named:
            _must_hold_certificates(variable, path)

    @property
    def verify(self) -> str | bool:
        """The value for the `verify` of requests."""
        return self.path or True

    def read_pem(self) -> bytes:
        """Read all the certificates; b"" if the machine's own are used."""
        return b"\n".join(_read_pem(path) for _, path in self.named)

    @property
    def advice(self) -> str:
        """Advice for a server whose certificate is not trusted."""
        if self.named:
            shown = " and ".join(f"{variable}={path}" for variable, path in self.named)
            return f"The certificates to trust are those of {shown}: what signed this one must be there."
        names = ", ".join(table.CERTIFICATES[1:])
        return (
            "If a proxy or an authority of your own signed it, name the file of its certificate in "
            f"{table.CERTIFICATES[0]} (or {names})."
        )


@cache
def _make_trust(named: tuple[tuple[str, str], ...]) -> Trust:
    for variable, path in named:
        _must_be_there(variable, path)
    if len(named) < 2:
        return Trust(named, named[0][1] if named else "")
    Trust(named).check()  # nobody could tell later which of the files is wrong
    return Trust(named, _join(tuple(path for _, path in named)))


def _join(paths: tuple[str, ...]) -> str:
    """Write a file that lives as long as the process, because each library wants one path."""
    import atexit
    import tempfile

    file = tempfile.NamedTemporaryFile(prefix="reconciler-", suffix=".pem")  # noqa: SIM115
    file.write(b"\n".join(map(_read_pem, paths)))
    file.flush()
    atexit.register(file.close)  # which deletes it
    return file.name


def _read_pem(path: str) -> bytes:
    place = Path(path)
    files = sorted(file for file in place.iterdir() if file.is_file()) if place.is_dir() else [place]
    return b"\n".join(file.read_bytes() for file in files)


def _must_be_there(variable: str, path: str) -> None:
    place = Path(path)
    try:
        if not place.exists():
            _refuse(variable, path, "there is no such file")
        if not (place.is_file() or place.is_dir()):
            _refuse(variable, path, "it is not a file")
    except (OSError, ValueError) as error:
        _refuse(variable, path, getattr(error, "strerror", None) or str(error))


@cache
def _must_hold_certificates(variable: str, path: str) -> None:
    import ssl

    is_folder = Path(path).is_dir()
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cafile=None if is_folder else path, capath=path if is_folder else None)
    except ssl.SSLError:
        _refuse(variable, path, "the file holds no certificate (PEM)")
    except OSError as error:
        _refuse(variable, path, error.strerror or str(error))


def _refuse(variable: str, path: str, what: str) -> NoReturn:
    raise UsageError(
        f"{variable}={path}: {what}",
        "It is a file of certificates to trust. Correct it, or unset it for those of the machine.",
    )


def tell_every_library(settings: Settings, environ: MutableMapping[str, str]) -> None:
    """Set the certificates and proxies in the process's environment, under every name that libraries read.

    Raises:
        UsageError: a file of certificates is not there. Who connects finds out whether it can be used.
        CredentialError: a proxy's address is malformed; it is named and, for its login, not shown.
    """
    for name in table.SETTINGS:
        if name in environ:
            environ[name] = table.SETTINGS[name].trim(environ[name])
            if not environ[name]:  # as good as none for us, and an address that is none for a library
                del environ[name]
    trust = Trust.find(settings)
    if trust.path:
        environ.update(dict.fromkeys(table.CERTIFICATES, trust.path))
    through_a_proxy = False
    for name in (*table.PROXIES, *map(str.lower, table.PROXIES)):
        if value := settings.get(name, ""):
            environ[name] = value
            through_a_proxy = True
    if through_a_proxy:
        named = settings.get("no_proxy", "") or settings.get("NO_PROXY", "")
        environ["no_proxy"] = environ["NO_PROXY"] = ",".join(filter(None, (named, *_LOCAL)))
