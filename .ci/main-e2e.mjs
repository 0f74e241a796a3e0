// Which end-to-end tests run under every version of Node.js: pure.
// @ts-check

/** They enter every role, and most of what Node.js itself does for each. */
const MAIN = ['client', 'in-process', 'interrupted-loads', 'master-restart', 'shutdown', 'values'];

/** @param {string} path */
const nameOf = (path) => path.replace(/^.*\//, '').replace(/\.test\.ts$/, '');

/**
 * The end-to-end tests that do not. Throws where one that should is not there.
 * @param {readonly string[]} files All in test/e2e.
 */
export function leftOut(files) {
  const names = new Set(files.map(nameOf));
  const missing = MAIN.filter((name) => !names.has(name));
  if (missing.length > 0) {
    throw new Error(`There is no end-to-end test ${missing.join(', ')}; mend .ci/main-e2e.mjs.`);
  }
  return files.filter((file) => file.endsWith('.test.ts') && !MAIN.includes(nameOf(file)));
}
