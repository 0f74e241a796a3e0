// Simulated time: events in the order of their time, and of their making where times are equal.
//
// What a process has planned dies with it (its `life` is another one afterwards) and waits while it
// is paused. Nothing here knows the real clock, so a run is a function of its seed.

import type { SimNetworkCall } from './network.ts';

/** Something that can be killed, started again, and stopped for a while. */
export class SimProcess {
  readonly id: string;
  life = 0;
  alive = false;
  paused = false;
  /** While it is dead: whether its host refuses connections, or says nothing. */
  refuses = false;
  /** Calls to this process that are in progress. */
  readonly calls = new Set<SimNetworkCall>();
  /** Called when the process dies in a way that its peers notice at once. */
  readonly lostListeners = new Set<() => void>();
  /** What would have happened while it was paused. */
  readonly backlog: { readonly timers: Planned[]; readonly messages: Planned[] } = {
    timers: [],
    messages: [],
  };

  constructor(id: string) {
    this.id = id;
  }

  /** A new run of the process begins. */
  protected beginLife(): void {
    this.life++;
    this.alive = true;
    this.#forgetBacklog();
  }

  protected endLife(refuses: boolean): void {
    this.alive = false;
    this.refuses = refuses;
    this.#forgetBacklog();
  }

  #forgetBacklog(): void {
    this.paused = false;
    this.backlog.timers.length = 0;
    this.backlog.messages.length = 0;
  }
}

interface Planned {
  atMs: number;
  order: number;
  readonly run: () => void;
  /** The process whose doing it is; undefined: the world's. */
  readonly process: SimProcess | undefined;
  readonly life: number;
  readonly kind: 'timer' | 'message';
  isCancelled: boolean;
}

export class SimClock {
  nowMs = 0;
  events = 0;
  readonly #heap: Planned[] = [];
  #order = 0;

  /** Runs `action` in `delayMs`; with a process, only if that is still in the same life. */
  after(
    delayMs: number,
    process: SimProcess | undefined,
    action: () => void,
    kind: 'timer' | 'message' = 'timer',
  ): () => void {
    const planned: Planned = {
      atMs: this.nowMs + Math.max(0, delayMs),
      order: this.#order++,
      run: action,
      process,
      life: process?.life ?? 0,
      kind,
      isCancelled: false,
    };
    this.#push(planned);
    return () => {
      planned.isCancelled = true;
    };
  }

  /** Runs the next event; false when there is none before `endMs`. */
  step(endMs: number): boolean {
    for (;;) {
      const next = this.#heap[0];
      if (next === undefined || next.atMs > endMs) return false;
      this.#pop();
      if (next.isCancelled || isOfAnotherLife(next)) continue;
      if (next.process?.paused === true) {
        const { messages, timers } = next.process.backlog;
        (next.kind === 'timer' ? timers : messages).push(next);
        continue;
      }
      this.nowMs = Math.max(this.nowMs, next.atMs);
      this.events++;
      next.run();
      return true;
    }
  }

  /**
   * Lets a paused process go on: timers that are due fire before messages are read, as in an event
   * loop.
   */
  unpause(process: SimProcess): void {
    process.paused = false;
    const { messages, timers } = process.backlog;
    for (const planned of [...timers.splice(0), ...messages.splice(0)]) {
      planned.atMs = this.nowMs;
      planned.order = this.#order++;
      this.#push(planned);
    }
  }

  #push(planned: Planned): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(planned);
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if (!isBefore(planned, heap[parent]!)) break;
      heap[at] = heap[parent]!;
      at = parent;
    }
    heap[at] = planned;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop()!;
    if (heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child++;
      if (!isBefore(heap[child]!, last)) break;
      heap[at] = heap[child]!;
      at = child;
    }
    heap[at] = last;
  }
}

function isOfAnotherLife({ life, process }: Planned): boolean {
  return process !== undefined && (process.life !== life || !process.alive);
}

function isBefore(one: Planned, other: Planned): boolean {
  return one.atMs !== other.atMs ? one.atMs < other.atMs : one.order < other.order;
}
