"""Rules for every test: no network but loopback, a clean environment, and no files left behind."""

from __future__ import annotations

import errno
import gc
import ipaddress
import os
import signal
import sys
from typing import Any

import pytest
from hypothesis import Phase, settings

from tests.early import deal_early
from tests.footprint import Footprint
from tests.limits import examples

_FOREIGN = ("GEMINI_", "GOOGLE_", "RECONCILER_", "TF_HTTP_", "AWS_", "AZURE_", "CLOUDSDK_")
_KEPT = ("RECONCILER_NEWEST_GENAI",)
_OF_A_TERMINAL = (
    "NO_COLOR",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "FORCE_COLOR",
    "COLUMNS",
    "LINES",
    "TTY_COMPATIBLE",
)


def pytest_configure(config: pytest.Config) -> None:
    """Forget the credentials and settings of whoever runs the tests, and stay on this machine."""
    for name in list(os.environ):
        if name.startswith(_FOREIGN) and name not in _KEPT:
            del os.environ[name]
    for name in _OF_A_TERMINAL:
        os.environ.pop(name, None)
    os.environ["TERM"] = "xterm-256color"
    # A background job of a shell ignores Ctrl-C, and nohup the end of the terminal. Every program that
    # a test starts would ignore them too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    settings.register_profile(
        "any machine",
        deadline=None,  # no test makes a claim about speed
        max_examples=examples(100),
        print_blob=True,
        report_multiple_bugs=False,
        phases=[phase for phase in Phase if phase is not Phase.explain],  # explaining a failure takes long
    )
    settings.load_profile("any machine")
    sys.addaudithook(_only_loopback)
    gc.disable()  # it stays off until the tests are collected, because nothing made until then is garbage
    config.pluginmanager.register(_Early())
    if not hasattr(config, "workerinput"):  # the workers of xdist inherit the home folder
        config.pluginmanager.register(Footprint(config.rootpath))


class _Early:
    """Lets the tests with the marker `early` begin first, after they were shuffled."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Order the tests for the number of workers. Without workers the order stays."""
        workers = getattr(config, "workerinput", {}).get("workercount", 1)
        if workers > 1:
            early = [item for item in items if item.get_closest_marker("early")]
            others = [item for item in items if not item.get_closest_marker("early")]
            items[:] = deal_early(early, others, workers)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that need azurite. It comes from npm, so they run in `make conformance`."""
    for item in items:
        if "azure" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.conformance)


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    """Let the garbage collector of a worker look at what tests make, and not at the thousands of tests."""
    gc.freeze()
    gc.enable()


def _only_loopback(event: str, arguments: tuple[Any, ...]) -> None:
    if event != "socket.connect" or not isinstance(arguments[1], tuple):
        return
    host = arguments[1][0]
    try:
        near = ipaddress.ip_address(host).is_loopback
    except ValueError:
        near = host == "localhost"
    if not near:
        raise OSError(errno.ENETUNREACH, f"tests use loopback only, not {host}")
