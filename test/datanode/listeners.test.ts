// A datanode's ports without a master: the replies to clients before there is a view, and the error
// for a port in use.

import { Redis } from 'ioredis';
import { connect, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { expect, it, onTestFinished } from 'vitest';
import { resolveSettings } from '../../base/config.ts';
import { silentLogger } from '../../base/log.ts';
import { startDatanode } from '../../datanode/server.ts';
import type { RunningDatanode } from '../../datanode/server.ts';
import { datanodeSettings } from '../../datanode/settings.ts';
import { tempDir } from '../support/temp-dir.ts';

async function start(ports: Record<string, number> = {}): Promise<RunningDatanode> {
  const { values } = resolveSettings(datanodeSettings, {
    flags: {
      id: 'n1',
      dataDir: tempDir(),
      master: '127.0.0.1:1',
      httpPort: 0,
      respPort: 0,
      grpcPort: 0,
      ...ports,
    },
    environment: {},
    file: {},
  });
  const node = await startDatanode(values, { log: silentLogger });
  onTestFinished(() => node.close());
  return node;
}

it('a request without a Host header, and an unknown scope of /readyz, are refused with an explanation', async () => {
  const { address } = await start();
  const ask = async (request: string): Promise<string> => {
    const socket = connect(address.httpPort, '127.0.0.1');
    socket.write(request);
    let answer = '';
    for await (const part of socket.setEncoding('utf8')) answer += String(part);
    return answer;
  };
  const end = 'connection: close\r\n\r\n';
  const unnamed = await ask(`GET /livez HTTP/1.1\r\n${end}`);
  expect(unnamed).toMatch(/^HTTP\/1\.1 400 [^]*problem\+json[^]*"The request has no Host header/);
  const scoped = await ask(`GET /readyz?scope=zzz HTTP/1.1\r\nhost: localhost\r\n${end}`);
  expect(scoped).toMatch(/^HTTP\/1\.1 400 [^]*"The scope of \/readyz is 'cluster'/);
  expect(await ask(`GET /livez HTTP/1.0\r\n${end}`)).toMatch(/^HTTP\/1\.1 200 /);
});

it('a user or a keyspace is not reported as unknown before the first view', async () => {
  const node = await start();
  const client = new Redis({ port: node.address.respPort, protocol: 2, enableReadyCheck: false });
  onTestFinished(() => client.disconnect());
  client.on('error', () => undefined);
  await expect(client.call('AUTH', 'geo', 'any')).rejects.toThrow(/^LOADING /);
  await expect(client.call('SELECT', 'geo')).rejects.toThrow(/^LOADING /);
  expect(await client.call('AUTH', 'default', 'any')).toBe('OK');
});

it.each([
  ['httpPort', '--http-port'],
  ['respPort', '--resp-port'],
  ['grpcPort', '--grpc-port'],
])('a %s that is taken is told with its flag', async (setting, flag) => {
  const server = createServer().listen(0, '127.0.0.1');
  onTestFinished(() => void server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const message = new RegExp(`${port}.*${flag}`);
  await expect(start({ [setting]: port })).rejects.toMatchObject({ code: 'PORT_IN_USE' });
  await expect(start({ [setting]: port })).rejects.toThrow(message);
});
