"""What `suggest` asks of whom: no model for strategies that need none, one sweep for those that do."""

from __future__ import annotations

import dataclasses
import pickle
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any, get_args

import numpy as np
import pytest
from safetensors.numpy import load, save

from voidscope.acquisition import draw_first, gave_way, strata
from voidscope.acquisition.strata import _beta as beta
from voidscope.config import Config, SuggestConfig
from voidscope.errors import ConfigError, NotReady, ProjectError
from voidscope.jobs import Progress, Steps, execute
from voidscope.model import backbone_bytes, build_segmenter, predict_slices, weights_bytes
from voidscope.project import Cycle, Project, import_truth
from voidscope.training.vaal import Judged
from voidscope.vocabulary import ClassMap, Role, SegmentationClass, SliceKey, Split
from voidscope.volume import Dataset, slice_index
from voidscope.workflow import asking, segment, suggest

STRATEGIES = get_args(SuggestConfig.model_fields["strategy"].annotation)
ASKING = [
    s for s in STRATEGIES if s not in ("random", "strided", "stratified", "vaal", "verdict")
]  # verdict needs a measurement


@pytest.fixture
def labelled(project: Project, dataset: Dataset) -> Project:
    """The project with two slices of each training scan labelled from the truth."""
    import_truth(project, dataset, [SliceKey(s, i) for s in "ab" for i in (0, 3)])
    return project


@pytest.fixture
def modelled(labelled: Project) -> Project:
    """The project with a model that nobody trained: what it says is as good as any for whom is asked."""
    weights = weights_bytes(build_segmenter(labelled.config.model, 4, seed=1))
    cycle = Cycle(
        1, tuple(labelled.labels), 0, sha256(weights).hexdigest(), {}, {}, labelled.config.model_dump(mode="json"),
        labelled.normalisation(),
    )  # fmt: skip
    labelled.add_cycle(cycle, weights)
    return labelled


@pytest.fixture
def sweeps(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Told of every sweep of a network: its keyword arguments."""
    found: list[dict[str, Any]] = []

    def watched(*arguments: Any, **settings: Any) -> Any:
        found.append(settings)
        return predict_slices(*arguments, **settings)

    monkeypatch.setattr("voidscope.model.predict_slices", watched, raising=False)
    return found


def ask(project: Project, *changes: str) -> tuple[Any, ...]:
    return execute(suggest(project, project.config.with_changes(changes)))


def fake_vaal(
    monkeypatch: pytest.MonkeyPatch, scores: Sequence[float], warnings: Sequence[str] = ()
) -> list[dict[str, Any]]:
    """Stand in for VAAL's training: it gives these scores and remembers what it was asked."""
    asked: list[dict[str, Any]] = []

    def vaal_steps(images: Sequence[Any], labelled: Sequence[bool], **settings: Any) -> Steps[Any]:
        asked.append({"shapes": {i.shape for i in images}, "labelled": list(labelled), **settings})
        yield Progress(1, 1, "VAAL")
        return Judged(np.asarray(scores, dtype=np.float64), tuple(warnings))

    monkeypatch.setattr("voidscope.training.vaal.vaal_steps", vaal_steps)
    return asked


class TestStrategies:
    """Once there is a model."""

    @pytest.mark.parametrize("strategy", ["random", "strided", "stratified"])
    def test_a_strategy_that_asks_no_model_sweeps_none(
        self, modelled: Project, strategy: str, sweeps: list[Any]
    ) -> None:
        assert modelled.cycle is not None
        modelled.cycle.weights_path.unlink()
        picks = ask(modelled, f"suggest.strategy={strategy}")
        assert len(picks) == 3 and not {p.key for p in picks} & set(modelled.labels)
        assert {(p.strategy, p.r) for p in picks} == {(strategy, None)}
        assert sweeps == [] and modelled.survey is None

    def test_one_sweep_serves_all_that_rank_by_it(self, modelled: Project, sweeps: list[Any]) -> None:
        ask(modelled, "suggest.strategy=badge")
        for strategy in ASKING:
            for how in ("max", "mean", "top", "patch"):
                picks = ask(modelled, f"suggest.strategy={strategy}", f"suggest.aggregation={how}")
                assert {p.strategy for p in picks} == {strategy}
        assert [s["gradients"] for s in sweeps] == [True]

    @pytest.mark.parametrize("budget", [1, 3])
    def test_the_noise_of_clasp_fades_from_cycle_to_cycle_whatever_is_asked_for(
        self, modelled: Project, budget: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Budgets that double (12, 25, 50, 100, 200) are always one batch of the size that is asked for."""
        betas: list[float] = []
        monkeypatch.setattr(strata, "_beta", lambda *of: betas.append(beta(*of)) or betas[-1])
        before = modelled.cycle
        assert before is not None
        for number in range(1, 6):
            if number > 1:
                again = dataclasses.replace(before, number=number)
                modelled.add_cycle(again, before.weights())
            ask(modelled, "suggest.strategy=clasp", f"suggest.budget={budget}")
        assert betas == pytest.approx([1, 10**0.5, 10, 10**1.5, 100])

    def test_a_drawn_strategy_tells_the_terms_where_a_survey_is_at_hand(self, modelled: Project) -> None:
        before = ask(modelled, "suggest.strategy=strided")
        ask(modelled, "suggest.strategy=entropy")
        after = ask(modelled, "suggest.strategy=strided")
        assert [p.key for p in before] == [p.key for p in after]
        assert all(p.r is not None and p.pixel is not None for p in after)

    def test_gradients_are_made_only_for_the_strategy_that_needs_them(
        self, modelled: Project, sweeps: list[Any]
    ) -> None:
        ask(modelled)
        assert modelled.survey is not None and modelled.survey.gradient is None
        ask(modelled, "suggest.strategy=badge")
        assert modelled.survey.gradient is not None
        assert modelled.survey.gradient.shape == (12, 4 * 16 * 9)
        assert [s["gradients"] for s in sweeps] == [False, True]

    def test_another_top_share_is_swept_for_anew(self, modelled: Project, sweeps: list[Any]) -> None:
        for percent in (5, 5, 20):
            ask(modelled, "suggest.aggregation=top", f"suggest.top_percent={percent}")
        ask(modelled, "suggest.aggregation=max", "suggest.top_percent=7")
        assert [s["top_percent"] for s in sweeps] == [5, 20]

    def test_a_survey_of_an_older_version_is_used_or_made_anew(
        self, modelled: Project, sweeps: list[Any]
    ) -> None:
        ask(modelled)
        path = modelled.path / "cycles" / "0001" / "survey.safetensors"
        arrays = load(path.read_bytes())
        for name in ("entropy_local", "class_entropy", "patch_share", "top_percent"):
            del arrays[name]
        path.write_bytes(save(arrays))
        assert modelled.survey is not None and modelled.survey.class_entropy is None
        ask(modelled, "suggest.strategy=coreset")
        assert len(sweeps) == 1
        ask(modelled, "suggest.strategy=clasp")
        assert len(sweeps) == 2 and modelled.survey.class_entropy is not None

    def test_background_is_what_the_classes_say_it_is(self) -> None:
        classes = ClassMap(
            tuple(SegmentationClass(name=n, role=Role(r), colour="#ffffff", file_id=k) for k, (n, r) in enumerate(
                [("solder", "foreground"), ("air", "background"), ("void", "void")]
            ))
        )  # fmt: skip
        assert asking._foreground(classes) == [0, 2]

    def test_weights_that_are_all_zero_are_refused_before_a_sweep(
        self, modelled: Project, sweeps: list[Any]
    ) -> None:
        with pytest.raises(ConfigError, match="weigh 0, 0, 0; give one a weight above 0"):
            ask(modelled, *(f"suggest.{t}=0" for t in ("rareness", "uncertainty", "distance")))
        assert sweeps == []


class TestLimits:
    """Caps and gaps, and how a person hears that they gave way."""

    @pytest.mark.parametrize("strategy", ["rareness", "stratified"])
    def test_a_limit_that_gave_way_is_said_in_the_queue(self, modelled: Project, strategy: str) -> None:
        config = modelled.config.with_changes(
            [f"suggest.strategy={strategy}", "suggest.min_slice_gap=1", "suggest.budget=6"]
        )
        picks = execute(suggest(modelled, config))
        kept = [p for p in picks if not p.relaxed]
        assert {p.key.index for p in kept} == {5}  # slices 0 and 3 are labelled: only 5 has a free neighbour
        assert [p.relaxed for p in picks] == [()] * 2 + [("min_slice_gap",)] * 4
        assert gave_way(picks[0]) == ""
        assert gave_way(picks[-1]) == "Chosen after giving up the limit Gap, which left too few slices."
        assert Project.open(modelled.path).suggestions == picks

    def test_a_limit_that_held_is_not_spoken_of(self, modelled: Project) -> None:
        config = modelled.config.with_changes(["suggest.max_per_scan=1", "suggest.budget=2"])
        picks = execute(suggest(modelled, config))
        assert {p.key.scan for p in picks} == {"a", "b"}
        assert not any(gave_way(p) for p in picks)

    @pytest.mark.parametrize(
        "first", ["random", "strided", "stratified", "k-means", "typiclust", "void-like"]
    )
    def test_the_first_batch_keeps_limits_too(self, project: Project, first: str) -> None:
        picks = ask(project, f"suggest.first={first}", "suggest.min_slice_gap=2", "suggest.budget=2")
        near = [
            a
            for a in picks
            for b in picks
            if a.key.scan == b.key.scan and 0 < abs(a.key.index - b.key.index) <= 2
        ]
        assert near == []


class TestVaal:
    """Scores of networks trained for the purpose."""

    def test_the_slices_that_look_least_labelled_come_first(
        self, modelled: Project, sweeps: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        scores = np.random.default_rng(0).permutation(12) / 12
        asked = fake_vaal(monkeypatch, scores.tolist())
        picks = ask(modelled, "suggest.strategy=vaal", "suggest.vaal_epochs=7", "seed=5")
        keys = modelled.keys(Split.TRAIN)
        ranked = [keys[i] for i in np.argsort(scores) if keys[i] not in modelled.labels]
        assert [p.key for p in picks] == ranked[:3]
        assert asked == [
            {"shapes": {(24, 20)}, "labelled": [k in modelled.labels for k in keys], "seed": 5, "device": "cpu", "epochs": 7}
        ]  # fmt: skip
        assert sweeps == []

    def test_what_was_mended_on_the_way_is_kept_with_the_queue(
        self, modelled: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fake_vaal(monkeypatch, np.arange(12).tolist(), ["Memory ran out in epoch 1: halved."])
        ask(modelled, "suggest.strategy=vaal")
        assert modelled.queue.grounds.note == "Memory ran out in epoch 1: halved."

    @pytest.mark.parametrize("elsewhere", [False, True])
    def test_its_networks_may_learn_in_a_process_of_their_own(
        self, modelled: Project, elsewhere: bool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What goes there can be pickled and chooses the same; `test_apart` starts such processes."""
        fake_vaal(monkeypatch, np.arange(12).tolist())
        asked: list[tuple[str, bool]] = []

        def driven(
            title: str, steps: Callable[[], Steps[Any]], *, elsewhere: bool
        ) -> Callable[[], Steps[Any]]:
            asked.append((title, elsewhere))
            unpickled: Callable[[], Steps[Any]] = pickle.loads(pickle.dumps(steps))
            return unpickled

        here = ask(modelled, "suggest.strategy=vaal")
        monkeypatch.setattr(asking, "driven", driven)
        settings = modelled.config.with_changes(["suggest.strategy=vaal"])
        assert execute(suggest(modelled, settings, elsewhere=elsewhere)) == here
        assert asked == [("VAAL", elsewhere)]

    def test_it_is_not_trained_for_other_strategies_nor_before_there_is_a_model(
        self, labelled: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = fake_vaal(monkeypatch, [0.0] * 12)
        assert {p.strategy for p in ask(labelled, "suggest.strategy=vaal")} == {"random"}
        assert asked == []


class TestFirstBatch:
    """Before there is a model."""

    @pytest.fixture
    def pretrained(self, project: Project) -> Project:
        """The project with pretrained weights, as pretraining leaves them."""
        network = build_segmenter(project.config.model, 3, seed=4)
        project.set_pretrained(backbone_bytes(network), {})
        return project

    def test_clusters_are_of_what_the_pretrained_network_sees(
        self, pretrained: Project, sweeps: list[Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[Any] = []
        monkeypatch.setattr(asking, "draw_first", lambda *a: seen.append(a[4]) or draw_first(*a))
        picks = ask(pretrained, "suggest.first=k-means")
        network = build_segmenter(pretrained.config.model, 3, seed=4)
        images = (pretrained.image(k) for k in pretrained.keys(Split.TRAIN))
        expected = [p.embedding for p in predict_slices(network, images, pretrained.normalisation(), "cpu")]
        np.testing.assert_allclose(seen[0], np.stack(expected), rtol=1e-5, atol=1e-6)
        assert {p.strategy for p in picks} == {"k-means"} and len(sweeps) == 1

    @pytest.mark.parametrize("first", ["k-means", "typiclust", "void-like"])
    def test_without_pretraining_grey_levels_are_looked_at(
        self, project: Project, first: str, sweeps: list[Any]
    ) -> None:
        notes: list[str] = []
        config = project.config.with_changes([f"suggest.first={first}"])
        picks = execute(suggest(project, config), lambda p: notes.append(p.note))
        assert {p.strategy for p in picks} == {first} and len({p.key for p in picks}) == 3
        assert set(notes) == {"looking at grey levels"} and sweeps == []

    def test_weights_of_another_encoder_are_refused(self, pretrained: Project) -> None:
        with pytest.raises(ProjectError, match="of another network"):
            ask(pretrained, "suggest.first=typiclust", "model.encoder=resnet18")

    @pytest.mark.parametrize("first", ["foreground", "void-like"])
    def test_some_go_by_grey_levels_even_where_a_network_is_pretrained(
        self, pretrained: Project, first: str, sweeps: list[Any]
    ) -> None:
        assert {p.strategy for p in ask(pretrained, f"suggest.first={first}")} == {first}
        assert sweeps == []

    @pytest.mark.parametrize("first", ["random", "strided"])
    def test_nobody_looks_for_a_batch_that_is_drawn(
        self, pretrained: Project, first: str, sweeps: list[Any]
    ) -> None:
        assert {p.strategy for p in ask(pretrained, f"suggest.first={first}")} == {first}
        assert sweeps == []

    def test_slices_labelled_meanwhile_are_not_suggested_again(
        self, project: Project, dataset: Dataset
    ) -> None:
        first = ask(project, "suggest.first=typiclust")
        import_truth(project, dataset, [p.key for p in first])
        second = ask(project, "suggest.first=typiclust")
        assert not {p.key for p in first} & {p.key for p in second}


@pytest.mark.parametrize("verb", [suggest, segment])
def test_a_scan_that_another_program_removes_meanwhile_costs_the_others_nothing(
    modelled: Project, verb: Any
) -> None:
    job = verb(modelled, modelled.config if verb is suggest else ["a", "b"])

    def steps() -> Steps[Any]:
        found = yield from job.steps()
        Project.open(modelled.path).remove("a")
        return found

    execute(dataclasses.replace(job, steps=steps))
    modelled.catch_up()
    assert "a" not in modelled.scans
    assert modelled.is_segmented("b") and not modelled.is_segmented("a")
    assert {s.key.scan for s in modelled.queue.suggestions} <= {"b"}


def test_a_project_without_training_scans_says_what_to_add(tmp_path: Any, dataset: Dataset) -> None:
    empty = Project.create(tmp_path / "empty", dataset.classes, config=Config())
    with pytest.raises(NotReady, match="no training scan"):
        suggest(empty)


def test_a_sweep_holds_the_masks_of_no_scan_that_is_on_disk(modelled: Project) -> None:
    project, progress = modelled, []
    job = suggest(project)
    steps = job.steps()
    with pytest.raises(StopIteration) as ended:
        while True:
            progress.append(next(steps))
    found = ended.value.value
    assert list(found.predictions) == ["a", "b"]
    for one in found.predictions.values():
        assert (one.mask.nbytes, one.entropy.nbytes, one.draft.mask) == (0, 0, None)
    seen = {p.partial[0]: p.partial[1].mask for p in progress if p.partial is not None}
    job.commit(found)
    for key, mask in seen.items():
        whole = project.mask(key.scan)
        assert whole is not None
        assert (whole[slice_index(project.scan(key.scan).plane, key.index)] == mask).all()


@pytest.mark.usefixtures("full_gpu")
def test_a_gpu_without_room_for_the_network_leaves_the_sweep_to_the_cpu_and_says_so(
    modelled: Project,
) -> None:
    auto = modelled.config.with_changes(["device=auto", "suggest.strategy=entropy"])
    for job in (suggest(modelled, auto), segment(modelled, config=auto)):
        said: list[Progress] = []
        assert execute(job, said.append)
        assert any("going on without the GPU" in p.note for p in said)
