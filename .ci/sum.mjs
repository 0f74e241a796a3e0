// What all of CI came to, from the verdicts of suite.mjs:
//
//   node .ci/sum.mjs RESULTS [FAILED_STEP...]
//
// Files that were run again, skipped tests, what failed and the result of each suite come last, as
// often only the end of a long output is kept, and then `N passed, N failed` alone on the last
// line. A step that is no suite counts as one failure.
// @ts-check

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { FLAKY_MAX } from './verdict.mjs';

/** @import { Verdict } from './verdict.mjs' */

const LISTED_MAX = 40;
const LINES_MAX = 15;

/**
 * Without the runner's own frames, and not all of it.
 * @param {string} problem
 */
function shortened(problem) {
  const lines = problem.split('\n').filter((line) => !/ at .*node_modules/.test(line));
  return lines.slice(0, LINES_MAX).join('\n');
}

/** @param {string} title @param {readonly string[]} lines */
function section(title, lines) {
  if (lines.length > 0) console.log(`\n== ${title}\n${lines.join('\n')}`);
}

/** @param {[string, Verdict]} suite */
function resultLine([name, { passed, problems }]) {
  return `${name}: ${passed} passed, ${problems.length} failed`;
}

const [results = '', ...failedSteps] = process.argv.slice(2);
/** @type {Map<string, Verdict>} */
const verdicts = new Map();
for (const file of readdirSync(results)
  .filter((each) => each.endsWith('.json'))
  .sort()) {
  verdicts.set(
    file.slice(0, -'.json'.length),
    JSON.parse(readFileSync(join(results, file), 'utf8')),
  );
}
const suites = [...verdicts.entries()];
/** @param {'again' | 'skipped' | 'problems'} what */
const all = (what) =>
  suites.flatMap(([name, verdict]) => verdict[what].map((line) => `${name}: ${line}`));

const problems = all('problems');
for (const step of failedSteps) {
  if ((verdicts.get(step)?.problems.length ?? 0) === 0) problems.push(`${step}: the step failed.`);
}
const flaky = suites.reduce((sum, [, verdict]) => sum + verdict.flaky, 0);
if (flaky > FLAKY_MAX) {
  problems.push(`${flaky} files needed a second run, and at most ${FLAKY_MAX} may; see RUN AGAIN.`);
}
section('SKIPPED', all('skipped'));
section('RUN AGAIN', all('again'));
for (const problem of problems.slice(0, LISTED_MAX))
  console.log(`\n== FAILED ${shortened(problem)}`);
if (problems.length > LISTED_MAX) console.log(`\n== and ${problems.length - LISTED_MAX} more`);
section('SUITES', suites.map(resultLine));
const passed = suites.reduce((sum, [, verdict]) => sum + verdict.passed, 0);
console.log(`\n${passed} passed, ${problems.length} failed`);
process.exitCode = problems.length > 0 || passed === 0 ? 1 : 0;
