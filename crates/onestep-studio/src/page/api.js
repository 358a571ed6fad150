// What the page asks the server.

let token = sessionStorage.getItem("onestep.token");

/** A refusal of the server. */
export class Refusal extends Error {
  constructor(status, problem) {
    super(problem?.message ?? `the server answered ${status}`);
    this.status = status;
    this.code = problem?.code;
  }
}

async function askToken() {
  const dialog = document.getElementById("login");
  dialog.showModal();
  await new Promise((done) => dialog.addEventListener("close", done, { once: true }));
  token = document.getElementById("token").value;
  sessionStorage.setItem("onestep.token", token);
}

export async function ask(path, options = {}) {
  const headers = new Headers(options.headers);
  if (token) headers.set("authorization", `Bearer ${token}`);
  let answer;
  try {
    answer = await fetch(path, { ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("the server does not answer; is it still running?");
  }
  if (answer.status === 401) {
    await askToken();
    return ask(path, options);
  }
  if (!answer.ok) {
    const body = await answer.json().catch(() => null);
    throw new Refusal(answer.status, body?.error);
  }
  return answer;
}

export async function get(path) {
  return (await ask(path)).json();
}

export async function post(path, value, options = {}) {
  const body = value === undefined ? undefined : JSON.stringify(value);
  const headers = body ? { "content-type": "application/json" } : {};
  return (await ask(path, { method: "POST", body, headers, ...options })).json();
}

/** A picture of the server as an address that an image element can load. */
const pictures = new Map();
export async function picture(url) {
  if (!token) return url;
  if (!pictures.has(url)) {
    const blob = await (await ask(url)).blob();
    pictures.set(url, URL.createObjectURL(blob));
  }
  return pictures.get(url);
}

/** Listens to server-sent events; `heard` gets the name and the data of each. */
export async function listen(path, heard, signal) {
  const answer = await ask(path, { signal, headers: { accept: "text/event-stream" } });
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    text += value;
    let end;
    while ((end = text.indexOf("\n\n")) >= 0) {
      const lines = text.slice(0, end).split("\n");
      text = text.slice(end + 2);
      const of = (name) => lines.filter((line) => line.startsWith(name + ":")).map((line) => line.slice(name.length + 1).trimStart());
      const data = of("data").join("\n");
      if (data) heard(of("event")[0] ?? "message", JSON.parse(data));
    }
  }
}

/** Asks for a job and waits for it; where the server has no room, again and again. */
export async function run(request, { heard = () => {}, signal, started = () => {} } = {}) {
  let job;
  for (;;) {
    try {
      job = await post("/api/v1/jobs", request, { signal });
      break;
    } catch (error) {
      if (error.status !== 429) throw error;
      await new Promise((done) => setTimeout(done, 1000));
    }
  }
  started(job);
  return follow(job, heard, signal);
}

/** Waits for a job that was asked for. */
export async function follow(job, heard = () => {}, signal) {
  if (job.status === "done") return job;
  let result;
  const cancel = () => post(`/api/v1/jobs/${job.id}/cancel`).catch(() => {});
  signal?.addEventListener("abort", cancel, { once: true });
  await listen(
    `/api/v1/jobs/${job.id}/events`,
    (name, data) => {
      heard(name, data);
      if (name === "done") result = data;
      if (name === "failed") throw new Refusal(500, data.error);
    },
    signal,
  );
  signal?.removeEventListener("abort", cancel);
  if (!result) throw new DOMException("cancelled", "AbortError");
  return result;
}

/** One image, at once: an address to show, and what it cost. */
export async function live(request, signal) {
  const answer = await ask("/api/v1/live", {
    method: "POST",
    body: JSON.stringify(request),
    headers: { "content-type": "application/json" },
    signal,
  });
  const number = (name) => Number(answer.headers.get(`x-onestep-${name}`));
  return { blob: await answer.blob(), milliseconds: number("milliseconds"), evaluations: number("evaluations") };
}
