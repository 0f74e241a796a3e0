// The large values of the catalog, read from their pieces and parsed, by their text as it is
// stored. That text names the pieces by the hashes of their content, so what is here is right for
// it whatever has happened to etcd since: a follower reads ahead (standby.ts), and a leader reads
// the rest.
//
// Invariant: a value is here only if every piece had the content that its name says.

import assert from 'node:assert/strict';
import { Turns } from '../../../base/clock.ts';
import type { Entry } from '../port.ts';
import type { EtcdApi } from './api.ts';
import { loadValue, piecesOf } from './layout.ts';
import type { EtcdLayout } from './layout.ts';

/** Of at most 256 KiB each; an answer of etcd must have room for them. */
const PIECES_A_CALL = 12;
/** While one batch is parsed, others are on their way. */
const BATCHES_PARALLEL = 3;

/** An entry of the catalog as etcd has it. */
export interface StoredEntry {
  readonly key: string;
  readonly text: string;
  readonly revision: number;
}

export class LargeValues {
  readonly #api: EtcdApi;
  readonly #layout: EtcdLayout;
  readonly #parsed = new Map<string, unknown>();

  constructor(api: EtcdApi, layout: EtcdLayout) {
    this.#api = api;
    this.#layout = layout;
  }

  get size(): number {
    return this.#parsed.size;
  }

  /**
   * The entries with their values; what is not here is read. Throws UNAVAILABLE, and CORRUPT if a
   * piece is missing or damaged.
   */
  async entriesOf(stored: readonly StoredEntry[]): Promise<Entry[]> {
    await this.fetch(stored);
    assert(stored.every(({ text }) => !isLarge(text) || this.#parsed.has(text)));
    return stored.map(({ key, text, revision }) =>
      isLarge(text)
        ? new ParsedEntry(key, revision, this.#parsed.get(text))
        : {
            key,
            revision,
            value: loadValue(`${this.#layout.catalog}${key}`, text, () => undefined),
          },
    );
  }

  /** Reads the large ones of the values that are not here. Throws as `entriesOf`. */
  async fetch(stored: readonly StoredEntry[], signal?: AbortSignal): Promise<void> {
    const missing = stored.filter(({ text }) => isLarge(text) && !this.#parsed.has(text)).values();
    const turns = new Turns();
    const work = async (): Promise<void> => {
      for (;;) {
        const batch = nextBatch(missing);
        if (batch.length === 0 || signal?.aborted === true) return;
        const hashes = batch.flatMap(({ text }) => piecesOf(text));
        const pieces = await readPieces(this.#api, this.#layout, hashes);
        for (const { key, text } of batch) {
          const full = `${this.#layout.catalog}${key}`;
          const value = loadValue(full, text, (hash) => pieces.get(hash));
          this.#parsed.set(text, JSON.parse(value));
          await turns.after(value.length);
        }
      }
    };
    await Promise.all(Array.from({ length: BATCHES_PARALLEL }, work));
  }

  /** Forgets what none of `stored` has. */
  retain(stored: Iterable<StoredEntry>): void {
    const texts = new Set(Array.from(stored, ({ text }) => text));
    for (const text of this.#parsed.keys()) if (!texts.has(text)) this.#parsed.delete(text);
  }
}

/** Reads pieces, as many in a call as an answer may have. Those that are missing are left out. */
export async function readPieces(
  api: EtcdApi,
  { pieces }: EtcdLayout,
  hashes: readonly string[],
): Promise<ReadonlyMap<string, Buffer>> {
  const found = new Map<string, Buffer>();
  for (let at = 0; at < hashes.length; at += PIECES_A_CALL) {
    const part = hashes.slice(at, at + PIECES_A_CALL);
    const success = part.map((hash) => ({ kind: 'range', key: `${pieces}${hash}` }) as const);
    const { ranges } = await api.transaction({ compares: [], success });
    for (const { key, value } of ranges.flat()) found.set(key.slice(pieces.length), value);
  }
  return found;
}

/** An entry whose value is parsed already. */
class ParsedEntry implements Entry {
  readonly key: string;
  readonly revision: number;
  readonly parsed: unknown;

  constructor(key: string, revision: number, parsed: unknown) {
    this.key = key;
    this.revision = revision;
    this.parsed = parsed;
  }

  get value(): string {
    return JSON.stringify(this.parsed);
  }
}

export function isLarge(text: string): boolean {
  return text.startsWith('#');
}

/** Takes values from `left`, until they have as many pieces as a call may have. */
function nextBatch(left: IterableIterator<StoredEntry>): StoredEntry[] {
  const batch: StoredEntry[] = [];
  let count = 0;
  for (let next = left.next(); next.done !== true; next = left.next()) {
    batch.push(next.value);
    count += piecesOf(next.value.text).length;
    if (count >= PIECES_A_CALL) break;
  }
  return batch;
}
