"""A state in a folder: other processes, crashes, links, full disks."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import signal
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.errors import (
    LockLostError,
    StateError,
    StateLockedError,
    StateStoreError,
)
from reconciler.state.backends import open_backend
from tests.contract.backend import (
    ANN,
    BOB,
    put,
)
from tests.contract.sites import local, python


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A plan in a fresh checkout leaves no folder and no lock file behind."""
    assert local(tmp_path / "state").read() is None
    with pytest.raises(StateError, match="not locked"):
        local(tmp_path / "state").force_unlock("x")
    assert list(tmp_path.iterdir()) == []


def modes(folder: Path) -> dict[str, str]:
    """The permissions of each file in a folder, by name."""
    return {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    """Set the umask for one test."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize(("mask", "mode"), [(0o022, "0o644"), (0o002, "0o664"), (0o077, "0o600")])
def test_a_new_file_is_as_the_umask_says(tmp_path: Path, mask: int, mode: str) -> None:
    """State and lock file get the mode of the umask, and no other file is left."""
    with umask(mask):
        put(open_backend(str(tmp_path), environ={}, document="emulator"), b"{}")
    assert modes(tmp_path) == {"emulator.json": mode, "emulator.lock": mode}
    assert (tmp_path / "emulator.lock").read_bytes() == b""


@pytest.mark.parametrize("mode", [0o664, 0o640, 0o600, 0o444])
def test_a_file_that_is_there_keeps_its_mode(tmp_path: Path, mode: int) -> None:
    """Existing state and lock files keep their mode, whoever writes and under any umask."""
    with umask(0o077):
        put(local(tmp_path), b"1")
        for path in tmp_path.iterdir():
            path.chmod(mode)
        put(local(tmp_path), b"2")
    assert (tmp_path / "default.json").read_bytes() == b"2"
    assert set(modes(tmp_path).values()) == {oct(mode)}


def test_a_new_lock_file_is_as_open_as_the_state(tmp_path: Path) -> None:
    """A new lock file gets the state's mode, so whoever can write the state can lock it."""
    (tmp_path / "default.json").write_text("{}")
    (tmp_path / "default.json").chmod(0o660)
    with umask(0o022):
        put(local(tmp_path), b"2")
    assert modes(tmp_path) == {"default.json": "0o660", "default.lock": "0o660"}


def test_a_file_that_is_there_keeps_its_group(tmp_path: Path) -> None:
    """In a shared folder later states and the lock keep the first state's group."""
    group = 54_321 if os.geteuid() == 0 else os.getgroups()[-1]
    state = tmp_path / "default.json"
    state.write_text("{}")
    os.chown(state, -1, group)
    state.chmod(0o664)
    put(local(tmp_path), b"2")
    for path in tmp_path.iterdir():
        assert (path.stat().st_gid, stat.S_IMODE(path.stat().st_mode)) == (group, 0o664), path


def test_what_was_open_to_a_group_is_not_opened_to_another() -> None:
    """If the group cannot be kept, the new file is closed to groups."""
    code = (
        "import os, sys\n"
        "from tests.contract.backend import ANN, put\n"
        "from tests.contract.sites import local\n"
        "if os.geteuid() == 0:\n"
        "    os.setgroups([])\n"
        "    os.setgid(65534)\n"
        "    os.setuid(65534)\n"  # this is no longer root, who may give any file to any group
        "put(local(sys.argv[1]), b'2')\n"
    )
    group = 54_321 if os.geteuid() == 0 else os.getgroups()[-1]
    with tempfile.TemporaryDirectory() as name:  # other users may not enter pytest's own folders
        folder = Path(name)
        folder.chmod(0o755)
        for number, mode in enumerate((0o664, 0o660)):
            inner = folder / str(number)
            inner.mkdir()
            inner.chmod(0o777)
            state = inner / "default.json"
            state.write_text("{}")
            os.chown(state, 65534 if os.geteuid() == 0 else -1, group)
            state.chmod(mode)
            with umask(0):
                _, errors = python(code, str(inner)).communicate()
            assert errors == ""
        found = [modes(folder / str(number))["default.json"] for number in range(2)]
    if os.geteuid() == 0:
        assert found == ["0o644", "0o600"]
    else:
        assert found == ["0o664", "0o660"]  # this user belongs to all groups here, so they are kept


def test_what_is_no_file_is_named_by_its_path(tmp_path: Path) -> None:
    """The error for a folder in the state's place has its path, not a descriptor's number."""
    (tmp_path / "default.json").mkdir()
    with pytest.raises(StateStoreError) as caught:
        local(tmp_path).read()
    assert f"Check {tmp_path}/default.json, its permissions" in caught.value.detail


def test_a_write_without_the_lock_is_refused(tmp_path: Path) -> None:
    """A write is refused before the lock is taken and after it is released."""
    backend = local(tmp_path)
    with pytest.raises(LockLostError):
        backend.write(b"{}", expected=None)
    put(backend, b"{}")
    with pytest.raises(LockLostError):
        backend.write(b"{}", expected=None)


def test_a_linked_state_is_written_where_it_lives(tmp_path: Path) -> None:
    """The link stays a link, and both paths to the file share one lock."""
    put(local(tmp_path / "real"), b'{"serial": 1}')
    (tmp_path / "linked").mkdir()
    link = tmp_path / "linked" / "default.json"
    link.symlink_to(Path("..") / "real" / "default.json")
    put(local(tmp_path / "linked"), b'{"serial": 2}')
    assert link.is_symlink()
    assert (tmp_path / "real" / "default.json").read_bytes() == b'{"serial": 2}'
    direct, other = local(tmp_path / "real"), local(tmp_path / "linked")
    direct.lock(ANN)
    with pytest.raises(StateLockedError, match="ann@laptop"):
        other.lock(BOB)
    direct.unlock(ANN)


def test_leftovers_of_a_dead_writer_are_swept_by_the_next(tmp_path: Path) -> None:
    """The next writer removes a dead writer's temporary file and no other file."""
    put(local(tmp_path), b"{}")
    for name in (".default.json.abc123.tmp", ".other.json.abc123.tmp", "default.json.backup"):
        (tmp_path / name).write_text("torn")
    put(local(tmp_path), b'{"serial": 2}')
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"default.json", "default.lock", ".other.json.abc123.tmp", "default.json.backup"}


def test_a_removed_lock_file_is_noticed_before_the_write(tmp_path: Path) -> None:
    """If somebody deletes the lock file of a run, the run stops instead of overwriting."""
    holder, other = local(tmp_path), local(tmp_path)
    holder.lock(ANN)
    (tmp_path / "default.lock").unlink()
    other.lock(BOB)
    for attempt in (lambda: holder.write(b"{}", expected=None), lambda: holder.renew(ANN)):
        with pytest.raises(LockLostError, match="was removed"):
            attempt()
    other.unlock(BOB)


def test_a_lock_file_that_goes_between_open_and_lock_is_not_believed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the lock file is replaced between open and lock, there is still only one holder."""
    ours, theirs = local(tmp_path), local(tmp_path)
    real = fcntl.flock
    calls: list[int] = []

    def slow(descriptor: int, operation: int) -> None:
        calls.append(operation)
        if len(calls) == 1:
            (tmp_path / "default.lock").unlink()
            theirs.lock(BOB)
        real(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow)
    with pytest.raises(StateLockedError, match="bob@desk"):
        ours.lock(ANN)
    theirs.renew(BOB)
    theirs.unlock(BOB)


def test_what_a_dead_holder_left_in_the_lock_file_is_overwritten_whole(tmp_path: Path) -> None:
    """The next refusal names the living holder, even if the dead holder's entry was longer."""
    (tmp_path / "default.lock").write_text("x" * 10_000)
    holder = local(tmp_path)
    holder.lock(ANN)
    with pytest.raises(StateLockedError, match="ann@laptop"):
        local(tmp_path).lock(BOB)
    holder.unlock(ANN)


def test_a_write_is_durable_before_it_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new bytes are on disk before the rename, and the rename before the write returns."""
    put(local(tmp_path), b"old")
    real = os.fsync
    seen: list[tuple[str, bytes]] = []

    def watched(descriptor: int) -> None:
        kind = "folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file"
        if kind == "file":
            assert os.fstat(descriptor).st_size == len(b"newer")
        seen.append((kind, (tmp_path / "default.json").read_bytes()))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", watched)
    put(local(tmp_path), b"newer")
    assert seen == [("file", b"old"), ("folder", b"newer")]


def test_a_linked_lock_file_empties_nothing(tmp_path: Path) -> None:
    """If the lock file is a link, perhaps from a pull request, its target keeps its bytes."""
    (tmp_path / "precious").write_text("keys")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "default.lock").symlink_to(tmp_path / "precious")
    with pytest.raises(StateStoreError, match="cannot lock the state: Too many levels of symbolic links"):
        local(tmp_path / "state").lock(ANN)
    assert (tmp_path / "precious").read_text() == "keys"


@pytest.mark.parametrize("what", ["fifo", "zero", "folder", "circle"])
def test_a_state_that_is_no_file_is_neither_waited_for_nor_swallowed(tmp_path: Path, what: str) -> None:
    """A pipe, a device, a folder or a circle of links in the state's place is an error at once."""
    place = tmp_path / "default.json"
    if what == "fifo":
        os.mkfifo(place)
    elif what == "folder":
        place.mkdir()
    else:
        place.symlink_to("/dev/zero" if what == "zero" else place)
    with pytest.raises(StateStoreError, match="cannot read the state"):
        local(tmp_path).read()


def test_a_lock_file_that_is_no_file_is_not_opened(tmp_path: Path) -> None:
    """A pipe or folder in the lock file's place is refused without opening it, and stays unchanged."""
    for what in ("fifo", "folder", "large"):
        place = tmp_path / what / "default.lock"
        place.parent.mkdir()
        if what == "fifo":
            os.mkfifo(place)
        elif what == "folder":
            place.mkdir()
        else:
            place.touch()
            os.truncate(place, 1 << 40)
        with pytest.raises(StateStoreError, match="cannot lock the state"):
            local(place.parent).lock(ANN)
    assert (tmp_path / "large" / "default.lock").stat().st_size == 1 << 40


def test_a_state_of_a_terabyte_is_refused_by_looking(tmp_path: Path) -> None:
    """A huge state is refused by its size, without reading it."""
    place = tmp_path / "default.json"
    place.touch()
    os.truncate(place, 1 << 40)
    with pytest.raises(StateStoreError, match="larger than 64 MB") as refused:
        local(tmp_path).read()
    assert f"Check {place}" in refused.value.detail


def test_the_advice_names_a_path_and_no_descriptor(tmp_path: Path) -> None:
    """If the state is a folder, the advice names that folder and not a descriptor such as "11"."""
    (tmp_path / "default.json").mkdir()
    with pytest.raises(StateStoreError) as refused:
        local(tmp_path).read()
    assert refused.value.detail.startswith(f"Check {tmp_path / 'default.json'}, its permissions")


@pytest.mark.parametrize("text", [b"[" * 100_000, b"9" * 5000, b"NaN", b"[]", b'{"Who": [1]}', b"\xff", b""])
def test_nonsense_in_a_lock_file_hides_no_holder(tmp_path: Path, text: bytes) -> None:
    """The kernel's lock counts, whatever the lock file says."""
    backend = local(tmp_path)
    backend.lock(ANN)
    (tmp_path / "default.lock").write_bytes(text)
    with pytest.raises(StateLockedError, match="locked by somebody"):
        local(tmp_path).lock(BOB)


@pytest.mark.parametrize(
    ("number", "fails"), [(errno.EINVAL, False), (errno.ENOTSUP, False), (errno.EIO, True)]
)
def test_a_folder_that_cannot_be_synced_is_no_failure_and_a_broken_disk_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, *, fails: bool
) -> None:
    """A file system that cannot sync folders still writes the state. A disk error fails."""
    real = os.fsync

    def failing(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StateStoreError, match="Input/output") if fails else contextlib.nullcontext():
        put(local(tmp_path), b"{}")
    assert (tmp_path / "default.json").read_bytes() == b"{}"


def test_bytes_that_do_not_reach_the_disk_are_no_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the file's own sync fails, only the old state is left."""
    put(local(tmp_path), b'{"serial": 1}')

    def failing(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StateStoreError, match="cannot write the state: Input/output error"):
        put(local(tmp_path), b'{"serial": 2}')
    assert (tmp_path / "default.json").read_bytes() == b'{"serial": 1}'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default.json", "default.lock"]


def test_a_living_process_keeps_its_lock_and_a_dead_one_holds_nothing(tmp_path: Path) -> None:
    """The refusal names the holder's pid, and nobody can break the lock.

    After kill -9 the next writer gets it at once.
    """
    code = (
        "import sys, time\n"
        "from reconciler.state.backends import LockInfo, open_backend\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "backend.lock(LockInfo(sys.argv[2], 'apply', 'ann@laptop'))\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    holder = python(code, str(tmp_path), ANN.id)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(StateLockedError, match="ann@laptop") as caught:
            local(tmp_path).lock(BOB)
        assert f"pid {holder.pid}" in caught.value.detail
        with pytest.raises(StateError, match="cannot be broken"):
            local(tmp_path).force_unlock(ANN.id)
    finally:
        holder.kill()
        holder.communicate()
    assert json.loads((tmp_path / "default.lock").read_bytes())["Who"] == "ann@laptop"
    put(local(tmp_path), b"{}", BOB)


def test_eight_processes_count_without_losing_one(tmp_path: Path) -> None:
    """Eight processes add five models each under the lock. Forty writes record forty models."""
    code = (
        "import sys\n"
        "from reconciler.state.backends import open_backend\n"
        "from reconciler.model.names import Address\n"
        "from reconciler.state.values import Record, RecordedModel\n"
        "from reconciler.state.session import StateManager\n"
        "manager = StateManager(open_backend(sys.argv[1], environ={}), operation='apply', who=sys.argv[2])\n"
        "for number in range(5):\n"
        "    address = Address('TunedModel', f'm-{sys.argv[2]}-{number}')\n"
        "    with manager.locked() as session:\n"
        "        session.commit(session.state.put(Record(address, RecordedModel(address.name))))\n"
    )
    workers = [python(code, str(tmp_path), str(number)) for number in range(8)]
    assert [(worker.communicate()[1], worker.returncode) for worker in workers] == [("", 0)] * 8
    document = json.loads((tmp_path / "default.json").read_bytes())
    assert (document["serial"], len(document["resources"])) == (40, 40)


def test_kill_9_at_any_moment_leaves_a_whole_state(tmp_path: Path) -> None:
    """After each of twenty kills of a writer, the file holds one whole version."""
    code = (
        "import sys\n"
        "from reconciler.state.backends import LockInfo, open_backend\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "info = LockInfo('x', 'apply', 'me')\n"
        "backend.lock(info)\n"
        "stored = backend.read()\n"
        "version, number = stored.version if stored else None, 0\n"
        "print('writing', flush=True)\n"
        "while True:\n"
        "    number += 1\n"
        "    version = backend.write((b'%07d' % number) * 300_000, expected=version)\n"
    )
    for attempt in range(20):
        writer = python(code, str(tmp_path))
        assert writer.stdout is not None
        assert writer.stdout.readline() == "writing\n"
        time.sleep(0.003 * attempt)
        writer.send_signal(signal.SIGKILL)
        writer.communicate()
        stored = local(tmp_path).read()
        if stored is not None:
            assert stored.data == stored.data[:7] * 300_000
    put(local(tmp_path), b"{}")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default.json", "default.lock"]


def test_a_full_disk_leaves_the_old_state(tmp_path: Path) -> None:
    """A write beyond the size limit fails with an error, and only the old file is left."""
    put(local(tmp_path), b'{"serial": 1}')
    code = (
        "import resource, sys\n"
        "from reconciler.state.backends import LockInfo, open_backend\n"
        "from reconciler.errors import StateStoreError\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "backend.lock(LockInfo('x', 'apply', 'me'))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n"
        "    backend.write(b'x' * 100_000, expected=backend.read().version)\n"
        "except StateStoreError as error:\n"
        "    print(error.summary, error.detail)\n"
    )
    out, errors = python(code, str(tmp_path)).communicate()
    assert "cannot write the state: File too large" in out, errors
    assert "free space" in out
    assert (tmp_path / "default.json").read_bytes() == b'{"serial": 1}'
    assert sorted(path.name for path in tmp_path.iterdir()) == ["default.json", "default.lock"]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A file in place of the folder, or a path that is too long, is our error."""
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "state", tmp_path / ("x" * 300)):
        with pytest.raises(StateStoreError, match="cannot lock") as caught:
            local(folder).lock(ANN)
        assert str(folder) in caught.value.summary
        assert "--state" in caught.value.detail


def test_a_read_only_folder_is_named() -> None:
    """Reading works in a read-only folder, and the refusal to lock names permissions."""
    code = (
        "import os, sys\n"
        "from reconciler.state.backends import LockInfo, open_backend\n"
        "from reconciler.errors import StateStoreError\n"
        "backend = open_backend(sys.argv[1], environ={})\n"
        "if os.geteuid() == 0:\n"
        "    os.setuid(65534)\n"  # permissions do not stop root
        "try:\n"
        "    print(backend.read().data)\n"
        "    backend.lock(LockInfo('x', 'apply', 'me'))\n"
        "except StateStoreError as error:\n"
        "    print(error.summary)\n"
    )
    with tempfile.TemporaryDirectory() as name:  # other users may not enter pytest's own folders
        folder = Path(name)
        (folder / "default.json").write_text("{}")
        (folder / "default.json").chmod(0o644)
        folder.chmod(0o555)
        out, errors = python(code, name).communicate()
        folder.chmod(0o755)
    assert out.splitlines()[:1] == ["b'{}'"], errors
    assert f"{name}/default.json: cannot lock the state: Permission denied" in out
