'use strict';
// Renders large pages on the server: products out of a store that is in memory, React, a cache of the pages as
// strings, and gzip.

const { promisify } = require('node:util');
const zlib = require('node:zlib');

const { createElement: h } = require('react');
const { renderToString } = require('react-dom/server');

const { between, hash, numberOf } = require('./chance.js');

const PRODUCTS = 360_000;
const PAGES = 200;

const gzip = promisify(zlib.gzip);
const pages = new Map();

const product = (id) => ({
  id,
  name: `Product ${id} of ${hash(id)}`,
  price: hash(id) / 100,
  stock: hash(id * 3) % 100,
  tags: [`tag ${id % 17}`, `tag ${id % 31}`, `shelf ${id % 97}`],
  text: `A description of product ${id}, which is ${hash(id * 5)} mm long and weighs ${hash(id * 7)} g.`,
});

const Tag = ({ text }) => h('span', { className: 'tag' }, text);

const Row = ({ item }) =>
  h(
    'li',
    { className: item.stock > 0 ? 'in' : 'out', 'data-id': item.id },
    h('h3', null, item.name),
    h('p', null, item.text),
    h('b', null, item.price.toFixed(2)),
    ...item.tags.map((text) => h(Tag, { key: text, text })),
  );

const Page = ({ title, items }) =>
  h(
    'html',
    null,
    h('head', null, h('title', null, title)),
    h(
      'body',
      null,
      h('h1', null, title),
      h(
        'ul',
        null,
        items.map((item) => h(Row, { key: item.id, item })),
      ),
    ),
  );

async function answer(store, request, response) {
  const number = numberOf(request);
  const first = hash(number * 3) * 5;
  const items = store.slice(first, first + between(number, 30, 300));
  const html = renderToString(h(Page, { title: `Page ${number}`, items }));
  pages.set(hash(number * 13) % PAGES, html);
  const packed = await gzip(html, { level: 1 });
  response.writeHead(200, { 'content-type': 'text/html', 'content-encoding': 'gzip' });
  response.end(packed);
}

module.exports = {
  async start() {
    const store = Array.from({ length: PRODUCTS }, (_, id) => product(id));
    return (request, response) => answer(store, request, response);
  },
};
