"""Where benchmarks read data and write results."""

import os
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
SHARED = Path(os.environ.get("FAQ_SHARED_DATA", Path(__file__).parents[2] / "shared" / "data"))
CLOUD_FAQ = SHARED / "cloud_faq_train.jsonl"
