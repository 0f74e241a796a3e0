import { expect, it } from 'vitest';
import { checkFacts } from '../../../cli/upgrade/checks.ts';
import type { ClusterFacts } from '../../../cli/upgrade/checks.ts';
import { LoadState } from '../../../proto/gen/stele/v1/load.ts';
import { HealthStatus, NodeState } from '../../../proto/gen/stele/v1/view.ts';
import { LOAD } from '../../support/peers/load-sample.ts';

const node = (id: string, change: object = {}): object => ({
  node: { id, incarnation: `${id}-1`, state: NodeState.SERVING, zone: '', address: undefined },
  ...{ trouble: '', progress: 1, segmentBytes: 50, memoryLimitBytes: 100, ...change },
});
const away = (id: string, state: NodeState): object => node(id, { node: { id, state } });
const HEALTH = {
  ...{ status: HealthStatus.GREEN, reasons: [], uncovered: [], shardsTotal: 8 },
  ...{ shardsUnderReplicated: 0, replicationEffective: 2 },
  nodes: [node('a'), node('b'), node('c')],
};
const MASTER = { address: '', leads: true, since: '', epoch: 1, viewLag: 0, trouble: '' };
const KEYSPACE = { name: 'prices', state: 'RUNNING', replication: 2, currentVersion: 1 };
const SHARD = { shard: 0, bytes: 10, holders: ['a', 'b'] };

function look(change: { health?: object } & Record<string, unknown> = {}) {
  const facts: Record<string, unknown> = {
    ...{ keyspaces: [KEYSPACE], shards: [SHARD], loads: [], masters: [MASTER, MASTER] },
    ...change,
    health: { ...HEALTH, ...change.health },
  };
  return checkFacts(facts as unknown as ClusterFacts);
}

it('finds nothing in a whole cluster with several masters', () => {
  expect(look().map(({ check, level }) => `${check} ${level}`)).toEqual(
    ['health', 'datanodes', 'copies', 'shards', 'memory', 'loads', 'masters'].map(
      (check) => `${check} ok`,
    ),
  );
});

const two = [node('a'), node('b')];
it.each<[string, string, Parameters<typeof look>[0], RegExp]>([
  [
    'health',
    'fail',
    { health: { status: HealthStatus.YELLOW, shardsUnderReplicated: 3 } },
    /^it is yellow, 3 of 8 shards lack copies/,
  ],
  [
    'health',
    'fail',
    { health: { noLeader: { reason: 'No master leads.', since: '' } } },
    /no master leads/,
  ],
  [
    'datanodes',
    'fail',
    { health: { nodes: [...two, away('c', NodeState.DRAINED)] } },
    /^c \(drained\)/,
  ],
  ['datanodes', 'fail', { health: { nodes: [...two, away('c', NodeState.DOWN)] } }, /^c \(down\)/],
  [
    'datanodes',
    'fail',
    { health: { nodes: [...two, node('c', { trouble: 'its disk is full' })] } },
    /^c: its disk is full$/,
  ],
  [
    'copies',
    'fail',
    { keyspaces: [{ ...KEYSPACE, replication: 1 }] },
    /^Keyspace 'prices' has one/,
  ],
  ['copies', 'fail', { health: { nodes: [node('a')], replicationEffective: 1 } }, /one datanode/],
  ['shards', 'fail', { shards: [{ ...SHARD, holders: ['a'] }] }, /^1 shard cannot be read/],
  [
    'memory',
    'warn',
    { health: { nodes: [node('c', { segmentBytes: 101 }), ...two] } },
    /^201 B of/,
  ],
  ['loads', 'warn', { loads: [{ ...LOAD, state: LoadState.RUNNING }] }, /^1 load running/],
  ['masters', 'warn', { masters: [MASTER] }, /^one: while it is replaced/],
  [
    'masters',
    'fail',
    { masters: [MASTER, { ...MASTER, address: 'm:1', trouble: 'no answer' }] },
    /^m:1: no answer$/,
  ],
])('%s is a %s (%#)', (check, level, change, text) => {
  const found = look(change).find((one) => one.check === check);
  expect(found).toMatchObject({ level, text: expect.stringMatching(text) as string });
  expect(found?.advice).not.toBe('');
});

it('does not count shards without data, keyspaces that are being dropped, and datanodes of unknown limits', () => {
  const found = look({
    shards: [{ shard: 1, bytes: 0, holders: [] }],
    keyspaces: [{ ...KEYSPACE, state: 'DELETING', replication: 1 }],
    health: { nodes: [node('a', { memoryLimitBytes: 0 }), node('b')] },
  });
  expect(found.every(({ level }) => level === 'ok')).toBe(true);
  expect(found.map(({ check }) => check)).not.toContain('memory');
});
