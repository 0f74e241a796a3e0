// The catalog that several masters share in etcd. Reading needs nothing of them. Writing takes the
// leader key as a master does, so that masters which start meanwhile wait, and writes as a leader
// does: in one transaction, whatever its size, which fails if another one has led since.

import { wallClockIso, systemTime } from '../../../base/clock.ts';
import { systemEnv } from '../../../base/env.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { EtcdApi } from '../etcd/api.ts';
import { Election, infoOf } from '../etcd/election.ts';
import type { LeaderLease } from '../etcd/election.ts';
import { EtcdMetadata } from '../etcd/etcd-metadata.ts';
import { EtcdLayout } from '../etcd/layout.ts';
import { readStored } from '../etcd/stored-catalog.ts';
import { summaryOf } from './content.ts';
import type { CatalogContent } from './content.ts';
import type { Place } from './place.ts';

const READINGS_MAX = 4;
/** A process that is killed while it writes keeps masters waiting for so long. */
const TTL_SECONDS = 10;
const ELECTION_MS = 5_000;

export class EtcdPlace implements Place {
  readonly #name: string;
  readonly #api: EtcdApi;
  readonly #layout: EtcdLayout;
  readonly #log: Logger;

  /** `name`: as people write it. */
  constructor(name: string, api: EtcdApi, prefix: string, log: Logger) {
    this.#name = name;
    this.#api = api;
    this.#layout = new EtcdLayout(prefix);
    this.#log = log;
  }

  async read(): Promise<CatalogContent> {
    const content = await this.#readWhole();
    if (content.entries.length > 0) return content;
    throw new SteleError(
      'NOT_FOUND',
      `There is no catalog at ${this.#name}; give the --etcd-endpoints and the --etcd-prefix of the masters.`,
    );
  }

  async leader(): Promise<string | undefined> {
    const [entry] = (await this.#api.range(this.#layout.leader)).entries;
    return entry && (infoOf(entry).address || 'a `stele metadata` that writes there');
  }

  async put(content: CatalogContent): Promise<void> {
    const leader = await this.leader();
    if (leader !== undefined) throw this.#led(leader);
    const lease = await this.#elected();
    try {
      const lost = new Promise<never>((_resolve, reject) => {
        lease.ended.addEventListener('abort', () => reject(this.#unknown(lease.ended.reason)));
      });
      await Promise.race([this.#fillAs(lease, content), lost]);
    } finally {
      await lease.resign(new SteleError('CANCELLED', 'The catalog is written.')).catch(() => {
        // The lease ends by itself.
      });
    }
  }

  close(): void {
    this.#api.close();
  }

  async #elected(): Promise<LeaderLease> {
    const election = new Election({
      api: this.#api,
      layout: this.#layout,
      id: 'stele metadata',
      // None: it is no master (candidate/candidate.ts).
      address: '',
      ttlSeconds: TTL_SECONDS,
      time: systemTime,
      nowIso: wallClockIso,
      log: this.#log,
      onLeader: () => undefined,
    });
    const lease = await election.campaign(AbortSignal.timeout(ELECTION_MS));
    if (lease === undefined) throw this.#led((await this.leader()) ?? 'another process');
    return lease;
  }

  async #fillAs(lease: LeaderLease, content: CatalogContent): Promise<void> {
    const { entries: found } = await this.#readWhole();
    if (found.length > 0) throw this.#taken(found.length);
    const metadata = await EtcdMetadata.open({
      api: this.#api,
      layout: this.#layout,
      fence: lease.fence,
      env: systemEnv,
      onLost: (why) => lease.end(why),
    });
    await metadata.putAll(content.entries, content.restored);
    await metadata.close();
    const after = await this.#readWhole();
    const isSame =
      summaryOf(after.entries).digest === summaryOf(content.entries).digest &&
      after.restored === content.restored;
    if (isSame) return;
    throw new SteleError(
      'CORRUPT',
      `The catalog at ${this.#name} is not what was written; start no master there, and use another prefix.`,
    );
  }

  /** Without entries if there is no catalog. */
  async #readWhole(): Promise<CatalogContent> {
    for (let reading = 1; ; reading++) {
      try {
        return await readStored(this.#api, this.#layout);
      } catch (thrown) {
        // While masters run, what is read may be compacted, or its pieces be removed.
        if (toSteleError(thrown).code !== 'CORRUPT' || reading === READINGS_MAX) throw thrown;
      }
    }
  }

  #taken(count: number): SteleError {
    return new SteleError(
      'CONFLICT',
      `There is a catalog with ${count} entries at ${this.#name} already, and nothing is overwritten; choose another prefix, or delete that one with \`etcdctl del --prefix ${this.#layout.prefix}\`.`,
    );
  }

  #led(leader: string): SteleError {
    return new SteleError(
      'CONFLICT',
      `${leader} leads at ${this.#name}, so nothing was written; stop all masters of that prefix, or choose another one.`,
    );
  }

  #unknown(cause: unknown): SteleError {
    return new SteleError(
      'OUTCOME_UNKNOWN',
      `The lead at ${this.#name} was lost during the write, so it is not known whether the catalog is there; run the same command again: it refuses if it is.`,
      { cause },
    );
  }
}
