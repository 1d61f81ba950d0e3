'use strict';
// `heapgap profile`.

const assert = require('node:assert/strict');
const { spawn } = require('node:child_process');
const { once } = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const os = require('node:os');
const path = require('node:path');
const { describe, it } = require('node:test');
const { gunzipSync } = require('node:zlib');
const fc = require('fast-check');
const { parse } = require('../lib/cli/profile/options.js');
const { preload } = require('./support/allocators.js');
const { environment, finished } = require('./support/child.js');
const { BIN, NODE } = require('./support/doctor.js');
const { startService } = require('./support/profiled.js');
const { openTerminal } = require('./support/terminal.js');

const TOKEN = 'a token of more than 16';
const SHIPPED = 'jemalloc 5.3.1';
const SVG = '<svg xmlns="http://www.w3.org/2000/svg"/>';

function folder(t) {
  const made = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-profile-'));
  t.after(() => fs.rmSync(made, { recursive: true }));
  return made;
}

/** In a folder of its own. */
async function profile(t, words, { env, cwd = folder(t), ...options } = {}) {
  const ended = await finished(NODE, [BIN, 'profile', ...words], { env, cwd, ...options });
  return { ...ended, cwd, files: fs.readdirSync(cwd) };
}

/** Another end that answers as it is told to; `asked` has what came. */
async function pretend(t, answer) {
  const asked = [];
  const server = http.createServer((req, res) => {
    asked.push({ url: req.url, headers: req.headers });
    answer(req, res);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { asked, server, address: `127.0.0.1:${server.address().port}` };
}

const svg = (_, res) => res.writeHead(200, { 'Content-Type': 'image/svg+xml' }).end(SVG);
const json = (status, value) => (_, res) =>
  res.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(value));

/** It failed, said why, and left nothing behind. */
function failed({ code, stdout, stderr, files }, message) {
  assert.equal(code, 2, stderr);
  assert.match(stderr, message);
  assert.equal(stdout, '');
  assert.deepEqual(files, []);
}

describe('what is asked for', () => {
  const parsed = (...words) => {
    const { url, ...rest } = parse(words);
    return { url: url.href, ...rest };
  };

  it('is a flame graph over 30 s, unless something else is said', () => {
    const { output, ...rest } = parsed('localhost:3000');
    const url = 'http://localhost:3000/debug/memory';
    assert.deepEqual(rest, { url, seconds: 30, format: 'flamegraph' });
    assert.match(output, /^heap-localhost-3000-\d{8}T\d{9}Z\.svg$/);
    assert.match(parsed('[::1]:80', '--format=pprof').output, /^heap--1--\d{8}T\d{9}Z\.pb\.gz$/);
    assert.equal(parsed('a', '--seconds', '0.5').seconds, 0.5);
  });

  it('has its format by --format, or else by the file’s name', () => {
    const formatOf = (...words) => parsed('a', ...words).format;
    assert.equal(formatOf('--output', 'x.pb.gz'), 'pprof');
    assert.equal(formatOf('--output', 'x.svg'), 'flamegraph');
    assert.equal(formatOf('--output', '-'), 'flamegraph');
    assert.equal(formatOf('--output', 'x.svg', '--format', 'pprof'), 'pprof');
    assert.equal(formatOf('--output', 'x', '--format', 'pprof'), 'pprof');
    assert.equal(formatOf('--output', 'x.pb.gz', '--format', 'flamegraph'), 'flamegraph');
  });

  it('is nothing else', async (t) => {
    const wrong = [
      [],
      ['a', 'b'],
      ['4711'],
      ['ftp://a'],
      ['a', '--seconds', 'x'],
      ['a', '--seconds', '1e9'],
      ['a', '--seconds', '9999999'],
      ['a', '--format', 'jeheap'],
      ['a', '--output', 'x.txt'],
      ['a', '--fast'],
    ];
    for (const words of wrong) assert.throws(() => parse(words), /expected|option/);
    failed(await profile(t, ['a', '--fast']), /'--fast'[\s\S]*\nSee heapgap --help\.\n$/);
  });

  it('names a file in this folder, whatever the host is called', () => {
    fc.assert(
      fc.property(fc.webUrl({ withQueryParameters: true }), (url) => {
        assert.match(parsed(url).output, /^heap-[\w.-]+\.svg$/);
      }),
    );
  });
});

describe('the file', () => {
  it('has what came; its name is printed', async (t) => {
    const { asked, address } = await pretend(t, svg);
    const { code, stdout, stderr, files, cwd } = await profile(t, [address, '--seconds', '7']);
    assert.equal(code, 0, stderr);
    assert.equal(stdout, `${files}\n`);
    assert.match(files[0], /^heap-127\.0\.0\.1-\d+-\w+\.svg$/);
    assert.equal(fs.readFileSync(path.join(cwd, files[0]), 'utf8'), SVG);
    assert.equal(stderr, `heapgap: profiling http://${address}/debug/memory for 7 s\n`);
    assert.equal(asked[0].url, '/debug/memory/profile?seconds=7&format=flamegraph');
    assert.equal(asked[0].headers.authorization, undefined);
  });

  it('is standard output for -, with nothing else in it', async (t) => {
    const { address } = await pretend(t, svg);
    const { code, stdout, files } = await profile(t, [address, '--output', '-']);
    assert.equal(code, 0);
    assert.equal(stdout, SVG);
    assert.deepEqual(files, []);
  });

  it('is never another one, nor where a link leads; nobody is asked then', async (t) => {
    const { asked, address } = await pretend(t, svg);
    const cwd = folder(t);
    const at = (name) => path.join(cwd, name);
    fs.writeFileSync(at('file'), 'kept');
    fs.symlinkSync(at('file'), at('link'));
    fs.symlinkSync(at('nothing'), at('dangling'));
    for (const name of ['file', 'link', 'dangling', '.', 'no/such']) {
      const { code, stderr } = await profile(t, [address, '--format=pprof', '--output', name], {
        cwd,
      });
      assert.equal(code, 2, stderr);
      assert.match(stderr, /there is no writing to /);
    }
    assert.deepEqual(fs.readdirSync(cwd).sort(), ['dangling', 'file', 'link']);
    assert.equal(fs.readFileSync(at('file'), 'utf8'), 'kept');
    assert.deepEqual(asked, []);
  });

  it('is not left behind where the answer breaks off', async (t) => {
    const { address } = await pretend(t, (_, res) => {
      res.writeHead(200, { 'Content-Type': 'image/svg+xml', 'Content-Length': 1000 });
      res.write(SVG, () => res.destroy());
    });
    failed(await profile(t, [address]), /cannot profile .*: aborted/);
  });
});

describe('where there is no profile', () => {
  it('says what the service says', async (t) => {
    const error = { code: 'ERR_HEAPGAP_FORBIDDEN', message: 'heap profiles are not served' };
    const { address } = await pretend(t, json(403, { error }));
    failed(await profile(t, [address]), /HTTP 403: heap profiles are not served\n$/);
  });

  it('says what answered instead', async (t) => {
    const page = await pretend(t, (_, res) =>
      res.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html>'),
    );
    failed(await profile(t, [page.address]), /no flamegraph .* answers text\/html\n$/);
    const words = [page.address, '--format', 'pprof'];
    failed(await profile(t, words), /no pprof .* answers text\/html\n$/);
    const elsewhere = await pretend(t, (_, res) => res.writeHead(302, { Location: '/in' }).end());
    failed(await profile(t, [elsewhere.address]), /HTTP 302, to \/in\n$/);
  });

  it('obeys no terminal sequence that the service sends', async (t) => {
    const error = { code: 'x', message: '\u001b]0;pwned\u0007\u202e' };
    const { address } = await pretend(t, json(500, { error }));
    const { stderr } = await profile(t, [address]);
    assert.match(stderr, /pwned/);
    assert.doesNotMatch(stderr.replaceAll('\n', ''), /\p{Cc}|\u202e/u);
  });

  it('says that nobody listens, and shows no password', async (t) => {
    const { address, server } = await pretend(t, svg);
    server.close();
    const answer = await profile(t, [`http://me:hidden@${address}`]);
    failed(answer, /cannot profile http:\/\/127.* ECONNREFUSED/);
    assert.doesNotMatch(answer.stderr, /hidden/);
  });
});

describe('an interrupt', () => {
  for (const [signal, status] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ]) {
    it(`${signal} ends the request, and leaves no file`, async (t) => {
      const { address, server } = await pretend(t, () => {});
      const arrived = once(server, 'request');
      const cwd = folder(t);
      const child = spawn(NODE, [BIN, 'profile', address], {
        cwd,
        env: environment(),
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      const exited = once(child, 'exit');
      const [, res] = await arrived;
      const closed = once(res, 'close');
      assert.equal(fs.readdirSync(cwd).length, 1);
      child.kill(signal);
      assert.deepEqual(await exited, [status, null]);
      await closed;
      assert.deepEqual(fs.readdirSync(cwd), []);
    });
  }

  it('is Ctrl-C on a terminal, which counts down until then', async (t) => {
    const { address } = await pretend(t, () => {});
    const terminal = openTerminal(t, { columns: 70, rows: 10 });
    if (terminal === null) return;
    terminal.run(`cd ${folder(t)}; "${NODE}" "${BIN}" profile ${address}`);
    await terminal.until(/: 2\d s left/);
    terminal.press('C-c');
    terminal.run('echo "status $?, $(ls | wc -l) files"');
    const screen = await terminal.until(/status 130, 0 files$/m);
    assert.doesNotMatch(screen, /left/);
  });
});

describe('a real service', { timeout: 120_000 }, () => {
  it('gives a flame graph, and a profile for pprof', async (t) => {
    const library = preload(t, SHIPPED);
    if (library === null) return;
    const options = { profile: true, token: TOKEN };
    const service = await startService(t, { preload: library, options });
    const env = { HEAPGAP_TOKEN: TOKEN };
    const drawn = await profile(t, [service.url, '--seconds', '0.5', '--output', '-'], { env });
    assert.equal(drawn.code, 0, drawn.stderr);
    assert.match(drawn.stdout, /<svg[\s\S]*v8::ArrayBuffer[\s\S]*<\/svg>/);
    const words = [service.url, '--seconds', '0', '--output', 'all.pb.gz'];
    const { code, stdout, stderr, cwd } = await profile(t, words, { env });
    assert.equal(code, 0, stderr);
    assert.equal(stdout, 'all.pb.gz\n');
    const message = gunzipSync(fs.readFileSync(path.join(cwd, 'all.pb.gz')));
    assert.match(message.toString('latin1'), /inuse_space/);
    failed(await profile(t, [service.url]), /HTTP 401: /);
  });

  it('says why it has none', async (t) => {
    const off = await startService(t, { options: {} });
    failed(await profile(t, [off.url]), /HTTP 403: .*`profile: true`/);
    const { url } = await startService(t);
    failed(await profile(t, [url]), /HTTP 403: .*glibc/);
  });
});
