'use strict';
// V8's heap snapshot, for those who have opened it, one at a time.

const os = require('node:os');
const { pipeline } = require('node:stream/promises');
const v8 = require('node:v8');

const {
  ERR_HEAPGAP_BUSY,
  ERR_HEAPGAP_FORBIDDEN,
  ERR_HEAPGAP_NO_ROOM,
  invalidArg,
} = require('../errors.js');
const { refuseCrossSite } = require('./cross-site.js');
const { debug } = require('../attempt.js');
const { fileName } = require('../file-name.js');
const { Refusal } = require('./refusal.js');
const { begin, isAnswered } = require('./send.js');

/**
 * What V8 takes beside the heap for each byte in use, until the last byte is sent, as measured on Node.js 20
 * to 26: 5 to 7 for programs and parsed JSON, 20 to 30 where all is small objects, as in a Map that grows
 * without bound (and 43 in a Set of short strings). How small they are V8 does not tell beforehand, and
 * trying ends the process: so, the most of what is usual, and `?force=true` for whoever knows better.
 */
const ROOM_PER_BYTE = 30;

const mb = (bytes) => `${Math.round(bytes / 2 ** 20)} MB`;

/** The machine's; on macOS Node.js does not count what can be had at once. */
const machineRoom = () => (process.platform === 'darwin' ? null : os.freemem());

/** How much more memory the process can take before the kernel ends it, and what bounds that. */
function roomFor({ limit, unreclaimable }) {
  const bounds = [{ bytes: machineRoom(), of: 'the machine' }];
  if (typeof limit === 'number' && typeof unreclaimable === 'number') {
    bounds.push({ bytes: limit - unreclaimable, of: `the memory limit of ${mb(limit)}` });
  }
  const known = bounds.filter(({ bytes }) => bytes !== null);
  return known.sort((a, b) => a.bytes - b.bytes)[0];
}

function refuseWithoutRoom({ v8: { heapUsed }, cgroup }) {
  const needed = heapUsed * ROOM_PER_BYTE;
  const room = roomFor(cgroup);
  if (room === undefined || room.bytes >= needed) return;
  throw new Refusal(
    503,
    ERR_HEAPGAP_NO_ROOM,
    `a snapshot of a heap of ${mb(heapUsed)} can take ${mb(needed)} more (a fifth of that in most programs), ` +
      `and ${room.of} leaves ${mb(Math.max(0, room.bytes))}: the kernel might end this process; ` +
      '`?force=true` takes it all the same',
  );
}

/** Whether the room is not to be asked about. */
function isForced(query) {
  const given = new URLSearchParams(query).getAll('force');
  if (given.length === 0) return false;
  if (given.length === 1 && given[0] === 'true') return true;
  const { message, code } = invalidArg('force', 'the string true, given once', given.join(', '));
  throw new Refusal(400, code, message);
}

const headers = () => ({
  'Content-Disposition': `attachment; filename="${fileName('heapsnapshot')}"`,
});

const OFF =
  'heap snapshots are not served: each holds all that the process has in memory, and stops it while ' +
  'it is taken; give route() the option `heapSnapshot: true` to serve them';

/** The whole snapshot waits in memory for its reader: one that reads nothing for so long is left. */
const IDLE_MS = 60_000;

/** Sends what V8 wrote as fast as the client takes it, and lets go of it should the client leave. */
async function transfer(stream, res, idleMs) {
  const idle = setTimeout(() => res.destroy(), idleMs).unref();
  res.on('drain', () => idle.refresh());
  try {
    begin(res, 200, headers());
    await pipeline(stream, res);
  } catch (error) {
    debug('a heap snapshot was not sent whole: %o', error);
    if (!res.headersSent) throw error;
  } finally {
    clearTimeout(idle);
    stream.destroy();
  }
}

/**
 * Makes what serves heap snapshots: `snapshot()` tells how much room there is, `take()` gives one as a
 * stream.
 */
function createHeapSnapshots({ snapshot, take = () => v8.getHeapSnapshot(), idleMs = IDLE_MS }) {
  let busy = false;

  async function serve(req, res, query) {
    if (!isForced(query)) refuseWithoutRoom(await snapshot());
    if (isAnswered(res)) return;
    if (req.method === 'HEAD') {
      begin(res, 200, headers());
      res.end();
      return;
    }
    await transfer(take(), res, idleMs);
  }

  return (enabled) => async (req, res, query) => {
    if (!enabled) throw new Refusal(403, ERR_HEAPGAP_FORBIDDEN, OFF);
    refuseCrossSite(req, 'take a heap snapshot');
    if (busy) throw new Refusal(409, ERR_HEAPGAP_BUSY, 'another heap snapshot is under way');
    if (req.method === 'HEAD') return serve(req, res, query);
    busy = true;
    try {
      return await serve(req, res, query);
    } finally {
      busy = false;
    }
  };
}

module.exports = { createHeapSnapshots };
