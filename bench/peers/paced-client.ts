// Sends GETs at a fixed rate over 50 connections, independent of the replies, and measures each
// latency from the moment at which the request was due: a server that stalls is charged for all
// requests that were due in the meantime.
//
//   node paced-client.js PORT RATE SECONDS KEYS      prints p50, p99, p99.9 and the maximum, in ms

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { ofSorted } from '../support/measure.ts';

/** The output, as JSON. */
export interface Latencies {
  readonly answered: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maxMs: number;
}

const [port = 0, rate = 1, seconds = 1, keyCount = 1] = process.argv.slice(2).map(Number);
const CONNECTIONS = 50;
const WARM_UP_SECONDS = 1;
const LAST_ANSWERS_MS = 500;
const END_OF_LINE = Buffer.from('\r\n');
const DOLLAR = 36;

/** One connection: `due` are the moments at which the requests in flight were due, oldest first. */
class Client {
  readonly due: number[] = [];
  readonly socket: Socket;
  #rest: Buffer = Buffer.alloc(0);

  constructor(onAnswer: (dueMs: number) => void) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk: Buffer) => {
      const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
      let at = 0;
      for (;;) {
        const lineEnd = bytes.indexOf(END_OF_LINE, at);
        if (lineEnd < 0) break;
        if (bytes[at] !== DOLLAR) throw new Error(bytes.toString('utf8', at, lineEnd));
        const end = lineEnd + 4 + Number(bytes.toString('latin1', at + 1, lineEnd));
        if (end > bytes.length) break;
        at = end;
        onAnswer(this.due.shift() ?? Number.NaN);
      }
      this.#rest = bytes.subarray(at);
    });
  }
}

const latencies: number[] = [];
const startedAt = performance.now();
const warmUntil = startedAt + WARM_UP_SECONDS * 1000;
const until = startedAt + (WARM_UP_SECONDS + seconds) * 1000;
const clients = Array.from(
  { length: CONNECTIONS },
  () =>
    new Client((dueMs) => {
      if (dueMs >= warmUntil) latencies.push(performance.now() - dueMs);
    }),
);
let sent = 0;

function tick(): void {
  const now = performance.now();
  const wanted = ((Math.min(now, until) - startedAt) * rate) / 1000;
  for (; sent < wanted; sent++) {
    const client = clients[sent % CONNECTIONS];
    const key = `key:${String(Math.floor(Math.random() * keyCount)).padStart(12, '0')}`;
    client?.due.push(startedAt + (sent * 1000) / rate);
    client?.socket.write(`*2\r\n$3\r\nGET\r\n$16\r\n${key}\r\n`);
  }
  if (now < until) setImmediate(tick);
  else setTimeout(finish, LAST_ANSWERS_MS);
}

function finish(): void {
  latencies.sort((a, b) => a - b);
  const result: Latencies = {
    answered: latencies.length,
    p50Ms: ofSorted(latencies, 0.5),
    p99Ms: ofSorted(latencies, 0.99),
    p999Ms: ofSorted(latencies, 0.999),
    maxMs: ofSorted(latencies, 1),
  };
  console.log(JSON.stringify(result));
  process.exit(0);
}

setTimeout(tick, 100);
