import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import {
  BRAKED_BYTES_PER_SECOND_MIN,
  BrakeRule,
  IntakeBrake,
} from '../../../datanode/transfer/intake-brake.ts';

const MIB = 1024 * 1024;
const BUSY = { readsPerSecond: 2000, lateTicks: 0 };
const LATE = { readsPerSecond: 2000, lateTicks: 5 };

describe('the rule', () => {
  it('sets no limit without readers, however late it is', () => {
    const rule = new BrakeRule();
    rule.next({ readsPerSecond: 1, lateTicks: 20 });
    expect(rule.bytesPerSecond).toBe(Infinity);
  });

  it('removes the limit within two seconds if readers are answered in time', () => {
    const rule = new BrakeRule();
    for (let windows = 0; windows < 20; windows++) rule.next(BUSY);
    expect(rule.bytesPerSecond).toBe(Infinity);
  });

  it('goes down when readers are kept waiting, never below its floor, and up again in small steps', () => {
    const rule = new BrakeRule();
    for (let windows = 0; windows < 20; windows++) rule.next(BUSY);
    const rates: number[] = [];
    for (let windows = 0; windows < 10; windows++) {
      rule.next(LATE);
      rates.push(rule.bytesPerSecond);
    }
    expect(rates[0]).toBeLessThan(16 * MIB);
    expect(rates.at(-1)).toBe(BRAKED_BYTES_PER_SECOND_MIN);
    rule.next(BUSY);
    expect(rule.bytesPerSecond).toBeGreaterThan(BRAKED_BYTES_PER_SECOND_MIN);
    expect(rule.bytesPerSecond).toBeLessThan(BRAKED_BYTES_PER_SECOND_MIN * 1.1);
  });
});

describe('the brake', () => {
  let nowMs = 1000;
  let lookups = 0;

  beforeEach(() => {
    nowMs = 1000;
    lookups = 0;
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  /** Lets time pass in ticks of 5 ms that are `lateMs` late each, with reads in between. */
  function pass(ticks: number, lateMs: number, readsPerTick: number): void {
    for (let tick = 0; tick < ticks; tick++) {
      nowMs += 5 + lateMs;
      lookups += readsPerTick;
      vi.advanceTimersByTime(5);
    }
  }

  const started = (): IntakeBrake =>
    new IntakeBrake(
      () => lookups,
      () => nowMs,
    );

  it('makes senders wait, so that all together keep to the rate', () => {
    const brake = started();
    brake.take(0);
    const rate = brake.bytesPerSecond;
    const waits = [brake.take(rate / 10), brake.take(rate / 10), brake.take(rate / 10)];
    expect(waits.map(Math.round)).toEqual([100, 200, 300]);
    nowMs += 300;
    expect(Math.round(brake.take(rate / 10))).toBe(100);
    brake.close();
  });

  it('slows down while ticks come late beside readers, and removes the limit once the readers are gone', () => {
    const brake = started();
    brake.take(1);
    pass(40, 10, 10);
    brake.take(1);
    pass(40, 10, 10);
    expect(brake.bytesPerSecond).toBe(BRAKED_BYTES_PER_SECOND_MIN);
    brake.take(1);
    pass(40, 10, 0);
    expect(brake.bytesPerSecond).toBe(Infinity);
    expect(brake.take(1000 * MIB)).toBe(0);
    brake.close();
  });

  it('ends its timer when nothing has come in for a second', () => {
    const brake = started();
    brake.take(1);
    expect(vi.getTimerCount()).toBe(1);
    pass(300, 0, 0);
    expect(vi.getTimerCount()).toBe(0);
  });
});
