// Tar archives (POSIX.1-2017, pax, section "ustar Interchange Format" and "pax Extended Header"; GNU's long names), read in
// place: a large archive is indexed by its headers, and nothing else of it is read.

import { toBytes } from "./bytes.js";
import { Problem } from "./problem.js";

const BLOCK = 512;
/** Octets that are read at once: headers of small files lie close together. */
const WINDOW = 64 * 1024;
/** Entries of one archive. A layout has one for each blob; 100,000 is more than any registry lists. */
const MAX_ENTRIES = 100_000;
/** Octets of one extended header: paths have at most 4,096. */
const MAX_EXTENDED_BYTES = 64 * 1024;

/**
 * The files of an archive, by their paths, as slices of it.
 * @param {Blob} archive
 * @param {(done: number) => void} [onProgress] with the share that was passed over, 0 to 1
 * @returns {Promise<Map<string, Blob>>}
 */
export async function readTar(archive, { name = archive.name ?? "", onProgress, signal } = {}) {
  const files = new Map();
  const read = reader(archive, name);
  let [offset, entries, long] = [0, 0, {}];
  let global = {};
  for (;;) {
    signal?.throwIfAborted();
    const header = await read(offset, BLOCK);
    if (header.every((octet) => octet === 0)) break;
    checkSum(header, name, offset);
    if (++entries > MAX_ENTRIES) throw new Problem("tarEntries", { name, limit: MAX_ENTRIES });
    const type = String.fromCharCode(header[156] || 48);
    const size = long.size ?? number(header, 124, 12, name, offset);
    const start = offset + BLOCK;
    if (start + size > archive.size) throw new Problem("tarCut", { name, octets: archive.size, want: start + size });
    if ("LKxg".includes(type)) {
      if (size > MAX_EXTENDED_BYTES) throw new Problem("tarHeader", { name, offset });
      const content = await read(start, size);
      if (type === "L") long.path = text(content);
      if (type === "x") long = { ...long, ...extended(content, name, offset) };
      if (type === "g") global = { ...global, ...extended(content, name, offset) };
    } else {
      const path = clean(long.path ?? global.path ?? ustarPath(header), name);
      if (type === "0" || type === "7") {
        if (files.has(path)) throw new Problem("tarTwice", { name, path });
        files.set(path, archive.slice(start, start + size));
      } else if (type !== "5") {
        throw new Problem("tarLink", { name, path });
      }
      long = {};
    }
    offset = start + Math.ceil(size / BLOCK) * BLOCK;
    onProgress?.(offset / archive.size);
    if (offset > archive.size) throw new Problem("tarCut", { name, octets: archive.size, want: offset });
    // Some writers leave out the two empty blocks at the end.
    if (offset === archive.size) break;
  }
  return files;
}

/** An archive of these files, the same octets each time. @param {Iterable<[string, Uint8Array]>} files */
export function writeTar(files) {
  const parts = [];
  for (const [path, bytes] of files) {
    const header = new Uint8Array(BLOCK);
    const put = (at, value) => header.set(toBytes(value), at);
    put(0, path);
    put(100, "0000644\0");
    put(108, "0000000\0");
    put(116, "0000000\0");
    put(124, `${bytes.length.toString(8).padStart(11, "0")}\0`);
    put(136, "00000000000\0");
    put(148, "        ");
    put(156, "0");
    put(257, "ustar\x0000");
    const sum = header.reduce((total, octet) => total + octet, 0);
    put(148, `${sum.toString(8).padStart(6, "0")}\0 `);
    parts.push(header, bytes, new Uint8Array((BLOCK - (bytes.length % BLOCK)) % BLOCK));
  }
  parts.push(new Uint8Array(2 * BLOCK));
  return new Blob(parts, { type: "application/x-tar" });
}

/** Whether a file starts as an archive does. */
export const isTar = (head) => head.length >= BLOCK && text(head.subarray(257, 262)) === "ustar";

function reader(archive, name) {
  let [from, window] = [0, new Uint8Array()];
  return async (offset, length) => {
    if (offset + length > archive.size)
      throw new Problem("tarCut", { name, octets: archive.size, want: offset + length });
    if (offset < from || offset + length > from + window.length) {
      const end = Math.min(archive.size, offset + Math.max(length, WINDOW));
      [from, window] = [offset, new Uint8Array(await archive.slice(offset, end).arrayBuffer())];
    }
    return window.subarray(offset - from, offset - from + length);
  };
}

function checkSum(header, name, offset) {
  const sum = header.reduce((total, octet, at) => total + (at >= 148 && at < 156 ? 32 : octet), 0);
  if (number(header, 148, 8, name, offset) !== sum) throw new Problem("tarHeader", { name, offset });
}

/** Octal digits, or GNU's base 256 for what is larger than 8 GiB. */
function number(header, at, length, name, offset) {
  const field = header.subarray(at, at + length);
  if (field[0] & 0x80) {
    const value = field.subarray(1).reduce((value, octet) => value * 256 + octet, 0);
    if (field[0] === 0x80 && Number.isSafeInteger(value)) return value;
    throw new Problem("tarHeader", { name, offset });
  }
  const digits = text(field).trim();
  if (!/^[0-7]+$/.test(digits)) throw new Problem("tarHeader", { name, offset });
  return parseInt(digits, 8);
}

function ustarPath(header) {
  const [name, prefix] = [text(header.subarray(0, 100)), text(header.subarray(345, 500))];
  return prefix && text(header.subarray(257, 263)).startsWith("ustar") && header[262] === 0
    ? `${prefix}/${name}`
    : name;
}

/** `LENGTH SP KEYWORD=VALUE LF`, as many as there are; path and size are what matters here. */
function extended(content, name, offset) {
  const found = {};
  for (let at = 0; at < content.length;) {
    const space = content.indexOf(32, at);
    const length = parseInt(text(content.subarray(at, space)), 10);
    if (space < 0 || !(length > 0) || at + length > content.length) throw new Problem("tarHeader", { name, offset });
    const [, key, value] = /^([^=]*)=([^]*)\n$/.exec(text(content.subarray(space + 1, at + length))) ?? [];
    if (key === "path") found.path = value;
    if (key === "size" && /^\d{1,15}$/.test(value)) found.size = Number(value);
    at += length;
  }
  return found;
}

/** A path as layouts write it. One that leads out of the archive is no tool's work. */
function clean(path, name) {
  const parts = path
    .replace(/\/+$/, "")
    .split("/")
    .filter((part, index) => part !== "." || index > 0);
  if (path.startsWith("/") || parts.includes("..") || path.includes("\\"))
    throw new Problem("tarTraversal", { name, path });
  return parts.filter(Boolean).join("/");
}

function text(octets) {
  const end = octets.indexOf(0);
  return new TextDecoder().decode(end < 0 ? octets : octets.subarray(0, end));
}
