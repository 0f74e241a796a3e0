import { describe, expect, it } from 'vitest';
import type { FileRun } from '../../.ci/reporter.mjs';
import { filesToRepeat, judge } from '../../.ci/verdict.mjs';
import type { Ended } from '../../.ci/verdict.mjs';

const FILE = 'test/e2e/doors.test.ts';
const STRICT = { listed: [], pauses: [], skipsFail: true };

function fileRun(differences: Partial<FileRun> = {}): FileRun {
  const whole = { startedAtMs: 1000, endedAtMs: 2000, passed: 3, failures: [] };
  return { file: FILE, state: 'passed', ...whole, skipped: [], skipReasons: [], ...differences };
}

const FAILED = fileRun({
  state: 'failed',
  passed: 2,
  failures: [{ test: 'HTTP', message: 'late' }],
});

function ended(files: FileRun[], errors: string[] = []): Ended {
  const good = errors.length === 0 && files.every(({ state }) => state === 'passed');
  return { exitCode: good ? 0 : 1, run: { files, errors } };
}

describe('a run in which all files pass', () => {
  it('passes, and counts its tests', () => {
    const verdict = judge(ended([fileRun(), fileRun({ file: 'b' })]), undefined, STRICT);
    expect(verdict).toEqual({ passed: 6, problems: [], again: [], flaky: 0, skipped: [] });
  });

  it('fails for an error outside tests', () => {
    const { problems } = judge(ended([fileRun()], ['Unhandled Rejection']), undefined, STRICT);
    expect(problems).toEqual(['An error outside tests. Unhandled Rejection']);
  });

  it('fails for skipped tests, unless they may be skipped; they are listed with their reasons', () => {
    const skipping = ended([fileRun({ skipped: ['a', 'b'], skipReasons: ['no redis-cli'] })]);
    const { problems, skipped } = judge(skipping, undefined, STRICT);
    expect(problems).toEqual([
      expect.stringMatching(/^\S+: 2 skipped: no redis-cli\..*\n.*\na\nb$/),
    ]);
    expect(skipped).toEqual([`${FILE}: 2 skipped: no redis-cli`]);
    const lenient = judge(skipping, undefined, { ...STRICT, skipsFail: false });
    expect(lenient).toMatchObject({ problems: [], skipped });
  });

  it('fails where the runner ends with an error all the same', () => {
    const { problems } = judge({ ...ended([fileRun()]), exitCode: 1 }, undefined, STRICT);
    expect(problems).toEqual([expect.stringMatching(/ended with 1, though nothing/)]);
  });
});

describe('a file that failed', () => {
  it('and fails again, fails the suite with what it said last', () => {
    const second = { ...FAILED, failures: [{ test: 'HTTP', message: 'late again' }] };
    const { passed, problems, again } = judge(ended([FAILED]), ended([second]), STRICT);
    expect(problems).toEqual([`${FILE}: HTTP\nlate again`]);
    expect(again).toEqual([`${FILE}: failed again`]);
    expect(passed).toBe(2);
  });

  it('and then passes, is counted and listed at the end, with its reason if there is one', () => {
    const [first, second] = [ended([FAILED, fileRun({ file: 'b' })]), ended([fileRun()])];
    const unlisted = judge(first, second, STRICT);
    expect(unlisted).toMatchObject({ passed: 6, problems: [], flaky: 1 });
    expect(unlisted.again).toEqual([expect.stringMatching(/^test\S+ passed then; NOT LISTED\./)]);
    expect(unlisted.again[0]).toContain(FAILED.failures[0]!.message);
    const listed = [{ file: FILE, date: '2026-11-30', reason: 'its port may be taken' }];
    const verdict = judge(first, second, { ...STRICT, listed });
    expect(verdict).toMatchObject({ passed: 6, problems: [], flaky: 1 });
    expect(verdict.again).toEqual([expect.stringMatching(/listed .* 2026-11-30: its port/)]);
  });

  it('and then passes, is not counted if the machine stood still while it ran', () => {
    const [first, second] = [ended([FAILED]), ended([fileRun()])];
    const at = (fromMs: number, toMs: number): number =>
      judge(first, second, { ...STRICT, pauses: [{ fromMs, toMs }] }).flaky;
    expect(at(500, 1500)).toBe(0);
    expect(at(1500, 4000)).toBe(0);
    expect(at(2500, 4000)).toBe(1);
    expect(at(100, 900)).toBe(1);
  });

  it('is not excused of an error outside tests, in whichever run it was', () => {
    const clean = ended([fileRun()]);
    const pauses = [{ fromMs: 1000, toMs: 2000 }];
    const crash = ['Worker exited unexpectedly'];
    const unfinished = fileRun({ state: 'unfinished', failures: FAILED.failures });
    for (const [first, second] of [
      [ended([unfinished], crash), clean],
      [ended([FAILED]), ended([fileRun()], crash)],
    ] as const) {
      const { problems } = judge(first, second, { ...STRICT, pauses });
      expect(problems).toEqual(['An error outside tests. Worker exited unexpectedly']);
    }
  });
});

it('five files are run again, six are not', () => {
  const failed = Array.from({ length: 6 }, (_, index) => ({ ...FAILED, file: `file-${index}` }));
  expect(filesToRepeat(ended(failed.slice(0, 5)))).toHaveLength(5);
  expect(filesToRepeat(ended(failed))).toEqual([]);
  expect(judge(ended(failed), undefined, STRICT).problems).toHaveLength(6);
});

it('a runner that leaves no report fails the suite', () => {
  const { problems } = judge({ exitCode: 7, run: undefined }, undefined, STRICT);
  expect(problems).toEqual(['The runner ended with 7 and left no report.']);
});
