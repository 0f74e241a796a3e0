// The audit log of a cluster with users: what is in it, who may see it, its file; a token for
// /metrics; and that no secret is anywhere.

import { mkdirSync, mkdtempSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { statSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { isKept } from '../../../cli/repl/history.ts';
import { RawClient } from '../../resp/raw-client.ts';
import {
  ANY_PORTS,
  SteleProcess,
  childrenOf,
  flags,
  stele,
  until,
} from '../../support/process/stele-process.ts';
import type { Addresses, Finished } from '../../support/process/stele-process.ts';

const PLANTED = {
  admin: 'planted-password-of-the-admin',
  alice: 'planted-password-of-alice',
  wrong: 'planted-password-that-is-wrong',
  secret: 'planted-secret-of-the-cluster',
  token: 'planted-token-of-the-collector',
};
const FLOOD = 5_000;
const folder = mkdtempSync(join(tmpdir(), 'stele-audit-'));
const file = (name: string): string => join(folder, name);
const log = file('logs/audit.log');
const outputs: string[] = [];
let up: SteleProcess;
let master: Addresses;
let node: Addresses;

interface Line {
  readonly [name: string]: unknown;
  readonly door: string;
  readonly what: string;
  readonly result: string;
  readonly count: number;
}

function lines(path = log): Line[] {
  const texts = readFileSync(path, 'utf8').split('\n');
  return texts.filter((text) => text !== '').map((text) => JSON.parse(text) as Line);
}

function as(user: 'admin' | 'alice' | 'wrong'): string[] {
  const name = user === 'wrong' ? 'alice' : user;
  return flags({ user: name, 'password-file': file(user) });
}

async function run(words: readonly string[], user: 'admin' | 'alice' | 'wrong'): Promise<Finished> {
  const to = flags({ master: `127.0.0.1:${master.grpc}` });
  const done = await stele([...words, ...to, ...as(user)]);
  outputs.push(done.stdout, done.stderr);
  return done;
}

async function get(
  port: number,
  path: string,
  user = '',
  method = 'GET',
): Promise<[number, string]> {
  const password = PLANTED[user as keyof typeof PLANTED] ?? '';
  const name = user === 'wrong' ? 'alice' : user;
  const basic = `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`;
  const headers = user === '' ? {} : { authorization: basic };
  const response = await fetch(`http://127.0.0.1:${port}${path}`, { headers, method });
  const text = await response.text();
  outputs.push(text);
  return [response.status, text];
}

async function redis(port: number, commands: string, replies: number): Promise<string> {
  const client = new RawClient(port);
  client.send(commands);
  await client.wait(replies);
  outputs.push(client.text);
  return client.text;
}

/** The status that a connection to a datanode gets instead of an upgrade. */
function upgraded(port: number, protocol: string, user: string): Promise<number> {
  const password = PLANTED[user as keyof typeof PLANTED];
  const authorization = `Basic ${Buffer.from(`alice:${password}`).toString('base64')}`;
  const path = protocol === 'stele-lookups' ? '/v1/lookups' : '/v1/segments';
  const headers = { connection: 'upgrade', upgrade: protocol, authorization };
  const sent = httpRequest({ port, path, headers });
  return new Promise((resolve, reject) => {
    sent.once('response', ({ statusCode = 0 }) => resolve(statusCode));
    sent.once('upgrade', (_, socket) => {
      socket.destroy();
      resolve(101);
    });
    sent.once('error', reject);
    sent.end();
  });
}

beforeAll(async () => {
  for (const [name, text] of Object.entries(PLANTED)) {
    writeFileSync(file(name), `${text}\n`, { mode: 0o600 });
  }
  mkdirSync(file('logs'));
  writeFileSync(file('rows.data'), 'a 1\nb 2\n');
  up = new SteleProcess([
    ...['up', ...ANY_PORTS, ...flags({ datanodes: 1, replication: 1, shards: 8 })],
    ...flags({
      'data-dir': file('data'),
      auth: 'on',
      'cluster-secret-file': file('secret'),
      'admin-password-file': file('admin'),
      'metrics-token-file': file('token'),
      'audit-log': log,
      'log-level': 'debug',
      load: [`geo=${file('rows.data')}`, `prices=${file('rows.data')}`],
    }),
  ]);
  await up.printed(/^ready$/m, 60_000);
  const [first, second] = up.addresses();
  if (first === undefined || second === undefined) throw new Error('no addresses');
  [master, node] = [first, second];
  const role = ['role', 'add', 'geo', ...flags({ grant: ['read:geo', 'load:geo', 'operate:*'] })];
  expect(await run(role, 'admin')).toMatchObject({ code: 0 });
  const add = [
    'user',
    'add',
    'alice',
    ...flags({ role: 'geo', 'new-password-file': file('alice') }),
  ];
  expect(await run(add, 'admin')).toMatchObject({ code: 0 });
}, 90_000);

afterAll(async () => {
  await up.kill();
  rmSync(folder, { recursive: true, force: true });
});

test('has a line for each change and each refused attempt, at every door', async () => {
  expect(statSync(log).mode & 0o777).toBe(0o600);
  expect((await get(master.http, '/v1/keyspaces/geo/rollback', 'alice', 'POST'))[0]).toBe(404);
  expect((await get(master.http, '/v1/keyspaces/prices/suspend', '', 'POST'))[0]).toBe(401);
  expect((await get(master.http, '/v1/keyspaces/prices/keys/secret-key', 'alice'))[0]).toBe(403);
  expect(await run(['load', 'geo', file('rows.data')], 'alice')).toMatchObject({ code: 0 });
  expect(await run(['rollback', 'prices'], 'alice')).toMatchObject({ code: 5 });
  expect(await run(['keyspaces'], 'wrong')).toMatchObject({ code: 5 });
  const login = `AUTH alice ${PLANTED.alice}\r\n`;
  const wrong = `AUTH alice ${PLANTED.wrong}\r\n`;
  await redis(master.resp, `GET a\r\n${wrong}${login}SELECT prices\r\nCONFIG RESETSTAT\r\n`, 5);
  await redis(node.resp, `${login}ACL LIST\r\nGET a\r\n`, 3);
  expect(await upgraded(node.http, 'stele-lookups', 'wrong')).toBe(401);
  expect(await upgraded(node.http, 'stele-segments', 'wrong')).toBe(401);

  const expected = [
    { who: '(cluster)', door: 'grpc', what: 'BeginLoad', keyspace: 'geo', result: 'OK' },
    { who: 'admin', door: 'grpc', what: 'PutRole', about: 'geo', result: 'OK' },
    { who: 'admin', door: 'grpc', what: 'AddUser', about: 'alice', result: 'OK' },
    {
      ...{ who: 'alice', door: 'http', keyspace: 'geo', result: 'VERSION_NOT_FOUND' },
      ...{ what: 'POST /v1/keyspaces/:keyspace/rollback', request_id: expect.any(String) },
    },
    {
      ...{ who: '-', door: 'http', keyspace: 'prices', result: 'UNAUTHENTICATED' },
      what: 'POST /v1/keyspaces/:keyspace/suspend',
    },
    {
      ...{ who: 'alice', door: 'http', keyspace: 'prices', result: 'PERMISSION_DENIED' },
      what: 'GET /v1/keyspaces/:keyspace/keys/:key',
    },
    { who: 'alice', door: 'grpc', what: 'BeginLoad', keyspace: 'geo', result: 'OK' },
    { who: 'alice', door: 'grpc', what: 'CommitLoad', keyspace: 'geo', result: 'OK' },
    { who: 'alice', door: 'grpc', what: 'Rollback', result: 'PERMISSION_DENIED' },
    { who: 'alice', door: 'grpc', what: 'ListKeyspaces', result: 'UNAUTHENTICATED' },
    { who: '-', door: 'resp', what: 'get', result: 'UNAUTHENTICATED' },
    { who: 'alice', door: 'resp', what: 'auth', result: 'UNAUTHENTICATED' },
    { who: 'alice', door: 'resp', what: 'select', keyspace: 'prices', result: 'PERMISSION_DENIED' },
    { who: 'alice', door: 'resp', what: 'config|resetstat', result: 'OK' },
    { process: 'datanode node-0', door: 'resp', what: 'acl|list', result: 'PERMISSION_DENIED' },
    { process: 'datanode node-0', door: 'lookup', who: 'alice', result: 'UNAUTHENTICATED' },
    { process: 'datanode node-0', door: 'segments', who: 'alice', result: 'UNAUTHENTICATED' },
  ];
  await until('all lines', () => lines().length >= expected.length);
  const found = lines();
  for (const line of expected) expect(found).toContainEqual(expect.objectContaining(line));
  for (const line of found) expect(line).toMatchObject({ from: '127.0.0.1', count: 1 });
  expect(readFileSync(log, 'utf8')).not.toContain('secret-key');
});

test('counts a flood of refused attempts', async () => {
  const before = lines().length;
  await redis(master.resp, 'MGET a b\r\n'.repeat(FLOOD), FLOOD);
  const flood = (): Line[] => lines().filter(({ what }) => what === 'mget');
  const counted = (): number => flood().reduce((sum, { count }) => sum + count, 0);
  await until('the count', () => counted() >= FLOOD, 90_000);
  expect(counted()).toBe(FLOOD);
  expect(lines().length - before).toBeLessThan(12);
}, 120_000);

test('is for those with the right admin alone, over HTTP and with stele audit', async () => {
  for (const port of [master.http, node.http]) {
    expect((await get(port, '/v1/audit'))[0]).toBe(401);
    expect((await get(port, '/v1/audit', 'alice'))[0]).toBe(403);
    const [status, text] = await get(port, '/v1/audit?limit=3&user=alice', 'admin');
    expect(status).toBe(200);
    const { entries } = JSON.parse(text) as { entries: Line[] };
    expect(entries.length).toBe(3);
    for (const entry of entries) expect(entry['who']).toBe('alice');
    expect((await get(port, '/v1/audit?limit=0', 'admin'))[0]).toBe(400);
  }
  expect(await run(['audit'], 'alice')).toMatchObject({ code: 5 });
  const { stdout } = await run(['audit', '--keyspace', 'geo', '--who', 'alice'], 'admin');
  expect(stdout).toMatch(/^TIME +WHO +FROM +DOOR +WHAT/);
  expect(stdout).toMatch(/ alice +127\.0\.0\.1 +grpc +CommitLoad +geo +\S+ +OK +1$/m);
  const json = await run(['audit', '--limit', '2', '-o', 'json'], 'admin');
  expect(JSON.parse(json.stdout)).toHaveLength(2);
});

test('opens /metrics to a collector with the token, and hides keyspaces from others', async () => {
  for (const { http } of [master, node]) {
    const url = `http://127.0.0.1:${http}/metrics`;
    const scrape = (token: string) => fetch(url, { headers: { authorization: `Bearer ${token}` } });
    const text = await (await scrape(PLANTED.token)).text();
    outputs.push(text);
    expect(text).toMatch(/^stele_refused_total\{door="resp"\} \d+$/m);
    expect((await scrape(`${PLANTED.token}x`)).status).toBe(401);
    expect((await get(http, '/metrics'))[0]).toBe(401);
  }
  const [, all] = await get(master.http, '/metrics', 'admin');
  const [status, some] = await get(master.http, '/metrics', 'alice');
  expect(all).toMatch(/keyspace="prices"/);
  expect([status, some]).toEqual([200, expect.stringMatching(/keyspace="geo"/)]);
  expect(some).not.toMatch(/prices/);
});

test('goes on in a new file after SIGHUP, and says so while it cannot be written', async () => {
  const refuse = () => get(master.http, `/v1/nodes?${Math.random()}`);
  renameSync(log, `${log}.1`);
  up.child.kill('SIGHUP');
  await until('the new file', async () => {
    await run(['keep', 'geo', '3'], 'admin');
    return readdirSync(file('logs')).includes('audit.log') && lines().length > 0;
  });
  expect(statSync(log).mode & 0o777).toBe(0o600);

  renameSync(file('logs'), file('gone'));
  up.child.kill('SIGHUP');
  const ready = async (): Promise<string> =>
    (await get(master.http, '/readyz?verbose', 'admin'))[1];
  await until('the trouble', async () => {
    await run(['keep', 'geo', '2'], 'admin');
    return /trouble: the audit log cannot be written \(ENOENT/.test(await ready());
  });
  expect((await get(master.http, '/metrics', 'admin'))[1]).toMatch(/^stele_audit_log_failed 1$/m);
  expect(up.stderr).toMatch(/the audit log cannot be written: ENOENT/);
  mkdirSync(file('logs'));
  await until('the recovery', async () => {
    await refuse();
    await run(['keep', 'geo', '3'], 'admin');
    return !(await ready()).includes('trouble');
  });
  expect(lines().some(({ what }) => what === 'lines of this log were lost')).toBe(true);
  expect(up.stdout).toMatch(/^ready$/m);
  expect(up.child.exitCode).toBe(null);
});

test('shows no secret anywhere', async () => {
  const argv = [up.pid, ...childrenOf(up.pid)].map((pid) =>
    readFileSync(`/proc/${pid}/cmdline`, 'utf8'),
  );
  const logins = [`AUTH alice ${PLANTED.alice}`, `hello 3 auth alice ${PLANTED.alice}`];
  expect(logins.some(isKept)).toBe(false);
  const repl = await stele(['cli', '-p', String(master.resp), ...as('alice'), '-k', 'geo'], {
    stdin: ['GET a', ...logins, `AUTH alice ${PLANTED.wrong}`, ''].join('\n'),
  });
  const config = await stele(['config'], {
    env: { STELE_CLUSTER_SECRET_FILE: file('secret'), STELE_METRICS_TOKEN_FILE: file('token') },
  });
  const logs = ['logs', 'gone'].flatMap((name) =>
    readdirSync(file(name)).map((each) => readFileSync(join(file(name), each), 'utf8')),
  );
  await up.kill('SIGTERM');
  const texts = [...outputs, ...argv, ...logs, up.stdout, up.stderr];
  texts.push(repl.stdout, repl.stderr, config.stdout, config.stderr);
  const all = texts.join('\n');
  expect(all.length).toBeGreaterThan(10_000);
  for (const planted of Object.values(PLANTED)) expect(all).not.toContain(planted);
});
