// Images that came back: small ones to look through, one large with what made it and what can be done with it.

import { picture } from "./api.js";
import { el, evaluations } from "./dom.js";

/** What can be done with a picture, by the tabs; filled by the page. */
export const uses = [];

/** An image element of a picture of the server. */
export function image(url, alt) {
  const element = el("img", { alt, className: "pixels", loading: "lazy" });
  picture(url).then((source) => (element.src = source), () => {});
  return element;
}

/** An image that opens large. */
export function thumbnail(view, job, index) {
  const name = `Seed ${view.seed}${view.class ? `, ${view.class}` : ""}`;
  return el("button", { className: "picture", type: "button", title: name, onclick: () => open(view, job, index) }, image(view.url, name));
}

async function open(view, job) {
  const dialog = document.getElementById("viewer");
  const source = await picture(view.url);
  const close = () => dialog.close();
  const use = ({ text, take }) =>
    el("button", { type: "button", onclick: () => (close(), take(view, job)) }, text);
  const facts = [
    `seed ${view.seed}`,
    view.class,
    job.request.model,
    job.evaluations ? evaluations(job.evaluations) : null,
  ].filter(Boolean);
  dialog.replaceChildren(
    image(view.url, `Seed ${view.seed}`),
    el("p", { className: "caption" }, facts.join(" · ")),
    el(
      "div",
      { className: "controls" },
      ...uses.map(use),
      el("a", { className: "button", href: source, download: `onestep-${view.seed}.png` }, "Save"),
      el("button", { type: "button", onclick: close }, "Close"),
    ),
  );
  dialog.showModal();
}

/** Before and after, with a handle between them. */
export function compare(before, after, alt) {
  const [first, second] = [image(before, `Before: ${alt}`), image(after, `After: ${alt}`)];
  const clip = (share) => (second.style.clipPath = `inset(0 0 0 ${share}%)`);
  const handle = el("input", { type: "range", min: 0, max: 100, value: 50, oninput: (event) => clip(event.target.value) });
  clip(50);
  return el(
    "div",
    {},
    el("div", { className: "compare" }, first, second),
    el("label", { className: "check" }, "Before", handle, "After"),
  );
}
