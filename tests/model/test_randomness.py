"""Random numbers depend on their place in a run and on nothing else."""

from __future__ import annotations

import torch

from voidscope.model.randomness import rng_at, torch_seeded

CPU = torch.device("cpu")


def _drawn(*counters: int) -> list[float]:
    with torch_seeded(CPU, *counters):
        return torch.rand(4).tolist()


def test_a_place_in_a_run_always_draws_the_same() -> None:
    assert rng_at(1, 2, 3).random() == rng_at(1, 2, 3).random()
    assert _drawn(1, 2, 3) == _drawn(1, 2, 3)


def test_no_two_places_draw_the_same() -> None:
    places = [(s, p, e, k) for s in range(3) for p in range(3) for e in range(3) for k in range(3)]
    assert len({rng_at(*p).random() for p in places}) == len(places)
    assert len({tuple(_drawn(*p)) for p in places}) == len(places)


def test_what_the_world_draws_is_not_disturbed_even_by_an_error() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    try:
        with torch_seeded(CPU, 1):
            torch.rand(5)
            raise KeyError
    except KeyError:
        pass
    assert torch.equal(torch.rand(2), expected)
