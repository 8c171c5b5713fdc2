"""CoreGCN's graph network against a dense graph, finite differences and a toy pool."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pools import flat_survey

from voidscope.acquisition import Pool
from voidscope.acquisition.graph import Graph, GraphNetwork, graph_features
from voidscope.acquisition.rules import core_gcn

Floats = np.ndarray


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def dense(embedding: Floats) -> Floats:
    """A, (N, N), as METHODS 3.4 has it: cosines without the diagonal, columns divided by their sums, plus I."""
    x = embedding.astype(np.float64)
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    a = x @ x.T - np.eye(len(x))
    return a / a.sum(axis=0, keepdims=True) + np.eye(len(x))


def some_embedding(n: int = 12, d: int = 5, seed: int = 0) -> Floats:
    return np.abs(rng(seed).normal(size=(n, d))).astype(np.float32) + np.float32(0.1)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 25), st.integers(1, 6), st.integers(0, 999))
def test_multiplying_with_the_graph_equals_multiplying_with_a_dense_one(n: int, d: int, seed: int) -> None:
    embedding, v = some_embedding(n, d, seed), rng(seed).normal(size=(n, 3))
    graph, a = Graph(embedding), dense(embedding)
    np.testing.assert_allclose(graph.times(v), a @ v, rtol=1e-7, atol=1e-9)
    np.testing.assert_allclose(graph.transposed_times(v), a.T @ v, rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize(
    "embedding", [np.zeros((4, 3)), np.eye(4), np.array([[1.0, 0], [-1, 0]]), np.ones((1, 2))]
)
def test_degenerate_graphs_stay_finite(embedding: Floats) -> None:
    found = graph_features(embedding.astype(np.float32), np.arange(len(embedding)) == 0, rng(), epochs=5)
    assert np.isfinite(found).all() and found.shape == (len(embedding), 128)


def kept_and_labelled(n: int, hidden: int) -> tuple[Floats, Floats]:
    return (rng(3).random((n, hidden)) > 0.3) / 0.7, np.arange(n) % 3 == 0


def test_the_loss_is_that_of_the_definition() -> None:
    embedding = some_embedding()
    network = GraphNetwork.drawn(Graph(embedding), rng(1), hidden=7)
    kept, labelled = kept_and_labelled(12, 7)
    a, (w1, b1, w2, b2) = dense(embedding), network.weights
    x = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    logits = a @ (np.maximum(a @ x @ w1 + b1, 0) * kept) @ w2 + b2
    s = 1 / (1 + np.exp(-logits[:, 0]))
    expected = -np.log(s[labelled]).mean() - 1.2 * np.log(1 - s[~labelled]).mean()
    assert network.loss(labelled, kept)[0] == pytest.approx(expected, rel=1e-6)


def test_gradients_equal_finite_differences() -> None:
    network = GraphNetwork.drawn(Graph(some_embedding()), rng(1), hidden=7)
    kept, labelled = kept_and_labelled(12, 7)
    _, slopes = network.loss(labelled, kept)
    step = 1e-6
    for weight, slope in zip(network.weights, slopes, strict=True):
        assert weight.shape == slope.shape
        for index in np.ndindex(weight.shape):
            value, around = weight[index], []
            for moved in (value + step, value - step):
                weight[index] = moved
                around.append(network.loss(labelled, kept)[0])
            weight[index] = value
            assert slope[index] == pytest.approx((around[0] - around[1]) / (2 * step), rel=1e-4, abs=1e-8)


def test_training_is_adam_with_weight_decay_as_torch_has_it() -> None:
    torch = pytest.importorskip("torch")
    embedding, labelled = some_embedding(), np.arange(12) < 4
    network = GraphNetwork.drawn(Graph(embedding), rng(1), hidden=7)
    twin = [torch.tensor(w, requires_grad=True) for w in network.weights]
    adam = torch.optim.Adam(twin, lr=1e-3, weight_decay=5e-4)
    a = torch.tensor(dense(embedding.astype(np.float64)))
    x = embedding.astype(np.float64)
    ax = a @ torch.tensor(x / np.linalg.norm(x, axis=1, keepdims=True))
    marked, drawing = torch.tensor(labelled), rng(2)
    losses = network.train(labelled, rng(2), epochs=30)
    for expected in losses:
        kept = torch.tensor((drawing.random((12, 7)) >= 0.3) / 0.7)
        logits = (a @ ((ax @ twin[0] + twin[1]).relu() * kept @ twin[2]) + twin[3])[:, 0]
        log = torch.nn.functional.logsigmoid
        loss = -log(logits[marked]).mean() - 1.2 * log(-logits[~marked]).mean()
        assert float(loss.detach()) == pytest.approx(expected, rel=1e-6)
        adam.zero_grad()
        loss.backward()
        adam.step()
    for ours, theirs in zip(network.weights, twin, strict=True):
        np.testing.assert_allclose(ours, theirs.detach().numpy(), rtol=1e-6, atol=1e-9)


def two_clusters() -> Floats:
    """Twenty slices in one direction, twenty in another at a right angle."""
    towards = np.repeat([[1.0, 0, 0], [0, 1.0, 0]], 20, axis=0)
    return (towards + np.abs(rng(5).normal(size=(40, 3))) * 0.05).astype(np.float32)


def test_training_lowers_the_loss_and_tells_a_labelled_cluster_from_the_other() -> None:
    labelled = np.arange(40) < 20
    network = GraphNetwork.drawn(Graph(two_clusters()), rng(2))
    losses = network.train(labelled, rng(3), epochs=200)
    assert np.mean(losses[-10:]) < 0.7 * np.mean(losses[:10])
    logits = network.graph.times(network.hidden() @ network.weights[2])[:, 0] + network.weights[3]
    assert logits[labelled].min() > logits[~labelled].max()


def test_core_gcn_turns_first_to_what_looks_unlabelled() -> None:
    survey = flat_survey(40, two_clusters())
    pool = Pool.of(survey.keys, frozenset(survey.keys[:10]))
    assert core_gcn(survey, pool, 1, rng()).rows[0] >= 20


def test_scores_are_distances_between_hidden_features_that_never_rise() -> None:
    survey = flat_survey(40, two_clusters())
    picks = core_gcn(survey, Pool.of(survey.keys, frozenset(survey.keys[:4])), 15, rng())
    assert picks.scores is not None
    assert (np.diff(picks.scores) <= 0).all()


def test_excluded_slices_do_not_enter_the_graph() -> None:
    embedding = np.concatenate([two_clusters(), rng(8).random((5, 3)).astype(np.float32)])
    survey = flat_survey(45, embedding)
    pool = Pool.of(survey.keys, frozenset(survey.keys[:4]), survey.keys[40:])
    alone = flat_survey(40, two_clusters())
    found = core_gcn(survey, pool, 9, rng()).rows
    assert np.array_equal(
        found, core_gcn(alone, Pool.of(alone.keys, frozenset(alone.keys[:4])), 9, rng()).rows
    )
