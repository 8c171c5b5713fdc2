"""HTML to PDF with Qt's own text engine and no window: ``python -m voidscope.widgets.pdf < page.html > page.pdf``."""

from __future__ import annotations

import os
import sys

from qtpy.QtCore import QBuffer, QIODevice, QMarginsF
from qtpy.QtGui import QGuiApplication, QPageSize, QPdfWriter, QTextDocument


def pdf_of(html: str) -> bytes:
    """The PDF, A4, of a page in HTML 4 with its pictures inside; a `QGuiApplication` must exist."""
    buffer = QBuffer()
    buffer.open(QIODevice.OpenModeFlag.WriteOnly)
    writer = QPdfWriter(buffer)
    writer.setPageSize(QPageSize(QPageSize.PageSizeId.A4))
    writer.setPageMargins(QMarginsF())  # the document leaves 2 cm of its own
    writer.setCreator("voidscope")
    document = QTextDocument()
    document.setHtml(html)
    writer.setTitle(document.metaInformation(QTextDocument.MetaInformation.DocumentTitle))
    document.print_(writer) if hasattr(document, "print_") else document.print(writer)
    del writer  # which writes the end of the file
    return bytes(buffer.data().data())


def main() -> None:
    """Standard input to standard output."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    application = QGuiApplication(sys.argv[:1])
    sys.stdout.buffer.write(pdf_of(sys.stdin.buffer.read().decode()))
    del application


if __name__ == "__main__":
    main()
