"""Where the releases are, as the settings say: embedded or on a server, and a server's copied to this machine."""

from typing import TYPE_CHECKING, cast

from app.index.embedded import EmbeddedStore
from app.index.protocol import IndexStore
from app.settings import Settings

if TYPE_CHECKING:
    from app.index.local_copies import LocalCopies


def index_store(settings: Settings) -> IndexStore:
    """The server that the settings name, or the embedded index in FAQ_HOME."""
    if settings.qdrant_url is None:
        return EmbeddedStore(settings.home / "index")
    from app.index.layout import Layout  # the client takes a second and 50 MB that the embedded index has no use for
    from app.index.row_cache import RowCache
    from app.index.server import ServerStore

    key = settings.qdrant_api_key
    layout = Layout(
        settings.qdrant_replication_factor,
        settings.qdrant_write_consistency_factor,
        settings.qdrant_shard_number,
        settings.qdrant_on_disk,
        settings.qdrant_datatype,
        settings.qdrant_quantization,
    )
    secret = key.get_secret_value() if key else None
    return ServerStore.connect(
        settings.qdrant_url,
        secret,
        settings.namespace,
        layout,
        grpc_port=settings.qdrant_grpc_port,
        cache=RowCache(settings.row_cache_mb * 2**20),
    )


def local_copies(settings: Settings, indexes: IndexStore) -> "LocalCopies | None":
    """The local copies of a server's releases; None without a server, or where the settings want none."""
    if settings.qdrant_url is None or not settings.local_vectors:
        return None
    from app.index.local_copies import LocalCopies
    from app.index.server import ServerStore

    return LocalCopies(cast(ServerStore, indexes), settings.home / "copies", settings.local_vectors)
