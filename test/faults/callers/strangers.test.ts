// Peers verify who answers at an address: two datanodes come back with swapped addresses, and one
// hangs for so long that its connections are made again.

import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { FaultCluster, freeze, killNow, KEYSPACE } from '../../support/faults/fault-cluster.ts';
import { handOver, seconds } from '../../support/faults/fault-table.ts';
import { SEED } from '../../support/faults/faults.ts';
import { connectRedis, expectAllRows } from '../../support/readers/sources.ts';
import { until } from '../../support/process/stele-process.ts';

const ESTABLISHED = '01';
/** Two per link; two more for each time that it is made again, until the old ones are gone. */
const CONNECTIONS_MAX = 8;
let faults: FaultCluster;

beforeAll(async () => {
  console.log(`  seed ${SEED}`);
  faults = await FaultCluster.start({ masterFlags: ['--repair-delay', '60s'] });
}, 120_000);

afterAll(() => faults?.close(), 60_000);

/** Reads through the master without a pause, and counts the answers, and the wrong ones. */
function readOn(): { stop(): Promise<void>; answered: number; errors: number; wrong: string[] } {
  const { cluster, rows } = faults;
  const client = connectRedis(cluster.master, KEYSPACE);
  const seen = { answered: 0, errors: 0, wrong: [] as string[] };
  const stopping = new AbortController();
  const lane = async (): Promise<void> => {
    for (let at = SEED; !stopping.signal.aborted; at++) {
      const key = rows.key(at % rows.count);
      try {
        const value = await client.getBuffer(key);
        seen.answered++;
        if (rows.versionOf(key, value) !== 1) seen.wrong.push(`${key}: ${String(value)}`);
      } catch {
        seen.errors++;
      }
    }
  };
  const lanes = [lane(), lane()];
  return Object.assign(seen, {
    stop: async () => {
      stopping.abort();
      await Promise.all(lanes);
      client.disconnect();
    },
  });
}

test('two datanodes come back with their addresses swapped: neither is mistaken for the other', async () => {
  const { cluster } = faults;
  const reads = readOn();
  for (const id of ['node-0', 'node-1']) {
    await killNow(cluster, id);
    await faults.noticed(id);
  }
  cluster.swapPorts('node-0', 'node-1');
  const startedMs = performance.now();
  await cluster.startNode('node-1');
  // Another node now listens at the address where the master expects node-0.
  await until('the stranger to be told', () => cluster.log('master').includes("not 'node-0'"));
  await cluster.nodesServing(2);
  expect(await faults.stateOf('node-0')).not.toBe('serving');
  await cluster.startNode('node-0');
  await faults.whole();
  const recoveryMs = performance.now() - startedMs;
  const { answered } = reads;
  await until('more reads', () => reads.answered > answered + 200);
  await reads.stop();
  await expectAllRows(cluster.url(''), KEYSPACE, faults.rows, 1);
  handOver({
    row: '1a',
    fault: 'two datanodes killed, and started with each other’s addresses',
    trials: 1,
    reads: reads.answered,
    failed: reads.wrong.length,
    recoverySeconds: seconds(recoveryMs),
    recovered: 'from their start to GREEN',
    seen: `told as WRONG_NODE; ${reads.errors} reads were an error while both were away`,
  });
  expect(reads.wrong).toEqual([]);
});

test('connections to a datanode that hangs are made again, and none is leaked', async () => {
  const { cluster } = faults;
  const id = 'node-2';
  const { grpc, http } = cluster.node(id);
  await until('a connection of orders, and one of lookups', () => {
    return connectionsTo(grpc).length === 1 && connectionsTo(http).length > 0;
  });
  const before = connectionsTo(grpc);
  const httpBefore = connectionsTo(http).length;
  await freeze(cluster, id);
  let most = 0;
  await until('others in their place', () => {
    const now = connectionsTo(grpc);
    most = Math.max(most, now.length);
    return now.length > 0 && now.every((port) => !before.includes(port));
  });
  const lookups = await (cluster.resume(id), cluster.lookups(id));
  await faults.whole();
  const reads = readOn();
  await until('it to answer reads', async () => (await cluster.lookups(id)) > lookups);
  await reads.stop();
  // This test asks for metrics over one more connection.
  await until('as many connections as before', () => {
    return connectionsTo(grpc).length === 1 && connectionsTo(http).length <= httpBefore + 1;
  });
  expect(most).toBeLessThanOrEqual(CONNECTIONS_MAX);
  expect(reads.wrong).toEqual([]);
});

/** The local ports of all established connections to a port of this machine. */
function connectionsTo(port: number): string[] {
  const wanted = `0100007F:${port.toString(16).toUpperCase().padStart(4, '0')}`;
  return readFileSync('/proc/net/tcp', 'utf8')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((fields) => fields[2] === wanted && fields[3] === ESTABLISHED)
    .map((fields) => fields[1] ?? '');
}
