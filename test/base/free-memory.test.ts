import { describe, expect, it } from 'vitest';
import { collectGarbage, freeMemory } from '../../base/free-memory.ts';
import { until } from '../support/stele-process.ts';

const MiB = 1024 * 1024;

describe('freeMemory', () => {
  it('gives large buffers back at once, without a garbage collection', async () => {
    const before = process.memoryUsage.rss();
    let most = 0;
    for (let round = 0; round < 40; round++) {
      const bytes = Buffer.allocUnsafeSlow(16 * MiB).fill(1);
      freeMemory([bytes]);
      expect(bytes).toHaveLength(0);
      // The thread that frees may be a moment behind.
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
    // The reference of this very turn may keep the object, and memory is given back in the background.
    await until('the memory to be freed', () => {
      collectGarbage();
      return (
        dropped.deref() === undefined && process.memoryUsage().arrayBuffers < before - 32 * MiB
      );
    });
  });
});
