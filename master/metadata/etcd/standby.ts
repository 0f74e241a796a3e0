// What a follower keeps of the catalog so that it leads as soon as it is elected: the large values
// (large-values.ts), which take most of the time of a take-over. It lists the entries and watches
// them. Nothing rests on that: a leader lists them itself, and reads what is not here.
//
//   list ──> watch ──> read what the entries name, forget what they no longer name ──┐
//    ▲         │  ▲                                                                  │
//    └─────────┘  └───────────────────── a large value has changed ──────────────────┘
//      compacted, or etcd away
//
// Invariant: it holds the values of the entries as last seen, and those being read; no others.

import { unwatchAbort, watchAbort } from '../../../base/abort.ts';
import { sleep } from '../../../base/clock.ts';
import type { Time } from '../../../base/clock.ts';
import { toSteleError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { EtcdApi, EtcdEntry, EtcdEvent } from './api.ts';
import { isLarge } from './large-values.ts';
import type { LargeValues, StoredEntry } from './large-values.ts';
import { endOf } from './layout.ts';
import type { EtcdLayout } from './layout.ts';

/** Pause before the entries are listed again. */
const AGAIN_MS = 1_000;

export interface StandbyOptions {
  readonly api: EtcdApi;
  readonly layout: EtcdLayout;
  readonly values: LargeValues;
  readonly env: Time;
  readonly log: Logger;
}

export class Standby {
  readonly #options: StandbyOptions;
  #stop: AbortController | undefined;
  #running: Promise<void> = Promise.resolve();

  constructor(options: StandbyOptions) {
    this.#options = options;
  }

  /** Keeps the values from now on. Does nothing if it does so already. */
  start(): void {
    if (this.#stop !== undefined) return;
    const stop = new AbortController();
    this.#stop = stop;
    this.#running = this.#running.then(() => this.#run(stop.signal));
  }

  /** Ends it. What was read stays, and what is being read is added. */
  stop(): void {
    this.#stop?.abort();
    this.#stop = undefined;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { env, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#follow(signal);
      } catch (thrown) {
        const { code, message } = toSteleError(thrown);
        log.debug({ code }, `the catalog is listed again: ${message}`);
      }
      await sleep(AGAIN_MS, signal, env);
    }
  }

  /**
   * Lists and watches until the watch ends. Throws if a value cannot be read: it may have been
   * replaced.
   */
  async #follow(signal: AbortSignal): Promise<void> {
    const { api, layout, values } = this.#options;
    const { entries, revision } = await api.range(layout.catalog, endOf(layout.catalog));
    const large = new Map<string, StoredEntry>();
    for (const entry of entries) this.#note(large, entry);
    const changes = new Changes();
    const watch = api.watch(layout.catalog, endOf(layout.catalog), revision + 1, {
      onEvents: (events) => {
        if (this.#noteAll(large, events)) changes.note();
      },
      onEnd: () => changes.end(),
    });
    const wake = (): void => changes.end();
    watchAbort(signal, wake);
    try {
      do {
        await values.fetch([...large.values()], signal);
        // From then on they are the leader's.
        if (signal.aborted) return;
        values.retain(large.values());
      } while (await changes.next());
    } finally {
      unwatchAbort(signal, wake);
      watch.close();
    }
  }

  /** Returns whether a large value has changed. */
  #noteAll(large: Map<string, StoredEntry>, events: readonly EtcdEvent[]): boolean {
    const { catalog } = this.#options.layout;
    let isChanged = false;
    for (const event of events) {
      const key = event.kind === 'put' ? event.entry.key : event.key;
      isChanged = large.delete(key.slice(catalog.length)) || isChanged;
      if (event.kind === 'put') isChanged = this.#note(large, event.entry) || isChanged;
    }
    return isChanged;
  }

  #note(large: Map<string, StoredEntry>, { key: full, modRevision, value }: EtcdEntry): boolean {
    const text = value.toString();
    if (!isLarge(text)) return false;
    const key = full.slice(this.#options.layout.catalog.length);
    large.set(key, { key, text, revision: modRevision });
    return true;
  }
}

/** Changes that wait to be looked at, as one. */
class Changes {
  #has = false;
  #isOver = false;
  #wake: () => void = () => undefined;

  note(): void {
    this.#has = true;
    this.#wake();
  }

  end(): void {
    this.#isOver = true;
    this.#wake();
  }

  /** Resolves to true when there are some, and to false at the end. */
  async next(): Promise<boolean> {
    while (!this.#has && !this.#isOver) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    this.#has = false;
    return !this.#isOver;
  }
}
