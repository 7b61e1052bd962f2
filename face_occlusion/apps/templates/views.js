// Two views of one photograph that zoom and pan together: left its mask, right where mask and
// network differ (the photograph alone where there is no prediction).

const TINT = [0, 200, 130], MASK_ONLY = [240, 160, 40], NETWORK_ONLY = [0, 90, 190], GREY = [128, 128, 128];

class Views {
  constructor(canvases) {
    this.canvases = canvases;
    this.isMaskShown = true;
    this.cursor = null;  // [x, y] in pixels of the mask
    this.radius = 8;
    this.image = this.mask = null;
    const observer = new ResizeObserver(() => this.resize());
    canvases.forEach((canvas) => observer.observe(canvas));
  }

  show(image, mask) {
    this.image = image;
    this.mask = mask;
    const [height, width] = mask.size;
    this.overlays = this.canvases.map(() => Object.assign(document.createElement("canvas"), { width, height }));
    this.paint(mask.whole);
    this.resize();
    this.fit();
  }

  resize() {
    const { clientWidth, clientHeight } = this.canvases[0], before = this.shownSize ?? [0, 0];
    this.shownSize = [clientWidth, clientHeight];
    this.origin = this.origin?.map((value, i) => value + (this.shownSize[i] - before[i]) / 2);
    for (const canvas of this.canvases) {
      const ratio = devicePixelRatio;
      canvas.width = Math.round(canvas.clientWidth * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
    }
    this.draw();
  }

  fit() {
    const [height, width] = this.mask.size, { clientWidth, clientHeight } = this.canvases[0];
    this.scale = Math.min(clientWidth / width, clientHeight / height);  // CSS pixels to one of the mask
    this.origin = [(clientWidth - this.scale * width) / 2, (clientHeight - this.scale * height) / 2];
    this.draw();
  }

  // Zooms around a place of the canvas, in CSS pixels from its corner; that of the cursor if none.
  zoom(factor, at = this.cursor ? this.toCanvas(this.cursor) : [0, 1].map((i) =>
    [this.canvases[0].clientWidth, this.canvases[0].clientHeight][i] / 2)) {
    const scale = Math.min(64, Math.max(0.02, this.scale * factor));
    this.origin = this.origin.map((value, i) => at[i] - (at[i] - value) * scale / this.scale);
    this.scale = scale;
    this.draw();
  }

  pan(dx, dy) {
    this.origin = [this.origin[0] + dx, this.origin[1] + dy];
    this.draw();
  }

  toCanvas(place) { return place.map((value, i) => this.origin[i] + this.scale * value); }
  toMask(event) {
    const box = event.target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top]
      .map((value, i) => (value - this.origin[i]) / this.scale);
  }

  // Moves the cursor, and what is shown with it where it would leave the view.
  moveCursor(dx, dy) {
    const [height, width] = this.mask.size, [x, y] = this.cursor ?? [width / 2, height / 2];
    this.cursor = [Math.min(width, Math.max(0, x + dx)), Math.min(height, Math.max(0, y + dy))];
    const at = this.toCanvas(this.cursor), { clientWidth, clientHeight } = this.canvases[0];
    this.pan(...[clientWidth, clientHeight].map((size, i) => Math.min(Math.max(at[i], 0), size) - at[i]));
  }

  // Paints what changed of the mask on both overlays; an edge lies inside the face.
  paint([left, top, right, bottom]) {
    const { size: [height, width], pixels, predicted } = this.mask;
    left = Math.max(0, left - 1); top = Math.max(0, top - 1);
    right = Math.min(width, right + 1); bottom = Math.min(height, bottom + 1);
    if (right <= left || bottom <= top) return;
    const [tint, gap] = this.overlays.map(() => new ImageData(right - left, bottom - top));
    const set = (target, to, colour, alpha) => target.data.set([...colour, alpha], to);
    for (let y = top, to = 0; y < bottom; y++) {
      for (let x = left; x < right; x++, to += 4) {
        const i = y * width + x, isFace = pixels[i] === FACE;
        if (pixels[i] === IGNORED) set(tint, to, GREY, 150);
        else if (isFace) {
          const isEdge = (x > 0 && pixels[i - 1] !== FACE) || (x < width - 1 && pixels[i + 1] !== FACE)
            || (y > 0 && pixels[i - width] !== FACE) || (y < height - 1 && pixels[i + width] !== FACE);
          set(tint, to, TINT, isEdge ? 255 : 70);
        }
        if (predicted === null || pixels[i] === IGNORED || isFace === Boolean(predicted[i])) continue;
        if (isFace) set(gap, to, MASK_ONLY, 165);
        else set(gap, to, (x + y) % 8 < 2 ? [150, 200, 255] : NETWORK_ONLY, 165);
      }
    }
    [tint, gap].forEach((data, i) => this.overlays[i].getContext("2d").putImageData(data, left, top));
    this.draw();
  }

  draw() {
    if (this.frame || !this.mask) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.canvases.forEach((canvas, i) => this.drawOne(canvas, this.overlays[i]));
    });
  }

  drawOne(canvas, overlay) {
    const context = canvas.getContext("2d"), ratio = devicePixelRatio, scale = this.scale * ratio;
    const [height, width] = this.mask.size;
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.clearRect(0, 0, canvas.width, canvas.height);
    context.setTransform(scale, 0, 0, scale, ...this.origin.map((value) => value * ratio));
    context.imageSmoothingEnabled = scale < 4;
    context.drawImage(this.image, 0, 0, width, height);
    context.imageSmoothingEnabled = scale < 1;
    if (this.isMaskShown) context.drawImage(overlay, 0, 0);
    if (!this.cursor) return;
    for (const [colour, thickness] of [["#000", 3], ["#fff", 1.25]]) {
      context.strokeStyle = colour;
      context.lineWidth = thickness * ratio / scale;
      context.beginPath();
      context.arc(...this.cursor, this.radius, 0, 2 * Math.PI);
      context.stroke();
    }
  }
}
