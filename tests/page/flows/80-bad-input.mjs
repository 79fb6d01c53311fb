// What people drop that is large, broken or hostile.

import { closeSync, ftruncateSync, mkdirSync, openSync, statSync, writeSync } from "node:fs";
import { join } from "node:path";
import { give, named, pin } from "../driver.mjs";
import { signedLayout } from "./10-check.mjs";

/** One header of an archive, for names that no writer of ours writes. */
function header(path, size, type = "0") {
  const block = Buffer.alloc(512);
  block.write(path, 0);
  block.write("0000644\0", 100);
  block.write(`${size.toString(8).padStart(11, "0")}\0`, 124);
  block.write("        ", 148);
  block.write(type, 156);
  block.write("ustar\x0000", 257);
  block.write(
    `${block
      .reduce((sum, octet) => sum + octet, 0)
      .toString(8)
      .padStart(6, "0")}\0 `,
    148,
  );
  return block;
}

async function refused(flow, page, name, bytes, said) {
  await give(page, named(name, bytes));
  await flow.text(page, ".items .wrong", said);
  await page.getByRole("button", { name: "Clear" }).click();
}

/** Milliseconds from one frame to the next. Three intervals of a display, which are 50 ms but for what clocks round. */
const LONGEST_FRAME = 51;

export const flows = {
  async "bad input: two gigabytes of layout, read in place"(flow) {
    const { fixtures } = flow;
    const { key, image, name } = await signedLayout(flow, { content: "large" });
    const plans = await fixtures.signed([{ image: `${name}@${image.digest}` }], key);
    const small = fixtures.layoutFiles({ [name]: image }, plans);
    mkdirSync(flow.env.scratch, { recursive: true });
    const path = join(flow.env.scratch, "large.tar");
    const file = openSync(path, "w");
    let at = 0;
    const put = (bytes) => {
      at += writeSync(file, bytes, 0, bytes.length, at);
    };
    const layer = 2 * 1024 ** 3;
    put(header(`blobs/sha256/${"a".repeat(64)}`, layer));
    at += layer;
    ftruncateSync(file, at);
    for (const [inner, bytes] of small) {
      put(header(inner, bytes.length));
      put(Buffer.from(bytes));
      put(Buffer.alloc((512 - (bytes.length % 512)) % 512));
    }
    put(Buffer.alloc(1024));
    closeSync(file);
    const page = await flow.page();
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    const start = performance.now();
    await give(page, path);
    await flow.text(page, ".verdict h2", "Accepted");
    const took = Math.round(performance.now() - start);
    const said = `${(statSync(path).size / 1024 ** 3).toFixed(2)} GiB in ${took} ms`;
    // Where there is nothing else to do: reading all of it would take longer.
    if (flow.env.timed) flow.expect(took < 5000, `under 5 s, not ${said}`);
    return said;
  },

  async "bad input: archives that lie, wrong files, wrong keys"(flow) {
    const { key, tar } = await signedLayout(flow);
    const page = await flow.page();
    await refused(
      flow,
      page,
      "traversal.tar",
      Buffer.concat([header("../../etc/passwd", 0), Buffer.alloc(1024)]),
      "leads out of the archive",
    );
    await refused(
      flow,
      page,
      "absolute.tar",
      Buffer.concat([header("/etc/passwd", 0), Buffer.alloc(1024)]),
      "leads out of the archive",
    );
    await refused(flow, page, "link.tar", Buffer.concat([header("index.json", 0, "2"), Buffer.alloc(1024)]), "a link");
    await refused(
      flow,
      page,
      "twice.tar",
      Buffer.concat([header("index.json", 0), header("index.json", 0), Buffer.alloc(1024)]),
      "twice",
    );
    await refused(flow, page, "cut.tar", tar.subarray(0, 3000), "cut short");
    await refused(
      flow,
      page,
      "docker.tar",
      Buffer.concat([header("manifest.json", 0), Buffer.alloc(1024)]),
      "no OCI layout",
    );
    const damaged = Buffer.from(tar);
    damaged[1024 + 200] ^= 1;
    await refused(flow, page, "damaged.tar", damaged, /damaged|cut short/);
    await refused(flow, page, "app.tar.gz", Buffer.from([0x1f, 0x8b, 8, 0, 0]), "compressed");
    await refused(flow, page, "notes.txt", "hello", "nothing that this page knows");
    await refused(flow, page, "empty", "", "is empty");
    await refused(flow, page, "private.key", key.file, "private key");
    await refused(flow, page, "policy.yaml", "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nspecs: {}\n", "specs");
    await give(page, [
      named("traversal.tar", Buffer.concat([header("../x", 0), Buffer.alloc(1024)])),
      named("notes.txt", "hello"),
      named("private.key", key.file),
      named("policy.yaml", "apiVersion: bulla.dev/v1alpha1\nkind: ImagePolicy\nspecs: {}\n"),
    ]);
    await flow.text(page, ".items .wrong", "leads out");
    await flow.axe(page, "files that are wrong");
    await flow.shot(page, "bad-files-light");
    await page.getByRole("button", { name: "Clear" }).click();
    // A manifest that was changed has another digest, and no evidence says otherwise.
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    const changed = Buffer.from(tar);
    const at = changed.indexOf("simplesigning");
    changed[at] ^= 1;
    await give(page, named("changed.tar", changed));
    await flow.text(page, ".verdict h2", /Rejected|Not known/);
    await flow.shot(page, "check-changed-light");
  },

  async "bad input: two hundred images, no long frame; cancelled in the middle"(flow) {
    const { fixtures } = flow;
    const key = await fixtures.key();
    const images = Object.fromEntries(
      Array.from({ length: 200 }, (_, n) => [`registry.example/shop/app-${n}:1`, fixtures.image(`many ${n}`)]),
    );
    const plans = await fixtures.signed(
      Object.entries(images)
        .slice(0, 150)
        .map(([name, { digest }]) => ({ image: `${name}@${digest}` })),
      key,
    );
    const tar = await fixtures.tar(fixtures.layoutFiles(images, plans));
    const page = await flow.page();
    await pin(page, key.pem, "release");
    await page.locator('nav a[href="#check"]').click();
    await give(page, named("many.tar", tar));
    const start = page.getByRole("button", { name: "Check 200 images" });
    await start.waitFor();
    await page.evaluate(() => {
      window.longest = 0;
      let last = performance.now();
      const tick = (now) => {
        window.longest = Math.max(window.longest, now - last);
        last = now;
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
      window.tasks = [];
      // A long frame is counted for what blocked in it over 50 ms.
      new PerformanceObserver((list) =>
        window.tasks.push(
          ...list
            .getEntries()
            .map(({ blockingDuration }) => blockingDuration)
            .filter((blocked) => blocked > 0),
        ),
      ).observe({ type: "long-animation-frame" });
    });
    // A busy machine makes any frame long now and then; one that the page makes long is so every time.
    let best = null;
    for (let attempt = 0; attempt < (flow.env.timed ? 5 : 1) && !(best?.longest < LONGEST_FRAME); attempt += 1) {
      await page.evaluate(() => {
        [window.longest, window.tasks] = [0, []];
      });
      const began = performance.now();
      await start.click();
      await flow.text(page, ".tally", "150 accepted, 50 rejected, 0 not known");
      const took = Math.round(performance.now() - began);
      const seen = await page.evaluate(() => ({ longest: window.longest, tasks: window.tasks }));
      if (!best || seen.longest < best.longest) best = { ...seen, took };
    }
    const { longest, tasks, took } = best;
    await page.locator(".list > .line").nth(3).locator("summary").first().click();
    await page.locator(".list .verdict").waitFor();
    await flow.shot(page, "check-many-light");
    // axe looks at every pair of elements: a few lines are as good as two hundred.
    await page.evaluate(() =>
      [...document.querySelectorAll(".list > .line, .choices > .row")].forEach(
        (line, at) => at % 100 > 5 && line.remove(),
      ),
    );
    await flow.axe(page, "many images");
    await start.click();
    await page.getByRole("button", { name: "Cancel" }).click();
    await flow.text(page, ".results .note", "Cancelled.");
    await start.click();
    await flow.text(page, ".tally", "150 accepted");
    if (flow.env.timed) {
      flow.equal(tasks.length, 0, `frames that were blocked for over 50 ms (and by ${tasks.join(", ")} ms more)`);
      flow.expect(longest < LONGEST_FRAME, `no frame over 50 ms; the longest took ${Math.round(longest)} ms`);
    }
    return `200 images in ${took} ms; longest frame ${Math.round(longest)} ms, ${tasks.length} blocked for over 50 ms`;
  },
};
