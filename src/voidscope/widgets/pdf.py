"""HTML to PDF with Qt's own text engine and no window: ``python -m voidscope.widgets.pdf < page.html > page.pdf``."""

from __future__ import annotations

import os
import sys

from qtpy.QtCore import QBuffer, QIODevice, QMarginsF, QRectF, QSizeF, Qt
from qtpy.QtGui import (
    QColor,
    QFont,
    QGuiApplication,
    QPageSize,
    QPainter,
    QPdfWriter,
    QTextDocument,
)

DPI = 96
"""Of the layout; a picture's ``width`` counts in its pixels."""
MARGIN_MM = 16
SOFT = "#55636f"


def pdf_of(html: str) -> bytes:
    """The PDF, A4, of a page in HTML 4 with its pictures inside; a `QGuiApplication` must exist.

    Each page says the document's title and which of how many pages it is, so that one that goes astray is known again.
    """
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setPageMargins(QMarginsF())
    writer.setCreator("voidscope")
    document, sheet = QTextDocument(), QPageSize.size(QPageSize.PageSizeId.A4, QPageSize.Unit.Millimeter)
    document.setDocumentMargin(0)
    document.setHtml(html)
    title = document.metaInformation(QTextDocument.MetaInformation.DocumentTitle)
    writer.setTitle(title)
    px, margin = DPI / 25.4, MARGIN_MM * DPI / 25.4
    page = QSizeF(sheet.width() * px - 2 * margin, sheet.height() * px - 2 * margin)
    document.setPageSize(page)
    painter, scale = QPainter(writer), writer.logicalDpiX() / DPI
    painter.scale(scale, scale)
    for k in range(document.pageCount()):
        if k:
            writer.newPage()
        _draw_page(painter, document, k, page, margin)
        _draw_foot(painter, f"{title}    page {k + 1} of {document.pageCount()}", page, margin)
    painter.end()
    del writer  # which writes the end of the file
    return bytes(buffer.data().data())


def _draw_page(painter: QPainter, document: QTextDocument, k: int, page: QSizeF, margin: float) -> None:
    painter.save()
    painter.translate(margin, margin - k * page.height())
    document.drawContents(painter, QRectF(0, k * page.height(), page.width(), page.height()))
    painter.restore()


def _draw_foot(painter: QPainter, words: str, page: QSizeF, margin: float) -> None:
    font = QFont()
    font.setPixelSize(10)
    painter.setFont(font)
    painter.setPen(QColor(SOFT))
    place = QRectF(margin, margin + page.height(), page.width(), 0.6 * margin)
    painter.drawText(place, int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom), words)


def main() -> None:
    """Standard input to standard output."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QGuiApplication(sys.argv[:1])
    sys.stdout.buffer.write(pdf_of(sys.stdin.buffer.read().decode()))
    del application


if __name__ == "__main__":
    main()
