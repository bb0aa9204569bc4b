"""A notebook as Markdown: its text, its code, and the pictures that are committed with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def page(path: Path) -> str:
    """The cells of a notebook, one after another."""
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    return "\n\n".join(markdown(cell) for cell in cells)


def markdown(cell: dict[str, Any]) -> str:
    """One cell: Markdown as it stands, code in a fence, and what it printed and drew."""
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return source
    parts = [f"```python\n{source}\n```"]
    for output in cell["outputs"]:
        data = output.get("data", {})
        if "image/png" in data:
            picture = "".join(data["image/png"]).replace("\n", "")
            parts.append(f"![What the cell draws](data:image/png;base64,{picture})")
        else:
            text = "".join(output.get("text") or data.get("text/plain", ""))
            parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts)
