// Immediate release of large buffers. A buffer that is merely dropped stays until the garbage
// collector runs, which knows little of memory outside its heap: after a few large ones in a row, a
// process holds twice what it uses.
//
// A buffer is released by transferring it to a closed port: the message is destroyed with its
// contents. (From Node.js 22, ArrayBuffer.prototype.transfer would do.)

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

/**
 * Smaller buffers are not worth a message. A slice of Node's pool cannot be transferred; the pool
 * is 8 KiB, and 64 KiB from Node.js 24.
 */
const BYTES_MIN = Math.max(64 * 1024, Buffer.poolSize + 1);
const SOON_MS = 500;

let closedPort: MessagePort | undefined;

/**
 * Frees the memory of each view. Other views of the same memory become empty. Only for buffers that
 * own their memory (typed arrays, Buffer.allocUnsafeSlow). Shared memory is skipped: it cannot be
 * transferred.
 */
export function freeMemory(views: readonly NodeJS.ArrayBufferView[]): void {
  for (const { buffer } of views) {
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < BYTES_MIN) continue;
    closedPort ??= newClosedPort();
    closedPort.postMessage(undefined, [buffer]);
  }
}

type Collect = (options?: { readonly type: 'minor' }) => void;

let collect: Collect | undefined;

/**
 * Collects garbage now: some milliseconds, more with a large heap. For large buffers inside
 * libraries, and for shared memory, which does not count towards the heap: in a quiet process it
 * would never be collected. Other threads that received the memory keep it until they collect, too.
 */
export function collectGarbage(): void {
  collect ??= exposedCollector();
  collect();
}

let soon: NodeJS.Timeout | undefined;

/**
 * Schedules a collection of young objects: a fraction of a millisecond, at most twice a second. It
 * frees recently received and dropped messages with shared memory.
 */
export function collectYoungGarbageSoon(): void {
  soon ??= setTimeout(() => {
    soon = undefined;
    collect ??= exposedCollector();
    collect({ type: 'minor' });
  }, SOON_MS).unref();
}

function exposedCollector(): Collect {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('globalThis.gc');
  return typeof found === 'function' ? (found as Collect) : () => undefined;
}

function newClosedPort(): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.unref();
  port2.close();
  return port1;
}
