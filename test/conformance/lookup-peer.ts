// A client of docs/lookup-protocol.md, written from that page only: it shares no code with the
// product.

import { connect } from 'node:net';
import type { Socket } from 'node:net';

export interface Key {
  readonly target: number;
  readonly key: Buffer;
}

export interface Target {
  readonly uid: string;
  readonly version: number;
}

interface Result {
  readonly status: number;
  readonly value: Buffer;
}

interface Refusal {
  readonly code: string;
  readonly detail: string;
}

export interface Reply {
  readonly id: number;
  readonly first: number;
  readonly results: readonly Result[];
  readonly refusal: Refusal | undefined;
}

export function encodeRequest(
  id: number,
  keys: readonly Key[],
  targets: readonly Target[],
): Buffer {
  const entries = Buffer.concat(
    keys.flatMap(({ key, target }) => [u16(target), u32(key.length), key]),
  );
  const tail = targets.flatMap(({ uid, version }) => {
    const number = Buffer.alloc(6);
    number.writeUIntLE(version, 0, 6);
    return [u16(Buffer.byteLength(uid)), Buffer.from(uid), number];
  });
  const rest = Buffer.concat([u32(id), u32(keys.length), u32(entries.length), entries, ...tail]);
  return Buffer.concat([u32(rest.length), rest]);
}

/** The reply at the start of `bytes`, and its length; undefined if it is incomplete. */
export function decodeReply(bytes: Buffer): { reply: Reply; byteCount: number } | undefined {
  if (bytes.length < 4 || bytes.length < 4 + bytes.readUInt32LE(0)) return undefined;
  const byteCount = 4 + bytes.readUInt32LE(0);
  const [id, first, count] = [4, 8, 12].map((at) => bytes.readUInt32LE(at)) as [
    number,
    number,
    number,
  ];
  const body = bytes.subarray(16, byteCount);
  if (count === 0) {
    const refusal = JSON.parse(body.toString('utf8')) as Refusal;
    return { reply: { id, first, results: [], refusal }, byteCount };
  }
  const results: Result[] = [];
  let at = 0;
  for (let index = 0; index < count; index++) {
    const end = at + 5 + body.readUInt32LE(at + 1);
    results.push({ status: body.readUInt8(at), value: Buffer.from(body.subarray(at + 5, end)) });
    at = end;
  }
  if (at !== body.length) throw new Error(`${body.length - at} bytes follow the last entry`);
  return { reply: { id, first, results, refusal: undefined }, byteCount };
}

/** One connection; the test decides what to send and what to expect. */
export class LookupPeer {
  readonly #socket: Socket;
  #bytes: Buffer = Buffer.alloc(0);
  #isEnded = false;
  #wake = (): void => undefined;

  constructor(host: string, port: number) {
    this.#socket = connect({ host, port });
    this.#socket.on('data', (bytes) => {
      this.#bytes = Buffer.concat([this.#bytes, bytes]);
      this.#wake();
    });
    this.#socket.on('error', () => this.#end());
    this.#socket.on('close', () => this.#end());
  }

  /** The status line of the answer to the upgrade. */
  async upgrade(headers = ''): Promise<string> {
    this.send(
      `GET /v1/lookups HTTP/1.1\r\nhost: stele\r\nconnection: upgrade\r\nupgrade: stele-lookups\r\n${headers}\r\n`,
    );
    await this.#until(() => this.#bytes.includes('\r\n\r\n'));
    const end = this.#bytes.indexOf('\r\n\r\n');
    const head = this.#bytes.toString('latin1', 0, end);
    this.#bytes = this.#bytes.subarray(end + 4);
    return head.split('\r\n')[0] ?? '';
  }

  send(bytes: Buffer | string): void {
    this.#socket.write(bytes);
  }

  async reply(): Promise<Reply> {
    await this.#until(() => decodeReply(this.#bytes) !== undefined);
    const { byteCount, reply } = decodeReply(this.#bytes)!;
    this.#bytes = this.#bytes.subarray(byteCount);
    return reply;
  }

  /** Resolves when the peer has closed the connection. */
  async ended(): Promise<void> {
    await this.#until(() => this.#isEnded);
  }

  close(): void {
    this.#socket.destroy();
  }

  #end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async #until(condition: () => boolean): Promise<void> {
    while (!condition()) {
      if (this.#isEnded) throw new Error('the connection ended');
      await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

function u16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16LE(value);
  return bytes;
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}
