"""Endpoints: who can answer, who is well, and whom to ask next.

A `Group` is the instances of one model (or a fixed list). Of two well ones that
are drawn at random the one with fewer calls under way is taken. One that failed
rests, longer each time; when its rest is over, a single call tries it again.

Threads: any.
"""
from __future__ import annotations

import random
import threading
import time
from typing import Callable, Iterable, Optional
from urllib.parse import urlsplit

SCHEMES = {"http": False, "https": True, "grpc": False, "grpcs": True}


class Endpoint:
    """One address; `url` without a path at its end."""

    def __init__(self, url: str) -> None:
        if "://" not in url:
            url = "http://" + url
        parts = urlsplit(url)
        if parts.scheme not in SCHEMES or not parts.hostname \
                or parts.path.strip("/") or parts.query or parts.username:
            raise ValueError(f"'{url}' is none of http, https, grpc or "
                             "grpcs://host:port")
        self.scheme = parts.scheme
        self.tls = SCHEMES[parts.scheme]
        self.host = parts.hostname
        self.port = parts.port or (443 if self.tls else 80)
        self.url = f"{self.scheme}://{self.authority}"
        self.pending = 0
        self.failures = 0
        self.rests_until = 0.0

    @property
    def authority(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def protocol(self) -> str:
        return "grpc" if self.scheme.startswith("grpc") else "rest"

    @property
    def is_loopback(self) -> bool:
        return self.host in ("localhost", "::1") or self.host.startswith("127.")


class Group:
    """Endpoints that are as good as each other."""

    def __init__(self, name: str, urls: Iterable[str] = (), *,
                 found: bool = False, refresh_s: float = 5.0,
                 clock: Callable[[], float] = time.monotonic) -> None:
        self.name = name
        self.found = found  # by the registry, so the list has to be refreshed
        self.refresh_s = refresh_s
        self.clock = clock
        self.lock = threading.Lock()
        self.endpoints = [Endpoint(url) for url in urls]
        self.refresh_at = 0.0
        self.asked_at = float("-inf")

    # ---- the list ----

    def wants_refresh(self) -> bool:
        """True for one caller at a time: it then asks the registry."""
        with self.lock:
            now = self.clock()
            if not self.found or now - self.asked_at < 0.1 and self.endpoints:
                return False
            well = any(e.rests_until <= now for e in self.endpoints)
            if well and now < self.refresh_at:
                return False
            self.asked_at = now
            self.refresh_at = now + self.refresh_s
            return True

    def hurry(self) -> None:
        """Somebody failed: ask the registry before the next call."""
        with self.lock:
            self.refresh_at = 0.0

    def replace(self, urls: Iterable[str]) -> None:
        """The registry's list; what is known of those that stay is kept."""
        with self.lock:
            old = {endpoint.url: endpoint for endpoint in self.endpoints}
            fresh = [Endpoint(url) for url in urls]
            self.endpoints = [old.get(e.url, e) for e in fresh]

    # ---- choosing ----

    def choose(self, avoid: Iterable[Endpoint] = ()) -> Optional[Endpoint]:
        """The one to ask; counts a call on it. None: there is none at all."""
        with self.lock:
            now = self.clock()
            well = [e for e in self.endpoints if e.rests_until <= now]
            fresh = [e for e in well if e not in avoid] or well
            if fresh:
                drawn = random.sample(fresh, min(2, len(fresh)))
                best = min(drawn, key=lambda endpoint: endpoint.pending)
            elif self.endpoints:  # all rest: the one that is first to be back
                best = min(self.endpoints, key=lambda e: e.rests_until)
            else:
                return None
            if best.failures:  # one call tries it, the others wait for that
                best.rests_until = now + _rest(best.failures)
            best.pending += 1
            return best

    def has_other(self, tried: Iterable[Endpoint]) -> bool:
        """Somebody well is left who was not asked yet."""
        with self.lock:
            now = self.clock()
            return any(e.rests_until <= now and e not in tried
                       for e in self.endpoints)

    def done(self, endpoint: Endpoint) -> None:
        with self.lock:
            endpoint.pending -= 1

    def well(self, endpoint: Endpoint) -> None:
        with self.lock:
            endpoint.failures = 0
            endpoint.rests_until = 0.0

    def failed(self, endpoint: Endpoint) -> None:
        with self.lock:
            endpoint.failures += 1
            endpoint.rests_until = self.clock() + _rest(endpoint.failures)


def _rest(failures: int) -> float:
    return float(min(0.25 * 2 ** min(failures - 1, 10), 30.0))
