// MGETs over one raw connection, several in flight at a time, repeatedly. Every reply is compared,
// byte for byte, with the expected reply of each version. So each value is checked (its key, its
// place, its version), and a million replies take a minute, not an hour.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { multibulk } from '../../resp/split.ts';
import type { VersionedRows } from '../inputs/rows.ts';
import type { RespAddress } from './sources.ts';
import { until } from '../process/stele-process.ts';

/** One MGET, and its complete reply in each version; all replies have the same length. */
export interface MgetBatch {
  readonly request: Buffer;
  readonly answers: ReadonlyMap<number, Buffer>;
  readonly answerBytes: number;
}

/** The MGET of `keys`, with its replies in `versions`. */
export function mgetBatch(
  rows: VersionedRows,
  keys: readonly string[],
  versions: readonly number[],
): MgetBatch {
  const answerOf = (version: number): Buffer =>
    multibulk(...keys.map((key) => rows.value(key, version)));
  const answers = new Map(versions.map((version) => [version, answerOf(version)]));
  const [answerBytes = 0, ...others] = [...answers.values()].map(({ length }) => length);
  if (others.some((length) => length !== answerBytes)) throw new Error('answers differ in length');
  return { request: multibulk('MGET', ...keys), answers, answerBytes };
}

const IN_FLIGHT = 6;
const ARRAY = 0x2a;
const OK = '+OK\r\n';

export class MgetStream {
  readonly name: string;
  reads = 0;
  readonly failures: string[] = [];
  /** Number of replies by version. */
  readonly seen = new Map<number, number>();
  readonly #socket: Socket;
  readonly #batches: readonly MgetBatch[];
  #sent = 0;
  #rest: Buffer = Buffer.alloc(0);
  #version = 0;
  #stopped = false;

  private constructor(name: string, socket: Socket, batches: readonly MgetBatch[]) {
    this.name = name;
    this.#socket = socket;
    this.#batches = batches;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('close', () => this.#fail('the connection was closed'));
    this.#fill();
  }

  /** Connects, sends `greetings` (each answered by OK), and starts to read. */
  static async open(
    name: string,
    { host, resp }: RespAddress,
    greetings: readonly (readonly string[])[],
    batches: readonly MgetBatch[],
  ): Promise<MgetStream> {
    const socket = connect({ host, port: resp, noDelay: true });
    socket.on('error', () => undefined);
    socket.write(Buffer.concat(greetings.map((words) => multibulk(...words))));
    let text = '';
    const onData = (chunk: Buffer): void => void (text += chunk.toString('latin1'));
    socket.on('data', onData);
    await until(`${name} to be greeted`, () => text === OK.repeat(greetings.length));
    socket.off('data', onData);
    return new MgetStream(name, socket, batches);
  }

  /** Resolves when `count` more replies have arrived. */
  async progress(count: number, deadlineMs = 30_000): Promise<void> {
    const target = this.reads + count;
    const isThere = (): boolean => this.reads >= target || this.failures.length > 0;
    await until(`${count} answers of ${this.name}`, isThere, deadlineMs);
  }

  /** Waits for the MGETs in flight. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const isDone = (): boolean => this.reads === this.#sent || this.failures.length > 0;
    await until(`the last answers of ${this.name}`, isDone);
    this.#socket.removeAllListeners('close').destroy();
  }

  report(): string {
    const versions = [...this.seen].map(([version, count]) => `${count} of version ${version}`);
    return `${this.name}: ${this.reads} reads (${versions.join(', ')}), ${this.failures.length} failed`;
  }

  #fill(): void {
    this.#socket.cork();
    while (!this.#stopped && this.#sent - this.reads < IN_FLIGHT) {
      this.#socket.write(this.#batchAt(this.#sent++).request);
    }
    this.#socket.uncork();
  }

  #batchAt(number: number): MgetBatch {
    return this.#batches[number % this.#batches.length] as MgetBatch;
  }

  #receive(chunk: Buffer): void {
    if (this.failures.length > 0) return;
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (at < bytes.length) {
      if (bytes[at] !== ARRAY) return this.#fail(quoted(bytes.subarray(at)));
      const batch = this.#batchAt(this.reads);
      const end = at + batch.answerBytes;
      if (end > bytes.length) break;
      const version = this.#versionOf(batch, bytes, at, end);
      if (version === 0) return this.#fail(quoted(bytes.subarray(at, end)));
      this.seen.set(version, (this.seen.get(version) ?? 0) + 1);
      this.#version = version;
      this.reads++;
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#fill();
  }

  /** The only version of the complete reply; 0 if there is none. */
  #versionOf({ answers }: MgetBatch, bytes: Buffer, start: number, end: number): number {
    const isOf = (answer: Buffer | undefined): boolean =>
      answer !== undefined && bytes.compare(answer, 0, answer.length, start, end) === 0;
    if (isOf(answers.get(this.#version))) return this.#version;
    for (const [version, answer] of answers) if (isOf(answer)) return version;
    return 0;
  }

  #fail(what: string): void {
    if (this.failures.length > 0) return;
    this.#stopped = true;
    this.failures.push(what);
    this.#socket.destroy();
  }
}

/** The versions that a reply has values of, and the start of the reply. */
function quoted(bytes: Buffer): string {
  const text = bytes.toString('latin1');
  const versions = new Set([...text.matchAll(/\|v(\d+)\|/g)].map(([, version]) => version));
  return `values of versions [${[...versions].join(', ')}] in ${JSON.stringify(text.slice(0, 300))}`;
}
