// For tests: a listener over a MapBackend and sockets that send raw bytes; all closed after each
// test.

import type { Socket } from 'node:net';
import { onTestFinished } from 'vitest';
import { silentLogger } from '../../base/log.ts';
import { startRespListener } from '../../resp/server/listener.ts';
import type { RespListener, RespListenerOptions } from '../../resp/server/listener.ts';
import { ReplyDecoder } from '../../resp/wire/reply-decoder.ts';
import type { Reply } from '../../resp/wire/reply-decoder.ts';
import { dial } from '../../transport/dial.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import type { MapBackend } from './map-backend.ts';

export async function listenFor(
  backend: MapBackend,
  more: Partial<RespListenerOptions> = {},
): Promise<RespListener> {
  const listener = await startRespListener({
    host: '127.0.0.1',
    port: 0,
    backend,
    maxConnections: 100,
    log: silentLogger,
    ...more,
  });
  backend.port = listener.port;
  onTestFinished(() => listener.close(0));
  return listener;
}

export class RawClient {
  readonly socket: Socket;
  readonly closed: Promise<void>;
  text = '';
  readonly replies: Reply[] = [];
  readonly #decoder = new ReplyDecoder();
  #onReply: () => void = () => undefined;

  constructor(port: number, tls?: TlsIdentity) {
    this.socket = dial('127.0.0.1', port, { tls });
    this.socket.allowHalfOpen = true;
    this.socket.on('error', () => this.#onReply());
    this.socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.socket.on('end', () => this.socket.end());
    this.closed = new Promise((resolve) => this.socket.once('close', () => resolve()));
    onTestFinished(() => {
      this.socket.destroy();
    });
  }

  send(bytes: string | Buffer): this {
    this.socket.write(bytes);
    return this;
  }

  /** Resolves when `count` replies have arrived in total. */
  async wait(count: number): Promise<Reply[]> {
    while (this.replies.length < count) {
      await new Promise<void>((resolve) => {
        this.#onReply = resolve;
      });
    }
    return this.replies;
  }

  #receive(chunk: Buffer): void {
    if (this.text.length < 100_000) this.text += chunk.toString('latin1');
    this.#decoder.push(chunk);
    for (let reply = this.#decoder.next(); reply !== undefined; reply = this.#decoder.next()) {
      this.replies.push(reply);
    }
    this.#onReply();
  }
}

/** Resolves when `condition` holds, which is checked once per event-loop turn. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve));
}

/** Sends one inline line on a new connection to `backend` and returns the raw reply text. */
export async function ask(port: number, ...lines: string[]): Promise<string> {
  const client = new RawClient(port);
  client.send(`${lines.join('\r\n')}\r\nQUIT\r\n`);
  await client.closed;
  return client.text.replace(/\+OK\r\n$/, '');
}
