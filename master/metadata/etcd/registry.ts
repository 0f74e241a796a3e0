// The masters that run, in etcd: a key each that goes with a lease, kept alive as long as the process
// lives. For people and listings only; who leads is decided in election.ts.

import { sleep } from '../../../base/clock.ts';
import type { Time } from '../../../base/clock.ts';
import type { Logger } from '../../../base/log.ts';
import type { EtcdApi } from './api.ts';
import { endOf } from './layout.ts';
import type { EtcdLayout } from './layout.ts';

const LEASE_SECONDS = 10;
const RENEW_MS = 3_000;
/** The key of a process that was killed is gone after fewer looks. */
const DOUBLE_LOOKS = 5;

export interface RunningMaster {
  /** HOST:PORT of its gRPC. */
  readonly address: string;
  /** When it started, ISO 8601. */
  readonly since: string;
  /** Identifies its process. */
  readonly start: string;
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
      const { ranges } = await api.transaction({
        compares: [{ key, target: 'create', revision: 0 }],
        success: [{ kind: 'put', key, value: JSON.stringify(master), lease }],
        failure: [{ kind: 'range', key }],
      });
      const [found] = ranges[0] ?? [];
      const isDouble = found !== undefined && startOf(found.value) !== master.start;
      doubles = isDouble ? doubles + 1 : 0;
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

/** The masters that run. Throws UNAVAILABLE without etcd. */
export async function listedMasters(api: EtcdApi, layout: EtcdLayout): Promise<RunningMaster[]> {
  const { entries } = await api.range(layout.masters, endOf(layout.masters));
  return entries.map(({ value }) => JSON.parse(value.toString()) as RunningMaster);
}

function startOf(value: Buffer): string {
  return (JSON.parse(value.toString()) as Partial<RunningMaster>).start ?? '';
}
