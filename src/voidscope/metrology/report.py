"""The report of a measurement: one value, rendered as JSON, CSV, HTML and plain text."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
from pydantic import ConfigDict, TypeAdapter, ValidationError

from voidscope.errors import ProjectError
from voidscope.metrology.cuts import bumps_of_voids, key_of
from voidscope.metrology.dimensions import SIZES
from voidscope.metrology.lot import Lot, LotScan
from voidscope.metrology.measurement import ScanMeasurement
from voidscope.metrology.page import lot_page, page_of
from voidscope.metrology.print_page import print_page_of
from voidscope.metrology.ratios import RATIOS
from voidscope.metrology.verdict import Verdict
from voidscope.metrology.voids import SHAPE_COLUMNS


@dataclass(frozen=True)
class Report:
    """Measurements of some scans and how they came to be.

    Attributes
    ----------
    scans : one measurement each
    provenance : model, versions, hashes, recipe, time; anything JSON can hold, see `entry`
    """

    scans: tuple[ScanMeasurement, ...]
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verdicts(self) -> dict[Verdict, int]:
        """Number of scans with each verdict."""
        return {v: sum(s.verdict is v for s in self.scans) for v in Verdict}

    def entry(self) -> dict[str, Any]:
        """The report as one JSON object; what JSON has no word for (NaN, infinity) is null in the provenance."""
        return {"scans": [s.entry() for s in self.scans], "provenance": plain(self.provenance)}

    @classmethod
    def from_entry(cls, entry: Mapping[str, Any]) -> Report:
        """The inverse of `entry`; raises `ProjectError` when it is no report, or a value in it is of another type than it has."""
        try:
            scans = tuple(ScanMeasurement.from_entry(e) for e in entry["scans"])
            return cls(*_typed().validate_python((scans, entry["provenance"])))
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ProjectError(
                f"This is no report of this version of voidscope ({_reason(error)}). Measure again to make it anew."
            ) from error

    def json(self) -> str:
        """The JSON twin of the other renderings."""
        return json.dumps(self.entry(), indent=2, allow_nan=False) + "\n"

    def csv(self) -> str:
        """A row per void, those too small to be counted included; `void` numbers the counted ones of a scan, cells of a shape that is not measured are empty.

        `bump` names the bump it lies in, all of them where a wall between touching bumps cuts it; empty outside any bump.
        """
        header = (
            "scan", "void", "bump", "counted", "n_voxels", "volume_um3", "diameter_um", "centroid_z_um", "centroid_y_um",
            "centroid_x_um", "centroid_z_voxel", "centroid_y_voxel", "centroid_x_voxel", "touches_border", "quality",
            *SHAPE_COLUMNS,
        )  # fmt: skip
        rows = (
            (
                s.scan, k if counted else "", " ".join(whose[key_of(v)]), counted, v.n_voxels, v.volume_um3, v.diameter_um, *v.centroid_um,
                *v.centroid_voxel, v.touches_border, v.quality, *(getattr(v.shape, name, None) for name in SHAPE_COLUMNS),
            )
            for s in self.scans
            for whose in [bumps_of_voids(s)]
            for counted, voids in ((True, s.voids), (False, s.small_voids))
            for k, v in enumerate(voids, start=1)
        )  # fmt: skip
        return csv_text(header, rows)

    def csv_scans(self) -> str:
        """A row per scan; what is undefined is an empty cell. `length_edges` is how fine the edges of lengths are;
        those ``by_boxes_`` are by the public formulas, to the voxel. Each criterion has its columns."""
        classes = list(dict.fromkeys(name for s in self.scans for name in s.n_voxels))
        criteria = list(dict.fromkeys(name for s in self.scans for name in _criteria(s)))
        header = (
            "scan", "verdict", "reason", "ratio", "ratio_value", "expanded_uncertainty", "limit", *RATIOS, "n_voids", "n_small_voids",
            "largest_void_diameter_um", "void_volume_um3", *(f"volume_{name}_um3" for name in classes),
            "n_unlabelled_voxels", "spacing_z_um", "spacing_y_um", "spacing_x_um", "build_axis", "length_edges", *SIZES, *_BOXED, *criteria,
        )  # fmt: skip
        rows = (
            (
                s.scan, s.verdict.value, s.reason, s.formula, s.ratio, s.uncertainty, s.limit, *(s.ratios[f] for f in RATIOS.values()),
                len(s.voids), len(s.small_voids), s.voids[0].diameter_um if s.voids else None, s.void_volume_um3,
                *(s.class_volume_um3.get(name) for name in classes), s.n_unlabelled, *s.spacing_um,
                s.dimensions.build_axis, s.dimensions.edges, *_sizes(s), *map(_criteria(s).get, criteria),
            )
            for s in self.scans
        )  # fmt: skip
        return csv_text(header, rows)

    def csv_bumps(self) -> str:
        """A row per bump; what is undefined is an empty cell. `length_edges` is how fine the edges of lengths are;
        those ``by_boxes_`` are by the public formulas, to the voxel. Each criterion has its columns."""
        criteria = list(dict.fromkeys(name for s in self.scans for name in _criteria(s)))
        header = (
            "scan", "bump", "row", "column", "verdict", "reason", "ratio", "ratio_value", "expanded_uncertainty", "limit", *RATIOS,
            "n_voids", "n_small_voids", "largest_void_diameter_um", "void_volume_um3", "void_volume_expanded_uncertainty_um3", "size_voxels",
            "bump_volume_um3", "spacing_z_um", "spacing_y_um", "spacing_x_um", "centroid_z_um", "centroid_y_um",
            "centroid_x_um", "touches_border", "build_axis", "length_edges", *SIZES, *_BOXED, *criteria,
        )  # fmt: skip
        rows = (
            (
                s.scan, b.name, b.structure.row, b.structure.column, m.verdict.value, m.reason, m.formula, m.ratio, m.uncertainty,
                m.limit, *(m.ratios[f] for f in RATIOS.values()), len(m.voids), len(m.small_voids),
                m.voids[0].diameter_um if m.voids else None, m.void_volume_um3, m.volume_uncertainty_um3,
                b.structure.size_voxels, b.structure.size_voxels * s.voxel_um3, *s.spacing_um, *b.structure.centroid_um,
                b.structure.touches_border, m.dimensions.build_axis, m.dimensions.edges, *_sizes(m), *map(_criteria(m).get, criteria),
            )
            for s in self.scans
            for b in s.bumps
            for m in [b.measured]
        )  # fmt: skip
        return csv_text(header, rows)

    @property
    def lot(self) -> Lot:
        """The scans seen as one lot."""
        return Lot.once((LotScan(s.scan, s), self.file_hash(s.scan)) for s in self.scans)

    def html_lot(self) -> str:
        """The page of the scans as one lot."""
        title = str(self.provenance.get("project") or "scans measured together")
        return lot_page(self.lot, title, [self.identity(title)])

    def identity(self, of: str) -> dict[str, str]:
        """What names the report on a page beside others; `of` is what was measured."""
        named = {
            "report ID": "report_id",
            "date": "created",
            "model": "model",
            "weights SHA-256": "weights_sha256",
        }
        facts = {said: str(self.provenance.get(name) or "not recorded") for said, name in named.items()}
        return {"of": of, **facts, "report.json, SHA-256": self.sha256}

    def file_hash(self, scan: str) -> str:
        """Hash of the file that a scan was read from; empty where it is not recorded."""
        facts = self.provenance.get("scans")
        of_it = facts.get(scan) if isinstance(facts, Mapping) else None
        return str(of_it.get("fingerprint") or "") if isinstance(of_it, Mapping) else ""

    def text(self) -> str:
        """A line per scan for a terminal, and how well the model finds voids."""
        if not self.scans:
            return "nothing measured"
        width = max(len(s.scan) for s in self.scans)
        rows = (
            f"{s.scan:{width}s}  {s.verdict.value:6s}  {s.reason}; {len(s.voids)} void{'' if len(s.voids) == 1 else 's'}"
            for s in self.scans
        )
        return "\n".join([*rows, *self.sight()])

    def sight(self) -> list[str]:
        """How much of the void the model sees, in a sentence; nothing where no model made the masks."""
        record = self.provenance.get("model_record")
        accepted = (s.recipe.unjudged_accepted for s in self.scans)
        return [sight_in_words(record, accepted)] if isinstance(record, Mapping) else []

    def html(self, pictures: Mapping[str, bytes] | None = None) -> str:
        """One page that needs nothing else; `pictures` are PNGs by scan name, or ``scan/bump`` of the worst bumps. It names the SHA-256 of the JSON twin."""
        return page_of(self.scans, self.verdicts, plain(self.provenance), pictures or {}, self.sha256)

    def print_html(self, pictures: Mapping[str, bytes] | None = None) -> str:
        """The report for paper, in the plain HTML that Qt can print; see `print_page`."""
        return print_page_of(self.scans, self.verdicts, plain(self.provenance), pictures or {}, self.sha256)

    @property
    def sha256(self) -> str:
        """Of the JSON twin's bytes, as ``sha256sum report.json`` gives it."""
        return hashlib.sha256(self.json().encode()).hexdigest()


def sight_in_words(record: Mapping[str, Any], accepted: Iterable[str]) -> str:
    """How much of the void a model sees, by a report's `record` of it; `accepted` says who takes a model that nobody judged, if anybody."""
    found = record.get("validation void recall")
    if isinstance(found, float | int):
        scans = ", ".join(record.get("validation scans") or ())
        return f"The model finds {100 * found:.0f} % of the labelled void of {scans}; what it misses is in no figure of this report."
    who = "; ".join(sorted(set(accepted) - {""}))
    way = f"the recipe accepts that: {who}" if who else "label slices of a scan that is only to judge on"
    return f"Nobody knows what the model misses: {way}."


@cache
def _typed() -> TypeAdapter[tuple[tuple[ScanMeasurement, ...], dict[str, Any]]]:
    """Looks at every value that a report was read from; its classes trust what they are given."""
    strict = ConfigDict(revalidate_instances="always", strict=True, allow_inf_nan=False)
    return TypeAdapter(tuple[tuple[ScanMeasurement, ...], dict[str, Any]], config=strict)


def _reason(error: Exception) -> str:
    """What is wrong with a report that cannot be read, in a line."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {str(error).splitlines()[0]}"
    first = error.errors()[0]
    part, *rest = first["loc"] or ("",)
    typed = {0: "scans", 1: "provenance"}  # what `_typed` looks at; all else is of a recipe
    where = (typed[part], *rest) if isinstance(part, int) else ("recipe", *first["loc"])
    return f"{'.'.join(map(str, where))}: {first['msg']}"


_BOXED = tuple(f"by_boxes_{name}" for name in SIZES)


def _sizes(found: ScanMeasurement) -> list[float | None]:
    """Cells of `SIZES` and `_BOXED`."""
    return [getattr(size, name) for size in (found.dimensions, found.boxed) for name in SIZES]


def _criteria(found: ScanMeasurement) -> dict[str, object]:
    """Cells of each criterion by column, numbered as in the recipe, the ratio's limit first."""
    names = {formula: name for name, formula in RATIOS.items()}
    return {
        f"criterion_{k}_{names.get(o.measure, o.measure)}_{what}": o.verdict.value if what == "verdict" else getattr(o, what)
        for k, o in enumerate(found.outcomes, start=1)
        for what in ("value", "uncertainty", "at_least", "at_most", "verdict")
    }  # fmt: skip


def csv_text(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A table as CSV with a heading line."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return buffer.getvalue()


def plain(value: Any) -> Any:
    """The value in JSON's own types; numbers that are none become None, other things their text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, str | int) else str(value)
