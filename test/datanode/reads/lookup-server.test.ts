// Lookups over a real port: the datanode's side of proto/lookup-protocol.ts, tested with raw
// sockets.

import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it, onTestFinished } from 'vitest';
import { SteleError } from '../../../base/errors.ts';
import { InputBuffer } from '../../../base/input-buffer.ts';
import { lookupUpgrade } from '../../../datanode/reads/lookup-server.ts';
import type { LookupAnswerer } from '../../../datanode/reads/lookup-server.ts';
import { acceptUpgrades } from '../../../transport/upgrades.ts';
import { LookupStatus } from '../../../proto/gen/stele/v1/lookup.ts';
import {
  FRAME_HEAD_BYTES,
  PackedWriter,
  REPLY_FRAME_BYTES_MAX,
  REQUEST_BYTES_MAX,
  frameBytes,
  readKeys,
  readResults,
  takeRequest,
} from '../../../proto/lookup-protocol.ts';
import { cutAt } from '../../resp/split.ts';
import { Mutator } from '../../support/mutations/mutations.ts';

const TARGET = { keyspaceUid: 'u', version: 7 };
const MiB = 1024 * 1024;

/** Answers each key with itself and its target's version, padded with `valueBytes` bytes. */
class Echo implements LookupAnswerer {
  requests = 0;
  /** Number of keys of the completely answered requests, and how long each took. */
  readonly answered: [keys: number, tookMs: number][] = [];
  readonly #padding: Buffer;

  constructor(valueBytes = 0) {
    this.#padding = Buffer.alloc(valueBytes, 'v');
  }

  expect(nodeId: string): void {
    if (nodeId !== 'n') throw new SteleError('WRONG_NODE', 'This is datanode n.');
  }

  onAnswered({ count }: Parameters<LookupAnswerer['onAnswered']>[0], tookMs: number): void {
    this.answered.push([count, tookMs]);
  }

  *answer(
    ...[request, writer]: Parameters<LookupAnswerer['answer']>
  ): ReturnType<LookupAnswerer['answer']> {
    this.requests++;
    const keys: [target: number, start: number, end: number][] = [];
    readKeys(request.keys, request.count, (_, ...key) => keys.push(key));
    for (const [first, [target, start, end]] of keys.entries()) {
      const { version } = request.targets[target] ?? { version: 0 };
      // Not before it is due, when the bytes must still be there.
      const key = request.keys.toString('latin1', start, Math.min(end, start + 10));
      const value = Buffer.concat([Buffer.from(`${key}@${version}`), this.#padding]);
      writer.addResult(LookupStatus.OK, value, 0, value.length);
      if (writer.byteLength < MiB && first + 1 < keys.length) continue;
      const { count } = writer;
      yield { id: request.id, first: first + 1 - count, count, results: writer.take() };
    }
  }
}

async function listen(answerer: LookupAnswerer): Promise<number> {
  const server = createServer();
  onTestFinished(acceptUpgrades(server, [lookupUpgrade(answerer, 100)]));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** A raw socket that has upgraded the protocol, and the bytes received since. */
class Asker {
  readonly answers: string[] = [];
  refusal: string | undefined;
  isClosed = false;
  readonly socket: Socket;
  readonly #input = new InputBuffer(true);
  readonly #ready: Promise<void>;
  #onChange: () => void = () => undefined;

  constructor(port: number, node = 'n') {
    this.socket = connect({ port, host: '127.0.0.1' });
    onTestFinished(() => {
      this.socket.destroy();
    });
    this.socket
      .on('error', () => undefined)
      .on('close', () => {
        this.isClosed = true;
        this.#onChange();
      });
    this.#ready = new Promise((resolve) => {
      this.socket.once('data', (chunk: Buffer) => {
        const end = chunk.indexOf('\r\n\r\n') + 4;
        expect(chunk.toString('latin1', 0, end)).toMatch(/^HTTP\/1.1 101 /);
        this.#receive(chunk.subarray(end));
        this.socket.on('data', (more: Buffer) => this.#receive(more));
        resolve();
      });
    });
    this.socket.write(
      `GET /v1/lookups HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: stele-lookups\r\nstele-node: ${node}\r\n\r\n`,
    );
  }

  async send(...pieces: readonly Buffer[]): Promise<void> {
    await this.#ready;
    for (const piece of pieces) this.socket.write(piece);
  }

  /** Resolves when this many keys are answered. */
  async wait(count: number): Promise<string[]> {
    while (this.answers.length < count) {
      await new Promise<void>((resolve) => (this.#onChange = resolve));
    }
    return this.answers;
  }

  async closed(): Promise<void> {
    while (!this.isClosed) await new Promise<void>((resolve) => (this.#onChange = resolve));
  }

  #receive(chunk: Buffer): void {
    const input = this.#input;
    input.push(chunk);
    for (;;) {
      const byteCount = frameBytes(input, REPLY_FRAME_BYTES_MAX);
      if (byteCount === undefined) break;
      const { at, bytes } = input;
      input.at += byteCount;
      const count = bytes.readUInt32LE(at + 12);
      if (count === 0) {
        this.refusal = bytes.toString('utf8', at + FRAME_HEAD_BYTES, at + byteCount);
        return;
      }
      readResults(bytes, at + FRAME_HEAD_BYTES, at + byteCount, count, (_, status, start, end) => {
        expect(status).toBe(LookupStatus.OK);
        this.answers.push(bytes.toString('latin1', start, Math.min(end, start + 20)));
      });
    }
    this.#onChange();
  }
}

function requestOf(id: number, ...keys: readonly string[]): Buffer {
  const writer = new PackedWriter(0, FRAME_HEAD_BYTES);
  const asked = keys.map((key) => ({ target: TARGET, key: Buffer.from(key) }));
  return Buffer.from(takeRequest(writer, id, asked));
}

describe('the connection of lookups', () => {
  it('answers requests that are cut anywhere, and several at once, in their order', async () => {
    const echo = new Echo();
    const port = await listen(echo);
    const bytes = Buffer.concat([requestOf(1, 'a', 'bc'), requestOf(2, ''), requestOf(3, 'def')]);
    const expected = ['a@7', 'bc@7', '@7', 'def@7'];
    for (let cut = 0; cut <= bytes.length; cut++) {
      const asker = new Asker(port);
      const [head, tail] = [bytes.subarray(0, cut), bytes.subarray(cut)];
      await asker.send(head);
      // So that they arrive separately.
      await new Promise((resolve) => setImmediate(resolve));
      await asker.send(tail);
      expect(await asker.wait(4)).toEqual(expected);
      asker.socket.destroy();
      // The time is read once per request.
      expect(echo.answered.splice(0).map(([keys]) => keys)).toEqual([2, 1, 1]);
    }
  });

  it('reports how long a request took from its first turn on, also where the peer reads slowly', async () => {
    const echo = new Echo(MiB);
    const asker = new Asker(await listen(echo));
    await asker.send();
    asker.socket.pause();
    const keys = Array.from({ length: 20 }, (_, at) => `k${at}`);
    await asker.send(requestOf(1, ...keys));
    await new Promise((resolve) => setTimeout(resolve, 50));
    expect(echo.answered).toEqual([]);
    asker.socket.resume();
    await asker.wait(keys.length);
    expect(echo.answered).toEqual([[20, expect.any(Number)]]);
    expect(echo.answered[0]?.[1]).toBeGreaterThan(20);
  });

  it('refuses requests for another node, and malformed or too long ones', async () => {
    const port = await listen(new Echo());
    const lost = new Asker(port, 'another');
    await lost.closed();
    expect(lost.refusal).toBe('{"code":"WRONG_NODE","detail":"This is datanode n."}');
    const long = Buffer.alloc(8);
    long.writeUInt32LE(REQUEST_BYTES_MAX);
    const short = Buffer.alloc(8);
    short.writeUInt32LE(3);
    const cut = requestOf(1, 'abc').subarray(0, -1);
    cut.writeUInt32LE(cut.length - 4, 0);
    for (const wrong of [long, short, cut]) {
      const asker = new Asker(port);
      await asker.send(requestOf(1, 'a'), wrong);
      await asker.closed();
      expect(asker.answers).toEqual(['a@7']);
      expect(asker.refusal).toContain('INVALID_ARGUMENT');
    }
  });

  it('does not read on while a peer does not, and answers all of it later', async () => {
    const echo = new Echo(100_000);
    const port = await listen(echo);
    const asker = new Asker(port);
    await asker.send();
    asker.socket.pause();
    const count = 600;
    const keys = Array.from({ length: count }, (_, id) => `key-${id}`.padEnd(60_000, '-'));
    await asker.send(...keys.map((key, id) => requestOf(id, key)));
    const other = new Asker(port);
    let before = -1;
    for (let round = 1; echo.requests !== before || round < 20; round++) {
      before = echo.requests + 1;
      await other.send(requestOf(round, 'other'));
      await other.wait(round);
    }
    expect(echo.requests).toBeLessThan(count / 2);
    // Most of the requests have not left their sender.
    expect(asker.socket.writableLength).toBeGreaterThan((count * 60_000) / 2);
    asker.socket.resume();
    const expected = keys.map((key) => `${key.slice(0, 10)}@7`.padEnd(20, 'v'));
    expect(await asker.wait(count)).toEqual(expected);
  });

  it('answers a batch in pieces when its reader falls behind in the middle of it', async () => {
    const port = await listen(new Echo(300_000));
    const asker = new Asker(port);
    await asker.send();
    asker.socket.pause();
    const keys = Array.from({ length: 100 }, (_, index) => `k${index}`);
    await asker.send(requestOf(1, ...keys), requestOf(2, 'last'));
    // The buffer that requests are read into is reused for others in the meantime.
    const other = new Asker(port);
    for (let round = 1; round <= 20; round++) {
      await other.send(requestOf(round, 'x'.repeat(5000)));
      await other.wait(round);
    }
    asker.socket.resume();
    const expected = [...keys, 'last'].map((key) => `${key}@7`.padEnd(20, 'v'));
    expect(await asker.wait(101)).toEqual(expected);
  });

  it('never sends what a failed answer had written', async () => {
    const echo = new Echo();
    const port = await listen({
      expect: () => undefined,
      onAnswered: () => undefined,
      *answer(...[asked, writer]: Parameters<LookupAnswerer['answer']>) {
        if (asked.id !== 1) return yield* { [Symbol.iterator]: () => echo.answer(asked, writer) };
        writer.addResult(LookupStatus.OK, Buffer.from('left over'), 0, 9);
        throw new SteleError('CORRUPT', 'in the middle');
      },
    });
    const unlucky = new Asker(port);
    await unlucky.send(requestOf(1, 'a', 'b'));
    await unlucky.closed();
    expect(unlucky.refusal).toContain('CORRUPT');
    const asker = new Asker(port);
    await asker.send(requestOf(2, 'b'));
    expect(await asker.wait(1)).toEqual(['b@7']);
  });

  it('survives any input, and answers the next peer', async () => {
    const port = await listen(new Echo());
    const mutator = new Mutator(20_261_121);
    for (let round = 0; round < 400; round++) {
      const bytes = mutator.withWrongBytes(requestOf(round, 'some', 'keys', 'k'.repeat(300)));
      const asker = new Asker(port);
      await asker.send(...cutAt(bytes, mutator.cuts(bytes.length + 1)));
      if (mutator.chance(2)) asker.socket.end();
      else asker.socket.destroy();
    }
    const asker = new Asker(port);
    await asker.send(requestOf(1, 'alive'));
    expect(await asker.wait(1)).toEqual(['alive@7']);
  });
});
