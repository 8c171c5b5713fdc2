"""A page in HTML becomes a PDF whose words can be read back."""

from __future__ import annotations

import base64
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
    return "".join(pages_of(pdf, folder))


def pages_of(pdf: bytes, folder: Path) -> list[str]:
    (folder / "page.pdf").write_bytes(pdf)
    document = QtPdf.QPdfDocument(None)
    document.load(str(folder / "page.pdf"))
    assert document.pageCount() > 0
    return [document.getAllText(k).text() for k in range(document.pageCount())]


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


@pytest.mark.parametrize("above", range(60, 76))
def test_no_heading_ends_a_page_and_no_small_table_or_picture_is_divided(
    above: int, qapp: Any, tmp_path: Path
) -> None:
    picture = base64.b64encode(overlay_png(np.zeros((40, 60), np.float32), np.ones((40, 60), np.uint8), HBM))
    lines = "".join(f"<p>line {k}</p>" for k in range(above // 2))
    rows = "".join(f"<tr><td>row {k}.</td></tr>" for k in range(5))
    html = (
        f"<html><head><title>T</title></head><body>{lines}{'<br>' * (above % 2)}<h2>over a table</h2><table>{rows}</table>"
        f"{lines}<h2>over a picture</h2><p><img src='data:image/png;base64,{picture.decode()}' width='300'><br>caption</p>"
        f"{lines}<h3>at the end</h3><p>last</p></body></html>"
    )
    pages = ["".join(page.split()) for page in pages_of(pdf_of(html), tmp_path)]
    for heading, under in (
        ("overatable", [f"row{k}." for k in range(5)]), ("overapicture", ["caption"]), ("attheend", ["last"])
    ):  # fmt: skip
        (page,) = (p for p in pages if heading in p)
        assert all(words in page for words in under), (heading, page)
    assert len(pages) <= 5  # and none is begun without need
    assert all(f"page{k}of{len(pages)}" in page for k, page in enumerate(pages, start=1))
