// A load that stays open while segments are delivered: its lease is renewed until it is closed.

import { createHash } from 'node:crypto';
import { sleep } from '../../base/clock.ts';
import { toSteleError } from '../../base/errors.ts';
import type { ErrorCode, SteleError } from '../../base/errors.ts';
import type {
  BeginLoadResponse,
  CommitLoadRequest,
  CommitLoadResponse,
  LoadMode,
} from '../../proto/gen/stele/v1/load.ts';
import { tierNumber } from '../../proto/view-words.ts';
import type { TierWord } from '../../proto/view-words.ts';
import { FORMAT_VERSION } from '../../segment/layout.ts';
import { Throttle } from '../bytes/throttle.ts';
import { Delivery } from '../push/delivery.ts';
import type { LoadMaster } from '../push/master-client.ts';
import { thisOwner } from '../push/owner.ts';
import { Targets } from '../push/targets.ts';
import { commit } from '../stages/commit-stage.ts';
import { ProgressCounter, reportOnce, reportUntil } from '../stages/progress.ts';
import type { Transfer } from './open-transfer.ts';

const TOKEN_DIGITS = 32;

export interface LoadToOpen {
  readonly keyspace: string;
  /** A keyspace that is not there is created with this uid. */
  readonly keyspaceUid: string;
  readonly mode: LoadMode;
  /** What is loaded: a load of the same that is still open is replaced. */
  readonly token: string;
  /** For people. */
  readonly source: string;
  readonly input: string;
  /** 0: as many as the keyspace should have, or one per datanode if there are fewer. */
  readonly minReplicas: number;
  /** With `skipIfCurrent`: what the current version may have come from. */
  readonly inputFingerprint: string;
  readonly skipIfCurrent: boolean;
  readonly archiveFirst: boolean;
  readonly tier: TierWord | undefined;
}

/** Errors of a commit that pass when datanodes come back, or deltas are merged. */
const WAITS: ReadonlySet<ErrorCode> = new Set(['REPLICAS_MISSING', 'OVERLOADED'] as const);
/** Between two rounds of deliveries while the commit must wait. */
const ROUND_PAUSE_MS = 2000;

export class OpenLoad {
  readonly response: BeginLoadResponse;
  readonly delivery: Delivery;
  /** What the master gets to know. */
  readonly progress = new ProgressCounter(() => performance.now());
  readonly #targets: Targets;
  readonly #transfer: Transfer;
  readonly #master: LoadMaster;
  readonly #ended = new AbortController();
  readonly #reporting: Promise<void>;
  #failure: SteleError | undefined;

  private constructor(
    transfer: Transfer,
    master: LoadMaster,
    response: BeginLoadResponse,
    { minReplicas, tier }: Pick<LoadToOpen, 'minReplicas' | 'tier'>,
  ) {
    this.#transfer = transfer;
    this.#master = master;
    this.response = response;
    const { dialAs, log, settings, stop } = transfer;
    const { keyspaceUid, loadId, progressIntervalMs } = response;
    this.#targets = new Targets(response.targets);
    this.delivery = new Delivery({
      targets: this.#targets,
      identity: { keyspaceUid, loadId, tier },
      minReplicas: () =>
        minReplicas || Math.max(1, Math.min(response.replication, this.#targets.nodeCount)),
      replicaWaitMs: settings.replicaWait,
      throttle: new Throttle(settings.limitRate),
      signal: stop.signal,
      dialAs,
      log,
    });
    if (response.alreadyCurrent) {
      this.#reporting = Promise.resolve();
      return;
    }
    const { progress } = this;
    const onAnswer = (): void => this.delivery.endDeparted();
    const reporter = { master, loadId, progressIntervalMs, progress, targets: this.#targets, log };
    this.#reporting = reportUntil({ ...reporter, onAnswer }, this.#ended.signal).catch(
      (thrown: unknown) => {
        this.#failure = toSteleError(thrown);
        stop.abort();
      },
    );
  }

  /** Throws the master's error. `close` or `abandon` must be called. */
  static async begin(
    transfer: Transfer,
    master: LoadMaster,
    { tier, token, ...load }: LoadToOpen,
  ): Promise<OpenLoad> {
    const what = `${token} ${load.keyspace} ${load.keyspaceUid}`;
    const response = await master.beginLoad(
      {
        ...load,
        loadId: '',
        owner: thisOwner(),
        workToken: createHash('sha256').update(what).digest('hex').slice(0, TOKEN_DIGITS),
        segmentFormat: FORMAT_VERSION,
        ...(tier !== undefined && { tier: tierNumber(tier) }),
      },
      transfer.stop.signal,
    );
    return new OpenLoad(transfer, master, response, { ...load, tier });
  }

  /** The reason why the master ended the load, in place of the CANCELLED that follows from it. */
  get failure(): SteleError | undefined {
    return this.#failure;
  }

  get shardCount(): number {
    return this.response.shardCount;
  }

  /** The current version has the fingerprint, so there is nothing to do. */
  get isCurrent(): boolean {
    return this.response.alreadyCurrent;
  }

  /** Datanodes that can take segments now. */
  get nodeCount(): number {
    return this.#targets.nodeCount;
  }

  /** How many datanodes own the shard now. */
  ownersOf(shard: number): number {
    return this.#targets.ownersOf(shard).length;
  }

  /**
   * Commits. While too few replicas are there, `deliverAgain` is to deliver to datanodes that have
   * lost segments, or own them now, until --replica-wait is over.
   */
  async commit(
    request: CommitLoadRequest,
    deliverAgain: () => Promise<void>,
  ): Promise<CommitLoadResponse> {
    const { log, settings, stop } = this.#transfer;
    const giveUpAtMs = performance.now() + settings.replicaWait;
    for (;;) {
      try {
        return await commit(this.#master, request, stop.signal);
      } catch (thrown) {
        const error = toSteleError(thrown);
        if (!WAITS.has(error.code) || performance.now() > giveUpAtMs) throw error;
        log.warn(`the commit must wait: ${error.message}`);
        await sleep(ROUND_PAUSE_MS, stop.signal);
        await deliverAgain();
      }
    }
  }

  /** Reports the numbers now: the master keeps the last ones in the record of the load. */
  async report(): Promise<void> {
    const { response, progress } = this;
    const reporter = { master: this.#master, loadId: response.loadId, progress };
    await reportOnce(reporter, this.#transfer.stop.signal).catch((thrown: unknown) =>
      this.#transfer.log.debug({ err: toSteleError(thrown) }, 'not reported'),
    );
  }

  /** After a commit. */
  async close(): Promise<void> {
    this.#ended.abort();
    this.delivery.close();
    await this.#reporting;
  }

  /** What was delivered is kept for a while, so that the same command can go on. */
  async abandon(reason: string): Promise<void> {
    await this.close();
    if (this.isCurrent) return;
    try {
      await this.#master.abortLoad(this.response.loadId, reason, true);
    } catch (thrown) {
      this.#transfer.log.debug({ err: toSteleError(thrown) }, 'the end was not reported');
    }
  }
}
