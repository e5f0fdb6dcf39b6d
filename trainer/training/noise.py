"""Questions as users type them: with a slip, a word less, or as search words. Extra phrasings for training only."""

import random
from dataclasses import replace

from trainer.data import Pair, TrainingSet, order

SHORTEST = 4  # letters of a word that stands in the keyword form


def noised(training: TrainingSet, seed: int) -> TrainingSet:
    """The training set with a noisy form of every question, paired with the answer and with the question."""
    extra: list[Pair] = []
    for pair in training.pairs:
        if pair.answered and (text := noisy(pair.anchor, seed)) != pair.anchor:
            extra += [replace_anchor(pair, text), Pair(pair.anchor, text, pair.group, answered=False)]
    return replace(training, pairs=(*training.pairs, *dict.fromkeys(extra)))


def replace_anchor(pair: Pair, text: str) -> Pair:
    """The same pair asked in other words."""
    return pair._replace(anchor=text)


def noisy(text: str, seed: int) -> str:
    """One of the three forms, the same one for the same text and seed."""
    draws = random.Random(order(text, seed))
    form = draws.choice((_slip, _shorter, _keywords))
    return form(text, draws) or text


def _slip(text: str, draws: random.Random) -> str:
    """Two letters swapped, one left out or one doubled, in one or two places."""
    for _ in range(draws.choice((1, 2))):
        places = [i for i in range(len(text) - 1) if text[i].isalpha() and text[i + 1].isalpha()]
        if not places:
            break
        i = draws.choice(places)
        swapped, dropped, doubled = text[i + 1] + text[i], text[i + 1], text[i] + text[i : i + 2]
        text = text[:i] + draws.choice((swapped, dropped, doubled)) + text[i + 2 :]
    return text.lower() if draws.random() < 0.5 else text


def _shorter(text: str, draws: random.Random) -> str:
    """A fifth of the words left out, at least one."""
    words = text.split()
    if len(words) < SHORTEST:
        return text
    dropped = set(draws.sample(range(len(words)), max(1, len(words) // 5)))
    return " ".join(word for i, word in enumerate(words) if i not in dropped)


def _keywords(text: str, draws: random.Random) -> str:
    """The longer words alone, in lower case."""
    words = [word.strip(".,;:!?\"'()").lower() for word in text.split()]
    return " ".join(word for word in words if len(word) >= SHORTEST)
