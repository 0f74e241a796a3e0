// Recently read values, bounded in bytes.
//
// An entry belongs to (dataset, key). A dataset is one version of one keyspace and never changes,
// so an entry is never stale and nothing is invalidated: versions that are no longer read are
// evicted over time. Misses are not cached. Once the cache is well filled, a value must be
// requested twice (admission.ts).
//
//   small values     slabs (slab-cache.ts): no object for the garbage collector to follow
//   larger ones      lru-cache, each in its own Buffer
//
// Invariant: both together hold at most `maxBytes`. Each kind may use all of it while the other
// does not need it, and shrinks to no less than half.

import { LRUCache } from 'lru-cache';
import type { ValueStore } from '../../../routing/dispatcher.ts';
import { Admission } from './admission.ts';
import { SlabCache } from './slab-cache.ts';
import type { CachedValue } from './slab-cache.ts';

/** Estimated bytes of a large entry beside key and value: map slot, list slots, buffer. */
const ENTRY_OVERHEAD_BYTES = 300;
/** Expected size of an entry, used to size the admission filter. */
const ENTRY_EXPECTED_BYTES = 256;
/** Below this share of its bytes, the cache accepts every value. */
const ADMIT_ALL_SHARE = 1 / 4;
/** One value takes at most this share of the cache. */
const ENTRY_SHARE_MAX = 1 / 16;

interface LargeValue {
  readonly data: Buffer;
  readonly nodeId: string;
}

export class ValueCache implements ValueStore {
  readonly enabled: boolean;
  readonly #maxBytes: number;
  readonly #small: SlabCache;
  readonly #large: LRUCache<string, LargeValue>;
  readonly #found: CachedValue = { bytes: Buffer.alloc(0), start: 0, end: 0, nodeId: '' };
  readonly #admission: Admission;
  readonly #largeBytesMax: number;
  hits = 0;
  misses = 0;

  /** `maxBytes` 0 disables the cache. */
  constructor(maxBytes: number) {
    this.enabled = maxBytes > 0;
    this.#small = new SlabCache(maxBytes, () => this.#makeRoomForSlab());
    this.#maxBytes = Math.max(1, maxBytes - this.#small.indexBytes);
    this.#largeBytesMax = Math.max(1, Math.floor(this.#maxBytes * ENTRY_SHARE_MAX));
    this.#large = new LRUCache({ maxSize: this.#maxBytes, sizeCalculation: bytesOfLarge });
    this.#admission = new Admission(maxBytes / ENTRY_EXPECTED_BYTES);
  }

  get byteLength(): number {
    return this.#small.byteLength + this.#large.calculatedSize;
  }

  get entryCount(): number {
    return this.#small.entryCount + this.#large.size;
  }

  /** The value of key[start, end). Valid until the next call of any method. */
  get(dataset: number, key: Uint8Array, start: number, end: number): CachedValue | undefined {
    const hash = this.#small.hashOf(dataset, key, start, end);
    let found = this.#small.find(hash, dataset, key, start, end);
    if (found === undefined && this.#large.size > 0) {
      found = this.#findLarge(largeKeyOf(dataset, key, start, end));
    }
    if (found === undefined) this.misses++;
    else this.hits++;
    return found;
  }

  put(dataset: number, key: Uint8Array, value: Uint8Array, nodeId: string): void {
    const size = ENTRY_OVERHEAD_BYTES + key.length + value.length;
    if (!this.enabled || size > this.#largeBytesMax) return;
    const hash = this.#small.hashOf(dataset, key, 0, key.length);
    const isFilling = this.byteLength < this.#maxBytes * ADMIT_ALL_SHARE;
    if (!isFilling && !this.#admission.wasSeen(hash)) return;
    if (key.length + value.length <= this.#small.recordBytesMax) {
      this.#small.put(hash, dataset, key, value, nodeId);
    } else if (this.#makeRoomForLarge(size)) {
      // Not from the shared pool: a slice of it would keep 8 KiB alive.
      const data = Buffer.allocUnsafeSlow(value.length);
      data.set(value);
      this.#large.set(largeKeyOf(dataset, key, 0, key.length), { data, nodeId });
    }
  }

  #findLarge(key: string): CachedValue | undefined {
    const entry = this.#large.get(key);
    if (entry === undefined) return undefined;
    const found = this.#found;
    found.bytes = entry.data;
    found.end = entry.data.length;
    found.nodeId = entry.nodeId;
    return found;
  }

  #makeRoomForSlab(): boolean {
    const most = this.#maxBytes - this.#small.slabBytes;
    while (this.byteLength > most && this.#large.calculatedSize > this.#maxBytes / 2) {
      this.#large.pop();
    }
    return this.byteLength <= most;
  }

  #makeRoomForLarge(size: number): boolean {
    while (this.byteLength + size > this.#maxBytes) {
      if (this.#small.byteLength > this.#maxBytes / 2) this.#small.dropOldest();
      else if (this.#large.pop() === undefined) return false;
    }
    return true;
  }
}

/** The cached bytes as an immutable Buffer: a copy, unless they fill a Buffer of their own. */
export function copyOfCached({ bytes, start, end }: CachedValue): Buffer {
  return start === 0 && end === bytes.length ? bytes : Buffer.from(bytes.subarray(start, end));
}

/** Key bytes map one to one to latin1. */
function largeKeyOf(dataset: number, key: Uint8Array, start: number, end: number): string {
  const { buffer, byteOffset } = key;
  return `${dataset}:${Buffer.from(buffer, byteOffset + start, end - start).toString('latin1')}`;
}

function bytesOfLarge({ data }: LargeValue, key: string): number {
  return ENTRY_OVERHEAD_BYTES + key.length + data.length;
}
