"""A bump's surroundings and voids: what each is made of, how large it is, and what it is labelled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from voidscope.volume.phantom import surroundings, voids
from voidscope.volume.phantom.bump import Form, bodies_of, random_form, solder_radius, wall_at
from voidscope.volume.phantom.difficulty import (
    HARD,
    Conditions,
    Forms,
    Population,
    Scene,
    Surroundings,
    Voids,
)
from voidscope.volume.phantom.geometry import (
    BACKGROUND,
    PILLAR,
    SOLDER,
    VOID,
    Bump,
    Ellipsoid,
    Frame,
    ellipsoid,
    random_frame,
    share,
    union,
)
from voidscope.volume.phantom.scene import compound, random_scene

SHAPE = (60, 50, 56)
NONE = Population(0, (0, 0), (1, 2))
assert HARD.scene is not None
AROUND, SORTS = HARD.scene.surroundings, HARD.scene.voids
seeds = st.integers(0, 5_000)


def straight(shape: tuple[int, int, int] = SHAPE, lean: float = 0.0, seed: int = 0) -> Frame:
    return random_frame(shape, 0.0, lean, np.random.default_rng(seed))


def a_form(seed: int = 0, kind: str = "memory") -> Form:
    return random_form(kind, SHAPE, Forms(radius=(0.2, 0.25)), np.random.default_rng(seed))  # type: ignore[arg-type]


def scene(around: Surroundings, seed: int, level: float, sorts: Voids = SORTS, kind: str = "memory") -> Bump:
    drawn_from = Conditions(forms=HARD.forms, scene=Scene(sorts, around))
    return random_scene(kind, SHAPE, drawn_from, np.random.default_rng(seed), level)  # type: ignore[arg-type]


def beside(mask: np.ndarray) -> np.ndarray:
    """Voxels that share a face with the mask and are not in it."""
    found = np.zeros_like(mask)
    for axis in range(3):
        for step in (-1, 1):
            found |= np.roll(mask, step, axis)
    return found & ~mask


@given(
    seed=seeds,
    centre=st.tuples(st.floats(5, 55), st.floats(-20, 20), st.floats(-22, 22)),
    radius=st.floats(0.5, 6),
)
@settings(max_examples=40, deadline=None)
def test_a_small_body_is_the_same_looked_at_only_near_itself(
    seed: int, centre: tuple[float, float, float], radius: float
) -> None:
    frame = straight(lean=3.0, seed=seed)
    body = Ellipsoid(centre, (radius, 0.8 * radius, radius))
    whole = ellipsoid(frame.grid, body.centre, body.radii)
    assert np.array_equal(share(union([body], frame)), share(whole))


def test_a_frame_beside_another_is_moved_by_so_many_voxels() -> None:
    form, frame = a_form(), straight()
    here, there = bodies_of(form, frame), bodies_of(form, frame.beside(5, -7))
    for name in here:
        moved = np.roll(here[name], (5, -7), axis=(1, 2))
        assert np.allclose(there[name][:, 5:, :-7], moved[:, 5:, :-7], atol=1e-4)


def test_the_wall_is_where_the_solder_ends() -> None:
    form, frame = a_form(3), straight((60, 61, 61))
    z, y, x = frame.grid
    angle = np.arctan2(y, x)
    outside = np.hypot(y, x) > solder_radius(form, z, angle)
    middle = (z > form.shoulder + 1) & (z < form.top - 1)
    assert np.array_equal((bodies_of(form, frame)["solder"] > 0)[middle], outside[middle])
    at = round((form.shoulder + form.top) / 2), 30, 55
    assert wall_at(form, float(z[at]), float(angle[at])) == pytest.approx(
        float(solder_radius(form, z, angle)[at])
    )


@pytest.mark.parametrize("seed", range(6))
def test_voids_are_in_solder_only_and_gas_outside_is_background(seed: int) -> None:
    around = replace(AROUND, bubbles=Population(1, (8, 9), (3, 5)))
    made = scene(around, seed, 1.5)
    void, gas = made.labels == VOID, made.fractions["gas"]
    assert void.any()
    assert gas.max() == 1
    assert (made.labels[gas > 0.5] == BACKGROUND).all()
    assert (made.fractions["gas"][void] < 0.5).all()
    assert (made.fractions["void"] > 0.9).sum() <= void.sum()
    assert SOLDER in made.labels[beside(void)]


@pytest.mark.parametrize("seed", range(3))
def test_underfill_bubbles_are_never_called_void(seed: int) -> None:
    made = scene(replace(AROUND, bubbles=Population(1, (8, 9), (3, 5))), seed, 0.0)
    assert made.fractions["gas"].sum() > 100
    assert VOID not in made.labels


@pytest.mark.parametrize("kind", ["logic", "memory"])
@pytest.mark.parametrize("seed", range(3))
def test_materials_share_every_voxel(kind: str, seed: int) -> None:
    made = scene(AROUND, seed, 1.0, kind=kind)
    total = sum(made.fractions.values())
    assert all(f.min() > -1e-6 for f in made.fractions.values())
    assert total.max() < 1 + 1e-5
    assert (made.labels[made.fractions["solder"] + made.fractions["compound"] > 0.75] == SOLDER).all()
    assert (made.labels[made.fractions["void"] > 0.75] == VOID).all()


def test_nothing_is_missing_between_the_dies() -> None:
    form, frame = a_form(), straight()
    metal = np.asarray(share(np.minimum(*list(bodies_of(form, frame).values())[:2])))
    found = surroundings.underfill(form, frame, metal, AROUND, np.random.default_rng(0))
    z = frame.grid[0]
    total = sum(found.values()) + metal
    assert np.allclose(total[(z > form.foot + 1) & (z < form.head - 1)], 1, atol=1e-5)
    dies = (z < form.foot - 1) | (z > form.head + 1)
    assert max(f[dies].max() for f in found.values()) == 0


def test_a_bubbles_gas_is_its_volume() -> None:
    form, frame = a_form(), straight((60, 70, 70))
    radius = 4.0
    around = replace(AROUND, bubbles=Population(1, (1, 1), (radius, radius)))
    inside = 0
    for seed in range(12):
        (body,) = surroundings.bubbles(form, around.bubbles, np.random.default_rng(seed))
        clear = form.foot + radius + 1 < body.centre[0] < form.head - radius - 1
        if clear and np.abs(body.centre[1:]).max() < 30:
            nothing = np.zeros(frame.shape, np.float32)
            gas = surroundings.underfill(form, frame, nothing, around, np.random.default_rng(seed))["gas"]
            assert gas.sum() == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.03)
            inside += 1
    assert inside > 2


def test_filler_is_the_told_share_of_the_underfill() -> None:
    form, frame = a_form(), straight()
    around = replace(AROUND, fine=(0.4, 0.4), particles=NONE, bubbles=NONE)
    nothing = np.zeros(frame.shape, np.float32)
    found = surroundings.underfill(form, frame, nothing, around, np.random.default_rng(1))
    assert found["filler"].sum() / (found["filler"] + found["resin"]).sum() == pytest.approx(0.4, rel=0.03)
    assert found["gas"].max() == 0


def test_particles_add_filler_of_their_volume() -> None:
    form, frame = a_form(), straight()
    around = replace(AROUND, fine=(0, 0), particles=Population(1, (40, 40), (2.5, 2.5)), bubbles=NONE)
    nothing = np.zeros(frame.shape, np.float32)
    filler = surroundings.underfill(form, frame, nothing, around, np.random.default_rng(1))["filler"]
    whole = 40 * 4 / 3 * np.pi * 2.5**3
    assert 0.6 * whole < filler.sum() < whole


@pytest.mark.parametrize("angle", [0.0, 0.3])
def test_a_lines_copper_is_its_section_times_its_length(angle: float) -> None:
    z, y, x = np.meshgrid(*(np.arange(n, dtype=np.float32) - n / 2 for n in (20, 40, 40)), indexing="ij")
    across = y * np.cos(angle) + x * np.sin(angle)
    found = share(surroundings.line_distance(z - 0.3, across, 1.5, 6.0)).sum()
    assert found == pytest.approx(1.5 * 6 * 40 / np.cos(angle), rel=0.12)


@pytest.mark.parametrize("seed", range(3))
def test_metal_lines_are_in_the_dies_and_background(seed: int) -> None:
    form, frame = a_form(seed), straight()
    copper = surroundings.traces(form, frame, replace(AROUND, traces=(6, 6)), np.random.default_rng(seed))
    z = frame.grid[0]
    assert copper.max() == 1
    assert copper[(z > form.foot) & (z < form.head)].max() == 0
    drawn = {n: scene(replace(AROUND, traces=(n, n), neighbour=0), seed, 0.0) for n in (0, 6)}
    assert np.array_equal(drawn[0].labels > 0, drawn[6].labels > 0)
    more = drawn[6].fractions["copper"].sum() - drawn[0].fractions["copper"].sum()
    assert more > 50


def test_neighbours_are_what_they_are() -> None:
    near = replace(AROUND, pitch=(1.5, 1.5))
    alone, among = (scene(replace(near, neighbour=p), 4, 0.0).labels for p in (0, 1))
    added = (among > 0) & (alone == 0)
    assert {PILLAR, SOLDER} <= set(np.unique(among[added]).tolist())
    assert np.array_equal(among[alone > 0], alone[alone > 0])
    edge = np.ones(SHAPE[1:], bool)
    edge[10:-10, 10:-10] = False
    assert added.any(axis=0)[edge].mean() > 5 * added.any(axis=0)[~edge].mean()


def test_the_compound_is_a_layer_on_the_copper_taken_from_the_solder() -> None:
    form, frame = replace(a_form(), shoulder=20.0, top=40.0, pad=None), straight()
    solder = share(bodies_of(form, frame)["solder"])
    found = compound(solder, form, frame, 2.0, np.random.default_rng(0))
    z = frame.grid[0]
    assert np.allclose(found["solder"] + found["compound"], solder, atol=1e-6)
    assert found["compound"].min() >= 0
    middle = np.abs(z - (form.shoulder + form.top) / 2) < (form.top - form.shoulder) / 2 - 5
    assert solder[middle].max() == 1
    assert found["compound"][middle].max() == 0
    column = found["compound"][:, 20:30, 23:33].sum(axis=0)
    assert column.mean() == pytest.approx(2 * 2.0, rel=0.25)
    assert column.std() > 0.2


@pytest.mark.parametrize("name", ["rows", "scattered", "shrinkage", "central", "surface"])
def test_each_sort_of_void_is_cut_off_by_the_solder(name: str) -> None:
    only = replace(SORTS, **dict.fromkeys(("rows", "scattered", "shrinkage", "central", "surface"), NONE))
    only = replace(only, **{name: Population(1, (6, 6), (2, 2.5))})
    form, frame = a_form(), straight(lean=2.0)
    solder = bodies_of(form, frame)["solder"]
    found = voids.random_voids(solder, frame, form, only, 1.0, np.random.default_rng(0))
    assert (found < 0).any()
    assert (solder[found < 0] < 0).all()


def test_no_level_is_no_void_and_any_level_some() -> None:
    form, frame = a_form(), straight()
    solder = bodies_of(form, frame)["solder"]
    rare = replace(SORTS, **dict.fromkeys(("rows", "shrinkage", "central", "surface"), NONE))
    rare = replace(rare, scattered=Population(0, (1, 2), (2, 3)))
    for seed in range(5):
        drawn = [
            voids.random_voids(solder, frame, form, rare, level, np.random.default_rng(seed))
            for level in (0.0, 1.0)
        ]
        assert not (drawn[0] < 0).any()
        assert (drawn[1] < 0).any()


def test_a_third_of_the_scans_have_no_voids() -> None:
    rng = np.random.default_rng(0)
    levels = np.array([voids.random_level(replace(SORTS, none=0.35), rng) for _ in range(2000)])
    assert (levels == 0).mean() == pytest.approx(0.35, abs=0.04)
    assert levels[levels > 0].min() >= 0.6


@given(seed=seeds)
@settings(max_examples=25, deadline=None)
def test_rows_lie_in_line_at_the_copper(seed: int) -> None:
    form, sort = a_form(seed), Population(1, (8, 8), (1.0, 1.4))
    found = voids.row(form, 8, sort, np.random.default_rng(seed))
    for body in found:
        z = body.centre[0]
        assert min(z - form.shoulder, form.top - z) < 2 * 1.4
    if len(found) > 2:
        places = np.array([b.centre[1:] for b in found])
        assert np.linalg.svd(places - places.mean(axis=0))[1][1] < 1e-6


def test_surface_voids_reach_the_underfill_and_central_ones_do_not() -> None:
    form = a_form(2)
    rng = np.random.default_rng(0)
    for body in voids.surface(form, 10, Population(1, (1, 1), (2, 3)), rng):
        z, y, x = body.centre
        assert np.hypot(y, x) + min(body.radii) > wall_at(form, z, float(np.arctan2(y, x)))
    for body in voids.central(form, 10, Population(1, (1, 1), (3, 6)), rng):
        assert np.hypot(*body.centre[1:]) <= 0.4 * form.radius
        assert max(body.radii) <= 1.3 * 0.4 * (form.top - form.shoulder) + 1e-9


def test_worse_scans_have_more_voids() -> None:
    sort = Population(1, (3, 6), (1, 2))
    mild, bad = (
        np.mean([voids.random_number(sort, level, np.random.default_rng(s)) for s in range(200)])
        for level in (0.6, 1.4)
    )
    assert bad > 2 * mild
