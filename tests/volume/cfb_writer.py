"""A minimal writer of OLE files (MS-CFB versions 3 and 4), so that tests can make Zeiss files of any size."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

FREE, END, FAT, DIFAT, NONE = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD, 0xFFFFFFFC, 0xFFFFFFFF
CUTOFF, MINI = 4096, 64
STORAGE, STREAM, ROOT = 1, 2, 5
IN_HEADER = 109
ZEISS_CODES = {"i1": 2, "u1": 3, "i2": 4, "u2": 5, "i4": 6, "u4": 7, "f4": 10, "f8": 11}


def write_zeiss(
    path: Path, planes: np.ndarray, *, pixel_um: float | None = 0.5, planned: int | None = None,
    taken: int | None = None, extra: Mapping[str, bytes] = {}, sector: int = 4096, scattered: bool = False,
) -> Path:  # fmt: skip
    """Write planes (n, h, w), as they are stored, with the ImageInfo a Zeiss file has."""
    n, h, w = planes.shape
    stored = planes.astype(planes.dtype.newbyteorder("<"))
    streams = {f"ImageData{k // 100 + 1}/Image{k + 1}": stored[k].tobytes() for k in range(n)}
    numbers = {
        "NoOfImages": n if planned is None else planned, "ImagesTaken": n if taken is None else taken,
        "ImageHeight": h, "ImageWidth": w, "DataType": ZEISS_CODES[planes.dtype.str[1:]],
    }  # fmt: skip
    streams |= {f"ImageInfo/{k}": struct.pack("<i", v) for k, v in numbers.items()}
    if pixel_um is not None:
        streams["ImageInfo/PixelSize"] = struct.pack("<f", pixel_um)
    path.write_bytes(cfb_bytes({**streams, **extra}, sector=sector, scattered=scattered))
    return path


@dataclass
class _Entry:
    name: str
    kind: int
    data: bytes = b""
    children: dict[str, _Entry] = field(default_factory=dict)
    start: int = END
    child: int = NONE
    left: int = NONE
    right: int = NONE

    @property
    def in_mini(self) -> bool:
        return self.kind == STREAM and len(self.data) < CUTOFF


def cfb_bytes(streams: Mapping[str, bytes], *, sector: int = 4096, scattered: bool = False) -> bytes:
    """An OLE file with these streams (``storage/stream`` -> bytes); `scattered` mixes the sectors of large streams."""
    entries = _tree(streams)
    mini = b"".join(_padded(e.data, MINI) for e in entries if e.in_mini)
    mini_fat = _mini_fat(entries)
    entries[0].data = mini
    large = [e for e in entries if e.data and not e.in_mini]
    chunks = {id(e): _sectors(e.data, sector) for e in large}
    body, fat = _place(large, chunks, scattered)
    starts = {}
    for what, data in (("mini_fat", mini_fat), ("directory", _directory(entries, sector))):
        pieces = _sectors(data, sector, b"\xff" if what == "mini_fat" else b"\0")
        starts[what] = len(body) if pieces else END
        fat += [*range(len(body) + 1, len(body) + len(pieces)), END] if pieces else []
        body += pieces
    counts = len(_sectors(mini_fat, sector)), -(-len(entries) * 128 // sector)
    return _finish(body, fat, starts, counts, sector)


def _tree(streams: Mapping[str, bytes]) -> list[_Entry]:
    root = _Entry("Root Entry", ROOT)
    entries = [root]
    for path, data in streams.items():
        *folders, name = path.split("/")
        parent = root
        for folder in folders:
            if folder not in parent.children:
                parent.children[folder] = _Entry(folder, STORAGE)
                entries.append(parent.children[folder])
            parent = parent.children[folder]
        parent.children[name] = _Entry(name, STREAM, data)
        entries.append(parent.children[name])
    ids = {id(e): k for k, e in enumerate(entries)}
    for entry in entries:
        order = sorted(entry.children.values(), key=lambda e: (len(e.name), e.name.upper()))
        entry.child = _balance(order, ids)
    return entries


def _balance(order: list[_Entry], ids: Mapping[int, int]) -> int:
    """Link siblings as a balanced binary tree; returns the id of its root."""
    if not order:
        return NONE
    middle = len(order) // 2
    order[middle].left = _balance(order[:middle], ids)
    order[middle].right = _balance(order[middle + 1 :], ids)
    return ids[id(order[middle])]


def _mini_fat(entries: Iterable[_Entry]) -> bytes:
    fat: list[int] = []
    for entry in entries:
        if entry.in_mini and entry.data:
            n = -(-len(entry.data) // MINI)
            entry.start = len(fat)
            fat += [*range(len(fat) + 1, len(fat) + n), END]
    return struct.pack(f"<{len(fat)}I", *fat)


def _place(
    large: list[_Entry], chunks: Mapping[int, list[bytes]], scattered: bool
) -> tuple[list[bytes], list[int]]:
    """Sectors of the large streams in file order, and who follows whom."""
    pairs = [(k, e) for e in large for k in range(len(chunks[id(e)]))]
    if scattered:
        pairs.sort(key=lambda pair: pair[0])
    position = {(id(e), k): at for at, (k, e) in enumerate(pairs)}
    for entry in large:
        entry.start = position[id(entry), 0]
    follows = [position.get((id(e), k + 1), END) for k, e in pairs]
    return [chunks[id(e)][k] for k, e in pairs], follows


def _directory(entries: list[_Entry], sector: int) -> bytes:
    records = []
    for e in entries:
        name = e.name.encode("utf-16-le") + b"\0\0"
        start = 0 if e.kind == STORAGE else e.start
        records.append(
            name.ljust(64, b"\0")
            + struct.pack("<HBBIII", len(name), e.kind, 1, e.left, e.right, e.child)
            + bytes(36)
            + struct.pack("<IQ", start, len(e.data))
        )
    per_sector = sector // 128
    empty = bytes(66) + struct.pack("<BBIII", 0, 0, NONE, NONE, NONE) + bytes(48)
    records += [empty] * (-len(records) % per_sector)
    return b"".join(records)


def _finish(
    body: list[bytes], fat: list[int], starts: Mapping[str, int], counts: tuple[int, int], sector: int
) -> bytes:
    n_mini_fat, n_directory = counts
    per = sector // 4
    n_fat = n_difat = 0
    while n_fat * per < len(body) + n_fat + n_difat:
        n_fat += 1
        n_difat = -(-max(n_fat - IN_HEADER, 0) // (per - 1))
    first_fat = len(body)
    fat = fat + [FAT] * n_fat + [DIFAT] * n_difat
    fat += [FREE] * (n_fat * per - len(fat))
    places = list(range(first_fat, first_fat + n_fat))
    listed = places[:IN_HEADER] + [FREE] * (IN_HEADER - len(places))
    first_difat = first_fat + n_fat
    header = struct.pack(
        "<8s16xHHHHH6xIIIIIIIII109I", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", 0x3E, 4 if sector == 4096 else 3, 0xFFFE,
        sector.bit_length() - 1, 6, 0 if sector == 512 else n_directory, n_fat, starts["directory"], 0, CUTOFF,
        starts["mini_fat"], n_mini_fat, first_difat if n_difat else END, n_difat, *listed,
    )  # fmt: skip
    difat = b"".join(
        struct.pack(f"<{per}I", *_difat_sector(places[IN_HEADER:], k, per, first_difat, n_difat))
        for k in range(n_difat)
    )
    return _padded(header, sector) + b"".join(body) + struct.pack(f"<{len(fat)}I", *fat) + difat


def _difat_sector(places: list[int], k: int, per: int, first: int, count: int) -> list[int]:
    part = places[k * (per - 1) : (k + 1) * (per - 1)]
    return [*part, *[FREE] * (per - 1 - len(part)), first + k + 1 if k + 1 < count else END]


def _sectors(data: bytes, size: int, fill: bytes = b"\0") -> list[bytes]:
    return [data[k : k + size].ljust(size, fill) for k in range(0, len(data), size)]


def _padded(data: bytes, size: int) -> bytes:
    return data + bytes(-len(data) % size)
