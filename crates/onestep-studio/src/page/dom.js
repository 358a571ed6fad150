// Elements, messages and settings that survive a reload.

/** Makes an element: properties, `on…` listeners, `aria-…` and `data-…` attributes, then children. */
export function el(name, settings = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(settings)) {
    if (value === undefined || value === null) continue;
    if (key.startsWith("on")) element.addEventListener(key.slice(2), value);
    else if (key in element && !key.startsWith("aria")) element[key] = value;
    else element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An input under its name. */
export function field(name, input) {
  return el("label", { className: "field" }, name, input);
}

/** A box to tick beside its name. */
export function check(name, input) {
  return el("label", { className: "check" }, input, name);
}

export function choice(options, value) {
  const select = el("select");
  for (const [key, text] of options) select.append(el("option", { value: key }, text));
  if (value !== undefined) select.value = value;
  return select;
}

let silence;
/** Says something to everybody, those who do not see the page among them. */
export function say(text, isError = false) {
  const status = document.getElementById("status");
  status.textContent = text;
  clearTimeout(silence);
  silence = setTimeout(() => (status.textContent = ""), isError ? 9000 : 4000);
}

export function sayError(error) {
  if (error?.name === "AbortError") return;
  say(error?.message ?? String(error), true);
}

/** Settings of the page, kept in this browser. */
export const settings = {
  read(key, otherwise) {
    try {
      const text = localStorage.getItem("onestep." + key);
      return text === null ? otherwise : JSON.parse(text);
    } catch {
      return otherwise;
    }
  },
  write(key, value) {
    try {
      localStorage.setItem("onestep." + key, JSON.stringify(value));
    } catch {
      // A browser that keeps nothing still shows everything.
    }
  },
};

export function evaluations(n) {
  return n === 1 ? "1 evaluation" : `${n} evaluations`;
}

export function duration(milliseconds) {
  if (milliseconds < 10) return `${milliseconds.toFixed(1)} ms`;
  if (milliseconds < 1000) return `${milliseconds.toFixed(0)} ms`;
  return `${(milliseconds / 1000).toFixed(1)} s`;
}

export function randomSeed() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}
