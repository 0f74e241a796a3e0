// CI's own parts, run on planted test files: whatever goes wrong outside tests makes a suite fail.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { PROJECT } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { runTool } from '../../support/tools.ts';
import { plantedProject } from './planted.ts';

const VITEST = join(PROJECT, 'node_modules/vitest/vitest.mjs');
/** Tells the first run of a file from the second one. */
const COMES_AND_GOES = `
  import { existsSync, writeFileSync } from 'node:fs';
  const mark = \`\${import.meta.filename}.mark\`;
  const ranBefore = existsSync(mark);
  writeFileSync(mark, '');
`;

interface Result {
  readonly output: string;
  readonly lastLine: string | undefined;
}

async function runCi(files: Record<string, string>, flaky: unknown[] = []): Promise<Result> {
  const folder = plantedProject(files, flaky);
  const script = `
    cd '${folder}' && export STELE_REQUIRE_TOOLS=1
    '${process.execPath}' '${PROJECT}/.ci/suite.mjs' planted results '${process.execPath}' '${VITEST}' run
    echo "the suite ended with $?"
    '${process.execPath}' '${PROJECT}/.ci/sum.mjs' results`;
  const output = await runTool('bash', ['-c', script], '', 60_000);
  return { output, lastLine: output.trimEnd().split('\n').at(-1) };
}

describe('fails for', () => {
  it('an unhandled rejection and an exception, once, in files whose tests pass', async () => {
    const passesAfter = (fault: string): string => `
      test('passes', async () => {
        ${fault}
        await new Promise((resolve) => setTimeout(resolve, 50));
      });`;
    const { output, lastLine } = await runCi({
      'a.test.js': passesAfter(`void Promise.reject(new Error('rejected'));`),
      'b.test.js': passesAfter(`setTimeout(() => { throw new Error('thrown'); });`),
    });
    expect(output).toContain('the suite ended with 1');
    expect(output).toMatch(/== FAILED planted: An error outside tests\.[^]*rejected/);
    expect(output).toMatch(/== FAILED planted: An error outside tests\.[^]*thrown/);
    expect(lastLine).toBe('2 passed, 2 failed');
  });

  it('a worker that is killed, once', async () => {
    const body = `${COMES_AND_GOES} test('passes', () => {
      if (!ranBefore) process.kill(process.pid, 'SIGKILL');
    });`;
    const { output, lastLine } = await runCi({ 'a.test.js': body });
    expect(output).toMatch(/== FAILED planted: An error outside tests\.[^]*Worker exited/);
    // That its file is run again and passes does not excuse it.
    expect(lastLine).toBe('1 passed, 1 failed');
  });

  it('skipped tests, and says how many', async () => {
    const body = `
      console.warn('SKIPPED: a tool is missing; install it to run this test.');
      describe.skip('skipped', () => { test('one', () => {}); test('two', () => {}); });
      test('three', ({ skip }) => skip());
      test('four', () => {});`;
    const { output, lastLine } = await runCi({ 'a.test.js': body });
    expect(output).toMatch(
      /== SKIPPED\nplanted: a\.test\.js: 3 skipped: a tool is missing; install/,
    );
    expect(lastLine).toBe('1 passed, 1 failed');
  });

  it('what fails twice, and lists the files that pass only the second time', async () => {
    const comesAndGoes = `${COMES_AND_GOES} test('once', () => expect(ranBefore).toBe(true));`;
    const files = {
      'import.test.js': `throw new Error('not imported');`,
      'hook.test.js': `import { afterAll } from 'vitest'; afterAll(() => { throw new Error('in a hook'); }); test('b', () => {});`,
      'test.test.js': `test('c', () => expect(1).toBe(2));`,
      'listed.test.js': comesAndGoes,
      'unlisted.test.js': comesAndGoes,
    };
    const entry = { file: 'listed.test.js', date: '2026-11-30', reason: 'for the test' };
    const { output, lastLine } = await runCi(files, [entry]);
    const said = output.slice(output.indexOf('== RUN AGAIN'));
    expect(said).toMatch(/planted: listed\.test\.js: passed then; listed/);
    expect(said).toMatch(/planted: unlisted\.test\.js: passed then; NOT LISTED/);
    for (const text of ['not imported', 'in a hook', 'expected 1 to be 2']) {
      expect(said.slice(said.indexOf('== FAILED'))).toContain(text);
    }
    expect(said).toContain('planted: 3 passed, 3 failed');
    expect(lastLine).toBe('3 passed, 3 failed');
  });
});

it('six files that need a second run, over all suites, are one failure; five are none', async () => {
  const folder = tempDir();
  const verdict = { passed: 9, problems: [], again: [], skipped: [] };
  const sum = async (...flaky: number[]): Promise<string> => {
    flaky.forEach((count, index) => {
      writeFileSync(join(folder, `${index}.json`), JSON.stringify({ ...verdict, flaky: count }));
    });
    return runTool(process.execPath, [join(PROJECT, '.ci/sum.mjs'), folder], '', 20_000);
  };
  expect(await sum(2, 3)).toMatch(/\n18 passed, 0 failed\n$/);
  expect(await sum(2, 4)).toMatch(/6 files needed a second run[^]*\n18 passed, 1 failed\n$/);
});
