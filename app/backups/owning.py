"""The one process of a service that owns FAQ_HOME, and the store of all of them."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress

from app.backups.restore import refuse_unfinished
from app.errors import StoreError
from app.jobs import lock
from app.knowledge.store import Store
from app.settings import Settings


@contextmanager
def own_home(settings: Settings) -> Iterator[Store]:
    """The store, for the one process that owns FAQ_HOME and that migrates the database and deletes what is too old.

    Raises Busy if another service has FAQ_HOME, Conflict if it is restored in part, StoreError, SettingsError.
    """
    with ExitStack() as stack:
        if settings.qdrant_url is None or settings.database_url is None:
            refusal = f"Another service is running on {settings.home}. Stop it, or set another FAQ_HOME."
            stack.enter_context(lock.hold(settings.home / "service.lock", refusal))
        refuse_unfinished(settings.home)
        store = stack.enter_context(store_of(settings))
        with suppress(StoreError):  # a locked database; edits and reindexes do it too
            store.forget_old_versions()
            store.refresh_stems()
        yield store


@contextmanager
def store_of(settings: Settings) -> Iterator[Store]:
    """The open store. Raises StoreError, SettingsError."""
    store = Store.open(settings.sqlalchemy_url, settings.history_days, settings.language)
    try:
        yield store
    finally:
        store.close()
