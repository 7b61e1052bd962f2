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
  document.addEventListener("keydown", step);
  // The facts travel with their cell; a pointer that is over another one by then says so itself.
  document.addEventListener("scroll", () => showTip(told), { passive: true, capture: true });

  const sources = all("script.browser-data");
  if (sources.length) browse(sources);

  function browse(scripts) {
    const get = (id) => document.getElementById(id);
    const [runA, runB, order, benchmark, strip] =
      ["run-a", "run-b", "order", "benchmark", "strip"].map(get);
    const parsed = new Map();
    let data = null, current = 0;

    function choose(key) {
      if (!parsed.has(key)) {
        const script = scripts.find((one) => one.dataset.benchmark === key);
        parsed.set(key, JSON.parse(script.textContent));
      }
      data = parsed.get(key);
    }
    const load = (src) => new Promise((resolve, reject) => {
      const image = new Image();
      image.onload = () => resolve(image);
      image.onerror = () => reject(new Error("a picture of this page cannot be decoded"));
      image.src = src;
    });
    async function pixels(src, width, height) {
      const canvas = document.createElement("canvas");
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.drawImage(await load(src), 0, 0, width, height);
      return context.getImageData(0, 0, width, height);
    }
    const mask = (text, width, height) => pixels(`data:image/png;base64,${text}`, width, height);
    const runOf = (choice) => data.runs.find((run) => run.run === choice);
    const scoreOf = (choice, index) => runOf(choice)?.scores[index] ?? null;

    // A choice is `image`, `truth` or the name of a run.
    async function paint(canvas, choice, index) {
      const item = data.images[index], photo = await load(item.src);
      const width = photo.naturalWidth, height = photo.naturalHeight;
      const shown = await pixels(item.src, width, height);
      const text = choice === "truth" ? item.truth : runOf(choice)?.masks[index];
      if (text) {
        const truth = await mask(item.truth, width, height), pred = await mask(text, width, height);
        colourErrors(shown, pred.data, truth.data);
      }
      if (item !== data.images[current]) return;
      canvas.width = width;
      canvas.height = height;
      canvas.getContext("2d").putImageData(shown, 0, 0);
    }
    // As `coloured_errors` of pictures.py.
    function colourErrors({ data, width, height }, pred, truth) {
      const period = Math.max(4, Math.floor(height / 32));
      for (let i = 0; i < data.length; i += 4) {
        const face = pred[i] > 127, right = truth[i] > 127;
        const x = (i / 4) % width, y = Math.floor(i / 4 / width);
        const striped = (x + y) % period < Math.floor(period / 4);
        const colour = face === right ? null
          : face ? [240, 160, 40] : striped ? [150, 200, 255] : [0, 90, 190];
        for (let c = 0; c < 3; c++) {
          let level = data[i + c] * (face ? 1 : 0.35);
          if (colour) level = 0.35 * level + 0.65 * colour[c];
          data[i + c] = level;
        }
      }
    }
    function titleOf(select, index) {
      const title = select.selectedOptions[0].textContent;
      if (select.value === "image" || select.value === "truth") return title;
      const score = scoreOf(select.value, index);
      return `${title}: ${score === null ? "no score" : score.toFixed(1)}`;
    }
    function show(index) {
      current = index;
      all("button", strip).forEach((button) =>
        button.setAttribute("aria-pressed", String(Number(button.dataset.index) === index)));
      for (const [name, select, tag] of [["left", runA, "tag-a"], ["right", runB, "tag-b"]]) {
        paint(get(name), select.value, index);
        get(tag).textContent = titleOf(select, index);
        get(name).setAttribute("aria-label", titleOf(select, index));
      }
      paint(get("still-image"), "image", index);
      paint(get("still-truth"), "truth", index);
      const { key, kind } = data.images[index];
      get("about").textContent = kind ? `${key}, occluded by: ${kind.replaceAll("_", " ")}` : key;
    }
    const gap = (i) => {
      const left = scoreOf(runA.value, i), right = scoreOf(runB.value, i);
      return left === null || right === null ? null : right - left;
    };
    const signed = (v) => (v < 0 ? "−" : "+") + Math.abs(v).toFixed(1);
    const ORDERS = {
      gain: { key: (i) => (gap(i) === null ? null : -gap(i)), label: (i) => signed(gap(i)) },
      loss: { key: gap, label: (i) => signed(gap(i)) },
      left: { key: (i) => scoreOf(runA.value, i), label: (i) => scoreOf(runA.value, i).toFixed(1) },
      right: { key: (i) => scoreOf(runB.value, i), label: (i) => scoreOf(runB.value, i).toFixed(1) },
      key: { key: (i) => i, label: (i) => data.images[i].key },
    };
    function list() {
      const { key, label } = ORDERS[order.value];
      const keys = data.images.map((_, i) => key(i));  // null, without a score: last
      const places = data.images.map((_, i) => i).sort((a, b) =>
        (keys[a] === null) - (keys[b] === null) || keys[a] - keys[b] || a - b);
      strip.replaceChildren(...places.map((i) => {
        const item = document.createElement("li"), button = document.createElement("button");
        const image = document.createElement("img");
        image.src = data.images[i].src;
        image.alt = data.images[i].key;
        button.type = "button";
        button.dataset.index = i;
        button.append(image, keys[i] === null ? data.images[i].key : label(i));
        button.addEventListener("click", () => show(i));
        item.append(button);
        return item;
      }));
      return places[0];
    }
    // Other runs are compared on the same image; another order or benchmark begins anew.
    for (const input of [runA, runB]) input.addEventListener("change", () => { list(); show(current); });
    order.addEventListener("change", () => show(list()));
    benchmark.addEventListener("change", () => { choose(benchmark.value); show(list()); });
    get("slider").addEventListener("input", (event) =>
      document.querySelector(".pair").style.setProperty("--split", `${event.target.value}%`));
    choose(benchmark.value);
    show(list());
  }
})();
