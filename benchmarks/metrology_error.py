"""What the product's figures are worth against truth: error of the void ratio, its interval, bond line, verdict, by labels spent.

For each seed and number of labelled slices (the first so many of one random order of the training slices, so smaller sets are part
of larger ones) a project of its own learns by the product's settings from random weights, and its test scans are evaluated and
measured by the product's verbs with the default recipe. The truth is measured by the same recipe. Twice: with the limit that the recipe has,
and with one that parts the test scans in halves, the median of their true ratios. One JSON line for each finished pair of seed
and labels; what is there is not run again, so a kill loses only the training it interrupts.

    voidscope simulate DATA --logic 35 --memory 65 --seed 5101 --difficulty ordinary
    python benchmarks/metrology_error.py run DATA OUT --seeds 3 [--labels 20,50,100,200] [--set train.steps=100]
    python benchmarks/metrology_error.py report OUT [--command WORDS] [--machine WORDS]
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import ndimage

import voidscope as vs
from voidscope.evaluation import confusion_matrix
from voidscope.metrology import ScanMeasurement, measure_scan
from voidscope.metrology.calibration import likeliest, standard
from voidscope.project import import_truth, project_truth
from voidscope.project.atomic import write_bytes
from voidscope.vocabulary import Mask, Role, SliceKey, Split
from voidscope.workflow import add_dataset
from voidscope.workflow.snapshot import made_with

Cell = dict[str, Any]
"""What one model was worth: its labels, seed, settings and times, and a row for each test scan."""
Floats = npt.NDArray[np.float64]
LENGTHS = ("blt_um", "pillar_width_um", "pillar_height_um", "pad_misalignment_um")


def main() -> None:
    """Run or report, as asked."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    verbs = parser.add_subparsers(required=True, dest="verb")
    run = verbs.add_parser("run")
    run.add_argument("data", type=Path)
    run.add_argument("--seeds", type=int, default=3)
    run.add_argument("--labels", default="20,50,100,200")
    run.add_argument("--set", action="append", default=[])
    told = verbs.add_parser("report")
    told.add_argument("--command", default="python benchmarks/metrology_error.py run DATA OUT")
    told.add_argument("--machine", default="a machine nobody described")
    for one in (run, told):
        one.add_argument("out", type=Path)
    given = parser.parse_args()
    if given.verb == "run":
        labels = [int(n) for n in given.labels.split(",")]
        for seed in range(given.seeds):
            for n in labels:
                run_cell(vs.Dataset.open(given.data), given.out / "cells.jsonl", n, seed, given.set)
    else:
        report(given.out, given.command, given.machine)


def cells_of(path: Path) -> list[Cell]:
    """The finished cells, none where there is no file."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def run_cell(dataset: vs.Dataset, path: Path, n: int, seed: int, settings: Sequence[str]) -> None:
    """Learn from `n` slices, measure the test scans and append the cell; nothing where it is there already."""
    cells = cells_of(path)
    if any((c["labels"], c["seed"]) == (n, seed) for c in cells):
        return
    with tempfile.TemporaryDirectory() as folder:
        config = vs.Config.product().with_changes([f"seed={seed}", *settings])
        project = vs.Project.create(Path(folder) / "project", dataset.classes, config=config)
        vs.execute(add_dataset(project, dataset))
        import_truth(project, dataset, chosen(project.keys(Split.TRAIN), n, seed))
        cell = {"labels": n, "seed": seed, "settings": list(settings), **measured(project, dataset)}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_bytes(path, "".join(json.dumps(c) + "\n" for c in [*cells, cell]).encode())
    print(f"{n} labels, seed {seed}: mIoU {cell['miou']:.3f}, {cell['seconds']}", flush=True)


def chosen(keys: Sequence[SliceKey], n: int, seed: int) -> list[SliceKey]:
    """The first `n` slices of a random order that the seed alone decides."""
    order = np.random.default_rng(seed).permutation(len(keys))
    return [keys[k] for k in order[:n]]


def measured(project: vs.Project, dataset: vs.Dataset) -> Cell:
    """Train, evaluate, measure twice, and tell what came of each test scan beside the truth."""
    seconds, started = {}, (time.monotonic(), time.process_time())
    vs.execute(vs.train(project))
    seconds["train"] = _since(started)
    started = (time.monotonic(), time.process_time())
    found = vs.execute(vs.evaluate(project, dataset))
    seconds["segment"] = _since(started)
    recipe, names = project.config.measure, list(found.scans)
    truths = {n: project_truth(project, dataset, n) for n in names}
    spacing = {n: project.scan(n).spacing_um for n in names}
    true = {n: measure_scan(truths[n], project.classes, spacing[n], recipe, n) for n in names}
    limit = float(np.median([t.ratio or 0.0 for t in true.values()]))
    halved = project.config.with_changes([f"measure.limit={limit!r}"])
    rows = {s.scan: s for s in vs.execute(vs.measure(project, names)).scans}
    again = {s.scan: s for s in vs.execute(vs.measure(project, names, halved)).scans}
    scans = []
    for n in names:
        mask = project.mask(n)
        assert mask is not None
        told = row(rows[n], true[n]) | faults(truths[n], mask, project.classes.ids_with_role(Role.VOID))
        true_again = measure_scan(truths[n], project.classes, spacing[n], halved.measure, n)
        told["verdict_halved"] = [true_again.verdict.value, again[n].verdict.value]
        told["confusion"] = confusion_matrix(truths[n], mask, len(project.classes)).tolist()
        scans.append(told)
    pixels = [project.labels.record(k).pixels for k in project.labels]
    voids = [k - 1 for k in project.classes.ids_with_role(Role.VOID)]
    return {
        "miou": found.miou, "iou": dict(found.iou), "void_recall": found.void_recall, "pool": len(project.keys(Split.TRAIN)),
        "void_slices": sum(any(p[v] for v in voids) for p in pixels), "steps": project.config.train.steps_for(len(pixels)),
        "limit": recipe.limit, "limit_halved": limit, "coverage_factor": recipe.coverage, "edge_sigma": recipe.edge_sigma, "simulated": dataset.folder.name,
        "seconds": seconds, "scans": scans, **made_with(),
    }  # fmt: skip


def row(found: ScanMeasurement, true: ScanMeasurement) -> dict[str, Any]:
    """What was measured in one scan; in pairs, the truth first."""
    budget = {c.name: c.value for c in found.budget}
    lengths = {n: [getattr(with_lengths(m).dimensions, n) for m in (true, found)] for n in LENGTHS}
    return {
        "scan": found.scan, "ratio": [true.ratio, found.ratio], "uncertainty": found.uncertainty, "budget": budget,
        **lengths, "verdict": [true.verdict.value, found.verdict.value], "reason": found.reason, "closed_in": found.closed_in,
        "foreground": [sum(m.n_voxels.values()) - m.n_voxels[m.classes.names[0]] for m in (true, found)],
    }  # fmt: skip


def with_lengths(found: ScanMeasurement) -> ScanMeasurement:
    """What has a scan's lengths: the scan, or the largest of several bumps."""
    if len(found.bumps) < 2:
        return found
    return max(found.bumps, key=lambda b: b.structure.size_voxels).measured


def faults(truth: Mask, mask: Mask, void_ids: Sequence[int]) -> dict[str, int]:
    """Voxels of void: true, found and both; and of those in one only, how many belong to voids the other does not touch at all.

    ``missed`` are voxels of true voids (26-connected) that hold no voxel found, ``invented`` those of found voids that hold no true one.
    """
    true, found = np.isin(truth, void_ids), np.isin(mask, void_ids)
    both = true & found
    return {
        "void_true": int(true.sum()), "void_found": int(found.sum()), "void_both": int(both.sum()),
        "missed": _untouched(true, both), "invented": _untouched(found, both),
    }  # fmt: skip


def _untouched(bodies: npt.NDArray[np.bool_], touching: npt.NDArray[np.bool_]) -> int:
    """Voxels of those connected bodies that hold none of the others."""
    labels, n = ndimage.label(bodies, np.ones((3, 3, 3)))
    size = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    held = np.bincount(labels[touching], minlength=n + 1)[1:]
    return int(size[held == 0].sum())


def _since(started: tuple[float, float]) -> list[float]:
    """Seconds since: on the clock, and of the processor."""
    return [round(time.monotonic() - started[0], 1), round(time.process_time() - started[1], 1)]


def report(out: Path, command: str, machine: str) -> None:
    """Write ``report.md`` and ``error.png`` beside the cells."""
    cells = sorted(cells_of(out / "cells.jsonl"), key=lambda c: (c["labels"], c["seed"]))
    drawn(cells, out / "error.png")
    write_bytes(out / "report.md", (page(cells, command, machine) + "\n").encode())


def page(cells: Sequence[Cell], command: str, machine: str) -> str:
    """The report in Markdown."""
    first = cells[0]
    days = sorted({c["created"][:10] for c in cells})
    scans = len(first["scans"])
    void = sum(s["void_true"] > 0 for s in first["scans"])
    seeds = sorted({c["seed"] for c in cells})
    versions = ", ".join(f"{k} {v}" for k, v in first["versions"].items() if k in ("voidscope", "torch"))
    return "\n".join([
        "# What the measured figures are worth against truth", "",
        (f"`{command}` on {machine}, {' to '.join(dict.fromkeys((days[0], days[-1])))}; {versions}, Python {first['python']}. Written by `python benchmarks/metrology_error.py report`; "
        "the raw figures of every scan are in [cells.jsonl](cells.jsonl)."), "",
        (f"{scans} test scans, {void} of them with void, that no model learnt from and nothing was tuned on; {first['pool']:,} slices to draw from; seeds {', '.join(map(str, seeds))}. Each seed draws one random order "
        "of the slices and takes the first 20, 50 ...; the product's settings, random weights, a training anew for every row. Settings changed: "
        f"{', '.join(first['settings']) or 'none'}. **Simulated scans only**: nothing here is about real ones. Rows of one seed share slices and all rows share the test scans, so the scans of several seeds are not independent."), "",
        "## Void ratio and its interval", "",
        table(cells, RATIO_COLUMNS), "",
        ("Errors and U in percentage points of void/foreground, mean over scans; ± is the standard deviation over seeds. *Covered*: scans whose interval ratio ± U (k = "
        f"{first['coverage_factor']:g}, stated 95 %) holds the true ratio; *trivial* are those without void in truth and mask, counted apart."), "",
        "![error, bond line, coverage and intervals](error.png)", "",
        "## Calibrated on held-out scans", "",
        table(cells, CALIBRATED_COLUMNS), "",
        ("What the interval would be if a project took the doubt of edges from its own held-out scans: the sigma that makes their errors likeliest (`voidscope calibrate`) in place of the recipe's "
        f"{first['edge_sigma']:g}. Each scan's interval is made from the other test scans of the same model alone, so no scan calibrates itself; the sigma shown is of all of them. Everything else as above; *guarded* is explained below."), "",
        "## Verdict", "",
        table(cells, VERDICT_COLUMNS), "",
        (f"Scans of all seeds whose verdict is that of the truth, by the recipe's limit of {100 * first['limit']:g} % and by {100 * first['limit_halved']:.3g} %, the median true ratio of these scans, which parts them in halves. Truly {failing(first, 'verdict')} and {failing(first, 'verdict_halved')} of the {scans} scans fail by them. A "
        "*false PASS* is a scan that truly fails. *At the model's recall*: a PASS is REVIEW where the whole scan's ratio / void recall does not keep the limit, as the product decides of a model that was judged (here by these test scans). *Guarded*: the same limit with a guard band (PASS or FAIL only where the whole interval is on one side, else REVIEW), worked out from ratio and U of the whole scan, while the verdicts are the product's, by the worst bump."), "",
        "## Lengths", "",
        table(cells, LENGTH_COLUMNS), "",
        "Mean absolute error in um over the scans where truth and mask both have the length (largest in brackets); a voxel is 0.7 um. *Pads invented*: scans without a pad in whose mask some voxels are pad, so that the bond line is read to there and a misalignment is reported. Lengths are of the scan's largest bump, interpolated by the model's probabilities in its mask; in the truth they are whole voxels, whose own error of up to half a voxel is in these figures.", "",
        "## Where void is lost and gained", "",
        table(cells, FAULT_COLUMNS), "",
        "Voxels of void in per cent of all true void, all test scans and seeds together. *Missed whole*: true voids that no found void touches; *missed part*: the rest of what was not found; *invented* likewise.",
    ])  # fmt: skip


def table(cells: Sequence[Cell], columns: Mapping[str, Callable[[Sequence[Cell]], str]]) -> str:
    """A Markdown table with a row for each number of labels, its cells being those of all seeds."""
    by_labels: dict[int, list[Cell]] = {}
    for c in cells:
        by_labels.setdefault(c["labels"], []).append(c)
    rows = [[f"{n} ({len(some)})", *(f(some) for f in columns.values())] for n, some in by_labels.items()]
    head = ["labelled slices (seeds)", *columns]
    return "\n".join("| " + " | ".join(r) + " |" for r in (head, ["---"] * len(head), *rows))


def errors(cell: Cell) -> Floats:
    """(N, 2): error of each scan's ratio and its U, in percentage points."""
    pairs = [
        (s["ratio"][1] - s["ratio"][0], s["uncertainty"]) for s in cell["scans"] if s["ratio"][1] is not None
    ]
    return 100 * np.array(pairs)


def doubts(cell: Cell) -> Floats:
    """(N, 3) of the scans that are not trivial: error of the ratio, what one voxel of edge changes, and the other known doubt."""
    edge, sigma = "edges of the voids", cell["edge_sigma"]
    rows = []
    for s in filter(is_telling, cell["scans"]):
        others = [v for name, v in s["budget"].items() if name != edge and v is not None]
        rows.append((s["ratio"][1] - s["ratio"][0], s["budget"][edge] / sigma, math.hypot(*others)))
    return np.array(rows)


def is_telling(scan: Mapping[str, Any]) -> bool:
    """Whether a scan has void in truth or mask, and a ratio."""
    return not is_trivial(scan) and scan["ratio"][1] is not None


def recalibrated(cell: Cell) -> Cell:
    """The cell with the U that each scan would have by the sigma of the other scans alone; trivial scans keep theirs."""
    rows, scans, i = doubts(cell), [], 0
    for s in cell["scans"]:
        if is_telling(s):
            u = standard(rows[i : i + 1], likeliest(np.delete(rows, i, axis=0)))[0]
            s, i = {**s, "uncertainty": cell["coverage_factor"] * float(u)}, i + 1
        scans.append(s)
    return {**cell, "scans": scans}


def is_trivial(scan: Mapping[str, Any]) -> bool:
    """Whether there is no void, neither in truth nor in the mask."""
    return scan["void_true"] == scan["void_found"] == 0


def is_covered(scan: Mapping[str, Any], k: float = 1.0) -> bool:
    """Whether ratio ± k U holds the true ratio; never where the ratio is undefined."""
    true, found = scan["ratio"]
    return found is not None and abs(found - true) <= k * scan["uncertainty"]


def coverage(cells: Sequence[Cell]) -> str:
    """Scans covered of those that are not trivial, in words."""
    scans = [s for c in cells for s in c["scans"] if not is_trivial(s)]
    n = sum(map(is_covered, scans))
    return f"{n} of {len(scans)} ({100 * n / len(scans):.0f} %)" if scans else "none"


def guarded(scan: Mapping[str, Any], limit: float) -> str:
    """The verdict of a whole scan with a guard band; REVIEW where the product gives none whatever the ratio."""
    found, u = scan["ratio"][1], scan["uncertainty"]
    if found is None or scan["verdict_halved"][1] == "REVIEW" or abs(found - limit) < u:
        return "REVIEW"
    return "PASS" if found < limit else "FAIL"


def at_recall(scan: Mapping[str, Any], cell: Cell) -> str:
    """The verdict by the median with a PASS left to REVIEW where the whole scan's ratio over the model's recall does not keep the limit."""
    verdict, found = scan["verdict_halved"][1], scan["ratio"][1]
    held = verdict == "PASS" and found > cell["limit_halved"] * cell["void_recall"]
    return "REVIEW" if held else str(verdict)


def failing(cell: Cell, name: str) -> int:
    """Scans that truly fail."""
    return sum(s[name][0] == "FAIL" for s in cell["scans"])


def agreement(pairs: Sequence[Sequence[str]]) -> str:
    """Verdicts (true, found) that agree, and those that do not by kind."""
    wrong = {
        "false PASS": [("FAIL", "PASS")], "false FAIL": [("PASS", "FAIL")], "REVIEW": [("FAIL", "REVIEW"), ("PASS", "REVIEW")],
    }  # fmt: skip
    kinds = [f"{n} {name}" for name, ones in wrong.items() if (n := sum(tuple(p) in ones for p in pairs))]
    same = sum(true == found for true, found in pairs)
    return f"{same} of {len(pairs)}" + (f"; {', '.join(kinds)}" if kinds else "")


def mean_off(cell: Cell, name: str, pad: bool) -> float:
    """Mean absolute error of a length over the scans with or without a pad."""
    pairs = [s[name] for s in cell["scans"] if has_pad(s) is pad and None not in s[name]]
    return float(np.mean([abs(found - true) for true, found in pairs])) if pairs else math.nan


def length_error(cells: Sequence[Cell], name: str, pad: bool | None = None) -> str:
    """Mean and largest absolute error of a length, and of how many scans it is not known; of scans with or without a pad, or all."""
    scans = [s for c in cells for s in c["scans"] if pad in (None, has_pad(s))]
    pairs = [s[name] for s in scans if None not in s[name]]
    off = [abs(found - true) for true, found in pairs]
    unknown = sum(s[name][0] is not None and s[name][1] is None for s in scans)
    said = f"{np.mean(off):.2f} ({max(off):.2f})" if off else "none"
    return said + (f", {unknown} not measured" if unknown else "")


def has_pad(scan: Mapping[str, Any]) -> bool:
    """Whether there truly is a pad, as memory dies have one."""
    return scan["pad_misalignment_um"][0] is not None


def pads_invented(cells: Sequence[Cell]) -> str:
    """Scans without a pad in which one was measured, of all scans without."""
    found = [s["pad_misalignment_um"][1] is not None for c in cells for s in c["scans"] if not has_pad(s)]
    return f"{sum(found)} of {len(found)}"


def share(cells: Sequence[Cell], count: Callable[[Mapping[str, Any]], int]) -> str:
    """Voxels counted in all scans, in per cent of all true void."""
    scans = [s for c in cells for s in c["scans"]]
    return f"{100 * sum(map(count, scans)) / sum(s['void_true'] for s in scans):.1f}"


def spread(values: Sequence[float], digits: int) -> str:
    """Mean, with the standard deviation where there are two or more."""
    doubt = f" ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else ""
    return f"{np.mean(values):.{digits}f}{doubt}"


RATIO_COLUMNS: Mapping[str, Callable[[Sequence[Cell]], str]] = {
    "mIoU": lambda cells: spread([c["miou"] for c in cells], 3),
    "void IoU": lambda cells: spread([c["iou"]["void"] for c in cells], 3),
    "absolute error": lambda cells: spread([float(np.abs(errors(c)[:, 0]).mean()) for c in cells], 3),
    "error (bias)": lambda cells: spread([float(errors(c)[:, 0].mean()) for c in cells], 3),
    "largest": lambda cells: f"{max(np.abs(errors(c)[:, 0]).max() for c in cells):.2f}",
    "mean U": lambda cells: spread([float(errors(c)[:, 1].mean()) for c in cells], 3),
    "covered": coverage,
    "trivial": lambda cells: str(sum(is_trivial(s) for c in cells for s in c["scans"])),
    "slices with void": lambda cells: ", ".join(str(c["void_slices"]) for c in cells),
    "training, CPU s": lambda cells: spread([c["seconds"]["train"][1] for c in cells], 0),
}
CALIBRATED_COLUMNS: Mapping[str, Callable[[Sequence[Cell]], str]] = {
    "sigma, voxels": lambda cells: spread([likeliest(doubts(c)) for c in cells], 2),
    "covered": lambda cells: coverage([recalibrated(c) for c in cells]),
    "mean U": lambda cells: spread([float(errors(recalibrated(c))[:, 1].mean()) for c in cells], 3),
    "verdict by the median, guarded": lambda cells: agreement(
        [
            (s["verdict_halved"][0], guarded(s, c["limit_halved"]))
            for c in map(recalibrated, cells)
            for s in c["scans"]
        ]
    ),
}
VERDICT_COLUMNS: Mapping[str, Callable[[Sequence[Cell]], str]] = {
    "by the recipe's limit": lambda cells: agreement([s["verdict"] for c in cells for s in c["scans"]]),
    "by the median": lambda cells: agreement([s["verdict_halved"] for c in cells for s in c["scans"]]),
    "by the median, at the model's recall": lambda cells: agreement(
        [(s["verdict_halved"][0], at_recall(s, c)) for c in cells for s in c["scans"]]
    ),
    "by the median, guarded": lambda cells: agreement(
        [(s["verdict_halved"][0], guarded(s, c["limit_halved"])) for c in cells for s in c["scans"]]
    ),
}
LENGTH_COLUMNS: Mapping[str, Callable[[Sequence[Cell]], str]] = {
    "bond line (BLT)": lambda cells: length_error(cells, "blt_um"),
    "of dies with a pad": lambda cells: length_error(cells, "blt_um", pad=True),
    "of dies without": lambda cells: length_error(cells, "blt_um", pad=False),
    "pillar width": lambda cells: length_error(cells, "pillar_width_um"),
    "pillar height": lambda cells: length_error(cells, "pillar_height_um"),
    "pad misalignment": lambda cells: length_error(cells, "pad_misalignment_um"),
    "pads invented": lambda cells: pads_invented(cells),
}
FAULT_COLUMNS: Mapping[str, Callable[[Sequence[Cell]], str]] = {
    "missed whole": lambda cells: share(cells, lambda s: s["missed"]),
    "missed part": lambda cells: share(cells, lambda s: s["void_true"] - s["void_both"] - s["missed"]),
    "invented whole": lambda cells: share(cells, lambda s: s["invented"]),
    "invented part": lambda cells: share(cells, lambda s: s["void_found"] - s["void_both"] - s["invented"]),
}


def drawn(cells: Sequence[Cell], path: Path) -> None:
    """Draw errors of ratio and bond line by labels, coverage against what is stated, and every scan's error with its interval."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot as plt

    figure, ((ratio, bond), (stated, scans)) = plt.subplots(2, 2, figsize=(10, 7.5))
    labels = sorted({c["labels"] for c in cells})
    curve(ratio, cells, lambda c: float(np.abs(errors(c)[:, 0]).mean()), "mean over test scans")
    for pad, words in ((True, "dies with a pad (memory)"), (False, "dies without (logic)")):
        curve(bond, cells, lambda c, pad=pad: mean_off(c, "blt_um", pad), words)
    ratio.set(ylabel="absolute error of void/foreground, points")
    bond.set(ylabel="absolute error of the bond line, um")
    for axes in (ratio, bond):
        axes.set(xscale="log", xlabel="labelled slices", ylim=(0, None))
        axes.set_xticks(labels, [str(n) for n in labels])
        axes.minorticks_off()
        axes.legend(fontsize=8)
    again = [recalibrated(c) for c in cells]
    for n in labels:
        stairs(stated, [c for c in cells if c["labels"] == n], f"{n} labels")
    stairs(stated, again, "all, sigma of the other scans", color="k")
    stated.plot([0, 100], [0, 100], "k:", lw=1)
    stated.fill_between([94, 96.5], 90, 99, color="green", alpha=0.25, label="90-99 % at 95 %")
    stated.set(xlabel="stated, %", ylabel="scans covered, %", xlim=(0, 100), ylim=(0, 102))
    stated.legend(fontsize=8, loc="lower right")
    start = 0
    for number, n in enumerate(labels):
        rows = np.concatenate([errors(c) for c in cells if c["labels"] == n])
        rows = rows[np.argsort(rows[:, 1])]
        at = start + np.arange(len(rows))
        scans.errorbar(
            at, rows[:, 0], rows[:, 1], fmt="o", ms=2.5, lw=0.8, color=f"C{number}", label=f"{n} labels"
        )
        start += len(rows) + 3
    scans.axhline(0, color="k", lw=0.8)
    scans.set(
        xlabel="test scans of each model, by U", ylabel="error of the ratio and its U, points", xticks=[]
    )
    scans.legend(fontsize=8, loc="lower left")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def curve(axes: Any, cells: Sequence[Cell], value: Callable[[Cell], float], words: str) -> None:
    """A dot for each cell over its labels, and a line through the means."""
    found: dict[int, list[float]] = {}
    for c in cells:
        found.setdefault(c["labels"], []).append(value(c))
    (line,) = axes.plot(list(found), [np.mean(v) for v in found.values()], "-", label=words)
    for n, values in found.items():
        axes.plot([n] * len(values), values, "o", color=line.get_color(), ms=4)


def stairs(axes: Any, cells: Sequence[Cell], words: str, **looks: str) -> None:
    """Share of the scans covered, trivial ones left out, against the level stated, as the coverage factor grows."""
    k = np.linspace(0.05, 1.6, 63)
    level = [100 * math.erf(f * cells[0]["coverage_factor"] / math.sqrt(2)) for f in k]
    some = [s for c in cells for s in c["scans"] if not is_trivial(s)]
    axes.step(level, [100 * np.mean([is_covered(s, f) for s in some]) for f in k], label=words, **looks)


if __name__ == "__main__":
    main()
