'use strict';
// What the documents say can be followed: links lead somewhere, snippets parse, commands exist.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { describe, test } = require('node:test');
const { USAGE } = require('../lib/cli/output.js');
const { scripts } = require('../package.json');

const ROOT = path.join(__dirname, '..');

/** Pages that describe a deployment, and owe the reader what was tried. */
const DEPLOYMENTS = ['docker', 'kubernetes', 'pm2', 'systemd'].map((name) => `docs/${name}.md`);

const markdown = (folder) =>
  fs
    .readdirSync(path.join(ROOT, folder))
    .filter((file) => file.endsWith('.md'))
    .map((file) => path.posix.join(folder, file));

const PAGES = [...markdown('.'), ...markdown('docs')];

const FENCE = /^( *)```(\w*)\n([\s\S]*?)^\1```$/gm;

/** A page's text without its fenced snippets, and those, each with its language. */
function read(page) {
  const text = fs.readFileSync(path.join(ROOT, page), 'utf8');
  const snippets = [...text.matchAll(FENCE)].map(([, indent, language, code]) => ({
    language,
    code: code.replaceAll(new RegExp(`^${indent}`, 'gm'), ''),
  }));
  return { prose: text.replaceAll(FENCE, ''), snippets };
}

/** As GitHub makes an anchor of a heading. */
const anchor = (heading) =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
    .replaceAll(' ', '-');

const anchors = (page) =>
  [...read(page).prose.matchAll(/^#+ (.+)$/gm)].map((match) => anchor(match[1]));

const links = (prose) => [...prose.matchAll(/\]\(([^)\s]+)\)/g)].map((match) => match[1]);

function brokenLink(page, link) {
  const [file, fragment] = link.split('#');
  const target = file === '' ? page : path.posix.join(path.posix.dirname(page), file);
  if (!fs.existsSync(path.join(ROOT, target))) return `${link}: there is no ${target}`;
  if (fragment === undefined || anchors(target).includes(fragment)) return null;
  return `${link}: ${target} has no such heading`;
}

/** What `command` says against a program on its standard input, or in a file of that name. */
function complaint(command, args, code, name) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'heapgap-'));
  try {
    const file = path.join(folder, name);
    fs.writeFileSync(file, code);
    const { status, stderr } = spawnSync(command, [...args, file], { encoding: 'utf8' });
    return status === 0 ? null : stderr;
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
}

function parseJson(code) {
  try {
    JSON.parse(code);
    return null;
  } catch (error) {
    return error.message;
  }
}

/** Docker takes an array that is no JSON for a shell command, without a word. */
function parseDockerfile(code) {
  const arrays = [...code.matchAll(/^(?:CMD|ENTRYPOINT|RUN) (\[.*)$/gm)];
  return arrays.map((match) => parseJson(match[1])).find(Boolean) ?? null;
}

const MODULE = /^(?:import|export) /m;

/** By the language of the snippet: what is wrong with it, or `null`. */
const PARSERS = {
  dockerfile: parseDockerfile,
  js: (code) =>
    complaint(process.execPath, ['--check'], code, MODULE.test(code) ? 'it.mjs' : 'it.cjs'),
  json: parseJson,
  sh: (code) => complaint('sh', ['-n'], code, 'it.sh'),
};

/** What stands as code: snippets, and words between backquotes. */
function codeOf(page) {
  const { prose, snippets } = read(page);
  const inline = [...prose.matchAll(/`([^`]+)`/g)].map((match) => match[1]);
  return [...snippets.map(({ code }) => code), ...inline];
}

const all = (texts, pattern) =>
  texts.flatMap((text) => [...text.matchAll(pattern)].map((match) => match[1]));

// Where a command begins; not `npm install heapgap express`.
const COMMAND = /(?:^|npx |exec |\.bin\/|\$\()heapgap ([a-z]+)/gm;
const COMMAND_IN_ARRAY = /\.bin\/heapgap"?, "?([a-z]+)/g;
const SCRIPT = /npm run ([\w:-]+)/g;

const commands = new Set(all([USAGE], /heapgap ([a-z]+)/g));

for (const page of PAGES) {
  describe(page, () => {
    const { prose, snippets } = read(page);

    test('links lead to files and headings that exist', () => {
      const relative = links(prose).filter((link) => !/^[a-z]+:/.test(link));
      assert.deepEqual(relative.map((link) => brokenLink(page, link)).filter(Boolean), []);
    });

    test('snippets parse', () => {
      for (const { language, code } of snippets) {
        assert.equal(PARSERS[language]?.(code) ?? null, null, code);
      }
    });

    test('commands and scripts exist', () => {
      const code = codeOf(page);
      const named = [...all(code, COMMAND), ...all(code, COMMAND_IN_ARRAY)];
      assert.deepEqual(
        named.filter((name) => !commands.has(name)),
        [],
      );
      assert.deepEqual(
        all(code, SCRIPT).filter((name) => !Object.hasOwn(scripts, name)),
        [],
      );
    });
  });
}

test('each deployment says what was run and what was not, and the index leads to it', () => {
  const index = links(read('docs/README.md').prose);
  for (const page of DEPLOYMENTS) {
    assert.ok(index.includes(path.basename(page)), page);
    for (const heading of ['what-was-run', 'not-run']) assert.ok(anchors(page).includes(heading));
  }
});

/** What `index.d.ts` lists as one of a type's words. */
function wordsOf(type) {
  const text = fs.readFileSync(path.join(ROOT, 'index.d.ts'), 'utf8');
  const [, body] = text.match(new RegExp(`^export type ${type} =([^;]*);`, 'm'));
  return all([body], /'([\w-]+)'/g);
}

test('docs/diagnosis.md has a section for every code, and no other', () => {
  const text = fs.readFileSync(path.join(ROOT, 'docs/diagnosis.md'), 'utf8');
  const sections = text.split(/^### `/m).slice(1);
  assert.deepEqual(
    sections.map((section) => section.split('`')[0]).sort(),
    wordsOf('DiagnosisCode').sort(),
  );
  for (const section of sections) {
    for (const says of [
      '> ',
      '**You see**',
      '**It means**',
      '**Now:**',
      '**Tomorrow:**',
      '**How sure:**',
    ])
      assert.ok(section.includes(`\n\n${says}`), `${says} in ${section.slice(0, 40)}`);
  }
});

test('docs/diagnosis.md explains every part of the ledger', () => {
  const text = fs.readFileSync(path.join(ROOT, 'docs/diagnosis.md'), 'utf8');
  const rows = all([text], /^\| `(\w+)` +\| .*\|.*\|$/gm);
  const parts = wordsOf('LedgerPartName');
  assert.ok(parts.includes('unattributed'));
  assert.deepEqual(
    parts.filter((part) => !rows.includes(part)),
    [],
  );
});
