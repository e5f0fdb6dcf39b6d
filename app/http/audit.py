"""The audit log: one line for each administrative act. It names entries and releases and holds none of their texts."""

import json
import logging

from fastapi import Request

from app.http.request_id import request_id_of
from app.http.security import Caller

logger = logging.getLogger("app.audit")


def record(request: Request, act: str, target: str = "") -> None:
    """Log who did what: the name of the key, the act, its entry, release or job, and the request's id."""
    caller: Caller = request.state.caller
    logger.info(
        "key=%s act=%s target=%s request=%s", caller.name, act, json.dumps(target), request_id_of(request.scope)
    )
