'use strict';
// Where govern({ profileOnPressure }) keeps profiles.

const assert = require('node:assert/strict');
const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');

const { keep } = require('../lib/profiler/folder.js');

const BOUNDS = { maxFiles: 3, maxBytes: 1000 };
const START = Date.UTC(2026, 0, 1);

function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-folder-'));
  t.after(() => fs.rmSync(made, { recursive: true }));
  return made;
}

const keepAt = (directory, index, size, bounds = BOUNDS) =>
  keep(directory, Buffer.alloc(size, index), bounds, START + index);

const mode = (file) => fs.statSync(file).mode & 0o777;

test('a folder is made for this user alone, and the file in it', async (t) => {
  const directory = path.join(folder(t), 'profiles');
  const file = await keepAt(directory, 1, 10);
  assert.equal(path.dirname(file), directory);
  assert.equal(mode(directory), 0o700);
  assert.equal(mode(file), 0o600);
  assert.deepEqual(fs.readFileSync(file), Buffer.alloc(10, 1));
});

test('the oldest make room, by number and by size; what is not heapgap’s stays', async (t) => {
  const directory = folder(t);
  fs.writeFileSync(path.join(directory, 'notes.txt'), 'x');
  const files = [];
  const keepNext = async (size) => {
    files.push(await keepAt(directory, files.length, size));
    // As if they were taken a minute apart: the file system's clock is coarse.
    const time = new Date(START + files.length * 60_000);
    fs.utimesSync(files.at(-1), time, time);
  };
  const left = () => files.map((file) => fs.existsSync(file));
  for (const size of [100, 100, 100, 100]) await keepNext(size);
  assert.deepEqual(left(), [false, true, true, true]);
  await keepNext(850);
  assert.deepEqual(left(), [false, false, false, true, true]);
  assert.ok(fs.existsSync(path.join(directory, 'notes.txt')));
  await assert.rejects(keepNext(1001), /a profile of 1001 bytes is above `maxBytes`, 1000/);
  assert.deepEqual(left(), [false, false, false, true, true], 'and nothing is lost for it');
});

test('a folder that others can open, or that is a link, is refused', async (t) => {
  const directory = folder(t);
  fs.chmodSync(directory, 0o750);
  await assert.rejects(keepAt(directory, 1, 10), /is open to others \(mode 0750\): chmod 700 it/);
  fs.chmodSync(directory, 0o700);
  const link = path.join(directory, 'link');
  fs.symlinkSync(directory, link);
  await assert.rejects(keepAt(link, 1, 10), { code: 'ENOTDIR' });
  assert.deepEqual(fs.readdirSync(directory), ['link']);
});

test('a file or a link of that name is not written to', async (t) => {
  const directory = folder(t);
  const target = path.join(folder(t), 'target');
  fs.writeFileSync(target, 'as it was');
  const file = await keepAt(directory, 1, 10);
  fs.rmSync(file);
  fs.symlinkSync(target, file);
  await assert.rejects(keepAt(directory, 1, 10), { code: 'EEXIST' });
  assert.equal(fs.readFileSync(target, 'utf8'), 'as it was');
});

test('where no folder can be made, it says so', async () => {
  await assert.rejects(keepAt('/proc/heapgap', 1, 10), { code: 'ENOENT' });
});

const skip = process.getuid() !== 0 && !process.env.CI && 'mounting a file system takes root';

test('a full disk is an error, and leaves no part of a file', { skip }, async (t) => {
  const directory = folder(t);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=64k,mode=700', 'none', directory]);
  try {
    const bounds = { maxFiles: 5, maxBytes: 2 ** 20 };
    await assert.rejects(keepAt(directory, 1, 2 ** 19, bounds), { code: 'ENOSPC' });
    assert.deepEqual(fs.readdirSync(directory), []);
    await keepAt(directory, 2, 1000, bounds);
  } finally {
    execFileSync('umount', [directory]);
  }
});
