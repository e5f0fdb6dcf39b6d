"""Rate limits: a token bucket for each client address and for each key.

All worker processes of a service share the buckets. They use the monotonic clock, which is the same in all of them. The
library `limits` uses the wall clock: if that is set back by an hour, it refuses requests for an hour.
"""

import ipaddress
import time
from collections.abc import Callable

from app.errors import Overloaded
from app.http.shared import Shared
from app.settings import Rate

ADDRESSES, KEYS = 0, 1  # the tables of the shared memory


class RateLimited(Overloaded):
    """More requests than the settings allow; the next one is allowed after `retry_after_s`."""

    code = "rate_limited"

    def __init__(self, origin: str, retry_after_s: float) -> None:
        super().__init__(f"Too many requests {origin}. Try again in {retry_after_s:.1f} s.")
        self.retry_after_s = retry_after_s


class Buckets:
    """A token bucket for each name: up to `rate.count` requests, refilled evenly over `rate.seconds`.

    Kept is when a bucket is full again. In a flood of names, those whose buckets are full soonest are forgotten.
    """

    def __init__(
        self, rate: Rate, origin: str, shared: Shared, table: int, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._origin, self._clock = rate, origin, clock
        self._shared, self._table = shared, table

    def take(self, name: str) -> None:
        """Take one token of `name`. Raises RateLimited if there is none."""
        refill_s = self._rate.seconds / self._rate.count
        with self._shared.row(self._table, name) as row:
            now = self._clock()
            full_at = max(row.time, now) + refill_s
            if (wait := full_at - now - self._rate.seconds) > 1e-9:
                raise RateLimited(self._origin, wait)
            self._shared.write(row, full_at)


class RateLimits:
    """The rate limits of the settings; None is no limit."""

    def __init__(self, address: Rate | None, key: Rate | None, shared: Shared) -> None:
        self._addresses = Buckets(address, "from this address", shared, ADDRESSES) if address else None
        self._keys = Buckets(key, "with this key", shared, KEYS) if key else None

    def address(self, host: str | None) -> None:
        """Count a request from `host`. Raises RateLimited."""
        if self._addresses and host is not None:
            self._addresses.take(network_of(host))

    def key(self, digest: str) -> None:
        """Count a request with an accepted key. Unknown keys get no bucket. Raises RateLimited."""
        if self._keys:
            self._keys.take(digest)


def network_of(host: str) -> str:
    """The client that a host belongs to: an IPv4 address, or the /64 network of an IPv6 address."""
    if ":" not in host:
        return host
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return host
    assert isinstance(address, ipaddress.IPv6Address)  # noqa: S101 - it has a colon
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((int(address), 64), strict=False))
