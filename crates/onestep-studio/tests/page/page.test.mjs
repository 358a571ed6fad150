// The page, used as a person would: by mouse, by keyboard, by touch. Run by .ci/studio, which starts the server.
//
// STUDIO is the address of the server, SHOTS a folder for pictures of the page, CHROMIUM the browser.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { after, before, test } from "node:test";
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";

const { STUDIO, SHOTS = "shots", CHROMIUM = "/usr/bin/chromium" } = process.env;
const TABS = ["generate", "draw", "inpaint", "colorize", "super-resolve", "denoise", "interpolate", "history", "training", "curve"];
const WIDE = { viewport: { width: 1280, height: 900 } };
const NARROW = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };

let browser;
const elsewhere = [];
const faults = [];

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await chromium.launch({ executablePath: CHROMIUM, args: ["--no-sandbox"] });
});
after(() => browser.close());

/** A page of a new visitor. */
async function visit(options = WIDE, tab = "generate") {
  const context = await browser.newContext({ ...options, acceptDownloads: true });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  page.on("request", (request) => {
    const url = request.url();
    if (!url.startsWith(STUDIO) && !/^(blob|data):/.test(url)) elsewhere.push(url);
  });
  page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
  page.on("pageerror", (error) => faults.push(String(error)));
  await page.goto(`${STUDIO}/#${tab}`);
  await page.locator(`#tab-${tab}[aria-selected=true]`).waitFor();
  return page;
}

const sourceOf = (page, selector) => page.locator(selector).first().evaluate((image) => image.src);

/** What is painted, as text that changes with it. */
const painted = (page, selector) => page.locator(selector).first().evaluate((canvas) => canvas.toDataURL());

async function stroke(page, selector, from, to) {
  const box = await page.locator(selector).boundingBox();
  const at = ([x, y]) => [box.x + box.width * x, box.y + box.height * y];
  await page.mouse.move(...at(from));
  await page.mouse.down();
  await page.mouse.move(...at(to), { steps: 12 });
  await page.mouse.up();
}

test("the same seeds in one, two and four steps, by mouse", async () => {
  const page = await visit();
  await page.locator("#generate article:nth-child(3) .caption", { hasText: "4 evaluations" }).waitFor();
  assert.equal(await page.locator("#generate article").count(), 3);
  assert.equal(await page.locator("#generate article:nth-child(1) .picture").count(), 8);
  const seed = page.getByLabel("Seed", { exact: true }).first();
  await page.getByLabel("Keep the seed").check();
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await page.locator("#generate article:nth-child(3) .caption", { hasText: "4 evaluations" }).waitFor();
  assert.equal(await seed.inputValue(), "0");
  await page.getByLabel("Keep the seed").uncheck();
  await page.getByRole("button", { name: "Generate", exact: true }).click();
  await page.waitForFunction(() => document.querySelector("#generate input[type=number]").value !== "0");
  // An image opens, and more like it are drawn.
  await page.locator("#generate article:nth-child(3) .picture").first().click();
  await page.getByRole("button", { name: "More like it" }).click();
  await page.locator("#generate h2", { hasText: "Near seed" }).waitFor();
  await page.locator("#generate .picture").nth(11).waitFor();
  await page.screenshot({ path: `${SHOTS}/variations.png` });
  await page.context().close();
});

test("tabs and canvas, by keyboard alone", async () => {
  const page = await visit();
  await page.locator("#tab-generate").focus();
  await page.keyboard.press("ArrowRight");
  assert.equal(await page.locator("#tab-draw").getAttribute("aria-selected"), "true");
  await page.locator("#live-cost", { hasText: "evaluation" }).waitFor();
  const [before, result] = [await painted(page, "#draw canvas"), await sourceOf(page, "#draw .compare img")];
  await page.locator("#draw .easel").focus();
  for (const key of ["ArrowLeft", "ArrowUp", "]", "]", "Space", "ArrowLeft", "Space"]) await page.keyboard.press(key);
  const after = await painted(page, "#draw canvas");
  assert.notEqual(after, before);
  await page.waitForFunction((old) => document.querySelector("#draw .compare img").src !== old, result);
  await page.keyboard.press("z");
  await page.keyboard.press("z");
  assert.equal(await painted(page, "#draw canvas"), before);
  await page.keyboard.press("Shift+Z");
  await page.keyboard.press("Shift+Z");
  assert.equal(await painted(page, "#draw canvas"), after);
  await page.locator("#tab-draw").focus();
  await page.keyboard.press("End");
  assert.equal(await page.locator("#tab-curve").getAttribute("aria-selected"), "true");
  await page.context().close();
});

test("a drawing is followed live, and survives a reload", async () => {
  const page = await visit(WIDE, "draw");
  await page.locator("#live-cost", { hasText: "evaluation" }).waitFor();
  for (let i = 0; i < 6; i++) await stroke(page, "#draw .easel", [0.2, 0.2 + i / 10], [0.8, 0.25 + i / 10]);
  await page.locator("#live-cost", { hasText: "4 evaluations" }).waitFor();
  const seen = await page.evaluate(() => window.onestepLatencies.filter(({ steps }) => steps === 1).map(({ latency }) => latency));
  assert.ok(seen.length > 5, "images came while the hand moved");
  seen.sort((a, b) => a - b);
  const at = (share) => seen[Math.floor(share * (seen.length - 1))].toFixed(0);
  console.log(`from hand to picture: median ${at(0.5)} ms, 95 % ${at(0.95)} ms, of ${seen.length}`);
  await page.screenshot({ path: `${SHOTS}/drawing.png` });
  const drawing = await painted(page, "#draw canvas");
  await page.reload();
  await page.locator("#live-cost", { hasText: "evaluation" }).waitFor();
  assert.equal(await painted(page, "#draw canvas"), drawing);
  await page.getByRole("button", { name: "Keep it" }).click();
  await page.locator("#status", { hasText: "history" }).waitFor();
  await page.context().close();
});

test("a drawing by touch, on a narrow screen", async () => {
  const page = await visit(NARROW, "draw");
  await page.locator("#live-cost", { hasText: "evaluation" }).waitFor();
  const before = await painted(page, "#draw canvas");
  await page.locator("#draw .easel").tap({ position: { x: 60, y: 60 } });
  assert.notEqual(await painted(page, "#draw canvas"), before);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
  assert.equal(wide, false, "nothing is wider than the screen");
  await page.context().close();
});

test("what is marked is filled in", async () => {
  const page = await visit(WIDE, "inpaint");
  const mask = "#inpaint canvas.over";
  await page.waitForFunction(() => document.querySelector("#inpaint canvas.over").getContext("2d").getImageData(8, 7, 1, 1).data[3] > 0);
  const eyes = await painted(page, mask);
  await stroke(page, "#inpaint .easel", [0.3, 0.8], [0.7, 0.8]);
  assert.notEqual(await painted(page, mask), eyes);
  await page.locator("#inpaint").getByRole("button", { name: "Undo" }).click();
  assert.equal(await painted(page, mask), eyes);
  await page.locator("#inpaint").getByRole("button", { name: "Invert" }).click();
  assert.notEqual(await painted(page, mask), eyes);
  await page.locator("#inpaint").getByRole("button", { name: "Invert" }).click();
  await page.locator("#inpaint").getByRole("button", { name: "Eraser" }).click();
  await stroke(page, "#inpaint .easel", [0.3, 0.45], [0.7, 0.45]);
  await page.locator("#inpaint form").getByRole("button", { name: "Fill in" }).click();
  await page.locator("#inpaint .pictures .picture").nth(3).waitFor();
  await page.locator("#inpaint .compare img").nth(1).waitFor();
  await page.locator("#inpaint input[type=range]").last().fill("20");
  await page.locator("#inpaint").getByRole("button", { name: "Clear" }).click();
  await page.locator("#inpaint form").getByRole("button", { name: "Fill in" }).click();
  await page.locator("#status", { hasText: "Mark what" }).waitFor();
  await page.context().close();
});

test("pictures are colored, enlarged and cleaned", async () => {
  const page = await visit();
  for (const [tab, verb] of [["colorize", "Color"], ["super-resolve", "Enlarge"], ["denoise", "Clean"]]) {
    await page.locator(`#tab-${tab}`).click();
    if (tab === "denoise") await page.getByRole("button", { name: "Add noise" }).click();
    await page.locator(`#${tab} form`).getByRole("button", { name: verb }).click();
    await page.locator(`#${tab} .pictures .picture`).nth(3).waitFor();
    await page.locator(`#${tab} .caption`, { hasText: "4 evaluations" }).waitFor();
  }
  await page.context().close();
});

test("a slider goes from one image to another", async () => {
  const page = await visit(WIDE, "interpolate");
  await page.locator("#interpolate .pictures .picture").nth(15).waitFor();
  const first = await sourceOf(page, "#interpolate .compare img");
  await page.getByLabel("On the way").fill("9");
  assert.notEqual(await sourceOf(page, "#interpolate .compare img"), first);
  await page.context().close();
});

test("a saved picture that is dropped brings back what made it", async () => {
  const page = await visit();
  await page.locator("#generate article:nth-child(3) .caption", { hasText: "4 evaluations" }).waitFor();
  const url = await sourceOf(page, "#generate article:nth-child(2) .picture:nth-child(3) img");
  const bytes = [...new Uint8Array(await (await fetch(url)).arrayBuffer())];
  await page.locator("#tab-history").click();
  await page.evaluate((bytes) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(bytes)], "saved.png", { type: "image/png" }));
    document.body.dispatchEvent(new DragEvent("drop", { bubbles: true, cancelable: true, dataTransfer: data }));
  }, bytes);
  await page.locator("#tab-generate[aria-selected=true]").waitFor();
  await page.locator("#generate h2", { hasText: "2 steps" }).waitFor();
  await page.locator("#generate .picture img").first().waitFor();
  assert.equal(await page.locator("#generate input[type=number]").first().inputValue(), "2");
  // From the history, too.
  await page.locator("#tab-history").click();
  await page.locator("#history article").first().waitFor();
  const n = await page.locator("#history article").count();
  page.on("dialog", (dialog) => dialog.accept());
  await page.locator("#history article").first().getByRole("button", { name: "Take away" }).click();
  await page.waitForFunction((n) => document.querySelectorAll("#history article").length === n - 1, n);
  await page.locator("#history article").first().getByRole("button", { name: "Bring back" }).click();
  await page.waitForFunction(() => !document.querySelector("#tab-history[aria-selected=true]"));
  await page.context().close();
});

test("a run is begun, watched and stopped", async () => {
  const page = await visit(WIDE, "training");
  await page.locator("#training option[value=portraits-ect]").waitFor({ state: "attached" });
  await page.getByLabel("Recipe").selectOption("portraits-ect");
  await page.getByLabel("Name").fill(`run-${Date.now()}`);
  await page.getByLabel("Steps", { exact: true }).last().fill("60");
  await page.getByRole("button", { name: "Train", exact: true }).click();
  await page.locator("#training .caption", { hasText: "running" }).waitFor();
  await page.locator("#training .strip figure").nth(2).waitFor();
  await page.locator("#training polyline").first().waitFor();
  await page.screenshot({ path: `${SHOTS}/run.png`, fullPage: true });
  await page.getByRole("button", { name: "Save and stop" }).click();
  await page.locator("#training .caption", { hasText: /stopped|finished/ }).waitFor();
  await page.getByRole("button", { name: "Draw from it" }).click();
  await page.locator("#generate .picture").first().waitFor();
  await page.context().close();
});

test("the curve is measured", async () => {
  const page = await visit(WIDE, "curve");
  await page.getByLabel("Images a point").selectOption("32");
  await page.getByRole("button", { name: "Measure", exact: true }).click();
  await page.locator("#curve table tbody tr").nth(3).waitFor({ timeout: 60_000 });
  await page.screenshot({ path: `${SHOTS}/measured.png` });
  await page.context().close();
});

test("nobody is shut out, in light, dark and narrow", async () => {
  for (const [name, options] of [["light", WIDE], ["dark", { ...WIDE, colorScheme: "dark" }], ["narrow", NARROW]]) {
    const page = await visit(options);
    for (const tab of TABS) {
      await page.locator(`#tab-${tab}`).click();
      await page.waitForTimeout(400);
      await page.screenshot({ path: `${SHOTS}/${tab}-${name}.png` });
      const { violations } = await new AxeBuilder({ page }).analyze();
      const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
      const told = serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 120)).join(" | ")}`);
      assert.deepEqual(told, [], `${tab}, ${name}`);
    }
    await page.goto(`${STUDIO}/docs`);
    await page.locator("article").nth(20).waitFor();
    await page.screenshot({ path: `${SHOTS}/docs-${name}.png` });
    await page.context().close();
  }
});

test("nothing was loaded from elsewhere, and nothing went wrong", () => {
  assert.deepEqual(elsewhere, []);
  assert.deepEqual(faults, []);
});
