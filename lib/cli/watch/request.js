'use strict';
// What is asked of a route.

const http = require('node:http');
const https = require('node:https');

const { plain } = require('../../doctor/report.js');

/** A service whose event loop is blocked accepts a connection and does not answer. */
const ANSWER_MS = 10_000;
const MAX_REFUSAL = 64 * 1024;

const below = (url, path) => new URL(`${url.pathname}${path}`, url);

/** In the environment and not an argument: all users of a machine see the arguments (ps). */
const authorization = (token) => (token ? { Authorization: `Bearer ${token}` } : {});

/**
 * Asks; resolves with the response as soon as it begins. Each request has a connection of its own, so that in a
 * cluster another one may reach another process.
 */
function ask(target, { method = 'GET', headers, token, timeoutMs = ANSWER_MS, signal }) {
  const { request } = target.protocol === 'https:' ? https : http;
  const options = {
    method,
    headers: { ...headers, ...authorization(token) },
    agent: false,
    signal,
  };
  return new Promise((resolve, reject) => {
    const sent = request(target, options, resolve);
    const timer = setTimeout(() => {
      sent.destroy(new Error(`no answer within ${timeoutMs / 1000} s`));
    }, timeoutMs);
    sent.on('error', reject).on('close', () => clearTimeout(timer));
    sent.on('response', () => clearTimeout(timer));
    sent.end();
  });
}

/** The beginning of a body. */
async function readText(response) {
  let text = '';
  for await (const part of response.setEncoding('utf8')) {
    text += part;
    if (text.length > MAX_REFUSAL) break;
  }
  return text;
}

/** What a refused request was answered, in words; `code` where heapgap's route gave one. */
async function refusalOf(response) {
  const { statusCode, headers } = response;
  const text = await readText(response);
  const { code, message } = errorOf(text);
  const where = headers.location ? `, to ${plain(headers.location)}` : '';
  const why = typeof message === 'string' ? `: ${plain(message)}` : where;
  return { status: statusCode, code, why: `HTTP ${statusCode}${why}` };
}

function errorOf(text) {
  try {
    return JSON.parse(text)?.error ?? {};
  } catch {
    return {};
  }
}

/** Why a request failed. An AggregateError, for each address of a name, has no message. */
const reasonOf = (error) =>
  plain(error.message || error.errors?.[0]?.message || error.code || 'failed');

module.exports = { ask, below, readText, reasonOf, refusalOf };
