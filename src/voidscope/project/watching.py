"""What other programs have written into a project's folder besides scans, labels and cycles: results, queue, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from voidscope.project.cycles import Cycle

Kind = tuple[str, str]
"""What changed, as the project's events call it, and of which scan; empty where it is of none."""
Stamp = tuple[int, int]

OF_A_CYCLE = {
    "survey.safetensors": "survey", "evaluation.json": "evaluation", "promotion.json": "evaluation",
    "decisions.json": "evaluation", "comparison.json": "evaluation", "doubts.json": "findings",
}  # fmt: skip


class Watch:
    """Remembers when the files of the results were last changed, and tells those that were since.

    `cycle` gives the current cycle; the results of earlier ones are nobody's concern.
    """

    def __init__(self, folder: Path, cycle: Callable[[], Cycle | None]) -> None:
        self._folder, self._cycle = folder, cycle
        self._seen = self._look()

    def news(self) -> tuple[Kind, ...]:
        """What was written, replaced or deleted since the last look, each once."""
        before, self._seen = self._seen, self._look()
        moved = {p: k for p, (k, _) in (before | self._seen).items() if before.get(p) != self._seen.get(p)}
        return tuple(sorted(set(moved.values())))

    def note(self, what: str, scan: str = "") -> None:
        """Take what this program has just written itself as seen."""
        now = self._look()
        kept = {p: f for p, f in self._seen.items() if f[0] != (what, scan)}
        self._seen = kept | {p: f for p, f in now.items() if f[0] == (what, scan)}

    def note_all(self) -> None:
        """Take everything as seen: there is another current cycle."""
        self._seen = self._look()

    def _look(self) -> dict[Path, tuple[Kind, Stamp]]:
        found = {}
        for path, kind in self._files():
            try:
                facts = path.stat()
            except OSError:  # not there, or no longer
                continue
            found[path] = (kind, (facts.st_ino, facts.st_mtime_ns))
        return found

    def _files(self) -> Iterator[tuple[Path, Kind]]:
        cycle, folder = self._cycle(), self._folder
        yield folder / "suggestions" / f"{cycle.number if cycle else 0:04d}.json", ("suggestions", "")
        yield folder / "report" / "report.json", ("report", "")
        yield folder / "replay.json", ("evaluation", "")
        yield folder / "pretrained" / "pretrained.json", ("pretrained", "")
        if cycle is not None:
            yield from ((cycle.folder / name, (kind, "")) for name, kind in OF_A_CYCLE.items())
            yield from ((p, ("masks", p.stem)) for p in (cycle.folder / "masks").glob("*.tif"))
