// What the diagnosis says, in words, with its evidence and what to do.

import { el, figure, head, sentence, setText, table } from './dom.mjs';
import { duration, measured, NONE } from './format.mjs';

const TITLES = {
  healthy: 'Nothing calls for action',
  'js-heap': 'JavaScript objects, in V8’s heap',
  'external-buffers': 'Buffers, outside of V8’s heap',
  'native-live': 'Native memory in use',
  retention: 'Freed memory was not returned to the system',
  'pinned-fragmentation': 'Fragmentation: free room that cannot be returned',
  'too-many-arenas': 'The allocator has too many arenas',
  'thread-caches': 'Threads keep freed memory for themselves',
  'huge-pages': 'Huge pages hold memory that nobody uses',
  'decay-not-running': 'Nothing returns freed memory in time',
  'handles-growing': 'Sockets, timers or other handles grow in number',
  'page-cache': 'Files in the page cache: nothing to worry about',
  'mapped-files': 'Files that are mapped into memory',
  stacks: 'The stacks of many threads',
  'limit-too-tight': 'The memory limit is too tight',
  'not-live': 'The allocator that was set up is not the one in use',
  'insufficient-data': 'There is too little to go by',
};

const SEVERITIES = { critical: 'Critical', warning: 'Warning', info: 'For your information' };

const titleOf = (code) => TITLES[code] ?? code ?? 'No verdict';

const badge = (kind, text) => el('span', { className: `badge ${kind}` }, text);

function evidenceRow({ metric, value, unit, threshold, source }) {
  const format = unit === 'bytes' ? undefined : (each) => measured(each, unit);
  return el(
    'tr',
    {},
    el('th', { scope: 'row' }, metric),
    el('td', { className: 'number' }, figure(value, format)),
    el('td', { className: 'number' }, threshold === null ? NONE : measured(threshold, unit)),
    el('td', { className: 'about' }, source),
  );
}

const evidenceHeads = () => [
  head('Figure'),
  head('Value', true),
  head('Compared with', true),
  head('Read from'),
];

function findingOf({ code, bytes: size, severity, summary, evidence, actions }, open) {
  return el(
    'details',
    { open, 'data-code': code, className: 'finding' },
    el(
      'summary',
      {},
      badge(severity, SEVERITIES[severity] ?? severity),
      ` ${titleOf(code)}`,
      ...(size === null ? [] : [', ', figure(size)]),
      el('span', { className: 'more' }, ' What to do, and the evidence'),
    ),
    el('p', {}, ...sentence(summary)),
    el('h3', {}, 'What to do'),
    el('ol', {}, ...actions.map((action) => el('li', {}, ...sentence(action)))),
    el('h3', {}, 'Evidence'),
    table(`Evidence: ${titleOf(code)}`, evidenceHeads(), evidence.map(evidenceRow)),
  );
}

function windowOf({ samples, durationMs }) {
  if (samples < 2)
    return 'Growth is judged once the page, or the program’s own watch(), has looked for a while.';
  return `Growth is judged by ${samples} samples of the last ${duration(durationMs)}.`;
}

function saidOf({ verdict, summary, findings, window, notes }) {
  if (verdict === null)
    return [el('p', {}, `No verdict: ${notes.map(({ reason }) => reason).join('; ')}`)];
  const own = findings.find(({ code }) => code === verdict)?.severity;
  const worst = own ?? (verdict === 'healthy' ? 'healthy' : 'info');
  return [
    el(
      'p',
      { className: 'headline' },
      badge(worst, SEVERITIES[worst] ?? 'Healthy'),
      ` ${titleOf(verdict)} `,
      el('code', {}, verdict),
    ),
    el('p', {}, ...sentence(summary)),
    el('p', { className: 'quiet' }, windowOf(window)),
  ];
}

/**
 * Answers what shows a diagnosis in `said` and `list`. `spoken` is read out: once for each verdict, and not for each
 * figure that changes in it.
 */
export function verdictView(said, list, spoken) {
  let last = null;
  let drawn = null;
  return (diagnosis) => {
    if (diagnosis === drawn) return;
    const { verdict, summary } = diagnosis;
    if (verdict !== last) setText(spoken, `${titleOf(verdict)}. ${summary ?? ''}`);
    last = verdict;
    said.replaceChildren(...saidOf(diagnosis));
    // Whoever reads in it with the keyboard keeps the place until the next one.
    if (list.contains(document.activeElement)) return;
    drawn = diagnosis;
    const open = new Map([...list.children].map((each) => [each.dataset.code, each.open]));
    const findings = diagnosis.findings ?? [];
    list.replaceChildren(...findings.map((each) => findingOf(each, open.get(each.code) ?? false)));
  };
}
