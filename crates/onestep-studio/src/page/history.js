// What was kept on the server, newest first.

import { ask, get } from "./api.js";
import { el, evaluations, say, sayError } from "./dom.js";
import { thumbnail } from "./results.js";

/** Images of an entry that are shown. */
const SHOWN = 8;

export class History {
  constructor(studio, section) {
    this.studio = studio;
    this.entries = el("div", { className: "entries" });
    this.more = el("button", { type: "button", onclick: () => this.load(this.oldest) }, "Older ones");
    section.append(
      el("p", {}, "Everything that was made here, kept on the server's disk until you take it away. Drop a saved picture on the page, and what made it is back."),
      this.entries,
      el("div", { className: "controls" }, this.more),
    );
  }

  shown() {
    this.entries.replaceChildren();
    this.load();
  }

  async load(before) {
    try {
      const page = await get(`/api/v1/history?limit=24${before ? `&before=${before}` : ""}`);
      this.more.hidden = !page.more;
      this.oldest = page.entries.at(-1)?.created_at;
      this.entries.append(...page.entries.map((entry) => this.card(entry)));
      if (!before && !page.entries.length) this.entries.append(el("p", { className: "quiet" }, "Nothing yet: generate something."));
    } catch (error) {
      sayError(error);
    }
  }

  card(entry) {
    const { request } = entry;
    const pictures = entry.images.slice(0, SHOWN).map((view, index) => thumbnail(view, entry, index));
    const more = entry.images.length - pictures.length;
    const time = new Date(entry.created_at).toLocaleString();
    const card = el(
      "article",
      { className: "card" },
      el("h2", {}, request.task),
      el("div", { className: "pictures" }, ...pictures),
      el("p", { className: "caption" }, [time, request.model, evaluations(entry.evaluations), more > 0 ? `${more} more` : null].filter(Boolean).join(" · ")),
      el(
        "div",
        { className: "controls" },
        el("button", { type: "button", onclick: () => this.studio.restore(request) }, "Bring back"),
        el(
          "button",
          {
            type: "button",
            onclick: async () => {
              if (!confirm("Take this away from the server, for good?")) return;
              try {
                await ask(`/api/v1/history/${entry.id}`, { method: "DELETE" });
                card.remove();
                say("It is gone.");
              } catch (error) {
                sayError(error);
              }
            },
          },
          "Take away",
        ),
      ),
    );
    return card;
  }
}
