"""Contrastive pretraining: the recipe, the transfer, and that a killed run ends as if it had not been killed."""

from __future__ import annotations

import io
import math
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from torch import nn

from training.scenes import NORMALISATION, discs, finish, prefetching, quick, tiny_segmenter
from voidscope.config import Config
from voidscope.errors import ConfigError, JobFailed, NotReady, ProjectError
from voidscope.model import Segmenter, build_segmenter, load_backbone
from voidscope.model.devices import NO_ROOM
from voidscope.training import Pretrained, gradients, learning_rate_at, pretext, pretrain_steps, states
from voidscope.training import pretraining as module
from voidscope.training.batches import parts_of as module_parts
from voidscope.training.course import Course
from voidscope.training.gradients import Gradients, Loss, Recording
from voidscope.training.states import Keeper
from voidscope.training.team import Team


def _pretrain(config: Config, n: int = 9, resume: bytes | None = None) -> Pretrained:
    result = finish(pretrain_steps(discs(n)[0], config, normalisation=NORMALISATION, resume=resume)).result
    assert isinstance(result, Pretrained)
    return result


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pretrain a tiny network instead of a U-Net."""
    monkeypatch.setattr(module, "build_segmenter", tiny_segmenter)


def _states(config: Config, n: int = 9) -> list[bytes]:
    """A state after every epoch."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "SECONDS_BETWEEN_STATES", 0.0)
        run = finish(pretrain_steps(discs(n)[0], config, normalisation=NORMALISATION))
    return [p.partial for p in run.progress if isinstance(p.partial, bytes)]


def test_what_is_learnt_starts_encoder_and_decoder_of_a_segmenter() -> None:
    config = quick()
    found = _pretrain(config)
    segmenter = build_segmenter(config.model, 4, 0, found.weights)
    untrained = build_segmenter(config.model, 4, 0)
    same = [k for k, v in segmenter.state_dict().items() if torch.equal(v, untrained.state_dict()[k])]
    assert not [k for k in same if not k.startswith("head.")]
    assert {k for k in segmenter.state_dict() if k.startswith("head.")} <= set(same)
    load_backbone(untrained, found.weights)


def test_the_paper_starts_from_scratch_whatever_the_segmenter_starts_from(tiny: None) -> None:
    found = _pretrain(quick("model.initialisation=contrastive"))
    assert found.weights == _pretrain(quick("model.initialisation=none")).weights


def test_the_optimiser_is_the_references_and_follows_the_schedule(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups: list[dict[str, float]] = []
    real = torch.optim.SGD.step

    def step(self: torch.optim.SGD) -> None:
        groups.append({k: v for k, v in self.param_groups[0].items() if k != "params"})
        real(self)

    monkeypatch.setattr(torch.optim.SGD, "step", step)
    _pretrain(quick("pretrain.epochs=5", "pretrain.warmup_epochs=2"))
    assert (groups[0]["momentum"], groups[0]["weight_decay"], groups[0]["nesterov"]) == (0.9, 1e-4, False)
    rates = [g["lr"] for g in groups]
    assert rates == [learning_rate_at(k, 10, 4, 0.5) for k in range(1, 11)]
    assert (rates[3], rates[-1]) == (0.5, 1e-6)


def test_two_views_of_each_slice_lie_side_by_side_in_one_forward_pass(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[int]] = []
    real_views, real_features = module.draw_views, Segmenter.features
    sizes: list[tuple[int, ...]] = []

    def views(rng: object, which: np.ndarray, *rest: object) -> object:
        drawn.append(which.tolist())
        return real_views(rng, which, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "draw_views", views)
    monkeypatch.setattr(
        Segmenter, "features", lambda self, x: (sizes.append(tuple(x.shape)), real_features(self, x))[1]
    )
    _pretrain(quick("pretrain.epochs=1"), n=9)
    assert sizes == [(8, 1, 32, 32), (10, 1, 32, 32)]
    assert all(a == b for step in drawn for a, b in zip(step[::2], step[1::2], strict=True))
    assert sorted(k for step in drawn for k in step[::2]) == list(range(9))


def test_progress_compares_the_loss_with_chance(tiny: None) -> None:
    run = finish(pretrain_steps(discs(8)[0], quick("pretrain.epochs=2"), normalisation=NORMALISATION))
    steps = [p for p in run.progress if p.partial is None]
    assert [(p.done, p.total) for p in steps] == [(k, 4) for k in range(1, 5)]
    assert f"(chance {math.log(7):.2f})" in steps[0].note


def test_the_loss_falls_below_chance() -> None:
    rng = np.random.default_rng(0)
    images = [
        np.clip(rng.normal(0.15 * k + 0.2, 0.02 + 0.03 * (k % 3), (48, 48)), 0, 1).astype(np.float32)
        for k in range(6)
    ]
    config = quick(
        "pretrain.epochs=25", "pretrain.batch_size=6", "pretrain.learning_rate=0.1", "pretrain.jitter=0.05"
    )
    found = finish(pretrain_steps(images, config, normalisation=NORMALISATION)).result
    assert np.mean(found.losses[-3:]) < 0.8 * math.log(11)


def test_two_runs_with_one_seed_are_bitwise_equal_and_another_seed_is_not(tiny: None) -> None:
    first = _pretrain(quick())
    torch.manual_seed(77)
    assert _pretrain(quick()).weights == first.weights
    assert _pretrain(quick("seed=1")).weights != first.weights


@pytest.mark.parametrize("epoch", [0, 1, 2])
def test_a_run_killed_after_any_epoch_and_resumed_is_the_uninterrupted_run_to_the_bit(
    epoch: int, tiny: None
) -> None:
    config = quick()
    whole = _pretrain(config)
    state = _states(config)[epoch]
    run = finish(pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, resume=state))
    assert run.result.weights == whole.weights
    assert run.result.losses == whole.losses
    assert len(run.progress) == 2 * (2 - epoch) + (1 if epoch < 2 else 0) + (1 if epoch == 0 else 0)


OPTIONS = {
    "blur": ["pretrain.blur=0.5"],
    "recipe": ["pretrain.recipe=imagenet"],
    "hidden": ["pretrain.hidden_dim=32"],
    "spread": ["pretrain.one_slice_per_scan=true"],
    "local": ["pretrain.local_weight=0.5"],
    "mae": ["pretrain.method=mae", "pretrain.learning_rate=0.05"],
}


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_changes_what_is_learnt_and_resumes_to_the_bit(option: str, tiny: None) -> None:
    config, groups = quick(*OPTIONS[option]), [k % 5 for k in range(9)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(states, "SECONDS_BETWEEN_STATES", 0.0)
        run = finish(pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, groups=groups))
    whole = run.result
    state = next(p.partial for p in run.progress if isinstance(p.partial, bytes))
    again = finish(
        pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, groups=groups, resume=state)
    ).result
    assert again.weights == whole.weights != _pretrain(quick()).weights
    assert again.losses == whole.losses
    assert all(math.isfinite(loss) for loss in whole.losses)
    assert whole.weights.count(b"heads.") == 0


def test_the_imagenet_recipe_is_blur_and_smaller_crops(tiny: None) -> None:
    spelled_out = quick("pretrain.recipe=imagenet").pretrain.spelled_out()
    assert (spelled_out.blur, spelled_out.min_crop_area) == (0.5, 0.08)
    assert quick("pretrain.blur=0.2").pretrain.spelled_out().blur == 0.2
    by_hand = _pretrain(quick("pretrain.blur=0.5", "pretrain.min_crop_area=0.08"))
    assert _pretrain(quick("pretrain.recipe=imagenet")).weights == by_hand.weights


def test_no_step_holds_two_slices_of_a_scan_when_there_are_scans_enough(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[list[int]] = []
    real = module.draw_views

    def views(rng: object, which: np.ndarray, *rest: object) -> object:
        drawn.append(which[::2].tolist())
        return real(rng, which, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "draw_views", views)
    groups = ["abcd"[k // 3] for k in range(12)]
    config = quick("pretrain.one_slice_per_scan=true")
    finish(pretrain_steps(discs(12)[0], config, normalisation=NORMALISATION, groups=groups))
    assert len(drawn) == 9
    assert all(sorted(groups[k] for k in step) == list("abcd") for step in drawn)
    assert all(sorted(np.concatenate(drawn[k : k + 3])) == list(range(12)) for k in (0, 3, 6))


@pytest.mark.parametrize(
    ("groups", "batch", "steps", "told"),
    [
        ("aaabbbccc", 9, 3, "Steps hold up to 3 slices instead of 9, as at most one of a scan is in a step."),
        ("aaaaaabbc", 9, 1, "cannot be had: a has 6 of the 9 slices; add scans, or set pretrain.one_slice"),
        ("abcdefghi", 3, 3, ""),
    ],
)
def test_a_step_holds_one_slice_of_a_scan_or_says_why_not(
    groups: str, batch: int, steps: int, told: str, tiny: None
) -> None:
    config = quick("pretrain.one_slice_per_scan=true", f"pretrain.batch_size={batch}")
    run = finish(pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, groups=groups))
    assert run.progress[-1].total == 3 * steps
    assert [told in w for w in run.result.warnings] == ([True] if told else [])


@pytest.mark.parametrize("groups", [None, ["a"] * 8])
def test_spreading_scans_over_steps_needs_the_scan_of_each_slice(groups: list[str] | None) -> None:
    config = quick("pretrain.one_slice_per_scan=true")
    with pytest.raises(ConfigError, match="scan of each of the 9 slices, got"):
        next(pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, groups=groups))


def test_a_state_of_other_scans_is_refused_where_scans_matter(tiny: None) -> None:
    config, groups = quick("pretrain.one_slice_per_scan=true", "pretrain.epochs=1"), ["a", "b", "c"] * 3
    state = finish(
        pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, groups=groups)
    ).result.state
    with pytest.raises(ProjectError, match="other slices or settings than this"):
        next(pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, groups=[*groups[1:], "b"], resume=state))  # fmt: skip


def test_filling_in_comes_to_beat_the_mean() -> None:
    config = quick(
        "pretrain.method=mae", "pretrain.epochs=20", "pretrain.learning_rate=0.05", "pretrain.batch_size=8"
    )
    run = finish(pretrain_steps(discs(8)[0], config, normalisation=NORMALISATION))
    steps = [p.note for p in run.progress if p.partial is None]
    by_the_mean = [float(note.split("by the mean ")[1].rstrip(")")) for note in steps]
    assert len(by_the_mean) == len(run.result.losses) == 20
    of_the_mean = np.divide(run.result.losses, by_the_mean)  # each step of its own views
    assert np.mean(of_the_mean[-5:]) < 0.95 < np.mean(of_the_mean[:3])


def test_a_step_goes_through_the_recorded_way_where_there_is_one(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[int] = []

    def record(network: torch.nn.Module, loss: Loss, given: tuple[torch.Tensor, ...]) -> Recording:
        recorded.append(len(given[0]))
        return Gradients(network, loss, torch.device("cpu"))

    monkeypatch.setattr(gradients, "record", record)
    with monkeypatch.context() as patch:
        patch.setattr(
            module,
            "Gradients",
            lambda network, loss, *_, **__: Gradients(network, loss, torch.device("cuda")),
        )
        found = _pretrain(quick("pretrain.epochs=6"), n=8)
    assert recorded == [8]
    assert found.weights == _pretrain(quick("pretrain.epochs=6"), n=8).weights


def test_a_step_that_cannot_be_recorded_is_told_as_a_warning_and_changes_nothing(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def record(*_: object) -> Recording:
        raise RuntimeError("operation not permitted when stream is capturing")

    monkeypatch.setattr(gradients, "record", record)
    plain = _pretrain(quick("pretrain.epochs=6"), n=8)
    monkeypatch.setattr(
        module, "Gradients", lambda network, loss, *_, **__: Gradients(network, loss, torch.device("cuda"))
    )
    found = _pretrain(quick("pretrain.epochs=6"), n=8)
    assert found.weights == plain.weights
    assert plain.warnings == ()
    assert ["stream is capturing" in w for w in found.warnings] == [True]


def test_the_next_batch_is_made_between_a_step_and_the_reading_of_its_loss(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = quick("pretrain.batch_size=3", "pretrain.epochs=2")
    late = _pretrain(config, n=5)
    events = prefetching(monkeypatch, module)
    run = finish(pretrain_steps(discs(5)[0], config, normalisation=NORMALISATION))
    assert events == ["step", "prefetch", "read"] * 4
    assert run.result.weights == late.weights
    chances = [p.note.split("(")[1] for p in run.progress if p.partial is None]
    assert chances == ["chance 1.61)", "chance 1.10)"] * 2, "that of the step's own 3 and 2 slices"


def test_a_state_with_a_spoilt_weight_is_not_offered(tiny: None) -> None:
    recipe = module._Pretraining(discs(4)[0], quick(), NORMALISATION, None, module.Alone())
    course = Course(recipe.networks, recipe.optimiser)
    keeper = Keeper(course, "recipe", 3)
    weight = next(recipe.networks.parameters()).data
    before = weight.clone()
    weight.view(-1)[0] = math.nan
    assert keeper.offer() is None
    weight.copy_(before)
    assert keeper.offer() is not None, "due since the start"
    assert keeper.offer() is None


def test_no_batch_of_a_team_is_made_early(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    class Two(module.Alone):
        size, device = 2, torch.device("cpu")

        def whole(self, rows: torch.Tensor) -> torch.Tensor:
            assert len(rows) == self.n, "the batch of now is cut to that of the next"
            return rows

    prefetching(monkeypatch, module)
    config = quick("pretrain.batch_size=3")
    recipe = module._Pretraining(discs(5)[0], config, NORMALISATION, None, Two())
    assert len(list(recipe.steps(0, 1.0))) == 2


def test_one_loss_that_is_not_a_number_sends_the_run_back_with_half_the_rate(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[float] = []
    real = pretext.nt_xent

    def nt_xent(views: torch.Tensor, temperature: float) -> torch.Tensor:
        calls.append(temperature)
        return real(views, temperature) * (math.nan if len(calls) == 3 else 1.0)

    monkeypatch.setattr(pretext, "nt_xent", nt_xent)
    found = _pretrain(quick(), n=8)
    assert len(calls) == 3 + 6
    assert len(found.losses) == 3
    assert ["half the learning rate" in w for w in found.warnings] == [True]


def test_a_run_that_went_back_was_killed_and_resumed_still_says_so(
    tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [0], pretext.nt_xent

    def nt_xent(views: torch.Tensor, temperature: float) -> torch.Tensor:
        calls[0] += 1
        return real(views, temperature) * (math.nan if calls[0] == 3 else 1.0)

    monkeypatch.setattr(pretext, "nt_xent", nt_xent)
    states = _states(quick(), n=8)
    found = _pretrain(quick(), n=8, resume=states[1])
    assert ["half the learning rate" in w for w in found.warnings] == [True]


def test_a_real_network_resumes_to_the_bit_too() -> None:
    config = quick("pretrain.epochs=2")
    whole = _pretrain(config, n=8)
    assert _pretrain(config, n=8, resume=_states(config, n=8)[0]).weights == whole.weights


def test_states_come_after_the_first_epoch_then_rarely_and_at_the_end(tiny: None) -> None:
    run = finish(pretrain_steps(discs(4)[0], quick("pretrain.epochs=5"), normalisation=NORMALISATION))
    assert [p.done for p in run.progress if p.partial is not None] == [1, 5]
    assert len(_states(quick("pretrain.epochs=5"), n=4)) == 5


def test_the_last_state_is_the_results_and_needs_no_further_step(tiny: None) -> None:
    config = quick()
    found = _pretrain(config)
    again = finish(pretrain_steps(discs(9)[0], config, normalisation=NORMALISATION, resume=found.state))
    assert again.progress == []
    assert again.result.weights == found.weights


def test_a_damaged_state_is_refused(tiny: None) -> None:
    state = _pretrain(quick()).state
    rng = np.random.default_rng(0)
    damaged = [b"", b"x", state[:-1], state[: len(state) // 2], b"\0" * 40]
    for place in rng.integers(0, len(state), 20):
        flipped = bytearray(state)
        flipped[place] ^= 4
        damaged.append(bytes(flipped))
    for data in damaged:
        with pytest.raises(ProjectError, match="is damaged; delete it to start over"):
            _pretrain(quick(), resume=data)


@pytest.mark.parametrize("change", ["seed=5", "pretrain.temperature=0.3", "pretrain.epochs=4"])
def test_a_state_of_another_run_is_refused(change: str, tiny: None) -> None:
    state = _pretrain(quick()).state
    with pytest.raises(ProjectError, match="other slices or settings than this"):
        _pretrain(quick(change), resume=state)
    with pytest.raises(ProjectError, match="other slices or settings than this"):
        _pretrain(quick(), n=8, resume=state)


def test_a_state_with_code_in_it_is_not_run(tiny: None, tmp_path: object) -> None:
    import hashlib

    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (exec, ("raise SystemExit('ran')",))

    file = io.BytesIO()
    torch.save({"recipe": Payload()}, file)
    state = hashlib.sha256(file.getvalue()).digest() + file.getvalue()
    with pytest.raises(ProjectError, match="damaged"):
        _pretrain(quick(), resume=state)


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_slices_cannot_be_told_apart(n: int) -> None:
    with pytest.raises(NotReady, match=f"needs at least 2, got {n}"):
        next(pretrain_steps(discs(n)[0], quick(), normalisation=NORMALISATION))


@pytest.mark.parametrize("n", [2, 3, 5])
def test_pools_smaller_or_a_little_larger_than_a_batch_work(n: int, tiny: None) -> None:
    found = _pretrain(quick("pretrain.batch_size=2"), n=n)
    assert all(math.isfinite(loss) for loss in found.losses)


@pytest.mark.parametrize("option", [[], OPTIONS["local"], OPTIONS["mae"]], ids=["paper", "local", "mae"])
def test_gradients_added_up_from_parts_are_those_of_the_whole_batch(
    option: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def without_norms(*_: object) -> Segmenter:
        torch.manual_seed(3)
        encoder = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.Tanh())
        return Segmenter(encoder, nn.Conv2d(8, 16, 3, padding=1), nn.Sequential(nn.Conv2d(16, 1, 1)))

    monkeypatch.setattr(module, "build_segmenter", without_norms)
    monkeypatch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)
    config = quick("pretrain.batch_size=8", "pretrain.epochs=1", "pretrain.learning_rate=0.001", *option)
    found = []
    for most in (8, 3, 1):
        monkeypatch.setattr(module, "parts_of", lambda n, _, most=most: module_parts(n, most))
        found.append(_pretrain(config, n=16))
    for other in found[1:]:
        assert other.losses == pytest.approx(found[0].losses, rel=1e-4)
        weights = [without_norms(), without_norms()]
        for segmenter, run in zip(weights, (found[0], other), strict=True):
            load_backbone(segmenter, run.weights)
        for name, value in weights[0].encoder.state_dict().items():
            torch.testing.assert_close(weights[1].encoder.state_dict()[name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("fits", [4, 2, 1])
def test_running_out_of_memory_halves_the_slices_in_the_network_and_says_so(
    fits: int, tiny: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seen = Segmenter.features, set()

    def features(self: Segmenter, images: torch.Tensor) -> torch.Tensor:
        if len(images) > 2 * fits:
            raise torch.OutOfMemoryError("CUDA out of memory")
        seen.add(len(images))
        return real(self, images)

    monkeypatch.setattr(Segmenter, "features", features)
    found = _pretrain(quick("pretrain.batch_size=8"), n=16)
    assert seen == {2 * fits}
    assert [w.split(": ")[1].split(" slices")[0] for w in found.warnings] == [
        f"steps are now added up from {n}" for n in (4, 2, 1) if n >= fits
    ]
    assert len(found.losses) == 3 and all(math.isfinite(loss) for loss in found.losses)


def test_running_statistics_follow_each_part_once(tiny: None) -> None:
    config = quick("pretrain.batch_size=8", "pretrain.epochs=1")
    recipe = module._Pretraining(discs(8)[0], config, NORMALISATION, None, module.Alone())
    recipe.most = 2
    list(recipe.steps(0, 1.0))
    counts = {n: int(b) for n, b in recipe.networks.named_buffers() if n.endswith("num_batches_tracked")}
    assert {n.split(".")[0]: c for n, c in counts.items()} == {
        "0": 4,
        "1": 4,
        "2": 1,
    }  # the head sees all at once


def test_a_gpu_without_memory_for_one_slice_hands_over_to_the_cpu_and_says_so(tiny: None) -> None:
    recipe = module._Pretraining(discs(8)[0], quick(), NORMALISATION, None, module.Alone())
    recipe.most = 1
    assert recipe.save_memory() is None
    recipe.compute = module.Compute(torch.device("meta"), torch.float32)
    assert "without the GPU" in str(recipe.save_memory())
    assert (recipe.compute.device.type, recipe.pool.device.type, recipe.most) == ("cpu", "cpu", 4)
    assert all(math.isfinite(loss or 0.0) for loss, _ in recipe.steps(0, 1.0))


@pytest.mark.usefixtures("full_gpu", "tiny")
def test_a_gpu_without_room_for_the_network_leaves_the_pretraining_to_the_cpu_and_says_so() -> None:
    found = _pretrain(quick("device=auto"))
    assert found.weights == _pretrain(quick()).weights
    assert (found.warnings, found.device) == ((NO_ROOM,), "cpu")
    again = _pretrain(quick("device=auto"), resume=found.state)
    assert again.warnings == (NO_ROOM,)


@pytest.mark.usefixtures("full_gpu", "tiny")
def test_one_of_a_team_does_not_leave_its_gpu_alone() -> None:
    team = Team(1, 2, torch.device("meta"))
    with pytest.raises(JobFailed, match=r"one of 2 devices with .*or pretrain.devices=1"):
        module._Pretraining(discs(8)[0], quick(), NORMALISATION, None, team)


def test_memory_that_never_suffices_ends_in_one_line(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def features(*_: object) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(Segmenter, "features", features)
    with pytest.raises(JobFailed, match=r"Pretraining stopped: .*can't allocate.*choose smaller batches"):
        _pretrain(quick())


def test_a_team_that_runs_out_of_memory_names_the_settings(tiny: None) -> None:
    team = Team(1, 2, torch.device("cpu"))
    recipe = module._Pretraining(discs(8)[0], quick(), NORMALISATION, None, team)
    with pytest.raises(
        JobFailed, match=r"one of 2 devices with pretrain.batch_size=4; set half.*or pretrain.devices=1"
    ):
        recipe.save_memory()


def test_a_loss_that_stays_not_a_number_ends_in_one_line(tiny: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretext, "nt_xent", lambda views, temperature: views.sum() * math.nan)
    with pytest.raises(JobFailed, match=r"lower pretrain\.learning_rate"):
        _pretrain(quick())


def test_large_slices_are_reduced_only_as_far_as_no_view_can_tell() -> None:
    config = quick("pretrain.crop=64").pretrain
    small, large = (
        np.zeros((96, 96), np.float32),
        np.random.default_rng(0).random((1025, 1030), dtype=np.float32),
    )
    assert module._reduced(small, config) is small
    reduced = module._reduced(large, config)
    assert reduced.shape == (256, 257)
    assert math.sqrt(0.1 * 0.75) * 256 >= 64
    assert reduced[0, 0] == pytest.approx(large[:4, :4].mean(), rel=1e-5)
    assert module._reduced(large[:, :50], config).shape == (1025, 50)


def test_large_slices_are_taken_one_by_one_and_kept_reduced(tiny: None) -> None:
    """A package scan of any number of slices is never held whole at full size."""
    alive, most = 0, 0

    def gone() -> None:
        nonlocal alive
        alive -= 1

    def read() -> Iterator[np.ndarray]:
        nonlocal alive, most
        for seed in range(6):
            image = np.random.default_rng(seed).random((600, 500), dtype=np.float32)
            weakref.finalize(image, gone)
            alive += 1
            most = max(most, alive)
            yield image
            del image

    finish(pretrain_steps(read(), quick(), normalisation=NORMALISATION))
    assert most <= 2
