'use strict';
// route(): which path is served by what. Who is let in, and what is served, are in route/.

const { ERR_HEAPGAP_METHOD_NOT_ALLOWED, ERR_HEAPGAP_NOT_FOUND } = require('./errors.js');
const { boolean, readOptions } = require('./options.js');
const { chooseAccess } = require('./route/access.js');
const { refuseCrossSite } = require('./route/cross-site.js');
const { DEFAULT_PATH } = require('./route/default-path.js');
const { createFigures } = require('./route/figures.js');
const { createHeapSnapshots } = require('./route/heap-snapshot.js');
const { createLive } = require('./route/live.js');
const { createMetrics } = require('./route/metrics.js');
const { createPage, wantsPage } = require('./route/page.js');
const { createProfiles } = require('./route/profile.js');
const { limitPurge, refuseOtherProcess } = require('./route/purge.js');
const { Refusal } = require('./route/refusal.js');
const { send, sendError } = require('./route/send.js');

const OPTIONS = {
  path: {
    default: DEFAULT_PATH,
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
  heapSnapshot: boolean(false),
  profile: boolean(false),
};

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

/** An endpoint that answers JSON. */
const json = (methods, serve) => ({
  methods,
  handle: async (req, res, query) => send(req, res, 200, await serve(req, query)),
});

const PAGE_FILE = /^\/page\/([\w.-]+)$/;

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
    await endpoint.handle(req, res, splitTarget(req.url).query);
  } catch (error) {
    sendError(req, res, error);
  }
}

const READING = ['GET', 'HEAD'];

/**
 * Makes `route()` from what it serves: `snapshot()` gives the figures or a promise of them, `purge()`,
 * `inspect()`, `diagnosis()`, a recent one, and `liveDiagnosis()`, a more recent one for viewers, promises of what they
 * answer, `watch()` starts a window of samples, `purges()` counts them, `makeRegistry()` gives prom-client's metrics,
 * `takeHeapSnapshot()` a stream; `profiler` is the heap profiler. `now()` is a monotonic clock in milliseconds.
 */
function createRoute({
  snapshot,
  purge,
  inspect,
  diagnosis,
  liveDiagnosis = diagnosis,
  watch,
  purges,
  makeRegistry,
  takeHeapSnapshot,
  profiler,
  idleMs,
  now = () => performance.now(),
}) {
  // Shared by all handlers: each of these is for the whole process.
  const figures = createFigures({ snapshot, diagnosis });
  const metrics = createMetrics(makeRegistry);
  const live = createLive({ snapshot, diagnosis: liveDiagnosis, watch, purges, now });
  const profiles = createProfiles(profiler);
  const { page, file } = createPage();
  const heapSnapshots = createHeapSnapshots({ snapshot, take: takeHeapSnapshot, idleMs });

  return function route(options) {
    const settings = readOptions(OPTIONS, options, 'route');
    const admit = chooseAccess(settings);
    const purgeInTurn = limitPurge({ purge, now }, settings.minIntervalMs);
    const served = {
      '': {
        methods: READING,
        handle: async (req, res, query) => {
          if (wantsPage(req, query)) return page(req, res);
          return send(req, res, 200, await figures(query), { Vary: 'Accept' });
        },
      },
      '/inspect': json(READING, () => inspect()),
      '/metrics': { methods: READING, handle: metrics },
      '/live': {
        methods: READING,
        handle: live(() => ({ profile: { why: profiles.whyNone(settings.profile) } })),
      },
      '/purge': json(['POST'], (req, query) => {
        refuseCrossSite(req, 'start a purge');
        refuseOtherProcess(query);
        return purgeInTurn();
      }),
      '/heap-snapshot': { methods: READING, handle: heapSnapshots(settings.heapSnapshot) },
      '/profile': { methods: READING, handle: profiles.serve(settings.profile) },
    };
    const endpoints = new Map(
      Object.entries(served).flatMap(([path, endpoint]) => [
        [path, endpoint],
        [`${path}/`, endpoint],
      ]),
    );
    const endpointAt = (path) => {
      const [, name] = PAGE_FILE.exec(path) ?? [];
      if (name === undefined) return endpoints.get(path);
      return { methods: READING, handle: (req, res) => file(req, res, name) };
    };

    return function heapgapRoute(req, res, next) {
      const endpoint = endpointAt(relativePath(req, settings.path));
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
