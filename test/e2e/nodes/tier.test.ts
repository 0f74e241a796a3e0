// The tier of a keyspace, set and read back through every interface, on a real cluster.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectAdmin } from '../../../client/admin.ts';
import { tierWord } from '../../../proto/view-words.ts';
import { VersionedRows } from '../../support/inputs/rows.ts';
import { TestCluster } from '../../support/process/cluster.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import { Reader, stopWithoutFailures } from '../../support/readers/reader.ts';
import { connectRedis, expectAllRows, httpSource } from '../../support/readers/sources.ts';

const KEYSPACE = 'tiered';
const rows = new VersionedRows(2000);
let cluster: TestCluster;

beforeAll(async () => {
  cluster = await TestCluster.borrow();
  await rows.write(cluster.rowsFile(1), 1);
}, 60_000);

afterAll(async () => {
  await cluster?.drop(KEYSPACE);
  await cluster?.close();
}, 30_000);

const verb = (...words: string[]) => steleShared([...words, '--master', cluster.masterGrpc]);

/** What each interface says of the keyspace. */
async function tiers(): Promise<Record<string, unknown>> {
  const listed = JSON.parse((await verb('keyspaces', '-o', 'json')).stdout) as object[];
  const described = await verb('describe', 'keyspace', KEYSPACE);
  const http = (await cluster.json(`/v1/keyspaces/${KEYSPACE}`)) as { tier: string };
  const redis = connectRedis(cluster.master, KEYSPACE);
  const resp = JSON.stringify(await redis.call('STELE', 'KEYSPACES'));
  redis.disconnect();
  const admin = connectAdmin(cluster.masterGrpc);
  const { keyspaces } = await admin.listKeyspaces();
  admin.close();
  const named = <One extends { readonly name: string }>(all: readonly One[]): One | undefined =>
    all.find(({ name }) => name === KEYSPACE);
  return {
    listing: named(listed as { name: string; tier: string }[])?.tier,
    described: /^Tier: +(.*)$/m.exec(described.stdout)?.[1],
    http: http.tier,
    resp: new RegExp(`${KEYSPACE}.*?tier[^a-z]+([a-z]+)`).exec(resp)?.[1],
    grpc: tierWord(named(keyspaces)?.tier),
  };
}

const everywhere = (tier: string) => ({
  ...{ listing: tier, described: tier, http: tier, resp: tier, grpc: tier },
});

async function patch(body: object): Promise<unknown> {
  const response = await fetch(cluster.url(`/v1/keyspaces/${KEYSPACE}`), {
    method: 'PATCH',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return response.json();
}

test('is set by a load, a verb, HTTP and the library, while it is read, and read back everywhere', async () => {
  await cluster.load(KEYSPACE, [cluster.rowsFile(1)], ['--tier', 'disk']);
  expect((await verb('tier', KEYSPACE, 'disk', '--wait')).code).toBe(0);
  expect(await tiers()).toEqual(everywhere('disk'));
  const digest = await cluster.digest(KEYSPACE);
  const source = httpSource(cluster.url(''), KEYSPACE);
  const reader = new Reader([source], { rows, version: 1, seed: 3 });

  const there = await verb('tier', KEYSPACE, 'memory', '--wait', '-o', 'json');
  expect(JSON.parse(there.stdout)).toMatchObject({
    ...{ keyspace: KEYSPACE, tier: 'memory' },
    to_move: { segments: expect.any(Number) as number, bytes: expect.any(Number) as number },
  });
  expect(await tiers()).toEqual(everywhere('memory'));

  expect(await patch({ tier: 'disk' })).toMatchObject({ tier: 'disk', to_move: {} });
  expect(await patch({ tier: 'disk' })).toEqual({
    keyspace: KEYSPACE,
    tier: 'disk',
    to_move: null,
  });
  expect(await patch({ tier: 'ssd' })).toMatchObject({ status: 400, code: 'INVALID_ARGUMENT' });
  expect((await verb('tier', KEYSPACE, 'disk', '--wait')).stdout).toContain('are on disk, on all');
  expect(await tiers()).toEqual(everywhere('disk'));

  const admin = connectAdmin(cluster.masterGrpc);
  expect(await admin.setTier(KEYSPACE, 'memory')).toMatchObject({ changed: true });
  expect(await admin.setTier(KEYSPACE, 'disk')).toMatchObject({ changed: true });
  admin.close();
  expect((await verb('tier', KEYSPACE, 'disk', '--wait')).code).toBe(0);

  await stopWithoutFailures([reader]);
  expect(await cluster.digest(KEYSPACE)).toBe(digest);
  await expectAllRows(cluster.url(''), KEYSPACE, rows, 1);
  const { stdout } = await verb('events', KEYSPACE, '-o', 'json');
  const events = JSON.parse(stdout) as { what: string; from: string; to: string }[];
  const changes = events.filter(({ what }) => what === 'tier').map(({ to }) => to);
  expect(changes).toEqual(['disk', 'memory', 'disk', 'memory']);
}, 90_000);

test('of a keyspace that is not there is refused', async () => {
  const done = await verb('tier', 'nowhere', 'disk');
  expect(done).toMatchObject({ code: 1, stdout: '' });
  expect(done.stderr).toContain("There is no keyspace 'nowhere'");
});
