// A bucket that all processes of a simulation reach: it answers late, refuses, and does what it was
// asked without saying so. What it has is whole and durable at once.

import { SteleError } from '../../../base/errors.ts';
import type {
  ObjectBody,
  ObjectStore,
  PutOptions,
  StoreCallOptions,
  StoredObject,
} from '../../../archive/object-store.ts';
import type { SimClock, SimProcess } from './clock.ts';
import { BEGIN_UNIX_MS } from './env.ts';
import { SimRandom } from './random.ts';

const URL = 's3://simulated';
const ANSWER_MS_MAX = 60;

interface Stored {
  readonly bytes: Buffer;
  readonly modifiedMs: number;
}

export class SimBucket {
  readonly objects = new Map<string, Stored>();
  /**
   * The part of the calls that fail: half of them before, half of them after they are carried out.
   */
  failure = 0;
  hangsUntilMs = 0;
  readonly clock: SimClock;
  readonly random: SimRandom;
  readonly #deleted: (name: string) => void;

  /**
   * `deleted` is called with each object that was there. Has chances of its own: other seeds stay
   * as they are.
   */
  constructor(clock: SimClock, seed: number, deleted: (name: string) => void) {
    this.clock = clock;
    this.random = new SimRandom(seed);
    this.#deleted = deleted;
  }

  delete(name: string): void {
    if (this.objects.delete(name)) this.#deleted(name);
  }
}

/** The bucket as one process sees it; what it has asked for dies with it. */
export class SimObjectStore implements ObjectStore {
  readonly url = URL;
  readonly #bucket: SimBucket;
  readonly #process: SimProcess;

  constructor(bucket: SimBucket, process: SimProcess) {
    this.#bucket = bucket;
    this.#process = process;
  }

  async put(name: string, body: ObjectBody, { ifAbsent = false }: PutOptions = {}): Promise<void> {
    const bytes = Buffer.from(await body.read(0, body.byteCount));
    const { clock, objects } = this.#bucket;
    await this.#call(() => {
      if (ifAbsent && objects.has(name)) throw new SteleError('CONFLICT', `${name} is there.`);
      objects.set(name, { bytes, modifiedMs: BEGIN_UNIX_MS + clock.nowMs });
    });
  }

  async read(name: string, into: Uint8Array, start: number): Promise<void> {
    const { bytes } = await this.#call(() => this.#require(name));
    if (start + into.length > bytes.length) throw new SteleError('CORRUPT', `${name} ends early.`);
    into.set(bytes.subarray(start, start + into.length));
  }

  async stat(name: string): Promise<StoredObject | undefined> {
    return this.#call(() => describe(name, this.#bucket.objects.get(name)));
  }

  async *list(prefix: string): AsyncIterable<StoredObject> {
    const { objects } = this.#bucket;
    const names = await this.#call(() => [...objects.keys()].sort());
    for (const name of names) {
      const found = name.startsWith(prefix) ? describe(name, objects.get(name)) : undefined;
      if (found !== undefined) yield found;
    }
  }

  async delete(names: readonly string[], { signal }: StoreCallOptions = {}): Promise<void> {
    await this.#call(() => {
      if (signal?.aborted === true) throw new SteleError('CANCELLED', 'It took too long.');
      for (const name of names) this.#bucket.delete(name);
    });
  }

  close(): void {
    // There is nothing open.
  }

  #require(name: string): Stored {
    const found = this.#bucket.objects.get(name);
    if (found === undefined) throw new SteleError('NOT_FOUND', `There is no ${name}.`);
    return found;
  }

  /** Carries out `work` after a while, and answers after another one. */
  async #call<Result>(work: () => Result): Promise<Result> {
    const { clock, failure, hangsUntilMs, random } = this.#bucket;
    await this.#wait(Math.max(random.int(1, ANSWER_MS_MAX), hangsUntilMs - clock.nowMs));
    const isRefused = random.chance(failure / 2);
    const isLost = random.chance(failure / 2);
    if (isRefused) throw unavailable();
    const result = work();
    await this.#wait(random.int(1, ANSWER_MS_MAX));
    if (isLost) throw unavailable();
    return result;
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.#bucket.clock.after(delayMs, this.#process, resolve));
  }
}

function describe(name: string, stored: Stored | undefined): StoredObject | undefined {
  return stored && { name, byteCount: stored.bytes.length, modifiedMs: stored.modifiedMs };
}

function unavailable(): SteleError {
  return new SteleError('UNAVAILABLE', 'The bucket did not answer.');
}
