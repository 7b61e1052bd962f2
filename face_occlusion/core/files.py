"""Read JSON, hash files and code, write atomically, and report what fails in one line."""

import ast
import contextlib
import errno
import hashlib
import importlib.util
import json
import os
import shutil
import sys
import threading
import traceback
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = "face_occlusion"
ROOT = Path(__file__).resolve().parents[2]  # holds the package's folder
_FREE = "free space on its disk and run again"
_ALLOW = "allow this user to read and write it, or name another place"
_REMEDIES = {
    errno.ENOSPC: _FREE,
    errno.EDQUOT: _FREE,
    errno.EFBIG: _FREE,
    errno.EACCES: _ALLOW,
    errno.EPERM: _ALLOW,
    errno.EROFS: _ALLOW,
    errno.EMFILE: "allow more open files (ulimit -n)",
}
_WORKER_ERROR = "\nValueError: "  # where PyTorch's traceback of a worker ends


def read_json(path: Path, absent: str = "no such file") -> dict[str, Any]:
    """Read a JSON object; a file that is missing or holds anything else is a ValueError.

    `absent` is what the error says if the file is missing, such as which command writes it.
    """
    if not path.is_file():
        raise ValueError(f"{path}: {absent}")
    with errors_name(f"{path}: not readable as JSON (cut short? make it again)"):
        content = json.loads(path.read_bytes())
    if not isinstance(content, dict):
        raise ValueError(f"{path}: must be a JSON object; got {type(content).__name__}")
    return content


def check_name(path: Path) -> Path:
    """Return the path; raise ValueError if its name is not UTF-8, as records and tables are."""
    if os.fsencode(path.name) != path.name.encode(errors="replace"):
        raise ValueError(f"{path}: its name is not UTF-8; rename it")
    return path


def file_sha256(path: Path) -> str:
    """Return the sha256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def code_sha256(*module_names: str) -> str:
    """Return a sha256 over the sources of modules and of every project module they import.

    Imports inside functions and for type checking count too, and so do the `__init__` modules of
    the packages on the way. Other packages' code is not read: add their versions where they matter.
    """
    digest = hashlib.sha256()
    for name, path in import_closure(*module_names).items():
        digest.update(f"{name}\n".encode() + path.read_bytes() + b"\0")
    return digest.hexdigest()


def import_closure(*module_names: str) -> dict[str, Path]:
    """Return the files of modules and of every project module they import, sorted by name.

    A name, such as `face_occlusion.training.loop`, that is no module of the package is a
    ValueError.
    """
    found: dict[str, Path] = {}
    waiting = list(module_names)
    for name in module_names:
        if _file_of(name) is None:
            raise ValueError(f"{name} is not a module of {PACKAGE}")
    while waiting:
        name = waiting.pop()
        path = _file_of(name)
        if path is None or name in found:
            continue
        found[name] = path
        waiting += _imported_names(path.read_bytes())
        if "." in name:
            waiting.append(name.rpartition(".")[0])  # importing a module runs its package's code
    return dict(sorted(found.items()))


def _file_of(name: str) -> Path | None:
    """Return the file of a module of this package, None for any other name."""
    if name.partition(".")[0] != PACKAGE:
        return None
    base = ROOT.joinpath(*name.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


@cache
def _imported_names(source: bytes) -> list[str]:
    """Return every name that a source imports; for `from a import b` both `a` and `a.b`."""
    names: list[str] = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def package_folder(name: str) -> Path:
    """Return the folder of an installed package, without importing it."""
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise ValueError(f"the package {name} is not installed")
    return Path(spec.submodule_search_locations[0])


class PositionedFile:
    """A file open for reads at given positions, which threads and forked processes may share.

    It is closed when nobody holds it any more. One that cannot be opened is a ValueError.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise ValueError(f"{path}: cannot be opened: {error.strerror}") from error

    def read(self, size: int, offset: int) -> bytes:
        """Read `size` bytes, or fewer at the file's end; one system call reads at most 2 GiB."""
        chunks = []
        while size > 0 and (chunk := os.pread(self._descriptor, size, offset)):
            chunks.append(chunk)
            size, offset = size - len(chunk), offset + len(chunk)
        return b"".join(chunks)

    def __del__(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)


@contextlib.contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield `PATH.partial` to write to; it replaces `path` at the end, or is removed on an error.

    The folder is created; a former file is kept until it is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    try:
        with naming(path):
            yield partial
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Add the path to write errors that lack one, such as those of a full disk."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            raise OSError(error.errno, error.strerror, str(path)) from error
        raise


@contextlib.contextmanager
def errors_name(
    where: object, kind: type[Exception] = ValueError, *kinds: type[Exception]
) -> Iterator[None]:
    """Put a file, a place in it, or what is wrong with it in front of every ValueError's message.

    Errors of other kinds, where these are named instead, become a ValueError too.
    """
    try:
        yield
    except (kind, *kinds) as error:
        raise ValueError(f"{where}: {error}") from error


def is_refusal(error: BaseException) -> bool:
    """Tell whether the disk or its permissions caused an error, rather than a file's content."""
    return isinstance(error, OSError) and error.errno in _REMEDIES


def atomic_write(path: Path, content: bytes | str) -> None:
    r"""Write a whole file atomically; text as UTF-8, with its line ends left as they are.

    Bytes of file names that are not UTF-8 are written as escapes, such as `\udcff`.
    """
    if isinstance(content, str):
        content = content.encode(errors="backslashreplace")
    with atomic_path(path) as partial:
        partial.write_bytes(content)


@contextlib.contextmanager
def atomic_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder `FOLDER.partial`; it becomes `folder`, or is removed on an error.

    What a killed run left in `FOLDER.partial` is removed first; for `folder` see `check_unused`.
    """
    check_unused(folder)
    partial = folder.with_name(folder.name + ".partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        with naming(folder):
            yield partial
            partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def check_unused(folder: Path) -> None:
    """Raise ValueError if the path exists and is not an empty folder."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder}: exists and is not an empty folder; nothing was written")


@contextlib.contextmanager
def expected_failures() -> Iterator[None]:
    """End the process with one line and status 1 for bad input, a full disk, a file in the way."""
    threading.excepthook = _report_thread
    try:
        yield
    except (ValueError, OSError, MemoryError) as error:
        message = describe(error).encode(errors="backslashreplace")  # names that are not UTF-8
        cause: BaseException | None = error
        while cause:  # end suspended generators: their progress bars must not follow the message
            traceback.clear_frames(cause.__traceback__)
            cause = cause.__context__
        print(f"ERROR: {message.decode()}", file=sys.stderr)
        sys.exit(1)


def _report_thread(failed: threading.ExceptHookArgs) -> None:
    """Report a system error in a thread in one line, without a traceback."""
    if isinstance(failed.exc_value, OSError):
        print(f"WARNING: in a thread: {describe(failed.exc_value)}", file=sys.stderr)
    else:
        threading.__excepthook__(failed)


def describe(error: Exception) -> str:
    """Say what failed and, for the system's errors, the path and what to do."""
    if isinstance(error, MemoryError):
        return "out of memory; run again with fewer workers or a smaller batch"
    if not isinstance(error, OSError) or error.errno is None:
        return str(error).rpartition(_WORKER_ERROR)[2]
    path = error.filename  # of calls on an open file, its number
    if not path or isinstance(path, int):
        path = "a file (the system does not say which)"
    remedy = _REMEDIES.get(error.errno, "")
    if error.errno == errno.ENOENT and Path(os.fsdecode(path)).is_symlink():
        remedy = "it is a link that leads nowhere; mend or remove it"
    return f"{os.fsdecode(path)}: {error.strerror}{remedy and '; '}{remedy}"
