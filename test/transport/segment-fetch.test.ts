// Segments fetched over a real port: from a datanode, and from peers that do what they should not.

import { outgoingBytes } from '../../datanode/transfer/outgoing.ts';
import { createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { createServer as createHttpServer } from 'node:http';
import { segmentUpgrade } from '../../datanode/transfer/segment-connection.ts';
import { acceptUpgrades } from '../../transport/upgrades.ts';
import { targetOf } from '../../transport/fetch-target.ts';
import { SegmentFetches } from '../../transport/segment-fetch.ts';
import { encodeFrame } from '../../proto/segment-transfer.ts';

const WISH = { keyspaceUid: 'u', segmentId: 's', expectNode: 'n' };
const CHANGED = 'HTTP/1.1 101 Switching Protocols\r\nupgrade: stele-segments\r\n\r\n';
const SEGMENT = Buffer.alloc(3_000_000, 'stele');
const options = { deadlineMs: 10_000 };

function into(byteCount: number, pace = (_count: number): number => 0) {
  const bytes = Buffer.alloc(byteCount);
  return Object.assign(targetOf(bytes, pace), { bytes });
}

async function listen(server: Server): Promise<SegmentFetches> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const address = { host: '127.0.0.1', httpPort: port, respPort: 0, grpcPort: 0 };
  const fetches = new SegmentFetches({ nodeId: 'n', address });
  onTestFinished(() => {
    fetches.close();
    server.close();
  });
  return fetches;
}

/** A datanode's side as it is, with one segment. */
async function holder(give = () => Promise.resolve(outgoingBytes(SEGMENT))) {
  const seen = { connections: 0 };
  const server = createHttpServer();
  server.on('connection', () => seen.connections++);
  const admit = () => Promise.reject(new Error('nothing is put here'));
  const pull = () => Promise.reject(new Error('nothing is pulled here'));
  const cutOff = acceptUpgrades(server, [segmentUpgrade({ admit, pull, pace: () => 0, give })]);
  onTestFinished(cutOff);
  return { fetches: await listen(server), seen };
}

/** Somebody who says `CHANGED` and then does what `act` does. */
function peer(act: (socket: Socket) => unknown, head = CHANGED): Promise<SegmentFetches> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    open.add(socket);
    socket.on('error', () => undefined);
    socket.once('data', () => {
      socket.write(head);
      socket.once('data', () => act(socket));
    });
  });
  onTestFinished(() => {
    for (const socket of open) socket.destroy();
  });
  return listen(server);
}

describe('a fetch', () => {
  it('brings all bytes to their place, one segment after the other over one connection', async () => {
    const { fetches, seen } = await holder();
    for (let round = 0; round < 3; round++) {
      const target = into(SEGMENT.length);
      await fetches.fetch(WISH, target, options);
      expect(target.bytes.equals(SEGMENT)).toBe(true);
    }
    expect(seen.connections).toBe(1);
  });

  it('of several at a time has a connection for each', async () => {
    const { fetches, seen } = await holder();
    const targets = [1, 2, 3].map(() => into(SEGMENT.length));
    await Promise.all(targets.map((target) => fetches.fetch(WISH, target, options)));
    for (const { bytes } of targets) expect(bytes.equals(SEGMENT)).toBe(true);
    expect(seen.connections).toBe(3);
  });

  it('waits as long as it is told to, and is told of every byte', async () => {
    const { fetches } = await holder();
    let reported = 0;
    const target = into(SEGMENT.length, (byteCount) => {
      reported += byteCount;
      return 2;
    });
    const startedMs = performance.now();
    await fetches.fetch(WISH, target, options);
    expect(reported).toBe(SEGMENT.length);
    // A pause after each read but the last, of 64 KiB at most.
    expect(performance.now() - startedMs).toBeGreaterThan(40);
    expect(target.bytes.equals(SEGMENT)).toBe(true);
  });

  it('that is refused says why, and the connection is as good as before', async () => {
    let isThere = false;
    const missing = new SteleError('NOT_FOUND', 'Segment s is not held here.');
    const { fetches, seen } = await holder(() =>
      isThere ? Promise.resolve(outgoingBytes(SEGMENT)) : Promise.reject(missing),
    );
    await expect(fetches.fetch(WISH, into(5), options)).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: expect.stringMatching(/^datanode n \(127.*: Segment s is not held here/) as string,
    });
    isThere = true;
    await fetches.fetch(WISH, into(SEGMENT.length), options);
    expect(seen.connections).toBe(1);
  });

  it('of another number of bytes is CORRUPT', async () => {
    const { fetches } = await holder();
    await expect(fetches.fetch(WISH, into(10), options)).rejects.toMatchObject({ code: 'CORRUPT' });
    const target = into(SEGMENT.length);
    await fetches.fetch(WISH, target, options);
    expect(target.bytes.equals(SEGMENT)).toBe(true);
  });

  it('ends when its signal does, when its time is over, and when the links are closed', async () => {
    const fetches = await peer(() => undefined);
    const stop = new AbortController();
    const stopped = fetches.fetch(WISH, into(10), { ...options, signal: stop.signal });
    stop.abort();
    await expect(stopped).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(fetches.fetch(WISH, into(10), { deadlineMs: 50 })).rejects.toMatchObject({
      code: 'DEADLINE_EXCEEDED',
    });
    const closed = fetches.fetch(WISH, into(10), options);
    fetches.close();
    await expect(closed).rejects.toMatchObject({ code: 'CANCELLED' });
    await expect(fetches.fetch(WISH, into(10), options)).rejects.toMatchObject({
      code: 'CANCELLED',
    });
  });
});

describe('a peer', () => {
  const sending = (byteLength: number): Buffer => encodeFrame({ answer: 'sending', byteLength });

  it('that sends byte by byte is understood, where frame and body meet as well', async () => {
    const body = Buffer.from('0123456789');
    const fetches = await peer(async (socket) => {
      for (const byte of Buffer.concat([sending(body.length), body])) {
        socket.write(Buffer.of(byte));
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    const target = into(body.length);
    await fetches.fetch(WISH, target, options);
    expect(target.bytes.toString()).toBe('0123456789');
  });

  it.each<[string, (socket: Socket) => void, RegExp]>([
    [
      'breaks off in the middle',
      (socket) => socket.end(sending(10)),
      /closed the connection unexpectedly/,
    ],
    [
      'answers nonsense',
      (socket) => socket.write(Buffer.from([2, 0, 0, 0, 0x7b, 0x7b])),
      /malformed answer/,
    ],
    [
      'sends a frame without end',
      (socket) => socket.write(Buffer.alloc(8, 0xff)),
      /malformed answer/,
    ],
    [
      'answers what was not asked',
      (socket) => socket.write(encodeFrame({ answer: 'stored' })),
      /malformed answer/,
    ],
  ])('that %s is UNAVAILABLE', async (_, act, text) => {
    const fetches = await peer(act);
    const failure = { code: 'UNAVAILABLE', message: expect.stringMatching(text) as string };
    await expect(fetches.fetch(WISH, into(10), options)).rejects.toMatchObject(failure);
  });

  it('that sends more than it said is not used again', async () => {
    let connections = 0;
    const fetches = await peer((socket) => {
      connections++;
      socket.write(Buffer.concat([sending(3), Buffer.from('abcd')]));
    });
    for (let round = 1; round <= 2; round++) {
      const target = into(3);
      await fetches.fetch(WISH, target, options);
      expect(target.bytes.toString()).toBe('abc');
      await expect.poll(() => connections).toBe(round);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  });

  it.each([
    ['speaks HTTP alone', 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n', /HTTP status 404/],
    ['speaks no HTTP', 'x'.repeat(2000), /malformed answer/],
  ])('that %s is UNAVAILABLE', async (_, head, text) => {
    const fetches = await peer(() => undefined, head);
    const failure = { code: 'UNAVAILABLE', message: expect.stringMatching(text) as string };
    await expect(fetches.fetch(WISH, into(10), options)).rejects.toMatchObject(failure);
  });

  it('that is not there is UNAVAILABLE', async () => {
    const server = createServer();
    const fetches = await listen(server);
    await new Promise((resolve) => server.close(resolve));
    await expect(fetches.fetch(WISH, into(10), options)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    });
  });
});
