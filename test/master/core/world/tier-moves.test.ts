import { expect, test } from 'vitest';
import { answered, missed } from '../../../../master/core/world/membership.ts';
import type { NodeStatus } from '../../../../master/core/world/membership.ts';
import { noteTierChanges, tierProgress } from '../../../../master/core/world/tier-moves.ts';
import type { TierChanges } from '../../../../master/core/world/tier-moves.ts';
import type { KeyspaceRecord } from '../../../../master/catalog/records.ts';
import { NOTHING_KNOWN } from '../../../../master/candidate/view-feed.ts';
import { NodeState, Tier } from '../../../../proto/gen/stele/v1/view.ts';
import type { TierWord } from '../../../../proto/view-words.ts';
import { heartbeat, known, LIMITS, UID } from '../world-fixture.ts';

const TERM = 'now';
const NONE: TierChanges = new Map();

function view(revision: number, tier?: Tier) {
  const about = { name: 'prices', index: 1, currentVersion: 1, versions: [1], records: 1 };
  const keyspace = { ...about, uid: UID, fingerprints: [], ...(tier !== undefined && { tier }) };
  return { ...NOTHING_KNOWN, epoch: 3, term: TERM, revision, keyspaces: [keyspace] };
}

const left = { segmentsLeft: 2, bytesLeft: 100, failure: '' };

/** A serving node that has reported with a view of this run. */
function reported(id: string, viewRevision: number, more: object = {}): NodeStatus {
  const beat = { ...heartbeat(id, NodeState.SERVING), viewEpoch: 3, viewTerm: TERM, viewRevision };
  return answered(known(id), { ...beat, ...more }, 0);
}

function progress(tierChanges: TierChanges, nodes: readonly NodeStatus[], tier?: TierWord) {
  const record: KeyspaceRecord = {
    ...{ uid: UID, name: 'prices', index: 1, nextVersion: 2, createdAt: '' },
    state: 'RUNNING',
    desired: { currentVersion: 1, replication: 0, ...(tier !== undefined && { tier }) },
  };
  const byId = new Map(nodes.map((node) => [node.id, node]));
  return tierProgress({ nodes: byId, tierChanges, view: view(9) }, record);
}

test('the view that changes a tier is noted, and no other', () => {
  const first = noteTierChanges(NONE, view(4), view(5, Tier.DISK));
  expect([...first]).toEqual([[UID, 5]]);
  expect(noteTierChanges(first, view(5, Tier.DISK), view(6, Tier.DISK))).toBe(first);
  expect([...noteTierChanges(first, view(6, Tier.DISK), view(7))]).toEqual([[UID, 7]]);
  const empty = { ...view(8), keyspaces: [] };
  expect(noteTierChanges(first, view(7), empty).size).toBe(0);
  expect(noteTierChanges(NONE, empty, view(9))).toBe(NONE);
  expect([...noteTierChanges(NONE, empty, view(9, Tier.DISK))]).toEqual([[UID, 9]]);
});

test('a change is over when every serving datanode says so with a view that has it', () => {
  const changes = new Map([[UID, 5]]);
  const tierMoves = [{ keyspaceUid: UID, ...left }];
  const nodes = [reported('a', 5, { tierMoves }), reported('b', 4), reported('c', 6)];
  expect(progress(changes, nodes, 'disk')).toEqual({ ...left, nodesUnknown: 1 });
  expect(progress(changes, [reported('a', 5), reported('c', 6)], 'disk')).toBeUndefined();
  const ofOther = reported('a', 9, { viewTerm: 'before' });
  expect(progress(changes, [ofOther], 'disk')).toMatchObject({ nodesUnknown: 1 });
});

test('what is left is added up, and a failure names its datanode', () => {
  const move = (failure: string) => ({ tierMoves: [{ keyspaceUid: UID, ...left, failure }] });
  const nodes = [reported('a', 5, move('')), reported('b', 5, move('no memory'))];
  expect(progress(new Map([[UID, 5]]), nodes, 'memory')).toEqual({
    ...{ segmentsLeft: 4, bytesLeft: 200, nodesUnknown: 0 },
    failure: 'datanode b: no memory',
  });
});

test('a datanode that is away is not waited for', () => {
  let away = reported('a', 4);
  for (let misses = 0; misses < LIMITS.downMisses; misses++) away = missed(away, 0, LIMITS);
  expect(progress(new Map([[UID, 5]]), [away, reported('b', 5)], 'disk')).toBeUndefined();
});

test('after a start of the master, only a tier that was set has to be confirmed', () => {
  const stale = reported('a', 9, { viewEpoch: 2 });
  expect(progress(NONE, [stale])).toBeUndefined();
  expect(progress(NONE, [stale], 'memory')).toMatchObject({ nodesUnknown: 1 });
  expect(progress(NONE, [reported('a', 1)], 'memory')).toBeUndefined();
});
