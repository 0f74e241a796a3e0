// gRPC calls byte by byte, over HTTP/2 connections that are opened again when one breaks.

import { connect, constants } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream } from 'node:http2';
import type { WrongCall } from './mutated-grpc.ts';

/** A call that waits for more input is cancelled after this time. */
const CALL_MS_MAX = 500;
const CALLS_PER_CONNECTION = 300;

export interface RawAnswer {
  /** The HTTP status, or 0 for a stream or connection that was closed. */
  readonly httpStatus: number;
  /** The gRPC status; undefined if the call did not get that far. */
  readonly grpcStatus: string | undefined;
  /** Stele's code of the failure, if it was one of Stele. */
  readonly steleCode: string | undefined;
  /** The body of the answer. */
  readonly received: Buffer;
}

const NO_ANSWER: RawAnswer = {
  httpStatus: 0,
  grpcStatus: undefined,
  steleCode: undefined,
  received: Buffer.alloc(0),
};

export class RawCalls {
  readonly #origin: string;
  #session: ClientHttp2Session | undefined;
  #callsLeft = 0;

  constructor(port: number) {
    this.#origin = `http://127.0.0.1:${port}`;
  }

  /** Never rejects: a broken connection is an answer too. */
  call({ headers, body }: WrongCall, patienceMs = CALL_MS_MAX): Promise<RawAnswer> {
    let stream: ClientHttp2Stream;
    try {
      stream = this.#connected().request({ ':method': 'POST', te: 'trailers', ...headers });
    } catch {
      // A header that Node.js refuses to send, or a connection that is just being closed.
      return Promise.resolve(NO_ANSWER);
    }
    return answerOf(stream, body, patienceMs);
  }

  close(): void {
    this.#session?.destroy();
  }

  #connected(): ClientHttp2Session {
    if (this.#callsLeft-- > 0 && this.#session?.closed === false) return this.#session;
    this.#session?.close();
    this.#callsLeft = CALLS_PER_CONNECTION;
    this.#session = connect(this.#origin);
    this.#session.on('error', () => undefined);
    return this.#session;
  }
}

function answerOf(stream: ClientHttp2Stream, body: Buffer, patienceMs: number): Promise<RawAnswer> {
  return new Promise((resolve) => {
    const seen: Record<string, string> = {};
    const note = (headers: Record<string, unknown>): void => {
      for (const [name, value] of Object.entries(headers)) seen[name] = String(value);
    };
    const timer = setTimeout(() => stream.close(constants.NGHTTP2_CANCEL), patienceMs);
    stream
      .on('response', note)
      .on('trailers', note)
      .on('error', () => undefined);
    stream.on('close', () => {
      clearTimeout(timer);
      const httpStatus = Number(seen[':status'] ?? 0);
      const [grpcStatus, steleCode] = [seen['grpc-status'], seen['stele-code']];
      resolve({ httpStatus, grpcStatus, steleCode, received: Buffer.concat(chunks) });
    });
    const chunks: Buffer[] = [];
    stream.on('data', (chunk: Buffer) => chunks.push(chunk));
    stream.end(body);
  });
}
