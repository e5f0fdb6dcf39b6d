from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.trainer.conftest import faq
from trainer.data.training_set import training_set
from trainer.training import model
from trainer.training.batches import PairCollator, PairTexts, TokenTexts
from trainer.training.blocks import BlockEncoder, BlockHead
from trainer.training.labels import PairLabels
from trainer.training.losses import (
    EntryRankingLoss,
    KnownNegatives,
    Scores,
    Scoring,
    Side,
    Sides,
    batch_figures,
    logits,
    ranking_losses,
)


def vectors(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def losses(a: Tensor, p: Tensor, groups: list[int], n: Tensor | None = None, of: list[int] | None = None) -> Tensor:
    own = torch.tensor(groups)
    mined = Side(torch.empty(0, a.shape[1]) if n is None else n, torch.tensor(of or [], dtype=torch.int64))
    return ranking_losses(logits(Sides.plain(Side(a, own), Side(p, own), mined), Scoring(0.05)))


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
    value = losses(a, p, groups).mean()
    assert float(value) == pytest.approx(by_hand(a, p, groups, 0.05), rel=1e-5, abs=1e-6)


def test_no_text_of_an_entry_is_in_the_denominator_of_another_text_of_that_entry() -> None:
    """The first two pairs are two phrasings of one entry: no gradient flows between them, but to the third it does."""
    a, p = vectors(1, 3, 8).requires_grad_(), vectors(2, 3, 8).requires_grad_()
    losses(a, p, [7, 7, 8])[0].backward()  # type: ignore[no-untyped-call]
    assert a.grad is not None
    assert p.grad is not None
    assert not a.grad[1].any()
    assert not p.grad[1].any()
    assert a.grad[2].any()
    assert p.grad[2].any()


def test_a_negative_counts_against_every_anchor_but_those_of_its_own_group() -> None:
    a, p, n = (vectors(seed, 2, 8).requires_grad_() for seed in (1, 2, 3))
    losses(a, p, [0, 1], n, [1, 9])[1].backward()  # type: ignore[no-untyped-call]  # n[0] is of the second entry
    assert n.grad is not None
    assert not n.grad[0].any()
    assert n.grad[1].any()


def test_a_batch_of_one_entry_teaches_nothing() -> None:
    a = vectors(1, 3, 8).requires_grad_()
    loss = losses(a, vectors(2, 3, 8), [0, 0, 0]).mean()
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(0, abs=1e-6)
    assert a.grad is not None
    assert not a.grad.any()


def test_leading_dimensions_are_ranked_on_their_own() -> None:
    a, p = vectors(1, 4, 8), vectors(2, 4, 8)
    own = torch.tensor([0, 1, 2, 3])
    none = Side(torch.empty(0, 8), own[:0])
    short = ranking_losses(logits(Sides.plain(Side(a, own), Side(p, own), none), Scoring(0.05), dimension=3)).mean()
    assert float(short) == pytest.approx(by_hand(a[:, :3], p[:, :3], own.tolist(), 0.05), rel=1e-5)


def test_recomputing_blocks_changes_neither_loss_nor_gradients(tiny_base: Path) -> None:
    encoder = BlockEncoder.of(model.load(str(tiny_base), "cpu")).eval()  # no dropout
    pairs = training_set(faq(12, 3)).pairs
    of = PairTexts(pairs, [(f"no answer {i}", 99) for i in range(5)])
    texts = TokenTexts(encoder, of.texts)
    texts.tokens.block_tokens = 64  # several blocks
    collator = PairCollator(of, texts, [[i % 5] for i in range(len(pairs))])
    results = []
    for cuts, recompute in ((1, False), (1, True), (4, True)):
        batch = collator([{"row": row} for row in range(len(pairs))])
        labels = batch.pop("label")
        names = sorted({key.split("_", 1)[0] for key in batch})
        features = [{key: batch[f"{name}_{key}"] for key in ("input_ids", "attention_mask")} for name in names]
        assert len(features) > 3
        encoder.zero_grad()
        ranking = EntryRankingLoss(encoder, Scoring(0.05, dimensions=(8,)), recompute)
        ranking.cuts = cuts
        loss = ranking(features, labels)
        loss.backward()
        results.append(
            (
                loss.item(),
                {name: weight.grad.clone() for name, weight in encoder.named_parameters() if weight.grad is not None},
            )
        )
    for other_loss, gradients in results[1:]:
        assert results[0][0] == pytest.approx(other_loss, rel=1e-5)
        assert results[0][1].keys() == gradients.keys()
        for name, gradient in results[0][1].items():
            assert torch.allclose(gradient, gradients[name], atol=1e-5), name


def test_a_known_negative_counts_against_its_own_pair_alone_whatever_its_group() -> None:
    a, p, own = vectors(1, 2, 8), vectors(2, 2, 8), torch.tensor([3, 3])
    known = vectors(3, 1, 8)
    plain = Sides.plain(Side(a, own), Side(p, own), Side(a[:0], own[:0]))
    batch = plain._replace(known=(KnownNegatives(known, torch.tensor([1])), plain.known[1]))
    losses_of_pairs = ranking_losses(logits(batch, Scoring(0.05)))
    unit = torch.nn.functional.normalize
    cosines = [float(unit(a, dim=-1)[1] @ unit(other, dim=-1)[0]) for other in (p[1:], known)]
    assert losses_of_pairs.tolist() == pytest.approx(
        [0, float(torch.tensor(cosines).div(0.05).logsumexp(0)) - cosines[0] / 0.05], abs=1e-4
    )


def test_without_the_same_side_the_loss_is_the_symmetric_ranking_of_the_tutorial() -> None:
    a, p, own = vectors(1, 3, 8), vectors(2, 3, 8), torch.tensor([0, 1, 2])
    batch = Sides.plain(Side(a, own), Side(p, own), Side(a[:0], own[:0]))
    unit = torch.nn.functional.normalize
    cosines = unit(a, dim=-1) @ unit(p, dim=-1).T / 0.05
    rest = cosines.masked_fill(torch.eye(3).bool(), -torch.inf)
    both = torch.cat([cosines.diag()[:, None], rest, rest.T], dim=1)
    expected = torch.nn.functional.cross_entropy(both, torch.zeros(3, dtype=torch.int64), reduction="none")
    losses_of_pairs = ranking_losses(logits(batch, Scoring(0.05, same_side=False)))
    assert losses_of_pairs.tolist() == pytest.approx(expected.tolist(), rel=1e-4, abs=1e-5)


def test_the_weight_of_a_pair_scales_its_loss(tiny_base: Path) -> None:
    vector = {"sentence_embedding": vectors(1, 4, 8)}
    none = torch.empty(0, dtype=torch.int64)
    two_pairs = PairLabels(
        anchors=torch.tensor([0, 1]),
        positives=torch.tensor([2, 3]),
        groups=torch.tensor([0, 1]),
        weights=torch.ones(2),
        **dict.fromkeys(("negatives", "negative_groups"), none),
        **dict.fromkeys(("anchor_negatives", "anchor_rows", "positive_negatives", "positive_rows"), none),
    )

    def loss(*weights: float) -> float:
        labels = replace(two_pairs, weights=torch.tensor(weights))
        return float(EntryRankingLoss(BlockHead(), Scoring(0.05))([vector], labels))

    assert loss(1, 1) == pytest.approx(loss(1, 0) + loss(0, 1))
    assert loss(3, 0) == pytest.approx(3 * loss(1, 0))
    assert loss(1, 0) > 0


def test_figures_of_a_batch_follow_from_the_rank_of_each_positive() -> None:
    negatives = torch.tensor([[2.0, -1e9], [2.0, 0.0], [2.0, 3.0]])
    figures = batch_figures(Scores(torch.tensor([3.0, 1.0, 1.0]), [negatives[:, :1], negatives[:, 1:]]))
    assert figures["batch_precision@1"] == pytest.approx(1 / 3)
    assert figures["batch_mrr"] == pytest.approx((1 + 1 / 2 + 1 / 3) / 3)
