// What is wrong with a list of test/flaky.json: pure. The list is for the time in which somebody
// looks for a cause, so it is short, and its entries expire.
// @ts-check

/** @import { Flaky } from './verdict.mjs' */

const LISTED_MAX = 5;
const DAYS_MAX = 60;
const DAY_MS = 24 * 3600 * 1000;
const REASON_WORDS_MIN = 3;

/**
 * A sentence for each problem.
 * @param {readonly Partial<Flaky>[]} listed
 * @param {{ nowMs: number, exists: (file: string) => boolean }} circumstances
 */
export function problemsOfList(listed, { nowMs, exists }) {
  const problems = listed.flatMap((entry) =>
    problemsOfEntry(entry, nowMs).map((problem) => `${entry.file}: ${problem}`),
  );
  const files = listed.map(({ file }) => file ?? '');
  const unknown = new Set(files.filter((file) => !file.endsWith('.test.ts') || !exists(file)));
  const twice = new Set(files.filter((file, at) => files.indexOf(file) !== at));
  problems.push(...[...unknown].map((file) => `${file}: There is no such test file.`));
  problems.push(...[...twice].map((file) => `${file}: The file is listed twice.`));
  if (listed.length > LISTED_MAX) {
    problems.push(
      `${listed.length} files are listed, and at most ${LISTED_MAX} may be. Repair one first.`,
    );
  }
  return problems;
}

/**
 * @param {Partial<Flaky>} entry
 * @param {number} nowMs
 */
function problemsOfEntry({ date = '', reason = '' }, nowMs) {
  const problems = [];
  if (reason.split(/\s+/).filter(Boolean).length < REASON_WORDS_MIN) {
    problems.push('The reason is missing: say what fails, and why as far as it is known.');
  }
  const listedMs = /^\d{4}-\d\d-\d\d$/.test(date) ? Date.parse(date) : NaN;
  const days = Math.floor((nowMs - listedMs) / DAY_MS);
  if (Number.isNaN(days)) problems.push(`The date must be YYYY-MM-DD, not '${date}'.`);
  // A day is granted to a machine whose clock is in another time zone.
  else if (days < -1) problems.push(`The date ${date} is in the future.`);
  else if (days > DAYS_MAX) {
    problems.push(`The file was listed ${days} days ago; at most ${DAYS_MAX} are granted.`);
  }
  return problems;
}
