import { describe, expect, it } from 'vitest';
import { announcedAddress } from '../../transport/host-address.ts';

describe('announcedAddress', () => {
  it.each([
    ['10.0.0.5', '127.0.0.1:8400', '10.0.0.5'],
    ['db.example', '127.0.0.1:8400', 'db.example'],
    ['0.0.0.0', '127.0.0.1:8400', '127.0.0.1'],
    ['0.0.0.0', 'localhost:8400', '127.0.0.1'],
    ['::', '[::1]:8400', '::1'],
    ['::', '127.0.0.1:8400', '127.0.0.1'],
    ['0.0.0.0', 'no.such.host.invalid:8400,127.0.0.1:8400', '127.0.0.1'],
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
