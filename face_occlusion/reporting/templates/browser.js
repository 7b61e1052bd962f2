// The browser of predictions: two runs side by side, or where they differ.
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const sources = all("script.browser-data");
  if (sources.length) browse(sources);

  function browse(scripts) {
    const get = (id) => document.getElementById(id);
    const [runA, runB, order, benchmark, strip, score] =
      ["run-a", "run-b", "order", "benchmark", "strip", "score"].map(get);
    const pair = document.querySelector(".pair"), isGap = () => pair.dataset.view === "gap";
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
    const scoreOf = (choice, index) => runOf(choice)?.scores[score.value][index] ?? null;

    // A choice is `image`, `truth` or the name of a run; two of them are painted as their difference.
    async function paint(canvas, choices, index) {
      const item = data.images[index], photo = await load(item.src);
      const width = photo.naturalWidth, height = photo.naturalHeight;
      const shown = await pixels(item.src, width, height);
      const texts = choices.map((choice) =>
        choice === "truth" ? item.truth : runOf(choice)?.masks[index]);
      if (texts.every(Boolean)) {
        const [truth, ...preds] = await Promise.all(
          [item.truth, ...texts].map((text) => mask(text, width, height)));
        if (choices.length > 1) colourGap(shown, preds.map((one) => one.data), truth.data);
        else colourErrors(shown, preds[0].data, truth.data);
      }
      const isOld = canvas.id === "left" && (choices.length > 1) !== isGap();
      if (item !== data.images[current] || isOld) return;
      canvas.width = width;
      canvas.height = height;
      canvas.getContext("2d").putImageData(shown, 0, 0);
    }
    // As `coloured_errors` of pictures.py: of each pixel `of` tells whether it is in full light,
    // orange and blue.
    function colour({ data, width, height }, of) {
      const period = Math.max(4, Math.floor(height / 32));
      for (let i = 0; i < data.length; i += 4) {
        const [bright, orange, blue] = of(i);
        const x = (i / 4) % width, y = Math.floor(i / 4 / width);
        const striped = (x + y) % period < Math.floor(period / 4);
        const over = orange ? [240, 160, 40] : striped ? [150, 200, 255] : [0, 90, 190];
        for (let c = 0; c < 3; c++) {
          let level = data[i + c] * (bright ? 1 : 0.35);
          if (orange || blue) level = 0.35 * level + 0.65 * over[c];
          data[i + c] = level;
        }
      }
    }
    const colourErrors = (shown, pred, truth) => colour(shown, (i) => {
      const face = pred[i] > 127, right = truth[i] > 127;
      return [face, face && !right, right && !face];
    });
    // Orange where only the left run is right, blue where only the right one is.
    function colourGap(shown, [left, right], truth) {
      const counts = { a: 0, b: 0 };
      colour(shown, (i) => {
        const face = truth[i] > 127;
        const a = left[i] > 127 === face, b = right[i] > 127 === face;
        counts.a += a && !b;
        counts.b += b && !a;
        return [face, a && !b, b && !a];
      });
      const share = (count) => `${(100 * count / shown.width / shown.height).toFixed(1)} %`;
      get("tag-a").textContent = `Only the left run is right: ${share(counts.a)}`;
      get("tag-b").textContent = `Only the right run is right: ${share(counts.b)}`;
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
        if (!isGap()) paint(get(name), [select.value], index);
        get(tag).textContent = titleOf(select, index);
        get(name).setAttribute("aria-label", titleOf(select, index));
      }
      if (isGap()) paint(get("left"), [runA.value, runB.value], index);
      paint(get("still-image"), ["image"], index);
      paint(get("still-truth"), ["truth"], index);
      const { key, kind } = data.images[index];
      get("about").textContent = kind ? `${key}, occluded by: ${kind.replaceAll("_", " ")}` : key;
    }
    const gap = (i) => {
      const left = scoreOf(runA.value, i), right = scoreOf(runB.value, i);
      return left === null || right === null ? null : right - left;
    };
    function summarise() {
      const gaps = data.images.map((_, i) => gap(i)).filter((v) => v !== null);
      const mean = gaps.reduce((sum, v) => sum + v, 0) / gaps.length;
      const more = (sign) => gaps.filter((v) => sign * v > 0).length;
      get("summary").textContent = gaps.length === 0 ? "Choose two runs to compare them." :
        `Right minus left, mean of these ${gaps.length} images: ${signed(mean)}. ` +
        `The right run scores higher in ${more(1)}, the left in ${more(-1)}.`;
    }
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
      summarise();
      return places[0];
    }
    // Other runs are compared on the same image; another order or benchmark begins anew.
    for (const input of [runA, runB]) input.addEventListener("change", () => { list(); show(current); });
    for (const input of [order, score]) input.addEventListener("change", () => show(list()));
    all("[data-control=view] input").forEach((input) => input.addEventListener("change", () => {
      pair.dataset.view = get("slider").dataset.view = input.value;
      show(current);
    }));
    benchmark.addEventListener("change", () => { choose(benchmark.value); show(list()); });
    get("slider").addEventListener("input", (event) =>
      pair.style.setProperty("--split", `${event.target.value}%`));
    choose(benchmark.value);
    show(list());
  }
})();
