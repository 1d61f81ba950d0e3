'use strict';

const { createHash, timingSafeEqual } = require('node:crypto');
const { BlockList, isIP } = require('node:net');
const { debuglog } = require('node:util');
const {
  ERR_HEAPGAP_CROSS_SITE,
  ERR_HEAPGAP_FORBIDDEN,
  ERR_HEAPGAP_INTERNAL,
  ERR_HEAPGAP_METHOD_NOT_ALLOWED,
  ERR_HEAPGAP_NOT_FOUND,
  ERR_HEAPGAP_RATE_LIMITED,
  ERR_HEAPGAP_UNAUTHORIZED,
  invalidArg,
} = require('./errors.js');
const { readOptions } = require('./options.js');

const OPTIONS = {
  path: {
    default: '/debug/memory',
    check: (value) => typeof value === 'string' && /^(?:\/[^/?#\s]+)+$/.test(value),
    expected: 'a string such as /debug/memory, without a trailing slash or a query',
  },
  authorize: {
    default: undefined,
    check: (value) => typeof value === 'function',
    expected: 'a function',
  },
  token: {
    default: undefined,
    // Anything else cannot travel in a header field, so it could never match (RFC 9110, 5.5).
    check: (value) => typeof value === 'string' && /^[!-~][ -~]{14,}[!-~]$/.test(value),
    expected: 'a string of at least 16 printable ASCII characters',
    secret: true,
  },
  minIntervalMs: {
    default: 10_000,
    check: (value) => Number.isFinite(value) && value >= 0,
    expected: 'a non-negative number',
  },
};

const HEADERS = {
  'Content-Type': 'application/json; charset=utf-8',
  'Cache-Control': 'no-store',
  'X-Content-Type-Options': 'nosniff',
  'Cross-Origin-Resource-Policy': 'same-origin',
};

const UNITS = {
  B: (bytes) => bytes,
  MB: (bytes) => `${(bytes / 1024 / 1024).toFixed(2)} MB`,
};

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4'); // matches ::ffff:127.0.0.0/104 as well
LOOPBACK.addAddress('::1', 'ipv6');

// Forwarded (RFC 7239), Via (RFC 9110), CDN-Loop (RFC 8586), and what proxies and CDNs add on
// their own: X-Forwarded-*, X-Original-*, X-Envoy-*, CF-*, X-Real-IP, True-Client-IP, …
const ADDED_BY_PROXY =
  /^(?:via|cdn-loop)$|^(?:cf|x-envoy|x-original|x-real)-|forwarded|(?:client|-)ip(?:v6)?$|-addr(?:ess)?$/i;

const LOCALHOST = /^(?:[\w-]+\.)*localhost$/i;

/** What a stranger must not be told is shown to the operator: NODE_DEBUG=heapgap. */
const debug = debuglog('heapgap');

class Refusal extends Error {
  constructor(status, code, message, headers) {
    super(message);
    this.status = status;
    this.code = code;
    this.headers = headers;
  }
}

/** Calls `fn`, with a synchronous throw turned into a rejection. */
async function attempt(fn, ...args) {
  return fn(...args);
}

// Paths

function splitTarget(target) {
  const [, pathname, query] = /^([^?]*)\??(.*)$/s.exec(typeof target === 'string' ? target : '');
  return { pathname, query };
}

/** The path below the route's own, or undefined when the request is for someone else. */
function relativePath(req, path) {
  const { pathname } = splitTarget(req.url);
  if (pathname === path || pathname.startsWith(`${path}/`)) return pathname.slice(path.length);
  // Express and Connect cut the mount path off req.url and keep the whole in req.originalUrl.
  const mounted = typeof req.originalUrl === 'string' && req.originalUrl !== req.url;
  return mounted ? pathname : undefined;
}

// Access

function isLoopbackAddress(address) {
  const version = isIP(address);
  return version !== 0 && LOOPBACK.check(address, `ipv${version}`);
}

function isLoopbackHost(host) {
  const [, ipv6, name] = /^(?:\[([^\]]*)\]|([^:]*))(?::\d*)?$/.exec(host) ?? [];
  return isLoopbackAddress(ipv6 ?? name) || LOCALHOST.test(name);
}

/**
 * nginx, told only `proxy_pass`, adds no header that tells of the client and names the upstream,
 * often 127.0.0.1, in Host. Its other defaults give it away: HTTP/1.0 and `Connection: close`
 * (proxy_http_version and proxy_set_header in nginx.org/en/docs/http/ngx_http_proxy_module.html).
 */
function looksLikeNginx({ httpVersion, headers }) {
  return httpVersion === '1.0' && headers.connection === 'close';
}

function isDirectLocal(req) {
  // The socket's address, not req.ip: "trust proxy" lets a header choose that one.
  if (!isLoopbackAddress(req.socket?.remoteAddress)) return false;
  if (Object.keys(req.headers).some((name) => ADDED_BY_PROXY.test(name))) return false;
  if (looksLikeNginx(req)) return false;
  // Against DNS rebinding: a web page can point its own host name at 127.0.0.1 and is then
  // same-origin with this server, but the browser still sends that name as Host (:authority in
  // HTTP/2). HTTP/1.0 has no Host and no browser speaks it.
  const hosts = [req.headers.host, req.headers[':authority']];
  return hosts.every((host) => host === undefined || isLoopbackHost(host));
}

async function admitLocal(req) {
  if (isDirectLocal(req)) return;
  throw new Refusal(
    403,
    ERR_HEAPGAP_FORBIDDEN,
    'only direct requests from this machine are let in; to open this to others, ' +
      'give route() the option `authorize` or `token`',
  );
}

function admitAuthorized(authorize) {
  return async (req) => {
    const allowed = await attempt(authorize, req).catch((error) => {
      debug('authorize failed: %o', error);
      return false;
    });
    if (allowed !== true) {
      throw new Refusal(403, ERR_HEAPGAP_FORBIDDEN, '`authorize` did not let this request in');
    }
  };
}

function sha256(text) {
  return createHash('sha256').update(text).digest();
}

function admitToken(token) {
  const expected = sha256(token);
  return async (req) => {
    const [, given] = /^bearer +(.*)$/i.exec(req.headers.authorization) ?? [];
    // timingSafeEqual wants equal lengths: digests have them and hide the token's own.
    if (given !== undefined && timingSafeEqual(sha256(given), expected)) return;
    throw new Refusal(
      401,
      ERR_HEAPGAP_UNAUTHORIZED,
      'the header `Authorization: Bearer <token>` is missing or wrong',
      { 'WWW-Authenticate': 'Bearer' },
    );
  };
}

function chooseAccess({ authorize, token }) {
  if (authorize !== undefined && token !== undefined) {
    throw invalidArg('authorize', 'left out when `token` is given', authorize);
  }
  if (authorize !== undefined) return admitAuthorized(authorize);
  return token === undefined ? admitLocal : admitToken(token);
}

// Cross-site requests

function isSameHost(url, host) {
  if (typeof host !== 'string' || !/^https?:/i.test(url) || !URL.canParse(url)) return false;
  const { protocol, host: origin } = new URL(url);
  // Parsed the same way, so that case and a default port make no difference.
  const own = `${protocol}//${host}`;
  return URL.canParse(own) && new URL(own).host === origin;
}

/**
 * Any web page can make a browser POST to this server, with the user's cookies and from the user's
 * own address. Browsers tell: Sec-Fetch-Site (www.w3.org/TR/fetch-metadata), Origin (RFC 6454),
 * and, before these, Referer. Other clients send none of them and are nobody's deputy.
 */
function isCrossSite(headers) {
  const { 'sec-fetch-site': site, origin, referer } = headers;
  if (site !== undefined && site !== 'same-origin' && site !== 'none') return true;
  const host = headers[':authority'] ?? headers.host;
  if (origin !== undefined) return !isSameHost(origin, host);
  return site === undefined && referer !== undefined && !isSameHost(referer, host);
}

function refuseCrossSite(req) {
  if (!isCrossSite(req.headers)) return;
  throw new Refusal(403, ERR_HEAPGAP_CROSS_SITE, 'another site may not start a purge');
}

// What is served

function readUnit(query) {
  const given = new URLSearchParams(query).getAll('unit');
  if (given.length === 0) return UNITS.B;
  if (given.length === 1 && Object.hasOwn(UNITS, given[0])) return UNITS[given[0]];
  const expected = 'the string B or MB, given once';
  const { message, code } = invalidArg('unit', expected, given.join(', '));
  throw new Refusal(400, code, message);
}

async function readFigures(req, snapshot) {
  const unit = readUnit(splitTarget(req.url).query);
  const current = await snapshot();
  const { heapTotal, heapUsed, external, arrayBuffers } = current.v8;
  const figures = { rss: current.process.rss, heapTotal, heapUsed, external, arrayBuffers };
  const shown = Object.entries(figures).map(([name, bytes]) => [
    name,
    typeof bytes === 'number' ? unit(bytes) : null,
  ]);
  return { ...Object.fromEntries(shown), ...current };
}

/** A purge that concurrent callers share, and that then rests for `minIntervalMs`. */
function limitPurge({ purge, now }, minIntervalMs) {
  let running;
  let restsUntil = Number.NEGATIVE_INFINITY;
  return async () => {
    // Never positive while a run is under way: it began when the rest before it was over.
    const waitMs = restsUntil - now();
    if (waitMs > 0) {
      const seconds = Math.ceil(waitMs / 1000);
      throw new Refusal(
        429,
        ERR_HEAPGAP_RATE_LIMITED,
        `the last purge was less than \`minIntervalMs\` ago; try again in ${seconds} s`,
        { 'Retry-After': String(seconds) },
      );
    }
    running ??= attempt(purge).finally(() => {
      running = undefined;
      restsUntil = now() + minIntervalMs;
    });
    return running;
  };
}

// Answers

function send(req, res, status, value, headers) {
  // Nothing to do when the client has gone or another middleware has answered meanwhile.
  if (res.headersSent || res.destroyed) return;
  const body = `${JSON.stringify(value ?? null, null, 2)}\n`;
  // An application-wide CORS middleware would let any site read a developer's local figures.
  for (const name of res.getHeaderNames()) {
    if (name.startsWith('access-control-')) res.removeHeader(name);
  }
  res.statusCode = status;
  const all = { ...HEADERS, 'Content-Length': String(Buffer.byteLength(body)), ...headers };
  for (const [name, text] of Object.entries(all)) res.setHeader(name, text);
  res.end(req.method === 'HEAD' ? undefined : body);
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

async function answer(req, res, endpoint, admit) {
  if (res.headersSent) return;
  try {
    if (endpoint === undefined) throw new Refusal(404, ERR_HEAPGAP_NOT_FOUND, 'no such path');
    if (!endpoint.methods.includes(req.method)) {
      const allow = endpoint.methods.join(', ');
      throw new Refusal(405, ERR_HEAPGAP_METHOD_NOT_ALLOWED, `allowed here: ${allow}`, {
        Allow: allow,
      });
    }
    await admit(req);
    send(req, res, 200, await endpoint.serve(req));
  } catch (error) {
    sendError(req, res, error);
  }
}

/**
 * Makes `route()` from what it serves: `snapshot()` gives the figures or a promise of them, `purge()`
 * a promise of a report. `now()` is a monotonic clock in milliseconds.
 */
function createRoute({ snapshot, purge, now = () => performance.now() }) {
  return function route(options) {
    const settings = readOptions(OPTIONS, options, 'route');
    const admit = chooseAccess(settings);
    const purgeInTurn = limitPurge({ purge, now }, settings.minIntervalMs);
    const root = {
      methods: ['GET', 'HEAD'],
      serve: (req) => readFigures(req, snapshot),
    };
    const purging = {
      methods: ['POST'],
      serve: (req) => {
        refuseCrossSite(req);
        return purgeInTurn();
      },
    };
    const endpoints = new Map([
      ['', root],
      ['/', root],
      ['/purge', purging],
      ['/purge/', purging],
    ]);

    return function heapgapRoute(req, res, next) {
      const endpoint = endpoints.get(relativePath(req, settings.path));
      if (endpoint === undefined && typeof next === 'function') {
        next();
        return undefined;
      }
      // Express 4 and node:http ignore this promise, and an unhandled rejection ends the process.
      // What is left to fail here is a response that can no longer be written.
      return answer(req, res, endpoint, admit).catch(() => {});
    };
  };
}

module.exports = { createRoute };
