"""The FAQ of the browser tests: an ordinary shop, and an entry that tries to run a script from every field."""

from app.knowledge.entry import Entry
from tests.conftest import FAQ

MARKER = "hacked"  # what a script of the entry would set on `window`
ATTACK = (
    f"\"'><img src=x onerror=window.{MARKER}=1><svg onload=window.{MARKER}=1></textarea>"
    f"<script>window.{MARKER}=1</script>"
)

HOSTILE = Entry(
    id="hostile",
    question=f"Who sends the wolf? {ATTACK}",
    alternatives=(f"The wolf, who sends it? {ATTACK}",),
    negatives=(f"Where is the wolf? {ATTACK}",),
    answer=f"Nobody. {ATTACK} [link](javascript:window.{MARKER}=1) **bold**",
    follow_ups=("refund",),
    metadata={
        "category": ATTACK,
        "tags": [ATTACK],
        ATTACK: ATTACK,
        "url": f"javascript:window.{MARKER}=1",
        "lang": ATTACK,
    },
)
LINKED = Entry(
    id="return",
    question="How can I return my order?",
    alternatives=("send my order back",),
    answer="Print the label, then:\n\n1. **pack** it\n2. send it",
    follow_ups=("refund", "delivery"),
    metadata={"category": "returns", "url": "https://shop.example/returns"},
)
TWINS = [
    Entry(id=f"gift-{kind}", question="Can I send a gift?", answer=f"Yes, {kind} by email.", metadata={"kind": kind})
    for kind in ("a card", "a key")
]
ENTRIES = [*FAQ, LINKED, *TWINS, HOSTILE]
