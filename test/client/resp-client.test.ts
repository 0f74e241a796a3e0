import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { RespClient } from '../../client/resp-client.ts';
import { startRespServer } from '../cli/resp-server.ts';

/** A server that handles each connection as the test wants. */
async function startServer(onConnection: (socket: Socket) => void): Promise<number> {
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.on('error', () => undefined);
    onConnection(socket);
  });
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function connect(port: number, replyTimeoutMs = 5000): Promise<RespClient> {
  return RespClient.connect('127.0.0.1', port, { replyTimeoutMs });
}

describe('RespClient', () => {
  it('answers commands in their order, binary keys and values included', async () => {
    const server = await startRespServer([['\u00ff\u0000', 'v']]);
    server.backend.values.set('b', Buffer.from([0, 255, 13, 10]));
    const connection = await connect(server.port);
    const replies = await Promise.all([
      connection.send(['PING']),
      connection.send(['GET', Buffer.from([0xff, 0])]),
      connection.send(['GET', 'b']),
      connection.send(['GET', 'no']),
      connection.send(['FROB']),
    ]);
    expect(replies.map((reply) => reply.type)).toEqual(['simple', 'bulk', 'bulk', 'nil', 'error']);
    expect(replies[2]).toEqual({ type: 'bulk', bytes: Buffer.from([0, 255, 13, 10]) });
    connection.close();
  });

  it('names the address that does not answer, and what to try', async () => {
    await expect(connect(1)).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(
        /Nothing answers at 127.0.0.1:1 \(connection refused\)/,
      ) as unknown,
    });
  });

  it('fails what is in flight when the server closes, and everything after', async () => {
    const port = await startServer((socket) => socket.once('data', () => socket.destroy()));
    const connection = await connect(port);
    const closed = new Promise<void>((resolve) => connection.onClose(resolve));
    const inFlight = [connection.send(['GET', 'a']), connection.send(['GET', 'b'])];
    for (const reply of inFlight)
      await expect(reply).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await closed;
    expect(connection.isOpen).toBe(false);
    await expect(connection.send(['PING'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('closes the connection after a late reply, because the order would be lost', async () => {
    const port = await startServer(() => undefined);
    const connection = await connect(port, 30);
    await expect(connection.send(['PING'])).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(connection.isOpen).toBe(false);
  });

  it.each([
    [
      'bytes that are not the protocol',
      'HTTP/1.1 400 Bad Request\r\n\r\n',
      /does not speak the Redis protocol; name a RESP port/,
    ],
    [
      'the first frame of HTTP/2, as of a gRPC port, which ends no line',
      Buffer.from('0000060400000000000003000003e8', 'hex'),
      /does not speak the Redis protocol; name a RESP port/,
    ],
    ['a word of farewell', '-ERR max number of clients reached\r\n', /max number of clients/],
  ])('ends on %s', async (_what, bytes, message) => {
    const port = await startServer((socket) => socket.write(bytes));
    const connection = await connect(port);
    await new Promise<void>((resolve) => connection.onClose(resolve));
    await expect(connection.send(['PING'])).rejects.toThrow(message);
  });

  it('bounds the commands in flight', async () => {
    const port = await startServer((socket) => socket.pause());
    const connection = await connect(port);
    const waiting = Array.from({ length: 10_000 }, () => connection.send(['PING']));
    await expect(connection.send(['PING'])).rejects.toMatchObject({ code: 'OVERLOADED' });
    connection.close();
    const results = await Promise.allSettled(waiting);
    expect(new Set(results.map((result) => result.status))).toEqual(new Set(['rejected']));
  });
});
