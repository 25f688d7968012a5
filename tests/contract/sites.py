"""How the tests reach each store, and start other processes."""

from __future__ import annotations

import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

from reconciler.state.backends import Backend, open_backend
from tests.contract.backend import Clock, Site
from tests.contract.servers import Server

ROOT = Path(__file__).parents[2]
DEAD = "http://127.0.0.1:1"
"""An address at which nobody listens."""

AZURITE_KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Microsoft publishes this key for its emulator. It opens nothing else."""


def local(folder: Path) -> Backend:
    """The backend of a folder."""
    return open_backend(str(folder), environ={})


def remote(url: str, environ: dict[str, str]) -> Site:
    """A bucket's state under a fresh prefix."""
    clock, prefix = Clock(), secrets.token_hex(4)

    def opened(lease: float) -> Backend:
        return open_backend(
            f"{url}/team/{prefix}", environ={**environ, "RECONCILER_LOCK_LEASE": f"{lease:g}s"}, clock=clock
        )

    return Site(open=lambda: opened(60.0), clock=clock, open_with_lease=opened)


def http(server: Server, address: str = "/state?team=a", **more: str) -> Backend:
    """An HTTP client of the state whose retries do not wait."""
    environ = {
        "TF_HTTP_LOCK_ADDRESS": f"{server.url}/lock",
        "TF_HTTP_RETRY_WAIT_MIN": "0",
        **{f"TF_HTTP_{name}": value for name, value in more.items()},
    }
    return open_backend(server.url + address, environ=environ)


def python(code: str, *arguments: str, **options: Any) -> subprocess.Popen[str]:
    """Start another Python process that can import the program."""
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )
