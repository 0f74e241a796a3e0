// A cluster with TLS and --auth on: tokens, certificates of users and JWTs through every door, and
// a cluster secret that is replaced while it is read.

import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ioredis from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { SteleClient } from '../../../embedded/library.ts';
import { AUDIENCE, ISSUER, TestIssuer } from '../../access/jwts.ts';
import { steleShared } from '../../support/process/shared-process.ts';
import type { Done } from '../../support/process/shared-process.ts';
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
const SECRETS = ['planted-secret-number-one', 'planted-secret-number-two'];
const folder = mkdtempSync(join(tmpdir(), 'stele-identities-'));
const file = (name: string): string => join(folder, name);
const ca = file('ca.crt');
const processes = new Map<string, SteleProcess>();
const outputs: string[] = [];
/** Texts that must be in no output but that of `token create`. */
const planted: string[] = [...SECRETS];
let issuer: TestIssuer;
let master: string[] = [];

function certificateOf(user: string): string[] {
  return flags({ 'tls-cert': file(`client.${user}.crt`), 'tls-key': file(`client.${user}.key`) });
}

/** `env` gives the command a process of its own, as a load needs one. */
async function run(words: readonly string[], env?: Record<string, string>): Promise<Done> {
  const all = [...words, ...master];
  const isAlone = env !== undefined || words[0] === 'load';
  const finished = await (isAlone ? stele(all, { env: env ?? {} }) : steleShared(all));
  outputs.push(finished.stderr);
  if (!words.includes('create')) outputs.push(finished.stdout);
  return finished;
}

async function done(words: readonly string[], env?: Record<string, string>): Promise<string> {
  const { code, stderr, stdout } = await run(words, env);
  expect({ words, code, stderr }).toMatchObject({ words, code: 0 });
  return stdout;
}

const asAdmin = (...words: string[]): Promise<string> =>
  done([...words, ...certificateOf('admin')]);

async function start(name: string, words: readonly string[]): Promise<void> {
  const more = flags({
    auth: 'on',
    'cluster-secret-file': file('secret'),
    'data-dir': file(name),
    'log-level': 'debug',
    'tls-ca': ca,
    'tls-cert': file('node.crt'),
    'tls-key': file('node.key'),
    'jwt-issuer': ISSUER,
    'jwt-audience': AUDIENCE,
    'jwt-jwks': file('jwks.json'),
    'jwt-claim': 'groups',
  });
  const started = new SteleProcess([...words, ...ANY_PORTS, ...more]);
  processes.set(name, started);
  await started.printed(/ grpc \S+:\d+\n/);
}

function at(name: string): Addresses {
  const [addresses] = processes.get(name)?.addresses() ?? [];
  if (addresses === undefined) throw new Error(`${name} has printed no address`);
  return addresses;
}

function startNode(id: string): Promise<void> {
  return start(id, ['datanode', ...flags({ id, master: `${HOST}:${at('master').grpc}` })]);
}

function serving(count: number): Promise<void> {
  return until(`${count} serving datanodes`, async () => {
    const { stdout } = await run(['nodes', ...certificateOf('admin')]);
    return (stdout.match(/^node-\d +serving/gm) ?? []).length === count;
  });
}

/** Status and body; without a certificate. */
function get(name: string, path: string, authorization: string): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const options = { host: HOST, port: at(name).http, path, ca: readFileSync(ca), agent: false };
    const sent = request({ ...options, headers: { authorization } }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (part: string) => (text += part));
      answer.on('end', () => resolve([answer.statusCode ?? 0, text]));
    });
    sent.once('error', reject).end();
  });
}

function redis(name: string, certificate: object, more: object = {}): ioredis.Redis {
  const tls = { ca: readFileSync(ca), ...certificate };
  const options = { port: at(name).resp, tls, retryStrategy: null, lazyConnect: true };
  const client = new ioredis.Redis({ ...options, enableReadyCheck: false, ...more });
  client.on('error', () => undefined);
  onTestFinished(() => client.disconnect());
  return client;
}

/** Makes a token, and a file with it. */
async function newToken(user: string, ...more: string[]): Promise<string> {
  const words = ['token', 'create', ...flags({ user }), ...more, ...certificateOf('admin')];
  const stdout = await done(words);
  expect(stdout).toMatch(/^stele_[0-9a-f]{12}_[0-9a-f]{64}\n$/);
  const token = stdout.trim();
  planted.push(token, token.slice(-64));
  writeFileSync(file(`${user}.token`), stdout, { mode: 0o600 });
  return token;
}

const idOf = (token: string): string => token.split('_')[1] ?? '';

beforeAll(async () => {
  const certs = async (...words: string[]): Promise<void> => {
    const { code, stderr } = await steleShared(['certs', ...words, '--dir', folder]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  };
  await certs('init');
  await certs('node', HOST, 'localhost');
  await certs('client', 'admin');
  await certs('client', 'nightly');
  await certs('client', 'nobody');
  issuer = await TestIssuer.start();
  writeFileSync(file('jwks.json'), JSON.stringify(issuer.jwks));
  writeFileSync(file('secret'), `${SECRETS[0]}\n`, { mode: 0o600 });
  await start('master', ['master', ...flags({ replication: 2, shards: 32 })]);
  master = flags({ master: `${HOST}:${at('master').grpc}`, 'tls-ca': ca });
  await Promise.all([startNode('node-0'), startNode('node-1')]);
  await serving(2);
  const rows = Array.from({ length: 500 }, (_, number) => `key-${number} value-${number}\n`);
  writeFileSync(file('rows.data'), rows.join(''));
  writeFileSync(file('password'), 'planted-password', { mode: 0o600 });
  planted.push('planted-password');
  await asAdmin('load', 'geo', file('rows.data'));
  await asAdmin('load', 'prices', file('rows.data'));
  await asAdmin('role', 'add', 'geo', ...flags({ grant: ['read:geo', 'load:geo'] }));
  const password = flags({ 'new-password-file': file('password'), 'default-keyspace': 'geo' });
  await asAdmin('user', 'add', 'nightly', ...password, ...flags({ role: 'geo' }));
}, 120_000);

afterAll(async () => {
  await Promise.all([...processes.values()].map((each) => each.kill()));
  rmSync(folder, { recursive: true, force: true });
});

it('knows a user by its certificate alone, and nobody by that of a stranger', async () => {
  const seeds = [`${HOST}:${at('master').grpc}`];
  const own = { cert: file('client.nightly.crt'), key: file('client.nightly.key') };
  const library = new SteleClient({ seeds, deadlineMs: 5000, tls: { ca, ...own } });
  onTestFinished(() => library.close());
  expect(String(await library.get('geo', 'key-1'))).toBe('value-1');
  await expect(library.get('prices', 'key-1')).rejects.toMatchObject({
    code: 'KEYSPACE_NOT_FOUND',
  });
  const pem = { cert: readFileSync(own.cert), key: readFileSync(own.key) };
  for (const name of ['master', 'node-0']) {
    const client = redis(name, pem);
    expect(await client.call('ACL', 'WHOAMI')).toBe('nightly');
    expect(await client.get('key-1').catch(String)).toMatch(/^value-1$|MOVED/);
  }
  expect(await run(['drop', 'geo', '--yes', ...certificateOf('nightly')])).toMatchObject({
    code: 5,
  });
  const stranger = await run(['keyspaces', ...certificateOf('nobody')]);
  expect(stranger).toMatchObject({ code: 5 });
  expect(stranger.stderr).toMatch(/certificate is of 'nobody', who is disabled or no user/);
});

it.skipIf(!hasTool('redis-cli'))('knows redis-cli by certificate and by token', async () => {
  const port = ['-p', String(at('master').resp), '--tls', '--cacert', ca];
  const own = ['--cert', file('client.nightly.crt'), '--key', file('client.nightly.key')];
  expect(await runTool('redis-cli', [...port, ...own, 'GET', 'key-3'])).toContain('value-3');
  const token = await newToken('nightly');
  const asUser = ['--no-auth-warning', '--user', 'nightly@geo', '--pass', token];
  expect(await runTool('redis-cli', [...port, ...asUser, 'GET', 'key-4'])).toContain('value-4');
  const alone = ['--no-auth-warning', '-a', token];
  expect(await runTool('redis-cli', [...port, ...alone, 'GET', 'key-5'])).toContain('value-5');
});

it('lets a token in through every door, until it is revoked', async () => {
  const token = await newToken('nightly');
  const bearer = `Bearer ${token}`;
  expect(await get('master', '/v1/keyspaces/geo/keys/key-1', bearer)).toEqual([200, 'value-1']);
  expect((await get('master', '/v1/keyspaces/prices/keys/key-1', bearer))[0]).toBe(403);
  const ready = async (): Promise<number> => (await get('node-0', '/readyz?verbose', bearer))[0];
  await until('the datanode to know it', async () => (await ready()) === 200);
  const seeds = [`${HOST}:${at('master').grpc}`];
  const library = new SteleClient({ seeds, deadlineMs: 5000, tls: { ca }, token });
  onTestFinished(() => library.close());
  expect(String(await library.get('geo', 'key-2'))).toBe('value-2');
  const by = flags({ 'token-file': file('nightly.token') });
  expect(await done(['load', 'geo', file('rows.data'), ...by])).toMatch(/geo/);
  expect(await run(['load', 'prices', file('rows.data'), ...by])).toMatchObject({ code: 5 });
  expect(await done(['keyspaces'], { STELE_TOKEN_FILE: file('nightly.token') })).not.toContain(
    'prices',
  );
  const cli = ['cli', '-p', String(at('master').resp), '--tls-ca', ca, ...by, 'GET', 'key-6'];
  expect((await stele(cli)).stdout).toBe('value-6\n');

  const clients = ['master', 'node-0', 'node-1'].map((name) =>
    redis(name, {}, { password: token }),
  );
  for (const client of clients) {
    expect(await client.call('ACL', 'WHOAMI')).toBe('nightly');
  }
  expect(await done(['token', 'list', ...by])).toContain(idOf(token));
  expect(await done(['token', 'revoke', idOf(token), ...by])).toContain('is revoked');
  const revokedMs = performance.now();
  const isOut = async (client: ioredis.Redis): Promise<boolean> =>
    /NOAUTH/.test(String(await client.call('PING').catch(String)));
  await until('all to be refused', async () =>
    (await Promise.all(clients.map(isOut))).every(Boolean),
  );
  expect(performance.now() - revokedMs).toBeLessThan(2_000);
  expect((await get('master', '/v1/keyspaces', bearer))[0]).toBe(401);
  expect(await run(['keyspaces', ...by])).toMatchObject({ code: 5 });
}, 120_000);

it('ends a token at its time, also on open connections, and with its user', async () => {
  const token = await newToken('nightly', '--expires', '8s');
  const client = redis('master', {}, { protocol: 2 });
  const asNightly = (): Promise<unknown> => client.call('AUTH', 'nightly', token);
  expect(await asNightly()).toBe('OK');
  await until('the end', async () =>
    /NOAUTH/.test(String(await client.get('key-1').catch(String))),
  );
  await expect(asNightly()).rejects.toThrow(/WRONGPASS The token .* expired at/);
  const [status, text] = await get('master', '/v1/keyspaces', `Bearer ${token}`);
  expect([status, text]).toEqual([401, expect.stringMatching(/expired at .*token create/)]);

  const other = await newToken('nightly');
  expect((await get('master', '/v1/keyspaces', `Bearer ${other}`))[0]).toBe(200);
  await asAdmin('user', 'disable', 'nightly');
  await until('the refusal', async () => {
    const all = ['master', 'node-0'].map((name) => get(name, '/readyz?verbose', `Bearer ${other}`));
    return (await Promise.all(all)).every(([answer]) => answer === 401);
  });
  await asAdmin('user', 'enable', 'nightly');
});

it('accepts JWTs of its issuer at masters and datanodes, with the roles that they name', async () => {
  const claims = { sub: 'robot', groups: ['geo', 'elsewhere'] };
  const bearer = `Bearer ${await issuer.sign({ claims })}`;
  expect(await get('master', '/v1/keyspaces/geo/keys/key-1', bearer)).toEqual([200, 'value-1']);
  const [denied, why] = await get('master', '/v1/keyspaces/prices', bearer);
  expect([denied, why]).toEqual([403, expect.stringContaining("User 'jwt:robot' does not have")]);
  expect((await get('node-0', '/readyz?verbose', bearer))[0]).toBe(200);
  expect((await get('node-0', '/metrics', bearer))[0]).toBe(403);
  writeFileSync(file('jwt'), await issuer.sign({ claims }));
  expect(await done(['keyspaces', ...flags({ 'token-file': file('jwt') })])).toContain('geo');
  for (const wrong of [
    issuer.unsecured(claims),
    await issuer.signShared({ claims }),
    await issuer.sign({ claims, kid: 'two' }),
  ]) {
    for (const name of ['master', 'node-0']) {
      expect((await get(name, '/readyz?verbose', `Bearer ${wrong}`))[0]).toBe(401);
    }
  }
  // A key that is published later.
  await issuer.addKey('three', true);
  writeFileSync(file('jwks.new'), JSON.stringify(issuer.jwks));
  renameSync(file('jwks.new'), file('jwks.json'));
  const later = `Bearer ${await issuer.sign({ claims, kid: 'three' })}`;
  await until('the new key', async () => (await get('master', '/v1/keyspaces', later))[0] === 200);
});

it('replaces the cluster secret in the documented steps, without a failed read', async () => {
  const seeds = [`${HOST}:${at('master').grpc}`];
  const own = { cert: file('client.nightly.crt'), key: file('client.nightly.key') };
  const library = new SteleClient({ seeds, deadlineMs: 5000, tls: { ca, ...own } });
  onTestFinished(() => library.close());
  const over = new AbortController();
  const failures: unknown[] = [];
  let reads = 0;
  const reading = (async () => {
    while (!over.signal.aborted) {
      await library.get('geo', 'key-1').then(
        () => reads++,
        (thrown: unknown) => failures.push(thrown),
      );
      if (reads % 50 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  })();
  const [one, two] = SECRETS;
  const taken = (): number[] =>
    ['master', 'node-0', 'node-1'].map(
      (name) =>
        processes.get(name)?.stderr.split('new content of --cluster-secret-file is in use')
          .length ?? 0,
    );
  for (const lines of [`${one}\n${two}\n`, `${two}\n${one}\n`, `${two}\n`]) {
    const before = taken();
    writeFileSync(file('secret.new'), lines, { mode: 0o600 });
    renameSync(file('secret.new'), file('secret'));
    await until('all to have it', async () => {
      // A process looks when somebody comes.
      await get('master', '/v1/keyspaces', 'Basic x');
      return taken().every((count, index) => count > (before[index] ?? 0));
    });
  }
  await startNode('node-2');
  await serving(3);
  over.abort();
  await reading;
  expect(failures).toEqual([]);
  expect(reads).toBeGreaterThan(100);
  expect((await get('master', '/metrics', `Cluster ${one}`))[0]).toBe(401);
  expect((await get('master', '/metrics', `Cluster ${two}`))[0]).toBe(200);
}, 90_000);

it('writes no token and no secret anywhere', () => {
  for (const { stderr, stdout } of processes.values()) outputs.push(stdout, stderr);
  const all = outputs.join('');
  expect(all.length).toBeGreaterThan(1000);
  for (const text of planted) expect(all).not.toContain(text);
  expect(all).not.toMatch(/eyJ[\w-]{20}/);
});
