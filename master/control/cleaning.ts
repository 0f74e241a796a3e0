// What goes from the nodes, and from the catalog after it: carries out what core/cleanup.ts plans.
//
// Invariants: the records of a version or a keyspace go last, when no node that is waited for has anything of
// what they describe; one such task at a time.

import type { BackgroundTasks } from '../../base/background.ts';
import type { Logger } from '../../base/log.ts';
import type { Catalog } from '../catalog/catalog.ts';
import { forgetKeyspace } from '../catalog/keyspace-transitions.ts';
import { forgetVersions } from '../catalog/version-transitions.ts';
import type { DropPlan } from '../core/cleanup.ts';
import type { ControlOrders } from '../core/control.ts';
import type { Leaving } from '../core/world.ts';

/** Versions that are forgotten in one transaction. */
const FORGET_AT_A_TIME = 200;

type CleaningOrders = Pick<ControlOrders, 'drops' | 'forget' | 'unknownSegments'>;

export interface CleaningSide {
  readonly catalog: Catalog;
  drop(plans: readonly DropPlan[]): void;
  /** Records have gone. */
  onForgotten(): void;
}

export class Cleaning {
  readonly #side: CleaningSide;
  readonly #background: BackgroundTasks;
  readonly #log: Logger;
  #forgetting = false;
  #unknownSegments = 0;

  constructor(side: CleaningSide, background: BackgroundTasks, log: Logger) {
    this.#side = side;
    this.#background = background;
    this.#log = log;
  }

  carryOut({ drops, forget, unknownSegments }: CleaningOrders): void {
    this.#side.drop(drops);
    this.#warnOfUnknown(unknownSegments);
    const { versions, keyspaces } = forget;
    if (this.#forgetting || versions.length + keyspaces.length === 0) return;
    this.#forgetting = true;
    this.#background.run('forget', () => this.#forget(versions, keyspaces));
  }

  async #forget(versions: readonly Leaving[], keyspaces: readonly string[]): Promise<void> {
    const { catalog } = this.#side;
    try {
      for (let at = 0; at < versions.length; at += FORGET_AT_A_TIME) {
        const some = versions.slice(at, at + FORGET_AT_A_TIME);
        await catalog.update((state) => forgetVersions(state, some));
      }
      for (const uid of keyspaces) {
        await catalog.update((state) => forgetKeyspace(state, uid));
      }
    } finally {
      this.#forgetting = false;
    }
    this.#side.onForgotten();
  }

  #warnOfUnknown(segments: number): void {
    if (segments === this.#unknownSegments) return;
    this.#unknownSegments = segments;
    if (segments === 0) return;
    this.#log.warn(
      { segments },
      'datanodes hold segments of keyspaces that this cluster does not know; they are left alone',
    );
  }
}
