// The description of the API, to read.

import { el } from "./dom.js";

const main = document.getElementById("main");
const api = await (await fetch("/openapi.json")).json();
const named = (schema) => {
  if (!schema) return "";
  if (schema.$ref) return schema.$ref.split("/").at(-1);
  if (schema.type === "array") return `${named(schema.items)}[]`;
  const types = [schema.type].flat().filter(Boolean);
  const options = (schema.oneOf ?? schema.anyOf ?? []).map(named).filter((name) => name && name !== "null");
  return [...types.filter((type) => type !== "null"), ...options].join(" or ") || "any";
};
const fields = (name) => {
  const schema = api.components.schemas[name];
  if (schema?.enum) return el("p", {}, schema.enum.map((value) => JSON.stringify(value)).join(", "));
  const rows = Object.entries(schema?.properties ?? {}).map(([key, value]) =>
    el("tr", {}, el("td", {}, el("code", {}, key), schema.required?.includes(key) ? " *" : ""), el("td", {}, named(value)), el("td", {}, value.description ?? "")),
  );
  return rows.length ? el("table", {}, el("tbody", {}, ...rows)) : null;
};
const groups = new Map(api.tags.map((tag) => [tag.name, { tag, cards: [] }]));
for (const [path, methods] of Object.entries(api.paths)) {
  for (const [method, operation] of Object.entries(methods)) {
    const body = operation.requestBody?.content;
    const request = body ? named(Object.values(body)[0].schema) : null;
    const answers = Object.entries(operation.responses).map(([status, answer]) =>
      el("tr", {}, el("td", {}, status), el("td", {}, answer.description), el("td", {}, Object.entries(answer.content ?? {}).map(([kind, { schema }]) => `${kind}: ${named(schema)}`).join("; "))),
    );
    groups.get(operation.tags[0])?.cards.push(
      el(
        "article",
        { className: "card" },
        el("h3", {}, el("code", {}, `${method.toUpperCase()} ${path}`)),
        el("p", {}, operation.summary ?? "", " ", operation.description ?? ""),
        request && api.components.schemas[request] ? el("details", {}, el("summary", {}, `asked with ${Object.keys(body)[0]}: ${request}`), fields(request)) : null,
        el("details", {}, el("summary", {}, "answers"), el("table", {}, el("tbody", {}, ...answers))),
      ),
    );
  }
}
const host = location.host;
main.replaceChildren(
  el("p", {}, api.info.description, " Clients of OpenAI's API need nothing but the address:"),
  el("pre", {}, `from openai import OpenAI\nclient = OpenAI(base_url="http://${host}/v1", api_key="the token, or anything")\nimage = client.images.generate(prompt="", size="256x256")\n\ncurl http://${host}/api/v1/jobs -H 'content-type: application/json' -d '{"task": "generate", "n": 4}'`),
  ...[...groups.values()].flatMap(({ tag, cards }) => [el("h2", {}, tag.name), el("p", { className: "quiet" }, tag.description), ...cards]),
  el("h2", {}, "Schemas"),
  ...Object.keys(api.components.schemas).map((name) => el("details", {}, el("summary", {}, name), fields(name))),
);
