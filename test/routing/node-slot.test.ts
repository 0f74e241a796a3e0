// How a reader remembers which datanodes answer well.

import { describe, expect, test } from 'vitest';
import { isSlower, newSlot, noteAnswer, noteReturn, noteTrouble } from '../../routing/node-slot.ts';
import type { NodeSlot } from '../../routing/node-slot.ts';

function answering(latencyMs: number, nowMs: number): NodeSlot {
  const slot = newSlot('n');
  for (let count = 0; count < 50; count++) noteAnswer(slot, latencyMs, true, nowMs);
  return slot;
}

describe('a node that fails', () => {
  test('is avoided for twice as long each time that it fails again, up to a bound', () => {
    const slot = newSlot('n');
    const avoidedMs = [];
    let nowMs = 1000;
    for (let failure = 0; failure < 8; failure++) {
      noteTrouble(slot, nowMs);
      avoidedMs.push(slot.avoidUntilMs - nowMs);
      nowMs = slot.avoidUntilMs;
    }
    expect(avoidedMs).toEqual([300, 600, 1200, 2400, 4800, 9600, 9600, 9600]);
  });

  test('is not blamed for every call that was in progress', () => {
    const slot = newSlot('n');
    for (let call = 0; call < 10; call++) noteTrouble(slot, 1000);
    expect(slot.avoidUntilMs).toBe(1300);
  });

  test('is good again with an answer in time, but not with a late one', () => {
    const slot = newSlot('n');
    noteTrouble(slot, 1000);
    noteAnswer(slot, 500, false, 1100);
    expect(slot.avoidUntilMs).toBe(1300);
    noteAnswer(slot, 1, true, 1100);
    expect(slot).toMatchObject({ avoidUntilMs: 0, troubles: 0 });
  });

  test('starts over when the control plane has received a heartbeat from it', () => {
    const slot = newSlot('n');
    noteTrouble(slot, 1000);
    noteReturn(slot);
    expect(slot).toMatchObject({ avoidUntilMs: 0, troubles: 0 });
  });
});

describe('a node that is slower than another', () => {
  test('is passed over when it is much slower, not when it is a little', () => {
    expect(isSlower(answering(50, 0), answering(1, 0), 10)).toBe(true);
    expect(isSlower(answering(6, 0), answering(1, 0), 10)).toBe(false);
    expect(isSlower(answering(1, 0), answering(50, 0), 10)).toBe(false);
  });

  test('is not recognised by a single slow answer', () => {
    const slot = answering(1, 0);
    noteAnswer(slot, 20, true, 0);
    expect(isSlower(slot, answering(1, 0), 10)).toBe(false);
  });

  test('is probed once a second, and used again when it has become fast', () => {
    const slow = answering(500, 0);
    const quick = answering(1, 0);
    expect([999, 1000, 1001, 1999, 2000].map((nowMs) => isSlower(slow, quick, nowMs))).toEqual([
      true,
      false,
      true,
      true,
      false,
    ]);
    for (let count = 0; count < 7; count++) noteAnswer(slow, 1, true, 2000);
    expect(isSlower(slow, quick, 2001)).toBe(false);
  });
});
