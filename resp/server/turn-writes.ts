// Output leaves at the end of the event loop's turn, that of all connections one after the other.
//
// A reply sent as soon as it is ready wakes its reader, which sends its next command and sleeps
// again: with many connections that is a wake-up a reply, and waking costs more than answering. Sent
// in a burst, the first reply wakes the reader and the others find it awake. Redis writes so, too
// (handleClientsWithPendingWrites, before it sleeps).

import { setImmediate } from 'node:timers';
import type { ReplyWriter } from '../wire/encoder.ts';

/** The part of a socket that holds output back. `end` sends what is held, too. */
interface CorkedOutput {
  cork(): void;
  uncork(): void;
  readonly writableLength: number;
}

let held: CorkedOutput[] = [];
/** Whose chunks `held[i]` has. */
let writers: ReplyWriter[] = [];

/**
 * Holds back what is written to `socket` until this turn's input has been read. It is to be chunks of
 * `writer`, which uses their memory again as soon as the kernel has taken it all.
 */
export function holdUntilTurnEnd(socket: CorkedOutput, writer: ReplyWriter): void {
  socket.cork();
  if (held.length === 0) setImmediate(releaseAll);
  held.push(socket);
  writers.push(writer);
}

function releaseAll(): void {
  const sockets = held;
  const owners = writers;
  held = [];
  writers = [];
  for (const socket of sockets) socket.uncork();
  for (let index = 0; index < sockets.length; index++) {
    if ((sockets[index] as CorkedOutput).writableLength > 0) owners[index]?.keepTaken();
  }
  for (const writer of owners) writer.reuseSent();
}

/** A small reply that has to wait must not keep the whole slab that it lies in. */
export function ownBytes(chunk: Buffer): Buffer {
  return chunk.length * 2 < chunk.buffer.byteLength ? Buffer.from(chunk) : chunk;
}
