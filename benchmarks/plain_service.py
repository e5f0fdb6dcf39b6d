"""What one would write without Faqtual: FastAPI, SentenceTransformer and qdrant-client's local mode.

    python -m benchmarks.plain_service FAQ.jsonl VECTORS.npy --model DIR --port 8101 [--embedder http://127.0.0.1:8103]

With --embedder the questions are embedded by an embedding server with dynamic batching instead (infinity's API).
VECTORS are the embeddings of the FAQ's questions, in order; they are made and kept there when the file is missing.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel
from qdrant_client import QdrantClient, models


class Ask(BaseModel):
    """One question."""

    question: str


class Answer(BaseModel):
    """One entry and how near it is."""

    question: str
    answer: str
    score: float


def main() -> None:
    """Load, index, serve."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0] if __doc__ else None)
    parser.add_argument("faq", type=Path)
    parser.add_argument("vectors", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--port", type=int, default=8101)
    parser.add_argument("--embedder")
    options = parser.parse_args()
    entries = [json.loads(line) for line in options.faq.read_text(encoding="utf-8").splitlines()]
    client = indexed(entries, embedded(entries, options.vectors, options.model))
    app = with_embedder(client, options.embedder) if options.embedder else with_model(client, options.model)
    uvicorn.run(app, port=options.port, log_level="warning")


def embedded(entries: list[dict[str, Any]], path: Path, model: str) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The embeddings of the questions, from the file or made now; (n, dimension)."""
    if not path.exists():
        from sentence_transformers import SentenceTransformer

        np.save(path, SentenceTransformer(model, device="cpu").encode([entry["question"] for entry in entries]))
    vectors: np.ndarray[Any, np.dtype[np.float32]] = np.load(path)
    return vectors


def indexed(entries: list[dict[str, Any]], vectors: np.ndarray[Any, np.dtype[np.float32]]) -> QdrantClient:
    """The FAQ in a local collection."""
    client = QdrantClient(":memory:")
    size = models.VectorParams(size=vectors.shape[1], distance=models.Distance.COSINE)
    client.create_collection("faq", vectors_config=size)
    client.upload_collection("faq", vectors, entries, ids=range(len(entries)))
    return client


def search(client: QdrantClient, vector: list[float]) -> list[Answer]:
    """The three nearest entries."""
    points = client.query_points("faq", query=vector, limit=3).points
    hits = [(point.payload or {}, point.score) for point in points]
    return [Answer(question=payload["question"], answer=payload["answer"], score=score) for payload, score in hits]


def with_model(client: QdrantClient, directory: str) -> FastAPI:
    """The model in the service; a plain function, as torch blocks."""
    from sentence_transformers import SentenceTransformer

    app, model = FastAPI(), SentenceTransformer(directory, device="cpu")

    @app.post("/ask")
    def ask(body: Ask) -> list[Answer]:
        return search(client, model.encode(body.question, show_progress_bar=False).tolist())

    return app


def with_embedder(client: QdrantClient, url: str) -> FastAPI:
    """The model in a server of its own."""
    limits = httpx2.Limits(max_connections=256, max_keepalive_connections=256)
    app, http = FastAPI(), httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits)

    @app.post("/ask")
    async def ask(body: Ask) -> list[Answer]:
        reply = await http.post("/embeddings", json={"model": "model", "input": [body.question]})
        return search(client, reply.raise_for_status().json()["data"][0]["embedding"])

    return app


if __name__ == "__main__":
    main()
