"""The examples of docs/transforms.md, in their order: NumPy, Albumentations, MMSegmentation."""

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs/transforms.md"


def example_blocks():
    """Return the page's Python blocks."""
    return re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
