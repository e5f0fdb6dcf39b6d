"""Queries from an OpenAI-compatible endpoint: one request per passage, with timeouts and retries.

The environment variable OPENAI_API_KEY holds the key, if the endpoint needs one.
"""

import os
import re
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx

from app.errors import FaqError, InputError
from trainer.generation.sampling import Sampling

KEY = "OPENAI_API_KEY"
TIMEOUT = httpx.Timeout(120.0, connect=10.0)
TRIES, PAUSE, LONGEST_PAUSE = 4, 1.0, 30.0  # pauses in seconds, doubled after each try
CONCURRENCY, BATCH = 8, 32  # requests at a time; passages between two saved states
TOKENS = 48  # of a query, at most
PROMPT = (
    "Write {count} different questions that people would type into a search box and that the following text answers. "
    "One question a line, nothing else.\n\n{passage}"
)
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?\d+[.):])\s*")  # a list's bullet or number


class EndpointUnavailable(FaqError):
    """The endpoint does not answer, or its answer holds no text. Queries generated before are kept."""

    code = "endpoint_unavailable"


def is_address(model: str) -> bool:
    """Whether `model` is a URL."""
    return model.startswith(("http://", "https://"))


class Endpoint:
    """A language model behind an endpoint. Without a name it is the first model that the endpoint lists."""

    budget = BATCH

    def __init__(self, address: str, name: str | None = None, pause: float = PAUSE) -> None:
        if not is_address(address):
            raise InputError(f"The endpoint `{address}` is no URL: it must begin with http:// or https://.", "endpoint")
        key = os.environ.get(KEY)
        self.address, self.pause = address.rstrip("/"), pause
        self.client = httpx.Client(timeout=TIMEOUT, headers={"Authorization": f"Bearer {key}"} if key else {})
        try:
            self.name = name or self._first_model()
        except BaseException:
            self.client.close()
            raise

    def __enter__(self) -> "Endpoint":
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()

    def cost(self, passage: str, queries: int) -> int:
        """1: each passage is one request."""
        return 1

    def generate(self, passages: Sequence[str], sampling: Sampling, seed: int) -> list[list[str]]:
        """Up to `sampling.queries` queries per passage. Raises EndpointUnavailable, InputError for a refusal."""
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            return list(pool.map(lambda passage: self._queries(passage, sampling, seed), passages))

    def _queries(self, passage: str, sampling: Sampling, seed: int) -> list[str]:
        body = {
            "model": self.name,
            "messages": [{"role": "user", "content": PROMPT.format(count=sampling.queries, passage=passage)}],
            "top_p": sampling.top_p,
            "temperature": sampling.temperature,
            "seed": seed,
            "max_tokens": TOKENS * sampling.queries,
        }
        reply = self._request("POST", "/chat/completions", body)
        try:
            text = str(reply["choices"][0]["message"]["content"] or "")
        except (KeyError, IndexError, TypeError) as error:
            raise EndpointUnavailable(f"{self.address} sent a reply without `choices`: {str(reply)[:200]}") from error
        lines = (_BULLET.sub("", line).strip() for line in text.splitlines())
        return [line for line in lines if line][: sampling.queries]

    def _first_model(self) -> str:
        listed = self._request("GET", "/models")
        try:
            return str(listed["data"][0]["id"])
        except (KeyError, IndexError, TypeError) as error:
            raise InputError(
                f"{self.address} lists no models. Name one with --endpoint URL --model NAME.", "model"
            ) from error

    def _request(self, method: str, path: str, body: Mapping[str, object] | None = None) -> Any:  # noqa: ANN401  # JSON
        """The JSON of the first successful reply of up to TRIES."""
        reason = ""
        for number in range(TRIES):
            if number:
                time.sleep(min(LONGEST_PAUSE, self.pause * 2 ** (number - 1)))
            try:
                response = self.client.request(method, self.address + path, json=body)
                if response.status_code == 429 or response.status_code >= 500:
                    reason = f"status {response.status_code}: {response.text[:200]}"
                    continue
                if response.is_error:
                    refusal = f"status {response.status_code}: {response.text[:200]}"
                    raise InputError(f"{self.address}{path} refused the request with {refusal}", "endpoint")
                return response.json()
            except (httpx.TransportError, ValueError) as error:
                reason = f"{type(error).__name__}: {error}"
        raise EndpointUnavailable(f"{self.address}{path} failed {TRIES} times. The last error: {reason}")
