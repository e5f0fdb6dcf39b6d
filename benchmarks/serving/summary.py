"""Rounds to medians with their spread, and medians to targets."""

from collections.abc import Sequence
from statistics import median
from typing import Any

Figures = dict[str, Any]
Summary = dict[str, dict[str, Figures]]  # by system and load; each figure is [median, least, greatest]

SATURATED = 64  # clients
ZIPF, HALF, REINDEX, ENCODER = (
    "Zipf, 64 clients",
    "half of saturation, open loop",
    "the same during a reindex",
    "encoder",
)
OWN_MS, OWN_CPU_MS, RESIDENT_MB = 1.5, 0.9, 300  # what a question may take beside its encoding; at 6,373 entries


def distinct(clients: int) -> str:
    """The name of a load in which no question is asked twice."""
    return f"all distinct, {clients} clients"


def summary(rounds: Sequence[dict[str, dict[str, Figures]]]) -> Summary:
    """The median, the least and the greatest of each figure, by system and load."""
    medians: Summary = {}
    for system in rounds[0]:
        loads = {load for figures in rounds for load in figures[system]}
        for load in sorted(loads, key=list(rounds[-1][system]).index):
            measured = [figures[system][load] for figures in rounds if load in figures[system]]
            medians.setdefault(system, {})[load] = _spread(measured)
    return medians


def _spread(measured: Sequence[Figures]) -> Figures:
    """Of one load; of the threads' CPU times too."""
    spread: Figures = {}
    for name, value in measured[-1].items():
        if isinstance(value, dict):
            threads = {thread for figures in measured for thread in figures[name]}
            spread[name] = _spread(
                [{thread: figures[name].get(thread, 0.0) for thread in threads} for figures in measured]
            )
        else:
            values = [figures[name] for figures in measured]
            spread[name] = [round(each, 3) for each in (median(values), min(values), max(values))]
    return spread


def targets(medians: Summary) -> list[Figures]:
    """What was to be reached, and what was, of those loads and systems that were measured."""
    ours, plain = medians.get("faqtual", {}), medians.get("plain", {})
    infinity, encoder = medians.get("infinity", {}), medians[ENCODER]["alone"]
    saturated, alone = distinct(SATURATED), distinct(1)

    def of(loads: dict[str, Figures], load: str, name: str) -> float:
        return float(loads[load][name][0]) if load in loads else float("nan")

    p50, cpu = of(ours, alone, "p50_ms"), of(ours, saturated, "cpu_ms")
    half, reindex = (of(ours, HALF, name) for name in ("p50_ms", "p99_ms")), of(ours, REINDEX, "p99_ms")
    half_p50, half_p99 = half
    rows = [
        (
            "all distinct, saturated: against plain",
            of(ours, saturated, "per_s") / of(plain, saturated, "per_s"),
            ">=",
            10,
        ),
        (
            "all distinct, saturated: against infinity",
            of(ours, saturated, "per_s") / of(infinity, saturated, "per_s"),
            ">=",
            3,
        ),
        ("Zipf, saturated: against plain", of(ours, ZIPF, "per_s") / of(plain, ZIPF, "per_s"), ">=", 25),
        ("one client: p50 as a share of plain's", p50 / of(plain, alone, "p50_ms"), "<=", 0.2),
        ("one client: p50, ms more than the encoder's alone", p50 - encoder["encoder_p50_ms"][0], "<=", OWN_MS),
        ("half of saturation: p99 against the p50 at that load", half_p99 / half_p50, "<=", 3),
        (
            "saturated: CPU ms a question more than the encoder's alone",
            cpu - encoder["encoder_cpu_ms"][0],
            "<=",
            OWN_CPU_MS,
        ),
        ("resident MB after all loads", of(ours, HALF, "resident_mb"), "<=", RESIDENT_MB),
        ("during a reindex: p99 against without one", reindex / half_p99, "<=", 2),
    ]
    return [
        {"what": what, "measured": round(value, 3), "target": f"{sign} {goal:g}", "met": _met(value, sign, goal)}
        for what, value, sign, goal in rows
        if value == value  # not NaN
    ]


def _met(value: float, sign: str, goal: float) -> bool:
    return value >= goal if sign == ">=" else value <= goal
