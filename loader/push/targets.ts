// Where segments go: the owners of each shard, as the master reported them last. A shard that is
// short of replicas waits here for the next answer of the master.

import { hostname, networkInterfaces } from 'node:os';
import type { LoadTargets } from '../../proto/gen/stele/v1/load.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';

export class Targets {
  #nodes: readonly NodeView[] = [];
  #owners: readonly (readonly number[])[] = [];
  #servesReadsLocally = false;
  #waiting: (() => void)[] = [];

  constructor(initial: LoadTargets | undefined) {
    this.update(initial);
  }

  /** Stores the master's latest answer and wakes all waiters, even if nothing has changed. */
  update(targets: LoadTargets | undefined): void {
    if (targets !== undefined) {
      this.#nodes = targets.nodes;
      this.#owners = targets.owners.map((route) => route.nodes);
      const read = targets.readNodes.map((index) => targets.nodes[index]?.address?.host ?? '');
      this.#servesReadsLocally = read.some(isThisMachine);
    }
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  /** Whether clients read from a datanode on this machine. */
  get servesReadsLocally(): boolean {
    return this.#servesReadsLocally;
  }

  /** The datanodes that own at least one shard. */
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

/**
 * Whether `host`, a name or an address, is this machine. False for names that only a resolver
 * knows.
 */
function isThisMachine(host: string): boolean {
  if (host === 'localhost' || host === hostname()) return true;
  const addresses = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return addresses.some(({ address }) => address === host);
}
