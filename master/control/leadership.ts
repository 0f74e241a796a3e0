// Whether datanodes obey this start of the master, and what follows where they obey another one.
//
//     a node says epoch 9 or, in our epoch, another term
//       this run of the node has never obeyed us    our catalog is from before that master's start (a copy
//                                                   that was put back, a backup that was restored twice):
//                                                   a higher epoch is taken, durably, and numbers go on
//                                                   after a gap (catalog/cluster-transitions.ts)
//       it has obeyed us before                     a later start has taken the cluster over: this one ends
//
// So of two masters on copies of one folder the one that was started last goes on, and never both.
//
// A start counts from the moment at which its epoch is durable. Until then (the disk is full, or hangs) this master
// is nobody's leader: it takes the place of the start before, whose epoch and term its catalog has, asks datanodes
// what they hold in that name and gives them manifests, which never change, and answers reads. That is right for a
// datanode that has obeyed no other start than that one: what the catalog says is then the last that the cluster was
// told. One that has obeyed a later start may be led by a master that lives, with versions that this catalog lacks;
// it counts as silent until a higher epoch is durable. A catalog of an earlier release does not say which
// start it was: with such a one all of them do. Copies, drops, views for datanodes and all changes of the catalog wait.

import type { BackgroundTasks } from '../../base/background.ts';
import { sleep } from '../../base/clock.ts';
import { SteleError, toSteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import type { HeartbeatResponse } from '../../proto/gen/stele/v1/datanode.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { raiseEpoch } from '../catalog/cluster-transitions.ts';
import { epochOf, termOf } from '../catalog/queries.ts';

/** Pause between two tries to make the epoch durable. */
const BEGIN_AGAIN_MS = 2_000;

export interface LeadershipOptions {
  readonly catalog: Catalog;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  /** A higher epoch has been taken, or the epoch of this start is durable. */
  readonly onRaised: () => void;
  /** Called once: another master has taken the cluster over, and this one must end. */
  readonly onReplaced: (why: SteleError) => void;
}

export class Leadership {
  readonly #options: LeadershipOptions;
  /** By node: the incarnation that has obeyed this start. */
  readonly #obeyedBy = new Map<string, string>();
  #isRaising = false;
  #isReplaced = false;
  /** Why the last try to take an epoch failed; empty: it did not. */
  #failure = '';

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** Whether this start leads: its epoch is durable. */
  get isBegun(): boolean {
    return this.#options.catalog.isBegun;
  }

  /** In whose name datanodes are asked. */
  get header(): { readonly epoch: number; readonly term: string } {
    const { state } = this.#options.catalog;
    return { epoch: epochOf(state), term: termOf(state) };
  }

  /** Tries again and again until the epoch of this start is durable. */
  start(stop: AbortSignal): void {
    if (this.isBegun) return;
    const { background, catalog, log, onRaised } = this.#options;
    background.run('begin-epoch', async () => {
      while (!this.isBegun && !stop.aborted) {
        await sleep(BEGIN_AGAIN_MS, stop);
        if (!stop.aborted) await catalog.beginAgain().catch((thrown) => this.#tellFailure(thrown));
      }
      if (!this.isBegun) return;
      log.info({ epoch: this.header.epoch }, 'the epoch of this start is saved: changes are taken');
      onRaised();
    });
  }

  /** Once for each reason: it comes again with each try. */
  #tellFailure(thrown: unknown): void {
    const { code, message } = toSteleError(thrown);
    if (message !== this.#failure) this.#options.log.error({ code }, message);
    this.#failure = message;
  }

  /** Throws STALE_EPOCH where the node obeys another start than this one. */
  check(nodeId: string, { epoch, incarnation, term = '' }: HeartbeatResponse): void {
    const { epoch: own, term: ownTerm } = this.header;
    // A node of an earlier release says nothing of it, and refuses by itself.
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

  #raise(nodeId: string, told: number): void {
    // An epoch above the one told would be no more durable than that of this start.
    if (this.#isRaising || this.#isReplaced || !this.isBegun) return;
    this.#isRaising = true;
    const { background, catalog, log, onRaised } = this.#options;
    background.run('raise-epoch', async () => {
      try {
        const epoch = await catalog.update((state) => raiseEpoch(state, told));
        log.warn(
          { node: nodeId, told, epoch },
          'a datanode has obeyed a master that this catalog knows nothing of: the catalog is an older copy. A higher epoch was taken; versions loaded since the copy was made are lost',
        );
        this.#failure = '';
        onRaised();
      } catch (thrown) {
        // Tried again with the node's next heartbeat.
        this.#tellFailure(thrown);
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
