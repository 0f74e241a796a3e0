// A cluster with --auth on: everybody who reads it, a user that is disabled among many readers, and
// datanodes that decide without a master.

import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ioredis from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { SteleClient } from '../../../embedded/library.ts';
import {
  ANY_PORTS,
  SteleProcess,
  flags,
  stele,
  until,
} from '../../support/process/stele-process.ts';
import type { Addresses } from '../../support/process/stele-process.ts';
import { hasTool, runTool } from '../../support/tools.ts';

const HOST = '127.0.0.1';
const READERS = 100;
const PASSWORD = 'planted-password-of-users';
const SECRET = 'planted-secret-of-the-cluster';
const folder = mkdtempSync(join(tmpdir(), 'stele-access-'));
const file = (name: string): string => join(folder, name);
const processes = new Map<string, SteleProcess>();
const asAdmin: string[] = [];

async function start(name: string, words: readonly string[], ports = ANY_PORTS): Promise<void> {
  const more = flags({
    auth: 'on',
    'cluster-secret-file': file('secret'),
    'data-dir': file(name),
    'log-level': 'debug',
  });
  const started = new SteleProcess([...words, ...ports, ...more]);
  processes.set(name, started);
  await started.printed(/ grpc \S+:\d+\n/);
}

function at(name: string): Addresses {
  const [addresses] = processes.get(name)?.addresses() ?? [];
  if (addresses === undefined) throw new Error(`${name} has printed no address`);
  return addresses;
}

async function done(...words: string[]): Promise<string> {
  const { code, stderr, stdout } = await stele([...words, ...asAdmin]);
  expect({ words, code, stderr }).toMatchObject({ words, code: 0 });
  return stdout;
}

beforeAll(async () => {
  writeFileSync(file('secret'), `${SECRET}\n`, { mode: 0o600 });
  writeFileSync(file('password'), PASSWORD, { mode: 0o600 });
  await start('master', ['master', ...flags({ replication: 2, shards: 32 })]);
  const grpc = `${HOST}:${at('master').grpc}`;
  const nodes = ['node-0', 'node-1'];
  await Promise.all(
    nodes.map((name) => start(name, ['datanode', ...flags({ id: name, master: grpc })])),
  );
  const admin = { user: 'admin', 'password-file': join(file('master'), 'admin-password') };
  asAdmin.push(...flags({ master: grpc, ...admin }));
  await until('datanodes', async () => {
    const { stdout } = await stele(['nodes', ...asAdmin]);
    return (stdout.match(/serving/g) ?? []).length === 2;
  });
  const rows = Array.from({ length: 2000 }, (_, number) => `key-${number} value-${number}\n`);
  writeFileSync(file('rows.data'), rows.join(''));
  await done('load', 'geo', file('rows.data'));
  await done('load', 'prices', file('rows.data'));
  const password = flags({ 'new-password-file': file('password') });
  await done('role', 'add', 'geo', ...flags({ grant: ['read:geo', 'load:geo'] }));
  await done('user', 'add', 'alice', ...password, ...flags({ role: 'geo' }));
  await done('user', 'add', 'bob', ...password, ...flags({ role: 'geo' }));
}, 120_000);

afterAll(async () => {
  await Promise.all([...processes.values()].map((each) => each.kill()));
  rmSync(folder, { recursive: true, force: true });
});

function client(name: string, user: string): ioredis.Redis {
  const redis = new ioredis.Redis({
    port: at(name).resp,
    username: `${user}@geo`,
    password: PASSWORD,
    lazyConnect: true,
    retryStrategy: null,
  });
  redis.on('error', () => undefined);
  onTestFinished(() => redis.disconnect());
  return redis;
}

it('lets users read what they may, through every door, and nobody else', async () => {
  expect(statSync(join(file('master'), 'admin-password')).mode & 0o777).toBe(0o600);
  const url = `http://${HOST}:${at('master').http}/v1/keyspaces`;
  const basic = `Basic ${Buffer.from(`alice:${PASSWORD}`).toString('base64')}`;
  const headers = { authorization: basic };
  expect((await fetch(`${url}/geo/keys/key-1`)).status).toBe(401);
  const value = await fetch(`${url}/geo/keys/key-1`, { headers });
  expect([value.status, await value.text()]).toEqual([200, 'value-1']);
  expect((await fetch(`${url}/prices/keys/key-1`, { headers })).status).toBe(403);
  expect(await (await fetch(url, { headers })).text()).not.toContain('prices');

  const seeds = [`${HOST}:${at('master').grpc}`];
  const library = new SteleClient({ seeds, deadlineMs: 5000, user: 'alice', password: PASSWORD });
  const stranger = new SteleClient({ seeds, deadlineMs: 1000 });
  onTestFinished(async () => void (await Promise.all([library.close(), stranger.close()])));
  expect(String(await library.get('geo', 'key-2'))).toBe('value-2');
  await expect(library.get('prices', 'key-2')).rejects.toMatchObject({
    code: 'KEYSPACE_NOT_FOUND',
  });
  await expect(stranger.get('geo', 'key-2')).rejects.toMatchObject({ code: 'UNAUTHENTICATED' });
  let scanned = 0;
  for await (const _ of library.scan('geo')) scanned++;
  expect(scanned).toBe(2000);

  const alice = flags({ user: 'alice', 'password-file': file('password') });
  const [, master = ''] = asAdmin;
  const load = (keyspace: string) =>
    stele(['load', keyspace, file('rows.data'), '--master', master, ...alice]);
  expect(await load('geo')).toMatchObject({ code: 0 });
  expect(await load('prices')).toMatchObject({ code: 5 });
  expect(await stele(['drop', 'geo', '--yes', '--master', master, ...alice])).toMatchObject({
    code: 5,
  });
  expect(await stele(['keyspaces', '--master', master])).toMatchObject({ code: 5 });
  expect(await done('events')).toMatch(/rollback|load-begin +geo .*alice/);
});

it.skipIf(!hasTool('redis-cli'))('asks redis-cli to log in', async () => {
  const port = String(at('node-0').resp);
  const run = (...words: string[]) => runTool('redis-cli', ['-p', port, ...words]);
  expect(await run('GET', 'key-1')).toContain('NOAUTH');
  const login = ['--no-auth-warning', '--user', 'alice@geo', '--pass', PASSWORD];
  expect(await run('-c', ...login, 'GET', 'key-1')).toContain('value-1');
  expect(await run(...login, 'ACL', 'WHOAMI')).toContain('alice');
  expect(await run(...login, 'SELECT', 'prices')).toContain('There is no keyspace');
});

it('refuses a disabled user everywhere within 2 s, and disturbs nobody else', async () => {
  const connections = Array.from({ length: READERS }, (_, index) =>
    client(index % 2 === 0 ? 'master' : 'node-0', 'alice'),
  );
  const other = client('master', 'bob');
  await Promise.all([...connections, other].map((redis) => redis.connect()));
  const over = new AbortController();
  let othersRead = 0;
  const otherErrors: unknown[] = [];
  const reading = (async () => {
    while (!over.signal.aborted) {
      await other.get('key-1').then(
        () => othersRead++,
        (thrown: unknown) => otherErrors.push(thrown),
      );
    }
  })();
  /** Whether a connection is refused; a datanode may answer MOVED instead of a value. */
  const isRefused = async (redis: ioredis.Redis): Promise<boolean> => {
    const answer = await redis.get('key-1').catch((thrown: Error) => thrown.message);
    return /NOAUTH/.test(String(answer));
  };
  expect(await Promise.all(connections.map(isRefused))).not.toContain(true);
  await done('user', 'disable', 'alice');
  const startMs = performance.now();
  await until('all to be refused', async () => {
    const refused = await Promise.all(connections.map(isRefused));
    return refused.every(Boolean);
  });
  expect(performance.now() - startMs).toBeLessThan(2_000);
  const before = othersRead;
  await until('others to read on', () => othersRead > before + 100);
  over.abort();
  await reading;
  expect(otherErrors).toEqual([]);
  await done('user', 'enable', 'alice');
});

it('has datanodes decide without a master, after a restart, too', async () => {
  const [, master = ''] = asAdmin;
  expect(statSync(join(file('node-0'), 'access')).mode & 0o777).toBe(0o600);
  await processes.get('master')?.kill();
  await processes.get('node-0')?.kill();
  await start('node-0', ['datanode', ...flags({ id: 'node-0', master })]);
  const alice = client('node-0', 'alice');
  await until('reads', async () => {
    const answer = await alice.get('key-1').catch((thrown: Error) => thrown.message);
    return /^value-1$|^MOVED/.test(String(answer));
  });
  const stranger = new ioredis.Redis({ port: at('node-0').resp, retryStrategy: null });
  stranger.on('error', () => undefined);
  onTestFinished(() => stranger.disconnect());
  await expect(stranger.get('key-1')).rejects.toThrow(/NOAUTH/);
});

it('writes no password and no secret anywhere', () => {
  const texts = [...processes.values()].map(({ stderr, stdout }) => stdout + stderr);
  const password = readFileSync(join(file('master'), 'admin-password'), 'utf8').trim();
  expect(texts.join('').length).toBeGreaterThan(1000);
  for (const planted of [PASSWORD, SECRET, password]) expect(texts.join('')).not.toContain(planted);
});
