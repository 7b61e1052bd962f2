"""A page in the browser to try one or two trained networks on photographs."""
