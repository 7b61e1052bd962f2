"""Templates of what commands write for people to read: pages and model cards."""

from urllib.parse import quote

import jinja2


def page_template(name: str) -> jinja2.Template:
    """Load a template from this package's folder `templates`.

    HTML values are escaped, the filter `url` quotes a path, and a missing value is an error.
    """
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("face_occlusion.apps"),
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["url"] = lambda path: quote(str(path))
    return environment.get_template(name)
