// Removes data from the nodes, and records from the catalog afterwards, as core/plans/cleanup.ts
// plans.
//
// Invariants: the records of a version or a keyspace are removed last, when no relevant node has
// any of the data they describe; one such task runs at a time.

import type { KeyspaceUid } from '../../base/ids.ts';
import { forgetKeyspace } from '../catalog/keyspace-transitions.ts';
import { forgetVersions } from '../catalog/version-transitions.ts';
import type { ControlOrders } from '../core/control.ts';
import type { Leaving } from '../core/world/world.ts';
import type { ControlParts } from './control-loop.ts';
import type { Orders } from './orders.ts';

/** Versions that are removed in one transaction. */
const FORGET_AT_A_TIME = 200;

type CleaningOrders = Pick<ControlOrders, 'drops' | 'forget' | 'unknownSegments'>;

export class Cleaning {
  readonly #parts: ControlParts;
  readonly #orders: Orders;
  #forgetting = false;
  #unknownSegments = 0;

  constructor(parts: ControlParts, orders: Orders) {
    this.#parts = parts;
    this.#orders = orders;
  }

  carryOut({ drops, forget, unknownSegments }: CleaningOrders): void {
    this.#orders.drop(drops);
    this.#warnOfUnknown(unknownSegments);
    const { versions, keyspaces } = forget;
    if (this.#forgetting || versions.length + keyspaces.length === 0) return;
    this.#forgetting = true;
    this.#parts.background.run('forget', () => this.#forget(versions, keyspaces));
  }

  async #forget(versions: readonly Leaving[], keyspaces: readonly KeyspaceUid[]): Promise<void> {
    const { control } = this.#parts;
    try {
      for (let at = 0; at < versions.length; at += FORGET_AT_A_TIME) {
        const some = versions.slice(at, at + FORGET_AT_A_TIME);
        await control.catalog.update((state) => forgetVersions(state, some));
      }
      for (const uid of keyspaces) {
        await control.catalog.update((state) => forgetKeyspace(state, uid));
      }
    } finally {
      this.#forgetting = false;
    }
    control.turn();
  }

  #warnOfUnknown(segments: number): void {
    if (segments === this.#unknownSegments) return;
    this.#unknownSegments = segments;
    if (segments === 0) return;
    this.#parts.log.warn(
      { segments },
      'datanodes hold segments of keyspaces that this cluster does not know; they are left alone',
    );
  }
}
