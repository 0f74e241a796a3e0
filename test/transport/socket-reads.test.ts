import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { ClientLimits } from '../../resp/server/client-limits.ts';
import { listenTcp } from '../../transport/listen.ts';
import { readConnection } from '../../transport/socket-reads.ts';
import { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { newSource, newTestAuthority } from '../support/peers/identities.ts';
import { MapBackend } from '../resp/map-backend.ts';
import { RawClient, listenFor, until } from '../resp/raw-client.ts';
import { multibulk } from '../resp/split.ts';

const VALUE = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));

/** Commands of many lengths and what they answer. */
function conversation(client: number): { bytes: Buffer; answers: string[] } {
  const commands: Buffer[] = [];
  const answers: string[] = [];
  for (let number = 0; number < 400; number++) {
    const word = `${client}-${number}-${'w'.repeat((number * 37) % 3000)}`;
    commands.push(multibulk('ECHO', word));
    answers.push(word);
  }
  return { bytes: Buffer.concat(commands), answers };
}

/** Sends in pieces of changing size, each in a turn of its own. */
async function trickle(client: RawClient, bytes: Buffer, seed: number): Promise<void> {
  let at = 0;
  for (let size = seed; at < bytes.length; size = (size * 5 + 3) % 9001) {
    client.send(bytes.subarray(at, at + size + 1));
    at += size + 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

let identity: TlsIdentity;

beforeAll(async () => {
  identity = new TlsIdentity(await newSource(await newTestAuthority()));
});

describe.each([
  ['into one buffer', true, false],
  ['a Buffer a read', false, false],
  ['into one buffer with TLS', true, true],
  ['a Buffer a read with TLS', false, true],
])('connections that are read %s', (_, reuseReads, isSecure) => {
  const tls = (): TlsIdentity | undefined => (isSecure ? identity : undefined);

  it('never see the bytes of another one, however they arrive', async () => {
    const { port } = await listenFor(new MapBackend(), { reuseReads, tls: tls() });
    await Promise.all(
      Array.from({ length: 12 }, async (_unused, number) => {
        const client = new RawClient(port, tls());
        const { bytes, answers } = conversation(number);
        await trickle(client, bytes, number * 311 + 1);
        const replies = await client.wait(answers.length);
        expect(
          replies.map((reply) => (reply.type === 'bulk' ? reply.bytes.toString() : '')),
        ).toEqual(answers);
      }),
    );
  });

  it('answer what came before the end, then close, and are counted as closed', async () => {
    const listener = await listenFor(new MapBackend([['a', VALUE]]), { reuseReads, tls: tls() });
    const client = new RawClient(listener.port, tls());
    client.socket.end(Buffer.concat([multibulk('GET', 'a'), multibulk('GET', 'none')]));
    await client.closed;
    expect(client.replies).toEqual([{ type: 'bulk', bytes: VALUE }, { type: 'nil' }]);
    await until(() => listener.traffic.connections === 0);
    // Ends only when the server counts no open connection.
    await listener.close(10_000);
  });

  it('are not read while they do not read, and go on afterwards', async () => {
    const limits = new ClientLimits({ outputTotalBytes: 8 * 1024 * 1024 });
    const options = { limits, reuseReads, tls: tls() };
    const backend = new MapBackend([['a', Buffer.alloc(60_000, 'v')]]);
    const { port } = await listenFor(backend, options);
    const client = new RawClient(port, tls());
    client.socket.pause();
    const pipeline = Buffer.concat(Array.from({ length: 600 }, () => multibulk('GET', 'a')));
    client.send(pipeline);
    const other = new RawClient(port, tls());
    await other.send('PING\r\nPING\r\n').wait(2);
    client.socket.resume();
    const replies = await client.wait(600);
    expect(replies.every((reply) => reply.type === 'bulk' && reply.bytes.length === 60_000)).toBe(
      true,
    );
  });

  it('know their address, and can be closed by the listener', async () => {
    const listener = await listenFor(new MapBackend(), { reuseReads, tls: tls() });
    const client = new RawClient(listener.port, tls());
    const [list] = await client.send('CLIENT INFO\r\n').wait(1);
    const { localPort } = client.socket;
    expect(list?.type === 'bulk' && list.bytes.toString()).toContain(`addr=127.0.0.1:${localPort}`);
    await listener.close(0);
    await client.closed;
  });
});

it('this Node.js lets connections be read into one buffer', async () => {
  const server = createServer({ pauseOnConnect: true });
  onTestFinished(() => void server.close());
  const lent = new Promise<boolean>((resolve) => {
    server.on('connection', (accepted) => {
      const socket = readConnection(accepted, (_bytes, _byteCount, isLent) => {
        resolve(isLent);
        socket.destroy();
      });
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  new RawClient((server.address() as AddressInfo).port).send('x');
  expect(await lent).toBe(true);
});

it('this Node.js lets connections with TLS be read into one buffer', async () => {
  const lent = new Promise<boolean>((resolve) => {
    const options = { host: '127.0.0.1', port: 0, flag: '--x', tls: identity };
    void listenTcp(options, {}, (accepted) => {
      const socket = readConnection(accepted, (_bytes, _byteCount, isLent) => {
        resolve(isLent);
        socket.destroy();
      });
    }).then(({ port, server }) => {
      onTestFinished(() => void server.close());
      new RawClient(port, identity).send('x');
    });
  });
  expect(await lent).toBe(true);
});
