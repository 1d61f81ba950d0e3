'use strict';
// heapgap/fastify: route() as a plugin.

const { route } = require('../index.js');
const { DEFAULT_PATH } = require('./route/default-path.js');

/**
 * Serves the route inside the context that it is registered in: hooks of that context run first, and its prefix
 * comes before `path`.
 */
async function heapgapFastify(fastify, given = {}) {
  // Fastify's own options, which it leaves among the plugin's.
  const { prefix, logLevel, logSerializers, ...options } = given;
  // Names an option that is wrong, before the prefix hides it.
  route(options);
  const { path = DEFAULT_PATH } = options;
  const serve = route({ ...options, path: fastify.prefix.replace(/\/$/, '') + path });
  const handler = (request, reply) => {
    reply.hijack();
    return serve(request.raw, reply.raw);
  };
  // A request's body is of no use here: none is to be refused for what is in it.
  fastify.removeAllContentTypeParsers();
  fastify.addContentTypeParser('*', (_request, _payload, done) => done(null));
  for (const url of [path, `${path}/*`]) fastify.all(url, handler);
}

module.exports = heapgapFastify;
module.exports.default = heapgapFastify;
module.exports.heapgapFastify = heapgapFastify;
