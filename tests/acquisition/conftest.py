"""What all tests of strategies share."""

from __future__ import annotations

from functools import partial

import pytest

from voidscope.acquisition.graph import graph_features


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train the graph network for a moment: the contract does not depend on what it learns."""
    monkeypatch.setattr("voidscope.acquisition.rules.graph_features", partial(graph_features, epochs=3))
