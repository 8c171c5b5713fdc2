"""A dataset folder from a real CT volume with rare structures: the example aorta of wasserth/TotalSegmentator (Apache-2.0,
tests/reference_files).

No semiconductor scan at hand has labels, so this is the nearest to real labelled data: 120 x 126 x 164 voxels of
1.5 mm, of which the true and the false lumen of a dissected aorta are 1.5 % each, beside heart and vessels of the same
intensity. The labels are a network's, checked in as its reference. One volume gives no independent scans: it is cut into blocks of
14 coronal slices, and two blocks that lie between others are for testing, so figures say how rows compare, not how well they would do
on another patient. Three of the seven training blocks hold neither lumen. The false lumen plays the void, so that the benchmark tells its
IoU apart; ratios and verdicts mean nothing here. Run:

    python benchmarks/aorta_set.py FOLDER_OF_NII_GZ OUT
    voidscope benchmark run fig3b --data OUT --out BENCH --budgets 8,16,24,48 --seeds 10 --workers 2 \\
        --strategies "product; product on random; forest on random"
"""

from __future__ import annotations

import gzip
import json
import struct
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import tifffile

SLICES, TESTS = 14, (4, 6)
TYPES = {2: "u1", 4: "<i2", 8: "<i4"}
"""NIfTI's codes of the types that occur here."""
CLASSES = (("tissue", "background"), ("true_lumen", "foreground"), ("false_lumen", "void"))


def read_nifti(path: Path) -> npt.NDArray[np.int32]:
    """Voxels (x, y, z) of a compressed NIfTI-1 file without a scale."""
    data = gzip.decompress(path.read_bytes())
    shape = struct.unpack("<8h", data[40:56])[1:4]
    (kind,) = struct.unpack("<h", data[70:72])
    (start,) = struct.unpack("<f", data[108:112])
    voxels = np.frombuffer(data, TYPES[kind], count=int(np.prod(shape)), offset=int(start))
    return voxels.reshape(shape, order="F").astype(np.int32)


def main(source: Path, out: Path) -> None:
    """Write NAME.tif and NAME_labels.tif of each block, and dataset.json."""
    image, true, false = (
        read_nifti(source / f"aorta_{n}.nii.gz")
        for n in ("ct_cropped", "aorta_true_lumen", "aorta_false_lumen")
    )
    labels = (true + 2 * false).astype(np.uint8)
    scan = np.clip(image + 1100, 0, 65535).astype(np.uint16)
    out.mkdir(parents=True)
    names = []
    for k in range(scan.shape[1] // SLICES):
        block = np.s_[:, k * SLICES : (k + 1) * SLICES]
        names.append(f"block_{k}")
        for suffix, voxels in (("", scan), ("_labels", labels)):
            tifffile.imwrite(out / f"block_{k}{suffix}.tif", voxels[block].transpose(2, 1, 0))
    classes = [{"id": k, "name": name, "role": role} for k, (name, role) in enumerate(CLASSES)]
    told = {"classes": classes, "spacing_um": [1500.0] * 3, "test": [names[k] for k in TESTS]}
    (out / "dataset.json").write_text(json.dumps(told, indent=1))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
