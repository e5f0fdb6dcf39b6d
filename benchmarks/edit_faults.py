"""The part of `benchmarks.faults` that kills edits, increments and compactions."""

import random
from collections import Counter
from typing import Any

from tests.faults.edits import Killed, Kind


def edited(killed: Killed, kind: Kind, points: int, seed: int) -> dict[str, Any]:
    """Kill edits or what makes them answer at so many points, likewise."""
    events, places = killed.events(kind), random.Random(seed)
    outcomes: Counter[str] = Counter()
    wrong: list[str] = []
    for point in range(points):
        at = 1 + int(events * (point + places.random()) / points)
        outcome = killed.kill(kind, at)
        outcomes[outcome.partition(":")[0]] += 1
        if outcome.startswith("wrong"):
            wrong.append(f"event {at}: {outcome}")
    return {"events": events, "points": points, "outcomes": dict(outcomes), "wrong": wrong}
