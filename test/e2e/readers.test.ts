// The cluster of `npm start`, read in every possible way: each value byte for byte.

import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { credentials } from '@grpc/grpc-js';
import { createClient, createCluster, RESP_TYPES } from 'redis';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../client/stele-client.ts';
import { LookupServiceClient, LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupResponse } from '../../proto/gen/stele/v1/lookup.ts';
import { summaryOf } from '../support/process/cluster.ts';
import { readLineFile } from '../support/inputs/rows.ts';
import {
  connectCluster,
  connectRedis,
  credentialsOf,
  getValue,
  postLookup,
} from '../support/readers/sources.ts';
import {
  ANY_PORTS,
  flags,
  PROJECT,
  stele,
  SteleProcess,
  until,
} from '../support/process/stele-process.ts';
import type { Addresses } from '../support/process/stele-process.ts';
import { hasTool } from '../support/tools.ts';
import { guard, unguard } from '../support/process/watchdog.ts';

const SAMPLE_ROWS = 10_000;
const BATCH = 1000;
const folder = mkdtempSync(join(tmpdir(), 'stele-readers-'));
const sample = readLineFile(join(PROJECT, 'data', 'example.data'));
const keys = [...sample.keys()];
const expected = [...sample.values()];
let up: SteleProcess;
let master: Addresses;
let nodes: Addresses[];

beforeAll(async () => {
  const startMs = performance.now();
  up = new SteleProcess([
    'up',
    ...ANY_PORTS,
    ...flags({
      'data-dir': join(folder, 'cluster'),
      load: ['example=data/example.data', 'airports=data/airports.csv'],
    }),
  ]);
  await up.printed(/^ready$/m, 60_000);
  console.log(
    `  stele up: ready with both datasets in ${Math.round(performance.now() - startMs)} ms`,
  );
  [master = failNoProcess(), ...nodes] = up.addresses();
}, 90_000);

afterAll(async () => {
  await up.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

function failNoProcess(): never {
  throw new Error(`stele up printed no process: ${up.stdout}`);
}

/** Compares all at once, because one assertion per value would take longer than the reads. */
function expectSample(values: readonly (Buffer | string | null | undefined)[]): void {
  const wrong = expected.flatMap((value, index) => {
    const got = values[index];
    const bytes = typeof got === 'string' ? Buffer.from(got) : got;
    return bytes !== null && bytes !== undefined && value.equals(bytes) ? [] : [keys[index]];
  });
  expect(wrong.slice(0, 10)).toEqual([]);
  expect(values).toHaveLength(SAMPLE_ROWS);
}

async function inBatches<T>(read: (batch: string[]) => Promise<T[]>, size = BATCH): Promise<T[]> {
  const values: T[] = [];
  for (let at = 0; at < keys.length; at += size) {
    values.push(...(await read(keys.slice(at, at + size))));
  }
  return values;
}

const origin = (): string => `http://127.0.0.1:${master.http}`;

describe('stele up', () => {
  test('prints a line per process with its pid and its addresses, then `ready` last', () => {
    const titles = up.addresses().map((one) => one.title);
    expect(titles[0]).toBe('master');
    // Datanodes start in parallel.
    expect(titles.slice(1).sort()).toEqual([
      'datanode node-0',
      'datanode node-1',
      'datanode node-2',
    ]);
    for (const { pid } of up.addresses()) expect(() => process.kill(pid, 0)).not.toThrow();
    expect(new Set(up.addresses().map((one) => one.pid)).size).toBe(4);
    expect(up.stdout.trimEnd().split('\n').at(-1)).toBe('ready');
    expect(sample.size).toBe(SAMPLE_ROWS);
  });

  test('has a real CSV dataset with its columns as JSON', async () => {
    const csv = readFileSync(join(PROJECT, 'data', 'airports.csv'), 'utf8').split('\n');
    const [ident = '', name] = csv[1]?.split(',') ?? [];
    const value = await getValue(origin(), 'airports', ident);
    expect(JSON.parse(String(value))).toMatchObject({ name });
  });

  test('a second load of the current version is skipped', async () => {
    const again = await stele([
      'load',
      'example',
      'data/example.data',
      ...flags({ 'skip-if-current': true, output: 'json' }),
      ...flags({ master: `127.0.0.1:${master.grpc}`, 'work-dir': join(folder, 'again') }),
    ]);
    expect(again.stderr).toBe('');
    expect(summaryOf(again.stdout)).toMatchObject({ alreadyCurrent: true, version: 1 });
  });
});

describe('HTTP', () => {
  test('every value by GET of its own resource', async () => {
    expectSample(
      await inBatches(
        (batch) => Promise.all(batch.map((key) => getValue(origin(), 'example', key))),
        50,
      ),
    );
  });

  test('every value by POST lookup', async () => {
    expectSample(
      await inBatches(async (batch) => (await postLookup(origin(), 'example', batch)).values),
    );
  });

  test('a missing key is 404, and so is a missing keyspace', async () => {
    expect(await getValue(origin(), 'example', 'no-such-key')).toBeNull();
    const missing = await fetch(`${origin()}/v1/keyspaces/nowhere/keys/a`);
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ code: 'KEYSPACE_NOT_FOUND' });
  });
});

describe('RESP through the master', () => {
  test('every value by redis-cli', async ({ skip }) => {
    if (!hasTool('redis-cli')) return skip();
    expectSample(await redisCli(['-p', String(master.resp)], 'SELECT example'));
  });

  test('every value by ioredis', async () => {
    const client = connectRedis(master, 'example');
    onTestFinished(() => client.disconnect());
    expectSample(
      await inBatches((batch) => Promise.all(batch.map((key) => client.getBuffer(key)))),
    );
    expectSample(await inBatches((batch) => client.mgetBuffer(batch)));
  });

  test('every value by node-redis', async () => {
    const client = createClient({
      socket: { host: master.host, port: master.resp },
      ...credentialsOf('example'),
      commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => client.destroy());
    expectSample(await inBatches((batch) => Promise.all(batch.map((key) => client.get(key)))));
    expectSample(await inBatches((batch) => client.mGet(batch)));
  });
});

describe('RESP in cluster mode, straight from the datanodes', () => {
  test('every value by redis-cli -c', async ({ skip }) => {
    if (!hasTool('redis-cli')) return skip();
    const { username, password } = credentialsOf('example');
    const login = ['--user', username, '--pass', password, '--no-auth-warning'];
    expectSample(await redisCli(['-c', '-p', String(nodes[0]?.resp), ...login]));
  });

  test('every value by ioredis', async () => {
    const client = connectCluster(nodes, 'example');
    onTestFinished(() => client.disconnect());
    expectSample(
      await inBatches((batch) => Promise.all(batch.map((key) => client.getBuffer(key)))),
    );
  });

  test('every value by node-redis', async () => {
    const client = createCluster({
      rootNodes: nodes.map(({ host, resp }) => ({ socket: { host, port: resp } })),
      defaults: credentialsOf('example'),
      commandOptions: { typeMapping: { [RESP_TYPES.BLOB_STRING]: Buffer } },
    });
    client.on('error', () => undefined);
    await client.connect();
    onTestFinished(() => client.destroy());
    expectSample(await inBatches((batch) => Promise.all(batch.map((key) => client.get(key)))));
  });
});

describe('gRPC', () => {
  test('every value by the client library', async () => {
    const client = new SteleClient({ seeds: [`127.0.0.1:${master.grpc}`], deadlineMs: 5000 });
    onTestFinished(() => client.close());
    expectSample(await inBatches(async (batch) => (await client.getMany('example', batch)).values));
    expectSample(
      await inBatches((batch) => Promise.all(batch.map((key) => client.get('example', key)))),
    );
    expect(await client.get('example', 'no-such-key')).toBeNull();
  });

  test('every value by the unary Lookup of the master', async () => {
    const client = new LookupServiceClient(
      `127.0.0.1:${master.grpc}`,
      credentials.createInsecure(),
    );
    onTestFinished(() => client.close());
    const values = await inBatches(async (batch) => {
      const response = await unaryLookup(client, 'example', batch);
      return response.results.map((one) => (one.status === LookupStatus.OK ? one.value : null));
    });
    expectSample(values.map((value) => (value === null ? null : Buffer.from(value))));
  });
});

describe('a datanode of `stele up` is killed', () => {
  test('it is started again on its ports, and meanwhile every value can be read', async () => {
    const [lost] = nodes;
    if (lost === undefined) throw new Error('there is no datanode');
    process.kill(lost.pid, 'SIGKILL');
    expectSample(
      await inBatches(async (batch) => (await postLookup(origin(), 'example', batch)).values),
    );
    await until('it to be started again', () => linesOf(lost.title).length === 2);
    const [, again] = linesOf(lost.title);
    expect(again).toEqual({ ...lost, pid: again?.pid });
    expect(again?.pid).not.toBe(lost.pid);
    const green = await stele([
      'status',
      ...flags({ wait: 'green', timeout: '30s', master: `127.0.0.1:${master.grpc}` }),
    ]);
    expect(green.code).toBe(0);
    const client = connectRedis(lost, 'example');
    onTestFinished(() => client.disconnect());
    expect(await client.dbsize()).toBeGreaterThan(0);
  });
});

function linesOf(title: string): Addresses[] {
  return up.addresses().filter((one) => one.title === title);
}

/** GETs every key through one redis-cli, which prints one raw value per line without a terminal. */
function redisCli(options: readonly string[], ...before: string[]): Promise<string[]> {
  const child = spawn('redis-cli', ['-h', '127.0.0.1', ...options], {
    stdio: 'pipe',
  });
  const { pid = -1 } = child;
  guard(pid);
  onTestFinished(() => {
    child.kill('SIGKILL');
    unguard(pid);
  });
  child.stdin.end(
    [...before, ...keys.map((key) => `GET ${key}`)].map((line) => `${line}\n`).join(''),
  );
  let printed = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (printed += text));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    // The first complaint is enough, because it would be repeated for every key.
    child.stderr.once('data', (text) => reject(new Error(String(text))));
    child.once('close', () => {
      const lines = printed.split('\n').slice(0, -1);
      resolve(lines.filter((line) => line !== 'OK' && !line.startsWith('-> Redirected')));
    });
  });
}

function unaryLookup(
  client: LookupServiceClient,
  keyspace: string,
  batch: readonly string[],
): Promise<LookupResponse> {
  const request = { keyspace, keys: batch.map((key) => Buffer.from(key)), version: 0 };
  return new Promise((resolve, reject) => {
    client.lookup(request, (error, response) => {
      if (error === null) resolve(response);
      else reject(error);
    });
  });
}
