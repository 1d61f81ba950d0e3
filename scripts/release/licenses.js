'use strict';
// The licences of all that is linked into a platform's binaries. A part without a text is an error.

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const { root } = require('../cargo.js');
const { zigFolder } = require('./toolchain.js');

const LICENSE_FILE = /^(licen[cs]e|copying|copyright|notice|unlicense)/i;

const output = (command, args) =>
  execFileSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: Infinity }).trim();

const read = (file) => fs.readFileSync(file, 'utf8').trim();

/** The crates whose code is in the addon: without build scripts' and macros' own. */
function linkedCrates(target) {
  const metadata = JSON.parse(
    output('cargo', ['metadata', '--format-version=1', '--locked', '--filter-platform', target]),
  );
  const packages = new Map(metadata.packages.map((one) => [one.id, one]));
  const nodes = new Map(metadata.resolve.nodes.map((node) => [node.id, node]));
  const isMacro = (id) => packages.get(id).targets.some(({ kind }) => kind.includes('proc-macro'));
  const linked = new Set(metadata.workspace_members);
  for (const id of linked) {
    for (const { pkg, dep_kinds } of nodes.get(id).deps) {
      if (dep_kinds.some(({ kind }) => kind === null) && !isMacro(pkg)) linked.add(pkg);
    }
  }
  const foreign = [...linked].filter((id) => !metadata.workspace_members.includes(id));
  return foreign.map((id) => packages.get(id));
}

/** `parts` of what is shipped: each has a title, a licence expression and the texts. */
function crateParts(target) {
  return linkedCrates(target).map(({ name, version, license, manifest_path, repository }) => {
    const folder = path.dirname(manifest_path);
    const files = fs.readdirSync(folder).filter((file) => LICENSE_FILE.test(file));
    const texts = files.map((file) => read(path.join(folder, file)));
    // napi-rs's crates come without it; its npm package, of the same repository, has it.
    if (repository === 'https://github.com/napi-rs/napi-rs') {
      texts.push(read(path.join(root, 'node_modules', '@napi-rs', 'cli', 'LICENSE')));
    }
    if (name === 'tikv-jemalloc-sys') texts.push(read(path.join(folder, 'jemalloc', 'COPYING')));
    return { title: `${name} ${version}`, license, texts };
  });
}

/** The crates that Rust's standard library is made of: its own, and those of others. */
const STANDARD_OWN =
  /^(alloc|compiler_builtins|core|panic_(abort|unwind)|proc_macro|profiler_builtins|rustc_std_workspace_\w+|std|std_detect|sysroot|test|unwind)$/;
const STANDARD_FOREIGN = {
  addr2line: 'MIT OR Apache-2.0',
  adler2: '0BSD OR MIT OR Apache-2.0',
  cfg_if: 'MIT OR Apache-2.0',
  getopts: 'MIT OR Apache-2.0',
  gimli: 'MIT OR Apache-2.0',
  hashbrown: 'MIT OR Apache-2.0',
  libc: 'MIT OR Apache-2.0',
  memchr: 'Unlicense OR MIT',
  miniz_oxide: 'MIT OR Zlib OR Apache-2.0',
  object: 'MIT OR Apache-2.0',
  rustc_demangle: 'MIT OR Apache-2.0',
  rustc_literal_escaper: 'MIT OR Apache-2.0',
};

/** The compiler comes with the names of these crates, but not with the texts of each. */
function standardLibraryParts(target) {
  const sysroot = output('rustc', ['--print', 'sysroot']);
  const docs = path.join(sysroot, 'share', 'doc', 'rust');
  const text = (name) => read(path.join(docs, 'licenses', `${name}.txt`));
  const files = fs.readdirSync(path.join(sysroot, 'lib', 'rustlib', target, 'lib'));
  const names = files.map((file) => /^lib(\w+)-\w+\.rlib$/.exec(file)?.[1]).filter(Boolean);
  const foreign = names.filter((name) => !STANDARD_OWN.test(name));
  const page = read(path.join(docs, 'COPYRIGHT-library.html'));
  const notice = page.slice(
    page.indexOf('<h2 id="longer-version">'),
    page.indexOf('<h2 id="out-of-tree-dependencies">'),
  );
  const named = [...notice.matchAll(/<b>License:<\/b>(.*)<\/p>/g)].flatMap(([, expression]) =>
    expression.match(/[\w.-]+/g).filter((word) => !/^(AND|OR|WITH)$/.test(word)),
  );
  const own = {
    title: "Rust's standard library",
    license: 'MIT OR Apache-2.0, but for the files named here',
    texts: [plainText(notice), ...[...new Set(named)].map(text)],
  };
  const others = foreign.map((name) => {
    const license = STANDARD_FOREIGN[name];
    const chosen = license?.includes('Apache-2.0') ? 'Apache-2.0' : license && 'MIT';
    return {
      title: `${name}, within Rust's standard library`,
      license,
      texts: chosen ? [text(chosen)] : [],
    };
  });
  return [own, ...others];
}

const plainText = (html) =>
  html
    .replace(/<[^>]*>/g, '')
    .replace(/\s*\n\s*/g, '\n')
    .trim();

/** What the linker itself adds. */
function toolchainParts() {
  return [
    { title: "Zig's compiler-rt", license: 'MIT', texts: [read(path.join(zigFolder, 'LICENSE'))] },
    {
      title: "LLVM's libunwind",
      license: 'Apache-2.0 WITH LLVM-exception',
      texts: [read(path.join(zigFolder, 'lib', 'libunwind', 'LICENSE.TXT'))],
    },
  ];
}

/** The text of THIRD-PARTY-LICENSES: each licence once, under the parts that it is for. */
function thirdPartyLicenses(target) {
  const parts = [...crateParts(target), ...standardLibraryParts(target), ...toolchainParts()];
  const holders = new Map();
  for (const { title, license, texts } of parts) {
    if (!license || texts.length === 0) throw new Error(`${title} has no licence text`);
    for (const text of texts)
      holders.set(text, [...(holders.get(text) ?? []), `${title}: ${license}`]);
  }
  const rule = '='.repeat(80);
  const sections = [...holders].map(([text, names]) => `${names.join('\n')}\n\n${text}\n`);
  const head = 'This package contains code of the following parts, each under its licence.\n';
  return [head, ...sections].join(`\n${rule}\n`);
}

module.exports = { thirdPartyLicenses };
