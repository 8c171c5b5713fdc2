"""What changed between two measurements of the same scans: whose verdict or value moved, which criteria and flags turned.

A bump is found again by its place, not by its name: masks of two models may show another grid. Two bumps of a scan are the same
when the centre of one lies in the box of the other; each is paired once, the nearest first over all (an assignment).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from voidscope.config import MeasureConfig
from voidscope.metrology.dimensions import SIZES
from voidscope.metrology.measurement import Bump, ScanMeasurement
from voidscope.metrology.moving import STILL, still, value_in_words, values_moved
from voidscope.metrology.rounding import POINTS, percent
from voidscope.metrology.verdict import GRAVITY, Verdict

FLAG_SHARE = 0.1
"""Share of the pillar's width from which the public formulas flag misalignment and extrusion of a micro-bump."""


@dataclass(frozen=True)
class Change:
    """One bump before and after; None where it was, or is, not there.

    `undoubted` are its verdicts whatever is known of the models, None where these are not doubted.
    """

    scan: str
    before: Bump | None
    after: Bump | None
    undoubted: tuple[str, str] | None = None

    @property
    def name(self) -> str:
        """The bump's name after, else before."""
        bump = self.after or self.before
        return "" if bump is None else bump.name

    @property
    def verdicts(self) -> tuple[str, str]:
        """Before and after; ``none`` where there is no bump."""
        one, two = ("none" if b is None else b.measured.verdict.value for b in (self.before, self.after))
        return one, two

    @property
    def flipped(self) -> bool:
        """Whether the verdict is another one."""
        return self.verdicts[0] != self.verdicts[1]

    @property
    def by_doubt(self) -> bool:
        """Whether the verdict flips by what is known of the models alone: without their doubts it is the same."""
        return self.flipped and self.undoubted is not None and self.undoubted[0] == self.undoubted[1]

    @property
    def ratio(self) -> float | None:
        """Change of the ratio the verdict looks at; None where one is unknown, or they are not the same ratio."""
        if (
            self.before is None
            or self.after is None
            or self.before.measured.formula != self.after.measured.formula
        ):
            return None
        return _less(self.after.measured.ratio, self.before.measured.ratio)

    @property
    def blt_um(self) -> float | None:
        """Change of the bond-line thickness, um."""
        return self.lengths_um["blt_um"]

    @property
    def lengths_um(self) -> dict[str, float | None]:
        """Changes of the lengths in `SIZES`, um; None where one is unknown."""
        if self.before is None or self.after is None:
            return dict.fromkeys(SIZES)
        one, two = self.before.measured.dimensions, self.after.measured.dimensions
        return {n: _less(getattr(two, n), getattr(one, n)) for n in SIZES}

    @property
    def edges(self) -> tuple[str, str]:
        """Kinds of the edges that lengths were read off before and after, as `Dimensions.edges` calls them; empty where there is none."""
        one, two = ("" if b is None else b.measured.dimensions.edges for b in (self.before, self.after))
        return one, two

    @property
    def unlike(self) -> bool:
        """Whether lengths before and after were read off edges of different kinds."""
        return all(self.edges) and self.edges[0] != self.edges[1]

    @property
    def bond_line_moved(self) -> bool:
        """Whether the bond line changed by more than comes of how it was read."""
        if self.after is None or self.blt_um is None:
            return False
        return abs(self.blt_um) > still("blt_um", self.after.measured, self.unlike)

    @property
    def values(self) -> dict[str, tuple[float | None, float | None]]:
        """Criteria on anything but the ratio and the bond line whose value moved: measure -> before, after."""
        if self.before is None or self.after is None:
            return {}
        return values_moved(self.before.measured, self.after.measured, self.unlike)

    @property
    def criteria(self) -> dict[str, tuple[str, str]]:
        """Criteria of the recipe that came out otherwise: measure -> outcome before, after.

        One that only one recipe holds is ``none`` on the other side, and is told where it does not PASS. The second criterion of
        a recipe on the same measure is called ``measure (2)``.
        """
        if self.before is None or self.after is None:
            return {}
        one, two = outcomes(self.before.measured), outcomes(self.after.measured)
        pairs = {n: (one.get(n, "none"), two.get(n, "none")) for n in {**one, **two}}
        return {n: p for n, p in pairs.items() if p[0] != p[1] and set(p) != {"none", Verdict.PASS.value}}

    @property
    def flags(self) -> dict[str, tuple[bool, bool]]:
        """Flags that flipped: name -> before, after."""
        if self.before is None or self.after is None:
            return {}
        one, two = flags(self.before.measured), flags(self.after.measured)
        return {n: (one[n], two[n]) for n in one if n in two and one[n] != two[n]}

    @property
    def moved(self) -> bool:
        """Whether anything of it is worth a row."""
        return (
            self.flipped
            or bool(self.flags or self.criteria or self.values)
            or abs(self.ratio or 0) > STILL
            or self.bond_line_moved
        )

    def entry(self) -> dict[str, Any]:
        """The change as JSON has it."""
        sides = {}
        for word, bump in (("before", self.before), ("after", self.after)):
            sides[word] = None if bump is None else _side(bump)
        changed = {n: list(v) for n, v in self.flags.items()}
        return {
            "scan": self.scan, "bump": self.name, **sides, "ratio_change": self.ratio, "blt_change_um": self.blt_um,
            "lengths_change_um": self.lengths_um, "flags": changed, "criteria": {n: list(v) for n, v in self.criteria.items()},
            "values": {n: list(v) for n, v in self.values.items()}, "moved": self.moved, "by_doubt": self.by_doubt,
        }  # fmt: skip


@dataclass(frozen=True)
class Changes:
    """All bumps of some scans before and after.

    Attributes
    ----------
    before, after : what they were measured by, in words
    rows : what moved most first
    scores : side -> held-out figures of its model, e.g. mIoU; None where unknown
    doubts : side -> why no verdict, or no PASS, comes of its model; sides that nobody doubts are left out
    recipes : that either side was measured by; empty where a side has no scan
    provenance : how it came to be, JSON's types only; a list is a table, of rows with the same names
    """

    before: str
    after: str
    rows: tuple[Change, ...]
    scores: Mapping[str, Mapping[str, float | None]] = field(default_factory=dict)
    doubts: Mapping[str, str] = field(default_factory=dict)
    recipes: tuple[MeasureConfig, ...] = ()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, before: Sequence[ScanMeasurement], after: Sequence[ScanMeasurement], names: tuple[str, str],
        scores: Mapping[str, Mapping[str, float | None]] | None = None,
        doubts: Mapping[str, str] | None = None,
        undoubted: tuple[Sequence[ScanMeasurement], Sequence[ScanMeasurement]] | None = None,
        provenance: Mapping[str, Any] | None = None,
    ) -> Changes:  # fmt: skip
        """Pair the bumps of scans of the same name; `undoubted` are the same measurements without the `doubts` of the models."""
        later = {s.scan: s for s in after}
        sure = None if undoubted is None else tuple(_verdicts(side) for side in undoubted)
        rows = [
            Change(s.scan, one, two, None if sure is None else (_of(sure[0], s.scan, one), _of(sure[1], s.scan, two)))
            for s in before if s.scan in later
            for one, two in paired(s.bumps, later[s.scan].bumps)
        ]  # fmt: skip
        recipes = (before[0].recipe, after[0].recipe) if before and after else ()
        return cls(
            *names, tuple(sorted(rows, key=_weight)), scores or {}, doubts or {}, recipes, provenance or {}
        )

    @property
    def moved(self) -> tuple[Change, ...]:
        """The rows in which something moved."""
        return tuple(r for r in self.rows if r.moved)

    def summary(self) -> dict[str, Any]:
        """The changes in numbers, as JSON has them."""
        both = [r for r in self.rows if r.before is not None and r.after is not None]
        verdicts: dict[str, int] = {}
        for row in self.rows:
            if row.flipped:
                verdicts[" -> ".join(row.verdicts)] = verdicts.get(" -> ".join(row.verdicts), 0) + 1
        flipped, turned = ([name for r in both for name in getattr(r, of)] for of in ("flags", "criteria"))
        return {
            "bumps": len(both), "appeared": sum(r.before is None for r in self.rows), "vanished": sum(r.after is None for r in self.rows),
            "moved": len(self.moved), "verdict_flips": verdicts,
            "flips_by_doubt": sum(r.by_doubt for r in self.rows), "flag_flips": {n: flipped.count(n) for n in sorted(set(flipped))},
            "criterion_flips": {n: turned.count(n) for n in sorted(set(turned))},
            "ratio": _differences([r.ratio for r in both]), "blt_um": _differences([r.blt_um for r in both]),
            "lengths_um": {n: _differences([r.lengths_um[n] for r in both]) for n in SIZES},
            "edges": {
                "before": dict(Counter(r.edges[0] for r in both if r.edges[0])), "after": dict(Counter(r.edges[1] for r in both if r.edges[1])),
                "unlike": sum(r.unlike for r in both),
            },
        }  # fmt: skip

    def limits_in_words(self) -> str:
        """That the sides were held to different ratios or limits, and to which; empty where they were not."""
        said = [f"{r.ratio} at most {percent(r.limit)}" for r in self.recipes]
        if len(set(said)) < 2:
            return ""
        apart = len({r.ratio for r in self.recipes}) > 1
        none = ": the ratios are different ones, so no change of them is told" if apart else ""
        return f"{self.before} holds {said[0]}, {self.after} {said[1]}{none}."

    def doubt_in_words(self) -> str:
        """How many flips come of the judging of models alone."""
        n = sum(r.by_doubt for r in self.rows)
        return (
            f"{n} of the flips come{'s' if n == 1 else ''} of what is known of the models, not of the parts."
        )

    def edges_in_words(self) -> str:
        """That lengths of different kinds are compared, and what comes of it; empty where they are not."""
        kinds = Counter(r.edges for r in self.rows if r.unlike)
        words = {"voxel": "to the voxel", "interpolated": "interpolated"}
        said = [
            f"{n} bump{'' if n == 1 else 's'} with edges {words[one]} before and {words[two]} after"
            for (one, two), n in kinds.items()
        ]
        return (
            f"Lengths of different kinds are compared: {', '.join(said)}. Up to a voxel of each change comes of that alone, so a bond "
            "line has moved only where it changed by more."
            if said
            else ""
        )

    def entry(self) -> dict[str, Any]:
        """All of it as one JSON object."""
        return {
            "before": self.before, "after": self.after, "summary": self.summary(), "scores": {k: dict(v) for k, v in self.scores.items()},
            "doubts": dict(self.doubts), "recipes": [r.model_dump(mode="json") for r in self.recipes],
            "provenance": dict(self.provenance),
            "bumps": [r.entry() for r in self.rows],
        }  # fmt: skip

    def text(self) -> str:
        """For a terminal: the sums, then a line per bump that moved."""
        found = self.summary()
        flips = ", ".join(f"{n} {how}" for how, n in found["verdict_flips"].items()) or "none"
        lines = [
            f"{self.before} -> {self.after}: {found['bumps']} bumps, {found['moved']} moved; verdict flips: {flips}",
            *([said] if (said := self.limits_in_words()) else []),
            *([self.doubt_in_words()] if found["flips_by_doubt"] else []),
            *(f"{side}: {reason}" for side, reason in self.doubts.items()),
            *(f"criterion flips: {n} {name}" for name, n in found["criterion_flips"].items()),
            *(f"flag flips: {n} {name}" for name, n in found["flag_flips"].items()),
        ]
        lines += [said] if (said := self.edges_in_words()) else []
        return "\n".join(lines + [_line(r) for r in self.moved])


def flags(found: ScanMeasurement) -> dict[str, bool]:
    """Defects by the recipe's limit and by the public formulas; one whose numbers are not known is left out."""
    size = found.dimensions
    said: dict[str, bool] = {} if found.ratio is None else {"void": found.ratio > found.limit}
    if size.pillar_width_um:
        most = FLAG_SHARE * size.pillar_width_um
        if size.largest_extrusion_um is not None:
            said["extrusion"] = size.largest_extrusion_um > most
        if size.pad_misalignment_um is not None:
            said["misalignment"] = size.pad_misalignment_um > most
    return said


def outcomes(found: ScanMeasurement) -> dict[str, str]:
    """What became of each criterion, the ratio's limit first, by its measure; further ones on a measure are numbered."""
    said: dict[str, str] = {}
    for outcome in found.outcomes:
        name, k = outcome.measure, 2
        while name in said:
            name, k = f"{outcome.measure} ({k})", k + 1
        said[name] = outcome.verdict.value
    return said


def paired(before: Sequence[Bump], after: Sequence[Bump]) -> list[tuple[Bump | None, Bump | None]]:
    """The same bumps of one scan side by side, then those that vanished and those that appeared."""
    from scipy.optimize import linear_sum_assignment

    apart = np.array([[_apart(a, b) for b in after] for a in before]).reshape(len(before), len(after))
    far = 1e6 * (1 + float(apart[np.isfinite(apart)].max(initial=0)))
    rows, columns = linear_sum_assignment(np.where(np.isfinite(apart), apart, far))
    pairs = [(int(i), int(j)) for i, j in zip(rows, columns, strict=True) if np.isfinite(apart[i, j])]
    ones, twos = {i for i, _ in pairs}, {j for _, j in pairs}
    found: list[tuple[Bump | None, Bump | None]] = [(before[i], after[j]) for i, j in pairs]
    found += [(b, None) for i, b in enumerate(before) if i not in ones]
    return found + [(None, b) for j, b in enumerate(after) if j not in twos]


def _apart(one: Bump, two: Bump) -> float:
    """Distance of two bumps' centres in um; infinite where they cannot be the same."""
    inside = _holds(one, two.structure.centroid_voxel) or _holds(two, one.structure.centroid_voxel)
    step: npt.NDArray[np.float64] = np.subtract(one.structure.centroid_um, two.structure.centroid_um)
    return float(np.linalg.norm(step)) if inside else float("inf")


def _holds(bump: Bump, voxel: Sequence[float]) -> bool:
    return all(a <= v < b for v, (a, b) in zip(voxel, bump.structure.box, strict=True))


def _verdicts(scans: Sequence[ScanMeasurement]) -> dict[tuple[str, str], str]:
    """Verdict of each bump by scan and name."""
    return {(s.scan, b.name): b.measured.verdict.value for s in scans for b in s.bumps}


def _of(verdicts: Mapping[tuple[str, str], str], scan: str, bump: Bump | None) -> str:
    return "none" if bump is None else verdicts[scan, bump.name]


def _less(new: float | None, old: float | None) -> float | None:
    return None if new is None or old is None else new - old


def _weight(row: Change) -> tuple[Any, ...]:
    """Flips first, those of the parts and those to a graver verdict before the others; then criteria that turned; then by how far the ratio moved."""
    order = [v.value for v in GRAVITY]
    after = order.index(row.verdicts[1]) if row.verdicts[1] in order else len(order)
    turned = row.flipped or bool(row.criteria)
    return (
        not row.flipped,
        row.by_doubt,
        not turned,
        after,
        -abs(row.ratio or 0.0),
        -abs(row.blt_um or 0.0),
        row.scan,
        row.name,
    )


def _side(bump: Bump) -> dict[str, Any]:
    found = bump.measured
    return {
        "bump": bump.name, "verdict": found.verdict.value, "reason": found.reason, "ratio": found.formula, "ratio_value": found.ratio,
        "limit": found.limit, "n_voids": len(found.voids), "blt_um": found.dimensions.blt_um, "flags": flags(found),
        "edges": found.dimensions.edges, "criteria": outcomes(found), "lengths_um": {n: getattr(found.dimensions, n) for n in SIZES},
    }  # fmt: skip


def _differences(values: Sequence[float | None]) -> dict[str, float] | None:
    """Mean, mean size and largest size of some changes; None without any."""
    known = np.array([v for v in values if v is not None])
    if not known.size:
        return None
    size = np.abs(known)
    return {"mean": float(known.mean()), "mean_absolute": float(size.mean()), "largest": float(size.max())}


def _line(row: Change) -> str:
    one, two = row.verdicts
    ratio = "" if not row.ratio else f"  ratio {100 * row.ratio:+.3g} {POINTS}"
    blt = "" if not row.blt_um else f"  bond line {row.blt_um:+.3g} um"
    turned = "".join(f"  {n} {was} -> {now}" for n, (was, now) in row.criteria.items())
    turned += "".join(
        f"  {n} {value_in_words(n, was)} -> {value_in_words(n, now)}" for n, (was, now) in row.values.items()
    )
    turned += "".join(f"  {n} {'raised' if now else 'cleared'}" for n, (_, now) in row.flags.items())
    flip = f"{one} -> {two}{' (by the model)' if row.by_doubt else ''}" if row.flipped else two
    return f"{row.scan} {row.name}  {flip}{ratio}{blt}{turned}"
