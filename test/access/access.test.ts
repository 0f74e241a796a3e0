import { chmodSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { Access } from '../../access/access.ts';
import { digestOf } from '../../access/access-list.ts';
import { openAccess } from '../../access/access-settings.ts';
import { basicAuthorization } from '../../access/basic.ts';
import { ClusterSecret } from '../../access/cluster-secret.ts';
import { ListFeed } from '../../access/list-feed.ts';
import { readList, saveList } from '../../access/list-file.ts';
import { hashPassword } from '../../access/passwords.ts';
import { requireRight } from '../../access/subject.ts';
import { silentLogger } from '../../base/log.ts';
import type { AccessList } from '../../proto/gen/stele/v1/access.ts';
import { until } from '../support/process/stele-process.ts';
import { tempDir } from '../support/temp-dir.ts';

const SECRET = 'a secret of the cluster'.replaceAll(' ', '-');
const PASSWORD = 'password of alice';
const HERE = { certificate: () => undefined, address: '127.0.0.1' };

async function listOf(roles: string[], disabled = false): Promise<AccessList> {
  const passwordHash = await hashPassword(PASSWORD);
  return {
    users: [{ name: 'alice', passwordHash, disabled, roles, defaultKeyspace: '' }],
    roles: [{ name: 'geo', grants: ['read:geo*'] }],
    tokens: [],
  };
}

function newAccess(trustsCertificates = false): Access {
  return new Access({
    secret: new ClusterSecret([SECRET, `${SECRET}-old`]),
    trustsCertificates,
  });
}

it('tells users, processes of the cluster and strangers apart', async () => {
  const access = newAccess(true);
  access.update(await listOf(['geo']));
  const who = async (authorization: string | undefined, certificate?: object) => {
    const shown = { authorization, certificate: () => certificate, address: '127.0.0.1' };
    try {
      const { isCluster, name } = await access.identify(shown);
      return isCluster ? 'cluster' : name;
    } catch (thrown) {
      return (thrown as { code: string }).code;
    }
  };
  expect(await who(`Cluster ${SECRET}`)).toBe('cluster');
  expect(await who(`Cluster ${SECRET}-old`)).toBe('cluster');
  expect(await who(`Cluster ${SECRET} `)).toBe('UNAUTHENTICATED');
  const forServers = { ext_key_usage: ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'] };
  const forClients = { ext_key_usage: ['1.3.6.1.5.5.7.3.2'] };
  const node = { subject: { O: 'Stele', CN: 'node' } };
  expect(await who(undefined, { ...node, ...forServers })).toBe('cluster');
  expect(await who(undefined, { ...node, ...forClients })).toBe('UNAUTHENTICATED');
  expect(await who(undefined, node)).toBe('UNAUTHENTICATED');
  expect(await who(undefined, { subject: { CN: 'node' }, ...forServers })).toBe('UNAUTHENTICATED');
  expect(await who(undefined, { subject: { CN: ['node', 'alice'] } })).toBe('UNAUTHENTICATED');
  expect(await who(undefined, { subject: { CN: 'alice' }, ...forClients })).toBe('alice');
  expect(await who(undefined, { subject: { CN: 'bob' }, ...forClients })).toBe('UNAUTHENTICATED');
  // What is said in words counts more.
  expect(await who('Bearer abc', { ...node, ...forServers })).toBe('UNAUTHENTICATED');
  expect(await who(undefined)).toBe('UNAUTHENTICATED');
  expect(await who(basicAuthorization({ user: 'alice', password: PASSWORD }))).toBe('alice');
  expect(await who(basicAuthorization({ user: 'alice', password: 'x' }))).toBe('UNAUTHENTICATED');
  expect(await who('Bearer abc')).toBe('UNAUTHENTICATED');
  expect(await who(`Basic ${Buffer.from('alice').toString('base64')}`)).toBe('UNAUTHENTICATED');
});

it('has changes of the list reach those who have logged in', async () => {
  const access = newAccess();
  const list = await listOf(['geo']);
  access.update(list);
  const alice = await access.login('alice', PASSWORD, 'here');
  expect(alice.may('read', 'geo-eu')).toBe(true);
  const { generation } = access;
  access.update(structuredClone(list));
  expect(access.generation).toBe(generation);
  const [user] = list.users;
  if (user === undefined) throw new Error('no user');
  access.update({ ...list, users: [{ ...user, roles: ['reader'] }] });
  expect(alice.may('read', 'prices')).toBe(true);
  access.update({ ...list, users: [{ ...user, disabled: true }] });
  expect(alice.isLive).toBe(false);
  expect(() => requireRight(alice, 'read', 'geo-eu')).toThrow(/or the user is disabled/);
  access.update(list);
  expect(alice.isLive).toBe(true);
  access.update(await listOf(['geo']));
  // Another hash: another password, or another user of the same name.
  expect(alice.isLive).toBe(false);
});

it('needs a secret that nobody guesses, and warns of nothing but the mode of its file', () => {
  const file = join(tempDir(), 'secret');
  writeFileSync(file, `${SECRET}\n\n${SECRET}-old\n`);
  chmodSync(file, 0o600);
  const opened = openAccess({ auth: 'on', clusterSecretFile: file }, {}, silentLogger);
  expect(opened.authorization?.()).toBe(`Cluster ${SECRET}`);
  expect(openAccess({ auth: 'off', clusterSecretFile: '' }, {}, silentLogger).access).toBe(
    undefined,
  );
  const on = { auth: 'on', clusterSecretFile: '' } as const;
  expect(() => openAccess(on, {}, silentLogger)).toThrow(/--cluster-secret-file/);
  writeFileSync(file, 'short\n');
  const short = { auth: 'on', clusterSecretFile: file } as const;
  expect(() => openAccess(short, {}, silentLogger)).toThrow(/at least 16/);
  expect(() => openAccess(short, {}, silentLogger)).not.toThrow(/short/);
});

it('keeps the list of a datanode in a file of its own, and ignores a damaged one', async () => {
  const folder = tempDir();
  expect(readList(folder, silentLogger)).toBe(undefined);
  const list = await listOf(['geo']);
  await saveList(folder, list, silentLogger);
  expect(statSync(join(folder, 'access')).mode & 0o777).toBe(0o600);
  expect(readList(folder, silentLogger)).toEqual(list);
  writeFileSync(join(folder, 'access'), `stele-access 1 ${digestOf(list)}\nnonsense`);
  expect(readList(folder, silentLogger)).toBe(undefined);
});

it('asks for the list that a view names until it has it', async () => {
  const access = newAccess();
  const list = await listOf(['geo']);
  let asked = 0;
  const feed = new ListFeed({
    access,
    log: silentLogger,
    fetch: async () => {
      if (++asked === 1) throw new Error('no master');
      return list;
    },
  });
  feed.want(undefined);
  expect(asked).toBe(0);
  feed.want(digestOf(list));
  await until('the list', () => access.digest === digestOf(list));
  expect(asked).toBe(2);
  feed.close();
  await expect(access.identify({ ...HERE, authorization: undefined })).rejects.toThrow(
    /who you are/,
  );
});
