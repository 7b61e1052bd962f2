// The page: a list of faces, two views, and actions that each have a button and a key.

const page = JSON.parse(document.getElementById("page").textContent);
const get = (id) => document.getElementById(id);
const progress = new Progress(page), views = new Views([get("left"), get("right")]);
const comment = get("comment"), order = get("order"), list = get("faces");
let faces = page.faces, current = null, mask = null, value = FACE, stroke = null;

const say = (text) => { get("said").textContent = text; };
const resized = (factor) => () => {
  views.radius = Math.min(400, Math.max(0.5, Math.round(2 * views.radius * factor) / 2));
  say(`Brush: ${2 * views.radius} pixels wide`);
  views.draw();
};
const ACTIONS = [
  { group: "Draw", key: "b", name: "Brush", run: () => { value = FACE; }, pressed: () => value === FACE },
  { group: "Draw", key: "e", name: "Eraser", run: () => { value = BACKGROUND; }, pressed: () => value !== FACE },
  { group: "Draw", key: "[", name: "Smaller", run: resized(1 / 1.25) },
  { group: "Draw", key: "]", name: "Larger", run: resized(1.25) },
  { group: "Draw", key: "f", name: "Fill region at cursor", run: () => step(views.cursor && mask.fill(views.cursor, value)) },
  { group: "Draw", key: "s", name: "Smooth", run: () => step(mask.smooth()) },
  { group: "Draw", key: "z", name: "Undo", run: () => moved(-1) },
  { group: "Draw", key: "y", name: "Redo", run: () => moved(1) },
  { group: "Draw", key: "r", name: "Start from the mask", run: () => step(mask.useStart()) },
  { group: "Draw", key: "p", name: "Start from the network", run: () => step(mask.usePrediction()), hidden: !page.predicted },
  { group: "View", key: "h", name: "Hide mask", run: () => { views.isMaskShown = !views.isMaskShown; views.draw(); }, pressed: () => !views.isMaskShown },
  { group: "View", key: "+", name: "Zoom in", run: () => views.zoom(1.25) },
  { group: "View", key: "-", name: "Zoom out", run: () => views.zoom(1 / 1.25) },
  { group: "View", key: "0", name: "Whole face", run: () => views.fit() },
  { group: "Judge", key: "a", name: "Accept", run: () => judge("accept"), pressed: () => verdict() === "accept" },
  { group: "Judge", key: "w", name: "Wrong", run: () => judge("wrong"), pressed: () => verdict() === "wrong" },
  { group: "Judge", key: "u", name: "Unsure", run: () => judge("unsure"), pressed: () => verdict() === "unsure" },
  { group: "Judge", key: "x", name: "No verdict", run: () => { keep({ verdict: "none" }); } },
  { group: "Judge", key: "c", name: "Comment", run: () => comment.focus() },
  { group: "Go", key: "k", name: "Previous", run: () => go(-1) },
  { group: "Go", key: "j", name: "Next", run: () => go(1) },
  { group: "Go", key: "o", name: "Sort", run: () => order.focus() },
  { group: "Go", key: "d", name: "Save", run: download },
].filter((action) => !action.hidden);

const verdict = () => progress.of(current.name).verdict;

function judge(given) {
  keep({ verdict: given });
  go(1);
}

function keep(values) {
  try {
    progress.change(current.name, values);
  } catch (error) {
    say(`This browser keeps nothing more (${error.message}): save now.`);
  }
  mark(current);
  refresh();
}

// After a tool: paints the box that changed, and keeps the step if there was one.
function step(box) {
  if (!box) return;
  views.paint(box);
  if (mask.commit()) keep({ runs: mask.isEdited ? mask.runs : null });
}

function moved(steps) {
  const box = mask.move(steps);
  if (!box) return say(steps < 0 ? "Nothing to undo" : "Nothing to redo");
  views.paint(box);
  keep({ runs: mask.isEdited ? mask.runs : null });
}

// Masks are scripts, because a page from a file may not read other files.
const arrived = new Map();
window.addMask = (name, data) => arrived.set(name, data);
const loadMask = (name, src) => new Promise((resolve, reject) => {
  const script = document.createElement("script");
  script.onload = () => { script.remove(); resolve(arrived.get(name)); arrived.delete(name); };
  script.onerror = () => reject(new Error(`${src} cannot be read`));
  script.src = src;
  document.head.append(script);
});
const loadImage = async (src) => {
  const image = new Image();
  image.src = src;
  await image.decode().catch(() => { throw new Error(`${src} cannot be read`); });
  return image;
};

async function show(face) {
  current = face;
  mask = stroke = null;
  refresh();
  try {
    const [data, image] = await Promise.all([loadMask(face.name, face.runs), loadImage(face.image)]);
    if (current !== face) return;
    const start = [data.face, data.ignored];
    mask = new Mask(face.size, progress.of(face.name).runs ?? start, start, data.predicted);
    views.show(image, mask);
    document.body.dataset.shown = face.name;
  } catch (error) {
    say(error.message);
  }
}

const go = (steps) => {
  const next = faces[faces.indexOf(current) + steps];
  if (next) show(next);
  else say(steps > 0 ? "This was the last face." : "This is the first face.");
};

function mark({ item, name }) {
  const { verdict, runs } = progress.of(name);
  item.querySelector(".mark").textContent = `${VERDICTS[verdict]}${runs ? " ✎" : ""}`;
  item.querySelector(".mark").title = `${verdict === "none" ? "not judged" : verdict}${runs ? ", edited" : ""}`;
}

// Brings everything beside the views up to date.
function refresh() {
  const { judged, edited, waiting } = progress.count();
  get("count").textContent = `Judged: ${judged} of ${page.faces.length}. Masks edited: ${edited}` +
    (waiting ? `, of which ${waiting} not accepted: these are not imported.` : ".");
  for (const action of ACTIONS) {
    if (action.pressed) action.button.setAttribute("aria-pressed", String(action.pressed()));
  }
  list.querySelector("[aria-current]")?.removeAttribute("aria-current");
  current.item.firstChild.setAttribute("aria-current", "true");
  current.item.scrollIntoView({ block: "nearest" });
  get("title").textContent = current.title;
  get("about").textContent = current.text;
  get("file").href = current.link;
  get("file").textContent = current.link_text;
  get("left").setAttribute("aria-label", `${current.title} with its mask`);
  get("right").setAttribute("aria-label", `${current.title}${page.predicted ? ", where mask and network differ" : ""}`);
  if (document.activeElement !== comment) comment.value = progress.of(current.name).comment;
}

function download() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([progress.save()], { type: "application/json" }));
  link.download = "corrections.json";
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function sort() {
  const [key, sign] = order.value.split(" ");
  const rank = (face) => face.order[key] ?? Infinity * sign;
  faces = [...page.faces].sort((a, b) => sign * (rank(a) - rank(b)) || 0);
  list.replaceChildren(...faces.map((face) => face.item));
}

for (const face of page.faces) {
  face.item = document.createElement("li");
  const button = document.createElement("button"), image = document.createElement("img");
  button.type = "button";
  Object.assign(image, { loading: "lazy", src: face.thumb, alt: "", width: 56, height: 56 });
  const mark = Object.assign(document.createElement("span"), { className: "mark" });
  button.append(image, Object.assign(document.createElement("span"), { textContent: face.title }), mark);
  button.addEventListener("click", () => show(face));
  face.item.append(button);
}
for (const action of ACTIONS) {
  action.button = document.createElement("button");
  action.button.type = "button";
  action.button.append(`${action.name} `, Object.assign(document.createElement("kbd"), { textContent: action.key.toUpperCase() }));
  action.button.addEventListener("click", () => act(action));
  get(action.group.toLowerCase()).append(action.button);
}
function act(action) {
  if (!mask && action.group !== "Go") return;
  action.run();
  refresh();
}

const STEPS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
document.addEventListener("keydown", (event) => {
  if (event.target.matches("textarea, select, input")) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.altKey || event.metaKey || event.ctrlKey) return;
  const action = ACTIONS.find((one) => one.key === event.key.toLowerCase());
  if (action) act(action);
  else if (!mask) return;
  else if (STEPS[event.key]) {
    const from = views.cursor;
    views.moveCursor(...STEPS[event.key].map((one) => one * (event.shiftKey ? 10 : 1)));
    if (stroke === "keys") views.paint(mask.stroke(from, views.cursor, views.radius, value));
  } else if (event.key === " " && !event.target.matches("button, a")) {
    if (!views.cursor) views.moveCursor(0, 0);
    if (stroke === null) views.paint(mask.stroke(views.cursor, views.cursor, views.radius, value));
    stroke = "keys";
  } else return;
  event.preventDefault();
});
document.addEventListener("keyup", (event) => {
  if (event.key === " " && stroke === "keys") endStroke();
});

function endStroke() {
  stroke = null;
  step([0, 0, 0, 0]);
  refresh();
}

for (const canvas of views.canvases) {
  canvas.addEventListener("pointerdown", (event) => {
    if (!mask) return;
    canvas.setPointerCapture(event.pointerId);
    const isPan = event.button !== 0 || event.shiftKey;
    stroke = isPan ? [event.clientX, event.clientY] : "pointer";
    views.cursor = views.toMask(event);
    if (!isPan) views.paint(mask.stroke(views.cursor, views.cursor, views.radius, value));
    canvas.focus({ preventScroll: true });
    event.preventDefault();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!mask) return;
    const from = views.cursor;
    if (Array.isArray(stroke)) {
      views.pan(event.clientX - stroke[0], event.clientY - stroke[1]);
      stroke = [event.clientX, event.clientY];
    }
    views.cursor = views.toMask(event);
    if (stroke === "pointer") views.paint(mask.stroke(from, views.cursor, views.radius, value));
    views.draw();
  });
  const end = () => { if (stroke === "pointer") endStroke(); else if (Array.isArray(stroke)) stroke = null; };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  canvas.addEventListener("pointerleave", () => { if (stroke === null) { views.cursor = null; views.draw(); } });
  canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  canvas.addEventListener("wheel", (event) => {
    if (!mask) return;
    event.preventDefault();
    const box = canvas.getBoundingClientRect();
    views.zoom(1.0015 ** -event.deltaY, [event.clientX - box.left, event.clientY - box.top]);
  }, { passive: false });
}
comment.addEventListener("input", () => keep({ comment: comment.value }));
order.addEventListener("change", sort);
get("open").addEventListener("change", async (event) => {
  const [file] = event.target.files;
  try {
    say(`${progress.open(await file.text())} faces taken over from ${file.name}`);
    page.faces.forEach(mark);
    show(current);
  } catch (error) {
    say(`${file.name}: ${error.message}`);
  }
});

sort();
current = faces[0];
page.faces.forEach(mark);
show(faces[0]);
