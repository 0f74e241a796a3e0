// The keyspaces' loops (core/keyspace-loop.ts) between turns, and their notes in the catalog.
//
// Invariants: it writes observed records and nothing else, one write at a time; what was not written
// is written after the next turn.

import type { BackgroundTasks } from '../base/background.ts';
import { wallClockIsoIn } from '../base/clock.ts';
import type { Catalog } from './catalog/catalog.ts';
import { noteObserved } from './catalog/keyspace-transitions.ts';
import type { KeyspaceRecord, ObservedRecord } from './catalog/records.ts';
import { beginLoop, isNoted, observedOf, resumingOf, stepLoops } from './core/keyspace-loop.ts';
import type { KeyspaceLoops } from './core/keyspace-loop.ts';
import { failingCopies } from './core/repair.ts';
import type { InFlight } from './core/repair.ts';
import type { World } from './core/world.ts';

export class KeyspaceObserver {
  readonly #catalog: Catalog;
  readonly #background: BackgroundTasks;
  #loops: KeyspaceLoops = new Map();
  #writing = false;

  constructor(catalog: Catalog, background: BackgroundTasks) {
    this.#catalog = catalog;
    this.#background = background;
  }

  /** Uids of keyspaces that are on their way back from suspended. */
  resuming(keyspaces: readonly KeyspaceRecord[]): ReadonlySet<string> {
    return resumingOf(keyspaces, this.#loops);
  }

  /** `retries`: uids whose work is to be tried again now; `woken`: some are served again. */
  step(
    world: World,
    keyspaces: readonly KeyspaceRecord[],
    inFlight: InFlight,
  ): { readonly retries: readonly string[]; readonly woken: boolean } {
    const { observed } = this.#catalog.state;
    const before = this.resuming(keyspaces);
    const facts = { keyspaces, failingCopies: failingCopies(inFlight) };
    const { loops, retries } = stepLoops(world, this.#loops, facts, (keyspace) =>
      beginLoop(keyspace, observed.get(keyspace.uid), world.nowMs),
    );
    this.#loops = loops;
    this.#note(world.nowMs);
    return { retries, woken: this.resuming(keyspaces).size < before.size };
  }

  observed(uid: string, nowMs: number): ObservedRecord | undefined {
    const loop = this.#loops.get(uid);
    return loop && observedOf(uid, loop, nowMs, wallClockIsoIn);
  }

  #note(nowMs: number): void {
    if (this.#writing) return;
    const { observed } = this.#catalog.state;
    const found = [...this.#loops].flatMap(([uid, loop]) =>
      isNoted(observed.get(uid), loop) ? [] : (this.observed(uid, nowMs) ?? []),
    );
    if (found.length === 0) return;
    this.#writing = true;
    this.#background.run('note keyspaces', async () => {
      try {
        await this.#catalog.update((state) => noteObserved(state, found));
      } finally {
        this.#writing = false;
      }
    });
  }
}
