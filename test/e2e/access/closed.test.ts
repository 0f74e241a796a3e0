// Closed by default: no role listens beyond loopback without users, unless --insecure says that
// this is meant.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, onTestFinished, test } from 'vitest';
import { startCluster } from '../../../embedded/library.ts';
import { ANY_PORTS, SteleProcess, flags, stele } from '../../support/process/stele-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'stele-closed-'));
const WAYS_ON = /--auth on.*stele up --secure.*--insecure/;
const WARNING = /insecure: anyone who reaches 0\.0\.0\.0.* may read, load and drop everything/;

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test.each([
  ['master', []],
  ['query', []],
  ['datanode', ['--id', 'node-0']],
  ['up', []],
  ['up', ['--in-process']],
])('%s %j does not start', async (role, words) => {
  const dataDir = role === 'query' ? [] : flags({ 'data-dir': join(folder, role) });
  for (const host of ['0.0.0.0', '::', '192.0.2.1']) {
    const done = await stele([role, ...words, ...dataDir, ...ANY_PORTS, '--host', host]);
    expect({ host, code: done.code }).toEqual({ host, code: 2 });
    expect(done.stderr).toMatch(WAYS_ON);
    expect(done.stdout).toBe('');
  }
});

test('startCluster does not start', async () => {
  await expect(startCluster({ host: '0.0.0.0' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringMatching(WAYS_ON) as string,
  });
});

test('with --insecure a cluster starts, and says so in its log, in /readyz and in status', async () => {
  const small = flags({ datanodes: 1, replication: 1, shards: 8, host: '0.0.0.0' });
  const up = new SteleProcess(
    ['up', ...flags({ 'data-dir': join(folder, 'open') }), ...ANY_PORTS, ...small],
    { env: { STELE_INSECURE: '1' } },
  );
  onTestFinished(() => void up.kill());
  await up.printed(/^ready$/m, 60_000);
  expect(up.stderr.match(new RegExp(WARNING, 'g'))?.length).toBeGreaterThanOrEqual(2);
  const addresses = up.addresses();
  for (const { http } of addresses) {
    const response = await fetch(`http://127.0.0.1:${http}/readyz?verbose`);
    expect([response.status, await response.text()]).toEqual([200, expect.stringMatching(WARNING)]);
  }
  const [master] = addresses;
  const to = flags({ master: `127.0.0.1:${master?.grpc}` });
  const status = await stele(['status', ...to]);
  expect(status.stdout).toMatch(/^warning +insecure: anyone who reaches 0\.0\.0\.0/m);
  const json = JSON.parse((await stele(['status', ...to, '-o', 'json'])).stdout) as object;
  expect(json).toMatchObject({ warnings: [expect.stringMatching(/^insecure/)] });
});
