// The library client against real processes: datanodes flap, stop and come back elsewhere, and the
// master is killed while it reads. A client that is closed leaves nothing open.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { SteleClient } from '../../../client/stele-client.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { flags, PROJECT, SteleProcess, until } from '../../support/process/stele-process.ts';
import { startLibraryReader } from '../../support/readers/library-reader.ts';
import { stopWithoutFailures } from '../../support/readers/reader.ts';
import { tempDir } from '../../support/temp-dir.ts';

const KEYSPACE = 'numbers';
const READS_PER_PHASE = 300;
const rows = new VersionedRows(10_000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.holding(rows, [KEYSPACE], {
    masterFlags: flags({ 'repair-delay': '60s' }),
  });
}, 60_000);

afterAll(() => cluster?.close(), 30_000);

function connect(): SteleClient {
  const client = new SteleClient({ seeds: [cluster.masterGrpc] });
  onTestFinished(() => client.close());
  return client;
}

test('a datanode that flaps fails no read', async () => {
  const reader = startLibraryReader(connect(), KEYSPACE, rows);
  for (let round = 0; round < 3; round++) {
    await cluster.kill('node-0');
    await reader.progress(100);
    await cluster.startNode('node-0');
    await cluster.nodesServing(3);
    await reader.progress(100);
  }
  await stopWithoutFailures([reader]);
  await cluster.status('green');
});

test('a datanode is stopped under getMany: no read fails, and the others are asked instead', async () => {
  const client = connect();
  const reader = startLibraryReader(client, KEYSPACE, rows);
  await reader.progress(READS_PER_PHASE);
  const window = reader.begin();
  cluster.pause('node-2');
  try {
    await reader.progress(2 * READS_PER_PHASE);
    await cluster.status('yellow');
    await reader.progress(READS_PER_PHASE);
  } finally {
    cluster.resume('node-2');
  }
  await reader.stop();
  const { p50Ms, p99Ms } = window.report();
  console.log(`  stopped: p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms`, client.stats());
  await stopWithoutFailures([reader]);
  expect(client.stats().hedges).toBeGreaterThan(0);
  expect(p99Ms).toBeLessThan(300);
  await cluster.nodesServing(3);
});

test('datanodes that come back with each other’s addresses are read from again', async () => {
  const client = connect();
  const keys = Array.from({ length: rows.count }, (_, index) => rows.key(index));
  await client.getMany(KEYSPACE, keys);
  await Promise.all(['node-0', 'node-1'].map((id) => cluster.kill(id)));
  cluster.swapPorts('node-0', 'node-1');
  await Promise.all(['node-0', 'node-1'].map((id) => cluster.startNode(id)));
  await cluster.nodesServing(3);
  await cluster.status('green');
  await until('a read of every key', async () => {
    const { unavailable } = await client.getMany(KEYSPACE, keys, { partial: true });
    return unavailable === 0;
  });
  const before = await Promise.all(['node-0', 'node-1'].map((id) => cluster.lookups(id)));
  // A node that has refused is asked last for a while.
  await until('both to be read from', async () => {
    const { values } = await client.getMany(KEYSPACE, keys);
    const version = rows.versionOf(keys[0] ?? '', values[0]);
    expect(values.map(String)).toEqual(keys.map((key) => rows.value(key, version)));
    const after = await Promise.all(['node-0', 'node-1'].map((id) => cluster.lookups(id)));
    return after.every((count, index) => count > (before[index] ?? 0));
  });
});

test('the master is killed and started again: no read fails, and the next version is seen', async () => {
  const client = connect();
  const reader = startLibraryReader(client, KEYSPACE, rows);
  await reader.progress(READS_PER_PHASE);
  await cluster.kill('master');
  await reader.progress(READS_PER_PHASE);
  await cluster.startMaster();
  await cluster.nodesServing(3);
  await reader.progress(READS_PER_PHASE);
  await cluster.loadRows(KEYSPACE, rows, 2);
  await until('the client to read version 2', () => reader.versions.has(2));
  await stopWithoutFailures([reader]);
});

/** A program that ends by itself only if no client leaves a handle open. */
const PROGRAM = `
const { SteleClient } = await import(process.argv[2]);
const seeds = [process.argv[3]];
const open = () => process.getActiveResourcesInfo().filter((name) => /TCP|Timeout|Immediate/.test(name));
let [answered, aborted] = [0, 0];
for (let round = 0; round < 20; round++) {
  const clients = Array.from({ length: 10 }, () => new SteleClient({ seeds }));
  await Promise.all(clients.map(async (client, index) => {
    // Some are closed before their first answer, some in the middle of a read.
    if (index === 0) return client.close();
    if (index === 1) client.get('numbers', 'key-1').catch((error) => { if (error.code !== 'CANCELLED') throw error; });
    else if (await client.get('numbers', 'key-1') !== null) answered++;
    if (index === 2) for await (const key of client.scan('numbers')) break;
    if (index === 4) {
      const controller = new AbortController();
      const many = client.getMany('numbers', Array.from({ length: 200 }, (_, at) => 'key-' + at), { signal: controller.signal });
      controller.abort();
      await many.catch((error) => { if (error.code !== 'CANCELLED') throw error; aborted++; });
      if (client.stats().keysInFlight !== 0) throw new Error('an aborted call is still counted');
    }
    if (index === 3) for await (const change of client.watch('numbers')) break;
    await client.close();
  }));
}
const unreachable = new SteleClient({ seeds: ['127.0.0.1:1'], deadlineMs: 50 });
const refused = await unreachable.get('numbers', 'key-1').catch((error) => error.code);
await unreachable.close();
await new Promise((resolve) => setTimeout(resolve, 100));
console.log(JSON.stringify({ answered, aborted, refused, left: open() }));
`;

test('200 clients are opened and closed: nothing is left open, and the program ends', async () => {
  const script = join(tempDir(), 'program.mjs');
  writeFileSync(script, PROGRAM);
  const library = pathToFileURL(join(PROJECT, 'dist', 'embedded', 'library.js')).href;
  const program = new SteleProcess([library, cluster.masterGrpc], { script });
  onTestFinished(async () => void (await program.kill()));
  const done = await program.finished();
  expect(done.stderr).toBe('');
  expect({ code: done.code, signal: done.signal }).toEqual({ code: 0, signal: null });
  expect(JSON.parse(done.stdout)).toEqual({
    answered: 160,
    aborted: 20,
    refused: 'UNAVAILABLE',
    left: [],
  });
});
