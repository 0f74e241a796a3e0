// Interrupted loads: how they are reported, and what happens to the rest of them.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { SteleProcess, flags, until } from '../../support/process/stele-process.ts';

const ROWS = 20_000;
const folder = mkdtempSync(join(tmpdir(), 'stele-interrupted-'));
const file = join(folder, 'rows.data');
let cluster: TestCluster;

beforeAll(async () => {
  const text = Array.from({ length: ROWS }, (_, row) => `key-${row} ${'v'.repeat(80)}\n`).join('');
  writeFileSync(file, text);
  cluster = await TestCluster.start({ masterFlags: ['--repair-delay', '1s'] });
}, 60_000);

afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
}, 30_000);

interface LoadRow {
  readonly state: string;
  readonly stage: string;
  readonly reason: string;
}

async function newest(keyspace: string): Promise<LoadRow | undefined> {
  const done = await steleShared(['loads', keyspace, '--master', cluster.masterGrpc, '-o', 'json']);
  return done.code === 0 ? (JSON.parse(done.stdout) as LoadRow[])[0] : undefined;
}

/** A load that sends slowly, and is sending. */
async function sending(keyspace: string): Promise<SteleProcess> {
  const slow = flags({ 'max-bytes-per-second': '400KiB' });
  const load = new SteleProcess(cluster.loadArguments(keyspace, [file], slow));
  await until('the load to send', async () => (await newest(keyspace))?.stage === 'build');
  return load;
}

describe('a load that is asked to stop', () => {
  test.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
    ['SIGHUP', 129],
  ] as const)(
    'by %s ends with %i, is shown as interrupted at once, and can be resumed',
    async (signal, code) => {
      const keyspace = signal.toLowerCase();
      const load = await sending(keyspace);
      const done = await load.kill(signal);
      expect(done.code).toBe(code);
      expect(done.stderr).toContain('To resume it: stele load');
      expect(await newest(keyspace)).toMatchObject({ state: 'INTERRUPTED', reason: 'interrupted' });
      // The keyspace has no version, so for others it does not exist.
      const listed = await steleShared(['keyspaces', '--master', cluster.masterGrpc]);
      expect(listed.stdout).not.toContain(keyspace);
      const again = await cluster.load(keyspace, [file]);
      expect(again).toMatchObject({ version: 1, loaded: ROWS });
      expect(await newest(keyspace)).toMatchObject({ state: 'COMMITTED' });
    },
  );

  test('leaves its place to another load at once', async () => {
    const load = await sending('place');
    await load.kill('SIGINT');
    const other = join(folder, 'other.data');
    writeFileSync(other, 'a 1\n');
    expect(await cluster.load('place', [other])).toMatchObject({ version: 1, loaded: 1 });
  });
});

test('a datanode that hangs delays a load by some seconds', async () => {
  const load = await sending('frozen');
  cluster.pause('node-1');
  const done = await load.finished();
  cluster.resume('node-1');
  expect(done.code).toBe(0);
  expect(done.stderr).toContain('datanode node-1 left while segments were sent to it');
  // It would take longer only if it waited for a connection to the datanode.
  expect((JSON.parse(done.stdout) as { seconds: number }).seconds).toBeLessThan(60);
  await cluster.nodesServing(3);
}, 120_000);
