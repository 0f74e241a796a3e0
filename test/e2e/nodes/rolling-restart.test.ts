// `stele node restart-all` under `stele up`: every datanode is a new process afterwards, and no
// reader has noticed.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import {
  connectCluster,
  connectRedis,
  httpSource,
  respSource,
} from '../../support/readers/sources.ts';
import { ANY_PORTS, flags, stele, SteleProcess } from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';

const KEYSPACE = 'numbers';
const folder = mkdtempSync(join(tmpdir(), 'stele-rolling-'));
const rows = new VersionedRows(3000);
let up: SteleProcess;
let master: Addresses;
let nodes: Addresses[];
let readers: Reader[] = [];

beforeAll(async () => {
  const file = join(folder, 'rows.data');
  await rows.write(file, 1);
  up = new SteleProcess([
    'up',
    ...ANY_PORTS,
    // Without a cache, every read through the master needs a datanode.
    ...flags({ 'data-dir': join(folder, 'up'), 'cache-max': 0, load: `${KEYSPACE}=${file}` }),
  ]);
  await up.printed(/^ready$/m, 60_000);
  const addresses = up.addresses();
  master = addresses.find(({ title }) => title === 'master')!;
  nodes = addresses.filter(({ title }) => title.startsWith('datanode'));
}, 90_000);

afterAll(async () => {
  await Promise.all(readers.map((reader) => reader.stop()));
  await up.kill('SIGTERM');
  rmSync(folder, { recursive: true, force: true });
}, 60_000);

const restartAll = (...more: string[]): SteleProcess =>
  new SteleProcess(['node', 'restart-all', '--master', `127.0.0.1:${master.grpc}`, ...more]);

async function incarnations(): Promise<string[]> {
  const listed = await stele(['nodes', '-o', 'json', '--master', `127.0.0.1:${master.grpc}`]);
  const found = JSON.parse(listed.stdout) as { id: string; incarnation: string; state: string }[];
  expect(found.map(({ id }) => id).sort()).toEqual(['node-0', 'node-1', 'node-2']);
  return found.map(({ incarnation }) => incarnation).sort();
}

function startReaders(): Reader[] {
  const sources = [
    respSource('cluster client', connectCluster(nodes, KEYSPACE)),
    respSource('master RESP', connectRedis(master, KEYSPACE)),
    httpSource(`http://127.0.0.1:${master.http}`, KEYSPACE),
  ];
  return sources.map(
    (source, index) =>
      new Reader([source], {
        rows,
        version: 1,
        seed: 31 + index,
      }),
  );
}

describe('a rolling restart under readers', () => {
  test('restarts every datanode, one at a time, and no read fails', async () => {
    readers = startReaders();
    await Promise.all(readers.map((reader) => reader.progress(100)));
    const before = await incarnations();
    const done = await restartAll().finished();
    expect([done.code, done.stderr]).toEqual([0, '']);
    const back = [...done.stdout.matchAll(/^(node-\d) is back after .* \((\d) of 3\)$/gm)];
    expect(back.map(([, id, at]) => [id, at])).toEqual([
      ['node-0', '1'],
      ['node-1', '2'],
      ['node-2', '3'],
    ]);
    expect(done.stdout).toContain('3 datanodes restarted, all green.');
    const after = await incarnations();
    expect(after.filter((incarnation) => before.includes(incarnation))).toEqual([]);
    await Promise.all(readers.map((reader) => reader.progress(100)));
  }, 120_000);

  test('interrupted after the first datanode, it leaves a complete cluster, and can be run again', async () => {
    const interrupted = restartAll();
    await interrupted.printed(/node-0 is back/, 60_000);
    await interrupted.kill('SIGINT');
    const again = await restartAll('--deadline', '60s').finished();
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect(again.stdout).toContain('3 datanodes restarted');
    const running = readers;
    readers = [];
    await stopWithoutFailures(running);
  }, 120_000);
});
