// Whether datanodes obey this start of the master, and the reaction if they obey another one.
//
//     a node reports epoch 9 or, in our epoch, another term
//       this incarnation of the node never       our catalog is older than that master's start (a restored
//       obeyed us                                copy, or a backup that was restored twice): a higher epoch
//                                                is taken, durably, and numbers skip a gap
//                                                (catalog/cluster-transitions.ts)
//       it obeyed us before                      a later start has taken over the cluster: this one ends
//
// So if two masters run on copies of one folder, only the one that was started last goes on.
//
// A start counts once its epoch is durable. Until then (the disk is full, or hangs) this master
// does not lead. It acts in the name of the previous start, whose epoch and term its catalog has:
// it asks datanodes for their holdings, gives them manifests, which never change, and answers
// reads. That is safe for a datanode that has obeyed no later start: the catalog then has the
// latest state that the cluster was given. A datanode that has obeyed a later start may belong to a
// living master with versions that this catalog lacks, so it counts as silent until a higher epoch
// is durable. A catalog of an earlier release does not record its start, so with it all datanodes
// count as silent. Copies, drops, views for datanodes and all changes of the catalog wait.

import type { BackgroundTasks } from '../../base/background.ts';
import { sleep } from '../../base/clock.ts';
import type { Time } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { HeartbeatResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { raiseEpoch } from '../catalog/cluster-transitions.ts';
import { epochOf, termOf } from '../catalog/queries.ts';

/** Delay between two attempts to make the epoch durable. */
const BEGIN_AGAIN_MS = 2_000;

export interface LeadershipOptions {
  readonly catalog: Catalog;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  readonly env: Time;
  /** Called when a higher epoch has been taken, or the epoch of this start is durable. */
  readonly onRaised: () => void;
  /** Called once: another master has taken over the cluster, and this one must end. */
  readonly onReplaced: (why: SteleError) => void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  /** By node: the incarnation that has obeyed this start. */
  readonly #obeyedBy = new Map<string, string>();
  #isRaising = false;
  #isReplaced = false;
  /** The error of the last attempt to take an epoch; empty after a success. */
  #failure = '';

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** Whether this start leads, that is, its epoch is durable. */
  get isBegun(): boolean {
    return this.#options.catalog.isBegun;
  }

  /** The epoch and term to send to datanodes. */
  get header(): { readonly epoch: number; readonly term: string } {
    const { state } = this.#options.catalog;
    return { epoch: epochOf(state), term: termOf(state) };
  }

  /** Retries until the epoch of this start is durable. */
  start(stop: AbortSignal): void {
    if (this.isBegun) return;
    const { background, catalog, env, log, onRaised } = this.#options;
    background.run('begin-epoch', async () => {
      while (!this.isBegun && !stop.aborted) {
        await sleep(BEGIN_AGAIN_MS, stop, env);
        if (!stop.aborted) await catalog.beginAgain().catch((thrown) => this.#logFailure(thrown));
      }
      if (!this.isBegun) return;
      log.info({ epoch: this.header.epoch }, 'the epoch of this start is saved: changes are taken');
      onRaised();
    });
  }

  /** Logs each reason once, because it recurs with each attempt. */
  #logFailure(thrown: unknown): void {
    const { code, message } = toSteleError(thrown);
    if (message !== this.#failure) this.#options.log.error({ code }, message);
    this.#failure = message;
  }

  /** Throws STALE_EPOCH if the node obeys another start than this one. */
  check(nodeId: string, { epoch, incarnation, term = '' }: HeartbeatResponse): void {
    const { epoch: own, term: ownTerm } = this.header;
    // A node of an earlier release sends no term, and refuses stale orders itself.
    const isOurs = term === '' || term === ownTerm;
    if (epoch === undefined || epoch < own || (epoch === own && isOurs)) {
      this.#obeyedBy.set(nodeId, incarnation);
      return;
    }
    const hasObeyed = this.#obeyedBy.get(nodeId) === incarnation;
    if (hasObeyed) this.#replaced(nodeId, epoch);
    else this.#raise(nodeId, epoch);
    throw new SteleError(
      'STALE_EPOCH',
      `Datanode ${nodeId} obeys epoch ${epoch} of another start of a master; this one is in epoch ${own}.`,
    );
  }

  forget(nodeId: string): void {
    this.#obeyedBy.delete(nodeId);
  }

  #raise(nodeId: string, obeyedEpoch: number): void {
    // An epoch above the reported one could not be saved any more than that of this start.
    if (this.#isRaising || this.#isReplaced || !this.isBegun) return;
    this.#isRaising = true;
    const { background, catalog, log, onRaised } = this.#options;
    background.run('raise-epoch', async () => {
      try {
        const epoch = await catalog.update((state) => raiseEpoch(state, obeyedEpoch));
        log.warn(
          { node: nodeId, obeyedEpoch, epoch },
          'a datanode has obeyed a master that this catalog does not know: the catalog is an older copy. A higher epoch was taken; versions loaded since the copy was made are lost',
        );
        this.#failure = '';
        onRaised();
      } catch (thrown) {
        // The node's next heartbeat retries.
        this.#logFailure(thrown);
      } finally {
        this.#isRaising = false;
      }
    });
  }

  #replaced(nodeId: string, epoch: number): void {
    if (this.#isReplaced) return;
    this.#isReplaced = true;
    this.#options.onReplaced(
      new SteleError(
        'STALE_EPOCH',
        `Another master of this cluster was started after this one and has taken it over (datanode ${nodeId} obeys its epoch ${epoch}), so this one ends; run one master, on one data folder.`,
      ),
    );
  }
}
