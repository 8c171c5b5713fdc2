"""What the README and the pages of docs tell people to type works: every example is run, every command named exists.

Scans are small, the network is small and trains for a few steps: that an example runs is tested here, what a model is worth is not.
"""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer.main
from pages import PAGES, ROOT, RUN, SHOWN, blocks, commands, named_commands, run_command

from builders import QUICK, write_scan
from voidscope.cli import lots, reports, verbs
from voidscope.cli.main import app
from voidscope.cli.options import run_settings
from voidscope.config import Config
from voidscope.volume import tiff_bytes
from volume.cfb_writer import write_zeiss

NOT_RUN = {"README.md": 1, "benchmark.md": 1, "how-to.md": 1}
"""Blocks in a language that is run which are marked as not run, by page; each says why in the line above it. To be lowered, not raised."""
EXAMPLES = sorted({(page.name, b.language) for page in PAGES[1:] for b in blocks(page) if b.is_run})
"""Pages of docs and the languages of what is run of them."""
SHAPE = (40, 16, 38)
"""(z, y, x) of the scans that `voidscope simulate` makes here."""
BRIEF = (*QUICK, "train.steps=20", "model.flips=false")


@pytest.fixture(scope="module")
def small() -> Any:
    """Scans and trainings of a moment, whatever an example asks for."""
    product = Config.product

    def briefly(*how: Any) -> Config:
        return run_settings(*how).with_changes(BRIEF)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("voidscope.volume.phantom.simulate.random_shape", lambda rng: SHAPE)
        patch.setattr(Config, "product", lambda: product().with_changes(BRIEF))
        patch.setattr(reports, "BINDINGS", ())  # the PDF takes a process with Qt; tests/cli makes one
        patch.setattr("voidscope.workflow.promoting._check", lambda *_: None)  # such a network finds no void
        for module in (verbs, reports, lots):
            patch.setattr(module, "run_settings", briefly)
        yield patch


@pytest.fixture(scope="module")
def story(small: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the README's commands were run: scans, and the project bumps, labelled, trained and measured."""
    folder = tmp_path_factory.mktemp("readme")
    write_files(folder)
    run_page(ROOT / "README.md", folder)
    return folder


def write_files(folder: Path) -> None:
    """What a person has beforehand: scans in several formats, a label file and a mask."""
    stored = np.random.default_rng(1).integers(0, 60_000, (6, 4, 5), dtype=np.uint16)
    write_zeiss(folder / "die1.txm", stored)
    for name in ("die2.tif", "die4.tif"):
        write_scan(folder / name)
    (folder / "slices_folder").mkdir()
    for z in range(3):
        image = np.random.default_rng(z).integers(0, 60_000, (1, 6, 5), dtype=np.uint16)
        (folder / "slices_folder" / f"{z:03d}.tif").write_bytes(tiff_bytes(image, (0.7, 0.7, 0.7)))
    np.save(folder / "die3.npy", np.random.default_rng(3).random((6, 4, 5)))
    labels = np.zeros((6, 4, 5), np.uint8)
    labels[:, :, 2:] = 255
    (folder / "labels.tif").write_bytes(tiff_bytes(labels, None))
    mask = np.full((12, 12, 12), 2, np.uint8)
    mask[4:8, 4:8, 4:8] = 3
    (folder / "mask.tif").write_bytes(tiff_bytes(mask, None))


def run_page(page: Path, folder: Path, language: str = "sh") -> list[str]:
    """Run a page's blocks of a language in a folder, in order; what the commands said."""
    said: list[str] = []
    names: dict[str, Any] = {"__name__": "__main__"}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for block in blocks(page):
            if block.note.startswith("file: "):
                Path(block.note.removeprefix("file: ")).write_text(block.text, encoding="utf-8")
            elif block.is_run and block.language == language == "python":
                exec(compile(block.text, f"{page.name}:{block.line}", "exec"), names)
            elif block.is_run and block.language == language:
                said += [run_command(words) for words in commands(block.text)]
    return said


def test_the_readmes_commands_leave_a_measured_project(story: Path) -> None:
    assert (story / "bumps" / "report" / "report.html").is_file()
    assert (story / "lot.html").is_file()


def test_the_readmes_python_script_tells_two_cycles_and_a_verdict(
    small: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_page(ROOT / "README.md", tmp_path, "python")
    printed = capsys.readouterr().out
    assert printed.count("Evaluation(miou=") == 2
    assert printed.splitlines()[-1].split()[0] == "memory_000"
    assert (tmp_path / "bumps" / "report" / "report.html").is_file()


@pytest.mark.parametrize(("name", "language"), EXAMPLES)
def test_the_examples_of_a_page_run(name: str, language: str, story: Path, tmp_path: Path) -> None:
    """They start where the README's commands have ended."""
    page = ROOT / "docs" / name
    folder = shutil.copytree(story, tmp_path / "here")
    run_page(page, folder, language)


def test_every_block_says_what_it_is_and_few_are_not_run() -> None:
    skipped: Counter[str] = Counter()
    for page in PAGES:
        for block in blocks(page):
            where = f"{page.name}:{block.line}"
            assert block.language in (*RUN, *SHOWN), f"{where} is of language {block.language!r}"
            if block.note.startswith("file: "):
                assert block.language in SHOWN, f"{where} is a file to write and to run"
            elif block.language in RUN and not block.is_run:
                assert len(block.note) > len("not run: because"), f"{where} does not say why it is not run"
                skipped[page.name] += 1
    assert dict(skipped) == NOT_RUN
    assert {("how-to.md", "sh"), ("tutorial-metrology-engineer.md", "sh")} <= set(EXAMPLES)


def test_every_fence_is_one_that_the_tests_see() -> None:
    for page in PAGES:
        fences = sum(
            line.lstrip().startswith("```") for line in page.read_text(encoding="utf-8").splitlines()
        )
        assert fences == 2 * len(blocks(page)), page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_names_exists_with_its_options_and_settings(page: Path) -> None:
    for words in named_commands(page):
        command, rest = typer.main.get_command(app), words[1:]
        while hasattr(command, "commands") and rest:
            assert rest[0] in command.commands, f"{page.name} names {' '.join(words)}"
            command, rest = command.commands[rest[0]], rest[1:]
        known = {o for p in command.params for o in (*p.opts, *p.secondary_opts)}
        for k, word in enumerate(rest):
            if word.startswith("--"):
                assert word.partition("=")[0] in known, f"{page.name}: {' '.join(words)} has no {word}"
            if word == "--set" and "|" not in rest[k + 1]:
                Config().with_changes([rest[k + 1]])
