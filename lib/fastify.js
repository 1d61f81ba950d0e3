'use strict';
// heapgap/fastify: route() as a plugin.

const { route } = require('../index.js');

/**
 * Serves the route inside the context that it is registered in: hooks of that context run first, and its prefix
 * comes before `path`.
 */
async function heapgapFastify(fastify, { path = '/debug/memory', prefix: _, ...options } = {}) {
  const full = fastify.prefix + path;
  const serve = route({ ...options, path: full });
  const handler = (request, reply) => {
    reply.hijack();
    return serve(request.raw, reply.raw);
  };
  // A request's body is of no use here, and none is to be refused for what it says of it.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
  for (const url of [path, `${path}/*`]) fastify.all(url, handler);
}

module.exports = heapgapFastify;
module.exports.default = heapgapFastify;
module.exports.heapgapFastify = heapgapFastify;
