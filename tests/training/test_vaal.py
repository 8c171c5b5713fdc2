"""VAAL: which slices its discriminator finds unlike the labelled ones, its losses by loops, its order of play."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from training.scenes import finish
from voidscope.errors import JobFailed, NotReady
from voidscope.training import vaal as module
from voidscope.training.vaal import endless_batches, vaal_steps
from voidscope.training.vaal_networks import Autoencoder, Discriminator, told_apart, vae_loss

KINDS = np.arange(24) % 2


def _stripes(n: int = 24) -> list[np.ndarray]:
    """Noisy slices of random sizes: even ones bright with wide stripes, odd ones dark with narrow ones."""
    rng = np.random.default_rng(0)
    images = []
    for k in range(n):
        h, w = rng.integers(40, 70, 2)
        wave = np.sin(np.arange(w) / (2.5 if k % 2 else 6.0))
        image = (0.3 if k % 2 else 0.6) + 0.3 * wave + rng.normal(0, 0.05, (h, w))
        images.append(np.clip(image, 0, 1).astype(np.float32))
    return images


def _judged(epochs: int = 2, seed: int = 0, **rest: float) -> np.ndarray:
    run = finish(
        vaal_steps(
            _stripes(), list(KINDS == 0), seed=seed, device="cpu", epochs=epochs, width=4, latent=8, **rest
        )  # type: ignore[arg-type]
    )
    assert isinstance(run.result, np.ndarray)
    return run.result


def test_slices_of_a_kind_nobody_labelled_are_judged_less_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEARNING_RATE", 3e-3)
    steps = vaal_steps(
        _stripes(), list(KINDS == 0), seed=1, device="cpu", epochs=20, width=8, latent=8, beta=1e-3, adversary=0.0
    )  # fmt: skip
    judged = finish(steps).result
    assert judged.shape == (24,)
    assert judged.dtype == np.float64
    strange, known = judged[KINDS == 1], judged[KINDS == 0]
    rightly_ordered = (strange[:, None] < known[None]).mean()
    assert rightly_ordered > 0.9, "chance is 0.5 +- 0.12; five seeds on another processor gave 0.94 to 1"


def test_judgements_are_shares_and_the_same_seed_gives_them_bit_for_bit() -> None:
    first = _judged()
    assert first.min() > 0
    assert first.max() < 1
    torch.manual_seed(5)
    np.testing.assert_array_equal(_judged(), first)
    assert (_judged(seed=1) != first).any()


def test_nothing_is_left_of_the_global_generators() -> None:
    before = torch.get_rng_state()
    _judged(epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_cancelled_run_stops_where_it_is() -> None:
    steps = vaal_steps(_stripes(), list(KINDS == 0), seed=0, device="cpu", epochs=100, width=2, latent=2)
    first = next(steps)
    assert (first.done, first.total) == (1, 200)
    assert "discriminator" in first.note
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


@pytest.mark.parametrize("labelled", [[False] * 24, [True] * 24, [True] * 3])
def test_two_kinds_of_slices_are_needed(labelled: list[bool]) -> None:
    with pytest.raises(NotReady, match="Label some, but not all"):
        next(vaal_steps(_stripes(), labelled, seed=0, device="cpu"))


def test_a_loss_that_is_not_a_number_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "vae_loss", lambda *given: given[1].sum() * math.nan)
    with pytest.raises(JobFailed, match="iteration 1: its loss is not a number"):
        _judged(epochs=1)


@pytest.mark.parametrize(("labelled", "batch"), [(3, 3), (70, 64)])
def test_a_step_takes_64_slices_of_each_pool_or_as_many_as_are_labelled(
    labelled: int, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []
    real = Autoencoder.encode
    monkeypatch.setattr(
        Autoencoder, "encode", lambda self, x: (sizes.append(tuple(x.shape)), real(self, x))[1]
    )
    images = [np.full((9, 7), 0.5, np.float32)] * 100
    flags = [k < labelled for k in range(100)]
    next(vaal_steps(images, flags, seed=0, device="cpu", width=2, latent=2))
    assert sizes == 6 * [(batch, 1, 64, 64)]


def test_the_autoencoder_steps_twice_and_the_discriminator_once_each_on_its_own_weights(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    game = module._Game(_stripes(4), 0, "cpu", 2, 2, 1.0, 1.0)
    moved: list[tuple[bool, bool]] = []
    real = torch.optim.Adam.step

    def step(self: torch.optim.Adam) -> None:
        before = [[p.clone() for p in n.parameters()] for n in (game.vae, game.discriminator)]
        real(self)
        vae, judge = (
            any(not torch.equal(a, b) for a, b in zip(old, n.parameters(), strict=True))
            for old, n in zip(before, (game.vae, game.discriminator), strict=True)
        )
        moved.append((vae, judge))

    monkeypatch.setattr(torch.optim.Adam, "step", step)
    one, other = (endless_batches(np.random.default_rng(0), np.array(m), 2) for m in ([0, 2], [1, 3]))
    game.play(one, other, 0)
    assert moved == [(True, False), (True, False), (False, True)]
    assert [g["lr"] for o in game.optimisers for g in o.param_groups] == [5e-4, 5e-4]


def test_the_discriminator_learns_from_what_the_last_autoencoder_step_saw() -> None:
    game = module._Game(_stripes(4), 0, "cpu", 2, 2, 1.0, 1.0)
    served: list[int] = []
    known, rest = (iter([np.array([k]) for k in ks]) for ks in ([0, 2], [1, 3]))
    game._batch = lambda which: (served.append(int(which[0])), game.images[which])[1]  # type: ignore[method-assign,func-returns-value]
    game.play(known, rest, 0)
    assert served == [0, 1, 2, 3]


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.floats(0, 3), st.integers(0, 2**31))
def test_the_autoencoders_loss_is_what_loops_give(b: int, z: int, beta: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    images, again = rng.normal(size=(2, b, 1, 3, 2))
    mean, log_variance = rng.normal(size=(2, b, z))
    squares = [(x - y) ** 2 for x, y in zip(images.ravel(), again.ravel(), strict=True)]
    divergence = sum(
        (math.exp(v) + m * m - 1 - v) / 2 for m, v in zip(mean.ravel(), log_variance.ravel(), strict=True)
    )
    found = vae_loss(*(torch.from_numpy(a) for a in (images, again)), (torch.from_numpy(mean), torch.from_numpy(log_variance)), beta)  # fmt: skip
    assert float(found) == pytest.approx(sum(squares) / len(squares) + beta * divergence, rel=1e-5)


def test_a_perfect_copy_from_a_standard_code_costs_nothing() -> None:
    images = torch.rand(2, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    assert float(vae_loss(images, images, (torch.zeros(2, 3), torch.zeros(2, 3)), 1.0)) == 0.0


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 6), st.sampled_from([0.0, 1.0]), st.integers(0, 2**31))
def test_telling_apart_is_cross_entropy_by_loops(n: int, rest_is: float, seed: int) -> None:
    labelled, rest = np.random.default_rng(seed).normal(size=(2, n))

    def share(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    expected = -sum(math.log(share(x)) for x in labelled) / n
    expected -= sum(math.log(share(x) if rest_is else 1 - share(x)) for x in rest) / n
    found = told_apart(torch.from_numpy(labelled), torch.from_numpy(rest), rest_is=rest_is)
    assert float(found) == pytest.approx(expected, rel=1e-6)


def test_judgements_that_say_nothing_cost_two_ln_2() -> None:
    assert float(told_apart(torch.zeros(5), torch.zeros(3), rest_is=0.0)) == pytest.approx(2 * math.log(2))


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 9), st.integers(1, 12), st.integers(1, 20))
def test_every_pass_serves_each_member_once(n: int, size: int, count: int) -> None:
    members = np.arange(n) * 10
    batches = list(islice(endless_batches(np.random.default_rng(0), members, size), count))
    assert all(len(b) == size for b in batches)
    served = np.concatenate(batches)
    for start in range(0, len(served) - n + 1, n):
        assert sorted(served[start : start + n]) == members.tolist()


def test_the_networks_have_the_authors_shapes() -> None:
    with torch.device("meta"):
        vae, judge = Autoencoder(128, 32), Discriminator(32, 512)
    kernels = [tuple(p.shape) for p in vae.encoder.parameters() if p.ndim == 4]
    assert kernels == [(128, 1, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1024, 512, 4, 4)]
    kernels = [tuple(p.shape) for p in vae.decoder.parameters() if p.ndim == 4]
    assert kernels == [(1024, 512, 4, 4), (512, 256, 4, 4), (256, 128, 4, 4), (128, 1, 1, 1)]
    assert [tuple(p.shape) for p in judge.parameters() if p.ndim == 2] == [(512, 32), (512, 512), (1, 512)]


def test_a_code_becomes_an_image_of_the_same_size() -> None:
    vae = Autoencoder(2, 5)
    mean, log_variance = vae.encode(torch.zeros(3, 1, 64, 64))
    assert mean.shape == log_variance.shape == (3, 5)
    assert vae.decode(mean).shape == (3, 1, 64, 64)
    assert Discriminator(5, 8)(mean).shape == (3,)


def test_whole_slices_are_resized_as_torch_does_and_centred() -> None:
    images = _stripes(3)
    found = module._squares(images, torch.device("cpu"))
    for k, image in enumerate(images):
        expected = functional.interpolate(
            torch.from_numpy(image)[None, None], (64, 64), mode="bilinear", antialias=True
        )
        torch.testing.assert_close(found[k], 2 * expected[0] - 1, atol=2e-3, rtol=0)
