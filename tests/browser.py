"""A tab of a real browser, for the tests of pages."""

from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Route

DESKTOP = {"width": 1280, "height": 900}


class Tab:
    """A tab that shows a page, and all that it complains about or asks for.

    What is not below one of the addresses in `own` it does not get.
    """

    kinds = ("error", "warning")  # of what it writes to the console, those that are complaints

    def __init__(self, browser: Browser, address: str, *own: str, **context: Any) -> None:
        self.complaints: list[str] = []
        self.requests: list[str] = []
        self._own = (address, "data:", *own)
        self.context = browser.new_context(**dict[str, Any](viewport=DESKTOP) | context)
        self.page = self.context.new_page()
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.route("**/*", self._on_request)
        self.page.goto(address)

    def _on_console(self, message: ConsoleMessage) -> None:
        self.complaints += [message.text] * (message.type in self.kinds)

    def _on_request(self, route: Route) -> None:
        self.requests.append(url := route.request.url)
        (route.continue_ if url.startswith(self._own) else route.abort)()
