// Runs under other versions of Node.js the tests of what depends on Node.js, and the main
// end-to-end tests:
//
//   node .ci/nodes.mjs [--results FOLDER] [MAJOR...]
//   node .ci/nodes.mjs --fetch [MAJOR...]     only downloads the binaries, into the cache of npm
//
// Without a MAJOR, these are all versions that Stele supports beside the oldest one. Each is a
// suite of its own (node-22, node-24), judged by suite.mjs. The binaries come from the npm packages
// `node-PLATFORM-ARCH` and are installed in a temporary folder, as they are no part of the product.
// Tests and the processes that they start run the same binary: process.execPath is inherited, and
// `node` is the first one in PATH.
// @ts-check

import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

/** @import { Verdict } from './verdict.mjs' */

const MAJORS = ['22', '24'];
const VITEST = 'node_modules/vitest/vitest.mjs';
const SUITE = fileURLToPath(new URL('suite.mjs', import.meta.url));
const SUM = fileURLToPath(new URL('sum.mjs', import.meta.url));
const INSTALL_MS_MAX = 180_000;
const PACKAGE = `node-${process.platform}-${process.arch}`;

/**
 * What is logic more than Node.js, or takes long to run for each version and enters no more of
 * Node.js than the rest: sockets, HTTP, TLS, files, threads, native modules, and the main
 * end-to-end tests stay.
 */
const LEFT_OUT = [
  'test/{bench,ci,cli,console,docs,proto,ring,routing}/**',
  'test/access/*-matrix.test.ts',
  'test/archive/s3/random-faults.test.ts',
  'test/datanode/{read-stats,view}/**',
  'test/loader/!(load).test.ts',
  'test/loader/{backup,builds,bytes,corpus,detect,export,formats,parse,plan,push,restore,runs,stages,work}/**',
  'test/loader/input/unzstd.test.ts',
  'test/loader/threads/!(work-pool).test.ts',
  'test/master/!(server).test.ts',
  'test/master/{candidate,catalog,control,core,front,loads,metadata/copies,metadata/etcd,nodes,operations}/**',
  'test/resp/{cluster,commands,data,info,wire}/**',
  'test/segment/!(golden|verify).test.ts',
  'test/e2e/!(main)/**',
  'test/e2e/*.test.ts',
];

/**
 * The path of a binary of that major version. Throws where it cannot be installed.
 * @param {string} major
 * @param {string} folder
 */
function binaryOf(major, folder) {
  if (process.versions.node.startsWith(`${major}.`)) return process.execPath;
  const words = ['install', '--prefix', folder, '--no-audit', '--no-fund', '--prefer-offline'];
  npm([...words, '--fetch-retries=1'], `${PACKAGE}@${major}`, folder);
  return join(folder, 'node_modules', PACKAGE, 'bin', 'node');
}

/**
 * Throws where npm fails.
 * @param {readonly string[]} words @param {string} wanted @param {string} cwd
 */
function npm(words, wanted, cwd) {
  const options = /** @type {const} */ ({ cwd, encoding: 'utf8', timeout: INSTALL_MS_MAX });
  const { error, stderr, status } = spawnSync('npm', [...words, wanted], options);
  if (status !== 0) throw new Error(notInstalled(wanted, error?.message ?? stderr));
}

/** @param {string} wanted @param {string} reason */
function notInstalled(wanted, reason) {
  const registry = execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim();
  return [
    `The npm package ${wanted} could not be installed from ${registry}, so nothing was tested with that version`,
    'of Node.js. Check that the registry can be reached and has the package, then run this again. npm said:',
    reason.trim(),
  ].join('\n');
}

/**
 * Leaves the verdict in `results`.
 * @param {string} major
 * @param {string} results
 */
function test(major, results) {
  const name = `node-${major}`;
  const folder = mkdtempSync(join(tmpdir(), 'stele-node-'));
  // Some tests run the binary as another user, who may not be where its folder leads otherwise.
  chmodSync(folder, 0o755);
  try {
    const node = binaryOf(major, folder);
    const version = execFileSync(node, ['--version'], { encoding: 'utf8' }).trim();
    console.log(`\n== ${name}: ${version}`);
    const command = [SUITE, name, results, node, VITEST, 'run'];
    const path = `${dirname(node)}${delimiter}${process.env['PATH']}`;
    const env = { ...process.env, PATH: path, STELE_TEST_EXCLUDE: LEFT_OUT.join(' ') };
    spawnSync(node, command, { stdio: 'inherit', env });
  } catch (thrown) {
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    writeVerdict(name, results, message);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} name @param {string} results @param {string} message */
function writeVerdict(name, results, message) {
  const mustRun = process.env['STELE_REQUIRE_TOOLS'] !== '0';
  /** @type {Verdict} */
  const verdict = {
    passed: 0,
    problems: mustRun ? [message] : [],
    again: [],
    flaky: 0,
    skipped: mustRun ? [] : [message],
  };
  writeFileSync(join(results, `${name}.json`), JSON.stringify(verdict));
}

/** @param {string} major @param {string} results */
function hasFailed(major, results) {
  try {
    /** @type {Verdict} */
    const verdict = JSON.parse(readFileSync(join(results, `node-${major}.json`), 'utf8'));
    return verdict.problems.length > 0;
  } catch {
    return true; // The suite itself did not come to its end.
  }
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { fetch: { type: 'boolean' }, results: { type: 'string' } },
});
const majors = positionals.length > 0 ? positionals : MAJORS;
if (values.fetch === true) fetchAll();
else testAll(values.results);

/** What cannot be fetched is reported by the run that needs it. */
function fetchAll() {
  for (const major of majors) {
    try {
      npm(['cache', 'add'], `${PACKAGE}@${major}`, tmpdir());
    } catch (thrown) {
      console.error(thrown instanceof Error ? thrown.message : thrown);
    }
  }
}

/** @param {string} [folder] for the verdicts, which are printed otherwise */
function testAll(folder) {
  const results = folder ?? mkdtempSync(join(tmpdir(), 'stele-results-'));
  for (const major of majors) test(major, results);
  const failed = majors.filter((major) => hasFailed(major, results));
  if (folder === undefined) {
    const words = [SUM, results, ...failed.map((major) => `node-${major}`)];
    spawnSync(process.execPath, words, { stdio: 'inherit' });
    rmSync(results, { recursive: true, force: true });
  }
  process.exitCode = failed.length > 0 ? 1 : 0;
}
