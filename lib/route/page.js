'use strict';
// The page for browsers: dashboard/, and uPlot, which draws its charts.

const fs = require('node:fs/promises');
const path = require('node:path');
const { promisify } = require('node:util');
const { gzip } = require('node:zlib');

const { ERR_HEAPGAP_NOT_FOUND, invalidArg } = require('../errors.js');
const { prefersHtml, takesGzip } = require('./accept.js');
const { Refusal } = require('./refusal.js');
const { sendText } = require('./send.js');

const compress = promisify(gzip);

const FOLDER = path.join(__dirname, '..', '..', 'dashboard');
/** Served with the address that its links begin with. */
const TEMPLATE = 'index.html';
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/**
 * Nothing but what is served here, no script and no style in the page itself, and no frame around it. A flame graph, in
 * its frame, has a policy of its own.
 */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "frame-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

const GUARDS = {
  'Content-Security-Policy': POLICY,
  'X-Frame-Options': 'DENY',
  // Not no-referrer: with it a browser may send `Origin: null` with the page's own POST (fetch.spec.whatwg.org,
  // "append a request `Origin` header"), which is refused as another site's.
  'Referrer-Policy': 'same-origin',
  'Cross-Origin-Opener-Policy': 'same-origin',
};

/** Where a package's file is; `null` where it is not installed: the page does without charts then. */
function uplotFile(name) {
  try {
    return path.join(path.dirname(require.resolve('uplot')), name);
  } catch {
    return null;
  }
}

/** The files below …/page/, by name. */
function findFiles(names) {
  const own = names
    .filter((name) => name !== TEMPLATE && path.extname(name) in TYPES)
    .map((name) => [name, path.join(FOLDER, name)]);
  const charts = ['uPlot.iife.min.js', 'uPlot.min.css'].map((name) => [name, uplotFile(name)]);
  return new Map([...own, ...charts].filter(([, file]) => file !== null));
}

const FORMATS = ['html', 'json'];

/** Whether a request wants the page: it says so by `?format=`, or else by its Accept. */
function wantsPage({ headers }, query) {
  const given = new URLSearchParams(query).getAll('format');
  if (given.length === 0) return prefersHtml(headers.accept);
  if (given.length === 1 && FORMATS.includes(given[0])) return given[0] === 'html';
  const { message, code } = invalidArg(
    'format',
    'the string html or json, given once',
    given.join(', '),
  );
  throw new Refusal(400, code, message);
}

const ESCAPES = { '&': '&amp;', '"': '&quot;', "'": '&#39;', '<': '&lt;', '>': '&gt;' };

/**
 * From the page's address to what is below it, whatever a proxy or a framework has cut off before it: a
 * browser takes `…/memory` for a file, and the last segment has to be said again.
 */
function baseOf({ url, originalUrl }) {
  const [pathname] = (typeof originalUrl === 'string' ? originalUrl : url).split('?', 1);
  if (pathname.endsWith('/')) return './';
  const last = pathname.slice(pathname.lastIndexOf('/') + 1);
  return `./${last.replace(/["'&<>]/g, (character) => ESCAPES[character])}/`;
}

async function sendFile(req, res, name, content) {
  const type = TYPES[path.extname(name)];
  const headers = { ...GUARDS, 'Content-Type': type, Vary: 'Accept, Accept-Encoding' };
  if (!takesGzip(req.headers['accept-encoding'])) return sendText(req, res, 200, content, headers);
  const body = await compress(content);
  return sendText(req, res, 200, body, { ...headers, 'Content-Encoding': 'gzip' });
}

/** Makes what serves the page itself, and the files that it asks for. */
function createPage() {
  let files = null;
  const fileOf = async (name) => {
    files ??= findFiles(await fs.readdir(FOLDER));
    return files.get(name);
  };

  async function page(req, res) {
    const template = await fs.readFile(path.join(FOLDER, TEMPLATE), 'utf8');
    const html = template.replaceAll('{{base}}', () => baseOf(req));
    await sendFile(req, res, TEMPLATE, html);
  }

  async function file(req, res, name) {
    const found = await fileOf(name);
    if (found === undefined) throw new Refusal(404, ERR_HEAPGAP_NOT_FOUND, 'no such file');
    await sendFile(req, res, name, await fs.readFile(found));
  }

  return { page, file };
}

module.exports = { createPage, wantsPage };
