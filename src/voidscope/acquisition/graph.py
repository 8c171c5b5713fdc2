"""CoreGCN: a graph network that tells labelled from unlabelled slices, whose hidden features then are spread over.

The graph A = (X X^T - I) diag(1 / s) + I joins slices by the cosine of their embeddings, X of unit rows (N, D), with
columns divided by their sums s; it is never formed, for A V = X (X^T (V / s)) - V / s + V takes N D numbers where A has
N^2 [Caramalau et al. 2021; numbers of METHODS 3.4].
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from voidscope.acquisition.distances import Floats

HIDDEN = 128
"""Width of the hidden layer, in which slices are compared."""
DROPOUT = 0.3
UNLABELLED_WEIGHT = 1.2
"""How much more unlabelled slices count in the loss."""
EPOCHS = 200
LEARNING_RATE, WEIGHT_DECAY = 1e-3, 5e-4
_BETAS, _EPSILON = (0.9, 0.999), 1e-8
_LEAST = 1e-3
"""Column sums nearer to 0 are moved here; sums of the decoder's outputs, which are 0 or more, hardly ever are."""

Weights = list[Floats]
"""Kernel (D, H) and bias (H,) of the first layer, kernel (H, 1) and bias (1,) of the second."""


class Graph:
    """The slices' graph, as a thing to multiply with."""

    def __init__(self, embedding: npt.NDArray[np.float32]) -> None:
        x = embedding.astype(np.float64)
        lengths = np.linalg.norm(x, axis=1, keepdims=True)
        self.nodes: Floats = x / np.where(lengths > 0, lengths, 1.0)
        sums = self.nodes @ self.nodes.sum(axis=0) - 1.0
        self._sums = np.where(np.abs(sums) < _LEAST, np.copysign(_LEAST, sums), sums)[:, np.newaxis]

    def times(self, v: Floats) -> Floats:
        """A V of V (N, M)."""
        scaled = v / self._sums
        return np.asarray(self.nodes @ (self.nodes.T @ scaled) - scaled + v)

    def transposed_times(self, v: Floats) -> Floats:
        """A^T V of V (N, M)."""
        return np.asarray((self.nodes @ (self.nodes.T @ v) - v) / self._sums + v)


def graph_features(
    embedding: npt.NDArray[np.float32], labelled: npt.NDArray[np.bool_], rng: np.random.Generator,
    epochs: int = EPOCHS,
) -> npt.NDArray[np.float32]:  # fmt: skip
    """Hidden features (N, 128) of the graph network trained to tell which of the slices (N, D) are `labelled`, (N,)."""
    network = GraphNetwork.drawn(Graph(embedding), rng)
    network.train(labelled, rng, epochs)
    return network.hidden().astype(np.float32)


@dataclass
class GraphNetwork:
    """logit = A dropout(relu(A X W1 + b1)) W2 + b2, one number per slice, positive where it looks labelled."""

    graph: Graph
    weights: Weights
    inputs: Floats = field(init=False)

    def __post_init__(self) -> None:
        self.inputs = self.graph.times(self.graph.nodes)

    @classmethod
    def drawn(cls, graph: Graph, rng: np.random.Generator, hidden: int = HIDDEN) -> GraphNetwork:
        """A network with weights uniform within 1 / sqrt(width of the layer's output)."""
        bound = 1 / np.sqrt(hidden)
        shapes = ((graph.nodes.shape[1], hidden), bound), (hidden, bound), ((hidden, 1), 1.0), (1, 1.0)
        return cls(graph, [rng.uniform(-limit, limit, size=shape) for shape, limit in shapes])

    def hidden(self) -> Floats:
        """The hidden features (N, H), without dropout."""
        return np.maximum(self.inputs @ self.weights[0] + self.weights[1], 0.0)

    def train(self, labelled: npt.NDArray[np.bool_], rng: np.random.Generator, epochs: int) -> list[float]:
        """Adam over the whole graph; returns the loss of each epoch."""
        optimiser, losses = _Adam(self.weights), []
        for _ in range(epochs):
            kept = (rng.random((len(labelled), self.weights[1].size)) >= DROPOUT) / (1 - DROPOUT)
            loss, slopes = self.loss(labelled, kept)
            optimiser.step(slopes)
            losses.append(loss)
        return losses

    def loss(self, labelled: npt.NDArray[np.bool_], kept: Floats) -> tuple[float, Weights]:
        """The loss and its gradient by each weight.

        -mean log s over the labelled slices - 1.2 mean log(1 - s) over the others, s the sigmoid of the logit; a kind of
        which there is none counts 0.

        Parameters
        ----------
        kept : (N, H), what each hidden feature is multiplied by: 0 where it is dropped
        """
        hidden = self.hidden()
        dropped = hidden * kept
        logits = self.graph.times(dropped @ self.weights[2])[:, 0] + self.weights[3]
        share = np.where(labelled, 1.0, UNLABELLED_WEIGHT)
        share /= np.where(labelled, max(int(labelled.sum()), 1), max(int((~labelled).sum()), 1))
        towards = np.where(labelled, -1.0, 1.0)
        loss = float((share * np.logaddexp(0.0, towards * logits)).sum())
        by_logit = (share * towards * _sigmoid(towards * logits))[:, np.newaxis]
        by_output = self.graph.transposed_times(by_logit)
        by_hidden = by_output @ self.weights[2].T * kept * (hidden > 0)
        return loss, [
            self.inputs.T @ by_hidden, by_hidden.sum(axis=0), dropped.T @ by_output, by_logit.sum(axis=0)
        ]  # fmt: skip


class _Adam:
    """Adam with weight decay added to the gradient [Kingma & Ba 2015]; it changes the weights in place."""

    def __init__(self, weights: Weights) -> None:
        self._weights, self._steps = weights, 0
        self._mean = [np.zeros_like(w) for w in weights]
        self._square = [np.zeros_like(w) for w in weights]

    def step(self, slopes: Weights) -> None:
        """One step against the gradient."""
        self._steps += 1
        for weight, slope, mean, square in zip(self._weights, slopes, self._mean, self._square, strict=True):
            decayed = slope + WEIGHT_DECAY * weight
            mean += (1 - _BETAS[0]) * (decayed - mean)
            square += (1 - _BETAS[1]) * (decayed**2 - square)
            unbiased = [m / (1 - b**self._steps) for m, b in zip((mean, square), _BETAS, strict=True)]
            weight -= LEARNING_RATE * unbiased[0] / (np.sqrt(unbiased[1]) + _EPSILON)


def _sigmoid(x: Floats) -> Floats:
    return np.exp(-np.logaddexp(0.0, -x))
