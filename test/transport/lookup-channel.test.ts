import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../base/errors.ts';
import { LookupStatus } from '../../proto/gen/stele/v1/lookup.ts';
import { ConnectedLookups } from '../../transport/lookup-channel.ts';
import { FRAME_HEAD_BYTES, PackedWriter } from '../../proto/lookup-protocol.ts';
import type { LookupChannel } from '../../proto/ports.ts';
import { echo, sendRefusal, sendReply, startLookupPeer } from '../support/peers/lookup-peer.ts';
import type { AskedLookup, LookupPeer } from '../support/peers/lookup-peer.ts';
import { askFor } from '../support/peers/lookups.ts';
import { until } from '../support/process/stele-process.ts';

const TARGET = { keyspaceUid: 'u', version: 1 };

function channelTo({ target }: Pick<LookupPeer, 'target'>): ConnectedLookups {
  const channel = new ConnectedLookups(target);
  onTestFinished(() => channel.close());
  return channel;
}

function values(
  channel: LookupChannel,
  keys: readonly string[],
): Promise<(string | LookupStatus)[]> {
  return askFor(channel, keys, TARGET);
}

describe('lookups over a connection', () => {
  it('puts each batch into one message, whatever its datasets, and gives each its own answers', async () => {
    const peer = await startLookupPeer((asked) => echo(asked, 3));
    const channel = channelTo(peer);
    const another = { keyspaceUid: 'another', version: 2 ** 40 };
    const mixed = ['a', 'b', 'c', 'd'].map((key, at) => ({
      target: at % 2 === 0 ? TARGET : another,
      key: Buffer.from(key),
    }));
    const answers: string[] = [];
    channel.send({
      keys: mixed,
      onAnswer: (_status, bytes, start, end) =>
        answers.push(Buffer.from(bytes.subarray(start, end)).toString()),
      onFailure: (error) => answers.push(error.message),
    });
    expect(await values(channel, ['d', 'e', 'f', 'g'])).toEqual(['d', 'e', 'f', 'g']);
    expect(answers).toEqual(['a', 'b', 'c', 'd']);
    expect(peer.requests.map(({ count }) => count)).toEqual([4, 4]);
    expect(peer.requests[0]?.targets).toEqual([TARGET, another]);
    expect(peer.connections).toBe(1);
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

  it('passes on the refusal of the peer, and works again with a later lookup', async () => {
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

  it('fails lookups in flight when it is closed, and all later ones', async () => {
    const channel = channelTo(await startLookupPeer(() => undefined));
    const lookup = values(channel, ['a']);
    channel.close();
    await expect(lookup).rejects.toMatchObject({ code: 'UNAVAILABLE' });
    await expect(values(channel, ['b'])).rejects.toMatchObject({ code: 'UNAVAILABLE' });
  });

  it('gives up a peer that owes a reply and is silent', async () => {
    const peer = await startLookupPeer((asked) => {
      if (peer.connections > 1) echo(asked);
    });
    const channel = channelTo(peer);
    await expect(values(channel, ['a'])).rejects.toMatchObject({
      code: 'UNAVAILABLE',
      message: expect.stringContaining('has sent nothing for'),
    });
    expect(await values(channel, ['b'])).toEqual(['b']);
  });

  it('refuses answers that are out of order, unrequested or malformed', async () => {
    const oneResult = (): PackedWriter => {
      const writer = new PackedWriter(0, FRAME_HEAD_BYTES);
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
    }
  });
});
