// The page itself: offline, its own file list, embedding, file://, narrow, forced colours, keyboard, layout shift, print.

import { readdirSync, statSync } from "node:fs";
import { join, relative } from "node:path";
import { ELSEWHERE, give, named, pin } from "../driver.mjs";
import { POLICY } from "../server.mjs";
import { signedLayout } from "./10-check.mjs";

const VIEWS = ["check", "sign", "pins", "replay", "about"];

export const flows = {
  async "page: works offline after the first load, and takes a newer version"(flow) {
    const { key, tar } = await signedLayout(flow);
    const page = await flow.page({ serviceWorkers: "allow", expectErrors: true });
    await pin(page, key.pem, "release");
    await page.evaluate(() => navigator.serviceWorker.ready);
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null);
    const kept = await page.evaluate(async () => {
      const [name] = (await caches.keys()).filter((one) => one.startsWith("bulla-page-"));
      return (await (await caches.open(name)).keys()).map(({ url }) => new URL(url).pathname.slice(1) || "./");
    });
    const folder = (path) =>
      readdirSync(path).flatMap((name) =>
        statSync(join(path, name)).isDirectory()
          ? folder(join(path, name))
          : [relative(flow.env.web, join(path, name))],
      );
    const there = folder(flow.env.web)
      .filter((name) => !["index.html", "bulla.d.ts", "service-worker.js"].includes(name))
      .concat("./", "bulla.wasm")
      .sort();
    flow.equal(kept.sort().join(" "), there.join(" "), "the files that are kept");
    await page.locator('nav a[href="#check"]').click();
    await page.context().setOffline(true);
    await page.reload();
    await page.waitForSelector("html[data-ready]");
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict h2", "Accepted");
    await page.context().setOffline(false);
    flow.server.replaced["/bulla.css"] = Buffer.from("/* newer */ body { color: black; }");
    await page.reload();
    await flow.text(page, "#notices", "A newer version");
    await page.getByRole("button", { name: "Reload" }).click();
    await page.waitForFunction(() => [...document.styleSheets].some((sheet) => sheet.cssRules.length === 1));
  },

  async "page: every view in light, dark, narrow and forced colours, with axe"(flow) {
    for (const [scheme, options] of Object.entries({
      light: {},
      dark: { colorScheme: "dark" },
      narrow: { viewport: { width: 360, height: 780 } },
      forced: { forcedColors: "active" },
    })) {
      const page = await flow.page(options);
      for (const view of VIEWS) {
        await page.locator(`nav a[href="#${view}"]`).click();
        await page.locator(`#${view}`).waitFor();
        if (view === "about") await page.locator(".module-facts dl").waitFor();
        // Forced colours are the reader's own: there is no contrast to look at.
        if (scheme !== "forced") await flow.axe(page, `${view}, ${scheme}`);
        await flow.shot(page, `view-${view}-${scheme}`);
        const wide = await page.evaluate(() =>
          Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),
        );
        flow.equal(wide, 0, `pixels that ${view} is too wide, ${scheme}`);
      }
    }
    const { key, tar } = await signedLayout(flow);
    const page = await flow.page({ viewport: { width: 360, height: 780 }, colorScheme: "dark" });
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict h2", "Accepted");
    await flow.shot(page, "check-accepted-narrow-dark");
    flow.equal(
      await page.evaluate(() =>
        Math.max(0, document.documentElement.scrollWidth - document.documentElement.clientWidth),
      ),
      0,
      "pixels that a verdict is too wide",
    );
  },

  async "page: by keyboard alone; nothing shifts; printed whole"(flow) {
    const { key, tar } = await signedLayout(flow);
    const page = await flow.page({
      init: () => {
        // What moves at once when somebody does something is no shift. Browsers count half a second after it, and what is
        // drawn for it comes later on a machine with other work.
        const soon = 10_000;
        let acted = -soon;
        for (const kind of ["keydown", "pointerdown", "input", "change"])
          addEventListener(kind, ({ timeStamp }) => (acted = timeStamp), true);
        window.shifts = 0;
        new PerformanceObserver((list) =>
          list.getEntries().forEach((entry) => {
            if (!entry.hadRecentInput && entry.startTime - acted > soon) window.shifts += entry.value;
          }),
        ).observe({ type: "layout-shift", buffered: true });
      },
    });
    await page.keyboard.press("Tab");
    flow.equal(await page.evaluate(() => document.activeElement.className), "skip", "the first stop");
    for (let count = 0; count < 4; count += 1) await page.keyboard.press("Tab");
    flow.equal(await page.evaluate(() => document.activeElement.hash), "#pins", "the way to the pins");
    await page.keyboard.press("Enter");
    await page.locator("#pins h1").waitFor();
    flow.equal(await page.evaluate(() => document.activeElement.tagName), "H1", "focus after a change of view");
    await page.keyboard.press("Tab");
    await page.keyboard.insertText(key.pem);
    await page.keyboard.press("Tab");
    await page.keyboard.press("Enter");
    await page.locator(".proposal").waitFor();
    await page.keyboard.insertText("by keyboard");
    await page.keyboard.press("Enter");
    await flow.text(page, "#pins .cards", "by keyboard");
    await page.locator('nav a[href="#check"]').press("Enter");
    await give(page, named("app.tar", tar));
    await flow.text(page, ".verdict h2", "Accepted");
    await page.locator(".tree summary").first().press("Enter");
    await page.getByRole("button", { name: "the manifest" }).press("Enter");
    flow.equal(await page.evaluate(() => document.activeElement.tagName), "SUMMARY", "focus at the evidence");
    const shifts = await page.evaluate(() => window.shifts);
    flow.expect(shifts < 0.1, `a layout shift under 0.1, not ${shifts}`);
    await page.emulateMedia({ media: "print" });
    await page.evaluate(() => dispatchEvent(new Event("beforeprint")));
    await page.screenshot({ path: `${flow.shots}/print-accepted.png`, fullPage: true });
    flow.expect(
      !(await page.locator("nav").isVisible()) && (await page.locator(".verdict h2").isVisible()),
      "only the verdict on paper",
    );
    return `layout shift ${shifts.toFixed(4)}`;
  },

  async "page: opened from file://, without a secure context, with another module"(flow) {
    flow.equal(POLICY.match(/[\w-]*unsafe[\w-]*/g).join(" "), "wasm-unsafe-eval", "what is unsafe in the policy");
    const context = await flow.browser.newContext();
    const local = await context.newPage();
    await local.goto(`file://${flow.env.web}/index.html`);
    await local.locator(".late").waitFor({ state: "visible" });
    flow.expect((await local.locator(".late").innerText()).includes("bulla serve"), "what to do");
    await local.screenshot({ path: `${flow.shots}/from-file.png` });
    await context.close();
    const elsewhere = flow.server.origin.replace("127.0.0.1", ELSEWHERE);
    const insecure = await flow.page({ origin: elsewhere, ready: false, expectErrors: true });
    await flow.text(insecure, ".page-wide", "over https, or on localhost");
    flow.server.replaced["/bulla.wasm"] = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
    const page = await flow.page({ ready: false, expectErrors: true });
    await flow.text(page, ".page-wide", "not Bulla's module");
    await flow.shot(page, "other-module-light");
    delete flow.server.replaced["/bulla.wasm"];
    const about = await flow.page({ hash: "#about" });
    await about.getByLabel("Digest that you know").fill("7".repeat(64));
    await flow.text(about, ".comparison", "another module");
    await about.getByRole("button", { name: "Pin this digest" }).click();
    await flow.text(about, ".comparison", "It is kept");
    await about.reload();
    await flow.text(about, ".page-wide", "not the module that you pinned");
    await flow.shot(about, "about-another-digest-light");
    await about.getByLabel("Digest that you know").fill(flow.fixtures.module.digest);
    await flow.text(about, ".comparison", "the same module");
  },

  async "embedding: check, sign and replay from one module"(flow) {
    const { key, tar, image, name } = await signedLayout(flow);
    const page = await flow.page();
    const { outcome, again, octets } = await page.evaluate(
      async ({ pem, file, archive, image: reference }) => {
        const { check, sign } = await import("./bulla.js");
        const bytes = (text) => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
        const files = [{ path: "app.tar", file: new Blob([bytes(archive)]) }];
        const first = await check({ image: reference, keys: [pem], files });
        const signed = await sign({ images: [{ image: reference }], key: { file: bytes(file) } });
        const second = await check({
          image: reference,
          keys: [new TextDecoder().decode(signed.publicKey)],
          files: [...files, { path: "signatures.tar", file: signed.archive }],
        });
        return { outcome: first.verdict.outcome, again: second.verdict.outcome, octets: first.header.length };
      },
      {
        pem: key.pem,
        file: Buffer.from(key.file).toString("base64"),
        archive: tar.toString("base64"),
        image: `${name}@${image.digest}`,
      },
    );
    flow.equal(`${outcome} ${again}`, "accept accept", "the outcomes");
    flow.expect(octets > 100, "the answer's octets");
  },
};
