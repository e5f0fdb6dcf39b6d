from trainer.training.sampler import batches


def test_every_row_is_in_one_batch_of_the_given_size() -> None:
    order = batches([i % 50 for i in range(103)], [i % 7 for i in range(103)], 16, "0/0")
    assert sorted(row for batch in order for row in batch) == list(range(103))
    assert len(order) == 7
    assert sorted(map(len, order))[1:] == [16] * 6


def test_an_entry_is_in_a_batch_once_where_that_is_possible() -> None:
    groups = [i // 3 for i in range(300)]
    order = batches(groups, [1] * 300, 32, "0/0")
    repeated = sum(len(batch) - len({groups[row] for row in batch}) for batch in order)
    assert repeated <= 3  # in the last batch, which has no choice left


def test_fewer_entries_than_the_batch_size_make_full_batches() -> None:
    order = batches([i % 4 for i in range(40)], [1] * 40, 16, "0/0")
    assert sorted(map(len, order)) == [8, 16, 16]


def test_the_rows_of_a_batch_are_of_similar_length() -> None:
    lengths = [i % 100 for i in range(1600)]
    order = batches(list(range(1600)), lengths, 16, "0/0")
    spread = [max(lengths[row] for row in batch) - min(lengths[row] for row in batch) for batch in order]
    assert sum(spread) / len(spread) < 15


def test_the_order_depends_only_on_seed_and_epoch() -> None:
    groups, lengths = list(range(100)), [1] * 100
    assert batches(groups, lengths, 8, "1/2") == batches(groups, lengths, 8, "1/2")
    assert batches(groups, lengths, 8, "1/2") != batches(groups, lengths, 8, "1/3")
