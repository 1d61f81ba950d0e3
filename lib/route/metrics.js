'use strict';
// What answers GET …/metrics: heapgap's metrics alone, whatever else the program has registered with prom-client.

const { ERR_HEAPGAP_PEER_MISSING } = require('../errors.js');
const { Refusal } = require('./refusal.js');
const { sendText } = require('./send.js');

function refuseWithoutPeer(error) {
  if (error.code !== ERR_HEAPGAP_PEER_MISSING) throw error;
  throw new Refusal(404, error.code, error.message);
}

/** `makeRegistry` throws where prom-client is missing. */
function createMetrics(makeRegistry) {
  let registry = null;
  return async (req, res) => {
    try {
      registry ??= makeRegistry();
    } catch (error) {
      refuseWithoutPeer(error);
    }
    const text = await registry.metrics();
    sendText(req, res, 200, text, { 'Content-Type': registry.contentType });
  };
}

module.exports = { createMetrics };
