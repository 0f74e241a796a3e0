// Large buffers given back at once. A buffer that is merely dropped stays until the garbage collector
// comes by, which knows little of memory outside of its heap: a few large ones in a row, and a process
// holds twice what it uses.
//
// The way is that of transferring a buffer to somebody who is no longer there: a message to a closed
// port is destroyed, with what it carries. (ArrayBuffer.prototype.transfer would do, from Node.js 22.)

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { MessageChannel } from 'node:worker_threads';
import type { MessagePort } from 'node:worker_threads';

/** Smaller ones are not worth a message; they may also be slices of a pool. */
const BYTES_MIN = 64 * 1024;
const SOON_MS = 500;

let closedPort: MessagePort | undefined;

/**
 * Frees the memory behind each view; whoever still uses one finds it empty. For buffers of their own
 * memory alone (typed arrays, Buffer.allocUnsafeSlow). Shared memory is passed over: it cannot be.
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
 * Frees what was dropped, now: some milliseconds, more where the heap is large. For large buffers that libraries
 * keep to themselves, and for shared memory, of which the garbage collector knows nothing at all: what was
 * dropped stays until the heap has grown, which in a quiet process is never. Other threads that were
 * given the memory keep it until they collect, too.
 */
export function collectGarbage(): void {
  collect ??= exposedCollector();
  collect();
}

let soon: NodeJS.Timeout | undefined;

/**
 * Frees, in a moment, what this thread came by lately and has dropped, as messages with shared memory: a
 * fraction of a millisecond, at most twice a second.
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
