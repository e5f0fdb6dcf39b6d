"""How well unanswered questions are grouped: adjusted Rand index and the share of pure groups.

    python -m benchmarks.unanswered --bundle DIR

NEAR was chosen on `clinc150` (twelve phrasings an entry) and `hint3_sofmattress` (fifteen), by the mean of both
figures; the test is `banking50_unanswered`: 1,080 questions of 27 intents. A group is pure if nine tenths of its
questions, of at least two, are of one intent. `in tenths`: the questions come in ten portions, and earlier groups stay.
Average linkage (scikit-learn) is printed for comparison. Writes benchmarks/results/unanswered.json and .md.
"""

import argparse
import json
from collections import Counter
from pathlib import Path

import numpy as np
from sklearn.cluster import AgglomerativeClustering
from sklearn.metrics import adjusted_rand_score

from app.arrays import Integers, Vectors
from app.encoding.bundle import Bundle
from app.encoding.encoder import Encoder
from app.knowledge.files import read_entries
from app.questions import clusters
from benchmarks.places import RESULTS, SHARED

CHOSEN_ON = {"clinc150": 12, "hint3_sofmattress": 15}  # phrasings of an entry that are taken
TEST = "banking50_unanswered"
CHOICES = (0.4, 0.5, 0.55, 0.6, 0.65, 0.7)
LINKAGE = (0.4, 0.45, 0.5, 0.55, 0.6)
PURE, PORTIONS = 0.9, 10
Figures = dict[str, float]


def main() -> None:
    """Every threshold on every set; the chosen one also in portions."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("--bundle", type=Path, required=True, help="of the base model")
    encoder = Encoder(Bundle.load(parser.parse_args().bundle))
    report: dict[str, dict[str, Figures]] = {}
    chosen = clusters.NEAR
    for name in (*CHOSEN_ON, TEST):
        texts, intents = labelled(name)
        vectors = encoder.encode_queries(texts)
        rows = report[name] = {}
        for clusters.NEAR in CHOICES:
            rows[f"near {clusters.NEAR}"] = figures(clusters.clusters_of(vectors), intents)
        clusters.NEAR = chosen
        rows[f"near {chosen}, in tenths"] = figures(in_portions(vectors), intents)
        for threshold in LINKAGE:
            linkage = AgglomerativeClustering(
                None, metric="cosine", linkage="average", distance_threshold=1 - threshold
            )
            rows[f"average linkage {threshold}"] = figures(linkage.fit_predict(vectors), intents)
    (RESULTS / "unanswered.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    (RESULTS / "unanswered.md").write_text(page(report), encoding="utf-8")
    print(page(report))


def labelled(name: str) -> tuple[list[str], list[int]]:
    """Questions in a fixed random order, and the number of the intent of each."""
    if name == TEST:
        lines = (SHARED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
        pairs = [(row["question"], row["intent"]) for row in map(json.loads, lines)]
    else:
        entries = read_entries(SHARED / f"{name}.jsonl").entries
        pairs = [(text, entry.id) for entry in entries for text in entry.phrasings[: CHOSEN_ON[name]]]
    numbers: dict[str, int] = {}
    order = np.random.default_rng(0).permutation(len(pairs))
    chosen = [pairs[place] for place in order]
    return [text for text, _ in chosen], [numbers.setdefault(intent, len(numbers)) for _, intent in chosen]


def in_portions(vectors: Vectors) -> Integers:
    """The groups of questions that come in PORTIONS."""
    groups = np.empty(0, dtype=np.int64)
    for end in np.linspace(0, len(vectors), PORTIONS + 1)[1:].astype(int):
        groups = clusters.clusters_of(vectors[:end], groups)
    return groups


def figures(groups: Integers, intents: list[int]) -> Figures:
    """The adjusted Rand index, the groups of at least two, the share of them that is pure, and of questions in them."""
    by_group: dict[int, Counter[int]] = {}
    for group, intent in zip(groups.tolist(), intents, strict=True):
        by_group.setdefault(group, Counter())[intent] += 1
    several = [counts for counts in by_group.values() if counts.total() > 1]
    pure = [counts for counts in several if counts.most_common(1)[0][1] >= PURE * counts.total()]
    return {
        "ari": round(float(adjusted_rand_score(intents, groups)), 3),
        "groups": len(several),
        "pure": round(len(pure) / max(1, len(several)), 3),
        "grouped": round(sum(counts.total() for counts in several) / len(intents), 3),
    }


def page(report: dict[str, dict[str, Figures]]) -> str:
    """The figures as tables."""
    lines = ["# Groups of unanswered questions", ""]
    for name, rows in report.items():
        lines += [
            f"## {name}",
            "",
            "| | adjusted Rand index | groups | pure | questions in groups |",
            "|---|---|---|---|---|",
        ]
        lines += [f"| {row} | {f['ari']} | {f['groups']} | {f['pure']} | {f['grouped']} |" for row, f in rows.items()]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
