import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { linkAbort, unwatchAbort, watchAbort } from '../../base/abort.ts';

const listenersOf = (signal: AbortSignal): number => getEventListeners(signal, 'abort').length;

describe('watchAbort', () => {
  it('calls all waiters once, with a single listener', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const called: number[] = [];
    const calls = Array.from({ length: 50 }, (_, index) => () => void called.push(index));
    for (const call of calls) watchAbort(signal, call);
    expect(listenersOf(signal)).toBe(1);
    for (const call of calls.slice(1)) unwatchAbort(signal, call);
    watchAbort(signal, calls[7] as () => void);
    controller.abort();
    controller.abort();
    expect(called).toEqual([0, 7]);
    expect(listenersOf(signal)).toBe(0);
  });

  it('removes its listener with the last waiter', () => {
    const { signal } = new AbortController();
    const call = (): void => undefined;
    watchAbort(signal, call);
    unwatchAbort(signal, call);
    unwatchAbort(signal, call);
    expect(listenersOf(signal)).toBe(0);
  });

  it('does not call a waiter that another callback has removed', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const called: string[] = [];
    const second = (): void => void called.push('second');
    watchAbort(signal, () => {
      called.push('first');
      unwatchAbort(signal, second);
    });
    watchAbort(signal, second);
    controller.abort();
    expect(called).toEqual(['first']);
  });
});

describe('linkAbort', () => {
  it('aborts with the other signal, or by itself, and then no longer follows it', () => {
    const outer = new AbortController();
    const [one, other] = [linkAbort(outer.signal), linkAbort(outer.signal)];
    one.end();
    expect([one.signal.aborted, other.signal.aborted, outer.signal.aborted]).toEqual([
      true,
      false,
      false,
    ]);
    const third = new AbortController();
    const either = linkAbort(undefined, outer.signal, third.signal);
    third.abort();
    expect(either.signal.aborted).toBe(true);
    either.end();
    outer.abort();
    expect(other.signal.aborted).toBe(true);
    expect(linkAbort(outer.signal).signal.aborted).toBe(true);
    expect(listenersOf(outer.signal)).toBe(0);
    const alone = linkAbort(undefined);
    alone.end();
    expect(alone.signal.aborted).toBe(true);
  });
});
