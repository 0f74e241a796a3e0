// Addresses of this machine: which one others can dial, and whether ports of it are free.

import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { createServer } from 'node:net';
import { networkInterfaces } from 'node:os';
import { SteleError, systemErrorCode, toSteleError } from './errors.ts';

const ANY_IPV4 = '0.0.0.0';
const ANY_ADDRESSES: ReadonlySet<string> = new Set([ANY_IPV4, '::', '[::]', '0:0:0:0:0:0:0:0']);
/** Nothing is sent to it. */
const SOME_PORT = 9;

/**
 * What a process that listens on `listenHost` tells others to dial. For an address that stands for all of
 * this machine's it is the one from which this machine reaches `peer` (`HOST:PORT`); where the peer cannot be
 * found yet, the only address there is. Throws INVALID_ARGUMENT when that leaves more than one.
 */
export async function announcedAddress(listenHost: string, peer: string): Promise<string> {
  if (!ANY_ADDRESSES.has(listenHost)) return listenHost;
  const family = listenHost === ANY_IPV4 ? 4 : 0;
  const peerHost = peer.slice(0, peer.lastIndexOf(':')).replace(/^\[(.*)\]$/, '$1');
  try {
    return await sourceAddress(await lookup(peerHost, { family }));
  } catch (thrown) {
    const own = ownAddresses(family);
    const [only] = own;
    if (only !== undefined && own.length === 1) return only;
    throw new SteleError(
      'INVALID_ARGUMENT',
      `--host ${listenHost} is no address that others can dial, and ${peer} cannot be reached to find the right one of ${own.join(', ') || 'none'}; name it with --announce-host.`,
      { cause: thrown },
    );
  }
}

/** By the system's routes: a UDP socket that is connected sends nothing and has an address. */
function sourceAddress(to: { readonly address: string; readonly family: number }): Promise<string> {
  const socket = createSocket(to.family === 6 ? 'udp6' : 'udp4');
  return new Promise<string>((resolve, reject) => {
    socket.once('error', reject);
    socket.connect(SOME_PORT, to.address, () => resolve(socket.address().address));
  }).finally(() => socket.close());
}

function ownAddresses(family: 0 | 4): string[] {
  return Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter((one) => !one.internal && !one.address.startsWith('fe80:'))
    .filter((one) => family === 0 || one.family === 'IPv4')
    .map((one) => one.address);
}

/**
 * Throws PORT_IN_USE for the first of `ports` (by flag) that something listens on, before anything is
 * made that a start which fails would leave behind. 0 is always free.
 */
export async function checkPortsFree(
  host: string,
  ports: Readonly<Record<string, number>>,
): Promise<void> {
  for (const [flag, port] of Object.entries(ports)) {
    if (port !== 0) await checkPortFree(host, port, flag);
  }
}

async function checkPortFree(host: string, port: number, flag: string): Promise<void> {
  const server = createServer();
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen({ host, port }, resolve);
    });
  } catch (thrown) {
    if (systemErrorCode(thrown) !== 'EADDRINUSE') throw toSteleError(thrown, 'IO');
    throw new SteleError(
      'PORT_IN_USE',
      `Something already listens on ${host}:${port}; stop it, or choose another port with --${flag} (0 picks a free one).`,
      { cause: thrown },
    );
  }
  await new Promise((resolve) => server.close(resolve));
}
