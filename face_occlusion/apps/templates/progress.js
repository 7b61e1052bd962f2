// What was done, face by face: kept in the browser, and saved as one file in COCO's format.

const VERDICTS = { accept: "✓", wrong: "✗", unsure: "?", none: "" };

class Progress {
  constructor(page) {
    this.page = page;
    this.entries = new Map();
    for (const { name } of page.faces) {
      const kept = localStorage.getItem(this.keyOf(name));
      if (kept) this.entries.set(name, JSON.parse(kept));
    }
  }

  keyOf(name) { return `face-occlusion ${this.page.id} ${name}`; }

  // `runs` of face and of ignored pixels; null while the mask is as it was.
  of(name) { return this.entries.get(name) ?? { verdict: "none", comment: "", runs: null }; }

  // Throws if the browser keeps nothing more; the entry then lasts as long as the page is open.
  change(name, values) {
    const entry = { ...this.of(name), ...values };
    this.entries.set(name, entry);
    localStorage.setItem(this.keyOf(name), JSON.stringify(entry));
  }

  count() {
    const all = [...this.entries.values()];
    return {
      judged: all.filter((entry) => entry.verdict !== "none").length,
      edited: all.filter((entry) => entry.runs).length,
      waiting: all.filter((entry) => entry.runs && entry.verdict !== "accept").length,
    };
  }

  save() {
    const images = [], annotations = [];
    for (const { name, file, size } of this.page.faces) {
      const { verdict, comment, runs } = this.of(name);
      if (verdict === "none" && !comment && !runs) continue;
      const [height, width] = size, id = images.length + 1;
      images.push({ id, file_name: file, height, width, verdict, comment, edited: runs !== null });
      (runs ?? []).forEach((counts, i) => {
        const measured = measure(counts, size);
        if (measured.area) annotations.push({
          id: annotations.length + 1, image_id: id, category_id: i + 1, iscrowd: 0,
          segmentation: { size, counts }, ...measured,
        });
      });
    }
    const categories = [{ id: 1, name: "face" }, { id: 2, name: "ignored" }];
    const info = { description: `Corrected masks of ${this.page.name}`, page: this.page.id };
    return JSON.stringify({ info, images, annotations, categories }, null, 1);
  }

  // Takes over a saved file; returns how many faces of this page it holds.
  open(text) {
    const saved = JSON.parse(text);
    if (saved.info?.page !== this.page.id) throw new Error("this file was saved by another page");
    const names = new Map(this.page.faces.map(({ name, file }) => [file, name]));
    for (const { id, file_name, height, width, verdict, comment, edited } of saved.images) {
      const runs = [1, 2].map((category) => saved.annotations.find((one) =>
        one.image_id === id && one.category_id === category)?.segmentation.counts
        ?? encodeNumber(height * width));
      this.change(names.get(file_name), { verdict, comment, runs: edited ? runs : null });
    }
    return saved.images.length;
  }
}

function measure(counts, size) {
  const pixels = new Uint8Array(size[0] * size[1]), width = size[1];
  decodeRuns(counts, size, pixels, 1);
  let area = 0, left = Infinity, top = Infinity, right = -1, bottom = -1;
  pixels.forEach((value, i) => {
    if (!value) return;
    const x = i % width, y = Math.floor(i / width);
    area++;
    left = Math.min(left, x); right = Math.max(right, x);
    top = Math.min(top, y); bottom = y;
  });
  return { area, bbox: area ? [left, top, right - left + 1, bottom - top + 1] : [] };
}
