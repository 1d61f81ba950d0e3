'use strict';
// Files as a process with a root of its own sees them. Nothing is executed, nothing but a regular
// file is opened, and of that only what is asked for is read: the process may be hostile.

const fs = require('node:fs');
const path = require('node:path');

const MAX_LINKS = 40;

/** PATH_MAX; the kernel takes no longer path. */
const MAX_PATH = 4096;

/** Of names on the way: each is asked for, and links may make a long way of a short path. */
const MAX_STEPS = 4096;

/**
 * The path outside of `file` as seen inside `root`. The kernel would follow an absolute link
 * out of /proc/<pid>/root, to a file of ours. `null` where links go round in circles.
 */
function resolveIn(root, file) {
  if (root === '/') return file;
  if (file.length > MAX_PATH) return null;
  let done = '';
  let links = 0;
  let steps = 0;
  const todo = file.split('/');
  while (todo.length > 0) {
    const part = todo.shift();
    steps += 1;
    if (part === '' || part === '.') continue;
    if (part === '..') {
      done = path.dirname(done || '/').replace(/^\/$/, '');
      continue;
    }
    const target = linkTarget(path.join(root, done, part));
    if (target === null) {
      done = `${done}/${part}`;
      continue;
    }
    links += 1;
    if (links > MAX_LINKS || steps > MAX_STEPS) return null;
    if (target.startsWith('/')) done = '';
    todo.unshift(...target.split('/'));
  }
  return path.join(root, done || '/');
}

function linkTarget(file) {
  try {
    return fs.readlinkSync(file);
  } catch {
    return null;
  }
}

/** Hands `look` a `read(offset, length)` of a regular file; throws what the file system says. */
function withFile(file, look, flags = 0) {
  // Opening a device or a pipe can do something, or wait for ever.
  if (!fs.statSync(file).isFile()) throw Object.assign(new Error('not a file'), { code: 'EISDIR' });
  const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NONBLOCK | flags);
  try {
    return look((offset, length) => readAt(fd, offset, length));
  } finally {
    fs.closeSync(fd);
  }
}

function readAt(fd, offset, length) {
  if (!Number.isSafeInteger(offset) || !(length > 0)) return Buffer.alloc(0);
  const buffer = Buffer.alloc(length);
  return buffer.subarray(0, fs.readSync(fd, buffer, 0, length, offset));
}

/** The beginning of a text file, or `null` where it cannot be read. */
function readText(root, file, limit = 64 * 1024) {
  const place = resolveIn(root, file);
  try {
    return place && withFile(place, (read) => read(0, limit).toString('utf8'));
  } catch {
    return null;
  }
}

function exists(root, file) {
  const place = resolveIn(root, file);
  return place !== null && fs.existsSync(place);
}

module.exports = { exists, linkTarget, readText, resolveIn, withFile };
