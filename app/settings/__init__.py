"""The configuration of the service: `Settings`, whose fields stand by topic in the modules of this package."""

from app.settings.settings import PREFIX, Settings, unknown_variables
from app.settings.values import LogQuestions, Rate

__all__ = ["PREFIX", "LogQuestions", "Rate", "Settings", "unknown_variables"]
