// The button, and what the purge did.

import { el, figure, sentence } from './dom.mjs';
import { duration } from './format.mjs';
import { askProcess } from './requests.mjs';

function wentOf(released) {
  if (released === null) return ['how much was returned is not known'];
  return released > 0 ? [figure(released), ' returned'] : ['RSS did not fall'];
}

function outcomeOf({ method, rssBefore, rssAfter, released, durationMs, kept, notes }) {
  if (method === null) {
    return [
      el(
        'p',
        {},
        `Nothing was done: ${notes.map(({ reason }) => reason)[0] ?? 'heapgap cannot purge this allocator.'}`,
      ),
    ];
  }
  const went = wentOf(released);
  return [
    el(
      'p',
      { className: 'headline' },
      'RSS ',
      figure(rssBefore),
      ' → ',
      figure(rssAfter),
      ': ',
      ...went,
      ` in ${duration(durationMs)}.`,
    ),
    ...(kept.length === 0
      ? []
      : [
          el('p', {}, 'What is still there, and why:'),
          el('ul', {}, ...kept.map(({ summary }) => el('li', {}, ...sentence(summary)))),
        ]),
  ];
}

/** Wires the button; `pid` gives the process that the page shows. */
export function purgeButton(button, said, pid) {
  const isOther = ({ error }) => error?.code === 'ERR_HEAPGAP_OTHER_PROCESS';
  button.addEventListener('click', async () => {
    // Not `disabled`: that would take the focus away.
    if (button.ariaDisabled === 'true') return;
    button.ariaDisabled = 'true';
    said.replaceChildren(el('p', {}, 'Purging…'));
    try {
      said.replaceChildren(...outcomeOf(await askProcess('POST', `purge?pid=${pid()}`, isOther)));
    } catch (error) {
      said.replaceChildren(
        el('p', { className: 'refused' }, ...sentence(`Not purged: ${error.message}.`)),
      );
    }
    button.ariaDisabled = null;
  });
}
