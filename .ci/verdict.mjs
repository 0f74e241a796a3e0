// What the runs of a suite come to: pure, from the reports of the first run and of the second one.
//
// A file that fails is run once more, alone, which separates a failure that comes and goes from one
// that stays. If it passes then, the end of CI lists it, with the reason in test/flaky.json or as
// NOT LISTED: then somebody has to find the cause, and to list it until then. All suites together
// may have FLAKY_MAX such files. A file during which the machine stood still does not count: tests
// of real processes cannot stand that. Errors outside tests always fail the suite, as they name no
// file for certain.
// @ts-check

/** @import { FileRun, Run } from './reporter.mjs' */

/**
 * @typedef {object} Flaky An entry of test/flaky.json.
 * @property {string} file
 * @property {string} date When it was listed: YYYY-MM-DD.
 * @property {string} reason
 *
 * @typedef {object} Pause A time in which no process of the machine ran.
 * @property {number} fromMs Milliseconds since 1970.
 * @property {number} toMs
 *
 * @typedef {object} Ended One run of the runner.
 * @property {number} exitCode
 * @property {Run | undefined} run Undefined where the runner left no report.
 *
 * @typedef {object} Verdict
 * @property {number} passed Number of tests.
 * @property {string[]} problems What the suite fails for. The first line of each says where.
 * @property {string[]} again A line for each file that was run again.
 * @property {number} flaky Number of files that failed and then passed, without a pause of the machine.
 * @property {string[]} skipped A line for each file with skipped tests.
 */

/** More files than this are not run again: so many do not fail by accident. */
const AGAIN_MAX = 5;
/** More files than this, over all suites, may not need a second run. */
export const FLAKY_MAX = 5;

/**
 * The files to run again.
 * @param {Ended} first
 */
export function filesToRepeat({ run }) {
  const files = (run?.files ?? []).filter(hasFailed).map(({ file }) => file);
  return files.length <= AGAIN_MAX ? files : [];
}

/**
 * @param {Ended} first
 * @param {Ended | undefined} second The run of `filesToRepeat`.
 * @param {{ listed: readonly Flaky[], pauses: readonly Pause[], skipsFail: boolean }} circumstances
 * @returns {Verdict}
 */
export function judge(first, second, { listed, pauses, skipsFail }) {
  const runs = [first, ...(second === undefined ? [] : [second])];
  const repeated = new Map(second?.run?.files.map((file) => [file.file, file]));
  const files = first.run?.files ?? [];
  const last = files.map((file) => repeated.get(file.file) ?? file);
  const problems = runs.flatMap(problemsOfRunner);
  problems.push(...last.filter(hasFailed).flatMap(failuresOf));
  const again = [];
  let flaky = 0;
  for (const file of files.filter(hasFailed)) {
    const repetition = repeated.get(file.file);
    if (repetition === undefined) continue;
    if (hasFailed(repetition)) {
      again.push(`${file.file}: failed again`);
      continue;
    }
    const pause = pauseDuring(file, pauses);
    if (pause === undefined) flaky++;
    again.push(`${file.file}: passed then; ${pause ?? entryOf(file, listed) ?? unlisted(file)}`);
  }
  const withSkips = last.filter(({ skipped }) => skipped.length > 0);
  if (skipsFail) problems.push(...withSkips.map(skipProblem));
  const passed = last.reduce((sum, file) => sum + file.passed, 0);
  // Whatever else it may be that the runner holds against the run.
  const lastCode = runs.at(-1)?.exitCode;
  if (problems.length === 0 && lastCode !== 0) {
    problems.push(`The runner ended with ${lastCode}, though nothing has failed.`);
  }
  return { passed, problems, again, flaky, skipped: withSkips.map(skipLine) };
}

/** @param {FileRun} file */
function hasFailed({ state }) {
  return state !== 'passed';
}

/** @param {Ended} ended */
function problemsOfRunner({ exitCode, run }) {
  if (run === undefined) return [`The runner ended with ${exitCode} and left no report.`];
  return run.errors.map((error) => `An error outside tests. ${error}`);
}

/** @param {FileRun} file */
function failuresOf({ file, failures }) {
  return failures.map(({ test, message }) => `${file}: ${test}\n${message}`);
}

/**
 * @param {FileRun} file
 * @param {readonly Flaky[]} listed
 */
function entryOf({ file }, listed) {
  const entry = listed.find((each) => each.file === file);
  return entry && `listed in test/flaky.json on ${entry.date}: ${entry.reason}`;
}

/**
 * @param {FileRun} file
 * @param {readonly Pause[]} pauses
 */
function pauseDuring({ startedAtMs, endedAtMs }, pauses) {
  const pause = pauses.find(({ fromMs, toMs }) => fromMs < endedAtMs && toMs > startedAtMs);
  if (pause === undefined) return undefined;
  const seconds = ((pause.toMs - pause.fromMs) / 1000).toFixed(1);
  return `the machine stood still for ${seconds} s while it ran`;
}

/** @param {FileRun} file */
function unlisted(file) {
  return [
    'NOT LISTED. Find the cause and repair it; until then, list the file in test/flaky.json with the date and',
    'the reason (see CONTRIBUTING.md). It had failed with:',
    ...failuresOf(file),
  ].join('\n');
}

/** @param {FileRun} file */
function skipLine({ file, skipped, skipReasons }) {
  const why = skipReasons.length > 0 ? skipReasons.join('; ') : 'no reason is given';
  return `${file}: ${skipped.length} skipped: ${why}`;
}

/** @param {FileRun} file */
function skipProblem(file) {
  return [
    `${skipLine(file)}. Where a test cannot run, CI has not tested it: give this machine what is missing, or`,
    'set STELE_REQUIRE_TOOLS=0 to go without those tests. Skipped are:',
    ...file.skipped,
  ].join('\n');
}
