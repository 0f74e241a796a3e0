import { describe, expect, it } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { hurry } from '../../support/hurry.ts';
import type { ErrorCode } from '../../../base/errors.ts';
import { failure, rowsText, setUp, write } from '../load-setup.ts';

/** Fails the first `times` commits with `code`; counts all commits. */
function failing(code: ErrorCode, times: number): { readonly run: () => void; calls: number } {
  const commits = {
    calls: 0,
    run: () => {
      if (++commits.calls <= times) throw new SteleError(code, 'not yet.');
    },
  };
  return commits;
}

describe('a commit', () => {
  it.each([
    'DEADLINE_EXCEEDED',
    'OUTCOME_UNKNOWN',
    'UNAVAILABLE',
    'REPLICAS_MISSING',
    'OVERLOADED',
  ] as const)('is made again after %s', async (code) => {
    const { folder, load, master } = await setUp();
    hurry();
    const commits = failing(code, 2);
    master.beforeCommit = commits.run;
    const file = write(folder, 'a.data', rowsText(100).text);
    const summary = await load([file], { mode: 'append', replicaWait: '60s' });
    expect(summary).toMatchObject({ loaded: 100, append: { added: 50, replaced: 50 } });
    expect(commits.calls).toBe(3);
  });

  it.each(['CONFLICT', 'LOAD_REJECTED', 'GATE_FAILED'] as const)(
    'is not made again after %s',
    async (code) => {
      const { folder, load, master } = await setUp();
      const commits = failing(code, 2);
      master.beforeCommit = commits.run;
      const file = write(folder, 'a.data', rowsText(100).text);
      expect(await failure(load([file], { mode: 'append' }))).toMatchObject({ code });
      expect(commits.calls).toBe(1);
    },
  );

  it('is not made again once the load is to stop', async () => {
    const { folder, load, master } = await setUp();
    const stop = new AbortController();
    let calls = 0;
    master.beforeCommit = () => {
      calls++;
      stop.abort();
      throw new SteleError('DEADLINE_EXCEEDED', 'not yet.');
    };
    const file = write(folder, 'a.data', rowsText(100).text);
    const error = await failure(load([file], {}, { signal: stop.signal }));
    expect(error.code).toBe('CANCELLED');
    expect(calls).toBe(1);
    // The load resumes from the completed work.
    master.beforeCommit = () => undefined;
    expect((await load([file])).chunksResumed).toBe(1);
  });
});
