"""How queries are drawn, whoever makes them."""

from typing import NamedTuple


class Sampling(NamedTuple):
    """How words are drawn: of the likeliest `top_k` (0: of all) those that make up `top_p`."""

    queries: int = 3  # for each passage
    top_p: float = 0.95
    top_k: int = 50
    temperature: float = 1.0
    seed: int = 0
