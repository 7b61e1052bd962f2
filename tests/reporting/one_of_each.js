// Of what looks alike, by its elements, classes and styles, leave one.
() => {
    const seen = new Set();
    for (const one of document.querySelectorAll("tr, li, figure, option, svg")) {
        const parts = [one, ...one.querySelectorAll("*")].map((part) =>
            [part.tagName, part.getAttribute("class"), part.getAttribute("style")].join());
        seen.has(parts.join()) ? one.remove() : seen.add(parts.join());
    }
}
