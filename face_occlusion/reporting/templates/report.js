"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const results = all("table.against-paper"), groups = all("table.groups");
  const tables = [...results, ...groups];
  const value = (text) => (text === "" || text === undefined ? null : Number(text));

  // What a table shows: the name of a data attribute of its cells, in JavaScript's spelling.
  const shownIn = (table) => table.dataset.show.replace(/_(.)/g, (_, letter) => letter.toUpperCase());

  // How high a cell stands in its column, for its shade.
  function shade(table) {
    const show = shownIn(table);
    const rows = all("tbody tr", table);
    const columns = all("td.score", rows[0]).length;
    for (let column = 0; column < columns; column++) {
      const cells = rows.map((row) => all("td.score", row)[column]);
      const known = cells.map((cell) => value(cell.dataset[show])).filter((v) => v !== null);
      const low = Math.min(...known), high = Math.max(...known);
      for (const cell of cells) {
        const v = value(cell.dataset[show]);
        cell.style.setProperty("--level", v === null || high === low ? 0 : (v - low) / (high - low));
        cell.classList.toggle("below", (value(cell.dataset.difference) ?? 0) < 0);
      }
    }
  }

  function sortBy(table, header) {
    const body = table.tBodies[0];
    const descending = header.getAttribute("aria-sort") !== "descending";
    all("th[aria-sort]", table).forEach((other) => other.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", descending ? "descending" : "ascending");
    const kind = header.querySelector("button").dataset.sort;
    const column = all("th[data-column]", table.tHead).indexOf(header);
    const keyOf = (row) => {
      if (kind === "name") return row.dataset.title;
      if (kind === "quantity") return Number(row.querySelector(".quantity").dataset.value);
      return value(all("td.score", row)[column].dataset[shownIn(table)]);
    };
    const rows = [...body.rows].map((row) => [keyOf(row), row]);
    rows.sort(([a], [b]) => {
      if (a === null || b === null) return (a === null) - (b === null);
      const order = typeof a === "string" ? b.localeCompare(a) : b - a;
      return descending ? order : -order;
    });
    body.append(...rows.map(([, row]) => row));
  }

  for (const table of tables) {
    shade(table);
    all("thead button", table).forEach((button) =>
      button.addEventListener("click", () => sortBy(table, button.closest("th"))));
  }
  all("[data-control=show] input").forEach((input) =>
    input.addEventListener("change", () => {
      for (const table of results) { table.dataset.show = input.value; shade(table); }
    }));
  all("[data-control=measure] input").forEach((input) =>
    input.addEventListener("change", () => {
      for (const table of groups) { table.dataset.show = input.value; shade(table); }
    }));
  const groupChoice = document.getElementById("groups");
  const showGroup = () => all(".group-table").forEach((part) => {
    part.hidden = part.dataset.group !== groupChoice.value;
  });
  if (groupChoice) {
    groupChoice.addEventListener("change", showGroup);
    showGroup();
  }
  const modelBoxes = all("[data-control=models] input");
  modelBoxes.forEach((box) => box.addEventListener("change", () => {
    if (!modelBoxes.some((other) => other.checked)) box.checked = true;
    const shown = modelBoxes.filter((other) => other.checked).map((other) => other.value);
    for (const table of results) {
      all("[data-model]", table).forEach((cell) => {
        cell.hidden = !shown.includes(cell.dataset.model);
        cell.classList.toggle("first", cell.dataset.model === shown[0]);
      });
      all("[data-span]", table).forEach((head) => { head.colSpan = shown.length; });
      makeReachable(table);
    }
  }));
  document.getElementById("filter").addEventListener("input", (event) => {
    const wanted = event.target.value.trim().toLowerCase();
    for (const table of results) {
      all("tbody tr", table).forEach((row) => {
        row.hidden = !row.dataset.title.toLowerCase().includes(wanted);
      });
      makeReachable(table);
    }
  });

  // The facts of a cell: beside the pointer, where it was tapped, or where the keys have led.
  const tip = document.getElementById("tip");
  const cells = all("td.score");
  for (const cell of cells) {
    cell.dataset.tip = cell.title || "No score";
    cell.removeAttribute("title");
  }
  const isShown = (cell) => !cell.hidden && !cell.parentElement.hidden;
  // One cell of a table is reached by Tab, the others from there by the arrow keys.
  function makeReachable(table) {
    const own = all("td.score", table), shown = own.filter(isShown);
    const first = shown.find((cell) => cell.tabIndex === 0) ?? shown[0];
    for (const cell of own) cell.tabIndex = cell === first ? 0 : -1;
  }
  let told = null;  // the cell whose facts are shown
  function showTip(cell) {
    told = cell;
    tip.hidden = !cell;
    if (!cell) return;
    tip.textContent = cell.dataset.tip;
    const box = cell.getBoundingClientRect(), own = tip.getBoundingClientRect();
    const left = Math.min(Math.max(8, box.left), innerWidth - own.width - 8);
    const below = box.bottom + own.height + 8 < innerHeight;
    tip.style.left = `${left}px`;
    tip.style.top = `${below ? box.bottom + 6 : box.top - own.height - 6}px`;
  }
  // The address bar holds a link to the cell that has the focus.
  function remember(event) {
    const cell = cellOf(event);
    if (cell) history.replaceState(null, "", `#${cell.id}`);
  }
  function follow() {
    const cell = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const group = cell?.closest(".group-table");
    if (group) { groupChoice.value = group.dataset.group; showGroup(); }
    if (!cell?.matches("td.score")) return;
    for (const other of all("td.score", cell.closest("table"))) other.tabIndex = -1;
    cell.tabIndex = 0;
    cell.scrollIntoView({ block: "center", inline: "center", behavior: "instant" });
    cell.focus({ preventScroll: true });
  }
  const cellOf = (event) => event.target.closest("td.score");
  const STEPS = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  function step(event) {
    if (event.key === "Escape") showTip(null);
    const cell = cellOf(event), [down, right] = STEPS[event.key] ?? [];
    if (!cell || down === undefined) return;
    event.preventDefault();
    const table = cell.closest("table");
    const rows = all("tbody tr", table).map((row) => all("td.score", row).filter(isShown))
      .filter((row) => row.length);
    const y = rows.findIndex((row) => row.includes(cell));
    const next = rows[y + down]?.[rows[y].indexOf(cell) + right];
    if (!next) return;
    for (const other of all("td.score", table)) other.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
  }
  tables.forEach(makeReachable);
  document.addEventListener("pointerover", (event) => showTip(cellOf(event)));
  document.addEventListener("click", (event) => showTip(cellOf(event)));
  document.addEventListener("focusin", (event) => showTip(cellOf(event)));
  document.addEventListener("focusin", remember);
  document.addEventListener("keydown", step);
  addEventListener("hashchange", follow);
  follow();
  // The facts travel with their cell; a pointer that is over another one by then says so itself.
  document.addEventListener("scroll", () => showTip(told), { passive: true, capture: true });
})();
