// Loads that the master stops: cancelled by hand, or built and not let live.

import { expect, it } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { failure, rowsText, setUp, write } from './load-setup.ts';

it('a load that is cancelled at the master stops with the reason, and its chunks are used again', async () => {
  const { folder, leftBehind, load, master } = await setUp(1);
  const file = write(folder, 'rows.data', rowsText(500).text);
  // Two replicas on one node never come: the load waits for them.
  const loading = load([file], { minReplicas: 2, replicaWait: 30_000 });
  const error = failure(loading);
  master.cancelReason = 'the wrong file';
  expect(await error).toMatchObject({
    code: 'LOAD_REJECTED',
    message: expect.stringMatching(
      /^Load load-1 was stopped at the master: the wrong file\./,
    ) as string,
  });
  expect(leftBehind()).toHaveLength(1);
  master.cancelReason = '';
  master.forgetLoads();
  const summary = await load([file], { minReplicas: 1 });
  expect(summary).toMatchObject({ loaded: 500, chunksResumed: 1 });
  expect(leftBehind()).toEqual([]);
});

it('a load whose version is rejected passes the sentence on, and keeps what it has for the next', async () => {
  const { folder, leftBehind, load, master } = await setUp();
  const file = write(folder, 'rows.data', rowsText(500).text);
  master.beforeCommit = () => {
    master.forgetLoads();
    throw new SteleError('GATE_FAILED', 'Version 2 did not go live.');
  };
  const asked = { expectRows: '600±10%', requireKey: ['a', 'b=c'], maxShrink: '20%', minRows: 5 };
  expect(await failure(load([file], asked))).toMatchObject({
    code: 'GATE_FAILED',
    message: 'Version 2 did not go live.',
  });
  expect(master.aborted).toEqual([]);
  expect(leftBehind()).toHaveLength(1);
  master.beforeCommit = () => undefined;
  expect(await load([file], { ...asked, keep: 3 })).toMatchObject({ chunksResumed: 1 });
  expect(master.committed).toMatchObject({
    keep: 3,
    gate: {
      expectRows: 600,
      expectTolerance: 0.1,
      minRows: 5,
      maxShrink: 0.2,
      requireKeys: [{ key: Buffer.from('a') }, { value: Buffer.from('c') }],
    },
  });
  expect(master.begun[0]?.owner).toMatchObject({ pid: process.pid });
});

it('a gate that cannot be understood is refused before the input is looked at', async () => {
  const { load, master } = await setUp();
  for (const wrong of [
    { expectRows: 'many' },
    { maxShrink: '2' },
    { requireKey: ['=x'] },
    { keep: 1 },
  ]) {
    expect(await failure(load(['/nowhere'], wrong))).toMatchObject({ code: 'INVALID_ARGUMENT' });
  }
  expect(master.begun).toEqual([]);
});
