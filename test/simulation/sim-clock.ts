// Simulated time: events in the order of their time, and of their making where times are equal.
//
// What a process has planned dies with it (its `life` is another one afterwards) and waits while it is
// paused. Nothing here knows the real clock, so a run is a function of its seed.

/** Something that can be killed, started again, and stopped for a while. */
export class SimProcess {
  readonly id: string;
  life = 0;
  alive = false;
  paused = false;
  /** What would have happened while it was paused. */
  readonly backlog: (() => void)[] = [];

  constructor(id: string) {
    this.id = id;
  }
}

interface Planned {
  readonly atMs: number;
  readonly order: number;
  readonly run: () => void;
}

export class SimClock {
  nowMs = 0;
  events = 0;
  readonly #heap: Planned[] = [];
  #order = 0;

  /** Runs `action` in `delayMs`; with a process, only if that is still in the same life. */
  after(delayMs: number, process: SimProcess | undefined, action: () => void): void {
    const life = process?.life;
    const run = (): void => {
      if (process !== undefined && (process.life !== life || !process.alive)) return;
      if (process?.paused === true) process.backlog.push(run);
      else action();
    };
    this.#push({ atMs: this.nowMs + Math.max(0, delayMs), order: this.#order++, run });
  }

  /** Runs the next event; false when there is none before `endMs`. */
  step(endMs: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.atMs > endMs) return false;
    this.#pop();
    this.nowMs = next.atMs;
    this.events++;
    next.run();
    return true;
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

function isBefore(one: Planned, other: Planned): boolean {
  return one.atMs !== other.atMs ? one.atMs < other.atMs : one.order < other.order;
}

/** Resumes a paused process: what waited happens now, in its order. */
export function unpause(process: SimProcess): void {
  process.paused = false;
  for (const run of process.backlog.splice(0)) run();
}
