// For tests: a peer that answers lookups (proto/lookup-protocol.ts), or does not, as the test
// wants.

import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import type { SteleError } from '../../../base/errors.ts';
import { InputBuffer } from '../../../base/input-buffer.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import {
  FRAME_HEAD_BYTES,
  PackedWriter,
  REQUEST_BYTES_MAX,
  encodeRefusal,
  frameBytes,
  readKeys,
  readRequest,
  writeReplyHead,
} from '../../../proto/lookup-protocol.ts';
import type { LookupRequestFrame } from '../../../proto/lookup-protocol.ts';
import type { LinkTarget } from '../../../proto/ports.ts';

const CHANGED =
  'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: stele-lookups\r\n\r\n';

export interface AskedLookup {
  readonly request: LookupRequestFrame;
  readonly socket: Socket;
}

export interface LookupPeer {
  readonly target: LinkTarget;
  readonly requests: LookupRequestFrame[];
  connections: number;
}

/** A peer that upgrades the protocol (after `greeting`) and passes each request to `handle`. */
export async function startLookupPeer(
  handle: (asked: AskedLookup) => void,
  greeting = CHANGED,
): Promise<LookupPeer> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    peer.connections++;
    sockets.add(socket);
    const input = new InputBuffer(true);
    let isChanged = false;
    socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    socket.on('data', (chunk: Buffer) => {
      input.push(chunk);
      if (!isChanged) {
        const end = input.bytes.indexOf('\r\n\r\n', input.at);
        if (end < 0) return;
        input.at = end + 4;
        isChanged = true;
        socket.write(greeting);
      }
      for (;;) {
        const byteCount = frameBytes(input, REQUEST_BYTES_MAX);
        if (byteCount === undefined) return;
        const request = readRequest(input.bytes, input.at, input.at + byteCount);
        input.at += byteCount;
        peer.requests.push(request);
        handle({ request, socket });
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const { port } = server.address() as AddressInfo;
  const address = { host: '127.0.0.1', httpPort: port, respPort: 0, grpcPort: 0 };
  const peer: LookupPeer = { target: { nodeId: 'n', address }, requests: [], connections: 0 };
  return peer;
}

/** Answers each key with itself, `pieceKeys` per reply. */
export function echo({ request, socket }: AskedLookup, pieceKeys = 1000): void {
  const writer = new PackedWriter(0, FRAME_HEAD_BYTES);
  let first = 0;
  readKeys(request.keys, request.count, (index, _target, start, end) => {
    writer.addResult(LookupStatus.OK, request.keys, start, end);
    if (writer.count < pieceKeys && index + 1 < request.count) return;
    first += sendReply({ request, socket }, first, writer);
  });
}

/** Sends the content of `writer` as the reply from number `first`; returns the number of keys. */
export function sendReply(
  { request, socket }: AskedLookup,
  first: number,
  writer: PackedWriter,
): number {
  const { count } = writer;
  const frame = writer.take();
  writeReplyHead(frame, request.id, first, count);
  socket.write(frame);
  return count;
}

export function sendRefusal({ socket }: AskedLookup, error: SteleError): void {
  socket.end(encodeRefusal(error));
}
