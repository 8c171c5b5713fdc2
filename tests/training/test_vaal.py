"""VAAL: which slices its discriminator finds unlike the labelled ones, its losses by loops, its order of play."""

from __future__ import annotations

import math
from itertools import islice

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from training.scenes import finish
from voidscope.errors import JobFailed, NotReady
from voidscope.jobs import Steps
from voidscope.model import Compute
from voidscope.model.devices import NO_ROOM
from voidscope.training import vaal as module
from voidscope.training.vaal import Judged, endless_batches, vaal_steps
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
    assert isinstance(run.result, Judged)
    assert run.result.warnings == ()
    return run.result.scores


def test_slices_of_a_kind_nobody_labelled_are_judged_less_labelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEARNING_RATE", 3e-3)
    steps = vaal_steps(
        _stripes(), list(KINDS == 0), seed=1, device="cpu", epochs=20, width=8, latent=8, beta=1e-3, adversary=0.0
    )  # fmt: skip
    judged = finish(steps).result.scores
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


def _steps(**rest: object) -> Steps[Judged]:
    given = {"seed": 0, "device": "cpu", "epochs": 2, "width": 4, "latent": 8} | rest
    return vaal_steps(_stripes(), list(KINDS == 0), **given)  # type: ignore[arg-type]


def test_a_loss_that_stays_not_a_number_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "vae_loss", lambda *given: given[1].sum() * math.nan)
    with pytest.raises(
        JobFailed,
        match=r"The loss of VAAL became not a number in epoch 1, .*already halved; use another seed",
    ) as said:
        _judged(epochs=1)
    assert "\n" not in str(said.value)


@pytest.mark.parametrize("at", [1, 8])
def test_one_loss_that_is_not_a_number_sends_both_networks_back_with_half_the_rate(
    at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, rates, real, step = [0], list[float](), module.vae_loss, torch.optim.Adam.step

    def loss(*given: object) -> torch.Tensor:
        calls[0] += 1
        return real(*given) * (math.nan if calls[0] == at else 1.0)  # type: ignore[arg-type]

    def stepped(self: torch.optim.Adam) -> None:
        rates.append(self.param_groups[0]["lr"])
        step(self)

    monkeypatch.setattr(module, "vae_loss", loss)
    monkeypatch.setattr(torch.optim.Adam, "step", stepped)
    found = finish(_steps()).result
    assert ["half the learning rate" in w for w in found.warnings] == [True]
    assert np.isfinite(found.scores).all()
    assert rates[-12:] == [2.5e-4] * 12, "four iterations of three steps anew"


def _limit(monkeypatch: pytest.MonkeyPatch, most: int, training: bool = True) -> list[int]:
    """Let no more than `most` slices be coded at a time, in training or in judging; returns how many were."""
    real, seen = Autoencoder.encode, list[int]()

    def encode(self: Autoencoder, images: torch.Tensor) -> object:
        if self.training is training:
            if len(images) > most:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            seen.append(len(images))
        return real(self, images)

    monkeypatch.setattr(Autoencoder, "encode", encode)
    return seen


def test_running_out_of_memory_halves_the_slices_in_the_networks_and_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen = _limit(monkeypatch, 3)
    run = finish(_steps())
    assert seen == 4 * 4 * 6 * [3], "4 iterations of 2 + 1 passes over 12 slices of both kinds"
    assert [w.split("from ")[1].split(" slices")[0] for w in run.result.warnings] == ["6", "3"]
    assert any("memory ran out" in p.note for p in run.progress)


def test_running_out_of_memory_in_judging_changes_no_judgement(monkeypatch: pytest.MonkeyPatch) -> None:
    undisturbed = _judged()
    _limit(monkeypatch, 6, training=False)
    found = finish(_steps()).result
    np.testing.assert_allclose(found.scores, undisturbed, rtol=1e-5)
    assert "in judging the slices" in found.warnings[-1]


def test_memory_that_never_suffices_ends_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    _limit(monkeypatch, 0)
    with pytest.raises(JobFailed, match=r"VAAL stopped: CUDA out of memory.*close other programs"):
        finish(_steps())


@pytest.mark.usefixtures("full_gpu")
def test_a_gpu_without_room_for_the_networks_leaves_vaal_to_the_cpu_and_says_so() -> None:
    run = finish(_steps(device="auto"))
    np.testing.assert_array_equal(run.result.scores, _judged())
    assert run.result.warnings == (NO_ROOM,)
    assert run.progress[0].note == NO_ROOM


def test_a_gpu_without_memory_for_one_slice_hands_over_to_the_cpu_and_says_so() -> None:
    game = _game(4)
    game.most = 1
    assert game.save_memory() is None
    game.compute = Compute(torch.device("meta"), torch.float32)
    assert "without the GPU" in str(game.save_memory())
    assert (game.compute.device.type, game.images.device.type, game.most) == ("cpu", "cpu", 2)


@pytest.mark.parametrize("most", [3, 1])
def test_gradients_added_up_from_parts_are_those_of_the_whole_batch(
    most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without batch norm, which is of a part; plain steps, so that weights differ as gradients do."""
    monkeypatch.setattr(nn.BatchNorm2d, "forward", lambda self, x: x)
    monkeypatch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)
    games = [_game(16), _game(16)]
    games[1].most = most
    for game in games:
        game.optimiser = torch.optim.SGD(game.networks.parameters(), lr=1e-4)  # type: ignore[assignment]
    (whole, *_), (parts, *_) = (list(game.steps(0, 0.2)) for game in games)
    assert parts[0] == pytest.approx(whole[0], rel=1e-4)
    fresh = _game(16).networks.state_dict()
    for name, weight in games[0].networks.state_dict().items():
        if not torch.equal(weight, fresh[name]):
            torch.testing.assert_close(
                games[1].networks.state_dict()[name] - fresh[name], weight - fresh[name], rtol=2e-3, atol=1e-7
            )


def _game(n: int) -> module._Game:
    """Every second of `n` slices is labelled."""
    return module._Game(_stripes(n), np.arange(n) % 2 == 0, 1, 0, "cpu", 2, 2, 1.0, 1.0)


def test_a_step_back_serves_the_batches_of_before() -> None:
    served: list[list[int]] = []
    for epochs in ([0, 1, 2], [1], [2]):
        game = _game(10)
        seen: list[int] = []
        batch = game._batch
        game._batch = lambda which, seen=seen, batch=batch: (seen.extend(which.tolist()), batch(which))[1]  # type: ignore[method-assign]
        game.total = 3 * game.n_steps
        for epoch in epochs:
            list(game.steps(epoch, 1.0))
        served.append(seen)
    third = len(served[0]) // 3
    assert served[0][third:] == served[1] + served[2]


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
    game = _game(4)
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
    assert [g["lr"] for g in game.optimiser.param_groups] == [5e-4]


def test_the_discriminator_learns_from_what_the_last_autoencoder_step_saw() -> None:
    game = _game(4)
    served: list[list[int]] = []
    known, rest = (iter([np.array([k, k]) for k in ks]) for ks in ([0, 2], [1, 3]))
    game._batch = lambda which: (served.append(which.tolist()), game.images[which])[1]  # type: ignore[method-assign,func-returns-value]
    game.play(known, rest, 0)
    assert [k for k, _ in served] == [0, 1, 2, 3, 2, 3]


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
