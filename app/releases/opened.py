"""A bundle that is open to build releases with: its encoder, and the vectors that it has computed before."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.encoding.encoders import Encoders
from app.releases.vector_cache import CachedEncoder

Progress = Callable[[int, int], None]  # done, total, in entries; may raise to stop


class OpenBundle:
    """An installed bundle, its encoder and its vector cache, each opened when it is first used.

    A warm worker keeps it from one build to the next. Closes with the `with` block.
    """

    def __init__(self, bundle: Bundle, vectors: Path, packed: Path | None = None, processes: int = 1) -> None:
        """`vectors`: the directory of the vector caches. `packed`: as of `Encoder`. `processes`: that encode the texts
        of a build."""
        self.bundle = bundle
        self.digests: tuple[str, dict[str, str]] | None = None  # a release, and the digests of its entries by id
        self._vectors, self._packed, self._processes = vectors, packed, processes

    def __enter__(self) -> "OpenBundle":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def encoder(self) -> Encoder:
        """The bundle's encoder. Raises BundleError if it cannot be loaded."""
        return Encoder(self.bundle, packed=self._packed)

    @cached_property
    def cached(self) -> CachedEncoder:
        """The encoder, with the vectors that are known."""
        encoders = Encoders(self.encoder, self.bundle, self._processes)
        return CachedEncoder(self.encoder, self._vectors / f"{self.bundle.revision}.db", encoders)

    def close(self) -> None:
        """Close the vector cache and end the encoders' processes."""
        if "cached" in self.__dict__:
            self.cached.close()
