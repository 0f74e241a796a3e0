// Whether an address is of the machine that the loader runs on.

import { hostname, networkInterfaces } from 'node:os';

/** `host`: a name or an address. A name that is not the machine's own is taken for another machine's. */
export function isThisMachine(host: string): boolean {
  if (host === 'localhost' || host === hostname()) return true;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.some(({ address }) => address === host);
}
