"""A page in HTML becomes a PDF whose words can be read back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrology.masks import HBM, SOLDER, VOID
from voidscope.config import MeasureConfig
from voidscope.metrology import Report, measure_mask, overlay_png
from voidscope.widgets.pdf import pdf_of

QtPdf = pytest.importorskip("qtpy.QtPdf")


def words_of(pdf: bytes, folder: Path) -> str:
    (folder / "page.pdf").write_bytes(pdf)
    document = QtPdf.QPdfDocument(None)
    document.load(str(folder / "page.pdf"))
    assert document.pageCount() > 0
    return "".join(document.getAllText(k).text() for k in range(document.pageCount()))


def test_the_printed_report_says_what_was_measured_and_the_hash_of_its_twin(
    qapp: Any, tmp_path: Path
) -> None:
    mask = np.full((12, 12, 12), SOLDER, np.uint8)
    mask[4:8, 4:8, 4:8] = VOID
    found = measure_mask(mask, HBM, (0.7, 0.7, 0.7), MeasureConfig(source="customer X"), "bump <7>")
    report = Report(
        (found,), {"report_id": "VS-1", "people": {"operator": "Ann", "approver": "not recorded"}}
    )
    picture = overlay_png(np.zeros((12, 12), np.float32), mask[5], HBM)
    bare = words_of(pdf_of(report.print_html()), tmp_path)
    pdf = pdf_of(report.print_html({"bump <7>": picture}))
    words = words_of(pdf, tmp_path)
    for said in (
        "bump <7>",
        "VS-1",
        "customer X",
        "Ann",
        "Approved by: not recorded",
        found.verdict.value,
        "spread of the model",
    ):
        assert said in words, said
    assert report.sha256 in "".join(words.split())
    assert b"/Subtype /Image" in pdf and "its mask" in words and "its mask" not in bare
