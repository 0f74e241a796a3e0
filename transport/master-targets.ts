// The ways to reach a cluster's masters: each address of a --master list, or each IP address of a
// name that has several. In random order, so that the clients of a cluster spread over its masters.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { hostAndPort } from '../base/address.ts';
import { sleep } from '../base/clock.ts';

/** A name that takes longer is left to grpc-js, so that it does not delay the other addresses. */
const RESOLVE_MS = 250;

export interface MasterTarget {
  /** The address as it was given; for messages. */
  readonly address: string;
  /** What is dialled: the address itself, or one of the IP addresses of its name. */
  readonly target: string;
  /** There is no other. */
  readonly isOnly: boolean;
}

/** The IP addresses of a name. */
export type LookUp = (host: string) => Promise<string[]>;

const systemLookUp: LookUp = async (host) =>
  (await lookup(host, { all: true })).map(({ address }) => address);

/**
 * Resolves HOST:PORT `addresses`. Never rejects; a name that does not resolve is its own target.
 */
export async function masterTargets(
  addresses: readonly string[],
  random: () => number = Math.random,
  lookUp: LookUp = systemLookUp,
): Promise<MasterTarget[]> {
  const resolved = await Promise.all(addresses.map((address) => targetsOf(address, lookUp)));
  const addressOf = new Map(resolved.flat().map(({ target, address }) => [target, address]));
  const isOnly = addressOf.size === 1;
  return [...addressOf]
    .map(([target, address]) => ({ target, address, isOnly, at: random() }))
    .sort((left, right) => left.at - right.at);
}

async function targetsOf(address: string, lookUp: LookUp): Promise<Omit<MasterTarget, 'isOnly'>[]> {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon);
  const ips = host.startsWith('[') || isIP(host) !== 0 ? [] : await ipsOf(host, lookUp);
  // A name with one address is resolved by grpc-js, and again whenever that address fails.
  if (ips.length < 2) return [{ address, target: address }];
  const port = Number(address.slice(colon + 1));
  return ips.map((ip) => ({ address, target: hostAndPort(ip, port) }));
}

async function ipsOf(host: string, lookUp: LookUp): Promise<string[]> {
  const inTime = new AbortController();
  const found = lookUp(host).catch((): string[] => []);
  const ips = await Promise.race([found, sleep(RESOLVE_MS, inTime.signal)]);
  inTime.abort();
  return ips ?? [];
}
