// Editing: a picture in, what the model makes of it out. Drawing is followed live.

import { ask, live, picture, run } from "./api.js";
import { Easel, loaded } from "./canvas.js";
import { choice, duration, el, evaluations, field, randomSeed, say, sayError, settings } from "./dom.js";
import { compare, image, thumbnail } from "./results.js";

/** How long the hand rests before more steps are taken. */
const REST = 250;

const client = crypto.getRandomValues(new Uint32Array(2)).join("");

/** What a section has for opening a picture. */
function sources(panel) {
  const file = el("input", { type: "file", accept: "image/*", hidden: true, onchange: () => panel.studio.take(file.files[0]) });
  return [
    el("button", { type: "button", onclick: () => file.click() }, "Open a picture"),
    file,
    el("button", { type: "button", onclick: () => panel.drawOne().catch(sayError) }, "Draw one"),
  ];
}

/** What has a picture that is edited. */
class Panel {
  constructor(studio) {
    this.studio = studio;
    this.ready = Promise.resolve();
  }

  async setAddress(url) {
    this.setPicture(await loaded(await picture(url)));
  }

  /** An image of the model itself, for whoever has no picture at hand. */
  async drawOne() {
    const { blob } = await live({ task: "generate", model: this.studio.model.id, seed: randomSeed(), steps: this.studio.model.edits ? 4 : undefined, client });
    this.setPicture(await createImageBitmap(blob));
  }

  /** Refuses a model that cannot edit, in words. */
  refuse(section) {
    const { model } = this.studio;
    section.textContent = model.edits ? "" : `${model.id} is a ${model.kind} model: it draws in many steps and cannot edit. Choose one that draws in a few.`;
    section.hidden = model.edits;
    return !model.edits;
  }

  async restoreImage(request) {
    if (!request.image) return;
    const bytes = request.image.startsWith("data:") ? request.image : null;
    if (bytes) this.setPicture(await loaded(bytes));
  }
}

const PALETTE = ["#ffffff", "#28150a", "#603015", "#a26d3d", "#cab188", "#ffdbac", "#e0b687", "#8d5524", "#bd1700", "#d11141", "#ffc425", "#00b159", "#03396c", "#00aedb"];

/** A canvas on the left, what the model makes of it on the right, as fast as the hand moves. */
export class Draw extends Panel {
  constructor(studio, section) {
    super(studio);
    this.problem = el("p", { className: "error", hidden: true });
    this.easel = new Easel({ label: "Drawing", changed: (moving, time) => this.changed(moving, time) });
    const color = el("input", { type: "color", value: this.easel.color, oninput: () => (this.easel.color = color.value) });
    const swatch = (value) =>
      el("button", {
        type: "button",
        title: value,
        "aria-label": `Color ${value}`,
        onclick: () => {
          color.value = this.easel.color = value;
          this.easel.setErasing(false);
        },
      });
    const swatches = PALETTE.map((value) => {
      const button = swatch(value);
      button.style.background = value;
      return button;
    });
    this.strength = el("input", { type: "range", min: 0.1, max: 0.9, step: 0.05, value: settings.read("strength", 0.45), oninput: () => this.changed(false, performance.now()) });
    this.seed = el("input", { type: "number", min: 0, max: 4294967295, value: 0, onchange: () => this.changed(false, performance.now()) });
    this.classes = el("select", { onchange: () => this.changed(false, performance.now()) });
    this.classField = field("Class", this.classes);
    this.result = el("img", { className: "pixels", alt: "What the model makes of the drawing", width: 16, height: 16 });
    this.caption = el("p", { className: "caption", id: "live-cost" }, "");
    section.append(
      el("p", {}, "Paint, and the model paints along: one step while the hand moves, four when it rests."),
      this.problem,
      el(
        "div",
        { className: "board" },
        el(
          "div",
          { className: "card" },
          el("h2", {}, "Your drawing"),
          this.easel.element,
          el("div", { className: "controls" }),
          this.easel.tools(),
          el("div", { className: "controls" }, field("Color", color), el("div", { className: "swatches", role: "group", "aria-label": "Colors" }, ...swatches)),
          el("div", { className: "controls" }, ...sources(this), el("button", { type: "button", onclick: () => this.sketch() }, "A sketch to begin with")),
        ),
        el(
          "div",
          { className: "card" },
          el("h2", {}, "What it becomes"),
          el("div", { className: "compare" }, this.result),
          this.caption,
          el(
            "div",
            { className: "controls" },
            field("How much is drawn anew", this.strength),
            this.classField,
            field("Seed", this.seed),
            el("button", { type: "button", onclick: () => ((this.seed.value = randomSeed()), this.changed(false, performance.now())) }, "Another seed"),
            el("button", { type: "button", onclick: () => this.keep().catch(sayError) }, "Keep it"),
          ),
        ),
      ),
    );
    /** Milliseconds from a movement to its image, for whoever measures. */
    this.latencies = window.onestepLatencies = [];
  }

  modelChanged() {
    const { model } = this.studio;
    this.refuse(this.problem);
    const first = !this.begun;
    this.begun = true;
    this.easel.resize(model.width, model.height);
    this.classField.hidden = !model.n_classes;
    const names = model.classes.length ? model.classes : [...Array(model.n_classes ?? 0).keys()].map(String);
    this.classes.replaceChildren(...names.map((name, number) => el("option", { value: number }, name)));
    if (first) {
      this.ready = this.easel.restore("drawing").then((was) => was || this.sketch());
    }
    if (this.studio.shown === "draw") this.shown();
  }

  shown() {
    this.ready.then(() => this.changed(false, performance.now()));
  }

  /** Hair, face and clothes as blocks. */
  sketch() {
    const { width, height } = this.easel.base;
    this.easel.remember();
    const context = this.easel.context;
    const block = (color, x, y, w, h) => {
      context.fillStyle = color;
      context.fillRect((x * width) / 16, (y * height) / 16, (w * width) / 16, (h * height) / 16);
    };
    block("#ffffff", 0, 0, 16, 16);
    block("#bd1700", 3, 1, 10, 4);
    block("#bd1700", 3, 4, 1, 4);
    block("#bd1700", 12, 4, 1, 4);
    block("#ffdbac", 4, 4, 8, 7);
    block("#ffdbac", 6, 11, 4, 2);
    block("#03396c", 2, 13, 12, 3);
    this.changed(false, performance.now());
  }

  setPicture(bitmap) {
    this.easel.remember();
    this.easel.show(bitmap);
    this.changed(false, performance.now());
  }

  request(steps) {
    return {
      task: "stroke",
      model: this.studio.model.id,
      image: this.easel.picture(),
      strength: Number(this.strength.value),
      seed: Number(this.seed.value),
      steps,
      // To guess it from the drawing takes longer than to draw.
      ...(this.studio.model.n_classes ? { class: Number(this.classes.value) } : {}),
    };
  }

  changed(moving, time) {
    if (!this.studio.model?.edits || this.studio.shown !== "draw") return;
    clearTimeout(this.resting);
    this.wanted = { steps: moving ? 1 : 4, time };
    if (moving) this.resting = setTimeout(() => this.changed(false, performance.now()), REST);
    else {
      this.easel.keep("drawing");
      settings.write("strength", Number(this.strength.value));
    }
    this.send();
  }

  /** Asks for the latest alone: while one image is on its way, what the hand does in between is not asked for. */
  async send() {
    if (this.asking || !this.wanted) return;
    const { steps, time } = this.wanted;
    this.wanted = null;
    this.asking = true;
    try {
      const answer = await live({ ...this.request(steps), client });
      const source = URL.createObjectURL(answer.blob);
      this.result.src = source;
      await this.result.decode();
      if (this.old) URL.revokeObjectURL(this.old);
      this.old = source;
      const latency = performance.now() - time;
      this.latencies.push({ steps, latency });
      if (this.latencies.length > 2000) this.latencies.shift();
      this.caption.textContent = `${evaluations(answer.evaluations)} · ${duration(answer.milliseconds)} on the server · ${duration(latency)} from hand to picture`;
    } catch (error) {
      if (error.code !== "cancelled") sayError(error);
    } finally {
      this.asking = false;
      if (this.wanted) this.send();
    }
  }

  async keep() {
    await run(this.request(4));
    say("It is in the history.");
  }

  async restore(request) {
    if (request.class !== undefined && request.class !== null) this.classes.value = String(request.class);
    if (request.strength) this.strength.value = request.strength;
    if (request.seeds?.length) this.seed.value = request.seeds[0];
    if (request.seed !== undefined) this.seed.value = request.seed;
    await this.restoreImage(request);
    this.changed(false, performance.now());
  }
}

/** What an edit shows: the results, and the first beside what went in. */
class Results {
  constructor() {
    this.pictures = el("div", { className: "pictures large" });
    this.beside = el("div", {});
    this.caption = el("p", { className: "caption" });
    this.element = el("div", { className: "card" }, el("h2", {}, "Results"), this.beside, this.caption, this.pictures);
  }

  show(job) {
    this.pictures.replaceChildren(...job.images.map((view, index) => thumbnail(view, job, index)));
    if (job.before.length) this.beside.replaceChildren(compare(job.before[0], job.images[0].url, `seed ${job.images[0].seed}`));
    this.caption.textContent = `${evaluations(job.evaluations)} · ${duration(job.milliseconds / job.images.length)} a result`;
  }

  fail(error) {
    this.pictures.replaceChildren(el("p", { className: "error" }, error.message));
    sayError(error);
  }
}

const WORDS = {
  inpaint: "Mark what is to be drawn anew. The model was never trained for this: it puts back what is known after every step, and adds what fits.",
  colorize: "Of the picture the brightness alone is kept. The model finds colors that fit.",
  "super-resolve": "The picture is made small first; what is lost then, the model adds again.",
  denoise: "How much noise there is, is estimated where nothing is said.",
};

/** A picture, one button, and results. */
export class Edit extends Panel {
  constructor(studio, section, task) {
    super(studio);
    this.task = task;
    this.problem = el("p", { className: "error", hidden: true });
    this.easel = new Easel({ label: "Mask", over: true, changed: () => this.easel.keep(`mask-${task}`) });
    this.steps = choice([1, 2, 4, 8].map((n) => [n, String(n)]), 4);
    this.n = choice([1, 2, 4, 8, 16].map((n) => [n, String(n)]), 4);
    this.seed = el("input", { type: "number", min: 0, max: 4294967295, value: 0 });
    this.results = new Results();
    this.button = el("button", { className: "primary", type: "submit" }, { inpaint: "Fill in", colorize: "Color", "super-resolve": "Enlarge", denoise: "Clean" }[task]);
    this.more = this.moreInputs();
    if (task !== "inpaint") this.easel.element.style.pointerEvents = "none";
    section.append(
      el("p", {}, WORDS[task]),
      this.problem,
      el(
        "div",
        { className: "board" },
        el(
          "div",
          { className: "card" },
          el("h2", {}, "The picture"),
          this.easel.element,
          el("div", { className: "controls" }),
          task === "inpaint" ? this.easel.tools() : null,
          el("div", { className: "controls" }, ...sources(this), ...this.files()),
          el(
            "form",
            { className: "controls", onsubmit: (event) => (event.preventDefault(), this.go()) },
            field("Results", this.n),
            field("Steps", this.steps),
            ...this.more,
            field("Seed", this.seed),
            this.button,
          ),
        ),
        this.results.element,
      ),
    );
    if (task !== "inpaint") {
      this.easel.element.tabIndex = -1;
      this.easel.element.setAttribute("role", "img");
      this.easel.element.setAttribute("aria-label", "The picture that is edited");
    }
  }

  files() {
    return [];
  }

  moreInputs() {
    if (this.task === "super-resolve") {
      this.factor = choice([[2, "2"], [4, "4"]], 2);
      return [field("Times", this.factor)];
    }
    if (this.task === "denoise") {
      this.noise = el("input", { type: "number", min: 0, max: 128, placeholder: "estimated" });
      return [field("Noise, of 255", this.noise), el("button", { type: "button", onclick: () => this.addNoise() }, "Add noise")];
    }
    return [];
  }

  modelChanged() {
    const { model } = this.studio;
    this.button.disabled = this.refuse(this.problem);
    this.easel.resize(model.width, model.height);
  }

  shown() {
    if (!this.hasPicture && this.studio.model) {
      this.hasPicture = true;
      const kept = settings.read(`picture-${this.task}`);
      const first = kept ? loaded(kept).then((bitmap) => this.setPicture(bitmap)) : this.drawOne();
      this.ready = first.then(() => this.easel.restore(`mask-${this.task}`)).catch(sayError);
    }
  }

  setPicture(bitmap) {
    this.hasPicture = true;
    this.easel.show(bitmap);
    settings.write(`picture-${this.task}`, this.easel.picture());
  }

  addNoise() {
    const canvas = this.easel.base;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    for (let i = 0; i < image.data.length; i++) {
      if (i % 4 === 3) continue;
      const normal = Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
      image.data[i] += 30 * normal;
    }
    context.putImageData(image, 0, 0);
    settings.write(`picture-${this.task}`, this.easel.picture());
  }

  request() {
    return {
      task: this.task,
      model: this.studio.model.id,
      image: this.easel.picture(),
      n: Number(this.n.value),
      steps: Number(this.steps.value),
      seed: Number(this.seed.value),
      ...(this.factor ? { factor: Number(this.factor.value) } : {}),
      ...(this.noise?.value ? { noise: Number(this.noise.value) } : {}),
    };
  }

  async go() {
    this.abort?.abort();
    this.abort = new AbortController();
    try {
      await this.ready;
      const request = this.request();
      if (!request) return;
      this.results.show(await run(request, { signal: this.abort.signal }));
      say("Done.");
    } catch (error) {
      if (error.name !== "AbortError") this.results.fail(error);
    }
  }

  async restore(request) {
    if (request.n) this.n.value = String(request.n);
    if (request.steps) this.steps.value = String(request.steps);
    this.seed.value = request.seed ?? request.seeds?.[0] ?? 0;
    if (request.factor && this.factor) this.factor.value = String(request.factor);
    if (request.noise && this.noise) this.noise.value = request.noise;
    try {
      const job = await run({ ...request, keep: false });
      if (job.before.length) await this.setAddress(job.before[0]);
      this.results.show(job);
    } catch (error) {
      this.results.fail(error);
    }
  }
}

/** Filling in: a mask is painted over the picture. */
export class Inpaint extends Edit {
  constructor(studio, section) {
    super(studio, section, "inpaint");
  }

  files() {
    const file = el("input", {
      type: "file",
      accept: "image/*",
      hidden: true,
      onchange: async () => {
        try {
          const mask = await createImageBitmap(file.files[0]);
          this.setMask(mask);
        } catch {
          say("That mask cannot be read.", true);
        }
      },
    });
    return [
      el("button", { type: "button", onclick: () => file.click() }, "Open a mask"),
      file,
      el("button", { type: "button", onclick: () => this.saveMask() }, "Save the mask"),
    ];
  }

  /** Marks what is white in a mask. */
  setMask(bitmap) {
    this.easel.remember();
    const { width, height } = this.easel.paint;
    const canvas = el("canvas", { width, height });
    const context = canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(bitmap, 0, 0, width, height);
    const image = context.getImageData(0, 0, width, height);
    for (let i = 0; i < image.data.length; i += 4) {
      const marked = image.data[i + 3] > 127 && image.data[i] + image.data[i + 1] + image.data[i + 2] > 382;
      image.data.set(marked ? [0xe0, 0x21, 0x8a, 255] : [0, 0, 0, 0], i);
    }
    this.easel.context.putImageData(image, 0, 0);
    this.easel.changed(false);
  }

  saveMask() {
    const mask = this.easel.mask();
    if (!mask) return say("Nothing is marked yet.", true);
    el("a", { href: mask, download: "mask.png" }).click();
  }

  shown() {
    super.shown();
    this.ready = this.ready.then(() => {
      if (this.easel.mask()) return;
      // The eyes of a face.
      const { width, height } = this.easel.paint;
      const context = this.easel.context;
      context.fillStyle = "#e0218a";
      context.fillRect((3 * width) / 16, (5 * height) / 16, (10 * width) / 16, (4 * height) / 16);
    });
  }

  request() {
    const mask = this.easel.mask();
    if (!mask) {
      say("Mark what is to be filled in.", true);
      return null;
    }
    return { ...super.request(), mask };
  }
}
