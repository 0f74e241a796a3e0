// SLOWLOG: the latest commands that took long, of all clients of a listener. A ring in memory.

/** An entry, with the fields of Redis. */
export interface SlowCommand {
  readonly id: number;
  /** When it ended, in seconds of Unix time. */
  readonly unixSeconds: number;
  readonly microseconds: number;
  /** Shortened (shown-arguments.ts). */
  readonly shown: readonly Buffer[];
  /** `host:port`. */
  readonly client: string;
  readonly clientName: string;
}

export class SlowLog {
  #entriesMax: number;
  /** The oldest first. */
  readonly #entries: SlowCommand[] = [];
  #nextId = 0;

  constructor(entriesMax: number) {
    this.#entriesMax = entriesMax;
  }

  get length(): number {
    return this.#entries.length;
  }

  get entriesMax(): number {
    return this.#entriesMax;
  }

  /** Removes the oldest entries if there are more. */
  set entriesMax(entriesMax: number) {
    this.#entriesMax = entriesMax;
    this.#trim();
  }

  add(entry: Omit<SlowCommand, 'id'>): void {
    this.#entries.push({ id: this.#nextId++, ...entry });
    this.#trim();
  }

  /** The latest `count` entries, the newest first; -1: all. */
  latest(count: number): SlowCommand[] {
    const wanted = count < 0 ? this.length : Math.min(count, this.length);
    return this.#entries.slice(this.length - wanted).reverse();
  }

  reset(): void {
    this.#entries.length = 0;
  }

  #trim(): void {
    if (this.length > this.#entriesMax) this.#entries.splice(0, this.length - this.#entriesMax);
  }
}
