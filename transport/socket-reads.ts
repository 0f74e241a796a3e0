// Reads accepted sockets without a Buffer and a stream event for each read:
//
//     readConnection   all connections of a thread into one buffer, which the next read overwrites
//     readInto         directly to the destination of the bytes
//
// net.Socket does this if constructed with `onread`, but a server constructs its sockets without
// it. So a fresh socket takes over the handle of the accepted one. A socket with TLS is more than
// its handle, so it stays, and gets what the constructor would have given it. `onread` is
// documented; these two and the field with a server's open connections are not, and all stay in
// this file. If Node.js differs from what is expected, the accepted socket is used as it is, with a
// Buffer per read.

import { Socket } from 'node:net';
import type { OnReadOpts } from 'node:net';
import { TLSSocket } from 'node:tls';

/** Receives `bytes[0 .. byteCount)`. If `lent`, the bytes are overwritten after the call. */
type BytesReader = (bytes: Buffer, byteCount: number, lent: boolean) => void;

/** The destination of a socket's bytes. */
export interface ReadTarget {
  /** The memory for the next read; never empty. Called at the start and after each read. */
  next(): Uint8Array;
  /**
   * Reports that `byteCount` bytes of the last `next` are filled. Returns false to stop reading
   * until `socket.resume()`.
   */
  filled(byteCount: number): boolean;
}

/** The internals of an accepted socket that are used here. */
interface AcceptedInternals {
  _handle?: AcceptedHandle | null;
  _server?: object | null;
}

interface AcceptedHandle {
  useUserBuffer?(buffer: Uint8Array): void;
  reading?: boolean;
  writeQueueSize?: number;
  /** The handle below that of TLS. */
  _parent?: { writeQueueSize?: number };
}

/** Larger reads would delay other readers. */
export const READ_BYTES = 64 * 1024;
/** A timer cannot wait for less. */
const PAUSE_MS_MIN = 1;
/**
 * One buffer is enough: libuv fills it and calls back in one step, so it is empty between two
 * reads.
 */
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * Starts reading an accepted socket (made with `pauseOnConnect`) and returns the socket to use from
 * now on: a new one that replaces it, or `accepted` itself if `reuse` is false or not possible.
 */
export function readConnection(accepted: Socket, reader: BytesReader, reuse = true): Socket {
  const socket = reuse ? takeOver(accepted, lentReads(reader), true) : undefined;
  if (socket !== undefined) return socket;
  accepted.on('data', (chunk: Buffer) => reader(chunk, chunk.length, false));
  accepted.resume();
  return accepted;
}

/**
 * The `onread` option of an outgoing connection; its bytes are lent as those of accepted ones are.
 */
export function lentReads(reader: BytesReader): OnReadOpts {
  const callback = (byteCount: number): boolean => {
    reader(buffer, byteCount, true);
    return true;
  };
  return { buffer, callback };
}

/**
 * Bytes of the current write that the system has not taken. A change shows that the peer reads,
 * however large the write is: `writableLength` stays the same until all of it is taken.
 */
export function unsentBytes(socket: Socket): number {
  const handle = (socket as unknown as AcceptedInternals)._handle;
  if (handle?.writeQueueSize === undefined) return socket.writableLength;
  return handle.writeQueueSize + (handle._parent?.writeQueueSize ?? 0);
}

/** Like readConnection, but reads into the memory that `target` provides. */
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
 * Resumes a socket whose target returned false, after `pauseMs` and never earlier than the next
 * event-loop tick, so that bulk input cannot starve readers. Calls `onResume` right before. The
 * caller clears the returned timer if the socket closes earlier.
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
  if (accepted instanceof TLSSocket) return readBelow(accepted, onread);
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

/** Gives a socket with TLS its `onread`. Undefined if Node.js is not as expected. */
function readBelow(socket: TLSSocket, onread: OnReadOpts): Socket | undefined {
  const from = onread.buffer;
  const { _handle: handle } = socket as unknown as AcceptedInternals;
  const symbols = Object.getOwnPropertySymbols(socket);
  const [bufferOf, callbackOf, nextOf] = ['kBuffer', 'kBufferCb', 'kBufferGen'].map((name) =>
    symbols.find(({ description }) => description === name),
  );
  if (typeof handle?.useUserBuffer !== 'function' || socket.readableLength > 0) return undefined;
  if (bufferOf === undefined || callbackOf === undefined || nextOf === undefined) return undefined;
  const first = typeof from === 'function' ? from() : from;
  Object.assign(socket, {
    [bufferOf]: first,
    [callbackOf]: (byteCount: number, bytes: Uint8Array) => onread.callback(byteCount, bytes),
    [nextOf]: typeof from === 'function' ? from : null,
  });
  handle.useUserBuffer(first);
  socket.resume();
  return socket;
}
