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

import type { BackgroundTasks } from '../base/background.ts';
import { SteleError } from '../base/errors.ts';
import type { Logger } from '../base/log.ts';
import type { HeartbeatResponse } from '../proto/gen/stele/v1/datanode.ts';
import type { Catalog } from './catalog/catalog.ts';
import { raiseEpoch } from './catalog/cluster-transitions.ts';
import { epochOf } from './catalog/queries.ts';

export interface LeadershipOptions {
  readonly catalog: Catalog;
  /** Names this start. */
  readonly term: string;
  readonly background: BackgroundTasks;
  readonly log: Logger;
  /** A higher epoch has been taken. */
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

  constructor(options: LeadershipOptions) {
    this.#options = options;
  }

  /** Throws STALE_EPOCH where the node obeys another start than this one. */
  check(nodeId: string, { epoch, incarnation, term = '' }: HeartbeatResponse): void {
    const own = epochOf(this.#options.catalog.state);
    // A node of an earlier release says nothing of it, and refuses by itself.
    const isOurs = term === '' || term === this.#options.term;
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
    if (this.#isRaising || this.#isReplaced) return;
    this.#isRaising = true;
    const { background, catalog, log, onRaised } = this.#options;
    background.run('raise-epoch', async () => {
      try {
        const epoch = await catalog.update((state) => raiseEpoch(state, told));
        log.warn(
          { node: nodeId, told, epoch },
          'a datanode has obeyed a master that this catalog knows nothing of: the catalog is an older copy. A higher epoch was taken; versions loaded since the copy was made are lost',
        );
        onRaised();
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
