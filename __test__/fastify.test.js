'use strict';
// heapgap/fastify with the real Fastify.

const assert = require('node:assert/strict');
const { describe, it } = require('node:test');
const fastify = require('fastify');
const heapgapFastify = require('heapgap/fastify');

const TOKEN = 'a token of more than 16';

/** A service, and a function that asks it. */
async function serve(t, register) {
  const app = fastify();
  t.after(() => app.close());
  await register(app);
  await app.listen({ host: '127.0.0.1', port: 0 });
  const { port } = app.server.address();
  return (path, options) => fetch(`http://127.0.0.1:${port}${path}`, options);
}

describe('heapgap/fastify', () => {
  it('serves the route, and leaves all else to the service', async (t) => {
    const ask = await serve(t, async (app) => {
      app.get('/', async () => 'the service');
      app.post('/sum', async ({ body: { a, b } }) => a + b);
      await app.register(heapgapFastify);
    });
    const response = await ask('/debug/memory');
    assert.equal(response.status, 200);
    assert.ok((await response.json()).rss > 0);
    assert.equal((await ask('/debug/memory/inspect')).status, 200);
    assert.equal((await ask('/debug/memory/')).status, 200);
    assert.equal(await (await ask('/')).text(), 'the service');
    assert.equal((await ask('/debug/memory/nothing')).status, 404);
    assert.equal((await ask('/debug')).status, 404);
    const headers = { 'content-type': 'application/json' };
    const sum = await ask('/sum', { method: 'POST', headers, body: '{"a":1,"b":2}' });
    assert.equal(await sum.text(), '3', 'its own bodies are still read');
  });

  it('purges, whatever is in the body', async (t) => {
    const ask = await serve(t, (app) => app.register(heapgapFastify, { minIntervalMs: 0 }));
    for (const type of ['application/json', 'text/csv']) {
      const post = { method: 'POST', headers: { 'content-type': type }, body: '{' };
      const response = await ask('/debug/memory/purge', post);
      assert.equal(response.status, 200, `${type}: ${await response.text()}`);
    }
    assert.equal((await ask('/debug/memory', { method: 'DELETE' })).status, 405);
  });

  it('stays in its context: its prefix, its hooks, and no other’s', async (t) => {
    const seen = [];
    const ask = await serve(t, async (app) => {
      app.get('/other', async () => 'other');
      await app.register(
        async (admin) => {
          admin.addHook('onRequest', async (request, reply) => {
            seen.push(request.url);
            if (request.headers['x-admin'] !== 'yes') return reply.code(401).send('no');
          });
          await admin.register(heapgapFastify, { path: '/memory' });
        },
        { prefix: '/admin' },
      );
    });
    assert.equal((await ask('/admin/memory')).status, 401);
    const response = await ask('/admin/memory', { headers: { 'x-admin': 'yes' } });
    assert.equal(response.status, 200);
    assert.equal((await ask('/other')).status, 200);
    assert.deepEqual(seen, ['/admin/memory', '/admin/memory']);
  });

  it('takes its own prefix as Fastify gives it', async (t) => {
    const options = { prefix: '/internal/', logLevel: 'silent' };
    const ask = await serve(t, (app) => app.register(heapgapFastify, options));
    assert.equal((await ask('/internal/debug/memory')).status, 200);
    assert.equal((await ask('/debug/memory')).status, 404);
  });

  it('has the route’s options, and names one that is wrong', async (t) => {
    const ask = await serve(t, (app) => app.register(heapgapFastify, { token: TOKEN }));
    assert.equal((await ask('/debug/memory')).status, 401);
    const headers = { authorization: `Bearer ${TOKEN}` };
    assert.equal((await ask('/debug/memory', { headers })).status, 200);
    for (const options of [{ token: 'short' }, { pth: '/x' }, { path: 'x', prefix: '/y' }]) {
      const app = fastify();
      await assert.rejects(async () => app.register(heapgapFastify, options), {
        code: /^ERR_HEAPGAP_/,
      });
    }
  });
});
