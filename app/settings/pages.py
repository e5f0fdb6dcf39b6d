"""The ask page and the widget."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field
from pydantic_settings import NoDecode

from app.settings.values import Origin, PageColor


class PageSettings(BaseModel):
    """The ask page and the widget."""

    page_name: str = Field("Faqtual", min_length=1, max_length=60, description="Name of the service on the ask page.")
    page_color: PageColor | None = Field(
        None,
        description="Accent color of the ask page, such as #0b6b5f. It is text on a light ground, so light colors are "
        "refused; in dark mode a lighter one of its kind is used.",
    )
    page_logo: Path | None = Field(
        None, description="Image file beside the name on the ask page: SVG, PNG, WebP or JPEG, at most 256 kB."
    )
    page_greeting: str | None = Field(
        None,
        max_length=200,
        description="Heading of the ask page. Unset: `What would you like to know?` in its language.",
    )
    page_language: Literal["en", "de", "fr", "es"] = Field(
        "en", description="Language of the ask page's own texts. The FAQ's language is FAQ_LANGUAGE."
    )
    widget_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (),
        description="Comma-separated origins of the pages that may show the widget, such as https://shop.example; `*`: "
        "any page. Programs can pretend any origin: set a rate limit too.",
    )
