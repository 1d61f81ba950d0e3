// The ledger: its parts as a table, which says in words what the chart shows.

import { el, head, setText, table } from './dom.mjs';
import { bytes, exact, NONE, percent } from './format.mjs';
import { GROUPS } from './parts.mjs';

function rowOf(key, [name, about]) {
  const size = el('data', {}, NONE);
  const share = el('td', { className: 'number' }, NONE);
  const swatch = el('span', { className: `swatch area ink-${key}`, 'aria-hidden': 'true' });
  const row = el(
    'tr',
    {},
    el(
      'th',
      { scope: 'row' },
      el('span', { className: 'name' }, swatch, name),
      el('span', { className: 'about quiet' }, about),
    ),
    el('td', { className: 'number' }, size),
    share,
  );
  return { row, size, share };
}

/** Makes the table in `box`; answers what shows a ledger in it. */
export function ledgerView(box) {
  const rows = new Map(
    GROUPS.toReversed().flatMap(({ key, parts }) =>
      Object.entries(parts).map(([part, words]) => [part, rowOf(key, words)]),
    ),
  );
  const heads = [head('Part'), head('Bytes', true), head('Share', true)];
  const lines = [...rows.values()].map(({ row }) => row);
  box.append(table('RSS by its parts', heads, lines));

  return (ledger) => {
    for (const [part, { row, size, share }] of rows) {
      const { bytes: amount = null, accuracy = null, source = '' } = ledger?.parts[part] ?? {};
      setText(size, amount === null && source.startsWith('inside') ? 'elsewhere' : bytes(amount));
      size.value = String(amount ?? '');
      size.title = amount === null ? source : `${exact(amount)}; ${accuracy}: ${source}`;
      setText(share, percent(amount === null ? null : amount / ledger.rss));
      row.classList.toggle('small', ledger !== null && !(amount > 0));
    }
  };
}
