"""The report of a measurement: one value, rendered as JSON, CSV, HTML and plain text."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from voidscope.metrology.measurement import RATIOS, ScanMeasurement

if TYPE_CHECKING:
    from jinja2 import Template


@dataclass(frozen=True)
class Report:
    """Measurements of some scans and how they came to be; `provenance` holds only JSON values."""

    scans: tuple[ScanMeasurement, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def entry(self) -> dict[str, Any]:
        """The report as one JSON object."""
        return {"scans": [s.entry() for s in self.scans], "provenance": dict(self.provenance)}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Report:
        """The inverse of `entry`."""
        return cls(tuple(ScanMeasurement.from_entry(e) for e in entry["scans"]), entry["provenance"])

    def json(self) -> str:
        """The JSON twin of the other renderings."""
        return json.dumps(self.entry(), indent=2, allow_nan=False, default=list) + "\n"

    def csv(self) -> str:
        """A row per void, small ones included."""
        header = [
            "scan",
            "counted",
            "n_voxels",
            "volume_um3",
            "diameter_um",
            "centroid_z_um",
            "centroid_y_um",
            "centroid_x_um",
            "touches_border",
            "quality",
        ]
        rows = (
            [
                s.scan,
                counted,
                v.n_voxels,
                v.volume_um3,
                v.diameter_um,
                *v.centroid_um,
                v.touches_border,
                v.quality,
            ]
            for s in self.scans
            for counted, voids in ((True, s.voids), (False, s.small_voids))
            for v in voids
        )
        return _csv(header, rows)

    def csv_scans(self) -> str:
        """A row per scan."""
        header = [
            "scan",
            "verdict",
            "ratio",
            "limit",
            *RATIOS,
            "n_voids",
            "void_volume_um3",
            "spacing_z_um",
            "spacing_y_um",
            "spacing_x_um",
        ]
        rows = (
            [
                s.scan,
                s.verdict.value,
                s.formula,
                s.limit,
                *(s.ratios[f] for f in RATIOS.values()),
                len(s.voids),
                sum(v.volume_um3 for v in s.voids),
                *s.spacing_um,
            ]
            for s in self.scans
        )
        return _csv(header, rows)

    def text(self) -> str:
        """A line per scan for a terminal."""
        if not self.scans:
            return "nothing measured"
        width = max(len(s.scan) for s in self.scans)
        return "\n".join(
            f"{s.scan:{width}s}  {s.verdict.value:6s}  {s.reason}; {len(s.voids)} voids" for s in self.scans
        )

    def html(self, pictures: Mapping[str, bytes] | None = None) -> str:
        """One self-contained page; `pictures` are PNGs by scan name."""
        inline = {name: base64.b64encode(png).decode() for name, png in (pictures or {}).items()}
        return _template().render(
            report=self,
            pictures=inline,
            ratios=RATIOS,
            provenance=json.dumps(dict(self.provenance), indent=2, default=list),
        )


def _csv(header: list[str], rows: Iterable[list[Any]]) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


@cache
def _template() -> Template:
    from jinja2 import Environment

    source = files("voidscope.metrology").joinpath("report.html").read_text(encoding="utf-8")
    return Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(source)
