import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { ConnectedLookups } from '../../transport/lookup-channel.ts';
import { PackedWriter } from '../../proto/lookup-codec.ts';
import { HEAD_BYTES } from '../../proto/lookup-protocol.ts';
import { echo, sendRefusal, sendReply, startLookupPeer } from '../support/lookup-peer.ts';
import type { AskedLookup, LookupPeer } from '../support/lookup-peer.ts';
import { until } from '../support/stele-process.ts';

const TARGET = { keyspaceUid: 'u', version: 1 };
const CALL = { deadlineMs: 5000 };

function channelTo({ target }: Pick<LookupPeer, 'target'>): ConnectedLookups {
  const channel = new ConnectedLookups(target);
  onTestFinished(() => channel.close());
  return channel;
}

async function values(
  channel: ConnectedLookups,
  keys: readonly string[],
  target = TARGET,
): Promise<string[]> {
  const answers: string[] = [];
  await channel.lookup(
    target,
    keys.map((key) => Buffer.from(key)),
    (index, _status, bytes, start, end) => {
      answers[index] = Buffer.from(bytes.subarray(start, end)).toString();
    },
    CALL,
  );
  return answers;
}

describe('lookups over a connection', () => {
  it('puts all lookups of one turn into one message and gives each its own answers', async () => {
    const peer = await startLookupPeer((asked) => echo(asked, 3));
    const channel = channelTo(peer);
    const answers = await Promise.all([
      values(channel, ['a', 'b']),
      values(channel, ['c'], { keyspaceUid: 'another', version: 2 ** 40 }),
      values(channel, ['d', 'e', 'f', 'g']),
    ]);
    expect(answers).toEqual([['a', 'b'], ['c'], ['d', 'e', 'f', 'g']]);
    expect(peer.requests.map(({ count }) => count)).toEqual([7]);
    expect(peer.requests[0]?.targets).toEqual([
      TARGET,
      { keyspaceUid: 'another', version: 2 ** 40 },
    ]);
    expect(channel.inFlight).toBe(0);
    expect(peer.connections).toBe(1);
  });

  it('splits a long lookup into messages and puts the answers together again', async () => {
    const peer = await startLookupPeer(echo);
    const keys = Array.from({ length: 10_000 }, (_, index) => `key-${index}`);
    expect(await values(channelTo(peer), keys)).toEqual(keys);
    expect(peer.requests.length).toBeGreaterThan(2);
    expect(Math.max(...peer.requests.map(({ count }) => count))).toBeLessThanOrEqual(4096);
  });

  it('sends no message that is longer than a peer takes, however long the keys are', async () => {
    // The peer refuses what is longer.
    const peer = await startLookupPeer(echo);
    const keys = Array.from({ length: 200 }, (_, index) => `key-${index}`.padEnd(60_000, '-'));
    expect(await values(channelTo(peer), keys)).toEqual(keys);
    expect(peer.requests.length).toBeGreaterThan(10);
  });

  it('takes answers that arrive byte by byte, and long ones', async () => {
    const peer = await startLookupPeer(({ request, socket }) => {
      const cork = { request, socket: { write: (frame: Buffer) => dribble(frame) } };
      const dribble = (frame: Buffer): void => {
        for (const byte of frame.subarray(0, 200)) socket.write(Buffer.from([byte]));
        socket.write(frame.subarray(200));
      };
      echo(cork as unknown as AskedLookup);
    });
    const channel = channelTo(peer);
    const keys = ['short', 'k'.repeat(60_000), 'l'.repeat(60_000), ''];
    for (let round = 0; round < 3; round++) expect(await values(channel, keys)).toEqual(keys);
  });

  it('passes the refusal of the peer on, and works again with a later lookup', async () => {
    let broken = true;
    const peer = await startLookupPeer((asked) => {
      if (broken) sendRefusal(asked, new SteleError('WRONG_NODE', 'somebody else'));
      else echo(asked);
    });
    const channel = channelTo(peer);
    await expect(values(channel, ['a'])).rejects.toMatchObject({
      code: 'WRONG_NODE',
      message: expect.stringContaining('somebody else'),
    });
    expect(channel.inFlight).toBe(0);
    // Not tried again at once: each try would be refused.
    await expect(values(channel, ['b'])).rejects.toMatchObject({ code: 'WRONG_NODE' });
    expect(peer.connections).toBe(1);
    broken = false;
    await until('another connection', () => Promise.resolve(channel.isConnected()));
    expect(await values(channel, ['b'])).toEqual(['b']);
  });

  it('connects again at once after a connection that was good', async () => {
    let last: AskedLookup | undefined;
    const peer = await startLookupPeer((asked) => {
      last = asked;
      if (asked.request.count === 1) echo(asked);
    });
    const channel = channelTo(peer);
    expect(await values(channel, ['a'])).toEqual(['a']);
    const lost = values(channel, ['b', 'c']);
    await until('the request', () => Promise.resolve(peer.requests.length === 2));
    last?.socket.destroy();
    await expect(lost).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    expect(await values(channel, ['d'])).toEqual(['d']);
    expect(peer.connections).toBe(2);
  });

  it('says what is wrong where nobody listens, and where somebody else does', async () => {
    const address = { host: '127.0.0.1', httpPort: 1, respPort: 0, grpcPort: 0 };
    const nobody = channelTo({ target: { nodeId: 'n', address } });
    await expect(values(nobody, ['a'])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringMatching(/datanode n \(127.0.0.1:1\) cannot be reached/),
    });
    const stranger = await startLookupPeer(echo, 'HTTP/1.1 404 Not Found\r\n\r\n');
    await expect(values(channelTo(stranger), ['a'])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('HTTP status 404'),
    });
    const chatter = await startLookupPeer(echo, 'x'.repeat(5000));
    await expect(values(channelTo(chatter), ['a'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('ends a lookup at its deadline, and counts it as in flight until the peer answers', async () => {
    const channel = channelTo(await startLookupPeer(() => undefined));
    const lookup = channel.lookup(TARGET, [Buffer.from('a')], () => undefined, { deadlineMs: 50 });
    await expect(lookup).rejects.toMatchObject({ code: 'DEADLINE_EXCEEDED' });
    expect(channel.inFlight).toBe(1);
    channel.close();
    expect(channel.inFlight).toBe(0);
    await expect(values(channel, ['b'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('gives a peer up that owes an answer and says nothing', async () => {
    const peer = await startLookupPeer((asked) => {
      if (peer.connections > 1) echo(asked);
    });
    const channel = channelTo(peer);
    await expect(values(channel, ['a'])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('has said nothing for'),
    });
    expect(channel.inFlight).toBe(0);
    expect(await values(channel, ['b'])).toEqual(['b']);
  });

  it('ends a lookup when its signal aborts, and passes its late answer over', async () => {
    const asked: AskedLookup[] = [];
    const peer = await startLookupPeer((one) => asked.push(one));
    const channel = channelTo(peer);
    const abort = new AbortController();
    let answered = 0;
    const lookup = channel.lookup(TARGET, [Buffer.from('a')], () => answered++, {
      ...CALL,
      signal: abort.signal,
    });
    abort.abort();
    await expect(lookup).rejects.toMatchObject({ code: 'CANCELLED' });
    const later = values(channel, ['b']);
    await until('the request', () => Promise.resolve(asked.length > 0));
    for (const one of asked) echo(one);
    expect(await later).toEqual(['b']);
    expect(answered).toBe(0);
  });

  it('refuses answers that are out of order, to nothing, or no answers', async () => {
    const oneResult = (): PackedWriter => {
      const writer = new PackedWriter(0, HEAD_BYTES);
      writer.addResult(LookupStatus.OK, Buffer.from('x'), 0, 1);
      return writer;
    };
    const wrong: ((asked: AskedLookup) => void)[] = [
      (asked) => sendReply(asked, 1, oneResult()),
      ({ request, socket }) => {
        sendReply({ request: { ...request, id: request.id + 1 }, socket }, 0, oneResult());
      },
      ({ socket }) => socket.write(Buffer.alloc(40)),
      ({ socket }) => socket.write(Buffer.alloc(40, 255)),
    ];
    for (const answer of wrong) {
      const channel = channelTo(await startLookupPeer(answer));
      const code = expect.stringMatching(/^(UNAVAILABLE|INVALID_ARGUMENT)$/);
      await expect(values(channel, ['a', 'b'])).rejects.toMatchObject({ code });
      expect(channel.inFlight).toBe(0);
    }
  });
});
