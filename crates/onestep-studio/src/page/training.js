// Training: begin from a recipe, watch loss and previews, stop, go on.

import { get, listen, post } from "./api.js";
import { choice, el, field, say, sayError } from "./dom.js";
import { image } from "./results.js";

const SVG = "http://www.w3.org/2000/svg";
const LINES = ["#0072b2", "#009e73", "#d55e00", "#cc79a7"];

export class Training {
  constructor(studio, section) {
    this.studio = studio;
    this.recipe = el("select", { onchange: () => this.recipeChanged() });
    this.about = el("p", { className: "quiet" });
    this.name = el("input", { type: "text", pattern: "[a-z0-9][a-z0-9\\-]*", maxLength: 64, required: true, value: "mine" });
    this.steps = el("input", { type: "number", min: 1 });
    this.teacher = el("select");
    this.teacherField = field("Teacher", this.teacher);
    this.form = el(
      "form",
      { className: "controls", onsubmit: (event) => (event.preventDefault(), this.start()) },
      field("Recipe", this.recipe),
      field("Name", this.name),
      field("Steps", this.steps),
      this.teacherField,
      el("button", { className: "primary", type: "submit" }, "Train"),
    );
    this.none = el("p", { hidden: true }, "This server does not train. Start it with ", el("code", {}, "onestep studio --runs runs"), ".");
    this.runs = choice([]);
    this.runs.addEventListener("change", () => this.watch(this.runs.value));
    this.runsField = el("div", { className: "controls" }, field("Run", this.runs));
    this.view = el("div", {});
    section.append(
      el("p", {}, "A run goes on on the server, whether this page is open or not. It can be stopped and gone on with, to the bit, from here or by the command."),
      this.none,
      this.form,
      this.about,
      this.runsField,
      this.view,
    );
  }

  async shown() {
    this.none.hidden = this.studio.trains;
    this.form.hidden = this.runsField.hidden = !this.studio.trains;
    if (!this.studio.trains) return;
    try {
      this.recipes = await get("/api/v1/recipes");
      const before = this.recipe.value || "toy2d-ct";
      this.recipe.replaceChildren(...this.recipes.map((recipe) => el("option", { value: recipe.name }, recipe.name)));
      this.recipe.value = before;
      this.recipeChanged();
      await this.list();
    } catch (error) {
      sayError(error);
    }
  }

  recipeChanged() {
    const recipe = this.recipes.find((recipe) => recipe.name === this.recipe.value);
    if (!recipe) return;
    this.about.textContent = recipe.about;
    this.steps.value = recipe.steps;
    this.teacherField.hidden = !recipe.needs_teacher;
    const teachers = this.studio.models.filter((model) => model.kind === "diffusion");
    this.teacher.replaceChildren(...teachers.map((model) => el("option", { value: model.id }, model.id)));
  }

  async list(wanted) {
    const runs = await get("/api/v1/runs");
    this.runs.replaceChildren(...runs.map((run) => el("option", { value: run.name }, `${run.name} (${run.state})`)));
    this.runsField.hidden = !runs.length;
    const running = runs.find((run) => run.state === "running")?.name;
    const name = wanted ?? running ?? this.watched ?? runs[0]?.name;
    if (name) {
      this.runs.value = name;
      this.watch(name);
    } else this.view.replaceChildren(el("p", { className: "quiet" }, "No runs yet."));
  }

  async start() {
    const recipe = this.recipes.find((recipe) => recipe.name === this.recipe.value);
    const steps = Number(this.steps.value);
    try {
      const run = await post("/api/v1/runs", {
        recipe: recipe.name,
        name: this.name.value,
        steps,
        preview_every: Math.max(1, Math.floor(steps / 12)),
        ...(recipe.needs_teacher ? { teacher: this.teacher.value } : {}),
      });
      say(`${run.name} runs.`);
      await this.list(run.name);
    } catch (error) {
      sayError(error);
    }
  }

  watch(name) {
    this.abort?.abort();
    const abort = (this.abort = new AbortController());
    this.watched = name;
    const title = el("h2", {}, name);
    const bar = el("progress", { "aria-label": "Steps done" });
    const facts = el("p", { className: "caption" });
    const chart = el("div", {});
    const previews = el("div", { className: "strip", tabIndex: 0, role: "group", "aria-label": "Previews" });
    const act = (verb) => async () => {
      try {
        await post(`/api/v1/runs/${name}/${verb}`);
        if (verb === "resume") this.watch(name);
      } catch (error) {
        sayError(error);
      }
    };
    const stop = el("button", { type: "button", onclick: act("stop") }, "Save and stop");
    const resume = el("button", { type: "button", onclick: act("resume") }, "Go on");
    const draw = el("button", { type: "button", onclick: () => this.draw(name).catch(sayError) }, "Draw from it");
    this.view.replaceChildren(
      el("div", { className: "card" }, title, bar, facts, el("div", { className: "controls" }, stop, resume, draw), chart, previews),
    );
    let shown = 0;
    let losses = 0;
    const show = (run) => {
      bar.max = run.steps;
      bar.value = run.step;
      const speed = run.images_per_second ? ` · ${run.images_per_second.toFixed(0)} images a second` : "";
      facts.textContent = `${run.method} · step ${run.step} of ${run.steps} · ${run.state}${speed}${run.error ? ` · ${run.error}` : ""}`;
      const running = run.state === "running" || run.state === "stopping";
      stop.hidden = !running;
      stop.disabled = run.state === "stopping";
      resume.hidden = running || run.state === "finished";
      draw.hidden = !this.studio.models.some((model) => model.id === name) && run.step === 0;
      if (run.previews.length !== shown) {
        const fresh = run.previews.slice(shown);
        shown = run.previews.length;
        previews.append(
          ...fresh.map((preview) =>
            el("figure", {}, image(preview.url, `Step ${preview.step}`), el("figcaption", {}, `step ${preview.step}, ${preview.evaluations === 1 ? "1 evaluation" : `${preview.evaluations} evaluations`}`)),
          ),
        );
        previews.scrollLeft = previews.scrollWidth;
      }
      if (performance.now() - losses > 1500 || !running) {
        losses = performance.now();
        get(`/api/v1/runs/${name}/losses`).then((points) => chart.replaceChildren(lossChart(points)), () => {});
      }
    };
    listen(`/api/v1/runs/${name}/events`, (kind, data) => kind === "run" && show(data), abort.signal)
      .then(() => this.studio.refresh())
      .catch(sayError);
  }

  async draw(name) {
    await this.studio.refresh();
    if (!this.studio.models.some((model) => model.id === name)) return say("Nothing is saved yet, or the run is of points.", true);
    this.studio.choose(name);
    this.studio.show("generate");
  }
}

/** Losses by noise level, on a scale of powers of ten. */
function lossChart(points) {
  const svg = document.createElementNS(SVG, "svg");
  const add = (name, attributes, text) => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    if (text) element.textContent = text;
    svg.append(element);
  };
  svg.setAttribute("viewBox", "0 0 640 220");
  svg.setAttribute("class", "chart");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Loss by noise level over the steps");
  const lines = [0, 1, 2, 3].map((level) => points.map((point) => [point.step, point.by_level[level]?.loss]).filter(([, loss]) => loss > 0));
  const all = lines.flat();
  if (all.length < 2) return svg;
  const logs = all.map(([, loss]) => Math.log10(loss));
  const [low, high] = [Math.min(...logs), Math.max(...logs) + 1e-9];
  const last = Math.max(...all.map(([step]) => step), 1);
  const at = ([step, loss]) => `${(50 + (580 * step) / last).toFixed(1)},${(185 - (165 * (Math.log10(loss) - low)) / (high - low)).toFixed(1)}`;
  for (const [level, line] of lines.entries()) {
    add("polyline", { points: line.map(at).join(" "), fill: "none", stroke: LINES[level], "stroke-width": 1.6 });
    const name = ["cleanest quarter", "second", "third", "noisiest quarter"][level];
    add("rect", { x: 60 + level * 140, y: 202, width: 12, height: 4, fill: LINES[level] });
    add("text", { x: 76 + level * 140, y: 208 }, name);
  }
  add("text", { x: 4, y: 24 }, (10 ** high).toPrecision(2));
  add("text", { x: 4, y: 188 }, (10 ** low).toPrecision(2));
  add("text", { x: 580, y: 198 }, `step ${last}`);
  return svg;
}
