// What is answered from the last view while no leader can be asked.

import { expect, test } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { orFromLastView } from '../../../master/candidate/last-view.ts';
import type { LastView } from '../../../master/candidate/last-view.ts';
import { NOTHING_KNOWN } from '../../../master/candidate/view-feed.ts';
import { findKeyspace, findNode } from '../../../master/operations/find-in-list.ts';
import type { GetHealthRequest } from '../../../proto/gen/stele/v1/cluster.ts';
import { HealthStatus, NodeState, Tier } from '../../../proto/gen/stele/v1/view.ts';
import type { ClusterView } from '../../../proto/gen/stele/v1/view.ts';
import { healthJson, keyspacesJson, nodesJson, shardsJson } from '../../../proto/json-shapes.ts';

const { GREEN, RED, UNSPECIFIED } = HealthStatus;
const address = { host: '10.0.0.1', httpPort: 1, respPort: 2, grpcPort: 3 };
const node = (id: string, state: NodeState) => ({
  id,
  incarnation: 'i',
  address,
  zone: 'a',
  state,
});
const keyspace = { uid: 'u', index: 0, currentVersion: 3, versions: [3], records: 9 };
const VIEW: ClusterView = {
  ...NOTHING_KNOWN,
  ...{ epoch: 7, revision: 5, shardCount: 4, replication: 2, health: RED, ready: false },
  nodes: [node('a', NodeState.SERVING), node('b', NodeState.DOWN)],
  routes: [{ nodes: [0] }, { nodes: [0] }, { nodes: [] }, { nodes: [0] }],
  keyspaces: [
    { ...keyspace, name: 'prices', fingerprints: [], unserved: Buffer.from([0b100]) },
    {
      ...keyspace,
      name: 'asleep',
      fingerprints: [],
      suspended: true,
      uncached: true,
      tier: Tier.DISK,
    },
  ],
};
const SINCE = '2026-11-30T12:00:00.000Z';
const REASON = `No master leads (etcd is away) since ${SINCE}: this is the last view, and the state of the datanodes is that of then.`;
const NO_LEADER = { reason: REASON, since: SINCE };
const ask = (waitFor: HealthStatus = UNSPECIFIED, timeoutMs = 0): GetHealthRequest => ({
  waitFor,
  timeoutMs,
});

/** Questions to a leader that throws `error`, until it is undefined. */
function questions(last: Partial<LastView> = {}, view = VIEW) {
  const leader = {
    error: new SteleError('UNAVAILABLE', 'Nobody leads.') as SteleError | undefined,
  };
  const refuse = async (): Promise<never> => {
    if (leader.error !== undefined) throw leader.error;
    return { status: GREEN, reached: true } as never;
  };
  const all = { health: refuse, listKeyspaces: refuse, listNodes: refuse, listShards: refuse };
  const noLeader = () => ({ why: 'No master leads (etcd is away)', since: SINCE });
  return { leader, asked: orFromLastView(all, { current: () => view, noLeader, ...last }) };
}

test('health, datanodes, keyspaces and shards are those of the view, and the rest is null', async () => {
  const { asked } = questions();
  expect(healthJson(await asked.health(ask()))).toMatchObject({
    no_leader: NO_LEADER,
    reasons: [REASON],
    ...{ status: 'red', ready: false, epoch: 7, copies: null },
    replication: { target: 2, effective: 2, least: null },
    shards: {
      ...{ total: 4, active: 3, under_replicated: null },
      uncovered: [{ shard: 2, slots: [8192, 12287], keyspaces: ['prices'] }],
    },
    nodes: [{ id: 'a' }, { id: 'b', state: 'DOWN' }],
  });
  expect(nodesJson(await asked.listNodes())[1]).toMatchObject({
    ...{ id: 'b', state: 'DOWN', zone: 'a', address: { resp_port: 2 } },
    ...{ weight: null, replicas: null, silent_ms: null, virtual_nodes: null },
  });
  expect(keyspacesJson(await asked.listKeyspaces())).toMatchObject([
    {
      name: 'prices',
      state: 'REPAIRING',
      current_version: 3,
      records: 9,
      cache: true,
      digest: null,
    },
    {
      ...{ name: 'asleep', state: 'SUSPENDED', cache: false, tier: 'disk', tier_move: null },
      ...{ segment_bytes: null, replication: null },
    },
  ]);
  const shards = shardsJson(await asked.listShards());
  expect(shards.map(({ holders, status }) => [holders, status])).toEqual([
    [['a'], 'unknown'],
    [['a'], 'unknown'],
    [[], 'red'],
    [['a'], 'unknown'],
  ]);
  expect(shards[0]).toMatchObject({ owners: null, bytes: null });
});

test('one keyspace or datanode: from the view, and never as not found', async () => {
  const { asked } = questions();
  expect(await findKeyspace(asked, 'prices')).toMatchObject({ noLeader: NO_LEADER });
  expect(await findNode(asked, 'a')).toMatchObject({ noLeader: NO_LEADER });
  const unknown = { code: 'UNAVAILABLE', message: REASON };
  await expect(findKeyspace(asked, 'new')).rejects.toMatchObject(unknown);
  await expect(findNode(asked, 'new')).rejects.toMatchObject(unknown);
});

test('a leader that answers is believed, and its other errors are passed on', async () => {
  const { asked, leader } = questions();
  leader.error = new SteleError('KEYSPACE_NOT_FOUND', 'There is none.');
  await expect(asked.listKeyspaces()).rejects.toBe(leader.error);
  leader.error = undefined;
  expect(await asked.health(ask())).toEqual({ status: GREEN, reached: true });
});

test('without a view, or where somebody else has one as good, the refusal stays', async () => {
  const before = questions({}, NOTHING_KNOWN);
  await expect(before.asked.listNodes()).rejects.toBe(before.leader.error);
  const other = questions({ noLeader: () => undefined });
  await expect(other.asked.listNodes()).rejects.toBe(other.leader.error);
});

test('a wait for a health waits for a leader: the last view may be of long ago', async () => {
  const { asked, leader } = questions({}, { ...VIEW, health: GREEN, ready: true });
  expect(await asked.health(ask())).toMatchObject({ reached: true, status: GREEN });
  expect(await asked.health(ask(GREEN, 20))).toMatchObject({ reached: false, noLeader: NO_LEADER });
  const waiting = asked.health(ask(GREEN, 10_000));
  leader.error = undefined;
  expect(await waiting).toEqual({ status: GREEN, reached: true });
  leader.error = new SteleError('UNAVAILABLE', 'Nobody leads.');
  const cancelled = new AbortController();
  const ended = asked.health(ask(GREEN, 10_000), cancelled.signal);
  cancelled.abort();
  expect(await ended).toMatchObject({ reached: false });
});
