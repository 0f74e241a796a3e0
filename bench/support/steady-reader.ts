// A reader that costs little: GETs at a fixed rate over plain sockets to the datanodes that own the
// keys, so that the measured latency is that of the datanodes, not of the client.

import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { Cluster } from 'ioredis';
import { slotOfKey } from '../../ring/slot.ts';
import { sleep } from './measure.ts';

const TICK_MS = 5;
const LAST_REPLIES_MS = 10_000;
const LATENCIES_MAX = 10_000_000;
/** A power of two. */
const OPEN_MAX = 65_536;
const LF = 10;
const DOLLAR = 36;

export interface SteadyReader {
  /** Reads until `isOver()`; returns the latencies in ms, sorted. Throws if a read fails. */
  readUntil(isOver: () => boolean): Promise<Float64Array>;
  close(): void;
}

/** Connects to the owners of `keys`; `ports` are the datanodes' RESP ports. */
export async function steadyReader(
  ports: readonly number[],
  keys: readonly string[],
  readsPerSecond: number,
): Promise<SteadyReader> {
  const { links, requests } = await connectOwners(ports, keys);
  let next = 0;
  return {
    async readUntil(isOver) {
      const latencies = new Float64Array(LATENCIES_MAX);
      let done = 0;
      for (const link of links) link.onReply = (ms) => (latencies[done++] = ms);
      const startedAt = performance.now();
      let sent = 0;
      while (!isOver()) {
        const due = ((performance.now() - startedAt) / 1000) * readsPerSecond;
        for (; sent < due; sent++) {
          const request = requests[next++ % requests.length];
          request?.link.send(request.bytes);
        }
        await sleep(TICK_MS);
      }
      const givenUpAt = performance.now() + LAST_REPLIES_MS;
      const isOpen = (): boolean => done < sent && performance.now() < givenUpAt;
      while (isOpen()) await sleep(TICK_MS);
      const failed = links.reduce((sum, link) => sum + link.failed, 0);
      if (failed > 0 || done < sent) {
        throw new Error(`${failed} reads failed, ${sent - done} have no reply`);
      }
      return latencies.slice(0, done).sort();
    },
    close() {
      for (const link of links) link.close();
    },
  };
}

interface Request {
  readonly link: Link;
  readonly bytes: Buffer;
}

async function connectOwners(
  ports: readonly number[],
  keys: readonly string[],
): Promise<{ links: Link[]; requests: Request[] }> {
  const cluster = new Cluster(ports.map((port) => ({ host: '127.0.0.1', port })));
  const ranges = await cluster.cluster('SLOTS');
  cluster.disconnect();
  const links = new Map<number, Link>();
  const requests = keys.map((key) => {
    const slot = slotOfKey(Buffer.from(key), 0, key.length);
    const range = ranges.find(([first, last]) => slot >= first && slot <= last);
    const [, , owner] = range ?? [];
    if (owner === undefined) throw new Error(`nobody has slot ${slot}`);
    const [host, port] = owner;
    const link = links.get(port) ?? new Link(host, port);
    links.set(port, link);
    return { link, bytes: Buffer.from(`*2\r\n$3\r\nGET\r\n$${key.length}\r\n${key}\r\n`) };
  });
  return { links: [...links.values()], requests };
}

class Link {
  failed = 0;
  onReply: (ms: number) => void = () => undefined;
  readonly #socket: Socket;
  readonly #sentAt = new Float64Array(OPEN_MAX);
  #head = 0;
  #tail = 0;
  /** Bytes still to come of the value and line end in the current reply. */
  #body = 0;
  #line = '';

  constructor(host: string, port: number) {
    const onread = {
      buffer: Buffer.allocUnsafeSlow(65_536),
      callback: (byteCount: number, bytes: Buffer) => {
        this.#read(bytes, byteCount);
        return true;
      },
    };
    this.#socket = connect({ host, port, noDelay: true, onread });
  }

  send(bytes: Buffer): void {
    this.#sentAt[this.#tail++ & (OPEN_MAX - 1)] = performance.now();
    this.#socket.write(bytes);
  }

  close(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer, byteCount: number): void {
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
      this.#line += bytes.toString('latin1', at, stop);
      at = stop + 1;
      if (stop === byteCount) return;
      const kind = this.#line.charCodeAt(0);
      const length = Number.parseInt(this.#line.slice(1), 10);
      this.#line = '';
      if (kind === DOLLAR && length >= 0) this.#body = length + 2;
      else {
        // Every key exists, so nil is a failure like any error.
        this.failed++;
        this.#done();
      }
    }
  }

  #done(): void {
    this.onReply(performance.now() - (this.#sentAt[this.#head++ & (OPEN_MAX - 1)] ?? Number.NaN));
  }
}
