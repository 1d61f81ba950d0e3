'use strict';
// What is to be watched: a route's address, or a process.

const { plain } = require('../../doctor/report.js');
const { DEFAULT_PATH } = require('../../route/default-path.js');

const EXPECTED =
  'an address such as http://localhost:3000/debug/memory, or a process id, is expected';

/** `{ pid }`, or `{ url }` without a trailing slash; throws where it is neither. */
function parseTarget(words) {
  if (words.length !== 1) throw new Error(EXPECTED);
  const [word] = words;
  if (/^[1-9]\d{0,9}$/.test(word)) return { pid: Number(word) };
  if (word.startsWith('-')) throw new Error(`watch has no option ${plain(word)}`);
  const url = parseAddress(word);
  if (url === null) throw new Error(`${EXPECTED}, got ${plain(word)}`);
  return { url };
}

/** A route's address, or `null` where it is none. */
function parseAddress(word) {
  const [scheme] = /^[a-z][a-z\d+.-]*:\/\//i.exec(word) ?? [];
  const text = scheme ? word : `http://${word}`;
  const isNumber = /^\d+$/.test(word);
  if (isNumber || !/^https?:\/\//i.test(text) || word.startsWith('/') || !URL.canParse(text)) {
    return null;
  }
  return routeOf(new URL(text));
}

function routeOf(url) {
  url.pathname = url.pathname.replace(/\/+$/, '') || DEFAULT_PATH;
  url.search = '';
  url.hash = '';
  return url;
}

/** Without what is secret in it. */
function shownAddress({ protocol, host, pathname }) {
  return `${protocol}//${host}${pathname}`;
}

module.exports = { parseAddress, parseTarget, shownAddress };
