import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { EtcdClient } from '../../../master/metadata/etcd/etcd-client.ts';
import type { TlsFiles } from '../../../transport/tls/tls-files.ts';
import { Authority } from '../../support/process/certificates.ts';
import type { Certificate } from '../../support/process/certificates.ts';
import { EtcdServer, hasEtcd } from '../../support/process/etcd-server.ts';
import { hasLibrary } from '../../support/tools.ts';

const isHere = hasEtcd() && hasLibrary('openssl', 'openssl', ['version'], 'openssl');

describe.skipIf(!isHere)('etcd behind TLS', () => {
  const folder = mkdtempSync(join(tmpdir(), 'stele-tls-'));
  let server: EtcdServer;
  let elsewhere: EtcdServer;
  let authority: Authority;
  let mine: Certificate;

  const start = (certificate: Certificate): Promise<EtcdServer> =>
    EtcdServer.start({
      scheme: 'https',
      flags: [
        ['--cert-file', certificate.certFile, '--key-file', certificate.keyFile],
        ['--trusted-ca-file', authority.own.certFile, '--client-cert-auth'],
      ].flat(),
    });

  beforeAll(async () => {
    authority = new Authority(folder, 'authority');
    mine = authority.issue('stele', 'DNS:stele');
    server = await start(authority.issue('etcd', 'IP:127.0.0.1'));
    elsewhere = await start(authority.issue('elsewhere', 'DNS:etcd.example'));
  });

  afterAll(async () => {
    await server.close();
    await elsewhere.close();
    rmSync(folder, { recursive: true, force: true });
  });

  function open(
    { endpoints }: EtcdServer,
    tls: TlsFiles | undefined,
    deadlineMs = 5000,
  ): EtcdClient {
    const options = { endpoints, log: silentLogger, deadlineMs };
    const client = new EtcdClient(tls === undefined ? options : { ...options, tls });
    onTestFinished(() => client.close());
    return client;
  }

  const refusedFor = (reason: RegExp) => ({
    code: 'UNAVAILABLE',
    message: expect.stringMatching(reason) as string,
  });

  test('is reached with the certificates that it asks for', async () => {
    const client = open(server, { ca: authority.own.cert, cert: mine.cert, key: mine.key }, 20_000);
    expect((await client.range('none')).entries).toEqual([]);
    const success = [{ kind: 'put', key: 'a', value: 'b' }] as const;
    expect((await client.transaction({ compares: [], success })).succeeded).toBe(true);
  });

  test('is not trusted under another name or another authority', async () => {
    const { cert, key } = mine;
    const misnamed = open(elsewhere, { ca: authority.own.cert, cert, key });
    const other = new Authority(folder, 'other');
    const untrusting = open(server, { ca: other.own.cert, cert, key });
    await Promise.all([
      expect(misnamed.range('none')).rejects.toMatchObject(
        refusedFor(/: Hostname\/IP does not match certificate's altnames: IP: 127[.]0[.]0[.]1/),
      ),
      expect(untrusting.range('none')).rejects.toMatchObject(
        refusedFor(
          /self-signed certificate|unable to (?:get|verify)|certificate signature failure/,
        ),
      ),
    ]);
  });

  test('is not reached without TLS or without a client certificate', async () => {
    for (const tls of [undefined, { ca: authority.own.cert }]) {
      await expect(open(server, tls, 500).range('none')).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      });
    }
  });

  test('certificates that are none are refused by name', () => {
    const noPem = Buffer.from('not PEM');
    const { cert, key } = mine;
    for (const tls of [
      { ca: noPem },
      { cert: noPem, key },
      { cert, key: noPem },
      { cert },
      { key },
    ]) {
      expect(() => open(server, tls)).toThrow(
        /^The certificates for etcd cannot be used [(].+[)]; give PEM/,
      );
    }
  });
});
