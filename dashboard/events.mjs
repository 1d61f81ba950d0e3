// What happened, in words; the charts mark the same.

import { el } from './dom.mjs';
import { bytes, clock } from './format.mjs';

const SHOWN = 20;

/** The letter of each kind in the chart. */
export const MARKS = { purge: 'P', governor: 'G', collection: 'C', level: 'L', oom: '✕' };

/** Answers what shows events, the newest first, in `list`; `none` is there while there are none. */
export function eventsView(list, none) {
  let shown;
  return (events) => {
    if (events.at(-1) === shown) return;
    shown = events.at(-1);
    none.hidden = events.length > 0;
    const newest = events.slice(-SHOWN).reverse();
    list.replaceChildren(
      ...newest.map(({ time, kind, what, returned }) =>
        el(
          'li',
          {},
          el('span', { className: 'mark', 'aria-hidden': 'true' }, MARKS[kind]),
          el('time', { dateTime: new Date(time).toISOString() }, clock(time)),
          ` ${what}`,
          returned > 0 ? `, ${bytes(returned)} returned` : '',
        ),
      ),
    );
  };
}
