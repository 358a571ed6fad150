// A small canvas that is painted on: with brush and eraser, by pointer and by keyboard, with undo and redo.

import { el, settings } from "./dom.js";

/** The longest way back. */
const STEPS = 50;

export class Easel {
  /**
   * `over` paints a mask over a picture in place of the picture itself. `changed` is called after every stroke and while one is
   * painted; its argument says whether the hand still moves.
   */
  constructor({ label, over = false, changed = () => {} }) {
    this.over = over;
    this.changed = changed;
    this.size = 2;
    this.color = "#603015";
    this.erasing = false;
    this.past = [];
    this.future = [];
    this.base = el("canvas", { width: 16, height: 16 });
    this.paint = over ? el("canvas", { className: "over", width: 16, height: 16 }) : this.base;
    this.cursor = el("canvas", { className: "over", width: 16, height: 16 });
    this.element = el(
      "div",
      {
        className: "easel",
        tabIndex: 0,
        role: "application",
        "aria-label": `${label}. Arrows move, space paints, left and right bracket change the size, B brush, E eraser, Z undo, shift Z redo.`,
        onkeydown: (event) => this.key(event),
        onblur: () => this.showCursor(null),
      },
      this.base,
      ...(over ? [this.paint] : []),
      this.cursor,
    );
    this.place = [8, 8];
    const at = (event) => {
      const box = this.element.getBoundingClientRect();
      return [((event.clientX - box.left) / box.width) * this.paint.width, ((event.clientY - box.top) / box.height) * this.paint.height];
    };
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button > 0) return;
      this.element.setPointerCapture(event.pointerId);
      this.remember();
      this.last = at(event);
      this.stroke(this.last, this.last, event.timeStamp);
    });
    this.element.addEventListener("pointermove", (event) => {
      this.showCursor(at(event));
      if (!this.last) return;
      const next = at(event);
      this.stroke(this.last, next, event.timeStamp);
      this.last = next;
    });
    const end = () => {
      if (!this.last) return;
      this.last = null;
      this.changed(false, performance.now());
    };
    this.element.addEventListener("pointerup", end);
    this.element.addEventListener("pointercancel", end);
    this.element.addEventListener("pointerleave", () => this.showCursor(null));
  }

  get context() {
    return this.paint.getContext("2d", { willReadFrequently: true });
  }

  /** Gives it the size of the model's images, with what was painted. */
  resize(width, height) {
    if (this.base.width === width && this.base.height === height) return;
    for (const canvas of new Set([this.base, this.paint, this.cursor])) {
      const copy = el("canvas", { width: canvas.width, height: canvas.height });
      copy.getContext("2d").drawImage(canvas, 0, 0);
      canvas.width = width;
      canvas.height = height;
      const context = canvas.getContext("2d", { willReadFrequently: true });
      context.imageSmoothingEnabled = false;
      context.drawImage(copy, 0, 0, width, height);
    }
    this.place = [width / 2, height / 2];
    this.past = [];
    this.future = [];
  }

  /** One dab, or all of a line between two places. */
  stroke([x0, y0], [x1, y1], time) {
    const n = Math.max(1, Math.ceil(Math.hypot(x1 - x0, y1 - y0) * 2));
    for (let i = 0; i <= n; i++) this.dab(x0 + ((x1 - x0) * i) / n, y0 + ((y1 - y0) * i) / n);
    this.changed(true, time);
  }

  dab(x, y) {
    const context = this.context;
    const corner = [Math.round(x - this.size / 2), Math.round(y - this.size / 2)];
    if (this.over) {
      if (this.erasing) context.clearRect(...corner, this.size, this.size);
      else {
        context.fillStyle = "#e0218a";
        context.fillRect(...corner, this.size, this.size);
      }
    } else {
      context.fillStyle = this.erasing ? "#ffffff" : this.color;
      context.fillRect(...corner, this.size, this.size);
    }
  }

  showCursor(place) {
    const context = this.cursor.getContext("2d");
    context.clearRect(0, 0, this.cursor.width, this.cursor.height);
    if (!place) return;
    context.fillStyle = "rgb(120 120 120 / 55%)";
    context.fillRect(Math.round(place[0] - this.size / 2), Math.round(place[1] - this.size / 2), this.size, this.size);
  }

  snapshot() {
    return this.context.getImageData(0, 0, this.paint.width, this.paint.height);
  }

  remember() {
    this.past.push(this.snapshot());
    if (this.past.length > STEPS) this.past.shift();
    this.future = [];
  }

  go(from, to) {
    const image = from.pop();
    if (!image) return;
    to.push(this.snapshot());
    this.context.putImageData(image, 0, 0);
    this.changed(false, performance.now());
  }

  undo() {
    this.go(this.past, this.future);
  }

  redo() {
    this.go(this.future, this.past);
  }

  clear() {
    this.remember();
    const context = this.context;
    context.clearRect(0, 0, this.paint.width, this.paint.height);
    if (!this.over) {
      context.fillStyle = "#ffffff";
      context.fillRect(0, 0, this.paint.width, this.paint.height);
    }
    this.changed(false, performance.now());
  }

  /** What is marked becomes what is not. */
  invert() {
    this.remember();
    const image = this.snapshot();
    for (let i = 0; i < image.data.length; i += 4) {
      const marked = image.data[i + 3] > 127;
      image.data.set(marked ? [0, 0, 0, 0] : [0xe0, 0x21, 0x8a, 255], i);
    }
    this.context.putImageData(image, 0, 0);
    this.changed(false, performance.now());
  }

  key(event) {
    const step = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (step) {
      const within = (value, most) => Math.min(Math.max(value, 0), most);
      this.place = [within(this.place[0] + step[0], this.paint.width), within(this.place[1] + step[1], this.paint.height)];
      this.showCursor(this.place);
    } else if (event.key === " " || event.key === "Enter") {
      this.remember();
      this.dab(...this.place);
      this.changed(false, performance.now());
    } else if (event.key === "[") this.setSize(this.size - 1);
    else if (event.key === "]") this.setSize(this.size + 1);
    else if (event.key === "b") this.setErasing(false);
    else if (event.key === "e") this.setErasing(true);
    else if (event.key === "i" && this.over) this.invert();
    else if (event.key.toLowerCase() === "z") event.shiftKey ? this.redo() : this.undo();
    else return;
    event.preventDefault();
  }

  setSize(size) {
    this.size = Math.min(Math.max(size, 1), 16);
    if (this.sizeInput) this.sizeInput.value = this.size;
  }

  setErasing(erasing) {
    this.erasing = erasing;
    this.brushButton?.setAttribute("aria-pressed", String(!erasing));
    this.eraserButton?.setAttribute("aria-pressed", String(erasing));
  }

  /** Brush, eraser, size, undo, redo, and what else the canvas can. */
  tools() {
    const button = (text, onclick, more = {}) => el("button", { type: "button", onclick, ...more }, text);
    this.brushButton = button("Brush", () => this.setErasing(false), { "aria-pressed": "true" });
    this.eraserButton = button("Eraser", () => this.setErasing(true), { "aria-pressed": "false" });
    this.sizeInput = el("input", { type: "range", min: 1, max: 16, value: this.size, oninput: (event) => (this.size = Number(event.target.value)) });
    return el(
      "div",
      { className: "controls" },
      this.brushButton,
      this.eraserButton,
      el("label", { className: "field" }, "Size", this.sizeInput),
      button("Undo", () => this.undo()),
      button("Redo", () => this.redo()),
      ...(this.over ? [button("Invert", () => this.invert())] : []),
      button("Clear", () => this.clear()),
    );
  }

  /** Shows a picture, in the middle and as large as goes. */
  show(image) {
    const canvas = this.base;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const scale = Math.max(canvas.width / image.width, canvas.height / image.height);
    const [width, height] = [image.width * scale, image.height * scale];
    context.imageSmoothingEnabled = scale < 1;
    context.imageSmoothingQuality = "high";
    context.fillStyle = "#ffffff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, (canvas.width - width) / 2, (canvas.height - height) / 2, width, height);
  }

  /** The picture. */
  picture() {
    return this.base.toDataURL("image/png");
  }

  /** White where something is marked, black elsewhere; none where nothing is. */
  mask() {
    const image = this.snapshot();
    let any = false;
    for (let i = 0; i < image.data.length; i += 4) {
      const marked = image.data[i + 3] > 127;
      any ||= marked;
      image.data.set(marked ? [255, 255, 255, 255] : [0, 0, 0, 255], i);
    }
    if (!any) return null;
    const canvas = el("canvas", { width: this.paint.width, height: this.paint.height });
    canvas.getContext("2d").putImageData(image, 0, 0);
    return canvas.toDataURL("image/png");
  }

  keep(name) {
    settings.write(name, this.paint.toDataURL("image/png"));
  }

  /** Brings back what was kept; answers whether there was something. */
  async restore(name) {
    const kept = settings.read(name);
    if (!kept) return false;
    try {
      const image = await loaded(kept);
      const context = this.context;
      context.imageSmoothingEnabled = false;
      context.drawImage(image, 0, 0, this.paint.width, this.paint.height);
      return true;
    } catch {
      return false;
    }
  }
}

export async function loaded(source) {
  const image = new Image();
  image.src = source;
  await image.decode();
  return image;
}
