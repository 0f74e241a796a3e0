// A load that stays open while segments are pushed: its lease is renewed until it is closed.

import { createHash } from 'node:crypto';
import { hostname } from 'node:os';
import { SteleError, toSteleError } from '../../base/errors.ts';
import { LoadMode } from '../../proto/gen/stele/v1/load.ts';
import type { BeginLoadResponse } from '../../proto/gen/stele/v1/load.ts';
import { FORMAT_VERSION } from '../../segment/layout.ts';
import { Throttle } from '../bytes/throttle.ts';
import { Delivery } from '../push/delivery.ts';
import type { LoadMaster } from '../push/master-client.ts';
import { Targets } from '../push/targets.ts';
import { ProgressCounter, reportUntil } from '../stages/progress.ts';
import type { Transfer } from '../transfer/open-transfer.ts';

const TOKEN_DIGITS = 32;

export interface LoadToOpen {
  readonly keyspace: string;
  readonly keyspaceUid: string;
  /** The snapshot: a load of the same one that is still open is replaced. */
  readonly snapshot: string;
  /** For people. */
  readonly source: string;
  readonly input: string;
}

export class OpenLoad {
  readonly response: BeginLoadResponse;
  readonly delivery: Delivery;
  readonly #targets: Targets;
  readonly #transfer: Transfer;
  readonly #master: LoadMaster;
  readonly #ended = new AbortController();
  readonly #reporting: Promise<void>;
  #failure: SteleError | undefined;

  private constructor(transfer: Transfer, master: LoadMaster, response: BeginLoadResponse) {
    this.#transfer = transfer;
    this.#master = master;
    this.response = response;
    const { dialAs, log, settings, stop } = transfer;
    const { keyspaceUid, loadId, progressIntervalMs } = response;
    this.#targets = new Targets(response.targets);
    this.delivery = new Delivery({
      targets: this.#targets,
      identity: { keyspaceUid, loadId },
      minReplicas: () => Math.max(1, Math.min(response.replication, this.#targets.nodeCount)),
      replicaWaitMs: settings.replicaWait,
      throttle: new Throttle(settings.limitRate),
      signal: stop.signal,
      dialAs,
      log,
    });
    const progress = new ProgressCounter(() => performance.now());
    const onAnswer = (): void => this.delivery.endDeparted();
    const reporter = { master, loadId, progressIntervalMs, progress, targets: this.#targets, log };
    this.#reporting = reportUntil({ ...reporter, onAnswer }, this.#ended.signal).catch(
      (thrown: unknown) => {
        this.#failure = toSteleError(thrown);
        stop.abort();
      },
    );
  }

  /** Throws the master's error. A load of the same restore that is still open is replaced. */
  static async begin(
    transfer: Transfer,
    master: LoadMaster,
    { input, keyspace, keyspaceUid, snapshot, source }: LoadToOpen,
  ): Promise<OpenLoad> {
    const what = `${snapshot} ${keyspace} ${keyspaceUid}`;
    const token = createHash('sha256').update(what).digest('hex');
    const response = await master.beginLoad(
      {
        keyspace,
        keyspaceUid,
        mode: LoadMode.REPLACE,
        loadId: '',
        source,
        input,
        inputFingerprint: '',
        skipIfCurrent: false,
        minReplicas: 0,
        owner: { host: hostname(), pid: process.pid, user: '' },
        workToken: token.slice(0, TOKEN_DIGITS),
        segmentFormat: FORMAT_VERSION,
      },
      transfer.stop.signal,
    );
    return new OpenLoad(transfer, master, response);
  }

  /** The reason why the master ended the load, in place of the CANCELLED that follows from it. */
  get failure(): SteleError | undefined {
    return this.#failure;
  }

  get shardCount(): number {
    return this.response.shardCount;
  }

  /** How many datanodes own the shard now. */
  ownersOf(shard: number): number {
    return this.#targets.ownersOf(shard).length;
  }

  /** After a commit. */
  async close(): Promise<void> {
    this.#ended.abort();
    this.delivery.close();
    await this.#reporting;
  }

  /** What was pushed is kept for a while, so that the restore can go on. */
  async abandon(reason: string): Promise<void> {
    await this.close();
    try {
      await this.#master.abortLoad(this.response.loadId, reason, true);
    } catch (thrown) {
      this.#transfer.log.debug({ err: toSteleError(thrown) }, 'the end was not reported');
    }
  }
}
