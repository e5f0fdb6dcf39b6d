"""The service in process, and as an administrator."""

from tests.service import admin, client

__all__ = ["admin", "client"]
