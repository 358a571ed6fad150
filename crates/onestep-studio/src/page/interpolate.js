// Between two seeds: a strip, and a slider that goes along it.

import { run } from "./api.js";
import { choice, duration, el, evaluations, field, randomSeed, say, sayError, settings } from "./dom.js";
import { image, thumbnail } from "./results.js";

export class Interpolate {
  constructor(studio, section) {
    this.studio = studio;
    const kept = settings.read("ends", [0, 1]);
    const end = (value) => el("input", { type: "number", min: 0, max: 4294967295, value, onchange: () => this.go() });
    this.ends = kept.map(end);
    this.frames = choice([8, 16, 32].map((n) => [n, String(n)]), 16);
    this.frames.addEventListener("change", () => this.go());
    this.slider = el("input", { type: "range", min: 0, max: 15, value: 0, oninput: () => this.place() });
    this.slider.style.width = "100%";
    this.large = el("div", { className: "compare" });
    this.strip = el("div", { className: "pictures" });
    this.caption = el("p", { className: "caption" });
    this.problem = el("p", { className: "error", hidden: true });
    section.append(
      el("p", {}, "Every image has its noise, and between two noises there are others. The slider goes from one image to another."),
      this.problem,
      el(
        "div",
        { className: "controls" },
        field("First seed", this.ends[0]),
        field("Last seed", this.ends[1]),
        field("Images", this.frames),
        el("button", { type: "button", onclick: () => (this.ends.forEach((end) => (end.value = randomSeed())), this.go()) }, "Two others"),
      ),
      el(
        "div",
        { className: "board" },
        el("div", { className: "card" }, this.large, field("On the way", this.slider)),
        el("div", { className: "card" }, this.strip, this.caption),
      ),
    );
  }

  modelChanged() {
    const { model } = this.studio;
    this.problem.hidden = model.edits;
    this.problem.textContent = model.edits ? "" : `${model.id} is a ${model.kind} model; choose one that draws in a few steps.`;
    this.job = null;
    if (this.studio.shown === "interpolate") this.go();
  }

  shown() {
    if (!this.job) this.go();
  }

  async go() {
    if (!this.studio.model?.edits) return;
    this.abort?.abort();
    this.abort = new AbortController();
    const ends = this.ends.map((end) => Number(end.value));
    settings.write("ends", ends);
    try {
      const request = { task: "interpolate", model: this.studio.model.id, ends, frames: Number(this.frames.value) };
      this.job = await run(request, { signal: this.abort.signal });
      this.strip.replaceChildren(...this.job.images.map((view, index) => thumbnail(view, this.job, index)));
      this.slider.max = this.job.images.length - 1;
      this.caption.textContent = `${evaluations(this.job.evaluations)} · ${duration(this.job.milliseconds / this.job.images.length)} an image`;
      this.views = this.job.images.map((view, index) => image(view.url, `Image ${index + 1} on the way`));
      this.place();
    } catch (error) {
      sayError(error);
    }
  }

  place() {
    const view = this.views?.[Number(this.slider.value)];
    if (view) {
      view.loading = "eager";
      this.large.replaceChildren(view);
    }
  }

  restore(request) {
    if (request.ends) request.ends.forEach((end, at) => (this.ends[at].value = end));
    this.go();
    say("Two ends are back.");
  }
}
