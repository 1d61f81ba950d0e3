'use strict';
// A report in words. What comes from other processes is foreign text: nothing in it may reach the
// terminal as more than letters.

// C0 and C1 controls and DEL; marks that are invisible or reverse the direction of what follows.
const UNSAFE =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  /[\u0000-\u001f\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

const MAX_SHOWN = 400;

const escapeUnsafe = (text) =>
  text.replace(UNSAFE, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Foreign text as one readable line. */
function plain(text) {
  const whole = String(text);
  return escapeUnsafe(whole.length > MAX_SHOWN ? `${whole.slice(0, MAX_SHOWN)}…` : whole);
}

/** JSON.stringify leaves C1 controls as they are, and a terminal obeys them. */
function toJson(report) {
  const text = JSON.stringify(report, null, 2);
  return `${text.split('\n').map(escapeUnsafe).join('\n')}\n`;
}

const STYLES = { error: '31', warning: '33', info: '36', bold: '1', dim: '2', healthy: '32' };

function painter(colour) {
  return (style, text) => (colour ? `\u001b[${STYLES[style]}m${text}\u001b[0m` : text);
}

const plural = (count, word) => `${count} ${word}${count === 1 ? '' : 's'}`;

function countOf(findings) {
  const counts = ['error', 'warning', 'info'].flatMap((severity) => {
    const count = findings.filter((finding) => finding.severity === severity).length;
    const word = severity === 'info' ? 'remark' : severity;
    return count > 0 ? [plural(count, word)] : [];
  });
  return counts.join(', ');
}

/** What is live, and how that is known, in one line. */
function liveLine(processes) {
  const known = processes.filter(({ allocator }) => allocator);
  if (known.length === 0) return 'no allocator was seen';
  if (new Set(known.map(nameOf)).size > 1) return eachOf(known);
  const [first] = known;
  // The last observation but for where the allocator is.
  const { evidence } = first.allocator;
  const proof = evidence.findLast((line) => !line.startsWith('malloc_usable_size')) ?? evidence[0];
  const where = known.length === 1 ? describe(first) : `${known.length} processes`;
  return `${nameOf(first)} serves malloc in ${where} (${proof ?? 'no evidence'})`;
}

const MAX_LISTED = 8;

/** Where they differ: who serves malloc in which. */
function eachOf(processes) {
  const each = processes.slice(0, MAX_LISTED).map((one) => `${nameOf(one)} in ${describe(one)}`);
  const more = processes.length > MAX_LISTED ? [`${processes.length - MAX_LISTED} more`] : [];
  return `malloc is served by ${[...each, ...more].join(', ')}`;
}

const nameOf = ({ allocator: { name, version } }) =>
  version ? `${name} ${version.split('-')[0]}` : name;

const describe = ({ pid, label }) => `process ${pid} (${label})`;

/** The lines are to be pasted: nothing is added to them, nor cut off. */
function fixText({ fix }) {
  const applying = fix.filter(({ applies }) => applies);
  return applying.flatMap(({ distribution, arch, lines }) => [
    distribution === 'any' ? '  fix:' : `  fix, on ${distribution}, ${arch}:`,
    ...lines.map((line) => `    ${escapeUnsafe(line)}`),
  ]);
}

function findingText(finding, paint) {
  return [
    `${paint(finding.severity, finding.severity.padEnd(7))} ${paint('bold', finding.code)}`,
    `  ${plain(finding.summary)}`,
    ...finding.evidence.map(({ source, value }) =>
      paint('dim', `  seen: ${plain(source)}: ${plain(value)}`),
    ),
    ...fixText(finding),
    '',
  ];
}

function toText({ findings, processes, notes }, { colour = false } = {}) {
  const paint = painter(colour);
  const state = findings.length === 0 ? paint('healthy', 'healthy') : countOf(findings);
  const lines = [`${state}: ${plain(liveLine(processes))}`];
  if (findings.length > 0) lines.push('', ...findings.flatMap((each) => findingText(each, paint)));
  lines.push(...notes.map((note) => paint('dim', `note: ${plain(note)}`)));
  return `${lines.join('\n').trimEnd()}\n`;
}

module.exports = { plain, toJson, toText };
