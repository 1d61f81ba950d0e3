import type { FastifyInstance } from 'fastify';
import type { RouteOptions } from '../index.js';

/**
 * `route()` as a plugin of Fastify: `app.register(require('heapgap/fastify'), options)`. Serves inside the context that it
 * is registered in: that context's hooks run first, and its prefix comes before `path`. Requests from other
 * machines are refused unless the options let them in, as everywhere.
 *
 * A bad option makes `register` fail with heapgap's error.
 */
declare function heapgapFastify(fastify: FastifyInstance, options?: RouteOptions): Promise<void>;

declare namespace heapgapFastify {
  export { heapgapFastify, heapgapFastify as default };
}

export = heapgapFastify;
