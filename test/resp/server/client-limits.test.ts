import { describe, expect, it } from 'vitest';
import { ClientLimits } from '../../../resp/server/client-limits.ts';
import { MapBackend } from '../map-backend.ts';
import { RawClient, listenFor, until } from '../raw-client.ts';
import { multibulk } from '../split.ts';

const MiB = 1024 * 1024;

/** A client that sends `bytes` and reads nothing. */
function silent(port: number, bytes: Buffer): RawClient {
  const client = new RawClient(port).send(bytes);
  client.socket.pause();
  return client;
}

/** Sends PINGs until `condition` holds, so the server must keep working. */
async function serveUntil(port: number, condition: () => boolean): Promise<void> {
  const other = new RawClient(port);
  for (let round = 1; !condition(); round++) await other.send('PING\r\n').wait(round);
}

describe('clients that do not read, all together', () => {
  const value = Buffer.alloc(7 * 1024, 'v');
  const pipeline = Buffer.concat(Array.from({ length: 6000 }, () => multibulk('GET', 'big')));

  it('get a small limit each once they leave much unread, and all is answered later', async () => {
    const limits = new ClientLimits({ outputTotalBytes: 8 * MiB });
    const { port } = await listenFor(new MapBackend([['big', value]]), { limits });
    const clients = Array.from({ length: 20 }, () => silent(port, pipeline));
    let before = -1;
    let quietRounds = 0;
    await serveUntil(port, () => {
      quietRounds = limits.outputBytes === before ? quietRounds + 1 : 0;
      before = limits.outputBytes;
      return quietRounds > 50 && before > 0;
    });
    // Two clients could get their 4 MiB and a turn before the total was exceeded, the others a turn
    // or less.
    expect(limits.outputBytes).toBeLessThan(16 * MiB);
    const [one] = clients;
    for (const other of clients.slice(1)) other.socket.destroy();
    one?.socket.resume();
    expect(await one?.wait(6000)).toHaveLength(6000);
    await until(() => limits.outputBytes === 0);
  });

  it('are closed if they read nothing for long, but only while the total is exceeded', async () => {
    const limits = new ClientLimits({ outputTotalBytes: 8 * MiB, stalledMsMax: 50 });
    const options = { limits, unfinishedMsMax: 20 };
    const listener = await listenFor(new MapBackend([['big', value]]), options);
    const lone = silent(listener.port, pipeline);
    await serveUntil(listener.port, () => limits.outputBytes > 2 * MiB);
    expect(limits.isOverTotal).toBe(false);
    const others = Array.from({ length: 10 }, () => silent(listener.port, pipeline));
    await serveUntil(listener.port, () => !limits.isOverTotal && listener.traffic.connections < 11);
    for (const client of [lone, ...others]) client.socket.destroy();
    await until(() => limits.outputBytes === 0);
  });

  it('get no large reply any more: the command fails, and the client continues', async () => {
    const limits = new ClientLimits({ outputHardBytes: 0 });
    const { port } = await listenFor(new MapBackend([['big', value]]), { limits });
    const client = new RawClient(port);
    client.send(multibulk('MGET', ...Array.from({ length: 30 }, () => 'big'))).send('GET big\r\n');
    const [many, one] = await client.wait(2);
    expect(many).toMatchObject({ type: 'error', text: expect.stringMatching(/^BUSY /) as string });
    expect(one).toMatchObject({ type: 'bulk', bytes: value });
  });
});

it('a client that sends its whole pipeline before it reads gets all replies', async () => {
  const count = 300_000;
  const { port } = await listenFor(new MapBackend([['k', Buffer.alloc(64, 'v')]]));
  const sent = new RawClient(port);
  sent.socket.pause();
  const pipeline = Buffer.from(multibulk('GET', 'k').toString('latin1').repeat(count), 'latin1');
  await new Promise<void>((resolve) => sent.socket.write(pipeline, () => resolve()));
  sent.socket.resume();
  expect(await sent.wait(count)).toHaveLength(count);
});

it('one that reads nothing and has sent more than its limit is closed', async () => {
  const limits = new ClientLimits({ outputTotalBytes: 8 * MiB, stalledMsMax: 50 });
  const options = { limits, unfinishedMsMax: 20 };
  const { port } = await listenFor(new MapBackend([['k', Buffer.alloc(64, 'v')]]), options);
  const client = new RawClient(port);
  client.socket.pause();
  const pipeline = Buffer.from(multibulk('GET', 'k').toString('latin1').repeat(500_000), 'latin1');
  client.socket.write(pipeline);
  await client.closed;
});

it('one that reads steadily is not closed, however large the write and however slow', async () => {
  const limits = new ClientLimits({ outputTotalBytes: MiB, stalledMsMax: 700 });
  const options = { limits, unfinishedMsMax: 20 };
  const value = Buffer.alloc(MiB, 'v');
  const { port } = await listenFor(new MapBackend([['big', value]]), options);
  const client = new RawClient(port);
  let received = 0;
  client.socket.on('data', (chunk: Buffer) => {
    received += chunk.length;
    client.socket.pause();
    setTimeout(() => client.socket.resume(), 10);
  });
  client.send(multibulk('MGET', ...Array.from({ length: 6 }, () => 'big')));
  await client.wait(1);
  expect(received).toBeGreaterThan(6 * MiB);
});

it('many large replies at once are not all written in one turn of the event loop', async () => {
  const limits = new ClientLimits();
  const noteTurn = limits.noteTurn.bind(limits);
  let [inThisTurn, most] = [0, 0];
  limits.noteTurn = (byteCount) => {
    if (inThisTurn === 0) setImmediate(() => (inThisTurn = 0));
    inThisTurn += byteCount;
    most = Math.max(most, inThisTurn);
    noteTurn(byteCount);
  };
  const value = Buffer.alloc(7 * 1024, 'v');
  const { port } = await listenFor(new MapBackend([['big', value]]), { limits });
  const clients = Array.from({ length: 60 }, () => new RawClient(port).send('PING\r\n'));
  await Promise.all(clients.map((client) => client.wait(1)));
  const pipeline = Buffer.concat(Array.from({ length: 250 }, () => multibulk('GET', 'big')));
  for (const client of clients) client.send(pipeline);
  for (const client of clients) expect(await client.wait(251)).toHaveLength(251);
  expect(most).toBeGreaterThan(8 * MiB);
  expect(most).toBeLessThan(9 * MiB + clients.length * 40 * 1024 + MiB);
  await new Promise(setImmediate);
  expect(limits.turnBytesMax).toBe(MiB);
});

describe('unfinished commands, all together', () => {
  it('are refused from the clients with the larger ones when the total is exceeded', async () => {
    const limits = new ClientLimits({ inputTotalBytes: 4 * MiB });
    const { port } = await listenFor(new MapBackend([['a', '1']]), { limits });
    const part = Buffer.concat([
      Buffer.from('*2\r\n$4\r\nECHO\r\n$60000000\r\n'),
      Buffer.alloc(MiB, 'x'),
    ]);
    const clients = Array.from({ length: 8 }, () => new RawClient(port).send(part));
    const refused = (): number =>
      clients.filter(({ text }) => text.includes('too many unfinished requests')).length;
    await serveUntil(port, () => refused() > 0);
    expect(limits.inputBytes).toBeLessThan(8 * MiB);
    const small = new RawClient(port).send('*2\r\n$3\r\nGE');
    await serveUntil(port, () => limits.inputBytes > 0);
    expect(await small.send('T\r\n$1\r\na\r\n').wait(1)).toMatchObject([{ type: 'bulk' }]);
    for (const client of clients) client.socket.destroy();
    await until(() => limits.inputBytes === 0);
  });

  it('count the arguments too, however short they are', async () => {
    const limits = new ClientLimits();
    const { port } = await listenFor(new MapBackend(), { limits });
    const many = Buffer.from(`*65536\r\n${'$0\r\n\r\n'.repeat(60_000)}`);
    const client = new RawClient(port).send(many);
    await serveUntil(port, () => limits.inputBytes > many.length + 60_000 * 8);
    client.socket.destroy();
    await until(() => limits.inputBytes === 0);
  });
});

it('a small reply that waits does not keep the memory it was made in', async () => {
  const { port } = await listenFor(new MapBackend());
  const client = new RawClient(port);
  client.socket.pause();
  client.send(
    Buffer.concat(Array.from({ length: 3000 }, () => multibulk('ECHO', 'x'.repeat(4000)))),
  );
  await serveUntil(port, () => client.socket.bytesWritten > 1000);
  client.socket.resume();
  expect(await client.wait(3000)).toHaveLength(3000);
});
