// Drawing: the same seeds in one, two and four steps, side by side.

import { run } from "./api.js";
import { check, choice, duration, el, evaluations, field, randomSeed, say, sayError, settings } from "./dom.js";
import { thumbnail } from "./results.js";

export class Generate {
  constructor(studio, section) {
    this.studio = studio;
    const kept = settings.read("generate", {});
    this.seed = el("input", { type: "number", min: 0, max: 4294967295, step: 1, value: kept.seed ?? 0 });
    this.lock = el("input", { type: "checkbox", checked: kept.lock ?? false });
    this.n = choice([1, 4, 8, 16, 32].map((n) => [n, String(n)]), kept.n ?? 8);
    this.classes = el("select");
    this.classField = field("Class", this.classes);
    this.guidance = el("input", { type: "number", min: 0, max: 10, step: 0.25, value: kept.guidance ?? 1 });
    this.guidanceField = field("Guidance", this.guidance);
    this.button = el("button", { className: "primary", type: "submit" }, "Generate");
    this.stopButton = el("button", { type: "button", hidden: true, onclick: () => this.abort?.abort() }, "Stop");
    this.board = el("div", { className: "board" });
    this.note = el("p", { className: "quiet" });
    section.append(
      el("p", {}, "A seed is an image. One step makes it; more steps make it better. The same seeds in each column:"),
      el(
        "form",
        { className: "controls", onsubmit: (event) => (event.preventDefault(), this.go({ next: true })) },
        field("Seed", this.seed),
        check("Keep the seed", this.lock),
        field("Images", this.n),
        this.classField,
        this.guidanceField,
        this.button,
        this.stopButton,
      ),
      this.note,
      this.board,
    );
    for (const input of [this.seed, this.lock, this.n, this.guidance]) input.addEventListener("change", () => this.keep());
    this.seed.addEventListener("change", () => this.go({}));
  }

  keep() {
    settings.write("generate", {
      seed: Number(this.seed.value),
      lock: this.lock.checked,
      n: Number(this.n.value),
      guidance: Number(this.guidance.value),
    });
  }

  modelChanged() {
    const { model } = this.studio;
    this.classField.hidden = !model.n_classes;
    this.guidanceField.hidden = !(model.n_classes && model.kind === "diffusion");
    const names = model.classes.length ? model.classes : [...Array(model.n_classes ?? 0).keys()].map(String);
    this.classes.replaceChildren(
      el("option", { value: "" }, "any"),
      ...names.map((name, number) => el("option", { value: number }, name)),
    );
    this.board.replaceChildren();
    if (this.studio.shown === "generate") this.go({});
  }

  shown() {
    if (this.studio.model && !this.board.childElementCount) this.go({});
  }

  /** Steps that are compared, and what they are called. */
  columns() {
    const { model } = this.studio;
    if (model.kind === "progressive") return [[undefined, "its steps"]];
    if (model.kind === "diffusion") return [[3, "3 levels"], [18, "18 levels"]];
    return [[1, "1 step"], [2, "2 steps"], [4, "4 steps"]];
  }

  async go({ next = false, base = {}, columns = this.columns() }) {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    if (next && !this.lock.checked && this.board.childElementCount) this.seed.value = randomSeed();
    this.keep();
    const { model } = this.studio;
    const n = Number(this.n.value);
    const request = {
      task: "generate",
      model: model.id,
      seed: Number(this.seed.value),
      n,
      ...(this.classes.value !== "" && model.n_classes ? { class: Number(this.classes.value) } : {}),
      ...(!this.guidanceField.hidden && Number(this.guidance.value) !== 1 ? { guidance: Number(this.guidance.value) } : {}),
      ...base,
    };
    this.stopButton.hidden = false;
    const cards = columns.map(([steps, name]) => {
      const pictures = el("div", { className: "pictures" });
      const caption = el("p", { className: "caption" }, "…");
      return { steps, pictures, caption, card: el("article", { className: "card" }, el("h2", {}, name), pictures, caption) };
    });
    this.board.replaceChildren(...cards.map(({ card }) => card));
    try {
      for (const { steps, pictures, caption } of cards) {
        const job = await run({ ...request, ...(steps && !request.levels ? { steps } : {}) }, {
          signal: abort.signal,
          heard: (name, data) => name === "running" && (caption.textContent = `${data.done} of ${data.total}`),
        });
        pictures.classList.toggle("large", job.images.length < 5);
        pictures.replaceChildren(...job.images.map((view, index) => thumbnail(view, job, index)));
        caption.textContent = `${evaluations(job.evaluations)} · ${duration(job.milliseconds / job.images.length)} an image`;
      }
      say(`${columns.map(([, name]) => name).join(", ")}: done.`);
    } catch (error) {
      if (error.name !== "AbortError") {
        this.board.replaceChildren(el("p", { className: "error" }, error.message));
        sayError(error);
      }
    } finally {
      if (this.abort === abort) this.stopButton.hidden = true;
    }
  }

  restore(request) {
    if (request.task === "vary") return this.go({ base: { ...request, seed: undefined, n: undefined }, columns: [[undefined, "Variations"]] });
    const seeds = request.seeds ?? [request.seed ?? 0];
    this.seed.value = seeds[0];
    this.lock.checked = true;
    if (request.class !== undefined && request.class !== null) this.classes.value = String(request.class);
    const levels = request.levels;
    const steps = request.steps ?? levels?.length;
    const base = { seed: undefined, n: undefined, seeds, ...(levels ? { levels } : {}) };
    this.go({ base, columns: [[levels ? undefined : steps, steps === 1 ? "1 step" : `${steps} steps`]] });
  }

  /** Images near one that was drawn. */
  vary(view, job) {
    const { model } = this.studio;
    if (!model.edits) return say("Variations need a model that draws in a few steps.", true);
    const near = job.request.task === "generate" ? { near: view.seed } : null;
    if (!near) return say("Only images of a seed have neighbors.", true);
    this.go({ base: { task: "vary", ...near, strength: 0.3, seed: 0, n: 12, guidance: undefined }, columns: [[1, `Near seed ${view.seed}`]] });
  }
}
