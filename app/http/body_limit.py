"""The largest body that each route accepts."""

ASK_BYTES = 256 * 1024  # 32 questions of 1,000 characters, however encoded, with room for filters
IMPORT_BYTES = 512 * 1024 * 1024
ENTRIES_BYTES = 8 * 1024 * 1024
LIMITS = {
    "/console/import": IMPORT_BYTES,
    "/console/entry": ENTRIES_BYTES,
    "/console/entries-bulk": ENTRIES_BYTES,
    "/console/preview": ENTRIES_BYTES,
    "/console/effect": ENTRIES_BYTES,
    "/console/golden-import": ENTRIES_BYTES,
    "/v1/admin/entries/import": IMPORT_BYTES,
    "/v1/admin/entries/batch": ENTRIES_BYTES,
    "/v1/admin/entries": ENTRIES_BYTES,
    "/v1/admin/golden/import": ENTRIES_BYTES,
    "/v1/admin/entry": ENTRIES_BYTES,  # an entry of a file may have a thousand phrasings
}


def limit_of(path: str) -> int:
    """The largest body of a request for this path, in bytes."""
    return LIMITS.get(path, ASK_BYTES)
