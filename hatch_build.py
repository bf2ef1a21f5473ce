"""The README as a package index shows it, with no repository beside it: each relative link becomes a whole one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hatchling.metadata.plugin.interface import MetadataHookInterface

RELATIVE_LINK = re.compile(r"(!?)(\[[^\]]*\]\()(?![a-z]+:|#)")


class ReadmeHook(MetadataHookInterface):
    def update(self, metadata: dict[str, Any]) -> None:
        text = Path(self.root, "README.md").read_text(encoding="utf-8")
        metadata["readme"] = {"content-type": "text/markdown", "text": with_whole_links(text, metadata)}


def with_whole_links(text: str, metadata: dict[str, Any]) -> str:
    """A page leads to where people read it, a picture to the file itself."""
    source = metadata["urls"]["Source"]

    def whole(link: re.Match[str]) -> str:
        return f"{link[0]}{source}/{'raw' if link[1] else 'blob'}/main/"

    return RELATIVE_LINK.sub(whole, text)
