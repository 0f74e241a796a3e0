import { describe, expect, it } from 'vitest';
import { ClientLimits } from '../../../resp/server/client-limits.ts';
import { MapBackend } from '../map-backend.ts';
import { RawClient, listenFor, until } from '../raw-client.ts';
import { multibulk } from '../split.ts';

const text = (bytes: string): object => ({ type: 'bulk', bytes: Buffer.from(bytes) });

describe('RespConnection with a backend that answers at once', () => {
  it('answers a long pipeline in order, over many turns', async () => {
    const count = 50_000;
    const backend = new MapBackend(
      Array.from({ length: count }, (_, index) => [`k${index}`, `v${index}`] as const),
    );
    const { port } = await listenFor(backend);
    const client = new RawClient(port);
    client.send(
      Buffer.concat(Array.from({ length: count }, (_, index) => multibulk('GET', `k${index}`))),
    );
    const replies = await client.wait(count);
    expect(replies.every((r, i) => r.type === 'bulk' && r.bytes.toString() === `v${i}`)).toBe(true);
    expect(replies).toHaveLength(count);
    // The time is read once per turn, not once per command.
    expect(backend.turnsMs.length).toBeGreaterThan(1);
    expect(backend.turnsMs.length).toBeLessThan(count / 20);
    expect(Math.max(...backend.turnsMs)).toBeGreaterThan(0);
  });

  it('answers a protocol error after the replies before it, then closes', async () => {
    const { port } = await listenFor(new MapBackend([['a', '1']]));
    const client = new RawClient(port).send('GET a\r\n*1\r\n#\r\nGET a\r\n');
    await client.closed;
    expect(client.text).toBe("$1\r\n1\r\n-ERR Protocol error: expected '$', got '#'\r\n");
  });

  it('answers an error for a key that is too long, and continues', async () => {
    const { port } = await listenFor(new MapBackend([['a', '1']]));
    const long = 'k'.repeat(65_537);
    const client = new RawClient(port).send(multibulk('ECHO', long)).send(multibulk('GET', long));
    const replies = await client
      .send(multibulk('MGET', 'a', long))
      .send('GET a\r\n')
      .wait(4);
    const error = 'ERR The key has 65537 bytes; a key has at most 65536.';
    expect(replies[0]).toEqual(text(long));
    for (const reply of replies.slice(1, 3)) expect(reply).toEqual({ type: 'error', text: error });
    expect(replies[3]).toEqual(text('1'));
  });

  it('closes soon after an error, however much input follows', async () => {
    const { port } = await listenFor(new MapBackend());
    const client = new RawClient(port).send('*1\r\n#\r\n');
    const more = Buffer.alloc(256 * 1024);
    const write = (): void => {
      if (!client.socket.destroyed) client.socket.write(more, () => setImmediate(write));
    };
    write();
    await client.closed;
    expect(client.text).toMatch(/^-ERR Protocol error/);
  });

  it.each(['POST / HTTP/1.1\r\n', 'GET a\r\nHost: 127.0.0.1\r\n'])('closes on %j', async (line) => {
    const { port } = await listenFor(new MapBackend([['a', '1']]));
    const client = new RawClient(port).send(`${line}\r\nGET a\r\n`);
    await client.closed;
    expect(client.text).toMatch(/-ERR Protocol error: this is an HTTP request[^\r]*\r\n$/);
  });

  it('turns a failure of the backend into an error reply and continues', async () => {
    const { port } = await listenFor(new MapBackend());
    const client = new RawClient(port).send('TYPE a\r\nPING\r\n');
    const replies = await client.wait(2);
    expect(replies[0]).toMatchObject({ type: 'error', text: 'ERR the test backend has no type' });
    expect(replies[1]).toEqual({ type: 'simple', text: 'PONG' });
  });

  it('answers what a client sent before it closed its side', async () => {
    const { port } = await listenFor(new MapBackend([['a', '1']]));
    const client = new RawClient(port);
    client.socket.end('GET a\r\nPING\r\nGET');
    await client.closed;
    expect(client.text).toBe('$1\r\n1\r\n+PONG\r\n');
  });

  it('stops reading a client that does not read, and continues when it does', async () => {
    const value = Buffer.alloc(200_000, 'v');
    const backend = new MapBackend([['big', value]]);
    const limits = new ClientLimits({ outputTotalBytes: 8 * 1024 * 1024 });
    const { port } = await listenFor(backend, { limits });
    let executed = 0;
    const execute = backend.execute.bind(backend);
    backend.execute = (...all) => {
      executed++;
      return execute(...all);
    };
    const client = new RawClient(port);
    client.socket.pause();
    const count = 400;
    client.send(Buffer.concat(Array.from({ length: count }, () => multibulk('GET', 'big'))));
    const other = new RawClient(port);
    // Another client is served in the meantime, and the first one's commands stop running.
    let before = -1;
    for (let round = 0; executed !== before || round < 20; round++) {
      before = executed;
      await other.send('PING\r\n').wait(round + 1);
    }
    expect(executed).toBeLessThan(count / 2);
    client.socket.resume();
    const replies = await client.wait(count);
    expect(replies.every((reply) => reply.type === 'bulk' && reply.bytes.equals(value))).toBe(true);
  });

  it('runs a deep pipeline in turns of about a millisecond, with others served in between', async () => {
    // A command takes a twentieth of a millisecond on this clock, so a turn has at most 64 of them.
    let nowMs = 0;
    let executed = 0;
    const backend = new MapBackend([['a', '1']]);
    const execute = backend.execute.bind(backend);
    backend.execute = (...all) => {
      executed++;
      nowMs += 0.05;
      return execute(...all);
    };
    const { port } = await listenFor(backend, { nowMs: () => nowMs });
    const count = 40_000;
    const deep = new RawClient(port);
    const other = new RawClient(port);
    await other.send('PING\r\n').wait(1);
    deep.send(Buffer.concat(Array.from({ length: count }, () => multibulk('GET', 'a'))));
    await deep.wait(1);
    const meanwhile: number[] = [];
    for (let round = 2; round <= 30; round++) {
      const before = executed;
      await other.send('PING\r\n').wait(round);
      meanwhile.push(executed - before);
    }
    // A round trip in one process takes a few iterations of its event loop, each with one such
    // turn.
    expect(Math.max(...meanwhile)).toBeLessThan(10 * 64);
    expect(await deep.wait(count)).toHaveLength(count);
  });

  it('suppresses replies as CLIENT REPLY demands', async () => {
    const { port } = await listenFor(new MapBackend([['a', '1']]));
    const client = new RawClient(port);
    client.send('CLIENT REPLY SKIP\r\nGET a\r\nECHO 1\r\nCLIENT REPLY OFF\r\nPING\r\nNOPE\r\n');
    client.send('CLIENT REPLY SKIP\r\nPING\r\nCLIENT REPLY ON\r\nECHO 2\r\n');
    await client.wait(3);
    expect(client.text).toBe('$1\r\n1\r\n+OK\r\n$1\r\n2\r\n');
  });

  it('closes a connection whose command stays unfinished, and leaves an idle connection alone', async () => {
    const { port } = await listenFor(new MapBackend(), { unfinishedMsMax: 30 });
    const idle = new RawClient(port);
    await idle.send('PING\r\n').wait(1);
    const slow = new RawClient(port).send('*2\r\n$3\r\nGET\r\n$5\r\nab');
    await slow.closed;
    await idle.send('PING\r\n').wait(2);
    expect(idle.replies).toHaveLength(2);
  });
});

describe('RespConnection with a backend that answers later', () => {
  it('keeps the order whatever finishes first, with immediate replies in between', async () => {
    const backend = new MapBackend([
      ['a', '1'],
      ['b', '2'],
    ]);
    const later = (backend.later = []);
    const { port } = await listenFor(backend);
    const client = new RawClient(port).send(
      'PING\r\nGET a\r\nECHO x\r\nGET b\r\nGET c\r\nPING\r\n',
    );
    await client.wait(1);
    await until(() => later.length === 3);
    expect(backend.turnsEnded).toBe(1);
    const [a, b, c] = backend.later;
    c?.finish();
    b?.finish();
    await new RawClient(port).send('PING\r\n').wait(1);
    expect(client.text).toBe('+PONG\r\n');
    a?.finish();
    await client.wait(6);
    expect(client.text).toBe('+PONG\r\n$1\r\n1\r\n$1\r\nx\r\n$1\r\n2\r\n$-1\r\n+PONG\r\n');
  });

  it('switches the protocol only after the replies before HELLO', async () => {
    const backend = new MapBackend();
    const later = (backend.later = []);
    const { port } = await listenFor(backend);
    const client = new RawClient(port).send('GET a\r\nHELLO 3\r\nGET a\r\n');
    await until(() => later.length === 1);
    backend.later[0]?.finish();
    await until(() => later.length === 2);
    backend.later[1]?.finish();
    await client.wait(3);
    expect(client.text).toMatch(/^\$-1\r\n%7\r\n[^]*_\r\n$/);
  });

  it('takes no more commands while ten thousand wait, and then continues', async () => {
    const backend = new MapBackend([['a', '1']]);
    const later = (backend.later = []);
    const { port } = await listenFor(backend);
    const client = new RawClient(port);
    const count = 25_000;
    client.send(Buffer.concat(Array.from({ length: count }, () => multibulk('GET', 'a'))));
    await until(() => later.length === 10_000);
    const other = new RawClient(port);
    for (let round = 1; round <= 20; round++) await other.send('PING\r\n').wait(round);
    expect(later).toHaveLength(10_000);
    let finished = 0;
    await until(() => {
      while (finished < later.length) backend.later?.[finished++]?.finish();
      return client.replies.length === count;
    });
    expect(finished).toBe(count);
  });

  it('answers what is in flight before it closes, for QUIT and for a shutdown', async () => {
    const backend = new MapBackend([['a', '1']]);
    const later = (backend.later = []);
    const listener = await listenFor(backend);
    const quitting = new RawClient(listener.port).send('GET a\r\nQUIT\r\nPING\r\n');
    const waiting = new RawClient(listener.port).send('GET a\r\nPING\r\n');
    await until(() => later.length === 2);
    const closed = listener.close(10_000);
    for (const pending of backend.later) pending.finish();
    await Promise.all([closed, quitting.closed, waiting.closed]);
    expect(quitting.text).toBe('$1\r\n1\r\n+OK\r\n');
    expect(waiting.text).toBe('$1\r\n1\r\n+PONG\r\n');
  });

  it('forgets the pending replies of a client that left', async () => {
    const backend = new MapBackend([['a', '1']]);
    const later = (backend.later = []);
    const listener = await listenFor(backend);
    const client = new RawClient(listener.port).send('GET a\r\n');
    await until(() => later.length === 1);
    client.socket.resetAndDestroy();
    await until(() => listener.traffic.connections === 0);
    expect(backend.later[0]?.waiter).toBeUndefined();
    backend.later[0]?.finish();
  });
});

describe('startRespListener', () => {
  it('refuses clients over the maximum, and accepts again when one left', async () => {
    const listener = await listenFor(new MapBackend(), { maxConnections: 1 });
    const first = new RawClient(listener.port);
    await first.send('PING\r\n').wait(1);
    const second = new RawClient(listener.port);
    await second.closed;
    expect(second.text).toBe('-ERR max number of clients reached\r\n');
    first.socket.end();
    await until(() => listener.traffic.connections === 0);
    const third = new RawClient(listener.port);
    await third.send('PING\r\n').wait(1);
  });

  it('reports that a port is in use', async () => {
    const { port } = await listenFor(new MapBackend());
    await expect(listenFor(new MapBackend(), { port })).rejects.toMatchObject({
      code: 'PORT_IN_USE',
    });
  });

  it('disconnects clients at the deadline', async () => {
    const backend = new MapBackend();
    const later = (backend.later = []);
    const listener = await listenFor(backend);
    const client = new RawClient(listener.port).send('GET a\r\n');
    await until(() => later.length === 1);
    await listener.close(20);
    await client.closed;
    await until(() => listener.traffic.connections === 0);
  });
});
