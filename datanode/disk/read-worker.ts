// A reading thread: takes reads from the ring, blocks in the system call, computes the checksums.
//
// A read from the page cache takes about 1.6 us this way, a tenth of an asynchronous one, and a slow
// one blocks nobody but this thread.

import { readSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { crc32 } from 'node:zlib';
import {
  CLAIMED,
  DONE,
  IDLE,
  SLOT_BLOCKS_MAX,
  SLOT_BYTES,
  SLOT_COUNT,
  STOP,
  SUBMITTED,
  openRing,
} from './read-ring.ts';
import type { Ring, RingMemory } from './read-ring.ts';

/** Reads after which the other side is woken even if there are more. */
const UNANNOUNCED_MAX = 16;
/** A read that takes longer waits for the disk: then more threads are woken. */
const SLOW_MS = 0.1;
const MASK = SLOT_COUNT - 1;
const UNKNOWN_ERROR = -5;

const ring = openRing(workerData as RingMemory);
run(ring);

function run({ counters, done, submitted }: Ring): void {
  let unannounced = 0;
  while (Atomics.load(counters, STOP) === 0) {
    const claimed = Atomics.load(counters, CLAIMED);
    const end = Atomics.load(counters, SUBMITTED);
    if (claimed === end) {
      if (unannounced > 0) Atomics.notify(counters, DONE);
      unannounced = 0;
      Atomics.add(counters, IDLE, 1);
      Atomics.wait(counters, SUBMITTED, end);
      Atomics.sub(counters, IDLE, 1);
      continue;
    }
    // Before it is claimed: afterwards, others may go round the ring while this thread is not running.
    const slot = Atomics.load(submitted, claimed & MASK);
    if (Atomics.compareExchange(counters, CLAIMED, claimed, claimed + 1) !== claimed) continue;
    const startMs = performance.now();
    read(slot);
    Atomics.store(done, Atomics.add(counters, DONE, 1) & MASK, slot + 1);
    const isSlow = performance.now() - startMs > SLOW_MS;
    if (isSlow && claimed + 1 !== end) Atomics.notify(counters, SUBMITTED, 1);
    if (++unannounced < UNANNOUNCED_MAX && !isSlow) continue;
    Atomics.notify(counters, DONE);
    unannounced = 0;
  }
}

function read(slot: number): void {
  const { blockBytes, crcs, data, fds, lengths, positions, results } = ring;
  const at = slot * SLOT_BYTES;
  const length = lengths[slot] as number;
  const step = blockBytes[slot] as number;
  try {
    // Whole blocks, as O_DIRECT demands; the file may end before.
    const asked = Math.ceil(length / step) * step;
    let got = 0;
    while (got < length) {
      const bytesRead = readSync(
        fds[slot] as number,
        data,
        at + got,
        asked - got,
        (positions[slot] as number) + got,
      );
      if (bytesRead === 0) break;
      got += bytesRead;
    }
    // The other side compares `got` with the length before it looks at the checksums.
    for (let from = 0, block = 0; from < length; from += step, block++) {
      const to = Math.min(from + step, length);
      crcs[slot * SLOT_BLOCKS_MAX + block] = crc32(data.subarray(at + from, at + to));
    }
    results[slot] = got;
  } catch (thrown) {
    const { errno } = thrown as NodeJS.ErrnoException;
    results[slot] = typeof errno === 'number' && errno < 0 ? errno : UNKNOWN_ERROR;
  }
}
