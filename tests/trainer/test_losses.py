import pytest
import torch
from torch import Tensor

from trainer.losses import ranking_losses


def vectors(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def by_hand(a: Tensor, p: Tensor, groups: list[int], temperature: float) -> float:
    a, p = torch.nn.functional.normalize(a, dim=-1), torch.nn.functional.normalize(p, dim=-1)
    total = 0.0
    for i, own in enumerate(groups):
        pair = torch.exp(a[i] @ p[i] / temperature)
        others = [j for j, group in enumerate(groups) if group != own]
        against = [(a[i], p[j]) for j in others] + [(p[i], a[j]) for j in others]
        against += [(a[i], a[j]) for j in others] + [(p[i], p[j]) for j in others]
        total -= float(torch.log(pair / (pair + sum(torch.exp(x @ y / temperature) for x, y in against))))
    return total / len(groups)


@pytest.mark.parametrize("groups", [[0, 1, 2, 3], [0, 1, 1, 2], [5, 5, 5, 5]])
def test_the_loss_is_the_formula(groups: list[int]) -> None:
    a, p = vectors(1, 4, 8), vectors(2, 4, 8)
    found = ranking_losses(a, p, [], torch.tensor(groups)[:, None], 0.05).mean()
    assert float(found) == pytest.approx(by_hand(a, p, groups, 0.05), rel=1e-5, abs=1e-6)


def test_no_text_of_an_entry_is_in_the_denominator_of_another_text_of_that_entry() -> None:
    """The first two pairs are two phrasings of one entry: no gradient flows between them, but to the third it does."""
    a, p = vectors(1, 3, 8).requires_grad_(), vectors(2, 3, 8).requires_grad_()
    ranking_losses(a, p, [], torch.tensor([[7], [7], [8]]), 0.05)[0].backward()  # type: ignore[no-untyped-call]
    assert a.grad is not None
    assert p.grad is not None
    assert not a.grad[1].any()
    assert not p.grad[1].any()
    assert a.grad[2].any()
    assert p.grad[2].any()


def test_a_negative_counts_against_every_anchor_but_those_of_its_own_group() -> None:
    a, p, n = (vectors(seed, 2, 8).requires_grad_() for seed in (1, 2, 3))
    groups = torch.tensor([[0, 1], [1, 9]])  # the first pair's negative is a text of the second pair's entry
    ranking_losses(a, p, [n], groups, 0.05)[1].backward()  # type: ignore[no-untyped-call]
    assert n.grad is not None
    assert not n.grad[0].any()
    assert n.grad[1].any()


def test_a_batch_of_one_entry_teaches_nothing() -> None:
    a = vectors(1, 3, 8).requires_grad_()
    loss = ranking_losses(a, vectors(2, 3, 8), [], torch.zeros(3, 1, dtype=torch.int64), 0.05).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert a.grad is not None
    assert not a.grad.any()
