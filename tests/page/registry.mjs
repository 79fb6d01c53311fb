// A registry on loopback, and what copies images to it.

import { execFile, spawn } from "node:child_process";
import { writeFileSync } from "node:fs";
import { createServer, connect } from "node:net";
import { join } from "node:path";
import { promisify } from "node:util";

export const run = promisify(execFile);
/** Milliseconds for a program to listen, or to end; on a machine with other work. */
const PATIENCE = 60_000;

export const skopeo = (...arguments_) =>
  run(
    "skopeo",
    ["--insecure-policy", "copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", ...arguments_],
    { timeout: PATIENCE },
  );

/** A port of loopback that was free just now. */
export async function freePort() {
  const free = createServer();
  await new Promise((resolve) => {
    free.listen(0, "127.0.0.1", resolve);
  });
  const { port } = free.address();
  await new Promise((resolve) => {
    free.close(resolve);
  });
  return port;
}

/** Starts a program, and waits until it listens on this port of loopback. */
export async function listening(program, arguments_, port, options = {}) {
  const child = spawn(program, arguments_, { stdio: "ignore", ...options });
  // However the run ends, its programs end with it.
  const end = () => child.kill("SIGKILL");
  process.once("exit", end);
  let gone = null;
  child.on("error", (error) => (gone = error.message)).on("exit", (code) => (gone = `ended with ${code}`));
  const until = Date.now() + PATIENCE;
  while (gone === null && Date.now() < until) {
    const there = await new Promise((resolve) => {
      const socket = connect(port, "127.0.0.1", () => {
        socket.destroy();
        resolve(true);
      }).on("error", () => resolve(false));
    });
    if (there) return { end };
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
  }
  end();
  throw new Error(`${program} does not listen: ${gone ?? `nothing after ${PATIENCE / 1000} s`}`);
}

/** docker-registry with its files in a folder. */
export async function registry(folder) {
  const port = await freePort();
  const config = join(folder, "registry.yml");
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: ${join(folder, "storage")}}\n  cache: {}\nhttp: {addr: '127.0.0.1:${port}'}\n`,
  );
  const { end } = await listening("docker-registry", ["serve", config], port);
  return { address: `127.0.0.1:${port}`, end };
}
