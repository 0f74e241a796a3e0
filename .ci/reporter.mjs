// A reporter for vitest: writes what every file of a run came to, and the errors outside tests, as
// JSON to the path that STELE_TEST_REPORT names. Vitest's own JSON report has no errors outside
// tests, and calls a file whose worker was killed "passed".
// @ts-check

import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';

/** @import { SerializedError, UserConsoleLog } from 'vitest' */
/** @import { TestCase, TestModule } from 'vitest/node' */

/**
 * @typedef {object} FileRun What one test file came to.
 * @property {string} file Relative to the project.
 * @property {'passed' | 'failed' | 'unfinished'} state
 * @property {number} startedAtMs Milliseconds since 1970, as is `endedAtMs`.
 * @property {number} endedAtMs
 * @property {number} passed Number of tests.
 * @property {{ test: string, message: string }[]} failures
 * @property {string[]} skipped Names of tests.
 * @property {string[]} skipReasons Lines of the file's output that say why tests are skipped.
 *
 * @typedef {object} Run What one run of the runner came to.
 * @property {FileRun[]} files
 * @property {string[]} errors Errors outside tests: what was said, with its kind and file in front.
 */

const SKIPPED = /^SKIPPED: (.*)$/gm;
const WHOLE_FILE = '(the whole file)';

export default class RunReporter {
  /** @type {Map<string, number>} */
  #startedAtMs = new Map();
  /** @type {Map<string, number>} */
  #endedAtMs = new Map();
  /** @type {Map<string, string[]>} */
  #skipReasons = new Map();

  /** @param {TestModule} module */
  onTestModuleQueued({ id }) {
    this.#startedAtMs.set(id, Date.now());
  }

  /** @param {TestModule} module */
  onTestModuleEnd({ id }) {
    this.#endedAtMs.set(id, Date.now());
  }

  /** @param {UserConsoleLog} log */
  onUserConsoleLog({ content, taskId = '' }) {
    // The id of a task begins with that of its file.
    const [id = ''] = taskId.split('_');
    const reasons = [...content.matchAll(SKIPPED)].map(([, reason = '']) => reason);
    this.#skipReasons.set(id, [...(this.#skipReasons.get(id) ?? []), ...reasons]);
  }

  /**
   * @param {readonly TestModule[]} modules
   * @param {readonly SerializedError[]} errors
   */
  onTestRunEnd(modules, errors) {
    const path = process.env['STELE_TEST_REPORT'];
    if (path === undefined) return;
    /** @type {Run} */
    const run = {
      files: modules.map((module) => this.#fileRun(module)),
      errors: errors.map(textOfError),
    };
    writeFileSync(path, JSON.stringify(run));
  }

  /**
   * @param {TestModule} module
   * @returns {FileRun}
   */
  #fileRun(module) {
    const { id, moduleId } = module;
    const tests = [...module.children.allTests()];
    /** @param {string} state */
    const inState = (state) => tests.filter((test) => test.result().state === state);
    const failures = [...errorsOfSuites(module), ...inState('failed').map(failureOf)];
    const state = module.state();
    const finished = state !== 'pending' && state !== 'queued' && inState('pending').length === 0;
    const passed = finished && state !== 'failed' && failures.length === 0;
    return {
      file: relative(process.cwd(), moduleId),
      state: passed ? 'passed' : finished ? 'failed' : 'unfinished',
      startedAtMs: this.#startedAtMs.get(id) ?? 0,
      endedAtMs: this.#endedAtMs.get(id) ?? Date.now(),
      passed: inState('passed').length,
      failures: passed || failures.length > 0 ? failures : [wholeFileFailure(finished)],
      skipped: inState('skipped').map(({ fullName }) => fullName),
      skipReasons: [...new Set(this.#skipReasons.get(id))],
    };
  }
}

/**
 * Of the file itself (it cannot be imported) and of the hooks of its suites.
 * @param {TestModule} module
 */
function errorsOfSuites(module) {
  const suites = [module, ...module.children.allSuites()];
  return suites.flatMap((suite) =>
    suite.errors().map((error) => ({
      test: suite.type === 'module' ? WHOLE_FILE : suite.fullName,
      message: error.stack ?? error.message,
    })),
  );
}

/** @param {TestCase} test */
function failureOf(test) {
  const errors = test.result().errors ?? [];
  return {
    test: test.fullName,
    message: errors.map(({ stack, message }) => stack ?? message).join('\n'),
  };
}

/** @param {boolean} finished */
function wholeFileFailure(finished) {
  const message = finished
    ? 'It failed without an error of a test.'
    : 'It did not come to its end.';
  return { test: WHOLE_FILE, message };
}

/** @param {SerializedError} error */
function textOfError(error) {
  const path = error['VITEST_TEST_PATH'];
  const where = typeof path === 'string' ? ` while ${relative(process.cwd(), path)} ran` : '';
  const causes = [];
  for (let { cause } = error; cause !== undefined; cause = cause.cause) causes.push(cause.message);
  const kind = typeof error['type'] === 'string' ? error['type'] : 'Unhandled Error';
  return [`${kind}${where}: ${error.stack ?? error.message}`, ...causes].join('\nCaused by: ');
}
