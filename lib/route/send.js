'use strict';
// How answers are written.

const { ERR_HEAPGAP_INTERNAL } = require('../errors.js');
const { debug } = require('../attempt.js');
const { Refusal } = require('./refusal.js');

const HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

/** The client has gone, or another middleware has answered meanwhile. */
const isAnswered = (res) => res.headersSent || res.destroyed;

/** Sets the status and the headers. */
function begin(res, status, headers) {
  // An application-wide CORS middleware would let any site read a developer's local figures.
  for (const name of res.getHeaderNames()) {
    if (name.startsWith('access-control-')) res.removeHeader(name);
  }
  res.statusCode = status;
  for (const [name, text] of Object.entries({ ...HEADERS, ...headers })) res.setHeader(name, text);
}

function sendText(req, res, status, body, headers) {
  if (isAnswered(res)) return;
  begin(res, status, { 'Content-Length': String(Buffer.byteLength(body)), ...headers });
  res.end(req.method === 'HEAD' ? undefined : body);
}

function send(req, res, status, value, headers) {
  sendText(req, res, status, `${JSON.stringify(value ?? null, null, 2)}\n`, headers);
}

function sendError(req, res, error) {
  if (error instanceof Refusal) {
    const { status, code, message, headers } = error;
    send(req, res, status, { error: { code, message } }, headers);
    return;
  }
  debug('could not answer: %o', error);
  const own = typeof error?.code === 'string' && error.code.startsWith('ERR_HEAPGAP_');
  const { code, message } = own
    ? error
    : { code: ERR_HEAPGAP_INTERNAL, message: 'heapgap failed to answer this request' };
  send(req, res, 500, { error: { code, message } });
}

module.exports = { begin, isAnswered, send, sendError, sendText };
