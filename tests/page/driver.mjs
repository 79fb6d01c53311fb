// What flows share: a browser, pages that fail on what must not happen, screenshots, small expectations.

import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

/** Milliseconds for any one thing that a flow waits for; on a machine with other work. */
const PATIENCE = 60_000;
/** A name for loopback that browsers do not take for it. */
export const ELSEWHERE = "page.test";
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

export async function launch(executablePath) {
  return chromium.launch({
    executablePath,
    args: ["--no-sandbox", "--disable-gpu", `--host-resolver-rules=MAP ${ELSEWHERE} 127.0.0.1`],
  });
}

/** One flow's world: pages in a context of its own. */
export class Flow {
  #contexts = [];
  #problems = [];
  #broke;
  /** Ends a flow at the first error in its page: whatever it waits for would not come. */
  broken = new Promise((_, reject) => {
    this.#broke = reject;
  });

  constructor({ browser, server, fixtures, shots, env }) {
    Object.assign(this, { browser, server, fixtures, shots, env });
    mkdirSync(shots, { recursive: true });
  }

  /** A page whose errors, refused contents and requests to elsewhere are failures of the flow. */
  async page({
    hash = "",
    origin = this.server.origin,
    allowed = [],
    serviceWorkers = "block",
    expectErrors = false,
    ready = true,
    init,
    ...options
  } = {}) {
    const context = await this.browser.newContext({
      viewport: { width: 1180, height: 900 },
      acceptDownloads: true,
      serviceWorkers,
      ...options,
    });
    this.#contexts.push(context);
    context.setDefaultTimeout(PATIENCE);
    if (init) await context.addInitScript(init);
    const page = await context.newPage();
    page.requested = [];
    context.on("request", (request) => {
      const url = request.url();
      page.requested.push(`${request.method()} ${url}`);
      if (!url.startsWith(origin) && !/^(blob|data):/.test(url) && !allowed.some((other) => url.startsWith(other)))
        this.#problems.push(`a request left the page's origin: ${url}`);
    });
    page.on("pageerror", (error) => {
      this.#problems.push(`error in the page: ${error.message}`);
      this.#broke(new Error("the page is broken"));
    });
    page.on("console", (message) => {
      if (message.type() === "error" && !expectErrors) this.#problems.push(`console: ${message.text()}`);
    });
    await page.goto(`${origin}/${hash}`);
    if (ready) await page.waitForSelector("html[data-ready]");
    return page;
  }

  /** A screenshot of the whole page, kept as output. */
  async shot(page, name) {
    await page.evaluate(() => document.activeElement?.blur());
    await page.screenshot({ path: `${this.shots}/${name}.png`, fullPage: true, animations: "disabled" });
  }

  /** Holds the page against WCAG 2.2 AA. */
  async axe(page, what) {
    await page.evaluate(axe);
    const { violations } = await page.evaluate(() =>
      window.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] }),
    );
    for (const { id, help, nodes } of violations)
      this.#problems.push(
        `axe, ${what}: ${id}: ${help} (${nodes
          .slice(0, 3)
          .map(({ target }) => target.join(" "))
          .join("; ")})`,
      );
  }

  expect(holds, what) {
    if (!holds) throw new Error(`expected: ${what}`);
  }

  equal(got, want, what) {
    if (got !== want) throw new Error(`${what}: got ${JSON.stringify(got)}, expected ${JSON.stringify(want)}`);
  }

  async text(page, selector, pattern) {
    const found = page.locator(selector).filter({ hasText: pattern }).first();
    await found.waitFor();
    return found.innerText();
  }

  async end() {
    for (const context of this.#contexts) await context.close();
    if (this.#problems.length) throw new Error([...new Set(this.#problems)].slice(0, 8).join("\n      "));
  }
}

/** Gives files to the nth place for files of the view that is shown; `folder` for the choice of folders. */
export async function give(page, files, { view = "check", place = 0 } = {}) {
  await page.locator(`#${view} .drop`).nth(place).locator('input[type="file"]').first().setInputFiles(files);
}

export const named = (name, buffer) => ({ name, mimeType: "application/octet-stream", buffer: Buffer.from(buffer) });

/** Pins a key through the page. */
export async function pin(page, pem, label, scope = "") {
  await page.locator('nav a[href="#pins"]').click();
  await page.locator("#pins form textarea").first().fill(pem);
  await page.getByRole("button", { name: "Look at it" }).click();
  const proposal = page.locator(".proposal");
  await proposal.getByLabel("Name it").fill(label);
  if (scope) await proposal.getByLabel("Only for these images").fill(scope);
  await proposal.getByRole("button", { name: "Pin it" }).click();
  await page.locator("#pins .cards h3", { hasText: label }).first().waitFor();
}

/** What a button saves. */
export async function saved(page, act) {
  const waiting = page.waitForEvent("download");
  await act();
  const download = await waiting;
  return { name: download.suggestedFilename(), bytes: readFileSync(await download.path()) };
}
