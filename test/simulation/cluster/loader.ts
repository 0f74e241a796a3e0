// Loads of a simulation, replaces and appends: begin, push every segment to the owners that the
// master names, commit, all of it over the simulated network, against the product's loads
// (master/loads/) and its intake.
//
// It says what the product's loader says (loader/), which is not run here: its parsing has no part
// in this, and its threads cannot be simulated. A load that does not come through is tried again,
// or given up; the next one into the keyspace takes its place after the end of its lease.

import { ERROR_TABLE, SteleError } from '../../../base/errors.ts';
import { addTotals } from '../../../master/catalog/totals.ts';
import { segmentRecord } from '../../../master/catalog/messages.ts';
import { LoadMode } from '../../../proto/gen/stele/v1/load.ts';
import type { BeginLoadResponse, CommitLoadResponse } from '../../../proto/gen/stele/v1/load.ts';
import { emptyGate } from '../../../proto/load-gate.ts';
import type { LeaderCalls } from '../../../proto/operations.ts';
import { SimProcess } from '../world/clock.ts';
import { askMaster } from './ask-master.ts';
import type { Cluster } from './cluster.ts';
import { keysOf, SHARDS, VALUES } from './segments.ts';
import type { Built, Rows } from './segments.ts';

const BEGIN_DEADLINE_MS = 6_000;
const PUSH_DEADLINE_MS = 3_000;
const COMMIT_DEADLINE_MS = 15_000;
const REPORT_MS = 1_000;
/** Of one master, and of several, which need a while until another one leads. */
const COMMITS_MAX = { single: 3, several: 6 };

export type Mode = 'REPLACE' | 'APPEND';

export class SimLoader extends SimProcess {
  readonly #cluster: Cluster;
  /** Loads that have begun and not ended, unless their loader has given up. */
  running = 0;
  /** Until then no load says that it lives. */
  silentUntilMs = 0;

  constructor(cluster: Cluster) {
    super('loader');
    this.#cluster = cluster;
    this.beginLife();
  }

  load(keyspace: string, mode: Mode): void {
    this.running++;
    this.#load(keyspace, mode)
      .catch((thrown: unknown) => {
        if (!(thrown instanceof SteleError)) throw thrown;
        this.#cluster.note(`${mode} into ${keyspace}: ${thrown.code}`);
      })
      .finally(() => {
        this.running--;
      })
      .catch((thrown: unknown) => this.#cluster.judge.fail(String(thrown)));
  }

  async #load(keyspace: string, mode: Mode): Promise<void> {
    const { judge, random } = this.#cluster;
    const request = requestOf(keyspace, mode, random.chance(0.7) ? keyspace : '');
    const begun = await this.#ask(BEGIN_DEADLINE_MS, ({ loads }) => loads.beginLoad(request));
    const isOver = new AbortController();
    this.#report(begun.loadId, isOver.signal);
    try {
      const built = this.#segments(begun.keyspaceUid, mode);
      judge.loadBegun(
        begun.loadId,
        built.map(({ info }) => info.id),
      );
      await this.#push(begun, built);
      const done = await this.#commit(begun, built);
      judge.acknowledged(begun.keyspaceUid, done.version);
    } catch (thrown) {
      if (this.#cluster.random.chance(0.8)) this.#abort(begun.loadId);
      throw thrown;
    } finally {
      isOver.abort();
    }
  }

  /** Whether that is heard or not. */
  #abort(loadId: string): void {
    const request = { loadId, reason: '', resumable: false };
    this.#ask(BEGIN_DEADLINE_MS, ({ loads }) => loads.abortLoad(request)).catch(() => undefined);
  }

  /** Keeps the load's lease. */
  #report(loadId: string, isOver: AbortSignal): void {
    const { clock } = this.#cluster;
    clock.after(REPORT_MS, this, () => {
      if (isOver.aborted) return;
      this.#report(loadId, isOver);
      if (clock.nowMs < this.silentUntilMs) return;
      const numbers = { rows: 0, bytesDone: 0, bytesTotal: 0, rejected: 0 };
      const request = { loadId, stage: '', ...numbers, shardsDone: 0, shardsTotal: 0 };
      this.#ask(REPORT_MS, async ({ loads }) => loads.reportProgress(request)).catch(
        () => undefined,
      );
    });
  }

  /** At most one segment a shard: a shard without records has none. */
  #segments(uid: string, mode: Mode): Built[] {
    const { book, random } = this.#cluster;
    return Array.from({ length: SHARDS }, (_, shard) => {
      const rows = mode === 'APPEND' ? this.#deltaRows(shard) : this.#wholeRows(shard);
      return random.chance(0.9) ? book.build(uid, shard, rows) : undefined;
    }).filter((built) => built !== undefined);
  }

  /** What a replace may bring: little, so that versions have segments in common. */
  #wholeRows(shard: number): Rows {
    const [first = '', second = '', third = ''] = keysOf(shard);
    const wholes = [
      { [first]: '1', [second]: '1' },
      { [first]: '22', [third]: '1' },
    ];
    return new Map(Object.entries(this.#cluster.random.pick(wholes) ?? {}));
  }

  #deltaRows(shard: number): Rows {
    const { random } = this.#cluster;
    return new Map(
      keysOf(shard).flatMap((key) =>
        random.chance(0.5) ? [[key, random.pick(VALUES) ?? ''] as const] : [],
      ),
    );
  }

  async #push(begun: BeginLoadResponse, built: readonly Built[]): Promise<void> {
    const { datanodes, network } = this.#cluster;
    const { nodes = [], owners = [] } = begun.targets ?? {};
    const pushes = built.flatMap((segment) =>
      (owners[segment.info.shard]?.nodes ?? []).flatMap((index) => {
        const view = nodes[index];
        const node = datanodes.get(view?.id ?? '');
        return view === undefined || node === undefined ? [] : [{ segment, view, node }];
      }),
    );
    // One that fails may have come through all the same: the commit finds out.
    await Promise.all(
      pushes.map(
        ({ node, segment: { bytes, info }, view }) =>
          new Promise<void>((resolve) => {
            const announced = {
              ...{ keyspaceUid: begun.keyspaceUid, segmentId: info.id, byteLength: bytes.length },
              ...{ expectNode: view.id, expectIncarnation: view.incarnation, loadId: begun.loadId },
            };
            network.call(
              this,
              node,
              PUSH_DEADLINE_MS,
              () => node.receive(announced, bytes),
              () => resolve(),
            );
          }),
      ),
    );
  }

  /** A commit without an answer is asked for again: it may have been made. */
  async #commit(begun: BeginLoadResponse, built: readonly Built[]): Promise<CommitLoadResponse> {
    const totals = addTotals(built.map(({ info }) => segmentRecord(info)));
    const request = {
      ...{ loadId: begun.loadId, minReplicas: 0, gate: emptyGate(), keep: 0 },
      ...totals,
      digest: Buffer.from(totals.digest, 'hex'),
      shards: built.map(({ info }) => ({ segment: info, nodeIds: [] })),
    };
    const attemptsMax = COMMITS_MAX[this.#cluster.several === undefined ? 'single' : 'several'];
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#ask(COMMIT_DEADLINE_MS, ({ loads }) => loads.commitLoad(request));
      } catch (thrown) {
        const isWorthIt = thrown instanceof SteleError && ERROR_TABLE[thrown.code].retryable;
        if (!isWorthIt || attempt >= attemptsMax) throw thrown;
        await new Promise<void>((resolve) => {
          this.#cluster.clock.after(this.#cluster.random.int(50, 2_000), this, resolve);
        });
      }
    }
  }

  #ask<Value>(deadlineMs: number, question: (seat: LeaderCalls) => Promise<Value>): Promise<Value> {
    return askMaster(this.#cluster, this, 'load', deadlineMs, question);
  }
}

/** `workToken`: of a loader that was started again, and takes the place of its earlier run. */
function requestOf(
  keyspace: string,
  mode: Mode,
  workToken: string,
): Parameters<LeaderCalls['loads']['beginLoad']>[0] {
  return {
    ...{ keyspace, mode: mode === 'APPEND' ? LoadMode.APPEND : LoadMode.REPLACE },
    ...{ loadId: '', source: '', input: '', inputFingerprint: '', skipIfCurrent: false },
    ...{ minReplicas: 0, owner: { host: '', pid: 0, user: '' }, workToken, segmentFormat: 1 },
  };
}
