import { asUid } from '../../../support/test-ids.ts';
import { expect, test } from 'vitest';
import type { KeyspaceRecord } from '../../../../master/catalog/records.ts';
import { beginLoop, observedOf, stepLoops } from '../../../../master/core/plans/keyspace-loop.ts';
import type { KeyspaceLoops } from '../../../../master/core/plans/keyspace-loop.ts';
import { FULL, UID, world } from '../world-fixture.ts';

const healthy = {
  uid: UID,
  name: 'prices',
  index: 1,
  state: 'RUNNING',
  createdAt: '',
  desired: { currentVersion: 1, keep: 2, replication: 0 },
} as unknown as KeyspaceRecord;

/** Its desired state cannot be read. */
const broken = Object.defineProperty({ ...healthy, uid: asUid('ff'), name: 'broken' }, 'desired', {
  get: () => {
    throw new TypeError('no such thing');
  },
});

test('a loop that throws is REPAIRING with what it threw, is told once an attempt, and stops no other', () => {
  const facts = { keyspaces: [broken, healthy], failingCopies: new Map() };
  const begun = (): ReturnType<typeof beginLoop> => beginLoop(healthy, undefined, 0);
  let loops: KeyspaceLoops = new Map();
  const faults: string[] = [];
  for (const nowMs of [0, 1_000, 6_000, 7_000]) {
    const step = stepLoops(world(FULL, { nowMs }), loops, facts, begun);
    loops = step.loops;
    faults.push(...step.faults.map(({ part }) => `${nowMs} ${part}`));
  }
  expect(observedOf(UID, loops.get(UID)!, 7_000, () => '')).toEqual({ uid: UID, state: 'RUNNING' });
  expect(observedOf(broken.uid, loops.get(broken.uid)!, 7_000, () => '')).toMatchObject({
    state: 'REPAIRING',
    repairing: {
      from: 'RUNNING',
      error: 'an internal error: TypeError: no such thing',
      attempts: 1,
    },
  });
  expect(faults).toEqual(['0 keyspace broken', '6000 keyspace broken']);
});
