'use strict';
// Who is let in.

const { createHash, timingSafeEqual } = require('node:crypto');
const { BlockList, isIP } = require('node:net');

const { ERR_HEAPGAP_FORBIDDEN, ERR_HEAPGAP_UNAUTHORIZED, invalidArg } = require('../errors.js');
const { attempt, debug } = require('../attempt.js');
const { prefersHtml } = require('./accept.js');
const { Refusal } = require('./refusal.js');

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet('127.0.0.0', 8, 'ipv4'); // matches ::ffff:127.0.0.0/104 as well
LOOPBACK.addAddress('::1', 'ipv6');

// Forwarded (RFC 7239), Via (RFC 9110), CDN-Loop (RFC 8586), and what proxies and CDNs add on
// their own: X-Forwarded-*, X-Original-*, X-Envoy-*, CF-*, X-Real-IP, True-Client-IP, …
const ADDED_BY_PROXY =
  /^(?:via|cdn-loop)$|^(?:cf|x-envoy|x-original|x-real)-|forwarded|(?:client|-)ip(?:v6)?$|-addr(?:ess)?$/i;

const LOCALHOST = /^(?:[\w-]+\.)*localhost$/i;

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

/** What makes a browser ask its user, who has the token as the password of any name (RFC 7617). */
const BASIC = 'Basic realm="heapgap", charset="UTF-8"';

function givenToken(authorization) {
  const [, scheme, given] = /^(bearer|basic) +(.*)$/i.exec(authorization) ?? [];
  if (scheme?.toLowerCase() !== 'basic') return given;
  return /^[^:]*:(.*)$/s.exec(Buffer.from(given, 'base64').toString())?.[1];
}

function admitToken(token) {
  const expected = sha256(token);
  return async (req) => {
    const given = givenToken(req.headers.authorization);
    // timingSafeEqual wants equal lengths: digests have them and hide the token's own.
    if (given !== undefined && timingSafeEqual(sha256(given), expected)) return;
    throw new Refusal(
      401,
      ERR_HEAPGAP_UNAUTHORIZED,
      'the header `Authorization: Bearer <token>` is missing or wrong; ' +
        'a browser gives the token as the password of any name',
      { 'WWW-Authenticate': prefersHtml(req.headers.accept) ? ['Bearer', BASIC] : 'Bearer' },
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

module.exports = { chooseAccess };
