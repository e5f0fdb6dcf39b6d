"""How often one may ask: a token bucket for each client address and for each live key.

On a clock that only goes forward: `limits`, the library for this, counts by the wall clock, and one that is set back
by an hour would refuse for an hour.
"""

import ipaddress
import time
from collections.abc import Callable

from cachetools import LRUCache

from app.errors import Overloaded
from app.settings import Rate

KEPT = 100_000  # buckets; the one unused for longest goes first, which by then is full again or is one of a flood


class RateLimited(Overloaded):
    """More requests than the settings allow; `retry_after_s` says when the next one is welcome."""

    code = "rate_limited"

    def __init__(self, what: str, retry_after_s: float) -> None:
        super().__init__(f"Too many requests {what}. Try again in {retry_after_s:.1f} s.")
        self.retry_after_s = retry_after_s


class Buckets:
    """One bucket a name, holding up to `rate.count` requests and refilled evenly over `rate.seconds`."""

    def __init__(self, rate: Rate, what: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._what, self._clock = rate, what, clock
        self._full_at: LRUCache[str, float] = LRUCache(KEPT)  # when each bucket will be full; absent: it is

    def take(self, name: str) -> None:
        """One request of `name`. Raises RateLimited, and then takes nothing."""
        now, each = self._clock(), self._rate.seconds / self._rate.count
        full_at = max(self._full_at.get(name, now), now) + each
        if (wait := full_at - now - self._rate.seconds) > 1e-9:
            raise RateLimited(self._what, wait)
        self._full_at[name] = full_at


class RateLimits:
    """The limits of the settings; either may be absent."""

    def __init__(self, address: Rate | None, key: Rate | None) -> None:
        self._addresses = Buckets(address, "from this address") if address else None
        self._keys = Buckets(key, "with this key") if key else None

    def address(self, host: str | None) -> None:
        """A request from `host`, before anything else is looked at. Raises RateLimited."""
        if self._addresses and host is not None:
            self._addresses.take(network_of(host))

    def key(self, digest: str) -> None:
        """A request with a key that is live; others get no bucket, as there is no end of them. Raises RateLimited."""
        if self._keys:
            self._keys.take(digest)


def network_of(host: str) -> str:
    """What counts as one client: an IPv4 address, or the 64 bits of an IPv6 address that name its network."""
    try:
        found = ipaddress.ip_address(host)
    except ValueError:
        return host
    if isinstance(found, ipaddress.IPv4Address):
        return host
    if found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((int(found), 64), strict=False))
