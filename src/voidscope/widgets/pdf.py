"""HTML to PDF with Qt's own text engine and no window: ``python -m voidscope.widgets.pdf < page.html > page.pdf``."""

from __future__ import annotations

import base64
import os
import re
import sys
from collections.abc import Sequence
from itertools import dropwhile

from qtpy.QtCore import QBuffer, QIODevice, QMarginsF, QRectF, QSizeF, Qt
from qtpy.QtGui import (
    QColor,
    QFont,
    QGuiApplication,
    QImage,
    QPageSize,
    QPainter,
    QPdfWriter,
    QTextBlock,
    QTextBlockFormat,
    QTextCursor,
    QTextDocument,
    QTextFormat,
    QTextFrame,
    QTextTable,
)
from qtpy.QtSvg import QSvgRenderer

DPI = 96
"""Of the layout; a picture's ``width`` counts in its pixels."""
MARGIN_MM = 16
EDGE = 4
"""Left free at either end of a page, for Qt draws pictures a little beyond their line."""
KEPT = 90
"""So much of what follows a heading, or a line over a table, stands with it at least."""
SMALL = 0.4
"""Paragraphs and tables of less than this share of a page are not divided."""
SOFT = "#55636f"
DRAWING_PIXELS = 1200
"""Longer side of a drawing in a PDF, whatever its ``width`` on the page."""
DRAWING = re.compile(r"data:image/svg\+xml;base64,([\w+/=]+)")


def pdf_of(html: str) -> bytes:
    """The PDF, A4, of a page in HTML 4 with its pictures inside; a `QGuiApplication` must exist.

    Each page says the document's title and which of how many pages it is, so that one that goes astray is known again. Sections, which
    begin with ``<h2>``, are laid out each by itself, where the one before has ended: what divides pages looks at the whole rest.
    """
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setPageMargins(QMarginsF())
    writer.setCreator("voidscope")
    sheet = QPageSize.size(QPageSize.PageSizeId.A4, QPageSize.Unit.Millimeter)
    px, margin = DPI / 25.4, MARGIN_MM * DPI / 25.4
    page = QSizeF(sheet.width() * px - 2 * margin, sheet.height() * px - 2 * margin)
    pages = _laid_out(html, page)
    title = pages[0][0][0].metaInformation(QTextDocument.MetaInformation.DocumentTitle)
    writer.setTitle(title)
    painter, scale = QPainter(writer), writer.logicalDpiX() / DPI
    painter.scale(scale, scale)
    for k, shown in enumerate(pages):
        if k:
            writer.newPage()
        for document, own in shown:
            _draw_page(painter, document, own, page, margin)
        _draw_foot(painter, f"{title}    page {k + 1} of {len(pages)}", page, margin)
    painter.end()
    del writer  # which writes the end of the file
    return bytes(buffer.data().data())


def _laid_out(html: str, page: QSizeF) -> list[list[tuple[QTextDocument, int]]]:
    """What each page shows: sections, and which of a section's own pages."""
    head, body, rest = DRAWING.sub(_as_picture, html).partition("<body>")
    pages: list[list[tuple[QTextDocument, int]]] = []
    used = 0.0
    for section in re.split(r"(?=<h2)", rest):
        document = QTextDocument()
        document.setDocumentMargin(0)
        document.setHtml(head + body + section)
        document.setPageSize(page)
        if used:
            _leave_free(document, used)
        last = _divide(document, page.height())
        first = max(0, len(pages) - 1) if used else len(pages)
        for k in range(document.pageCount()):
            if first + k == len(pages):
                pages.append([])
            pages[first + k].append((document, k))
        used = last.bottom() % page.height()
    return pages


def _as_picture(drawing: re.Match[str]) -> str:
    """A drawing (SVG) as a PNG, which is what Qt's text engine shows sharply at any size."""
    svg = QSvgRenderer(base64.b64decode(drawing[1]))
    size = svg.defaultSize().scaled(DRAWING_PIXELS, DRAWING_PIXELS, Qt.AspectRatioMode.KeepAspectRatio)
    image = QImage(size, QImage.Format.Format_RGB32)
    image.fill(QColor("white"))
    painter = QPainter(image)
    svg.render(painter)
    painter.end()
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.data().data()).decode()}"


def _leave_free(document: QTextDocument, height: float) -> None:
    """Begin so far below the top of the first page, after what stands there already."""
    cursor = QTextCursor(document)
    cursor.insertBlock()
    cursor.movePosition(QTextCursor.MoveOperation.Start)
    space = QTextBlockFormat()
    space.setLineHeight(height, QTextBlockFormat.LineHeightTypes.FixedHeight.value)
    cursor.setBlockFormat(space)


def _divide(document: QTextDocument, height: float) -> QRectF:
    """Begin a page where a heading would stand without what it is over, or a picture, a paragraph or a small table be divided.

    What is under a paragraph that follows a heading, as a picture, stands with both.

    Qt fills pages to the end: it divides tables between rows, and paragraphs between lines. Returns the place of the last part.
    """
    root = document.rootFrame()
    form = root.frameFormat()
    form.setTopMargin(EDGE)
    form.setBottomMargin(EDGE)
    root.setFrameFormat(form)
    parts = _parts(root)
    for k, part in enumerate(parts):
        lowest = _lowest_under(parts[k:])
        place, last = _place(document, part), _place(document, lowest)
        end = last.bottom() if last.height() < SMALL * height else _begun(document, lowest)
        if place.top() % height > 2 * EDGE and place.top() // height != (end - EDGE) // height:
            _break_before(part)
    return _place(document, parts[-1])


def _lowest_under(parts: Sequence[QTextBlock | QTextFrame]) -> QTextBlock | QTextFrame:
    """The last of what stands with the first of some parts: with a heading what it is over, and what follows where that is a paragraph."""
    first, *rest = parts
    if not _is_heading(first):
        return first
    under = list(dropwhile(_is_heading, rest))[:2]
    together = (
        under if under and isinstance(under[0], QTextBlock) and not _is_heading(under[-1]) else under[:1]
    )
    return together[-1] if together else first


def _parts(root: QTextFrame) -> list[QTextBlock | QTextFrame]:
    """Paragraphs and tables of a document, in order."""
    found, at = [], root.begin()
    while not at.atEnd():
        found.append(at.currentFrame() or at.currentBlock())
        at += 1
    return found


def _is_heading(part: QTextBlock | QTextFrame) -> bool:
    return isinstance(part, QTextBlock) and part.blockFormat().headingLevel() > 0


def _place(document: QTextDocument, part: QTextBlock | QTextFrame) -> QRectF:
    layout = document.documentLayout()
    return layout.blockBoundingRect(part) if isinstance(part, QTextBlock) else layout.frameBoundingRect(part)


def _begun(document: QTextDocument, part: QTextBlock | QTextFrame) -> float:
    """How far down what may be divided reaches at least on the page that it begins on: a table to the end of its first row."""
    end: float = _place(document, part).top() + KEPT
    if isinstance(part, QTextTable):
        cells = (part.cellAt(0, column).lastCursorPosition().block() for column in range(part.columns()))
        end = max(end, *(_place(document, block).bottom() for block in cells))
    return end


def _break_before(part: QTextBlock | QTextFrame) -> None:
    always = QTextFormat.PageBreakFlag.PageBreak_AlwaysBefore
    if isinstance(part, QTextTable):
        table = part.format()
        table.setPageBreakPolicy(always)
        part.setFormat(table)
    elif isinstance(part, QTextBlock):
        block = part.blockFormat()
        block.setPageBreakPolicy(always)
        QTextCursor(part).setBlockFormat(block)


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
