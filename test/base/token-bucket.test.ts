import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { TokenBucket } from '../../base/token-bucket.ts';

describe('a token bucket', () => {
  it('gives its burst at once, and then the rate', () => {
    const bucket = new TokenBucket(1000, 500, 0);
    expect(bucket.take(300, 0)).toBe(0);
    expect(bucket.take(200, 0)).toBe(0);
    expect(bucket.take(100, 0)).toBe(100);
    expect(bucket.take(100, 0)).toBe(200);
    // 200 ms later the debt is paid; 50 ms more are 50 tokens.
    expect(bucket.take(50, 250)).toBe(0);
    expect(bucket.take(1, 250)).toBe(1);
  });

  it('accumulates no more than its burst', () => {
    const bucket = new TokenBucket(1000, 500, 0);
    expect(bucket.take(500, 1_000_000)).toBe(0);
    expect(bucket.take(1, 1_000_000)).toBe(1);
  });

  it('is not fooled by a clock that goes back', () => {
    const bucket = new TokenBucket(1000, 100, 1000);
    expect(bucket.take(100, 1000)).toBe(0);
    expect(bucket.take(10, 500)).toBe(10);
    expect(bucket.take(10, 1000)).toBe(20);
    expect(bucket.take(10, 1020)).toBe(10);
  });

  it('grants no more than burst and rate in any period, and no less under constant demand', () => {
    const step = fc.record({
      count: fc.integer({ min: 1, max: 400 }),
      pauseMs: fc.integer({ min: 0, max: 300 }),
    });
    fc.assert(
      fc.property(fc.array(step, { minLength: 1, maxLength: 60 }), (steps) => {
        const rate = 1000;
        const burst = 250;
        const bucket = new TokenBucket(rate, burst, 0);
        const sent: { atMs: number; total: number }[] = [];
        let nowMs = 0;
        let total = 0;
        for (const { count, pauseMs } of steps) {
          nowMs += pauseMs;
          total += count;
          sent.push({ atMs: nowMs + bucket.take(count, nowMs), total });
        }
        for (const { atMs, total: soFar } of sent) {
          expect(soFar).toBeLessThanOrEqual(burst + (rate * atMs) / 1000 + 1e-6);
        }
        // A caller waits only for the tokens that were taken.
        const last = sent.at(-1)!;
        expect(last.atMs).toBeLessThanOrEqual(nowMs + (total * 1000) / rate);
      }),
      { numRuns: 200 },
    );
  });
});
