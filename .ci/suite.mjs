// Runs one suite of tests, failed files once more, and judges it:
//
//   node .ci/suite.mjs NAME RESULTS COMMAND...
//
// COMMAND runs vitest and takes its arguments at its end. The verdict goes to RESULTS/NAME.json,
// for sum.mjs; the exit code is 1 where the suite fails.
// @ts-check

import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { filesToRepeat, judge } from './verdict.mjs';

/** @import { Ended, Pause } from './verdict.mjs' */

const REPORTER = fileURLToPath(new URL('reporter.mjs', import.meta.url));
const LOOK_EVERY_MS = 100;
/**
 * This process does nothing but wait. Where it gets no processor for so long, neither did the
 * tests.
 */
const PAUSE_MS_MIN = 1000;

/**
 * Notes from here on when the machine stands still.
 * @returns {Pause[]}
 */
function watchPauses() {
  /** @type {Pause[]} */
  const pauses = [];
  let lastMs = Date.now();
  const timer = setInterval(() => {
    const nowMs = Date.now();
    if (nowMs - lastMs > PAUSE_MS_MIN) pauses.push({ fromMs: lastMs, toMs: nowMs });
    lastMs = nowMs;
  }, LOOK_EVERY_MS);
  timer.unref();
  return pauses;
}

/**
 * @param {readonly string[]} command
 * @param {string} report
 * @returns {Promise<Ended>}
 */
async function run(command, report) {
  const [program = '', ...words] = command;
  const reporters = ['--reporter=default', `--reporter=${REPORTER}`];
  const child = spawn(program, [...words, ...reporters], {
    stdio: 'inherit',
    env: { ...process.env, STELE_TEST_REPORT: report },
  });
  const exitCode = await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve(code ?? 1));
  });
  return { exitCode, run: readReport(report) };
}

/** @param {string} path */
function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    return undefined; // The run did not get as far as a report, which its verdict says.
  }
}

const [name = '', results = '', ...command] = process.argv.slice(2);
const pauses = watchPauses();
const first = await run(command, join(results, `${name}.1.report`));
const files = filesToRepeat(first);
let second;
if (files.length > 0) {
  console.log(`\n== ${name}, once more: ${files.join(' ')}`);
  second = await run([...command, ...files], join(results, `${name}.2.report`));
}
const verdict = judge(first, second, {
  listed: JSON.parse(readFileSync('test/flaky.json', 'utf8')),
  pauses,
  skipsFail: process.env['STELE_REQUIRE_TOOLS'] === '1',
});
writeFileSync(join(results, `${name}.json`), JSON.stringify(verdict));
process.exitCode = verdict.problems.length > 0 ? 1 : 0;
