// Finds the address of this machine that others can dial.

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { networkInterfaces } from 'node:os';
import { addressList, isWildcard, splitAddress } from '../base/address.ts';
import { SteleError } from '../base/errors.ts';

const ANY_IPV4 = '0.0.0.0';
/** No packet is sent to it. */
const SOME_PORT = 9;

/**
 * The host that a process listening on `listenHost` announces to others. For a wildcard address, it
 * is the local address of the route to the first of `peers` (`HOST:PORT`, or a list with commas)
 * that can be resolved; if none can be yet, the only address there is. Throws INVALID_ARGUMENT if
 * there are several.
 */
export async function announcedAddress(listenHost: string, peers: string): Promise<string> {
  if (!isWildcard(listenHost)) return listenHost;
  const family = listenHost === ANY_IPV4 ? 4 : 0;
  const routes = addressList(peers).map(async (peer) => {
    const { host } = splitAddress(peer);
    return await sourceAddress(await lookup(host, { family }));
  });
  // In the order of the list, so that the address is the same at every start.
  const found = (await Promise.allSettled(routes)).flatMap((route) =>
    route.status === 'fulfilled' ? [route.value] : [],
  );
  try {
    return found[0] ?? (await Promise.any(routes));
  } catch (thrown) {
    const own = ownAddresses(family);
    const [only] = own;
    if (only !== undefined && own.length === 1) return only;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--host ${listenHost} is not an address that others can dial, and ${peers} cannot be reached to choose one of ${own.join(', ') || 'none'}; name it with --announce-host.`,
      { cause: thrown },
    );
  }
}

/**
 * Asks the system's routing table: connecting a UDP socket sends nothing and selects an address.
 */
function sourceAddress(to: { readonly address: string; readonly family: number }): Promise<string> {
  const socket = createSocket(to.family === 6 ? 'udp6' : 'udp4');
  return new Promise<string>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(SOME_PORT, to.address, () => resolve(socket.address().address));
  }).finally(() => socket.close());
}

/** The addresses of this machine that others may reach it at; `family` 0: of IPv4 and IPv6. */
export function ownAddresses(family: 0 | 4): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => !one.internal && !one.address.startsWith('fe80:'))
    .filter((one) => family === 0 || one.family === 'IPv4')
    .map((one) => one.address);
}
