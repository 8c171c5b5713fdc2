"""What a verb starts from."""

from __future__ import annotations

import numpy as np

from voidscope.project import Project
from voidscope.vocabulary import Provenance, SliceKey, Split
from voidscope.workflow import learnable


def test_learnt_from_are_the_labelled_slices_of_training_scans(project: Project) -> None:
    assert learnable(project) == ()
    mask = np.ones((24, 20), np.uint8)
    project.labels.put_all({SliceKey(s, i): mask for s in "cba" for i in (5, 2)})
    project.labels.put(SliceKey("a", 0), mask, Provenance.PROPAGATED)
    said = learnable(project)
    assert said == tuple(SliceKey(s, i) for s in "ab" for i in (2, 5))
    assert said == tuple(k for k in project.keys(Split.TRAIN) if k in project.labels)
