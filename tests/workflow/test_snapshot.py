"""What a verb starts from."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import numpy as np
import pytest

from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.workflow import learnable
from voidscope.workflow.snapshot import made_with


def test_learnt_from_are_the_labelled_slices_of_training_scans(project: Project) -> None:
    assert learnable(project) == ()
    mask = np.ones((24, 20), np.uint8)
    project.labels.put_all({SliceKey(s, i): mask for s in "cba" for i in (5, 2)})
    project.labels.put(SliceKey("a", 0), mask, Provenance.PROPAGATED)
    said = learnable(project)
    assert said == tuple(SliceKey(s, i) for s in "ab" for i in (2, 5))
    assert said == tuple(k for k in project.keys(Split.TRAIN) if k in project.labels)


def test_what_a_forest_was_made_with_is_recorded_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("sklearn")
    assert made_with()["versions"]["scikit-learn"] == version("scikit-learn")

    def without(name: str) -> str:
        if name == "scikit-learn":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("voidscope.project.manifest.version", without)
    versions = made_with()["versions"]
    assert "scikit-learn" not in versions
    assert versions["torch"] == version("torch")
