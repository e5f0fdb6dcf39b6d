"""Limits of FAQ files."""

from pydantic import BaseModel, Field


class ImportSettings(BaseModel):
    """Limits of FAQ files."""

    import_max_bytes: int = Field(
        256 * 1024 * 1024,
        ge=1,
        description="Maximum size of a FAQ file, in bytes. An import needs about ten times as much memory.",
    )
    import_max_unpacked_bytes: int = Field(
        512 * 1024 * 1024, ge=1, description="Maximum size of an unpacked XLSX file, in bytes (XLSX is a ZIP archive)."
    )
    import_max_rows: int = Field(1_000_000, ge=1, description="Maximum number of rows of a FAQ file.")
    import_max_cells: int = Field(20_000_000, ge=1, description="Maximum number of cells of a table, empty ones too.")
    import_max_cell_chars: int = Field(10_000_000, ge=1, description="Maximum length of a table's cell or a JSON line.")
    import_max_nesting: int = Field(500, ge=1, le=500, description="Maximum nesting of JSON and YAML.")
