"""Writes that either happened or did not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from voidscope.errors import ProjectError
from voidscope.project import atomic


def test_a_write_replaces_the_old_content_and_leaves_nothing_behind(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.bin"
    atomic.write_bytes(path, b"old")
    atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_failing_write_keeps_the_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file.bin"
    atomic.write_bytes(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProjectError, match=r"file\.bin: No space left on device.*free space"):
        atomic.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["file.bin"]


@pytest.mark.parametrize("links", [True, False])
def test_a_new_file_never_replaces_one_that_came_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    def none(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    if not links:  # as on FAT
        monkeypatch.setattr(Path, "hardlink_to", none)
    path = tmp_path / "deep" / "file.bin"
    assert atomic.write_new(path, b"first")
    assert not atomic.write_new(path, b"second")
    assert path.read_bytes() == b"first"
    assert [p.name for p in path.parent.iterdir()] == ["file.bin"]


def test_a_new_file_that_the_disk_refuses_is_told_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    monkeypatch.setattr(Path, "replace", refused)
    with pytest.raises(ProjectError, match="No space left on device"):
        atomic.write_new(tmp_path / "file.bin", b"data")
    assert list(tmp_path.iterdir()) == []


def test_data_is_synced_before_it_is_renamed_and_the_folder_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(handle: int) -> None:
        order.append("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file")  # noqa: PTH112
        fsync(handle)

    def renamed(self: Path, target: Path) -> Path:
        order.append("rename")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", renamed)
    atomic.write_bytes(tmp_path / "file.bin", b"data")
    assert order == ["file", "rename", "folder"]


def test_a_folder_appears_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    atomic.write_folder(tmp_path / "one", {"a": b"1", "b": b"2"})
    assert sorted(p.name for p in (tmp_path / "one").iterdir()) == ["a", "b"]

    def refuse(self: Path, target: Path) -> Path:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ProjectError, match="Read-only"):
        atomic.write_folder(tmp_path / "two", {"a": b"1"})
    assert [p.name for p in tmp_path.iterdir()] == ["one"]


def test_a_file_of_another_folder_goes_along_without_being_read_or_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = tmp_path / "large"
    large.write_bytes(b"a mask")
    read: list[Path] = []

    def noted(self: Path) -> bytes:
        read.append(self)
        return b""

    monkeypatch.setattr(Path, "read_bytes", noted)
    atomic.write_folder(tmp_path / "new", {"masks/a": large, "small": b"1"})
    assert not read
    assert (tmp_path / "new" / "masks" / "a").samefile(large)
    atomic.write_bytes(large, b"another")
    monkeypatch.undo()
    assert (tmp_path / "new" / "masks" / "a").read_bytes() == b"a mask"


def test_a_file_goes_along_as_a_copy_where_the_file_system_has_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    (tmp_path / "large").write_bytes(b"a mask")
    atomic.write_folder(tmp_path / "new", {"masks/a": tmp_path / "large"})
    assert (tmp_path / "new" / "masks" / "a").read_bytes() == b"a mask"
    assert not (tmp_path / "new" / "masks" / "a").samefile(tmp_path / "large")


def test_json_never_holds_nan(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"nan|NaN"):
        atomic.write_json(tmp_path / "x.json", {"a": float("nan")})
    atomic.write_json(tmp_path / "x.json", {"a": 1.5})
    assert (
        json.loads((tmp_path / "x.json").read_text()) == {"a": 1.5} == atomic.read_json(tmp_path / "x.json")
    )


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_a_damaged_json_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(ProjectError, match=r"x\.json.*backup"):
        atomic.read_json(path)


def test_removing_what_is_gone_is_fine(tmp_path: Path) -> None:
    atomic.write_bytes(tmp_path / "x", b"1")
    atomic.remove(tmp_path / "x")
    atomic.remove(tmp_path / "x")
    assert not (tmp_path / "x").exists()


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "report"
    atomic.replace_folder(folder, {"a": b"1", "b": b"1"})
    atomic.replace_folder(folder, {"a": b"2", "c": b"2"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"a": b"2", "c": b"2"}
    calls: list[int] = []

    def full_at_the_second(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_at_the_second)
    with pytest.raises(ProjectError, match="No space left"):
        atomic.replace_folder(folder, {"a": b"3", "b": b"3", "c": b"3"})
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {"a": b"2", "c": b"2"}
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_a_folder_that_could_not_be_replaced_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, rename = tmp_path / "report", Path.replace
    atomic.replace_folder(folder, {"a": b"1"})

    def refuse_the_new(self: Path, target: Path) -> Path:
        if self.name == ".report.new":
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", refuse_the_new)
    with pytest.raises(ProjectError, match="Permission denied"):
        atomic.replace_folder(folder, {"a": b"2"})
    assert (folder / "a").read_bytes() == b"1"
    assert [p.name for p in tmp_path.iterdir()] == ["report"]


def test_a_crash_between_two_renames_loses_nothing_when_the_next_write_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "report"
    atomic.replace_folder(folder, {"a": b"1"})
    folder.replace(tmp_path / ".report.old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ProjectError, match="No space left"):
        atomic.replace_folder(folder, {"a": b"2"})
    assert (folder / "a").read_bytes() == b"1"
