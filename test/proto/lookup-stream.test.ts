import { Server, ServerCredentials, credentials } from '@grpc/grpc-js';
import type { ServerDuplexStream } from '@grpc/grpc-js';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { CHANNEL_OPTIONS, SERVER_OPTIONS } from '../../proto/grpc-channel.ts';
import { toGrpcError } from '../../proto/grpc-errors.ts';
import { messagesOf } from '../../proto/grpc-streams.ts';
import { PackedWriter, readKeys } from '../../proto/lookup-codec.ts';
import { GrpcLookupChannel } from '../../proto/lookup-stream.ts';
import {
  LookupServiceClient,
  LookupServiceService,
  LookupStatus,
} from '../../proto/gen/stele/v1/lookup.ts';
import type { LookupStreamRequest, LookupStreamResponse } from '../../proto/gen/stele/v1/lookup.ts';

type Call = ServerDuplexStream<LookupStreamRequest, LookupStreamResponse>;
const TARGET = { keyspaceUid: 'u', version: 1 };
const CALL = { deadlineMs: 5000 };

/** A real server whose stream is handled by `handle`, and a channel to it. */
async function channelTo(handle: (call: Call) => Promise<void>): Promise<GrpcLookupChannel> {
  const server = new Server(SERVER_OPTIONS);
  server.addService(LookupServiceService, {
    // The channel's end breaks the stream off under the handler's hands.
    lookupStream: (call: Call) => void handle(call).catch(() => undefined),
  });
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else reject(error);
    });
  });
  const client = new LookupServiceClient(
    `127.0.0.1:${port}`,
    credentials.createInsecure(),
    CHANNEL_OPTIONS,
  );
  const channel = new GrpcLookupChannel(client, { peer: 'the test', expectNode: '' });
  onTestFinished(() => {
    channel.close();
    client.close();
    server.forceShutdown();
  });
  return channel;
}

/** Answers each key with itself, `pieceKeys` a message. */
function echo(messages: LookupStreamRequest[], pieceKeys = 1000) {
  return async (call: Call): Promise<void> => {
    for await (const request of messagesOf<LookupStreamRequest>(call)) {
      messages.push(request);
      const writer = new PackedWriter();
      let first = 0;
      readKeys(request.keys, request.count, (index, _target, start, end) => {
        writer.addResult(LookupStatus.OK, request.keys, start, end);
        if (writer.count < pieceKeys && index + 1 < request.count) return;
        const { count } = writer;
        call.write({ id: request.id, first, count, results: writer.take() });
        first += count;
      });
    }
    call.end();
  };
}

async function values(channel: GrpcLookupChannel, keys: readonly string[]): Promise<string[]> {
  const answers: string[] = [];
  await channel.lookup(
    TARGET,
    keys.map((key) => Buffer.from(key)),
    (index, _status, bytes, start, end) => {
      answers[index] = Buffer.from(bytes.subarray(start, end)).toString();
    },
    CALL,
  );
  return answers;
}

describe('the lookup stream', () => {
  it('puts all lookups of one turn into one message and gives each its own answers', async () => {
    const messages: LookupStreamRequest[] = [];
    const channel = await channelTo(echo(messages, 3));
    const answers = await Promise.all([
      values(channel, ['a', 'b']),
      values(channel, ['c']),
      values(channel, ['d', 'e', 'f', 'g']),
    ]);
    expect(answers).toEqual([['a', 'b'], ['c'], ['d', 'e', 'f', 'g']]);
    expect(messages.map((message) => message.count)).toEqual([7]);
    expect(channel.inFlight).toBe(0);
  });

  it('splits a long lookup into messages and puts the answers together again', async () => {
    const messages: LookupStreamRequest[] = [];
    const channel = await channelTo(echo(messages));
    const keys = Array.from({ length: 10_000 }, (_, index) => `key-${index}`);
    expect(await values(channel, keys)).toEqual(keys);
    expect(messages.length).toBeGreaterThan(2);
    expect(Math.max(...messages.map((message) => message.count))).toBeLessThanOrEqual(4096);
  });

  it('passes the error of the peer on, and works again with the next lookup', async () => {
    let broken = true;
    const messages: LookupStreamRequest[] = [];
    const channel = await channelTo(async (call) => {
      if (!broken) return echo(messages)(call);
      call.once('data', () => {
        call.emit('error', toGrpcError(new SteleError('WRONG_NODE', 'somebody else')));
      });
      return undefined;
    });
    await expect(values(channel, ['a'])).rejects.toMatchObject({
      code: 'WRONG_NODE',
      message: 'somebody else',
    });
    expect(channel.inFlight).toBe(0);
    broken = false;
    expect(await values(channel, ['b'])).toEqual(['b']);
  });

  it('ends a lookup at its deadline, and counts it as in flight until the peer answers', async () => {
    const channel = await channelTo(() => Promise.resolve());
    const lookup = channel.lookup(TARGET, [Buffer.from('a')], () => undefined, { deadlineMs: 50 });
    await expect(lookup).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(channel.inFlight).toBe(1);
    channel.close();
    expect(channel.inFlight).toBe(0);
    await expect(values(channel, ['b'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('ends a lookup when its signal aborts, and passes its late answer over', async () => {
    let release: () => void = () => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    const messages: LookupStreamRequest[] = [];
    const channel = await channelTo(async (call) => {
      await released;
      await echo(messages)(call);
    });
    const abort = new AbortController();
    let answered = 0;
    const lookup = channel.lookup(TARGET, [Buffer.from('a')], () => answered++, {
      ...CALL,
      signal: abort.signal,
    });
    abort.abort();
    await expect(lookup).rejects.toMatchObject({ code: 'CANCELLED' });
    release();
    expect(await values(channel, ['b'])).toEqual(['b']);
    expect(answered).toBe(0);
  });

  it('refuses answers that are out of order', async () => {
    const channel = await channelTo(async (call) => {
      call.on('data', (request: LookupStreamRequest) => {
        const writer = new PackedWriter();
        writer.addResult(LookupStatus.OK, Buffer.from('x'), 0, 1);
        call.write({ id: request.id, first: 1, count: 1, results: writer.take() });
      });
    });
    await expect(values(channel, ['a', 'b'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });
});
