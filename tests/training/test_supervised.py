"""The supervised recipe: its weights and loss by loops, its exactness, its repetition, and whether it learns."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import nn

from training.scenes import NORMALISATION, discs, finish, prefetching, quick, tiny_segmenter
from voidscope.config import PRESETS, Config
from voidscope.errors import JobFailed, LabelError
from voidscope.model import Segmenter, build_segmenter, load_segmenter, predict_slices
from voidscope.model.devices import NO_ROOM
from voidscope.training import Trained, gradients, train_steps
from voidscope.training import supervised as module
from voidscope.training.gradients import Gradients, Loss, Recording
from voidscope.training.objective import class_weights, dice_loss, pixels_per_class, weighted_loss


def _train(config: Config, n: int = 5, n_classes: int = 3, **given: object) -> Trained:
    images, labels = discs(n)
    result = finish(
        train_steps(images, labels, n_classes, config, normalisation=NORMALISATION, **given)
    ).result  # type: ignore[arg-type]
    assert isinstance(result, Trained)
    return result


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> list[Segmenter]:
    """Train a tiny network instead of a U-Net; the list collects the networks built."""
    built: list[Segmenter] = []

    def build(*given: object) -> Segmenter:
        built.append(tiny_segmenter(*given))  # type: ignore[arg-type]
        return built[-1]

    monkeypatch.setattr(module, "build_segmenter", build)
    return built


# --- the recipe


@pytest.mark.parametrize("focus", [0, 0.5])
def test_a_slice_that_counts_three_times_is_learnt_from_as_three_of_it_would_be(focus: float) -> None:
    (first, second), (one, two) = discs(2)
    config = quick("train.steps=6", "train.epochs=2", f"train.focus={focus}")
    assert config.train.balance_classes

    def weights(images: list[np.ndarray], labels: list[np.ndarray], times: list[int] | None) -> bytes:
        steps = train_steps(images, labels, 3, config, normalisation=NORMALISATION, times=times)
        found = finish(steps).result
        assert isinstance(found, Trained)
        return found.weights

    counted = weights([first, second], [one, two], [1, 3])
    assert counted == weights([first, second, second, second], [one, two, two, two], None)
    assert counted != weights([first, second], [one, two], None)


def test_the_optimiser_is_the_papers_and_the_rate_falls_to_a_tenth(
    tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[torch.optim.RMSprop] = []
    rates: list[float] = []
    real = torch.optim.RMSprop.step

    def step(self: torch.optim.RMSprop) -> None:
        made.append(self)
        rates.append(self.param_groups[0]["lr"])
        real(self)

    monkeypatch.setattr(torch.optim.RMSprop, "step", step)
    defaults = Config().train
    _train(
        quick(
            f"train.learning_rate={defaults.learning_rate}",
            "train.epochs=4",
            "train.drop_epoch=2",
            "train.batch_size=16",
            "train.crops_per_slice=1",
            "train.crop=64",
        ),
        n=17,
    )
    assert rates == pytest.approx([1e-4] * 4 + [1e-5] * 4)
    group = made[0].param_groups[0]
    assert (group["alpha"], group["momentum"], group["weight_decay"], group["eps"]) == (0.99, 0.9, 1e-8, 1e-8)
    assert len(group["params"]) == len(list(tiny[0].parameters()))


def test_the_first_loss_is_the_loops_loss_of_the_drawn_batch(tiny: list[Segmenter]) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = module.cut_crops

    def cut(*given: object) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(real(*given))  # type: ignore[arg-type]
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "cut_crops", cut)
        patch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)
        patch.setattr(nn.Dropout, "forward", lambda self, x: x)
        config = quick("train.epochs=1", "train.crops_per_slice=1")
        found = _train(config, n=4)
        fresh = tiny_segmenter(config.model, 3, config.seed).train()
        with torch.no_grad():
            logits, _ = fresh(seen[0][0])
    weights = torch.tensor(found.class_weights, dtype=torch.float32)
    expected = nn.functional.cross_entropy(logits, seen[0][1] - 1, weight=weights, ignore_index=-1)
    assert found.losses[0] == pytest.approx(expected.item(), rel=1e-4)


@pytest.mark.parametrize(
    ("n", "crop", "sizes"), [(9, 32, [4, 5]), (9, 64, [4, 4, 1]), (1, 32, [2]), (1, 64, [1])]
)
def test_the_partial_last_batch_is_kept_unless_batch_norm_could_not_learn_from_it(
    n: int, crop: int, sizes: list[int], tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    real = Segmenter.features
    monkeypatch.setattr(Segmenter, "features", lambda self, x: (seen.append(len(x)), real(self, x))[1])
    _train(quick("train.epochs=1", "train.crops_per_slice=1", f"train.crop={crop}"), n=n)
    assert seen == sizes


def test_progress_counts_steps_of_all_epochs(tiny: list[Segmenter]) -> None:
    images, labels = discs(9, sizes=(31, 33))
    run = finish(train_steps(images, labels, 2, quick("train.crop=64"), normalisation=NORMALISATION))
    assert [(p.done, p.total) for p in run.progress] == [(k, 9) for k in range(1, 10)]
    assert run.progress[3].note.startswith("epoch 2/3, loss ")


def test_the_result_says_what_repetition_depends_on(tiny: list[Segmenter]) -> None:
    found = _train(quick())
    assert (found.device, found.threads, found.warnings) == ("cpu", torch.get_num_threads(), ())
    assert found.dtype in ("bfloat16", "float32")
    assert len(found.losses) == 3
    assert found.seconds > 0
    assert found.class_weights == pytest.approx(class_weights(pixels_per_class(discs(5)[1], 3)))


def test_the_product_recipe_takes_its_steps_however_few_slices_there_are(
    tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[tuple[float, int]] = []
    real = torch.optim.AdamW.step

    def step(self: torch.optim.AdamW) -> None:
        rates.append((self.param_groups[0]["lr"], len(self.param_groups[0]["params"])))
        real(self)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    config = quick(*PRESETS["product"], "train.steps=20", "train.epochs=5", "train.batch_size=4")
    found = _train(config, n=2)
    assert len(found.losses) == 5
    assert len(rates) == 20
    assert max(r for r, _ in rates) == pytest.approx(1e-3)
    assert rates[-1][0] < 1e-8
    assert found.class_weights == (1, 1, 0)


@pytest.mark.parametrize(("steps", "epochs", "seen"), [(4, 50, 4), (7, 3, 3), (13, 5, 5)])
def test_as_many_steps_are_done_as_were_asked_for(
    steps: int, epochs: int, seen: int, tiny: list[Segmenter]
) -> None:
    images, labels = discs(3)
    config = quick(
        *PRESETS["product"], f"train.steps={steps}", f"train.epochs={epochs}", "train.batch_size=2"
    )
    run = finish(train_steps(images, labels, 3, config, normalisation=NORMALISATION))
    assert len([p for p in run.progress if p.note.startswith("epoch")]) == steps
    assert len(run.result.losses) == seen


def test_steps_grow_with_the_slices_where_settings_say_so(tiny: list[Segmenter]) -> None:
    config = quick(
        *PRESETS["product"], "train.steps=4", "train.growth=0.5", "train.epochs=2", "train.batch_size=4"
    )
    for n, expected in ((2, 4), (12, 4), (48, 8)):
        images, labels = discs(n)
        run = finish(train_steps(images, labels, 3, config, normalisation=NORMALISATION))
        assert run.progress[-1].total == expected


def test_the_first_loss_of_the_product_recipe_is_cross_entropy_plus_dice_of_the_drawn_batch(
    tiny: list[Segmenter],
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    real = module.cut_crops

    def cut(*given: object) -> tuple[torch.Tensor, torch.Tensor]:
        seen.append(real(*given))  # type: ignore[arg-type]
        return seen[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "cut_crops", cut)
        patch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)
        patch.setattr(nn.Dropout, "forward", lambda self, x: x)
        config = quick(*PRESETS["product"], "train.steps=1", "train.epochs=1", "train.dice=0.7")
        found = _train(config, n=4)
        fresh = tiny_segmenter(config.model, 3, config.seed).train()
        with torch.no_grad():
            logits, _ = fresh(seen[0][0])
    plain = nn.functional.cross_entropy(
        logits, seen[0][1] - 1, weight=torch.tensor([1.0, 1.0, 0.0]), ignore_index=-1
    )
    expected = plain + 0.7 * dice_loss(logits, seen[0][1])
    assert found.losses[0] == pytest.approx(expected.item(), rel=1e-4)


# --- repetition


def test_two_runs_with_one_seed_are_bitwise_equal_and_another_seed_is_not() -> None:
    first = _train(quick("train.epochs=2"))
    torch.manual_seed(123)
    np.random.default_rng(5)
    assert _train(quick("train.epochs=2")).weights == first.weights
    assert _train(quick("train.epochs=2", "seed=1")).weights != first.weights


def test_two_runs_of_the_product_recipe_are_bitwise_equal(tiny: list[Segmenter]) -> None:
    config = quick(*PRESETS["product"], "train.steps=6", "train.batch_size=4")
    assert _train(config).weights == _train(config).weights


def test_dropout_repeats_too_and_the_worlds_random_numbers_are_left_alone(tiny: list[Segmenter]) -> None:
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    first = _train(quick())
    assert torch.equal(torch.rand(1), expected)
    assert _train(quick()).weights == first.weights


def test_training_starts_from_the_contrastive_weights_it_is_given() -> None:
    from voidscope.model import backbone_bytes

    config = quick("train.epochs=1")
    given = backbone_bytes(build_segmenter(config.model, 1, seed=77))
    assert _train(config, contrastive=given).weights != _train(config).weights


# --- what goes wrong


def test_a_batch_without_labels_teaches_nothing_and_spoils_nothing(tiny: list[Segmenter]) -> None:
    images, labels = discs(8)
    labels = [mask if k == 0 else np.zeros_like(mask) for k, mask in enumerate(labels)]
    config = quick("train.batch_size=1", "train.crop=64", "train.crops_per_slice=1")
    run = finish(train_steps(images, labels, 3, config, normalisation=NORMALISATION))
    notes = [p.note for p in run.progress]
    assert sum("no labelled pixel" in n for n in notes) == 21
    assert all(0 < loss < 10 for loss in run.result.losses)
    network = load_tiny(run.result)
    assert all(torch.isfinite(t).all() for t in network.state_dict().values())


def test_a_class_absent_from_the_labels_is_learnt_around() -> None:
    found = _train(quick("train.epochs=2"), n_classes=5)
    assert found.class_weights[2:] == (0, 0, 0)
    assert all(math.isfinite(loss) for loss in found.losses)


@pytest.mark.parametrize(
    "recipe", [(), ("train.optimiser=adamw", "train.dice=1", "train.schedule=one-cycle")]
)
def test_the_unet_learns_to_the_bit_what_it_would_without_the_detail_network(recipe: tuple[str, ...]) -> None:
    config = quick(*recipe)
    without, with_one = _train(config), _train(config.with_changes(["model.detail=true"]))
    assert without.losses == with_one.losses
    alone, both = (safetensors.torch.load(t.weights) for t in (without, with_one))
    assert all(torch.equal(value, both[name]) for name, value in alone.items())
    assert {name.partition(".")[0] for name in both.keys() - alone.keys()} == {"detail"}


def test_the_detail_network_learns_from_its_own_loss_what_it_would_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = quick("model.detail=true", "train.epochs=4")
    trained = _train(config)

    def build(*given: object) -> Segmenter:
        mute = build_segmenter(*given)  # type: ignore[arg-type]
        with torch.no_grad():
            mute.head[0].weight.zero_()
        return mute

    monkeypatch.setattr(module, "build_segmenter", build)
    other = _train(config)
    ours, theirs = (safetensors.torch.load(t.weights) for t in (trained, other))
    assert not torch.equal(ours["head.0.weight"], theirs["head.0.weight"])
    assert all(torch.equal(v, theirs[k]) for k, v in ours.items() if k.startswith("detail."))
    network = load_segmenter(config.model, 3, trained.weights)
    fresh = build_segmenter(config.model, 3, config.seed)
    assert network.detail is not None and fresh.detail is not None
    assert not torch.equal(network.detail.head.weight, fresh.detail.head.weight)


def test_a_training_names_the_void_classes_cold_and_warm() -> None:
    config = quick("model.detail=true", "train.epochs=1")
    cold = _train(config, void_ids=(2,))
    warm = _train(config, warm=cold.weights, void_ids=(1, 3))
    named = [safetensors.torch.load(t.weights)["detail.void"].tolist() for t in (cold, warm)]
    assert named == [[False, True, False], [True, False, True]]


def test_a_detail_network_that_diverges_is_mended_as_the_unet_would_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real, calls = weighted_loss, 0

    def spoil(*given: torch.Tensor) -> torch.Tensor:
        nonlocal calls
        calls += 1
        return real(*given) * (math.nan if calls == 4 else 1.0)  # every second one is the detail network's

    monkeypatch.setattr(module, "weighted_loss", spoil)
    found = _train(quick("model.detail=true"))
    assert all(math.isfinite(loss) for loss in found.losses)
    assert "half the learning rate" in found.warnings[0]


@pytest.mark.parametrize("detail", [False, True])
def test_a_class_that_no_label_showed_is_never_predicted(detail: bool) -> None:
    config = quick("train.epochs=1", f"model.detail={detail}")
    found = _train(config, n_classes=5)
    network = load_segmenter(config.model, 5, found.weights)
    for prediction in predict_slices(network, discs(3, seed=9)[0], NORMALISATION, "cpu"):
        assert prediction.counts[2:].tolist() == [0, 0, 0]
        assert np.isfinite(prediction.entropy).all()
        assert prediction.entropy_max <= math.log(2) + 1e-3


def test_a_loss_that_is_not_a_number_is_mended_once(
    tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "weighted_loss", _spoiling(weighted_loss, at={4}))
    found = _train(quick())
    assert all(math.isfinite(loss) for loss in found.losses)
    assert "half the learning rate" in found.warnings[0]


def test_slices_that_are_not_numbers_end_the_training_in_one_line(tiny: list[Segmenter]) -> None:
    images, labels = discs(4)
    images[2][:] = np.nan
    with pytest.raises(
        JobFailed, match=r"already halved; lower train.learning_rate or look for damaged slices"
    ) as said:
        finish(train_steps(images, labels, 3, quick(), normalisation=NORMALISATION))
    assert "\n" not in str(said.value)


@pytest.fixture
def as_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Steps are recorded, as they are on an NVIDIA GPU."""

    def made(network: nn.Module, loss: Loss, _: torch.device, record: bool = True) -> Gradients:
        return Gradients(network, loss, torch.device("cuda"), record)

    monkeypatch.setattr(module, "Gradients", made)
    return monkeypatch


@pytest.mark.parametrize("preset", PRESETS)
def test_recorded_steps_give_the_weights_of_ordinary_ones(
    preset: str, tiny: list[Segmenter], as_on_a_gpu: pytest.MonkeyPatch
) -> None:
    recorded: list[tuple[int, ...]] = []

    def record(network: nn.Module, loss: Loss, given: tuple[torch.Tensor, ...]) -> Recording:
        recorded.append(tuple(given[0].shape))
        return Gradients(network, loss, torch.device("cpu"))

    as_on_a_gpu.setattr(gradients, "record", record)
    words = [f"preset={preset}", "train.steps=12" if preset == "product" else "train.epochs=6"]
    config = quick("train.crops_per_slice=1").with_changes(
        [*words, "train.batch_size=4", "train.crop=32", "model.flips=false"]
    )
    found = _train(config, n=10)
    as_on_a_gpu.undo()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "build_segmenter", tiny_segmenter)
        assert _train(config, n=10).weights == found.weights
    assert len(recorded) == len(set(recorded)) > 0
    assert found.warnings == ()


@pytest.mark.parametrize("preset", PRESETS)
def test_the_next_batch_is_made_between_a_step_and_the_reading_of_its_loss(
    preset: str, tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [f"preset={preset}", "train.steps=6" if preset == "product" else "train.epochs=3"]
    config = quick().with_changes([*words, "train.batch_size=4", "train.crop=64"])
    late = _train(config, n=8)
    events = prefetching(monkeypatch, module)
    assert _train(config, n=8).weights == late.weights
    assert events == ["step", "prefetch", "read"] * 6


@pytest.mark.parametrize(
    ("device", "crop", "most"), [("cpu", 96, 1), ("cuda", 96, 28), ("cuda", 512, 1), ("cuda", 2048, 1)]
)
def test_a_gpu_cuts_as_many_batches_at_once_as_memory_takes_easily(
    device: str, crop: int, most: int, tiny: list[Segmenter]
) -> None:
    images, labels = discs(2)
    config = quick("train.batch_size=16", f"train.crop={crop}")
    recipe = module._Supervised(tiny_segmenter(config.model, 3), images, labels, config, NORMALISATION)
    recipe.compute = module.Compute(torch.device(device), torch.float32)
    assert recipe._at_once == most


@pytest.mark.parametrize("preset", PRESETS)
def test_batches_cut_at_once_as_on_a_gpu_are_learnt_from_one_by_one(
    preset: str, tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = discs(7)
    labels[3][:] = labels[5][:] = 0  # batches of one without a label
    words = [f"preset={preset}", "train.steps=14" if preset == "product" else "train.epochs=2"]
    config = quick().with_changes([*words, "train.batch_size=1", "train.crop=64", "train.focus=0"])

    def losses() -> tuple[float, ...]:
        found = finish(train_steps(images, labels, 3, config, normalisation=NORMALISATION))
        said = [p.note for p in found.progress]
        assert any("no labelled pixel" in note for note in said)
        return found.result.losses

    alone = losses()
    cuts: list[int] = []
    real = module._Supervised._cut
    monkeypatch.setattr(module._Supervised, "_at_once", 3)
    monkeypatch.setattr(
        module._Supervised, "_cut", lambda self, drawn: (cuts.append(len(drawn)), real(self, drawn))[1]
    )
    assert losses() == pytest.approx(alone, rel=1e-4)
    assert set(cuts) <= {1, 2, 3} and 3 in cuts


def test_steps_that_cannot_be_recorded_are_launched_as_ever_and_that_is_said(
    tiny: list[Segmenter], as_on_a_gpu: pytest.MonkeyPatch
) -> None:
    def record(*_: object) -> Recording:
        raise RuntimeError("operation not permitted when stream is capturing")

    as_on_a_gpu.setattr(gradients, "record", record)
    found = _train(quick("train.epochs=6"), n=8)
    assert ["stream is capturing" in w for w in found.warnings] == [True]


def test_when_memory_runs_out_recordings_are_let_go_of(
    tiny: list[Segmenter], as_on_a_gpu: pytest.MonkeyPatch
) -> None:
    def record(network: nn.Module, loss: Loss, given: tuple[torch.Tensor, ...]) -> Recording:
        return Gradients(network, loss, torch.device("cpu"))

    as_on_a_gpu.setattr(gradients, "record", record)
    images, labels = discs(8)
    recipe = module._Supervised(
        tiny_segmenter(quick().model, 3), images, labels, quick("train.crop=64"), NORMALISATION
    )
    for epoch in range(4):
        list(recipe.steps(epoch, 1.0))
    assert recipe.gradients._recorded
    assert "2 crops at a time" in str(recipe.save_memory())
    assert all(math.isfinite(loss or 0.0) for loss, _ in recipe.steps(4, 1.0))
    assert not recipe.gradients._recorded


@pytest.mark.parametrize("at", [0, 2, 5])
def test_running_out_of_memory_halves_the_crops_in_memory_and_says_so(
    at: int, tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = [0]
    real = Segmenter.features

    def features(self: Segmenter, images: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        if calls[0] > at and len(images) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return real(self, images)

    monkeypatch.setattr(Segmenter, "features", features)
    found = _train(quick("train.crop=64", "train.crops_per_slice=1"), n=8)
    assert found.warnings == (
        f"Memory ran out in epoch {at // 2 + 1}: steps are now added up from 2 crops at a time.",
    )
    assert len(found.losses) == 3


def test_gradients_added_up_from_parts_are_those_of_the_whole_batch() -> None:
    """By the weights after plain steps, which differ as the gradients do; the paper's optimiser hides a factor."""

    def pixelwise(*_: object) -> Segmenter:
        torch.manual_seed(3)
        return Segmenter(nn.Identity(), nn.Conv2d(1, 16, 1), nn.Sequential(nn.Conv2d(16, 3, 1)))

    found, weights = list[Trained](), list[dict[str, torch.Tensor]]()
    for most in (8, 3, 1):
        built: list[Segmenter] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                module, "build_segmenter", lambda *given, built=built: built.append(pixelwise()) or built[0]
            )
            patch.setattr(module, "_optimiser", lambda network, _: torch.optim.SGD(network.parameters()))
            patch.setattr("voidscope.model.devices.cpu_has_bfloat16", lambda: False)
            patch.setattr(module, "parts_of", lambda n, _, least, most=most: module_parts(n, most, least))
            found.append(
                _train(
                    quick("train.batch_size=8", "train.crop=64", "train.crops_per_slice=1", "train.epochs=3"),
                    n=8,
                )
            )
        weights.append(built[0].state_dict())
    start = pixelwise().state_dict()
    for other, run in zip(weights[1:], found[1:], strict=True):
        assert run.losses == pytest.approx(found[0].losses, rel=1e-5)
        for name, whole in weights[0].items():
            moved = (whole - start[name]).norm()
            assert moved > 0
            assert (other[name] - whole).norm() < 1e-3 * moved


def test_a_gpu_without_memory_hands_over_to_the_cpu_and_says_so(tiny: list[Segmenter]) -> None:
    images, labels = discs(4)
    recipe = module._Supervised(
        tiny_segmenter(quick().model, 3), images, labels, quick("train.crop=64"), NORMALISATION
    )
    recipe.most = 1
    assert recipe.save_memory() is None
    recipe.compute = module.Compute(torch.device("meta"), torch.float32)
    said = recipe.save_memory()
    assert said is not None
    assert "without the GPU" in said
    assert (recipe.compute.device.type, recipe.images.device.type, recipe.most) == ("cpu", "cpu", 4)


@pytest.mark.usefixtures("full_gpu")
def test_a_gpu_without_room_for_the_network_leaves_the_training_to_the_cpu_and_says_so(
    tiny: list[Segmenter],
) -> None:
    images, labels = discs(5)
    run = finish(train_steps(images, labels, 3, quick("device=auto"), normalisation=NORMALISATION))
    assert run.result.weights == _train(quick()).weights
    assert (run.result.warnings, run.result.device) == ((NO_ROOM,), "cpu")
    assert (run.progress[0].note, run.progress[0].where) == (NO_ROOM, "cpu")


def test_memory_that_never_suffices_ends_in_one_line(
    tiny: list[Segmenter], monkeypatch: pytest.MonkeyPatch
) -> None:
    def features(*_: object) -> torch.Tensor:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(Segmenter, "features", features)
    with pytest.raises(
        JobFailed, match=r"Training stopped: .*can't allocate.*choose smaller batches or device=cpu"
    ):
        _train(quick())


def test_masks_must_fit_their_slices() -> None:
    images, labels = discs(2)
    with pytest.raises(LabelError, match="2 slices came with 1 label masks"):
        next(train_steps(images, labels[:1], 3, quick(), normalisation=NORMALISATION))
    with pytest.raises(LabelError, match="Label mask 1 is"):
        next(train_steps(images, [labels[0], labels[1].T[:5]], 3, quick(), normalisation=NORMALISATION))


def test_a_closed_run_stops_at_once_and_leaves_torch_as_it_was(tiny: list[Segmenter]) -> None:
    images, labels = discs(4)
    steps = train_steps(images, labels, 3, quick(), normalisation=NORMALISATION)
    next(steps)
    assert torch.is_grad_enabled()
    assert not torch.is_autocast_enabled("cpu")
    steps.close()
    with pytest.raises(StopIteration):
        next(steps)


# --- learning


@pytest.mark.slow
def test_a_disc_is_learnt_from_eight_slices_and_found_in_others() -> None:
    images, labels = discs(12, sizes=(36, 48))
    config = quick(
        "train.epochs=80", "train.drop_epoch=50", "train.learning_rate=2e-3", "train.batch_size=8",
        "train.crops_per_slice=1", "train.resize_factors=[1]",
    )  # fmt: skip
    found = finish(train_steps(images[:8], labels[:8], 2, config, normalisation=NORMALISATION)).result
    assert found.losses[-1] < 0.3 * found.losses[0]
    segmenter = load_segmenter(config.model, 2, found.weights)
    masks = [p.mask for p in predict_slices(segmenter, images[8:], NORMALISATION, "cpu")]
    both = sum(int(((m == 2) & (t == 2)).sum()) for m, t in zip(masks, labels[8:], strict=True))
    either = sum(int(((m == 2) | (t == 2)).sum()) for m, t in zip(masks, labels[8:], strict=True))
    assert both / either > 0.8


def load_tiny(found: Trained) -> Segmenter:
    from voidscope.model import load_weights

    network = tiny_segmenter(quick().model, 3)
    load_weights(network, found.weights)
    return network


def module_parts(n: int, most: int, least: int) -> list[slice]:
    from voidscope.training.batches import parts_of

    return parts_of(n, most, least)


def _spoiling(real: Callable[..., torch.Tensor], at: set[int]) -> Callable[..., torch.Tensor]:
    calls = [0]

    def loss(*given: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        return real(*given) * (math.nan if calls[0] in at else 1)

    return loss
