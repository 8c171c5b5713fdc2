"""A page in HTML becomes a PDF whose words can be read back."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from metrology.masks import HBM, SOLDER, VOID
from metrology.packages import package, rows
from voidscope.config import MeasureConfig
from voidscope.metrology import Report, measure_scan, overlay_png
from voidscope.metrology.charts import package_map
from voidscope.widgets.pdf import DRAWING_PIXELS, pdf_of

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
    found = measure_scan(mask, HBM, (0.7, 0.7, 0.7), MeasureConfig(source="customer X"), "bump <7>")
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


def page_with(words: str, html: str, folder: Path) -> str:
    """What the page that says this says, without spaces."""
    found = ["".join(page.split()) for page in pages_of(pdf_of(html), folder)]
    (page,) = (p for p in found if words in p)
    return page


@pytest.mark.parametrize("above", range(28, 38))
def test_a_heading_stands_with_the_pictures_it_is_over(above: int, qapp: Any, tmp_path: Path) -> None:
    picture = base64.b64encode(
        overlay_png(np.zeros((120, 40), np.float32), np.ones((120, 40), np.uint8), HBM)
    )
    shown = f"<img src='data:image/png;base64,{picture.decode()}' width='190'><br>picture."
    filler = "".join(f"<tr><td>row {k}</td></tr>" for k in range(above))
    head = f"<html><head><title>T</title></head><body><table cellpadding='2'>{filler}</table>"
    rows = f"<table>{f'<tr><td>{shown}</td></tr>' * 2}</table>"
    assert "picture." in page_with("overall", f"{head}<h4>over all</h4>{rows}</body></html>", tmp_path)
    said = f"{head}<h3>over all</h3><p>why</p><p>{shown}</p></body></html>"
    assert "picture." in page_with("overall", said, tmp_path)


def test_a_drawing_is_in_the_pdf_as_a_picture(qapp: Any) -> None:
    svg = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 40 20"><rect width="40" height="20" fill="#1a7f4b"/></svg>'
    html = "<html><head><title>T</title></head><body><p>a</p>{}</body></html>"
    shown = f"<img src='data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}' width='100'>"
    pdf = pdf_of(html.format(shown))
    assert b"/Subtype /Image" in pdf and f"/Width {DRAWING_PIXELS}".encode() in pdf
    assert b"/Subtype /Image" not in pdf_of(html.format(""))


def test_the_printed_report_maps_the_bumps_of_a_package(qapp: Any, tmp_path: Path) -> None:
    made = package((24, 44, 60), rows(2, 3, 18, 12), [7.0] * 6, voids={0: 4.5})
    found = measure_scan(made.mask, HBM, (1, 1, 1), MeasureConfig(), "pkg")
    page = Report((found,)).print_html()
    maps = [base64.b64decode(part.split('"')[0]).decode() for part in page.split("svg+xml;base64,")[1:]]
    assert maps == [package_map(found, ""), package_map(found, "", by_value=True)]
    words = " ".join(words_of(pdf_of(page), tmp_path).split())
    assert "red with a dark rim FAIL" in words and "extrusion" in words
    assert "svg" not in Report((replace(found, bumps=found.bumps[:1]),)).print_html()


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
