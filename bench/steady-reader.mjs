// A reader that costs little: GETs at a fixed rate over plain sockets to the datanodes that own the
// keys, so that what is measured beside other work is the datanodes' latency and not the client's.

import { connect } from 'node:net';
import { Cluster } from 'ioredis';
import { slotOfKey } from '../dist/ring/slot.js';

const TICK_MS = 5;
const LF = 10;
const DOLLAR = 36;

/** Connects to the owners of `keys`; `ports` are the datanodes' RESP ports. */
export async function steadyReader(ports, keys, readsPerSecond) {
  const nodes = ports.map((port) => ({ host: '127.0.0.1', port }));
  const cluster = new Cluster(nodes);
  const ranges = await cluster.cluster('SLOTS');
  cluster.disconnect();
  const links = new Map();
  const requests = keys.map((key) => {
    const slot = slotOfKey(Buffer.from(key), 0, key.length);
    const range = ranges.find(([first, last]) => slot >= first && slot <= last);
    const [host, port] = range[2];
    if (!links.has(port)) links.set(port, new Link(host, port));
    const bytes = Buffer.from(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`);
    return { link: links.get(port), bytes };
  });
  let next = 0;
  return {
    /** Latencies in ms, sorted, of the reads until `isOver()`; throws where one fails. */
    async readUntil(isOver) {
      const latencies = new Float64Array(10_000_000);
      const done = { count: 0 };
      for (const link of links.values()) link.onReply = (ms) => (latencies[done.count++] = ms);
      const startedAt = performance.now();
      let sent = 0;
      while (!isOver()) {
        const due = ((performance.now() - startedAt) / 1000) * readsPerSecond;
        for (; sent < due; sent++) {
          const { bytes, link } = requests[next++ % requests.length];
          link.send(bytes);
        }
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
      const total = sent;
      const givenUpAt = performance.now() + 10_000;
      while (done.count < total && performance.now() < givenUpAt) {
        await new Promise((resolve) => setTimeout(resolve, TICK_MS));
      }
      const failed = [...links.values()].reduce((sum, link) => sum + link.failed, 0);
      if (failed > 0 || done.count < total)
        throw new Error(`${failed} reads failed, ${total - done.count} open`);
      return latencies.slice(0, done.count).sort();
    },
    close() {
      for (const link of links.values()) link.close();
    },
  };
}

class Link {
  failed = 0;
  onReply = () => undefined;
  #socket;
  #sentAt = new Float64Array(65_536);
  #head = 0;
  #tail = 0;
  /** Of the reply being read: bytes of its value and line end still to come. */
  #body = 0;
  #line = '';

  constructor(host, port) {
    const onread = {
      buffer: Buffer.allocUnsafeSlow(65_536),
      callback: (byteCount, bytes) => {
        this.#read(bytes, byteCount);
        return true;
      },
    };
    this.#socket = connect({ host, port, noDelay: true, onread });
  }

  send(bytes) {
    this.#sentAt[this.#tail++ & 65_535] = performance.now();
    this.#socket.write(bytes);
  }

  close() {
    this.#socket.destroy();
  }

  #read(bytes, byteCount) {
    for (let at = 0; at < byteCount;) {
      if (this.#body > 0) {
        const taken = Math.min(this.#body, byteCount - at);
        this.#body -= taken;
        at += taken;
        if (this.#body === 0) this.#done();
        continue;
      }
      const end = bytes.indexOf(LF, at);
      const stop = end < 0 || end >= byteCount ? byteCount : end;
      this.#line += bytes.latin1Slice(at, stop);
      at = stop + 1;
      if (stop === byteCount) return;
      const kind = this.#line.charCodeAt(0);
      const length = Number.parseInt(this.#line.slice(1), 10);
      this.#line = '';
      if (kind === DOLLAR && length >= 0) this.#body = length + 2;
      else {
        // Each key is there: nil is a failure like any error.
        this.failed++;
        this.#done();
      }
    }
  }

  #done() {
    this.onReply(performance.now() - this.#sentAt[this.#head++ & 65_535]);
  }
}
