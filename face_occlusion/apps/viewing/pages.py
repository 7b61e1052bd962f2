"""Templates of the pages that commands write: files to look through, without a network."""

from __future__ import annotations

from urllib.parse import quote

import jinja2


def page_template(package: str, name: str) -> jinja2.Template:
    """Load a page's template; values are escaped, `url` quotes a path, a missing value is an error.

    Args:
        package: The package whose folder `templates` holds it.
        name: Its file.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["url"] = lambda path: quote(str(path))
    return environment.get_template(name)
