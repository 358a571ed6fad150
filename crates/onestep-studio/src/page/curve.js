// Quality against cost, measured here.

import { run } from "./api.js";
import { choice, duration, el, evaluations, field, sayError } from "./dom.js";

export class Curve {
  constructor(studio, section) {
    this.studio = studio;
    this.n = choice([32, 64, 128, 256].map((n) => [n, String(n)]), 64);
    this.bar = el("progress", { hidden: true, "aria-label": "Images judged" });
    this.stop = el("button", { type: "button", hidden: true, onclick: () => this.abort.abort() }, "Stop");
    this.result = el("div", { className: "board" });
    section.append(
      el("p", {}, "Portraits are drawn by rule, so for every image the nearest portrait is known exactly: the score is how far it lies from that, in levels of 255. Other models are measured by ", el("code", {}, "onestep eval curve"), "."),
      el("form", { className: "controls", onsubmit: (event) => (event.preventDefault(), this.go()) }, field("Images a point", this.n), el("button", { className: "primary" }, "Measure"), this.stop),
      this.bar,
      this.result,
    );
  }

  async go() {
    this.abort?.abort();
    this.abort = new AbortController();
    this.bar.hidden = this.stop.hidden = false;
    try {
      const heard = (name, data) => {
        if (name !== "running" || !data.total) return;
        this.bar.max = data.total;
        this.bar.value = data.done;
      };
      const job = await run({ task: "curve", model: this.studio.model.id, n: Number(this.n.value) }, { heard, signal: this.abort.signal });
      const source = URL.createObjectURL(new Blob([job.curve.svg], { type: "image/svg+xml" }));
      const rows = job.curve.points.map((point) =>
        el("tr", {}, el("td", {}, evaluations(point.evaluations)), el("td", {}, duration(point.seconds * 1000)), el("td", {}, `${point.difference.toFixed(1)} levels`)),
      );
      const head = el("tr", {}, ...["An image", "Time", "From the nearest portrait"].map((text) => el("th", { scope: "col" }, text)));
      this.result.replaceChildren(
        el("div", { className: "card" }, el("img", { className: "svg", src: source, alt: "Quality against cost" })),
        el("div", { className: "card" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...rows))),
      );
    } catch (error) {
      if (error.name !== "AbortError") {
        this.result.replaceChildren(el("p", { className: "error" }, error.message));
        sayError(error);
      }
    } finally {
      this.bar.hidden = this.stop.hidden = true;
    }
  }
}
