'use strict';
// What a browser is sent for the page: the document, and all that it and its files name, compressed.

const { once } = require('node:events');
const http = require('node:http');
const { gunzipSync } = require('node:zlib');

/** What loads something: in HTML src and href but those of links to click and of <base>, in JavaScript imports, in CSS url() and @import. */
const NAMES = {
  'text/html': [/<(?!(?:a|base)\b)\w+\b[^>]*?\b(?:src|href)="([^"#]+)"/g],
  'text/javascript': [
    /^\s*(?:import|export)\b[^;'"]*\bfrom\s*["']([^"']+)["']/gm,
    /^\s*import\s*["']([^"']+)["']/gm,
    /\bimport\(\s*["']([^"']+)["']\s*\)/g,
  ],
  'text/css': [/\burl\(["']?([^"')]+)["']?\)/g, /@import\s+["']([^"']+)["']/g],
};

/** As a browser asks; the body as it came. */
async function load(url, accept) {
  const headers = { accept, 'accept-encoding': 'gzip' };
  const [response] = await once(http.get(url, { agent: false, headers }), 'response');
  const body = Buffer.concat(await response.toArray());
  if (response.statusCode !== 200) throw new Error(`${url} answered ${response.statusCode}`);
  const isPacked = response.headers['content-encoding'] === 'gzip';
  const text = (isPacked ? gunzipSync(body) : body).toString();
  return {
    bytes: body.length,
    plainBytes: Buffer.byteLength(text),
    type: response.headers['content-type'],
    text,
  };
}

/** A document may say what its addresses begin with. */
function baseOf(url, text) {
  const [, base] = /<base\b[^>]*\bhref="([^"]+)"/.exec(text) ?? [];
  return new URL(base ?? '', url);
}

function namedIn(url, { type, text }) {
  const kind = type.split(';')[0];
  const base = kind === 'text/html' ? baseOf(url, text) : url;
  const patterns = NAMES[kind] ?? [];
  const names = patterns.flatMap((pattern) => [...text.matchAll(pattern)].map(([, name]) => name));
  return names.map((name) => new URL(name, base)).filter(({ origin }) => origin === url.origin);
}

/** Every file, once, in the order in which they are found. */
async function weigh(address) {
  const files = [];
  const found = new Set([address]);
  for (const href of found) {
    const url = new URL(href);
    const file = await load(url, files.length === 0 ? 'text/html' : '*/*');
    files.push({ name: url.pathname, bytes: file.bytes, plainBytes: file.plainBytes });
    for (const { href: named } of namedIn(url, file)) found.add(named);
  }
  return files;
}

module.exports = { weigh };
