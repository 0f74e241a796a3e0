// Where segments go at present: the owners of each shard, as the master last said. Whoever waits for
// a change (a shard short of replicas) is woken by the next answer of the master.

import type { LoadTargets } from '../../proto/gen/stele/v1/load.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import { isThisMachine } from './this-machine.ts';

export class Targets {
  #nodes: readonly NodeView[] = [];
  #owners: readonly (readonly number[])[] = [];
  #isReadHere = false;
  #waiting: (() => void)[] = [];

  constructor(initial: LoadTargets | undefined) {
    this.update(initial);
  }

  /** Takes the master's latest answer; wakes those who wait, even if nothing has changed. */
  update(targets: LoadTargets | undefined): void {
    if (targets !== undefined) {
      this.#nodes = targets.nodes;
      this.#owners = targets.owners.map((route) => route.nodes);
      const read = targets.readNodes.map((index) => targets.nodes[index]?.address?.host ?? '');
      this.#isReadHere = read.some(isThisMachine);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Whether a datanode on this very machine is being read. */
  get isReadHere(): boolean {
    return this.#isReadHere;
  }

  /** Those of them that own a shard. */
  get owners(): NodeView[] {
    const indexes = new Set(this.#owners.flat());
    return this.#nodes.filter((_, index) => indexes.has(index));
  }

  /** Datanodes that can take data now. */
  get nodeCount(): number {
    return this.#nodes.length;
  }

  /** The owners of a shard that can take data now, best first. */
  ownersOf(shard: number): NodeView[] {
    const owners: NodeView[] = [];
    for (const index of this.#owners[shard] ?? []) {
      const node = this.#nodes[index];
      if (node !== undefined) owners.push(node);
    }
    return owners;
  }

  /** Resolves at the master's next answer, or after `timeoutMs`, or when `signal` aborts. */
  async nextAnswer(timeoutMs: number, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, timeoutMs);
      signal.addEventListener('abort', done, { once: true });
      this.#waiting.push(done);
    });
  }
}
