// Output leaves at the end of the event loop's turn, that of all connections one after the other.
//
// A reply sent as soon as it is ready wakes its reader, which sends its next command and sleeps
// again: with many connections that is a wake-up a reply, and waking costs more than answering. Sent
// in a burst, the first reply wakes the reader and the others find it awake. Redis writes so, too
// (handleClientsWithPendingWrites, before it sleeps).

import { setImmediate } from 'node:timers';

/** The part of a socket that holds output back. `end` sends what is held, too. */
interface CorkedOutput {
  cork(): void;
  uncork(): void;
}

let held: CorkedOutput[] = [];

/** Holds back what is written to `socket` until this turn's input has been read. */
export function holdUntilTurnEnd(socket: CorkedOutput): void {
  socket.cork();
  if (held.length === 0) setImmediate(releaseAll);
  held.push(socket);
}

function releaseAll(): void {
  const sockets = held;
  held = [];
  for (const socket of sockets) socket.uncork();
}
