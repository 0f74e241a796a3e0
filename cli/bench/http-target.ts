// Reads over HTTP: GET /v1/keyspaces/{keyspace}/keys/{key}, one read at a time on each of a number of
// connections.

import { Agent, request } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { dial } from '../../transport/dial.ts';
import { dialReason } from '../../transport/tls/dial-errors.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import { MISS, failed } from './read-target.ts';
import type { OnOutcome, ReadOutcome, ReadTarget } from './read-target.ts';

export interface HttpTargetOptions {
  readonly host: string;
  readonly port: number;
  readonly keyspace: string;
  readonly authorization: string | undefined;
  readonly tls: TlsIdentity | undefined;
  readonly connections: number;
  readonly timeoutMs: number;
}

export class HttpTarget implements ReadTarget {
  readonly name: string;
  readonly #options: HttpTargetOptions;
  readonly #paths: readonly string[];
  readonly #agent: Agent;

  constructor(keys: readonly Buffer[], options: HttpTargetOptions) {
    const { connections, host, keyspace, port, tls } = options;
    this.name = `HTTP ${host}:${port}`;
    this.#options = options;
    const before = `/v1/keyspaces/${encodeURIComponent(keyspace)}/keys/`;
    this.#paths = keys.map((key) => before + percentEncoded(key));
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#agent.createConnection = () => dial(host, port, { tls });
  }

  read(_slot: number, key: number, done: OnOutcome): void {
    const { authorization, host, port, timeoutMs } = this.#options;
    const headers = authorization === undefined ? {} : { authorization };
    const path = this.#paths[key] ?? '/';
    const asked = request({ agent: this.#agent, host, port, path, headers });
    let isDone = false;
    const end = (outcome: ReadOutcome): void => {
      if (isDone) return;
      isDone = true;
      done(outcome);
    };
    asked.setTimeout(timeoutMs, () => {
      asked.destroy();
      end(failed(`no answer for ${timeoutMs} ms`));
    });
    asked.once('error', (error) => end(failed(dialReason(error))));
    asked.once('response', (reply) => collect(reply, end));
    asked.end();
  }

  close(): void {
    this.#agent.destroy();
  }
}

function collect(reply: IncomingMessage, end: (outcome: ReadOutcome) => void): void {
  const parts: Buffer[] = [];
  reply.on('data', (part: Buffer) => parts.push(part));
  reply.once('error', (error) => end(failed(dialReason(error))));
  reply.once('end', () => {
    const value = Buffer.concat(parts);
    if (reply.statusCode === 200) return end({ status: 'hit', value });
    const text = value.toString('utf8');
    // A keyspace that is not there is another 404.
    const code = /"code": *"([A-Z_]+)"/.exec(text)?.[1] ?? `status ${reply.statusCode}`;
    end(code === 'NOT_FOUND' ? MISS : failed(code));
  });
}

function percentEncoded(key: Buffer): string {
  let text = '';
  for (const byte of key) text += `%${byte.toString(16).padStart(2, '0')}`;
  return text;
}
