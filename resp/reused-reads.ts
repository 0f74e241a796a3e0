// Reads all connections of a thread into one buffer, so that a read makes no Buffer and no stream event.
//
// net.Socket does that when it is given `onread`, but a server makes its sockets without it. So a fresh
// socket takes the handle of the accepted one over. `onread` is documented; taking the handle over
// is not, nor is the field by which a server counts its open connections: both stay in this file. Where
// Node.js is not as expected the accepted socket serves as it is, a Buffer a read.
//
// One buffer is enough: libuv fills it and calls back in one step, so nothing is in it between two reads.

import { Socket } from 'node:net';

/**
 * Takes what was read: `bytes[0 .. byteCount)`. Where it is `lent` it is overwritten after the call.
 */
type BytesReader = (bytes: Buffer, byteCount: number, lent: boolean) => void;

/** What Node.js keeps in an accepted socket, as far as it is touched here. */
interface AcceptedInternals {
  _handle?: { useUserBuffer?: unknown; reading?: boolean } | null;
  _server?: object | null;
}

const READ_BYTES = 64 * 1024;
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/**
 * Starts reading an accepted socket (made with `pauseOnConnect`) and returns the socket to go on with:
 * a new one in its place, or `accepted` itself where `reuse` is false or not possible.
 */
export function readConnection(accepted: Socket, reader: BytesReader, reuse = true): Socket {
  const socket = reuse ? takeOver(accepted, reader) : undefined;
  if (socket !== undefined) return socket;
  accepted.on('data', (chunk: Buffer) => reader(chunk, chunk.length, false));
  accepted.resume();
  return accepted;
}

function takeOver(accepted: Socket, reader: BytesReader): Socket | undefined {
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
  const onread = {
    buffer,
    callback: (byteCount: number): boolean => {
      reader(buffer, byteCount, true);
      return true;
    },
  };
  const options = { handle, onread, allowHalfOpen: true };
  const socket = new Socket(options);
  (socket as unknown as AcceptedInternals)._server = server;
  return socket;
}
