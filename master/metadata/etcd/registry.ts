// The masters that run, in etcd: a key each that goes with a lease, kept alive as long as the
// process lives. The lease is long, so that one that hangs or was killed is not just missing from
// the list. For people and listings only; who leads is decided in election.ts.

import { sleep } from '../../../base/clock.ts';
import type { Time } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { EtcdApi } from './api.ts';
import { endOf } from './layout.ts';
import type { EtcdLayout } from './layout.ts';

const LEASE_SECONDS = 300;
const RENEW_MS = 3_000;
/** A process that was killed does not write its key again. */
const DOUBLE_LOOKS = 5;

export interface RunningMaster {
  /** HOST:PORT of its gRPC. */
  readonly address: string;
  /** When it started, ISO 8601. */
  readonly since: string;
  /** Absent: of a release that does not tell. */
  readonly release?: string;
}

interface ListingOptions {
  readonly env: Time;
  readonly log: Logger;
}

/**
 * Keeps `master` listed until `stop` aborts, also if its key is deleted. A failure is tried again.
 * Another process that is listed at its address is reported.
 */
export async function keepListed(
  api: EtcdApi,
  layout: EtcdLayout,
  master: RunningMaster,
  { env, log }: ListingOptions,
  stop: AbortSignal,
): Promise<void> {
  const key = `${layout.masters}${master.address}`;
  let lease = 0;
  let doubles = 0;
  while (!stop.aborted) {
    try {
      if (lease === 0 || (await api.keepAlive(lease)) === 0) {
        lease = (await api.grantLease(LEASE_SECONDS)).id;
      }
      const { entries } = await api.range(key);
      const isOwn = entries[0]?.lease === lease;
      doubles = entries[0] === undefined || isOwn ? 0 : doubles + 1;
      const put = { kind: 'put', key, value: JSON.stringify(master), lease } as const;
      if (!isOwn) await api.transaction({ compares: [], success: [put] });
      if (doubles === DOUBLE_LOOKS) {
        log.error(
          { address: master.address },
          `another master announces the address ${master.address}, so that others reach only one of the two; give each an address of its own with --announce-host`,
        );
      }
    } catch {
      // Without etcd nothing is listed, either.
    }
    await sleep(RENEW_MS, stop, env);
  }
  if (lease !== 0) await api.revokeLease(lease).catch(() => undefined);
}

/**
 * The masters that run, or did until a few minutes ago and were not stopped. Throws UNAVAILABLE
 * without etcd.
 */
export async function listedMasters(api: EtcdApi, layout: EtcdLayout): Promise<RunningMaster[]> {
  const { entries } = await api.range(layout.masters, endOf(layout.masters));
  return entries.map(({ value }) => JSON.parse(value.toString()) as RunningMaster);
}
