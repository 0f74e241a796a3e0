// Malformed gRPC calls from a seed: messages, their frames, headers, and HTTP/2 frames.

import { gzipSync } from 'node:zlib';
import { Mutator } from './mutations.ts';
import { wireMessage } from './wire-messages.ts';
import type { WireMethod } from './wire-messages.ts';

export interface WrongCall {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

const TIMEOUTS = ['1S', '0n', '-1S', '99999999H', '999999999999S', 'x', '', '5'];
const TYPES = ['application/grpc', 'application/grpc+json', 'text/plain', 'application/grpc;x', ''];
const ENCODINGS = ['gzip', 'deflate', 'identity', 'snappy', 'br', ''];
const PATHS = ['/', '', '/stele.v1.LookupService/', '/stele.v1.LookupService/Nothing', '/a/b/c'];
const FRAME_BYTES = [0, 1, 5, 0x7fffffff, 0xffffffff];
const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME_TYPES = 11;
const MAX_FRAME_BYTES = 16_384;

export class GrpcMutator extends Mutator {
  /** `names` are candidates for the strings of the messages. */
  call(methods: readonly WireMethod[], names: readonly string[]): WrongCall {
    const { path, request } = this.pick(methods);
    const messages = Array.from({ length: this.#messageCount() }, () => {
      const message = wireMessage(request, this, names);
      return this.chance(3) ? this.withWrongBytes(message) : message;
    });
    return {
      headers: {
        ':path': this.chance(20) ? this.pick(PATHS) : path,
        'content-type': this.chance(20) ? this.pick(TYPES) : 'application/grpc',
        ...(this.chance(10) ? { 'grpc-timeout': this.pick(TIMEOUTS) } : {}),
        ...(this.chance(10) ? { 'grpc-encoding': this.pick(ENCODINGS) } : {}),
        ...(this.chance(20) ? { 'grpc-accept-encoding': this.pick(ENCODINGS) } : {}),
        ...(this.chance(20) ? { 'x-bin': '!!!', 'stele-bin': '=' } : {}),
      },
      body: Buffer.concat(messages.map((message) => this.#frame(message))),
    };
  }

  /** The bytes of a connection from the start. */
  connection(): Buffer {
    const count = this.below(12);
    const frames = Array.from({ length: count }, () => this.#http2Frame());
    const settings = this.chance(10) ? Buffer.alloc(0) : http2Frame(4, 0, 0, Buffer.alloc(0));
    const bytes = Buffer.concat([Buffer.from(PREFACE), settings, ...frames]);
    return this.chance(2) ? bytes : this.withWrongBytes(bytes);
  }

  #messageCount(): number {
    return this.chance(10) ? this.below(4) : 1;
  }

  /** A message's compressed flag and length, which are sometimes wrong. */
  #frame(message: Buffer): Buffer {
    const head = Buffer.alloc(5);
    head[0] = this.chance(10) ? this.below(256) : 0;
    head.writeUInt32BE(this.chance(20) ? this.pick(FRAME_BYTES) : message.length, 1);
    return Buffer.concat([head, message]);
  }

  #http2Frame(): Buffer {
    const type = this.below(FRAME_TYPES);
    const stream = this.pick([0, 1, 1, 3, 5, 2, 0x7fffffff]);
    const payload = type === 1 ? this.#headerBlock() : this.bytes(this.pick([0, 4, 5, 8, 6, 40]));
    const flags = this.pick([0, 4, 5, 1, 255]);
    if (this.chance(50)) return http2Frame(type, flags, stream, Buffer.alloc(MAX_FRAME_BYTES + 1));
    return http2Frame(type, flags, stream, payload);
  }

  /** HPACK: literals without an index, some of which are not headers of a call. */
  #headerBlock(): Buffer {
    const fields = [
      [':method', 'POST'],
      [':scheme', 'http'],
      [':path', '/stele.v1.LookupService/Lookup'],
      ['content-type', 'application/grpc'],
      ['te', 'trailers'],
      ...(this.chance(3) ? [['A', 'b'.repeat(this.below(90))]] : []),
      ...(this.chance(5) ? [[':status', '200']] : []),
    ];
    return Buffer.concat(
      fields.map(([name = '', value = '']) =>
        Buffer.from([0, name.length, ...Buffer.from(name), value.length, ...Buffer.from(value)]),
      ),
    );
  }
}

function http2Frame(type: number, flags: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A call whose message takes few bytes and would expand to `byteCount`. */
export function bomb(path: string, byteCount: number): WrongCall {
  const packed = gzipSync(Buffer.alloc(byteCount));
  const head = Buffer.alloc(5);
  head[0] = 1;
  head.writeUInt32BE(packed.length, 1);
  const headers = { ':path': path, 'content-type': 'application/grpc', 'grpc-encoding': 'gzip' };
  return { headers, body: Buffer.concat([head, packed]) };
}
