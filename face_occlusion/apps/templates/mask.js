// The mask of one face: class ids row by row, and what was done to them. Tools return the box
// [left, top, right, bottom) of the pixels that may have changed, or null.

const BACKGROUND = 0, FACE = 1, IGNORED = 255;

class Mask {
  // `runs` are of face and of ignored pixels; `start` those before any edit; `predicted` of face.
  constructor(size, runs, start, predicted) {
    this.size = size;
    this.start = start;
    this.pixels = new Uint8Array(size[0] * size[1]);
    this.predicted = predicted === null ? null : new Uint8Array(this.pixels.length);
    if (predicted !== null) decodeRuns(predicted, size, this.predicted, 1);
    this.history = [runs];
    this.place = 0;
    this.restore();
  }

  get runs() { return this.history[this.place]; }
  get isEdited() { return String(this.runs) !== String(this.start); }
  get whole() { return [0, 0, this.size[1], this.size[0]]; }

  restore() {
    this.pixels.fill(BACKGROUND);
    this.runs.forEach((text, i) => decodeRuns(text, this.size, this.pixels, [FACE, IGNORED][i]));
    return this.whole;
  }

  // Ends a stroke, or another single step that undo takes back; false if nothing has changed.
  commit() {
    const runs = [FACE, IGNORED].map((value) => encodeRuns(this.pixels, value, this.size));
    if (String(runs) === String(this.runs)) return false;
    this.history.splice(++this.place, Infinity, runs);
    return true;
  }

  move(steps) {
    const place = Math.min(Math.max(0, this.place + steps), this.history.length - 1);
    if (place === this.place) return null;
    this.place = place;
    return this.restore();
  }

  // A brush of a radius in pixels, moved along a line; a pixel is covered if its centre is.
  stroke([x0, y0], [x1, y1], radius, value) {
    const [height, width] = this.size;
    const left = Math.max(0, Math.floor(Math.min(x0, x1) - radius));
    const right = Math.min(width, Math.ceil(Math.max(x0, x1) + radius));
    const top = Math.max(0, Math.floor(Math.min(y0, y1) - radius));
    const bottom = Math.min(height, Math.ceil(Math.max(y0, y1) + radius));
    const dx = x1 - x0, dy = y1 - y0, squared = dx * dx + dy * dy;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const along = squared ? ((x + 0.5 - x0) * dx + (y + 0.5 - y0) * dy) / squared : 0;
        const t = Math.min(1, Math.max(0, along));
        const [a, b] = [x + 0.5 - x0 - t * dx, y + 0.5 - y0 - t * dy];
        if (a * a + b * b <= radius * radius) this.pixels[y * width + x] = value;
      }
    }
    return [left, top, right, bottom];
  }

  // Fills the connected region of one class around a place: a hole, or a stray piece.
  fill([x, y], value) {
    const [height, width] = this.size, first = Math.floor(y) * width + Math.floor(x);
    const old = x >= 0 && y >= 0 && x < width && y < height ? this.pixels[first] : value;
    if (old === value) return null;
    const waiting = [first];
    this.pixels[first] = value;
    while (waiting.length) {
      const i = waiting.pop(), column = i % width;
      for (const [next, inside] of [
        [i - 1, column > 0], [i + 1, column < width - 1], [i - width, true], [i + width, true],
      ]) {
        if (inside && this.pixels[next] === old) {
          this.pixels[next] = value;
          waiting.push(next);
        }
      }
    }
    return this.whole;
  }

  // Gives each pixel the class of most pixels around it; ignored ones stay.
  smooth() {
    const [height, width] = this.size, radius = Math.max(1, Math.round(Math.max(height, width) / 256));
    const sums = new Int32Array((height + 1) * (width + 1)), row = width + 1;
    for (let y = 0; y < height; y++) {
      for (let x = 0, sum = 0; x < width; x++) {
        sum += this.pixels[y * width + x] === FACE;
        sums[(y + 1) * row + x + 1] = sums[y * row + x + 1] + sum;
      }
    }
    for (let y = 0; y < height; y++) {
      const top = Math.max(0, y - radius), bottom = Math.min(height, y + radius + 1);
      for (let x = 0; x < width; x++) {
        const left = Math.max(0, x - radius), right = Math.min(width, x + radius + 1);
        const faces = sums[bottom * row + right] - sums[top * row + right]
          - sums[bottom * row + left] + sums[top * row + left];
        const i = y * width + x, half = (bottom - top) * (right - left) / 2;
        if (this.pixels[i] !== IGNORED && faces !== half) {
          this.pixels[i] = faces > half ? FACE : BACKGROUND;
        }
      }
    }
    return this.whole;
  }

  usePrediction() {
    this.pixels.set(this.predicted);
    return this.whole;
  }

  useStart() {
    this.pixels.fill(BACKGROUND);
    this.start.forEach((text, i) => decodeRuns(text, this.size, this.pixels, [FACE, IGNORED][i]));
    return this.whole;
  }
}
