"""What all readers of shipped sources have in common: the description that they read by."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Generic, TypeVar

from app.domain.source import Bucket, Folder, Query, Web
from app.retrieval.sources.rights import Levels

D = TypeVar("D", Bucket, Folder, Query, Web)


@dataclass(frozen=True, slots=True)
class Described(Generic[D]):
    """A source by its description; `levels` are those of config/roles.toml."""

    source: D
    levels: Levels

    @property
    def name(self) -> str:
        """Name the source."""
        return self.source.name

    @property
    def every(self) -> timedelta | None:
        """Say how often it is read."""
        return self.source.every
