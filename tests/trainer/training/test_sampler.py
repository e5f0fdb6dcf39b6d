from trainer.training.sampler import batches


def test_every_row_once_in_batches_of_the_size_asked_for() -> None:
    found = batches([i % 50 for i in range(103)], [i % 7 for i in range(103)], 16, "0/0")
    assert sorted(row for batch in found for row in batch) == list(range(103))
    assert len(found) == 7
    assert sorted(map(len, found))[1:] == [16] * 6


def test_entries_stand_in_a_batch_once_where_that_is_possible() -> None:
    groups = [i // 3 for i in range(300)]
    found = batches(groups, [1] * 300, 32, "0/0")
    repeated = sum(len(batch) - len({groups[row] for row in batch}) for batch in found)
    assert repeated <= 3  # in the last batch, which has no choice left


def test_fewer_entries_than_a_batch_has_rows() -> None:
    found = batches([i % 4 for i in range(40)], [1] * 40, 16, "0/0")
    assert sorted(map(len, found)) == [8, 16, 16]


def test_batches_are_of_like_length() -> None:
    lengths = [i % 100 for i in range(1600)]
    found = batches(list(range(1600)), lengths, 16, "0/0")
    spread = [max(lengths[row] for row in batch) - min(lengths[row] for row in batch) for batch in found]
    assert sum(spread) / len(spread) < 15


def test_order_depends_on_seed_and_epoch_alone() -> None:
    groups, lengths = list(range(100)), [1] * 100
    assert batches(groups, lengths, 8, "1/2") == batches(groups, lengths, 8, "1/2")
    assert batches(groups, lengths, 8, "1/2") != batches(groups, lengths, 8, "1/3")
