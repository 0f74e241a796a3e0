// What the reports of the test runner say, together.
//
//   node .ci/report.mjs failed REPORT            the files that failed in it, a line each
//   node .ci/report.mjs sum FAILED_STEPS REPORT  what failed, and `N passed, N failed` alone on the last line;
//                                                of a file that a suite ran again (SUITE.1.json, SUITE.2.json)
//                                                the last run counts

import { readFileSync } from 'node:fs';
import { basename, relative } from 'node:path';

const LISTED_MAX = 40;
const LINES_MAX = 15;

const print = (text) => process.stdout.write(`${text}\n`);
const read = (path) => {
  try {
    return JSON.parse(readFileSync(path, 'utf8')).testResults;
  } catch {
    return []; // The run did not get as far as a report: its step has failed, and that counts.
  }
};
const tests = (file, status) => file.assertionResults.filter((test) => test.status === status);
const hasFailed = (file) => file.status === 'failed' || tests(file, 'failed').length > 0;
const nameOf = (file) => relative(process.cwd(), file.name);

/** Without the runner's own frames. */
const ownLines = (message) =>
  message.split('\n').filter((line) => !/ at .*node_modules/.test(line));

/** Each failure of a file: where, and the beginning of what was said. */
function failuresOf(file) {
  const told = tests(file, 'failed').map((test) => [
    test.fullName,
    test.failureMessages.join('\n'),
  ]);
  // A file that could not be read in, or whose preparation failed, has no failed test to show for it.
  if (told.length === 0) told.push(['(the whole file)', file.message ?? '']);
  return told.map(([what, message]) =>
    [`${nameOf(file)}: ${what}`, ...ownLines(message).slice(0, LINES_MAX)].join('\n'),
  );
}

function sum(failedSteps, reports) {
  const last = new Map();
  for (const report of reports) {
    const [suite] = basename(report).split('.');
    for (const file of read(report)) {
      const run = `${suite} ${file.name}`;
      const before = last.get(run);
      if (before !== undefined && hasFailed(before) && !hasFailed(file)) {
        for (const failure of failuresOf(before)) print(`\n== FAILED AT FIRST ${failure}`);
      }
      last.set(run, file);
    }
  }
  const files = [...last.values()];
  const count = (status) => files.reduce((total, file) => total + tests(file, status).length, 0);
  const failures = files.filter(hasFailed).flatMap(failuresOf);
  // Once more and last: of a long output often only the end is kept.
  for (const failure of failures.slice(0, LISTED_MAX)) print(`\n== FAILED ${failure}`);
  const passed = count('passed');
  // A failed step that is no failed test (lint, build ...) counts as one failure.
  const failed = Math.max(count('failed'), failures.length, failedSteps);
  print(`\n${passed} passed, ${failed} failed`);
  return failed > 0 || passed === 0 ? 1 : 0;
}

const [verb, ...rest] = process.argv.slice(2);
if (verb === 'failed') for (const file of read(rest[0]).filter(hasFailed)) print(nameOf(file));
if (verb === 'sum') process.exitCode = sum(Number(rest[0]), rest.slice(1));
