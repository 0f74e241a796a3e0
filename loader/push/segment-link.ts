// Connections to one datanode over which segments go (proto/segment-transfer.ts has the protocol).
//
// Where nothing moves for IDLE_MS_MAX a connection is given up; where no answer comes to what costs the
// node nothing, after ANSWER_MS_MAX. One that has failed is not used again.

import { request } from 'node:http';
import type { Socket } from 'node:net';
import { SteleError, systemErrorCode, toSteleError } from '../../base/errors.ts';
import type { NodeView } from '../../proto/gen/stele/v1/view.ts';
import {
  FrameReader,
  SEGMENTS_PATH,
  SEGMENTS_PROTOCOL,
  encodeFrame,
  readAnswer,
} from '../../proto/segment-transfer.ts';
import type { SegmentAnnouncement } from '../../proto/segment-transfer.ts';

/** Segments on their way to one node: while one is synced to disk there, the next ones travel. */
const CONNECTIONS_PER_NODE = 8;
/** Includes the wait for a turn, the verification and the sync at the datanode. */
const IDLE_MS_MAX = 60_000;
/** For the upgrade and for an announcement, which the node only compares with what it has. */
const ANSWER_MS_MAX = 10_000;

/** All connections to one node, at most CONNECTIONS_PER_NODE; `close` them in the end. */
export class SegmentLinks {
  readonly #node: NodeView;
  readonly #idle: SegmentLink[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #open = new Set<SegmentLink>();
  /** Open ones and those being opened. */
  #count = 0;
  #closedWith: SteleError | undefined;

  constructor(node: NodeView) {
    this.#node = node;
  }

  /**
   * A connection for one segment, to be given back whatever becomes of it. Rejects with UNAVAILABLE,
   * DEADLINE_EXCEEDED, or CANCELLED by `signal`.
   */
  async take(signal: AbortSignal): Promise<SegmentLink> {
    if (signal.aborted) throw cancelled();
    if (this.#closedWith !== undefined) throw this.#closedWith;
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.isUsable) return idle;
    }
    if (this.#count < CONNECTIONS_PER_NODE) return this.#dial(signal);
    return new Promise<SegmentLink>((resolve, reject) => {
      this.#waiting.push({ signal, resolve, reject });
    });
  }

  giveBack(link: SegmentLink): void {
    if (!link.isUsable) {
      this.#forget(link);
      this.#dialForNext();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(link);
    else next.resolve(link);
  }

  /** Ends all connections: what is on its way rejects. */
  close(error: SteleError): void {
    this.#closedWith ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    for (const link of this.#open) link.close(error);
  }

  async #dial(signal: AbortSignal): Promise<SegmentLink> {
    this.#count++;
    try {
      const link = new SegmentLink(await upgrade(this.#node, signal), nameOf(this.#node), () =>
        this.#forget(link),
      );
      this.#open.add(link);
      // Closed while it was dialled.
      if (this.#closedWith !== undefined) link.close(this.#closedWith);
      return link;
    } catch (thrown) {
      this.#count--;
      // Whoever waits for a connection may be luckier.
      this.#dialForNext();
      throw thrown;
    }
  }

  #dialForNext(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) this.take(next.signal).then(next.resolve, next.reject);
  }

  #forget(link: SegmentLink): void {
    if (!this.#open.delete(link)) return;
    this.#count--;
    const at = this.#idle.indexOf(link);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

interface Waiting {
  readonly signal: AbortSignal;
  readonly resolve: (link: SegmentLink) => void;
  readonly reject: (error: unknown) => void;
}

/** One connection. One segment at a time: `ask`, then `send` and `stored` if it is wanted. */
export class SegmentLink {
  readonly #socket: Socket;
  readonly #where: string;
  readonly #frame = new FrameReader();
  #failure: SteleError | undefined;
  #awaited:
    { resolve(answer: 'send' | 'stored'): void; reject(error: SteleError): void } | undefined;
  #drained: ((error?: SteleError) => void) | undefined;

  /** `onClose` is called once it is of no more use. */
  constructor(socket: Socket, where: string, onClose: () => void) {
    this.#socket = socket;
    this.#where = where;
    socket.setNoDelay(true);
    socket.setTimeout(IDLE_MS_MAX, () => {
      const text = `${where} took no data for ${IDLE_MS_MAX / 1000} s.`;
      this.close(new SteleError('DEADLINE_EXCEEDED', text));
    });
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (thrown) => this.close(connectionError(thrown, where)));
    socket.on('end', () => this.close(new SteleError('UNAVAILABLE', `${where} broke off.`)));
    socket.on('close', () => {
      this.close(new SteleError('UNAVAILABLE', `${where} broke off.`));
      onClose();
    });
  }

  get isUsable(): boolean {
    return this.#failure === undefined && this.#awaited === undefined;
  }

  /** Announces a segment; resolves with what the node wants. Rejects with its refusal. */
  ask(announced: SegmentAnnouncement): Promise<'send' | 'stored'> {
    const answer = this.#nextAnswer();
    if (this.#failure === undefined) this.#socket.write(encodeFrame(announced));
    const text = `${this.#where} did not answer for ${ANSWER_MS_MAX / 1000} s.`;
    const timer = setTimeout(() => {
      this.close(new SteleError('DEADLINE_EXCEEDED', text));
    }, ANSWER_MS_MAX);
    return answer.finally(() => clearTimeout(timer));
  }

  /** Resolves when the system has taken the bytes; they must not change before. */
  send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#failure !== undefined) {
        reject(this.#failure);
        return;
      }
      this.#drained = (error) => {
        this.#drained = undefined;
        if (error === undefined) resolve();
        else reject(error);
      };
      this.#socket.write(bytes, () => this.#drained?.(this.#failure));
    });
  }

  /** Resolves when the segment whose bytes were sent is stored. Rejects with the node's error. */
  async stored(): Promise<void> {
    if ((await this.#nextAnswer()) === 'stored') return;
    const error = new SteleError('UNAVAILABLE', `${this.#where} wants the same bytes again.`);
    this.close(error);
    throw error;
  }

  /** Whoever waits for it gets `error`. */
  close(error: SteleError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#socket.destroy();
    this.#awaited?.reject(error);
    this.#awaited = undefined;
    this.#drained?.(error);
  }

  #nextAnswer(): Promise<'send' | 'stored'> {
    return new Promise((resolve, reject) => {
      if (this.#failure === undefined) this.#awaited = { resolve, reject };
      else reject(this.#failure);
    });
  }

  #receive(bytes: Buffer): void {
    try {
      for (let at = 0; at < bytes.length;) {
        const { room } = this.#frame;
        const byteCount = Math.min(room.length, bytes.length - at);
        room.set(bytes.subarray(at, at + byteCount));
        at += byteCount;
        const content = this.#frame.filled(byteCount);
        if (content !== undefined) this.#answer(readAnswer(content, this.#where));
      }
    } catch (thrown) {
      this.close(connectionError(thrown, this.#where));
    }
  }

  #answer(answer: 'send' | 'stored' | SteleError): void {
    const awaited = this.#awaited;
    this.#awaited = undefined;
    if (awaited === undefined) {
      // A refusal in the middle of the bytes: the rest is not wanted, and cannot be left out either.
      const text = `${this.#where} answered without being asked.`;
      this.close(answer instanceof SteleError ? answer : new SteleError('UNAVAILABLE', text));
    } else if (answer instanceof SteleError) awaited.reject(answer);
    else awaited.resolve(answer);
  }
}

/** Resolves with a connection that speaks the segment protocol. */
function upgrade(node: NodeView, signal: AbortSignal): Promise<Socket> {
  const where = nameOf(node);
  return new Promise((resolve, reject) => {
    const call = request({
      host: node.address?.host ?? '',
      port: node.address?.httpPort ?? 0,
      path: SEGMENTS_PATH,
      headers: { connection: 'upgrade', upgrade: SEGMENTS_PROTOCOL },
      agent: false,
      signal,
    });
    call.setTimeout(ANSWER_MS_MAX, () => {
      const text = `${where} did not answer for ${ANSWER_MS_MAX / 1000} s.`;
      call.destroy(new SteleError('DEADLINE_EXCEEDED', text));
    });
    call.on('upgrade', (_response, socket: Socket) => {
      socket.setTimeout(0);
      resolve(socket);
    });
    call.on('response', (response) => {
      const text = `${where} takes no segments there (HTTP status ${response.statusCode}).`;
      call.destroy();
      reject(new SteleError('UNAVAILABLE', text));
    });
    call.on('error', (thrown) => reject(connectionError(thrown, where)));
    call.end();
  });
}

function nameOf({ address, id }: NodeView): string {
  return `datanode ${id} (${address?.host ?? ''}:${address?.httpPort ?? 0})`;
}

function cancelled(): SteleError {
  return new SteleError('CANCELLED', 'The load has ended.');
}

function connectionError(thrown: unknown, where: string): SteleError {
  if (thrown instanceof SteleError) return thrown;
  if (systemErrorCode(thrown) === 'ABORT_ERR') return cancelled();
  const text = `${where} cannot be reached: ${toSteleError(thrown).message}.`;
  return new SteleError('UNAVAILABLE', text, { cause: thrown });
}
