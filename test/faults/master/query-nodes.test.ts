// Four query nodes after a TCP load balancer: one of them is killed under clients that try a failed
// read once more, and none of them notices. What a query node has in memory does not grow with the
// data.

import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { Agent, request } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SHORT } from '../../support/faults/faults.ts';
import { startTcpBalancer } from '../../support/faults/tcp-balancer.ts';
import type { TcpBalancer } from '../../support/faults/tcp-balancer.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { residentBytes } from '../../support/mutations/conversations.ts';
import { hasEtcd } from '../../support/process/etcd-server.ts';
import { MastersCluster } from '../../support/process/masters-cluster.ts';
import { flags, stele, SteleProcess, until } from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';

const QUERY_NODES = 4;
const CLIENTS = 8;
const KILLS = SHORT ? 3 : 30;
/** Reads of each client between two events. */
const READS = 50;
const KEYSPACE = 'numbers';
const MIB = 1024 ** 2;
const LARGE_ROWS = 100_000;
const LARGE_VALUE_BYTES = 1_000;

const rows = new VersionedRows(5_000);
let cluster: MastersCluster;
let queries: Addresses[];
let balancer: TcpBalancer;

/** A client with one connection, which tries a failed read once more, on a new one. */
class Client {
  reads = 0;
  readonly failures: string[] = [];
  retries = 0;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 1 });
  #stopped = false;
  #running: Promise<void> = Promise.resolve();

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#running;
    this.#agent.destroy();
  }

  async #run(): Promise<void> {
    for (let index = 0; !this.#stopped; index = (index + 7) % rows.count) {
      const key = rows.key(index);
      let problem = await this.#read(key);
      if (problem !== '') {
        this.retries++;
        problem = await this.#read(key);
      }
      if (problem !== '') this.failures.push(`${key}: ${problem}`);
      this.reads++;
    }
  }

  /** Resolves to what is wrong with the answer; empty: nothing is. */
  #read(key: string): Promise<string> {
    const path = `/v1/keyspaces/${KEYSPACE}/keys/${key}`;
    return new Promise((resolve) => {
      const options = { port: balancer.port, path, agent: this.#agent, timeout: 2_000 };
      request({ host: '127.0.0.1', ...options }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.once('error', (error) => resolve(String(error)));
        response.once('end', () => {
          const value = Buffer.concat(parts).toString();
          const isRight = response.statusCode === 200 && rows.versionOf(key, value) === 1;
          resolve(isRight ? '' : `${response.statusCode} ${value}`);
        });
      })
        .once('timeout', () => resolve('no answer in 2 s'))
        .once('error', (error) => resolve(String(error)))
        .end();
    });
  }
}

describe.skipIf(!hasEtcd())('four query nodes after a load balancer', () => {
  beforeAll(async () => {
    cluster = await MastersCluster.start({ masters: 1, datanodes: 2 });
    expect(await cluster.load(KEYSPACE, rows, 1)).toMatchObject({ code: 0 });
    const starts = Array.from({ length: QUERY_NODES }, (_unused, at) => cluster.startQuery(at));
    queries = await Promise.all(starts);
    for (const query of queries) await ready(query);
    balancer = await startTcpBalancer(queries.map(({ http }) => http));
  }, 120_000);
  afterAll(async () => {
    balancer?.close();
    await cluster?.close();
  }, 60_000);

  test(`${KILLS} times one of them is killed, and clients that try once more notice nothing`, async () => {
    const clients = Array.from({ length: CLIENTS }, () => new Client());
    for (const client of clients) client.start();
    const progress = async (): Promise<void> => {
      const wanted = clients.map(({ reads }) => reads + READS);
      await until('reads', () => clients.every(({ reads }, at) => reads >= (wanted[at] ?? 0)));
    };
    await progress();
    expect(balancer.counts).toEqual(Array(QUERY_NODES).fill(CLIENTS / QUERY_NODES));
    for (let kill = 0; kill < KILLS; kill++) {
      const at = kill % QUERY_NODES;
      await cluster.kill(`query-${at}`, 'SIGKILL');
      await progress();
      await ready(await cluster.startQuery(at));
    }
    await Promise.all(clients.map((client) => client.stop()));
    expect(clients.flatMap(({ failures }) => failures)).toEqual([]);
    const retries = clients.reduce((sum, client) => sum + client.retries, 0);
    expect(retries).toBeGreaterThan(0);
    // Each kill costs each client one connection at most.
    expect(retries).toBeLessThanOrEqual(KILLS * CLIENTS);
  });

  test('a query node without a cache holds nothing of the data that it answers for', async () => {
    const query = new SteleProcess([
      'query',
      ...flags({ master: cluster.masterList, 'cache-max': 0 }),
      ...flags({ 'http-port': 0, 'resp-port': 0, 'grpc-port': 0 }),
    ]);
    try {
      await query.printed(/ pid \d+ http /);
      const [address] = query.addresses();
      await ready(address!);
      // The first data also costs what any data needs.
      await loadLarge('first');
      await readThrough(address!, 'first', LARGE_ROWS);
      const before = residentBytes(address!.pid);
      await loadLarge('second');
      await readThrough(address!, 'second', LARGE_ROWS);
      const grown = residentBytes(address!.pid) - before;
      console.log(
        `  ${(grown / MIB).toFixed(0)} MiB more for another ${LARGE_ROWS / 1000} MB of data`,
      );
      expect(grown).toBeLessThan((LARGE_ROWS * LARGE_VALUE_BYTES) / 2);
    } finally {
      await query.kill();
    }
  });
});

async function ready({ http }: Addresses): Promise<void> {
  const isReady = async (): Promise<boolean> => {
    const answer = await fetch(`http://127.0.0.1:${http}/readyz`).catch(() => undefined);
    return answer?.ok === true;
  };
  await until('a query node', isReady);
}

async function loadLarge(keyspace: string): Promise<void> {
  const file = join(cluster.folder, `${keyspace}.data`);
  const out = createWriteStream(file);
  for (let index = 0; index < LARGE_ROWS; index++) {
    const row = `key-${index} ${String(index).padEnd(LARGE_VALUE_BYTES, '.')}\n`;
    if (!out.write(row)) await once(out, 'drain');
  }
  out.end();
  await once(out, 'close');
  expect(await stele(cluster.loadArguments(keyspace, file, []))).toMatchObject({ code: 0 });
}

/** Reads every key once. */
async function readThrough({ http }: Addresses, keyspace: string, count: number): Promise<void> {
  const url = `http://127.0.0.1:${http}/v1/keyspaces/${keyspace}/lookup`;
  const headers = { 'content-type': 'application/json' };
  for (let at = 0; at < count; at += 500) {
    const keys = Array.from({ length: Math.min(500, count - at) }, (_, next) => `key-${at + next}`);
    let answer: { results: { status: string }[] } | undefined;
    await until('the keys', async () => {
      const response = await fetch(url, {
        method: 'POST',
        headers,
        body: JSON.stringify({ keys }),
      });
      if (!response.ok) return false;
      answer = (await response.json()) as typeof answer;
      return true;
    });
    expect(answer?.results.every(({ status }) => status === 'OK')).toBe(true);
  }
}
