// GETs at a fixed rate over 50 connections, whatever the answers take, and how long each took from
// the moment it was due: a server that stalls is charged for all that should have been asked meanwhile.
//
//   node paced-client.mjs PORT RATE SECONDS KEYS      prints p50, p99, p99.9 and the largest, in ms

import { connect } from 'node:net';

const [port, rate, seconds, keys] = process.argv.slice(2).map(Number);
const CONNECTIONS = 50;
const WARM_UP_SECONDS = 1;
const END_OF_REPLY = Buffer.from('\r\n');

/** One connection: requests in flight are the due times in `due`, oldest first. */
class Client {
  due = [];
  #rest = Buffer.alloc(0);

  constructor(onAnswer) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (chunk) => {
      const bytes = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
      let at = 0;
      for (;;) {
        const lineEnd = bytes.indexOf(END_OF_REPLY, at);
        if (lineEnd < 0) break;
        if (bytes[at] !== 36) throw new Error(bytes.toString('utf8', at, lineEnd));
        const end = lineEnd + 4 + Number(bytes.latin1Slice(at + 1, lineEnd));
        if (end > bytes.length) break;
        at = end;
        onAnswer(this.due.shift());
      }
      this.#rest = bytes.subarray(at);
    });
  }
}

const latencies = [];
const startedAt = performance.now();
const warmUntil = startedAt + WARM_UP_SECONDS * 1000;
const clients = Array.from(
  { length: CONNECTIONS },
  () =>
    new Client((due) => {
      if (due >= warmUntil) latencies.push(performance.now() - due);
    }),
);
let sent = 0;
const until = startedAt + (WARM_UP_SECONDS + seconds) * 1000;

function tick() {
  const now = performance.now();
  const wanted = ((Math.min(now, until) - startedAt) * rate) / 1000;
  for (; sent < wanted; sent++) {
    const client = clients[sent % CONNECTIONS];
    const key = `key:${String(Math.floor(Math.random() * keys)).padStart(12, '0')}`;
    client.due.push(startedAt + (sent * 1000) / rate);
    client.socket.write(`*2\r\n$3\r\nGET\r\n$16\r\n${key}\r\n`);
  }
  if (now < until) setImmediate(tick);
  else setTimeout(finish, 500);
}

function finish() {
  latencies.sort((a, b) => a - b);
  const at = (share) =>
    latencies[Math.min(latencies.length - 1, Math.floor(latencies.length * share))];
  console.log(
    JSON.stringify({
      answered: latencies.length,
      p50Ms: at(0.5),
      p99Ms: at(0.99),
      p999Ms: at(0.999),
      maxMs: at(1),
    }),
  );
  process.exit(0);
}

setTimeout(tick, 100);
