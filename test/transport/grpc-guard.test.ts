// The bounds of a gRPC server, asked by plain clients.

import { connect as connectHttp2 } from 'node:http2';
import { connect } from 'node:net';
import { ChannelCredentials, credentials } from '@grpc/grpc-js';
import type { Client, ServiceError } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished, test } from 'vitest';
import { clientBytes } from '../../base/byte-budget.ts';
import { LookupServiceClient, LookupServiceService } from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupServiceServer } from '../../proto/gen/stele/v1/lookup.ts';
import { checkFields } from '../../transport/grpc-guard.ts';
import { GrpcServer } from '../../transport/grpc-server.ts';

type Lookup = LookupServiceServer['lookup'];

const nothingFound: Lookup = (_call, callback) => callback(null, { version: 1, results: [] });

async function serve(
  lookup: Lookup = nothingFound,
  connectionsMax?: number,
  stalledMsMax?: number,
): Promise<{ server: GrpcServer; port: number }> {
  const server = new GrpcServer(connectionsMax, stalledMsMax);
  server.addService(LookupServiceService, { lookup });
  onTestFinished(() => server.close(0));
  return { server, port: await server.listen('127.0.0.1', 0, '--grpc-port') };
}

/** What a unary Lookup of these bytes gives. */
function lookupBytes(port: number, bytes: Buffer): Promise<ServiceError | null> {
  const client = new LookupServiceClient(`127.0.0.1:${port}`, ChannelCredentials.createInsecure());
  onTestFinished(() => client.close());
  const raw = (value: Buffer): Buffer => value;
  return new Promise((resolve) => {
    (client as Client).makeUnaryRequest(
      '/stele.v1.LookupService/Lookup',
      raw,
      raw,
      bytes,
      (error) => resolve(error),
    );
  });
}

const codeOf = (error: ServiceError | null): unknown => error?.metadata.get('stele-code')[0];

describe('a request', () => {
  it('of millions of empty keys is refused before it is decoded', async () => {
    const { port } = await serve();
    const error = await lookupBytes(port, Buffer.alloc(15_000_000, Buffer.from([0x12, 0x00])));
    expect(codeOf(error)).toBe('BATCH_TOO_LARGE');
    expect(await lookupBytes(port, Buffer.alloc(20_000, Buffer.from([0x12, 0x00])))).toBeNull();
  });

  it('with a number beyond 2^53 is INVALID_ARGUMENT with a code', async () => {
    const { port } = await serve();
    const version = Buffer.from([0x18, ...Array.from({ length: 9 }, () => 0xff), 0x01]);
    const error = await lookupBytes(port, version);
    expect([error?.code, codeOf(error)]).toEqual([3, 'INVALID_ARGUMENT']);
    expect(error?.details).toBe(
      'A number in the request is out of range; the largest is 9007199254740991 (2^53 - 1).',
    );
  });

  it('that is cut off is INVALID_ARGUMENT with a code', async () => {
    const { port } = await serve();
    const error = await lookupBytes(port, Buffer.from([0x0a, 0x50, 0x61]));
    expect([error?.code, codeOf(error)]).toEqual([3, 'INVALID_ARGUMENT']);
  });

  it('above 16 MiB is refused', async () => {
    const { port } = await serve();
    expect((await lookupBytes(port, Buffer.alloc(17 * 1024 * 1024)))?.code).toBe(8);
  });

  it('has its fields counted whatever their kind', () => {
    const fields = [
      [0x08, 0x80, 0x01],
      [0x11, 1, 2, 3, 4, 5, 6, 7, 8],
      [0x1a, 2, 0, 0],
      [0x25, 1, 2, 3, 4],
    ];
    const bytes = Buffer.from([...fields, ...fields].flat());
    expect(() => checkFields(bytes, 8)).not.toThrow();
    expect(() => checkFields(bytes, 7)).toThrow(/more than 7 elements/);
  });
});

test('an answer that is not read is in the budget until the client has it, or has gone', async () => {
  const value = Buffer.alloc(32 * 1024 * 1024);
  const { port } = await serve((_call, callback) =>
    callback(null, { version: 1, results: [{ status: 1, value }] }),
  );
  const before = clientBytes.usedBytes;
  const client = new LookupServiceClient(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_receive_message_length': 64 * 1024 * 1024,
  });
  onTestFinished(() => client.close());
  let most = 0;
  const watch = setInterval(() => (most = Math.max(most, clientBytes.usedBytes - before)), 1);
  const ask = (): Promise<number> =>
    new Promise((resolve) => {
      client.lookup({ keyspace: '', keys: [], version: 0 }, (_error, answer) =>
        resolve(answer?.results[0]?.value.length ?? 0),
      );
    });
  expect(await ask()).toBe(value.length);
  await expect.poll(() => clientBytes.usedBytes).toBe(before);
  const call = client.lookup({ keyspace: '', keys: [], version: 0 }, () => undefined);
  await expect.poll(() => clientBytes.usedBytes).toBeGreaterThan(before);
  call.cancel();
  await expect.poll(() => clientBytes.usedBytes).toBe(before);
  clearInterval(watch);
  expect(most).toBeGreaterThan(value.length);
});

/**
 * A client that takes an answer of `byteCount` at its own pace; resolves with what it got in the
 * end.
 */
async function takeSlowly(port: number, everyMs: number): Promise<number> {
  const session = connectHttp2(`http://127.0.0.1:${port}`);
  session.on('error', () => undefined);
  onTestFinished(() => session.destroy());
  const stream = session.request({
    ':method': 'POST',
    ':path': '/stele.v1.LookupService/Lookup',
    'content-type': 'application/grpc',
    te: 'trailers',
  });
  stream.on('error', () => undefined);
  stream.end(Buffer.alloc(5));
  let received = 0;
  stream.on('data', (chunk: Buffer) => {
    received += chunk.length;
    stream.pause();
    if (everyMs > 0) setTimeout(() => stream.resume(), everyMs);
  });
  await new Promise((resolve) => stream.once('close', resolve));
  return received;
}

describe('a client with an unread answer', () => {
  const value = Buffer.alloc(6 * 1024 * 1024);
  const large: Lookup = (_call, callback) =>
    callback(null, { version: 1, results: [{ status: 1, value }] });

  it('and reads nothing of it is disconnected', async () => {
    const { port } = await serve(large, undefined, 400);
    const before = clientBytes.usedBytes;
    expect(await takeSlowly(port, 0)).toBeLessThan(value.length);
    await expect.poll(() => clientBytes.usedBytes).toBe(before);
  });

  it('and reads it slowly gets all of it', async () => {
    const { port } = await serve(large, undefined, 400);
    expect(await takeSlowly(port, 3)).toBeGreaterThan(value.length);
  });
});

test('connections above the maximum are closed', async () => {
  const { port } = await serve(undefined, 2);
  const sockets = Array.from({ length: 4 }, () => connect(port, '127.0.0.1'));
  let closed = 0;
  for (const socket of sockets) {
    socket.on('error', () => undefined).on('close', () => closed++);
    socket.resume();
    onTestFinished(() => void socket.destroy());
  }
  await expect.poll(() => closed).toBe(2);
});
