// Values that were read lately, bounded by bytes.
//
// The key is (keyspace uid, version, key), and a version never changes, so an entry is never stale
// and nothing is ever invalidated: versions that nobody reads any more fade out. Misses are not
// cached. Once the cache is well filled a value must be asked for twice (admission.ts). Small values are kept as latin1 strings: one heap object without a pointer in it, where
// a Buffer of its own would cost some 200 bytes more and the garbage collector's attention.

import { LRUCache } from 'lru-cache';
import { Admission } from './admission.ts';

/** Estimated bytes of an entry besides key and value: map slot, list slots, two string headers. */
const ENTRY_OVERHEAD_BYTES = 160;
const STRING_VALUE_BYTES_MAX = 1024;
/** What an entry is expected to take, for the size of the admission filter. */
const ENTRY_EXPECTED_BYTES = 256;
/** Below this share of its bytes the cache takes every value. */
const ADMIT_ALL_SHARE = 1 / 4;
/** One value takes at most this share of the cache. */
const ENTRY_SHARE_MAX = 1 / 16;

export interface CachedValue {
  readonly data: string | Buffer;
  /** The datanode that the value came from. */
  readonly nodeId: string;
}

export class ValueCache {
  readonly #entries: LRUCache<string, CachedValue> | undefined;
  readonly #admission: Admission;
  readonly #admitAllBytes: number;
  hits = 0;
  misses = 0;

  /** `maxBytes` 0 switches the cache off. */
  constructor(maxBytes: number) {
    this.#entries = maxBytes > 0 ? newEntries(maxBytes) : undefined;
    this.#admission = new Admission(maxBytes / ENTRY_EXPECTED_BYTES);
    this.#admitAllBytes = maxBytes * ADMIT_ALL_SHARE;
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

  /** Keeps a copy of bytes[start, end), if it is worth it. */
  put(key: string, bytes: Buffer, start: number, end: number, nodeId: string): void {
    const entries = this.#entries;
    if (entries === undefined) return;
    if (ENTRY_OVERHEAD_BYTES + key.length + end - start > entries.maxEntrySize) return;
    const isFilling = entries.calculatedSize < this.#admitAllBytes;
    if (!isFilling && !this.#admission.wasSeen(key)) return;
    entries.set(key, { data: copyOf(bytes, start, end), nodeId });
  }
}

/** The cached bytes, as a Buffer that is the caller's to keep but not to change. */
export function bytesOfCached(entry: CachedValue): Buffer {
  return typeof entry.data === 'string' ? Buffer.from(entry.data, 'latin1') : entry.data;
}

/**
 * The cache key of bytes[start, end). `prefix` stands for keyspace and version (see router.ts); key
 * bytes map one to one to latin1.
 */
export function cacheKeyOf(
  prefix: string,
  bytes: Uint8Array,
  start = 0,
  end = bytes.length,
): string {
  const buffer = Buffer.isBuffer(bytes) ? bytes : viewOf(bytes);
  return prefix + buffer.toString('latin1', start, end);
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
