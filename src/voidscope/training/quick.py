"""A quick look: another head for a trained network, fitted in a fraction of a second to the labels of the moment.

Encoder and decoder stay as the cycle left them. The head, a 3 x 3 convolution of the decoder's 16 channels, is a softmax
regression on the 9 x 16 features around each pixel; so a sample of labelled pixels is all that has to be kept of a slice. The last
layer of a detail network is one on the 16 features of the pixel itself, and is fitted in the same way beside it.
The fit starts from the cycle's head and is held near it:

    min over W, b of  mean of cross-entropy + TETHER * |(W, b) - (W0, b0)|^2 / 2

What it gives is a preview, not the model of a cycle. Few strokes may say too little of a class, and the head then finds it
everywhere or nowhere. So a trial tells whether the head does worse than the cycle's own on labels left out, and whether it
changes more of what is not labelled than labels can answer for.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.nn import functional

from voidscope.evaluation import confusion_matrix, miou
from voidscope.model.detail import void_together
from voidscope.model.devices import Compute
from voidscope.model.predict import padded_shape, predict_slices
from voidscope.model.randomness import rng_at
from voidscope.model.segmenter import Segmenter
from voidscope.model.summary import SlicePrediction
from voidscope.training.warm import welcome
from voidscope.vocabulary import UNLABELLED, Mask

Image = npt.NDArray[np.float32]

MOST_PIXELS = 1500
"""Labelled pixels kept of a slice: half of them from anywhere, half from each class alike."""
MOST_IN_ALL = 16_000
"""Labelled pixels that a head is fitted to, an even share from each slice; more would take more than a moment."""
TETHER = 1e-3
"""How strongly the head is held near the cycle's."""
ITERATIONS = 30
"""Most iterations of L-BFGS."""
MOST_TRIED = 6_000
"""Labelled pixels that a trial fits to, in both halves together: a third of a fit's time at most."""
REST = 200
"""Pixels looked at of what is not labelled in a slice."""
CLEARLY = 0.03
"""Less mIoU than the cycle's head by more than this is worse; some less is no wonder, for the cycle's head has learnt most of these labels."""


@dataclass(frozen=True)
class Sample:
    """What a slice teaches a head: features (n, F) around some labelled pixels, float16, and their classes (n,), 0..C-1.

    F is 9 D, and as many more as the detail network's head sees of a pixel where there is one. `rest` are the features (m, F) around
    some pixels that are not labelled.
    """

    features: torch.Tensor
    classes: torch.Tensor
    rest: torch.Tensor


@dataclass(frozen=True)
class Trial:
    """How well a head that is fitted to half of the labelled slices says the labels of the other half, beside the cycle's own head.

    Two heads differ nowhere but where one of them is wrong. Where they differ on more of what is not labelled than both are wrong
    on labels, labels are not like the rest and vouch for nothing there.
    """

    fitted: float
    """mIoU of the fitted head; NaN where a single slice is labelled, or the halves have no class in common."""
    own: float
    """mIoU of the cycle's head on the same pixels."""
    wrong: float
    """Share of these that one head says wrong, and share that the other does, added."""
    changed: float
    """Share of what is not labelled that the head fitted to all labels says otherwise than the cycle's."""

    @property
    def worse(self) -> bool:
        """Whether the fitted head is clearly worse; also where nothing tells that it is not."""
        return not self.fitted >= self.own - CLEARLY or self.astray

    @property
    def astray(self) -> bool:
        """Whether it changes more of what is not labelled than labels can answer for."""
        return self.changed > self.wrong


class QuickLook:
    """A trained network, what it made of each labelled slice, and the head that fits them."""

    def __init__(
        self, network: Segmenter, normalisation: tuple[float, float], device: str = "auto", flips: bool = False
    ) -> None:  # fmt: skip
        self._compute, placed, _ = Compute.placing(device, lambda compute: compute.place(network))
        self._network = placed.eval()
        self._normalisation, self._device, self._flips = normalisation, self._compute.device.type, flips
        self._samples: dict[str, tuple[str, Sample]] = {}
        self._fitted: Segmenter | None = None
        self._trial: Trial | None = None

    def keep_only(self, labels: Mapping[str, str]) -> list[str]:
        """Forget slices that are not in `labels` (name to hash of the mask); returns those that are new or changed."""
        kept = {n: held for n, held in self._samples.items() if labels.get(n) == held[0]}
        if len(kept) != len(self._samples):
            self._samples, self._fitted, self._trial = kept, None, None
        return [n for n in labels if n not in kept]

    def learn(self, name: str, digest: str, image: Image, mask: Mask) -> None:
        """Take in a labelled slice (h, w)."""
        found = sample_of(self._network, self._compute, image, mask, self._normalisation)
        self._samples[name], self._fitted, self._trial = (digest, found), None, None

    def trial(self) -> Trial:
        """Whether the head that fits what was learnt is any better than the network's own."""
        if self._trial is None:
            samples = [self._samples[name][1] for name in sorted(self._samples)]
            self._trial = trial_of(self._network, self._head(), samples)
        return self._trial

    def at(self, image: Image) -> SlicePrediction:
        """What the network sees in a slice with its head fitted to what was learnt; with its own where that is nothing."""
        found = predict_slices(self._head(), [image], self._normalisation, self._device, flips=self._flips)
        return next(iter(found))

    def _head(self) -> Segmenter:
        if self._fitted is None:
            samples = [sample for _, sample in self._samples.values()]
            self._fitted = fit_head(self._network, samples) if samples else self._network
        return self._fitted


@torch.inference_mode()
def sample_of(
    segmenter: Segmenter, compute: Compute, image: Image, mask: Mask, normalisation: tuple[float, float]
) -> Sample:
    """Sample the labelled pixels of a slice (h, w); the same ones for the same mask."""
    mean, std = normalisation
    rows, columns = padded_shape(image.shape)
    height, width = image.shape
    scaled = torch.from_numpy((image - np.float32(mean)) / np.float32(std))[None, None]
    padded = functional.pad(scaled, (0, columns - width, 0, rows - height)).to(compute.device)
    given = padded.contiguous(memory_format=compute.layout)
    with compute.running():
        maps = [segmenter.features(given)[0].float()]
        if segmenter.detail is not None:
            maps.append(segmenter.detail.features(given)[0].float())
    seen = [(m, c.kernel_size[0]) for m, c in zip(maps, segmenter.classifiers, strict=True)]
    y, x = _some_pixels(mask)
    bare = np.flatnonzero(mask == UNLABELLED)
    rest = np.divmod(_some(rng_at(len(bare)), bare, REST), width)
    classes = torch.from_numpy(mask[y, x].astype(np.int64) - 1)
    return Sample(_features_at(seen, y, x), classes, _features_at(seen, *rest))


def _features_at(
    seen: Sequence[tuple[torch.Tensor, int]], rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
) -> torch.Tensor:
    """Features (n, F), float16, of pixels: of each map (D, h, w) its k x k values around a pixel."""
    found = []
    for features, k in seen:
        around = functional.pad(features, [k // 2] * 4)
        y, x = (torch.from_numpy(p).to(around.device) for p in (rows, columns))
        near = [around[:, y + dy, x + dx] for dy in range(k) for dx in range(k)]
        found.append(torch.stack(near, dim=-1).permute(1, 0, 2).flatten(1))
    return torch.cat(found, 1).half().cpu()


def _some_pixels(mask: Mask) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Rows and columns of at most `MOST_PIXELS` labelled pixels, half of them from anywhere, half from each class alike."""
    places = np.flatnonzero(mask != UNLABELLED)
    rng = rng_at(len(places))
    classes = [c for c in np.unique(mask) if c != UNLABELLED]
    share = MOST_PIXELS // 2 // max(1, len(classes))
    chosen = [_some(rng, places, MOST_PIXELS // 2)]
    chosen += [_some(rng, np.flatnonzero(mask == c), share) for c in classes]
    y, x = np.divmod(rng.permutation(np.concatenate(chosen)), mask.shape[1])
    return y, x


def _some(rng: np.random.Generator, places: npt.NDArray[np.int64], n: int) -> npt.NDArray[np.int64]:
    return places if len(places) <= n else rng.choice(places, n, replace=False)


def fit_head(segmenter: Segmenter, samples: Sequence[Sample]) -> Segmenter:
    """The same network with a head fitted to `samples`; the network given stays as it is.

    Classes that the network was never shown get their chance as soon as a sample has them.
    """
    fitted = Segmenter(
        segmenter.encoder, segmenter.decoder, copy.deepcopy(segmenter.head), copy.deepcopy(segmenter.detail)
    )
    most = max(1, MOST_IN_ALL // len(samples))
    x = torch.cat([s.features[:most] for s in samples]).float()
    y = torch.cat([s.classes[:most] for s in samples])
    welcome(fitted, np.bincount(y.numpy(), minlength=fitted.n_classes) > 0)
    for classifier, part in zip(fitted.classifiers, _parts(fitted, x), strict=True):
        weight, bias = fit_softmax(part, y, *_weight_and_bias(classifier))
        with torch.no_grad():
            classifier.weight.copy_(weight.view_as(classifier.weight))
            classifier.bias.copy_(bias)  # type: ignore[union-attr]
    return fitted.eval()


def _parts(segmenter: Segmenter, features: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Of features (n, F) those that each of the classifiers sees."""
    return torch.split(features, [c.weight[0].numel() for c in segmenter.classifiers], 1)


def _weight_and_bias(classifier: nn.Conv2d) -> tuple[torch.Tensor, torch.Tensor]:
    """Weights (C, F) and biases (C,) of a last layer, float32, on the CPU."""
    bias: torch.Tensor = classifier.bias  # type: ignore[assignment]
    return classifier.weight.detach().cpu().float().flatten(1), bias.detach().cpu().float()


def trial_of(segmenter: Segmenter, fitted: Segmenter, samples: Sequence[Sample]) -> Trial:
    """Fit a head to every other sample and judge it by those between, then the other way round; `fitted` is fitted to all.

    A class that the half fitted to does not have is not judged there: no head could know it.
    """
    most, n = max(1, MOST_TRIED // max(1, len(samples))), segmenter.n_classes
    tried = [Sample(s.features[:most], s.classes[:most], s.rest) for s in samples]
    halves = (tried[::2], tried[1::2])
    found = np.zeros((2, n, n), np.int64)  # of heads fitted to a half, of the network's own
    if all(halves):
        for learnt, left_out in (halves, halves[::-1]):
            x = torch.cat([s.features for s in left_out]).float()
            y = torch.cat([s.classes for s in left_out])
            known = torch.isin(y, torch.cat([s.classes for s in learnt]))
            for matrix, head in zip(found, (fit_head(segmenter, learnt), segmenter), strict=True):
                matrix += confusion_matrix(_ids(y[known]), _said(head, x[known]), n)
    n_judged = max(1, int(found[0].sum()))
    wrong = sum(1 - np.trace(matrix) / n_judged for matrix in found)
    rest = torch.cat([s.rest for s in tried]).float() if tried else torch.empty(0)
    changed = np.mean(_said(fitted, rest) != _said(segmenter, rest)) if len(rest) else 0.0
    return Trial(miou(found[0]), miou(found[1]), float(wrong), float(changed))


def _said(segmenter: Segmenter, features: torch.Tensor) -> Mask:
    """The class ids (n,) that a network says of pixels with these features (n, F)."""
    said = []
    for classifier, part in zip(segmenter.classifiers, _parts(segmenter, features), strict=True):
        weight, bias = _weight_and_bias(classifier)
        said.append((part @ weight.T + bias)[..., None, None])
    together, detail = said[0], segmenter.detail
    if detail is not None and detail.has_say:
        together = void_together(together, said[1], detail.void.cpu())
    return _ids(together.flatten(1).argmax(1))


def _ids(classes: torch.Tensor) -> Mask:
    return (classes.numpy() + 1).astype(np.uint8)


def fit_softmax(
    x: torch.Tensor, y: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, tether: float = TETHER
) -> tuple[torch.Tensor, torch.Tensor]:
    """Softmax regression of classes y (n,) on x (n, F), held near `weight` (C, F) and `bias` (C,), where it starts.

    A barred class (`warm.NEVER`) stays barred: its gradient is zero.
    """
    w, b = weight.clone().requires_grad_(), bias.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([w, b], max_iter=ITERATIONS, history_size=10, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimiser.zero_grad()
        away = ((w - weight) ** 2).sum() + ((b - bias) ** 2).sum()
        value = functional.cross_entropy(x @ w.T + b, y) + tether * away / 2
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(loss)  # type: ignore[no-untyped-call]
    return w.detach(), b.detach()
