// Values that were read lately, bounded by bytes.
//
// The key is (keyspace uid, version, key), and a version never changes, so an entry is never stale
// and nothing is ever invalidated: versions that nobody reads any more fade out. Misses are not
// cached. Small values are kept as latin1 strings: one heap object without a pointer in it, where
// a Buffer of its own would cost some 200 bytes more and the garbage collector's attention.

import { LRUCache } from 'lru-cache';

/** Estimated bytes of an entry besides key and value: map slot, list slots, two string headers. */
const ENTRY_OVERHEAD_BYTES = 160;
const STRING_VALUE_BYTES_MAX = 1024;
/** One value takes at most this share of the cache. */
const ENTRY_SHARE_MAX = 1 / 16;

export interface CachedValue {
  readonly data: string | Buffer;
  /** The datanode that the value came from. */
  readonly nodeId: string;
}

export class ValueCache {
  readonly #entries: LRUCache<string, CachedValue> | undefined;
  hits = 0;
  misses = 0;

  /** `maxBytes` 0 switches the cache off. */
  constructor(maxBytes: number) {
    this.#entries = maxBytes > 0 ? newEntries(maxBytes) : undefined;
  }

  get enabled(): boolean {
    return this.#entries !== undefined;
  }

  get byteLength(): number {
    return this.#entries?.calculatedSize ?? 0;
  }

  get entryCount(): number {
    return this.#entries?.size ?? 0;
  }

  get(key: string): CachedValue | undefined {
    const entry = this.#entries?.get(key);
    if (entry === undefined) this.misses++;
    else this.hits++;
    return entry;
  }

  /** Keeps a copy of bytes[start, end). */
  put(key: string, bytes: Buffer, start: number, end: number, nodeId: string): void {
    if (this.#entries === undefined) return;
    if (ENTRY_OVERHEAD_BYTES + key.length + end - start > this.#entries.maxEntrySize) return;
    this.#entries.set(key, { data: copyOf(bytes, start, end), nodeId });
  }
}

/** The cached bytes, as a Buffer that is the caller's to keep but not to change. */
export function bytesOfCached(entry: CachedValue): Buffer {
  return typeof entry.data === 'string' ? Buffer.from(entry.data, 'latin1') : entry.data;
}

/** `prefix` stands for keyspace and version (see router.ts); key bytes map one to one to latin1. */
export function cacheKeyOf(prefix: string, key: Uint8Array): string {
  const bytes = Buffer.isBuffer(key) ? key : viewOf(key);
  return prefix + bytes.toString('latin1');
}

function newEntries(maxBytes: number): LRUCache<string, CachedValue> {
  return new LRUCache<string, CachedValue>({
    maxSize: maxBytes,
    maxEntrySize: Math.max(1, Math.floor(maxBytes * ENTRY_SHARE_MAX)),
    sizeCalculation: (entry, key) => ENTRY_OVERHEAD_BYTES + key.length + entry.data.length,
  });
}

function copyOf(bytes: Buffer, start: number, end: number): string | Buffer {
  if (end - start <= STRING_VALUE_BYTES_MAX) return bytes.toString('latin1', start, end);
  // Not from the shared pool: a slice of it would keep 8 KiB alive.
  const copy = Buffer.allocUnsafeSlow(end - start);
  bytes.copy(copy, 0, start, end);
  return copy;
}

/** The same bytes as a Buffer, without a copy. */
function viewOf(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
