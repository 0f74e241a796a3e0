import { expect, test } from 'vitest';
import { lackOf } from '../../cli/rolling-conditions.ts';
import { restartAll } from '../../cli/restart-all.ts';
import { HealthStatus, NodeState } from '../../proto/gen/stele/v1/view.ts';

const { GREEN, YELLOW } = HealthStatus;

/** A cluster that records its orders; a restarted node is away for a number of polls. */
class FakeAdmin {
  readonly log: string[] = [];
  readonly runs = new Map([
    ['a', 1],
    ['b', 1],
  ]);
  readonly away = new Map<string, number>();
  looksAway = 2;
  isLed = true;
  replication = 2;
  status: HealthStatus = GREEN;

  #node(id: string) {
    const left = this.away.get(id) ?? 0;
    this.away.set(id, left - 1);
    const state = left > 0 ? NodeState.INITIALIZING : NodeState.SERVING;
    const address = { host: '', httpPort: 0, respPort: 0, grpcPort: 0 };
    const node = { id, incarnation: `${id}-${this.runs.get(id)}`, state, zone: '', address };
    const zeros = {
      replicas: 0,
      segmentBytes: 0,
      memoryLimitBytes: 0,
      diskFreeBytes: 0,
      diskTierBytes: 0,
      ...{ indexBytes: 0, cacheBytes: 0, accountedBytes: 0 },
    };
    const more = {
      residentBytes: 0,
      lookupsTotal: 0,
      silentMs: 0,
      weight: 1,
      trouble: '',
      drainLeft: 0,
      viewLag: 0,
      virtualNodes: 128,
    };
    return { node, ...zeros, ...more, progress: 0.4 };
  }

  listNodes = async () => ({ nodes: [...this.runs.keys()].reverse().map((id) => this.#node(id)) });

  listKeyspaces = async () => ({
    keyspaces: [{ name: 'prices', replication: this.replication, currentVersion: 1 }] as never,
  });

  getHealth = async () => {
    const { nodes } = await this.listNodes();
    const isWhole = nodes.every(({ node }) => node.state === NodeState.SERVING);
    const status = isWhole ? this.status : YELLOW;
    this.log.push(status === GREEN ? 'green' : 'yellow');
    return {
      ...{ status, nodes, reached: true, ready: true, epoch: 1, shardsTotal: 8, shardsActive: 8 },
      ...{ shardsUnderReplicated: status === GREEN ? 0 : 3, uncovered: [] },
      ...{ replicationTarget: 2, replicationEffective: 2, replicationLeast: 2 },
      ...{ copiesRunning: 0, copiesFailing: 0, reasons: [], warnings: [] },
      ...(this.isLed ? {} : { noLeader: { reason: 'No master leads.', since: '' } }),
    };
  };

  restartNode = async (id: string) => {
    this.log.push(`restart ${id}`);
    this.runs.set(id, (this.runs.get(id) ?? 0) + 1);
    this.away.set(id, this.looksAway);
  };
}

const options = { after: '', deadlineMs: 5_000, force: false, report: () => undefined };

test('each datanode is restarted only after the cluster was found green', async () => {
  const admin = new FakeAdmin();
  expect(await restartAll(admin, options)).toBe(2);
  const steps = admin.log.filter((step, at) => step !== admin.log[at - 1]);
  expect(steps.filter((step) => step !== 'yellow')).toEqual([
    'green',
    'restart a',
    'green',
    'restart b',
    'green',
  ]);
});

test('an interrupted restart continues after the last restarted datanode', async () => {
  const admin = new FakeAdmin();
  admin.looksAway = 10_000;
  const stopped = restartAll(admin, { ...options, deadlineMs: 300 });
  await expect(stopped).rejects.toThrow(/run this again with --after a\.$/);
  admin.away.clear();
  admin.looksAway = 2;
  admin.log.length = 0;
  expect(await restartAll(admin, { ...options, after: 'a' })).toBe(1);
  expect(admin.log.filter((step) => step.startsWith('restart'))).toEqual(['restart b']);
  await expect(restartAll(admin, { ...options, after: 'c' })).rejects.toMatchObject({
    code: 'NODE_NOT_FOUND',
    message: 'There is no datanode c to continue after; there are a, b.',
  });
});

test('nothing is restarted in a cluster that is not green, and the error says what was awaited', async () => {
  const admin = new FakeAdmin();
  admin.status = YELLOW;
  await expect(restartAll(admin, { ...options, deadlineMs: 300 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringMatching(
      /green before a is restarted: it is yellow, 3 of 8 shards lack copies.*run this again/,
    ) as string,
  });
  expect(admin.log).not.toContain('restart a');
});

test('nothing is restarted while no master leads', async () => {
  const admin = new FakeAdmin();
  admin.isLed = false;
  await expect(restartAll(admin, { ...options, deadlineMs: 300 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringContaining('a master to lead before a is restarted: No master') as string,
  });
  expect(admin.log).not.toContain('restart a');
});

test('a datanode that does not come back stops the restart, and the error names it and its state', async () => {
  const admin = new FakeAdmin();
  admin.looksAway = 10_000;
  await expect(restartAll(admin, { ...options, deadlineMs: 300 })).rejects.toMatchObject({
    code: 'DEADLINE_EXCEEDED',
    message: expect.stringMatching(/a \(initializing 40%\) to serve again/) as string,
  });
  expect(admin.log).not.toContain('restart b');
});

test('a keyspace with one copy prevents it, except with --force', async () => {
  const admin = new FakeAdmin();
  admin.replication = 1;
  await expect(restartAll(admin, options)).rejects.toMatchObject({
    code: 'CONFLICT',
    message: expect.stringMatching(/'prices' has one copy only/) as string,
  });
  expect(admin.log).not.toContain('restart a');
  expect(await restartAll(admin, { ...options, force: true })).toBe(2);
});

test('a datanode that still reads into memory what it serves is awaited', () => {
  const warming = { segmentsDone: 1, segmentsTotal: 4, bytesDone: 25, bytesTotal: 100 };
  const node = {
    id: 'a',
    incarnation: 'a-1',
    state: NodeState.SERVING,
    zone: '',
    address: undefined,
  };
  const health = (more: object) =>
    ({
      ...{ status: GREEN, nodes: [{ node, progress: 1, ...more }] },
      ...{ shardsUnderReplicated: 0, uncovered: [], shardsTotal: 8 },
    }) as unknown as Parameters<typeof lackOf>[0];
  expect(lackOf(health({ warming }))).toBe('it is green; a (serving, warming 25%)');
  expect(lackOf(health({}))).toBeUndefined();
});
