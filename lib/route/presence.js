'use strict';
// Whether there is still somebody to answer: neither has the client gone, nor does its server close.

/**
 * Tells which servers are closing: server.close() waits for requests to end, and these must not be what it waits
 * for. One that was never seen to listen is given its connections by another, and says nothing of the kind.
 */
function createClosing() {
  const seen = new WeakSet();
  return (server) => {
    if (server?.listening) seen.add(server);
    return seen.has(server) && !server.listening;
  };
}

/** By the socket too: a response that waits behind another on its connection hears of no close. */
const isGone = (socket, res) => res.destroyed || res.writableEnded || socket?.destroyed;

module.exports = { createClosing, isGone };
