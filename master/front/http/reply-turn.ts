// Writes replies at the end of the event loop's turn, all of them one after the other.
//
// A reply written as soon as it is known wakes its reader, which sends its next request and sleeps
// again: with many connections that is one wake-up a reply, and waking costs more than answering. In
// a burst the reader is awake from the first reply on. Measured with 50 connections and cached
// values: writing took 15.8 us a reply at once and 6.7 us in bursts.

import { setImmediate } from 'node:timers';

let waiting: (() => void)[] = [];

/** Runs `write` after this turn's requests have been read. It must not throw. */
export function writeAtTurnEnd(write: () => void): void {
  if (waiting.length === 0) setImmediate(writeAll);
  waiting.push(write);
}

function writeAll(): void {
  const writes = waiting;
  waiting = [];
  for (const write of writes) write();
}
