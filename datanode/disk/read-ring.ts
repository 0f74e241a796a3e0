// The memory that the reading threads share with the thread that answers readers.
//
//   main     slot <- free; its fields are set; submitted[SUBMITTED++] = slot      (wakes a thread)
//   thread   slot = submitted[CLAIMED++]; read, checksums; done[DONE++] = slot    (wakes main)
//   main     slot = done[taken++]; the receiver gets the bytes; slot -> free
//
// Each slot has SLOT_BYTES of memory, aligned to pages, so that O_DIRECT can read into it. Both
// rings have as many entries as there are slots: an entry that is not claimed, or not taken, stands
// for a slot in use, so it is never overwritten. One that is claimed may be. Counters wrap around;
// only their equality counts.

export const SLOT_COUNT = 512;
export const SLOT_BYTES: number = 64 * 1024;
/** Blocks have 4 KiB or more. */
export const SLOT_BLOCKS_MAX = 16;

/** Indices of the counters. */
export const SUBMITTED = 0;
export const CLAIMED = 1;
export const DONE = 2;
/** Threads that wait for work. */
export const IDLE = 3;
export const STOP = 4;
const COUNTERS = 16;

const WASM_PAGE_BYTES = 64 * 1024;

/** What is used of it; TypeScript declares it for browsers only. */
declare const WebAssembly: {
  readonly Memory: new (shape: {
    readonly initial: number;
    readonly maximum: number;
    readonly shared: true;
  }) => { readonly buffer: SharedArrayBuffer };
};

export interface RingMemory {
  readonly control: SharedArrayBuffer;
  readonly data: SharedArrayBuffer;
}

export interface Ring {
  readonly counters: Int32Array;
  readonly submitted: Int32Array;
  /** Slot + 1; 0 while the entry is not written. */
  readonly done: Int32Array;
  readonly fds: Int32Array;
  readonly lengths: Int32Array;
  readonly blockBytes: Int32Array;
  /** Bytes read, or the negative number of the system's error. */
  readonly results: Int32Array;
  readonly crcs: Uint32Array;
  readonly positions: Float64Array;
  readonly data: Buffer;
}

export function newRingMemory(): RingMemory {
  const words = COUNTERS + SLOT_COUNT * (6 + SLOT_BLOCKS_MAX);
  const pages = (SLOT_COUNT * SLOT_BYTES) / WASM_PAGE_BYTES;
  // The only memory in Node.js that is aligned to pages; pages that are not used take no memory.
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
  return {
    control: new SharedArrayBuffer(words * 4 + SLOT_COUNT * 8),
    data: memory.buffer,
  };
}

export function openRing({ control, data }: RingMemory): Ring {
  let at = SLOT_COUNT * 8;
  const ints = (count: number): Int32Array => {
    const array = new Int32Array(control, at, count);
    at += count * 4;
    return array;
  };
  return {
    positions: new Float64Array(control, 0, SLOT_COUNT),
    counters: ints(COUNTERS),
    submitted: ints(SLOT_COUNT),
    done: ints(SLOT_COUNT),
    fds: ints(SLOT_COUNT),
    lengths: ints(SLOT_COUNT),
    blockBytes: ints(SLOT_COUNT),
    results: ints(SLOT_COUNT),
    crcs: new Uint32Array(control, at, SLOT_COUNT * SLOT_BLOCKS_MAX),
    data: Buffer.from(data),
  };
}
