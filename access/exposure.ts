// Closed by default: what can be reached from other machines asks who is there, unless somebody has
// said that it need not.

import { isLoopback } from '../base/address.ts';
import { SteleError } from '../base/errors.ts';

export interface ExposureSettings {
  readonly auth: 'on' | 'off';
  readonly insecure: boolean;
  /** The listening address. */
  readonly host: string;
}

/**
 * A warning for a process that lets everybody in from other machines, as --insecure allows;
 * undefined for all others. Throws INVALID_ARGUMENT without --insecure.
 */
export function exposureOf(settings: ExposureSettings): string | undefined {
  const { auth, host, insecure } = settings;
  if (auth === 'on' || isLoopback(host)) return undefined;
  if (insecure) return exposureText([host]);
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--host ${host} lets other machines in, and without users anyone who reaches the ports may read, load and drop everything. Go on with users (--auth on, docs/security.md), on one machine with \`stele up --secure\`, or with --insecure if the network keeps others away.`,
  );
}

/** The warning for processes that listen on `hosts` and ask nobody who they are. */
export function exposureText(hosts: readonly string[]): string {
  return `insecure: anyone who reaches ${hosts.join(', ')} may read, load and drop everything, because there are no users (--auth on) there`;
}
