import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it, onTestFinished } from 'vitest';
import { collectGarbage, freeMemory } from '../../../base/process/free-memory.ts';
import { builtModule, until } from '../../support/process/stele-process.ts';

const MiB = 1024 * 1024;

describe('freeMemory', () => {
  it('releases large buffers at once, without a garbage collection', async () => {
    const before = process.memoryUsage.rss();
    let most = 0;
    for (let round = 0; round < 40; round++) {
      const bytes = Buffer.allocUnsafeSlow(16 * MiB).fill(1);
      freeMemory([bytes]);
      expect(bytes).toHaveLength(0);
      // The thread that frees may lag a moment.
      await new Promise((resolve) => setImmediate(resolve));
      most = Math.max(most, process.memoryUsage.rss() - before);
    }
    expect(most).toBeLessThan(160 * MiB);
  });

  it('leaves small ones, and shared memory, as they are', () => {
    const small = Buffer.from('a slice of a pool');
    const shared = new Uint8Array(new SharedArrayBuffer(MiB)).fill(7);
    freeMemory([small, shared]);
    expect(small.toString()).toBe('a slice of a pool');
    expect(shared.at(-1)).toBe(7);
  });
});

describe('collectGarbage', () => {
  it('frees what was dropped', async () => {
    let bytes: Buffer | undefined = Buffer.allocUnsafeSlow(64 * MiB).fill(1);
    const dropped = new WeakRef(bytes);
    bytes = undefined;
    const before = process.memoryUsage().arrayBuffers;
    // The reference of this tick may keep the object alive, and memory is released in the
    // background.
    await until('the memory to be freed', () => {
      collectGarbage();
      return (
        dropped.deref() === undefined && process.memoryUsage().arrayBuffers < before - 32 * MiB
      );
    });
  });
});

describe('collectYoungGarbageSoon', () => {
  it('releases shared memory that a thread has received', async () => {
    const module = builtModule('base/process/free-memory.ts');
    const script = `
      const { collectYoungGarbageSoon } = await import(${JSON.stringify(module)});
      const { parentPort } = await import('node:worker_threads');
      parentPort.on('message', () => { collectYoungGarbageSoon(); parentPort.postMessage('got it'); });`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
    onTestFinished(() => void worker.terminate());
    const before = process.memoryUsage().arrayBuffers;
    for (let time = 0; time < 8; time++) {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage(new Uint8Array(new SharedArrayBuffer(16 * MiB)).fill(1));
      await once(worker, 'message');
    }
    await until('the memory to be freed', () => {
      collectGarbage();
      return process.memoryUsage().arrayBuffers < before + 32 * MiB;
    });
  });
});
