"""Starts commands by forking a process that has imported the client: 0.03 s of work for each, not 0.4 s.

A forked command is a process like any other: it has its own arguments, environment, folder, streams, signals
and exit code. With FRESH_PROCESSES=1 in the environment every command gets a new interpreter.

A fork does not show four things:

- Whether a command imports what it needs, and what an import does, because everything is imported already.
  tests/cli/test_cli_fresh.py shows this with new interpreters.
- That two processes order a set differently, because all commands of a worker have one hash seed.
- What happens while the interpreter takes its modules apart, because a fork ends before that.
- What a umask or a resource limit does that a test sets in its own process. The server keeps those that the
  worker had when the server started.

How it works: each pytest worker has one server, which has one thread. The server forks each command as a
child of the worker instead of its own (Linux: clone with CLONE_PARENT), so the worker can wait for it as for
any child. The command tells its process id only when it is ready. So a signal that is sent as soon as the id
is known finds the streams and handlers of a new process. On other systems and processors nothing is forked.
"""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import functools
import gc
import importlib
import io
import json
import os
import pathlib
import pkgutil
import platform
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

ROOT = pathlib.Path(__file__).parents[1]
FOREIGN = (
    "deepdiff",
    "google.auth.transport.requests",
    "google.oauth2.credentials",
    "google.oauth2.service_account",
    "obstore.store",
    "requests",
    "rich.live",
    "sqlite3",
    "uvicorn.protocols.http.h11_impl",
    "yaml",
)
"""Modules that the client imports late. boto3 is left out, because its import reads the home folder."""
_PLAIN = frozenset({"stdin", "stdout", "stderr"})
_MARGIN = 100_000
"""A number of bytes that surely fit into one message."""
_THREADS_END = 30.0
"""Seconds, within which the threads of the plan that warms the server up end on any machine."""
_MANIFEST: dict[str, Any] = {
    "apiVersion": "reconciler/v1",
    "kind": "TunedModel",
    "metadata": {"name": "warm"},
    "spec": {
        "display_name": "warm",
        "base_model": "models/gemini-1.0-pro-001",
        "tuning_task": {
            "hyperparameters": {"batch_size": 4, "learning_rate": 0.001, "epoch_count": 5},
            "training_data": {
                "examples": {"examples": [{"text_input": str(n), "output": str(n + 1)} for n in range(20)]}
            },
        },
    },
}
_CLONE = {"x86_64": 56, "aarch64": 220}
"""The number of the system call by processor."""
_CLONE_PARENT = 0x8000


def start(
    arguments: Sequence[str],
    *,
    program: Sequence[str] = ("-m", "reconciler"),
    cwd: pathlib.Path,
    env: Mapping[str, str],
    fresh: bool = False,
    terminal: bool = False,
    root: pathlib.Path = ROOT,
    **options: Any,
) -> subprocess.Popen[str]:
    """Start the command, or a program that runs it, in a fork if that makes no difference.

    Args:
        arguments: those of the command line.
        program: what the interpreter runs: `-m reconciler`, or the path of a program.
        cwd: its folder.
        env: its whole environment.
        terminal: make its standard input the terminal that controls it, as in a login.
        root: the folder of the client, which must be its PYTHONPATH. Each has its own server.
        fresh: start a new interpreter in any case.
        options: those of Popen. Any option but the three streams needs a process of its own.
    """
    command = [sys.executable, *program, *arguments]
    options |= {"cwd": cwd, "env": env, "text": True, "encoding": "utf-8"}
    if not fresh and _is_forkable(command, env, root, options):
        return _Forked(command, terminal=terminal, **options)
    if terminal:
        options["preexec_fn"] = lambda: os.login_tty(0)
    return subprocess.Popen(command, **options)


def _is_forkable(
    command: Sequence[str], env: Mapping[str, str], root: pathlib.Path, options: Mapping[str, Any]
) -> bool:
    needs_own = options.keys() - _PLAIN - {"cwd", "env", "text", "encoding"}
    mine = {name: value for name, value in env.items() if name.startswith(("PYTHON", "LANG", "LC_"))}
    return (
        sys.platform == "linux"
        and platform.machine() in _CLONE
        and "FRESH_PROCESSES" not in os.environ
        and not needs_own
        and mine == interpreter_environ(root)
        and len(json.dumps([command, dict(env)])) < _MARGIN
    )


def interpreter_environ(root: pathlib.Path = ROOT) -> dict[str, str]:
    """The variables that an interpreter reads when it starts, and that a fork does not read again."""
    return {"LANG": "C.UTF-8", "PYTHONPATH": str(root)}


class _Forked(subprocess.Popen[str]):
    """A Popen that has its own streams and waits itself. Only the child comes from the server."""

    def __init__(self, command: Sequence[str], *, terminal: bool, **options: Any) -> None:
        self._terminal = terminal
        super().__init__(command, **options)

    def _execute_child(  # noqa: PLR0917 - the order of subprocess in Python 3.11 to 3.14
        self,
        args: Sequence[str],
        _executable: object,
        _preexec: object,
        _close: object,
        _pass: object,
        cwd: pathlib.Path,
        env: Mapping[str, str],
        _info: object,
        _flags: object,
        _shell: object,
        p2cread: int,
        p2cwrite: int,
        c2pread: int,
        c2pwrite: int,
        errread: int,
        errwrite: int,
        *_rest: object,
    ) -> None:
        streams = [given if given != -1 else own for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        try:
            server = _Server.of_this_process(env["PYTHONPATH"])
            self.pid = server.fork(args[1:], cwd, env, streams, terminal=self._terminal)
            self._child_created = True
        finally:
            self._close_pipe_fds(p2cread, p2cwrite, c2pread, c2pwrite, errread, errwrite)  # type: ignore[attr-defined]


class _Server:
    """A server of this worker. It ends when the worker ends, because its socket is closed then."""

    _running: ClassVar[dict[str, _Server]] = {}
    _lock = threading.Lock()

    def __init__(self, path: str) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                env={
                    "PATH": os.environ["PATH"],
                    "HOME": "/nonexistent",
                    **interpreter_environ(),
                    "PYTHONPATH": path,
                },
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
            )
        self._socket, self._owner = ours, os.getpid()

    @classmethod
    def of_this_process(cls, path: str) -> _Server:
        """Return the server with this PYTHONPATH. It is started when it is first needed."""
        with cls._lock:
            found = cls._running.get(path)
            if found is None or found._owner != os.getpid():
                found = cls._running[path] = cls(path)
            return found

    def fork(
        self,
        command: Sequence[str],
        cwd: pathlib.Path,
        env: Mapping[str, str],
        streams: Iterable[int],
        *,
        terminal: bool,
    ) -> int:
        """Start a command with these three streams. Return its process id."""
        request = json.dumps(
            {"command": list(command), "cwd": str(cwd), "env": dict(env), "terminal": terminal}
        )
        with self._lock:
            socket.send_fds(self._socket, [request.encode()], list(streams))
            answer = self._socket.recv(100)
        assert answer, "no command was forked: it could not start, or the server has ended; see above"
        return int(answer)


# -- the server -----------------------------------------------------------------------------------


def _serve(control: socket.socket) -> list[str]:
    """Fork a child for each request, for ever. In each child this returns the command to run."""
    while True:
        try:
            message, streams, _, _ = socket.recv_fds(control, 2 * _MARGIN, 3)
        except ConnectionResetError:  # the worker was killed
            os._exit(0)
        if not message:
            os._exit(0)
        answer, told = os.pipe()
        if not _fork_sibling():
            control.close()
            os.close(answer)
            command = _become(json.loads(message), streams)
            os.write(told, str(os.getpid()).encode())
            os.close(told)
            return command
        os.close(told)
        control.send(os.read(answer, 100))  # sends nothing if the command ended before it was ready
        for descriptor in (*streams, answer):
            os.close(descriptor)


def _fork_sibling() -> int:
    """Fork as os.fork does, but our parent becomes the parent. This process must have one thread."""
    python = ctypes.pythonapi  # a call through pythonapi keeps the interpreter's lock
    python.PyOS_BeforeFork()
    pid: int = python.syscall(_CLONE[platform.machine()], _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
    if pid:
        python.PyOS_AfterFork_Parent()
    else:
        python.PyOS_AfterFork_Child()
    if pid < 0:
        raise OSError("clone failed")
    return pid


def _become(request: dict[str, Any], streams: list[int]) -> list[str]:
    """Make this fork like a new process with these streams, this folder and this environment."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
    for descriptor in streams:
        os.close(descriptor)
    if request["terminal"]:
        os.login_tty(0)
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        # open() finds out whether each is a terminal, a pipe or a file.
        old = getattr(sys, name)
        new = open(  # noqa: SIM115 - as the interpreter opens them, which leaves them open
            number,
            "w" if number else "r",
            buffering=1 if number == 2 else -1,
            encoding=old.encoding,
            errors=old.errors,
            closefd=False,
        )
        setattr(sys, name, new)
        setattr(sys, f"__{name}__", new)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    signal.signal(signal.SIGINT, signal.default_int_handler)
    command: list[str] = request["command"]
    return command


def _warm_up() -> None:
    """Make a plan once. The forks then find patterns compiled, types looked up and code specialized.

    No fork can see this. What functions have cached is forgotten, and the former environment and folder are
    restored. It is a plan, because an apply would change signals and exit codes for good.
    """
    from reconciler.cli.app import cli
    from reconciler.emulator.server import run_emulator

    environ, folder = dict(os.environ), pathlib.Path.cwd()
    with (
        tempfile.TemporaryDirectory() as made,
        run_emulator() as emulator,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        os.chdir(made)
        pathlib.Path("models.yaml").write_text(json.dumps(_MANIFEST), encoding="utf-8")
        os.environ |= {"GOOGLE_GEMINI_BASE_URL": emulator.url, "RECONCILER_TODAY": "2026-11-29"}
        code = cli.main(["plan", "models.yaml"], standalone_mode=False)
        assert not code, "the plan that warms the server up has failed"
        os.chdir(folder)
    os.environ.clear()
    os.environ.update(environ)
    for name in [name for name in sys.modules if name.partition(".")[0] == "reconciler"]:
        for value in vars(sys.modules[name]).values():
            if isinstance(value, functools._lru_cache_wrapper):
                value.cache_clear()


def _import_all() -> None:
    import reconciler

    for module in pkgutil.walk_packages(reconciler.__path__, "reconciler."):
        importlib.import_module(module.name)
    for name in FOREIGN:
        importlib.import_module(name)
    _warm_up()
    _wait_for_threads()
    gc.collect()
    gc.freeze()  # the forks go on sharing this memory, because no collection writes to it


def _wait_for_threads() -> None:
    """Wait until the threads of the plan and of its emulator have ended. A fork has one thread only."""
    until = time.monotonic() + _THREADS_END
    while len(list(pathlib.Path("/proc/self/task").iterdir())) > 1:
        assert time.monotonic() < until, f"these threads do not end: {threading.enumerate()[1:]}"
        time.sleep(0.01)


def _run(command: list[str]) -> None:
    """Run the command and end as an interpreter does, but without taking its modules apart.

    That would write to all the memory that is shared with the server, and so copy it. It takes 0.05 s.
    """
    code = 1
    try:
        if command[0] == "-m":
            sys.argv = command[1:]
            from reconciler.cli.app import main

            main()
        else:
            sys.argv = command
            runpy.run_path(command[0], run_name="__main__")
        code = 0
    except SystemExit as ending:
        if isinstance(ending.code, str):
            print(ending.code, file=sys.stderr)
        else:
            code = ending.code or 0
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):
        # Nobody reads the stream any more, or it is closed.
        code = 120
    os._exit(code)


if __name__ == "__main__":
    sys.path.remove(str(pathlib.Path(__file__).parent))
    # Ctrl-C is for the worker. The server ends together with the worker.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_all()
    _run(_serve(socket.socket(fileno=int(sys.argv[1]))))
