"""Following a recipe: back to the last good state when a loss or the memory fails, and the end when it fails again."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import nn

from training.scenes import finish
from voidscope.errors import JobFailed
from voidscope.model import Compute
from voidscope.training.course import STEPS_BETWEEN_COPIES, Course, Diverged, finite, follow


class _Recipe:
    """Adds the learning rate to one weight at each step; `trouble` may raise before a step."""

    way_out = "lower train.learning_rate"

    compute = Compute(torch.device("cpu"), torch.float32)
    warnings: tuple[str, ...] = ()

    def __init__(self, n_steps: int = 2, trouble: Callable[[_Recipe], None] = lambda recipe: None) -> None:
        self.n_steps = n_steps
        self.network = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.network.weight)
        self.optimiser = torch.optim.SGD(self.network.parameters(), lr=1.0, momentum=0.5)
        self.course = Course(self.network, self.optimiser)
        self.trouble = trouble
        self.done = 0
        self.savings = ["half the batch", "the CPU"]

    def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
        for _ in range(self.n_steps):
            self.trouble(self)
            self.optimiser.param_groups[0]["lr"] = rate
            self.network.weight.grad = -torch.ones_like(self.network.weight)
            self.optimiser.step()
            self.done += 1
            yield float(epoch), " (words)"

    def save_memory(self) -> str | None:
        return self.savings.pop(0) if self.savings else None


def _once(error: Exception, at: int) -> Callable[[_Recipe], None]:
    left = [error]

    def trouble(recipe: _Recipe) -> None:
        if recipe.done == at and left:
            raise left.pop()

    return trouble


def _always(error: Exception, at: int) -> Callable[[_Recipe], None]:
    def trouble(recipe: _Recipe) -> None:
        if recipe.done >= at:
            raise error

    return trouble


def test_progress_counts_every_step_and_says_epoch_and_loss() -> None:
    recipe = _Recipe(n_steps=2)
    said = finish(follow(recipe, recipe.course, 3)).progress
    assert [(p.done, p.total) for p in said] == [(k, 6) for k in range(1, 7)]
    assert said[-1].note == "epoch 3/3, loss 2.0000 (words)"
    assert recipe.course.losses == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("at", range(6))
def test_after_a_bad_loss_it_goes_on_from_the_last_good_state_at_half_the_rate(at: int) -> None:
    recipe = _Recipe(trouble=_once(Diverged("The loss"), at))
    finish(follow(recipe, recipe.course, 3))
    slower = _Recipe()
    slower.course.rate = 0.5
    finish(follow(slower, slower.course, 3))
    assert torch.equal(recipe.network.weight, slower.network.weight)
    assert recipe.course.losses == [0.0, 1.0, 2.0]
    assert len(recipe.course.warnings) == 1
    assert recipe.course.warnings[0].startswith(
        f"The loss became not a number in epoch {at // 2 + 1}: went back"
    )


@pytest.mark.parametrize(("device", "between"), STEPS_BETWEEN_COPIES.items())
def test_what_was_learnt_before_the_last_copy_is_kept(
    device: str, between: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "a GPU")
    bad_epoch = between + 5
    recipe = _Recipe(n_steps=1, trouble=_once(Diverged("The loss"), bad_epoch))
    recipe.compute = Compute(torch.device(device), torch.float32)
    finish(follow(recipe, recipe.course, bad_epoch + 3))
    assert recipe.done == bad_epoch + 3 + (bad_epoch - between)
    assert len(recipe.course.losses) == bad_epoch + 3


def test_a_second_bad_loss_is_the_end_and_says_what_to_lower() -> None:
    recipe = _Recipe(trouble=_always(Diverged("The loss"), 3))
    with pytest.raises(
        JobFailed,
        match=r"The loss became not a number in epoch \d.*already halved; lower train\.learning_rate",
    ):
        finish(follow(recipe, recipe.course, 3))


def test_weights_that_are_not_finite_at_the_end_are_never_returned() -> None:
    def spoil(recipe: _Recipe) -> None:
        if recipe.done == 5:
            recipe.network.weight.data.fill_(math.nan)

    recipe = _Recipe(trouble=spoil)
    finish(follow(recipe, recipe.course, 3))
    assert torch.isfinite(recipe.network.weight).all()
    assert recipe.course.rate == 0.5
    assert "a weight became not a number".capitalize() in recipe.course.warnings[0]


@pytest.mark.parametrize(
    "error",
    [RuntimeError("could not create a primitive"), MemoryError("Unable to allocate 8.00 GiB for an array")],
)
def test_onednn_and_numpy_run_out_of_memory_as_torch_does(error: Exception) -> None:
    recipe = _Recipe(trouble=_once(error, 3))
    finish(follow(recipe, recipe.course, 3))
    assert recipe.course.warnings == ["Memory ran out in epoch 2: half the batch."]


@pytest.mark.parametrize("at", range(6))
def test_after_running_out_of_memory_the_result_is_the_same_and_a_warning_says_how(at: int) -> None:
    recipe, undisturbed = _Recipe(trouble=_once(torch.OutOfMemoryError("CUDA out of memory"), at)), _Recipe()
    finish(follow(recipe, recipe.course, 3))
    finish(follow(undisturbed, undisturbed.course, 3))
    assert torch.equal(recipe.network.weight, undisturbed.network.weight)
    assert recipe.course.warnings == [f"Memory ran out in epoch {at // 2 + 1}: half the batch."]


def test_no_room_for_the_first_copy_is_want_of_memory_too(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe, undisturbed, errors = _Recipe(), _Recipe(), [torch.OutOfMemoryError("CUDA out of memory")]
    real = Course.copy

    def copy(self: Course) -> dict[str, Any]:
        if errors:
            raise errors.pop()
        return real(self)

    monkeypatch.setattr(Course, "copy", copy)
    for one in (recipe, undisturbed):
        finish(follow(one, one.course, 3))
    assert torch.equal(recipe.network.weight, undisturbed.network.weight)
    assert recipe.course.warnings == ["Memory ran out in epoch 1: half the batch."]


def test_weights_that_are_no_numbers_from_the_start_end_in_one_line() -> None:
    recipe = _Recipe()
    nn.init.constant_(recipe.network.weight, math.nan)
    with pytest.raises(JobFailed, match="a weight became not a number in epoch 1"):
        finish(follow(recipe, recipe.course, 3))


def test_what_a_recipe_was_placed_on_is_told_first_and_kept_with_the_result() -> None:
    recipe = _Recipe()
    recipe.warnings = ("The GPU had no room.",)
    course = Course(recipe.network, recipe.optimiser, recipe.warnings)
    said = finish(follow(recipe, course, 3)).progress
    assert (said[0].done, said[0].total, said[0].note, said[0].where) == (0, 6, "The GPU had no room.", "cpu")
    course.resume(course.copy())
    assert course.warnings == ["The GPU had no room."]


def test_when_no_memory_can_be_saved_torchs_error_is_passed_on() -> None:
    recipe = _Recipe(trouble=_always(torch.OutOfMemoryError("CUDA out of memory"), 1))
    with pytest.raises(torch.OutOfMemoryError):
        finish(follow(recipe, recipe.course, 3))
    assert [w.split(": ")[1] for w in recipe.course.warnings] == ["half the batch.", "the CPU."]


def test_other_errors_are_passed_on_at_once() -> None:
    recipe = _Recipe(trouble=_once(RuntimeError("device-side assert"), 1))
    with pytest.raises(RuntimeError, match="device-side assert"):
        finish(follow(recipe, recipe.course, 3))
    assert recipe.course.warnings == []


def test_a_course_put_back_half_way_ends_as_if_it_had_not_stopped() -> None:
    whole, first, second = _Recipe(), _Recipe(), _Recipe()
    finish(follow(whole, whole.course, 6))
    finish(follow(first, first.course, 3))
    second.course.resume(first.course.copy())
    said = finish(follow(second, second.course, 6)).progress
    assert torch.equal(second.network.weight, whole.network.weight)
    assert second.course.losses == whole.course.losses
    assert (said[0].done, said[0].total) == (7, 12)


def test_a_course_that_went_back_and_was_resumed_still_says_so_and_is_as_slow() -> None:
    first, second = _Recipe(trouble=_once(Diverged("The loss"), 1)), _Recipe()
    finish(follow(first, first.course, 3))
    second.course.resume(first.course.copy())
    assert second.course.warnings == first.course.warnings != []
    assert second.course.rate == 0.5
    finish(follow(second, second.course, 6))
    assert len(second.course.warnings) == 1


def test_a_state_of_before_warnings_were_kept_still_loads() -> None:
    first, second = _Recipe(), _Recipe()
    finish(follow(first, first.course, 3))
    second.course.resume({k: v for k, v in first.course.copy().items() if k != "warnings"})
    assert (len(second.course.losses), second.course.warnings) == (3, [])


def test_want_of_memory_after_a_bad_loss_forgets_neither_the_halved_rate_nor_its_warning() -> None:
    """Both come before the first copy after the start, which was taken at the full rate."""
    bad, short = _once(Diverged("The loss"), 1), _once(torch.OutOfMemoryError("CUDA out of memory"), 3)

    def both(recipe: _Recipe) -> None:
        bad(recipe)
        short(recipe)

    recipe = _Recipe(trouble=both)
    finish(follow(recipe, recipe.course, 3))
    assert recipe.course.rate == 0.5
    assert [w.split(" in epoch")[0] for w in recipe.course.warnings] == [
        "The loss became not a number",
        "Memory ran out",
    ]


def test_a_copy_is_not_touched_by_what_follows() -> None:
    recipe = _Recipe()
    finish(follow(recipe, recipe.course, 1))
    copy = recipe.course.copy()
    weight = copy["network"]["weight"].clone()
    momentum = copy["optimiser"]["state"][0]["momentum_buffer"].clone()
    recipe.course.put_back(copy)
    finish(follow(recipe, recipe.course, 3))
    assert torch.equal(copy["network"]["weight"], weight)
    assert torch.equal(copy["optimiser"]["state"][0]["momentum_buffer"], momentum)


def test_what_is_offered_is_handed_out_after_its_epoch() -> None:
    recipe = _Recipe()
    offers = iter([None, b"state", None])
    said = finish(follow(recipe, recipe.course, 3, lambda: next(offers))).progress
    assert [(p.done, p.partial) for p in said if p.partial] == [(4, b"state")]


def test_an_epoch_without_any_label_has_loss_zero_and_says_so() -> None:
    class Unlabelled(_Recipe):
        def steps(self, epoch: int, rate: float) -> Iterator[tuple[float | None, str]]:
            yield None, ""
            yield None, ""

    recipe = Unlabelled()
    said = finish(follow(recipe, recipe.course, 1)).progress
    assert recipe.course.losses == [0.0]
    assert said[0].note == "epoch 1/1, no labelled pixel in this batch"


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_no_number_is_never_a_loss(value: float) -> None:
    assert finite(torch.tensor(0.25)) == 0.25
    with pytest.raises(Diverged, match="The loss of VAAL"):
        finite(torch.tensor(value), "The loss of VAAL")
