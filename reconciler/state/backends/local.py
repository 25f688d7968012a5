"""Keeps the state in FOLDER/DOCUMENT.json on this machine, and locks it with flock on FOLDER/DOCUMENT.lock.

Rules: the document is replaced whole (temporary file, fsync, rename, fsync of the folder), and only under the
lock. The lock file is never renamed, because its inode is the lock. The kernel releases the lock when the
process ends, whatever the text in the file says. A replaced file keeps its group and permissions; a new file
follows the umask.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import hashlib
import json
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

from reconciler import bounds, errors, files
from reconciler.state.backends import UNCHANGED, LockInfo, Stored, read_holder

_NEW = os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0)
_LOCK_FILE = os.O_RDWR | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOFOLLOW", 0)
"""O_NOFOLLOW, because a symlink in a repository could make us truncate another file."""
_IGNORED_SYNC_ERRORS = frozenset({errno.EINVAL, errno.ENOTSUP, errno.EACCES})
"""Errors of a folder that cannot be opened for reading, or on a file system that cannot sync folders."""


class LocalBackend:
    """One document in one folder. The first lock creates the folder.

    Args:
        folder: as the user gave it.
        document: name without its ending.
    """

    commit_interval = 0.3
    lease: float | None = None

    def __init__(self, folder: str, document: str = "default") -> None:
        self._shown = Path(folder) / f"{document}.json"
        self.place = str(self._shown)
        self._held: tuple[str, int] | None = None  # lock id, file descriptor

    @property
    def _path(self) -> Path:
        """The path without symbolic links, so that all paths to one document share one lock and one file."""
        return Path(os.path.realpath(self._shown))

    @property
    def _lock_path(self) -> Path:
        return self._path.with_suffix(".lock")

    def read(self) -> Stored | None:
        """See Backend.read."""
        with self._translate_errors("read"):
            try:
                data = files.read(self._path, most=bounds.STATE)
            except FileNotFoundError:
                return None
            return Stored(data, _compute_version(data))

    def write(self, data: bytes, *, expected: str | None) -> str:
        """See Backend.write; the lock must be held."""
        path = self._path
        self._check_held()
        current = self.read()
        if (current.version if current else None) != expected:
            raise errors.StateMovedError(
                f"{self.place}: somebody else changed the state while this command ran",
                "Nothing was overwritten. Run the command again.",
            )
        with self._translate_errors("write"):
            # what writers that died have left: we hold the lock, so no other writer is running
            _remove(path.parent.glob(f".{glob.escape(path.name)}.*.tmp"))
            temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}.tmp")
            try:
                with os.fdopen(_create(temporary, like=path), "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except BaseException:
                _remove([temporary])
                raise
        with self._translate_errors("flush", "It was written, but a power failure may undo that."):
            _sync_folder(path.parent)
        return _compute_version(data)

    def lock(self, info: LockInfo) -> None:
        """See Backend.lock."""
        if fcntl is None:
            raise errors.StateStoreError(
                f"{self.place}: this system has no flock, so a local state cannot be locked",
                "Keep the state in a bucket (--state gs://…, s3://…, az://…) or on a server, or use WSL.",
            )
        if self._held is not None:
            raise errors.StateLockedError(
                f"{self.place}: this process already holds the lock {self._held[0]}"
            )
        with self._translate_errors("lock"):
            self._lock_path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = self._take()
            try:
                document = {**info.to_json(), "Path": self.place, "PID": os.getpid()}
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(document, allow_nan=False).encode() + b"\n", 0)
            except BaseException:
                os.close(descriptor)
                raise
        self._held = (info.id, descriptor)

    def _take(self) -> int:
        while True:
            path = self._lock_path
            # check before opening: opening some devices has effects
            with contextlib.suppress(FileNotFoundError):
                files.require_regular(path.stat(), path, most=bounds.LOCK)
            descriptor = self._open_lock()
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_lock_file(descriptor):
                    return descriptor
            except BlockingIOError:
                holder, pid = _read_holder(descriptor)
                os.close(descriptor)
                raise errors.StateLockedError(
                    f"{self.place}: the state is locked by {holder}",
                    "Wait until that run has finished. The lock is released when its process"
                    f"{f' (pid {pid})' if pid else ''} ends, here or on a machine that shares the folder.",
                ) from None
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # somebody removed the file between open and flock: try the new one

    def _open_lock(self) -> int:
        while True:
            with contextlib.suppress(FileNotFoundError):
                return os.open(self._lock_path, _LOCK_FILE)
            with contextlib.suppress(FileExistsError):  # somebody else has just made it
                return _create(self._lock_path, like=self._path)

    def renew(self, info: LockInfo) -> None:
        """See Backend.renew. The lock can only be lost if somebody deletes the lock file."""
        self._check_held(info)

    def unlock(self, info: LockInfo) -> None:
        """See Backend.unlock."""
        if self._held is None or self._held[0] != info.id:
            return
        descriptor, self._held = self._held[1], None
        try:
            with contextlib.suppress(OSError):  # the text is only for display
                os.ftruncate(descriptor, 0)
        finally:
            os.close(descriptor)

    def force_unlock(self, lock_id: str) -> LockInfo:
        """See Backend.force_unlock. It never breaks a lock, because only a running process can hold one."""
        with self._translate_errors("unlock"):
            try:
                descriptor = self._take()
            except errors.StateLockedError as error:
                raise errors.StateError(
                    f"{error.summary}; {lock_id} cannot be broken", error.detail
                ) from error
            except FileNotFoundError:
                pass
            else:
                os.close(descriptor)
        raise errors.StateError(
            f"{self.place}: the state is not locked",
            "There is no lock to break. Run the command that was refused again.",
        )

    def _check_held(self, info: LockInfo | None = None) -> None:
        if self._held is None or (info is not None and info.id != self._held[0]):
            raise errors.LockLostError(f"{self.place}: the lock is not held", "Run the command again.")
        if not self._is_lock_file(self._held[1]):
            raise errors.LockLostError(
                f"{self.place}: the lock file {self._lock_path} was removed while it was held",
                "Do not delete this file while a command runs. Run the command again.",
            )

    def _is_lock_file(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), self._lock_path.stat())
        except FileNotFoundError:
            return False

    @contextlib.contextmanager
    def _translate_errors(self, verb: str, outcome: str = UNCHANGED) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise errors.StateStoreError(
                f"{self.place}: cannot {verb} the state: {error.strerror or error}",
                f"Check {self._find_file(error)}, its permissions and the free space, or give "
                f"another folder with --state. {outcome}",
            ) from error

    def _find_file(self, error: OSError) -> str:
        """Find the file that an error is about. Python names some files by the number of a descriptor."""
        if isinstance(error.filename, int):
            return self.place
        return os.fsdecode(error.filename or self._shown.parent)


def _create(new: Path, *, like: Path) -> int:
    """Create a file with the permissions of the one that it replaces or belongs to."""
    try:
        known = like.stat()
    except FileNotFoundError:
        return os.open(new, os.O_RDWR | _NEW, 0o666)  # the system applies the umask
    descriptor = os.open(new, os.O_RDWR | _NEW, 0o600)
    mode = stat.S_IMODE(known.st_mode) & 0o777
    made = os.fstat(descriptor)
    if (made.st_uid, made.st_gid) != (known.st_uid, known.st_gid):
        try:
            os.fchown(descriptor, known.st_uid if os.geteuid() == 0 else -1, known.st_gid)
        except OSError:  # we are not in that group: do not give our group the rights of that group
            mode = (mode & 0o707) | (mode & 0o007) << 3
    with contextlib.suppress(OSError):  # some file systems have no permissions
        os.fchmod(descriptor, mode)
    return descriptor


def _compute_version(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            path.unlink()


def _sync_folder(folder: Path) -> None:
    """Make the rename durable, if the file system can."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        if error.errno not in _IGNORED_SYNC_ERRORS:
            raise


def _read_holder(descriptor: int) -> tuple[LockInfo, int | None]:
    """Read who wrote the lock file. It may be half written at this moment."""
    data = b""
    with contextlib.suppress(OSError):
        data = os.pread(descriptor, bounds.LOCK, 0)
    holder, document = read_holder(data)
    pid = document.get("PID")
    return holder, pid if isinstance(pid, int) else None
