// The chain of credentials: where they come from, and that they are renewed.

import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { credentialChain, regionOf } from '../../../archive/s3/credentials/chain.ts';
import { bodyOfBytes, openStore } from '../../../archive/open-store.ts';
import { systemTime } from '../../../base/clock.ts';
import { tempDir } from '../../support/temp-dir.ts';
import { ownS3, QUICK } from '../../support/s3/stores.ts';

const NONE = { HOME: '/nonexistent', AWS_EC2_METADATA_DISABLED: 'true' };

function current(environment: Record<string, string>) {
  return credentialChain({ ...NONE, ...environment }, systemTime).current();
}

/** A server that gives `answer`; resolves with its address and what it was asked. */
async function service(answer: (request: IncomingMessage, body: string) => string | undefined) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    void text(request).then((body) => {
      asked.push(`${request.method} ${request.url}`);
      const said = answer(request, body);
      response.writeHead(said === undefined ? 403 : 200).end(said ?? 'refused');
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, asked };
}

function json(id: string, inMs: number): string {
  const Expiration = new Date(Date.now() + inMs).toISOString();
  return JSON.stringify({ AccessKeyId: id, SecretAccessKey: 'S', Token: 'T', Expiration });
}

test('come from the environment first', async () => {
  const keys = { AWS_ACCESS_KEY_ID: 'A', AWS_SECRET_ACCESS_KEY: 'S', AWS_SESSION_TOKEN: 'T' };
  expect(await current({ ...keys, AWS_PROFILE: 'missing' })).toMatchObject({
    accessKeyId: 'A',
    secretAccessKey: 'S',
    sessionToken: 'T',
  });
});

test('come from the profile that AWS_PROFILE names, with its region', async () => {
  const folder = tempDir();
  const [secrets, config] = [join(folder, 'credentials'), join(folder, 'config')];
  writeFileSync(
    secrets,
    '[default]\naws_access_key_id=D\naws_secret_access_key = d=/+\n\n# note\n[night]\naws_access_key_id = N\naws_secret_access_key = n\naws_session_token = t\n',
  );
  writeFileSync(
    config,
    '[profile night]\nregion = eu-north-1\ns3 =\n  region = x\n[profile sso]\nsso_session = y\n',
  );
  const files = { AWS_SHARED_CREDENTIALS_FILE: secrets, AWS_CONFIG_FILE: config };
  expect(await current(files)).toMatchObject({ accessKeyId: 'D', secretAccessKey: 'd=/+' });
  const night = { ...files, AWS_PROFILE: 'night' };
  expect(await current(night)).toMatchObject({ accessKeyId: 'N', sessionToken: 't' });
  expect(await regionOf({ ...NONE, ...night })).toBe('eu-north-1');
  await expect(current({ ...files, AWS_PROFILE: 'day' })).rejects.toMatchObject({
    code: 'INVALID_ARGUMENT',
    message: expect.stringContaining("the profile 'day'"),
  });
  await expect(current({ ...files, AWS_PROFILE: 'sso' })).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('aws configure export-credentials'),
  });
});

test('come from STS for a web identity', async () => {
  const file = join(tempDir(), 'token');
  writeFileSync(file, 'the-token\n');
  let asked = '';
  const sts = await service((_, body) => {
    asked = body;
    return `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>W</AccessKeyId><SecretAccessKey>S&amp;</SecretAccessKey><SessionToken>T</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`;
  });
  const role = { AWS_ROLE_ARN: 'arn:aws:iam::1:role/x', AWS_WEB_IDENTITY_TOKEN_FILE: file };
  expect(await current({ ...role, AWS_ENDPOINT_URL_STS: sts.url })).toMatchObject({
    accessKeyId: 'W',
    secretAccessKey: 'S&',
    sessionToken: 'T',
  });
  expect(asked).toContain('WebIdentityToken=the-token&'.slice(0, -1));
  expect(asked).toContain('RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fx');
});

test('come from the agent of a container, with its token', async () => {
  const agent = await service((request) =>
    request.headers.authorization === 'secret' ? json('C', 3_600_000) : undefined,
  );
  const file = join(tempDir(), 'token');
  writeFileSync(file, 'secret\n');
  const environment = {
    AWS_CONTAINER_CREDENTIALS_FULL_URI: `${agent.url}/v1/credentials`,
    AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: file,
  };
  expect(await current(environment)).toMatchObject({ accessKeyId: 'C' });
  const elsewhere = { AWS_CONTAINER_CREDENTIALS_FULL_URI: 'http://example.com/' };
  await expect(current(elsewhere)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
});

test("come from the instance's metadata by a session (IMDSv2)", async () => {
  const instance = await service((request) => {
    if (request.method === 'PUT') return 'session';
    if (request.headers['x-aws-ec2-metadata-token'] !== 'session') return undefined;
    return request.url?.endsWith('/role-1') === true ? json('I', 3_600_000) : 'role-1';
  });
  const environment = {
    AWS_EC2_METADATA_SERVICE_ENDPOINT: instance.url,
    AWS_EC2_METADATA_DISABLED: 'false',
  };
  expect(await current(environment)).toMatchObject({ accessKeyId: 'I' });
});

test('are missed with a sentence that names the ways', async () => {
  await expect(current({})).rejects.toMatchObject({
    code: 'PERMISSION_DENIED',
    message: expect.stringContaining('AWS_ACCESS_KEY_ID'),
  });
});

test('are renewed before they end, once for all callers', async () => {
  let count = 0;
  const agent = await service(() => json(`C${++count}`, count === 1 ? 200_000 : 3_600_000));
  const environment = { ...NONE, AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url };
  const chain = credentialChain(environment, systemTime);
  expect(await chain.current()).toMatchObject({ accessKeyId: 'C1' });
  const all = await Promise.all([chain.current(), chain.current(), chain.current()]);
  expect(all.map(({ accessKeyId }) => accessKeyId)).toEqual(['C2', 'C2', 'C2']);
  await chain.current();
  expect(agent.asked).toHaveLength(2);
});

test('are kept while the service fails and they are still good', async () => {
  let count = 0;
  const agent = await service(() => (++count === 1 ? json('C1', 200_000) : undefined));
  const environment = { ...NONE, AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url };
  const chain = credentialChain(environment, systemTime);
  await chain.current();
  expect(await chain.current()).toMatchObject({ accessKeyId: 'C1' });
  expect(await chain.current()).toMatchObject({ accessKeyId: 'C1' });
  expect(agent.asked).toHaveLength(2);
});

test('are fetched again when the store refuses them', async () => {
  const { s3 } = await ownS3();
  let count = 0;
  const agent = await service(() => {
    count++;
    s3.sessionToken = 'T2';
    return JSON.stringify({
      AccessKeyId: s3.accessKeyId,
      SecretAccessKey: s3.secretAccessKey,
      Token: `T${count}`,
      Expiration: '2099-01-01T00:00:00Z',
    });
  });
  const environment = {
    ...NONE,
    AWS_REGION: s3.region,
    AWS_ENDPOINT_URL_S3: s3.endpoint,
    AWS_CONTAINER_CREDENTIALS_FULL_URI: agent.url,
  };
  const store = await openStore(s3.url, {}, { ...QUICK, environment });
  onTestFinished(() => store.close());
  await store.put('x', bodyOfBytes(Buffer.from('x')));
  expect(s3.objects.size).toBe(1);
  expect(count).toBe(2);
});
