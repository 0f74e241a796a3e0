// HOST:PORT, the address of another process as people write it, and lists of it. Pure: nothing is
// resolved.

import { SteleError } from './errors.ts';
import { shorten } from './ids.ts';

/** An IPv6 address stands in brackets, so that the colon before the port is the last one. */
const ADDRESS = /^(?:\[[0-9A-Fa-f:.]+(?:%[^\s\]]+)?\]|[^\s:/?#@[\]]+):([0-9]{1,5})$/;
const PORT_MAX = 65_535;
const LOOPBACK = /^(?:127(?:\.\d{1,3}){3}|::1|(?:0:){7}1|localhost)$/i;
const LOOPBACK_OF_WILDCARD: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
  ['0:0:0:0:0:0:0:0', '::1'],
]);

/**
 * Whether only this machine reaches what listens on `host`. A name other than localhost may be
 * anything.
 */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.replace(/^\[(.*)\]$/, '$1'));
}

/** Whether what listens on `host` is reached at every address of this machine. */
export function isWildcard(host: string): boolean {
  return LOOPBACK_OF_WILDCARD.has(host.replace(/^\[(.*)\]$/, '$1'));
}

/** Where this machine reaches what listens on `host`: for a wildcard the loopback address. */
export function reachedHere(host: string): string {
  return LOOPBACK_OF_WILDCARD.get(host.replace(/^\[(.*)\]$/, '$1')) ?? host;
}

/** `host:port`, with brackets around an IPv6 address. */
export function hostAndPort(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Whether `text` is HOST:PORT with a port that can be dialled. */
export function isAddress(text: string): boolean {
  const port = Number(ADDRESS.exec(text)?.[1] ?? 0);
  return port > 0 && port <= PORT_MAX;
}

/** The host, without brackets, and the port of what `isAddress` has found to be HOST:PORT. */
export function splitAddress(address: string): { readonly host: string; readonly port: number } {
  const colon = address.lastIndexOf(':');
  const host = address.slice(0, colon).replace(/^\[(.*)\]$/, '$1');
  return { host, port: Number(address.slice(colon + 1)) };
}

/** Returns `text` unchanged. Throws INVALID_ARGUMENT if it is not HOST:PORT. */
export function checkAddress(text: string): string {
  if (isAddress(text)) return text;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' is not HOST:PORT; write a name or an IP address, a colon and a port from 1 to ${PORT_MAX}, as in 127.0.0.1:8400 or [::1]:8400.`,
  );
}

/**
 * The addresses of a list as people write it, `a:8400,b:8400`. Throws INVALID_ARGUMENT for an
 * element that is not HOST:PORT, for an empty one, and for one that is named twice.
 */
export function addressList(text: string): string[] {
  const addresses = text.split(',');
  if (addresses.length === 1) return [checkAddress(text)];
  for (const [index, address] of addresses.entries()) {
    if (address === '') throw badList(text, 'has an empty element');
    checkAddress(address);
    if (addresses.indexOf(address) < index) throw badList(text, `names ${address} twice`);
  }
  return addresses;
}

function badList(text: string, what: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(text)}' ${what}; separate addresses with one comma, as in a:8400,b:8400.`,
  );
}
