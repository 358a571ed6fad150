// The page: tabs, the model, pictures that are dropped.

import { ask, get } from "./api.js";
import { Curve } from "./curve.js";
import { el, say, sayError, settings } from "./dom.js";
import { Draw, Edit, Inpaint } from "./edit.js";
import { Generate } from "./generate.js";
import { History } from "./history.js";
import { Interpolate } from "./interpolate.js";
import { uses } from "./results.js";
import { Training } from "./training.js";

const tabs = [...document.querySelectorAll("[role=tab]")];
const select = document.getElementById("model");
const studio = { models: [], model: null, limits: null, trains: false, panels: {}, show, choose, refresh };

function show(name, { focus = false } = {}) {
  for (const tab of tabs) {
    const is = tab.id === `tab-${name}`;
    tab.setAttribute("aria-selected", String(is));
    tab.tabIndex = is ? 0 : -1;
    if (is && focus) tab.focus();
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !is;
  }
  settings.write("tab", name);
  // An address that is set would scroll.
  history.replaceState(null, "", `#${name}`);
  studio.shown = name;
  studio.panels[name]?.shown?.();
}

for (const [at, tab] of tabs.entries()) {
  tab.addEventListener("click", () => show(tab.id.slice(4)));
  tab.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    const to = step ? (at + step + tabs.length) % tabs.length : { Home: 0, End: tabs.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    show(tabs[to].id.slice(4), { focus: true });
  });
}

function choose(id) {
  studio.model = studio.models.find((model) => model.id === id) ?? studio.models[0];
  if (!studio.model) return;
  const { model } = studio;
  select.value = model.id;
  settings.write("model", model.id);
  const trained = model.images_seen ? `, ${model.images_seen.toLocaleString("en")} images seen` : "";
  document.getElementById("about-model").textContent =
    `${model.method.toUpperCase()} of ${model.data}, ${model.width}x${model.height}${trained}`;
  for (const panel of Object.values(studio.panels)) panel.modelChanged?.();
}

/** Asks the server again what models there are: a run that has saved is one. */
async function refresh() {
  const able = await get("/api/v1/capabilities");
  Object.assign(studio, { models: able.models, limits: able.limits, trains: able.trains });
  select.replaceChildren(...able.models.map((model) => el("option", { value: model.id }, model.id)));
  if (studio.model) select.value = studio.model.id;
}

select.addEventListener("change", () => choose(select.value));

/** A picture as it was dropped or chosen: one of onestep brings back what made it, any other is edited. */
async function take(file) {
  if (!file) return;
  try {
    if (file.type === "image/png") {
      const answer = await ask("/api/v1/restore", { method: "POST", body: file }).catch((error) => error);
      if (answer instanceof Response) {
        restore(await answer.json());
        say("This is what made the picture.");
        return;
      }
      if (answer.code !== "invalid_value") throw answer;
    }
    const bitmap = await createImageBitmap(file).catch(() => {
      throw new Error(`${file.name} is no picture that this browser reads`);
    });
    const panel = studio.panels[studio.shown]?.setPicture ? studio.shown : "inpaint";
    show(panel);
    studio.panels[panel].setPicture(bitmap);
  } catch (error) {
    sayError(error);
  }
}

/** Shows a request in the tab that makes such. */
function restore(request) {
  if (request.model) choose(request.model);
  const panel = { stroke: "draw", vary: "generate" }[request.task] ?? request.task;
  if (!studio.panels[panel]) return;
  show(panel);
  studio.panels[panel].restore?.(request);
}
studio.restore = restore;
studio.take = take;

addEventListener("dragover", (event) => {
  if (![...event.dataTransfer.types].includes("Files")) return;
  event.preventDefault();
  document.body.classList.add("dragging");
});
addEventListener("dragleave", (event) => event.relatedTarget || document.body.classList.remove("dragging"));
addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer.files[0]);
});
addEventListener("paste", (event) => {
  const file = [...event.clipboardData.files].find((file) => file.type.startsWith("image/"));
  if (file) take(file);
});

async function begin() {
  await refresh();
  Object.assign(studio.panels, {
    generate: new Generate(studio, document.getElementById("generate")),
    draw: new Draw(studio, document.getElementById("draw")),
    inpaint: new Inpaint(studio, document.getElementById("inpaint")),
    colorize: new Edit(studio, document.getElementById("colorize"), "colorize"),
    "super-resolve": new Edit(studio, document.getElementById("super-resolve"), "super-resolve"),
    denoise: new Edit(studio, document.getElementById("denoise"), "denoise"),
    interpolate: new Interpolate(studio, document.getElementById("interpolate")),
    history: new History(studio, document.getElementById("history")),
    training: new Training(studio, document.getElementById("training")),
    curve: new Curve(studio, document.getElementById("curve")),
  });
  for (const [name, text] of [["draw", "Draw over it"], ["inpaint", "Fill in"], ["colorize", "Color"], ["denoise", "Clean"]]) {
    uses.push({
      text,
      take: (view) => {
        show(name);
        studio.panels[name].setAddress(view.url).catch(sayError);
      },
    });
  }
  uses.push({ text: "More like it", take: (view, job) => (show("generate"), studio.panels.generate.vary(view, job)) });
  choose(settings.read("model", studio.models[0]?.id));
  const wanted = location.hash.slice(1) || settings.read("tab", "generate");
  show(studio.panels[wanted] ? wanted : "generate");
}

begin().catch(sayError);
