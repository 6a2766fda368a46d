"""What a reader has to tell about a file without stopping."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Warnings:
    """Warnings by kind, in the order they came; the same one is kept once."""

    found: list[tuple[str, str]] = field(default_factory=list)

    def add(self, kind: str, message: str) -> None:
        """Keep a warning."""
        if (kind, message) not in self.found:
            self.found.append((kind, message))
