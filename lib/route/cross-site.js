'use strict';
// Requests that another site made a browser send.

const { ERR_HEAPGAP_CROSS_SITE } = require('../errors.js');
const { Refusal } = require('./refusal.js');

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

/** Refuses what another site may not do. */
function refuseCrossSite(req, what) {
  if (!isCrossSite(req.headers)) return;
  throw new Refusal(403, ERR_HEAPGAP_CROSS_SITE, `another site may not ${what}`);
}

module.exports = { refuseCrossSite };
