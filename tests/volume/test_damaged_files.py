"""Whatever the bytes, a file opens and reads, or is refused by exactly one kind of error."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from cfb_writer import write_zeiss

from voidscope.errors import CannotReadFile, VolumeError
from voidscope.volume import read_scan, tiff_bytes
from voidscope.volume.guarding import in_words

VOXELS = np.random.default_rng(0).integers(0, 60_000, (4, 16, 20), dtype=np.uint16)
MUTANTS = 35


def _tiff(**options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, VOXELS, photometric="minisblack", **options)
    return buffer.getvalue()


def _npy() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, VOXELS)
    return buffer.getvalue()


def _zeiss(folder: Path, **options: bool | int) -> bytes:
    return write_zeiss(folder / "base.txm", np.tile(VOXELS, (1, 3, 3)), **options).read_bytes()


SOURCES: dict[str, Callable[[Path], bytes]] = {
    "plain.tif": lambda _: _tiff(),
    "packed.tif": lambda _: tiff_bytes(VOXELS, (1, 1, 1)),
    "tiled.tif": lambda _: _tiff(bigtiff=True, tile=(16, 16), compression="packbits"),
    "ome.tif": lambda _: _tiff(ome=True, metadata={"axes": "ZYX", "PhysicalSizeX": 1.0}),
    "array.npy": lambda _: _npy(),
    "whole.txm": lambda folder: _zeiss(folder),
    "scattered.txrm": lambda folder: _zeiss(folder, sector=512, scattered=True),
}


def mutant(data: bytes, rng: np.random.Generator) -> bytes:
    """The bytes cut short, or with a few of them changed, mostly near the beginning or the end."""
    if rng.random() < 0.2:
        return data[: rng.integers(1, len(data))]
    changed = bytearray(data)
    for _ in range(rng.integers(1, 9)):
        near = int(rng.integers(len(data) if rng.random() < 0.4 else min(600, len(data))))
        at = near if rng.random() < 0.7 else len(data) - 1 - near
        changed[at] = int(
            rng.choice([0, 1, 127, 128, 255, rng.integers(256), changed[at] ^ (1 << rng.integers(8))])
        )
    return bytes(changed)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", SOURCES)
def test_damaged_bytes_are_read_or_refused_by_one_kind_of_error(kind: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(len(kind))
    data = SOURCES[kind](tmp_path)
    path = tmp_path / kind
    refused = 0
    for _ in range(MUTANTS):
        path.write_bytes(mutant(data, rng))
        try:
            volume = read_scan(path)
            for k in range(min(volume.shape[0], 50)):
                assert volume.voxels[k].shape == volume.shape[1:]
            assert np.asarray(volume.voxels[:, 0]).shape == (volume.shape[0], volume.shape[2])
        except (CannotReadFile, VolumeError) as error:
            assert "\n" not in str(error)
            refused += 1
    assert 0 < refused <= MUTANTS


@pytest.mark.parametrize(
    ("n_bytes", "words"), [(0, "0 bytes"), (600, "600 bytes"), (2048, "2.0 KiB"), (160_000_000_000, "149.0 GiB"), (1 << 50, "1024.0 TiB")]
)  # fmt: skip
def test_sizes_are_told_in_words(n_bytes: int, words: str) -> None:
    assert in_words(n_bytes) == words
