'use strict';
// The lines that mend a finding, for each distribution and processor.

const PLATFORMS = ['debian', 'alpine', 'distroless'].flatMap((distribution) =>
  ['amd64', 'arm64'].map((arch) => ({ distribution, arch })),
);
const DOCKER_ARCH = { x64: 'amd64', arm64: 'arm64' };
const TRIPLETS = { amd64: 'x86_64-linux-gnu', arm64: 'aarch64-linux-gnu' };

/** Where the distribution's own package has jemalloc. */
function libraryPath({ distribution, arch }) {
  // Alpine has one folder for all.
  if (distribution === 'alpine') return '/usr/lib/libjemalloc.so.2';
  return `/usr/lib/${TRIPLETS[arch]}/libjemalloc.so.2`;
}

/** distroless has no shell, and its entry point is node itself. */
function runLine({ distribution }) {
  const words = ['run', '--', distribution === 'distroless' ? '/nodejs/bin/node' : 'node'];
  const program =
    distribution === 'distroless'
      ? 'node_modules/heapgap/bin/heapgap.js'
      : 'node_modules/.bin/heapgap';
  return `CMD ${JSON.stringify([program, ...words, 'server.js']).replaceAll(',', ', ')}`;
}

const INSTALL = {
  debian: () => [
    'RUN apt-get update && apt-get install -y --no-install-recommends libjemalloc2 && rm -rf /var/lib/apt/lists/*',
  ],
  alpine: () => ['RUN apk add --no-cache jemalloc'],
  distroless: (file) => [
    '# in a Debian stage named build: RUN apt-get update && apt-get install -y libjemalloc2',
    `COPY --from=build ${file} ${file}`,
  ],
};

/** heapgap's, on any platform. */
const OWN = [
  '# as the first line of the service:',
  "import 'heapgap/preload';",
  '# or, in the Dockerfile:',
];

/** Puts the service on jemalloc: heapgap's, or the distribution's own. */
function jemallocLines(platform, others) {
  const file = libraryPath(platform);
  return [
    ...OWN,
    runLine(platform),
    "# or, with the distribution's own jemalloc:",
    ...INSTALL[platform.distribution](file),
    preloadLine([file, ...others]),
  ];
}

/** One fix for every platform; `applies` marks the one that was looked at. */
function perPlatform({ distribution, arch }, linesOf) {
  return PLATFORMS.map((platform) => ({
    ...platform,
    applies: platform.distribution === distribution && platform.arch === DOCKER_ARCH[arch],
    lines: linesOf(platform),
  }));
}

/** The same lines everywhere. */
const everywhere = (...lines) => [{ distribution: 'any', arch: 'any', applies: true, lines }];

/** Where the distribution is none of them, the lines that need none. */
function withFallback(fixes) {
  if (fixes.some(({ applies }) => applies)) return fixes;
  const lines = [...OWN, runLine({ distribution: 'other' })];
  return [...fixes, { distribution: 'any', arch: 'any', applies: true, lines }];
}

/** `others` are libraries of LD_PRELOAD to keep; `first` are lines before all. */
function useJemalloc(host, { first = [], others = [] } = {}) {
  const fixes = perPlatform(host, (platform) => jemallocLines(platform, others));
  return withFallback(fixes).map((fix) => ({ ...fix, lines: [...first, ...fix.lines] }));
}

function preloadLine(entries) {
  const line = envLine('LD_PRELOAD', entries.join(':'));
  return line ?? `# in LD_PRELOAD, keep: ${entries.map(namable).join(':')}`;
}

/** Puts `text` where it is read from. */
function confFix(source, text) {
  const pairs = text.split(',').filter((pair) => pair !== '' && isHarmless(pair));
  const conf = pairs.join(',');
  if (source === '/etc/malloc.conf')
    return everywhere(
      conf === '' ? 'RUN rm /etc/malloc.conf' : `RUN ln -sfn '${conf}' /etc/malloc.conf`,
    );
  return everywhere(conf === '' ? '# remove: ENV MALLOC_CONF' : `ENV MALLOC_CONF=${conf}`);
}

/** Lines are pasted, and what they name may come from a process that means harm. */
const isHarmless = (word) => /^[\w@%+=:,./|-]*$/.test(word);

/** As much of a line as report.js shows: one that is cut does not mend. */
const MAX_LINE = 400;

/** `ENV name=value`, or `null` where that cannot be pasted as it is. */
function envLine(name, value) {
  if (!value.split(/[ "]/).every(isHarmless)) return null;
  const quote = value.includes('"') ? "'" : value.includes(' ') ? '"' : '';
  const line = `ENV ${name}=${quote}${value}${quote}`;
  return line.length > MAX_LINE ? null : line;
}

const namable = (file) => (isHarmless(file) ? file : '<file>');

/** Marks what a finding would change where a pair stands; `withMends` makes one line of all of them. */
const mendPair = ({ source, conf }, change) => ({ source, conf, change });

/** The same in the MALLOC_CONF of a process. */
const mend = ({ environment }, change) =>
  mendPair({ source: 'MALLOC_CONF', conf: environment?.MALLOC_CONF ?? '' }, change);

/** Findings on the same text get the same fix, which mends them all. */
function withMends(findings) {
  const mended = new Map();
  const keyOf = ({ source, conf }) => `${source} ${conf}`;
  for (const { mend: wanted } of findings) {
    if (!wanted) continue;
    const before = mended.get(keyOf(wanted)) ?? wanted.conf;
    mended.set(keyOf(wanted), wanted.change(before));
  }
  return findings.map(({ mend: wanted, ...finding }) =>
    wanted ? { ...finding, fix: confFix(wanted.source, mended.get(keyOf(wanted))) } : finding,
  );
}

module.exports = {
  envLine,
  everywhere,
  mend,
  mendPair,
  namable,
  preloadLine,
  useJemalloc,
  withMends,
};
