"""Writes that either happened or did not: temporary name, fsync, rename, fsync of the folder."""

from __future__ import annotations

import json
import os
import re
import shutil
import uuid
import weakref
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from voidscope.errors import ProjectError

_TEMPORARY = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")


@dataclass(frozen=True)
class Draft:
    """A file written and synced under a temporary name beside its place, on any thread; `keep_all` renames it.

    One that is never kept is deleted with the last reference to it: after a cancel, an error, a refusal.
    """

    path: Path
    temporary: Path

    @classmethod
    def of(cls, path: Path, data: bytes) -> Draft:
        """Write `data` beside `path`; raises `ProjectError` when the disk or folder refuses."""
        draft = cls(path, _beside(path))
        weakref.finalize(draft, _drop, draft.temporary)
        with explained(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                _write_synced(draft.temporary, data)
            except OSError:
                _drop(draft.temporary)
                raise
        return draft


def keep_all(drafts: Iterable[Draft], gone: Iterable[Path] = ()) -> None:
    """Put drafts in their places, in order, each in one step, and delete the files `gone`; each folder is synced once.

    It takes no time, for all of it is on disk already.
    """
    folders = {}
    for draft in drafts:
        with explained(draft.path):
            try:
                draft.temporary.replace(draft.path)
            finally:
                _drop(draft.temporary)
        folders[draft.path.parent] = draft.path
    for path in gone:
        with explained(path):
            path.unlink(missing_ok=True)
        if path.parent.is_dir():
            folders[path.parent] = path
    for folder, path in folders.items():
        with explained(path):
            sync_folder(folder)


def write_bytes(path: Path, data: bytes) -> None:
    """Replace `path` by `data` so that a crash leaves the old or the new content, never a mixture.

    Raises
    ------
    ProjectError : the disk or folder refuses (full, read-only, gone); the old content is intact.
    """
    keep_all([Draft.of(path, data)])


def write_new(path: Path, data: bytes) -> bool:
    """Write `path` in one step where there is no such file yet; False where there is one, which stays, whoever made it meanwhile.

    A file system without hard links (FAT, some network drives) is asked first and written then; there two writers within the same
    instant may both succeed, and the later stays.

    Raises
    ------
    ProjectError : the disk or folder refuses (full, read-only, gone); nothing is written.
    """
    draft = Draft.of(path, data)
    with explained(path):
        try:
            path.hardlink_to(draft.temporary)
        except FileExistsError:
            return False
        except OSError:
            if path.exists():
                return False
            draft.temporary.replace(path)
        finally:
            _drop(draft.temporary)
        sync_folder(path.parent)
    return True


def write_json(path: Path, tree: Mapping[str, object]) -> None:
    """`write_bytes` of readable, NaN-free JSON."""
    write_bytes(path, json_bytes(tree))


def is_temporary(name: str) -> bool:
    """Whether a file or folder of this name is one that was being written, here or in another program."""
    return _TEMPORARY.fullmatch(name) is not None


def json_bytes(tree: Mapping[str, object]) -> bytes:
    """Readable, NaN-free JSON."""
    return (json.dumps(tree, indent=2, allow_nan=False) + "\n").encode()


def write_folder(folder: Path, files: Mapping[str, bytes | Path]) -> None:
    """Create `folder` with all `files` in one step; nobody ever sees it half filled.

    `files` are content by its place in the folder, or a file that another folder of ours has: it is hard-linked, which takes no time,
    or copied where the file system has no links. Whoever changes such a file replaces it, as all writers here do, so that it stays
    as it was in the other folder.
    """
    with explained(folder):
        temporary = _beside(folder)
        temporary.mkdir(parents=True)
        try:
            for name, data in files.items():
                (temporary / name).parent.mkdir(parents=True, exist_ok=True)
                if isinstance(data, bytes):
                    _write_synced(temporary / name, data)
                else:
                    _share(data, temporary / name)
            for within in {(temporary / name).parent for name in files} | {temporary}:
                sync_folder(within)
            temporary.replace(folder)
        except OSError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        sync_folder(folder.parent)


def replace_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Replace `folder` by one with `files`, all of them or none; what was in it before goes."""
    new, old = (folder.with_name(f".{folder.name}.{word}") for word in ("new", "old"))
    with explained(folder):
        if old.exists() and not folder.exists():  # a crash came between the two renames
            old.replace(folder)
        for left in (new, old):
            shutil.rmtree(left, ignore_errors=True)
        write_folder(new, files)
        if folder.exists():
            folder.replace(old)
        try:
            new.replace(folder)
        except OSError:
            if old.exists():
                old.replace(folder)
            shutil.rmtree(new, ignore_errors=True)
            raise
        sync_folder(folder.parent)
    shutil.rmtree(old, ignore_errors=True)


def remove(path: Path) -> None:
    """Delete a file durably; a file already gone is fine."""
    with explained(path):
        path.unlink(missing_ok=True)
        if path.parent.is_dir():
            sync_folder(path.parent)


def read_json(path: Path) -> dict[str, object]:
    """Read a JSON object; raises `ProjectError` naming the file when it is missing or damaged."""
    try:
        tree = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ProjectError(f"Cannot read {path}: {error}. Restore it from a backup.") from error
    if not isinstance(tree, dict):
        raise ProjectError(
            f"{path} holds {type(tree).__name__}, not a JSON object. Restore it from a backup."
        )
    return tree


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` of writing below `path` into a `ProjectError` that says the way out."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise ProjectError(
            f"Cannot write {path}: {reason}. What was saved before is intact; make the folder writable or free space."
        ) from error


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable, where the system lets a folder be opened (not on Windows)."""
    if os.name == "nt":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _beside(path: Path) -> Path:
    """A temporary name for what is to become `path`."""
    return path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.tmp")


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _share(file: Path, place: Path) -> None:
    """Let a file that is on disk durably also lie in another place."""
    try:
        place.hardlink_to(file)
    except OSError:
        _write_synced(place, file.read_bytes())


def _drop(temporary: Path) -> None:
    with suppress(OSError):
        temporary.unlink(missing_ok=True)
