// Reads accepted sockets without a Buffer and a stream event for each read:
//
//     readConnection   all connections of a thread into one buffer, which is overwritten by the next read
//     readInto         straight to where the bytes belong
//
// net.Socket does that when it is given `onread`, but a server makes its sockets without it. So a fresh
// socket takes the handle of the accepted one over. `onread` is documented; taking the handle over
// is not, nor is the field by which a server counts its open connections: both stay in this file. Where
// Node.js is not as expected the accepted socket serves as it is, a Buffer a read.

import { Socket } from 'node:net';
import type { OnReadOpts } from 'node:net';

/**
 * Takes what was read: `bytes[0 .. byteCount)`. Where it is `lent` it is overwritten after the call.
 */
type BytesReader = (bytes: Buffer, byteCount: number, lent: boolean) => void;

/** Where the next bytes belong, and who is told of them. */
export interface ReadTarget {
  /** Never empty; asked at the start and after each read, for the read that comes next. */
  next(): Uint8Array;
  /** So many bytes are in what `next` gave last. False: no more is read until `socket.resume()`. */
  filled(byteCount: number): boolean;
}

/** What Node.js keeps in an accepted socket, as far as it is touched here. */
interface AcceptedInternals {
  _handle?: { useUserBuffer?: unknown; reading?: boolean; writeQueueSize?: number } | null;
  _server?: object | null;
}

/** A larger read would keep readers waiting. */
export const READ_BYTES = 64 * 1024;
/** Shorter than that a timer cannot wait. */
const PAUSE_MS_MIN = 1;
/**
 * One is enough: libuv fills it and calls back in one step, so nothing is in it between two reads.
 */
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * Starts reading an accepted socket (made with `pauseOnConnect`) and returns the socket to go on with:
 * a new one in its place, or `accepted` itself where `reuse` is false or not possible.
 */
export function readConnection(accepted: Socket, reader: BytesReader, reuse = true): Socket {
  const socket = reuse ? takeOver(accepted, lentReads(reader), true) : undefined;
  if (socket !== undefined) return socket;
  accepted.on('data', (chunk: Buffer) => reader(chunk, chunk.length, false));
  accepted.resume();
  return accepted;
}

/** `onread` of a connection that is made: its bytes are lent as those of accepted ones are. */
export function lentReads(reader: BytesReader): OnReadOpts {
  const callback = (byteCount: number): boolean => {
    reader(buffer, byteCount, true);
    return true;
  };
  return { buffer, callback };
}

/**
 * Bytes of the present write that the system has not taken. Another number than before means that the peer reads,
 * however large the write is: `writableLength` stays as it is until all of it has gone.
 */
export function unsentBytes(socket: Socket): number {
  const handle = (socket as unknown as AcceptedInternals)._handle;
  return handle?.writeQueueSize ?? socket.writableLength;
}

/** The same into the places that `target` names. */
export function readInto(accepted: Socket, target: ReadTarget, reuse = true): Socket {
  const onread = {
    buffer: () => target.next(),
    callback: (byteCount: number): boolean => target.filled(byteCount),
  };
  const socket = reuse ? takeOver(accepted, onread, false) : undefined;
  if (socket !== undefined) return socket;
  accepted.on('data', (chunk: Buffer) => {
    if (!copyInto(chunk, target)) accepted.pause();
  });
  accepted.resume();
  return accepted;
}

/**
 * Has a socket read on whose target has returned false, after `pauseMs`, and in the next turn of the event loop at
 * the soonest: the system would fill buffer after buffer while readers wait. `onResume` is called when it does.
 * Clear the timer where the socket goes before.
 */
export function resumeLater(
  socket: Socket,
  pauseMs: number,
  onResume: () => void = () => undefined,
): NodeJS.Timeout | undefined {
  const resume = (): void => {
    onResume();
    socket.resume();
  };
  if (pauseMs >= PAUSE_MS_MIN) return setTimeout(resume, pauseMs);
  setImmediate(resume);
  return undefined;
}

function copyInto(chunk: Buffer, target: ReadTarget): boolean {
  let goesOn = true;
  for (let at = 0; at < chunk.length;) {
    const place = target.next();
    const byteCount = Math.min(place.length, chunk.length - at);
    place.set(chunk.subarray(at, at + byteCount));
    at += byteCount;
    goesOn = target.filled(byteCount);
  }
  return goesOn;
}

function takeOver(
  accepted: Socket,
  onread: OnReadOpts,
  allowHalfOpen: boolean,
): Socket | undefined {
  const old = accepted as unknown as AcceptedInternals;
  const handle = old._handle;
  const server = old._server;
  const isAsExpected =
    typeof handle?.useUserBuffer === 'function' &&
    typeof server === 'object' &&
    server !== null &&
    '_connections' in server &&
    !accepted.destroyed;
  if (!isAsExpected) return undefined;
  // From here on the old socket is a shell: closing it closes nothing and is not counted.
  old._handle = null;
  old._server = null;
  const options = { handle, onread, allowHalfOpen };
  const socket = new Socket(options);
  (socket as unknown as AcceptedInternals)._server = server;
  return socket;
}
