import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import type { EtcdOptions } from '../../../master/metadata/etcd/calls.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import { WatchRecord } from '../../support/peers/watch-record.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { until } from '../../support/process/stele-process.ts';
import { tempDir } from '../../support/temp-dir.ts';

const ROOT = '--user=root:secret';

/** A member with users `root` and `stele`, who may use the keys below `stele/`. */
async function startWithUsers(...flags: string[]): Promise<EtcdServer> {
  const server = await EtcdServer.start({
    flags: ['--log-level', 'debug', '--bcrypt-cost', '4', ...flags],
  });
  onTestFinished(() => server.close());
  await server.ctl('user', 'add', 'root:secret');
  await server.ctl('user', 'grant-role', 'root', 'root');
  await server.ctl('user', 'add', 'stele:word');
  await server.ctl('role', 'add', 'stele');
  await server.ctl('role', 'grant-permission', 'stele', 'readwrite', 'stele/', 'stele0');
  await server.ctl('user', 'grant-role', 'stele', 'stele');
  await server.ctl('auth', 'enable');
  return server;
}

function open(server: EtcdServer, options: Partial<EtcdOptions> = {}): EtcdClient {
  const client = new EtcdClient({
    endpoints: server.endpoints,
    log: silentLogger,
    user: 'stele',
    password: 'word',
    ...options,
  });
  onTestFinished(() => client.close());
  return client;
}

const put = (client: EtcdClient, key: string) =>
  client.transaction({ compares: [], success: [{ kind: 'put', key, value: '' }] });

const linesWith = (server: EtcdServer, text: string): number =>
  server.members[0]!.output.split('\n').filter((line) => line.includes(text)).length;

describe.skipIf(!hasEtcd())('a user of etcd', () => {
  test('gets another token when the first one has expired', async () => {
    const server = await startWithUsers('--auth-token-ttl', '1');
    const clients = Array.from({ length: 4 }, () => open(server));
    const [writer, reader, lessee, watcher] = clients as [
      EtcdClient,
      EtcdClient,
      EtcdClient,
      EtcdClient,
    ];
    const { revision } = await put(writer, 'stele/1');
    await Promise.all(clients.map((client) => client.range('stele/1')));
    const expired = (): number => linesWith(server, 'deleted a simple token');
    await until('the tokens to expire', () => expired() >= clients.length);
    expect((await put(writer, 'stele/1')).succeeded).toBe(true);
    expect((await reader.range('stele/1')).entries[0]?.version).toBe(2);
    expect((await lessee.grantLease(60)).ttlSeconds).toBe(60);
    const seen = new WatchRecord();
    watcher.watch('stele/', 'stele0', revision, seen.handlers);
    await seen.reaches(revision + 1);
    expect(seen.error).toBeUndefined();
  });

  test('may use its keys, and is told of others', async () => {
    const server = await startWithUsers();
    const client = open(server);
    await Promise.all([put(client, 'stele/1'), put(client, 'stele/2'), client.range('stele/1')]);
    const denied = {
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('no permission for these keys') as string,
    };
    await expect(put(client, 'other')).rejects.toMatchObject(denied);
    await expect(client.range('other')).rejects.toMatchObject(denied);
    const seen = new WatchRecord();
    client.watch('other', 'other0', 1, seen.handlers);
    await until('the watch to end', () => seen.error !== undefined);
    expect(seen.error).toMatchObject({ code: 'PERMISSION_DENIED' });
  });

  test('with a wrong password, or without one, is refused at once, and not asked about again', async () => {
    const server = await startWithUsers();
    const client = open(server, { password: 'wrong' });
    const refused = {
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('does not accept the user and the password') as string,
    };
    await expect(put(client, 'stele/1')).rejects.toMatchObject(refused);
    await Promise.all(
      Array.from({ length: 20 }, () =>
        expect(client.range('stele/1')).rejects.toMatchObject(refused),
      ),
    );
    const anonymous = new EtcdClient({ endpoints: server.endpoints, log: silentLogger });
    onTestFinished(() => anonymous.close());
    await expect(anonymous.range('stele/1')).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
      message: expect.stringContaining('asks for a user and a password') as string,
    });
    const asked = (): number => linesWith(server, 'invalid authentication was requested');
    await until('the log of the refusal', () => asked() > 0);
    expect(asked()).toBeLessThan(4);
  });

  test('gets another token when the users were changed', async () => {
    const folder = tempDir();
    const keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    writeFileSync(
      join(folder, 'private.pem'),
      keys.privateKey.export({ type: 'pkcs1', format: 'pem' }),
    );
    writeFileSync(
      join(folder, 'public.pem'),
      keys.publicKey.export({ type: 'spki', format: 'pem' }),
    );
    const files = `pub-key=${join(folder, 'public.pem')},priv-key=${join(folder, 'private.pem')}`;
    const server = await startWithUsers('--auth-token', `jwt,${files},sign-method=RS256,ttl=10m`);
    const client = open(server);
    await put(client, 'stele/1');
    await server.ctl(ROOT, 'user', 'add', 'somebody:else');
    expect((await put(client, 'stele/1')).succeeded).toBe(true);
    await server.ctl(ROOT, 'user', 'add', 'another:more');
    expect((await client.range('stele/1')).entries[0]?.version).toBe(2);
  });

  test('needs no token of an etcd without authentication', async () => {
    const server = await EtcdServer.start();
    onTestFinished(() => server.close());
    const client = open(server);
    expect((await put(client, 'anything')).succeeded).toBe(true);
  });
});
