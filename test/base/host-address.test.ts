import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { announcedAddress, checkPortsFree } from '../../base/host-address.ts';

describe('announcedAddress', () => {
  it.each([
    ['10.0.0.5', '127.0.0.1:8400', '10.0.0.5'],
    ['db.example', '127.0.0.1:8400', 'db.example'],
    ['0.0.0.0', '127.0.0.1:8400', '127.0.0.1'],
    ['0.0.0.0', 'localhost:8400', '127.0.0.1'],
    ['::', '[::1]:8400', '::1'],
    ['::', '127.0.0.1:8400', '127.0.0.1'],
  ])('of --host %s with the master at %s is %s', async (host, peer, announced) => {
    expect(await announcedAddress(host, peer)).toBe(announced);
  });

  it('is never an address that nobody can dial', async () => {
    for (const host of ['0.0.0.0', '::']) {
      const found = announcedAddress(host, 'no.such.host.invalid:8400');
      await expect(
        found.then(
          (address) => /^(?:0\.0\.0\.0|::|127[.].*)$/.test(address),
          (thrown: Error) => !/name it with --announce-host/.test(thrown.message),
        ),
      ).resolves.toBe(false);
    }
  });
});

describe('checkPortsFree', () => {
  it('names the port, its flag and the way out', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    await checkPortsFree('127.0.0.1', { 'http-port': 0 });
    await expect(
      checkPortsFree('127.0.0.1', { 'http-port': 0, 'resp-port': port }),
    ).rejects.toMatchObject({
      code: 'PORT_IN_USE',
      message: `Something already listens on 127.0.0.1:${port}; stop it, or choose another port with --resp-port (0 picks a free one).`,
    });
  });
});
