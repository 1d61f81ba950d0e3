'use strict';
// Where profiles are kept that nobody waits for: a folder of this user's alone, with room for a few.

const fs = require('node:fs');
const path = require('node:path');

const { fileName } = require('../file-name.js');

const { constants } = fs;

const OURS = /^heap-\d+-\d{8}T\d{9}Z\.pb\.gz$/;

/** A folder that others may change holds whatever they put there; a link leads wherever they like. */
function refuseForeign(directory, { uid, mode }) {
  const own = process.geteuid();
  if (uid !== own) throw new Error(`${directory} belongs to user ${uid}, not to this one (${own})`);
  if ((mode & 0o077) === 0) return;
  const octal = (mode & 0o777).toString(8).padStart(4, '0');
  throw new Error(`${directory} is open to others (mode ${octal}): chmod 700 it`);
}

/** Opens `directory`, made where there is none; what is done through the handle stays in that very folder. */
async function open(directory) {
  try {
    await fs.promises.mkdir(directory, { mode: 0o700 });
  } catch (error) {
    if (error.code !== 'EEXIST') throw error;
  }
  const { O_RDONLY, O_DIRECTORY, O_NOFOLLOW } = constants;
  const handle = await fs.promises.open(directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  try {
    refuseForeign(directory, await handle.stat());
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** Past the path, which may mean another folder by now (proc(5), /proc/pid/fd). */
const inside = (handle, name) => path.join(`/proc/self/fd/${handle.fd}`, name);

/** The profiles that are there, the oldest first. */
async function list(handle) {
  const names = (await fs.promises.readdir(inside(handle, '.'))).filter((name) => OURS.test(name));
  const files = [];
  for (const name of names) {
    const { size, mtimeMs, isFile } = await stat(handle, name);
    if (isFile) files.push({ name, size, mtimeMs });
  }
  return files.sort((a, b) => a.mtimeMs - b.mtimeMs || (a.name < b.name ? -1 : 1));
}

async function stat(handle, name) {
  try {
    const found = await fs.promises.lstat(inside(handle, name));
    return { size: found.size, mtimeMs: found.mtimeMs, isFile: found.isFile() };
  } catch {
    // Another process has made room meanwhile.
    return { isFile: false };
  }
}

/** Removes the oldest until `bytes` more are within the bounds. */
async function makeRoom(handle, bytes, { maxFiles, maxBytes }) {
  const files = await list(handle);
  let sum = files.reduce((total, { size }) => total + size, bytes);
  for (let count = files.length + 1; count > maxFiles || sum > maxBytes; count--) {
    const oldest = files.shift();
    if (oldest === undefined) return;
    await fs.promises.rm(inside(handle, oldest.name), { force: true });
    sum -= oldest.size;
  }
}

async function write(handle, name, data) {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const file = inside(handle, name);
  const out = await fs.promises.open(file, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    await out.writeFile(data);
    await out.close();
  } catch (error) {
    await out.close().catch(() => {});
    await fs.promises.rm(file, { force: true });
    throw error;
  }
}

/** Keeps `data` in `directory`, where older ones make room for it; answers the file's path. */
async function keep(directory, data, bounds, time = Date.now()) {
  if (data.length > bounds.maxBytes) {
    throw new Error(`a profile of ${data.length} bytes is above \`maxBytes\`, ${bounds.maxBytes}`);
  }
  const handle = await open(directory);
  try {
    await makeRoom(handle, data.length, bounds);
    const name = fileName('pb.gz', { time });
    await write(handle, name, data);
    return path.join(directory, name);
  } finally {
    await handle.close();
  }
}

module.exports = { keep };
