// Connections over which segments are pushed to one datanode (proto/segment-transfer.ts has the
// protocol, segment-fetch.ts the other direction).
//
// A connection fails when no byte moves for IDLE_MS_MAX, or when a request that costs the node
// nothing has no answer after ANSWER_MS_MAX. A failed connection is not used again.

import { request } from 'node:http';
import { request as requestTls } from 'node:https';
import type { Socket } from 'node:net';
import { hostAndPort } from '../base/address.ts';
import { SteleError, systemErrorCode } from '../base/errors.ts';
import type { NodeView } from '../proto/gen/stele/v1/view.ts';
import {
  FrameReader,
  SEGMENTS_PATH,
  SEGMENTS_PROTOCOL,
  encodeFrame,
  readAnswer,
} from '../proto/segment-transfer.ts';
import type {
  SegmentAnnouncement,
  SegmentPulling,
  SegmentOrigin,
} from '../proto/segment-transfer.ts';
import type { DialIdentity } from './dial-identity.ts';
import { REFUSED_LOGIN, refusedLogin } from './upgrade-request.ts';
import { PERHAPS_TLS, dialReason } from './tls/dial-errors.ts';

/** Several, so that the next segments travel while the node syncs one to disk. */
const CONNECTIONS_PER_NODE = 8;
/** Includes the wait for a slot, the verification and the sync at the datanode. */
const IDLE_MS_MAX = 60_000;
/** For the upgrade and for an announcement, which the node only compares with its holdings. */
const ANSWER_MS_MAX = 10_000;

/** All connections to one node, at most CONNECTIONS_PER_NODE. `close` must be called at the end. */
export class PushConnections {
  readonly #node: NodeView;
  readonly #identity: DialIdentity;
  readonly #idle: PushConnection[] = [];
  readonly #waiting: Waiting[] = [];
  readonly #open = new Set<PushConnection>();
  /** Connections that are open or being opened. */
  #count = 0;
  #closedWith: SteleError | undefined;

  constructor(node: NodeView, identity: DialIdentity = {}) {
    this.#node = node;
    this.#identity = identity;
  }

  /**
   * Resolves with a connection for one segment; the caller must pass it to `release`, also after a
   * failure. Waits while all connections are in use. Rejects with UNAVAILABLE, DEADLINE_EXCEEDED,
   * or CANCELLED when `signal` aborts.
   */
  async acquire(signal: AbortSignal): Promise<PushConnection> {
    if (signal.aborted) throw cancelled();
    if (this.#closedWith !== undefined) throw this.#closedWith;
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.isUsable) return idle;
    }
    if (this.#count < CONNECTIONS_PER_NODE) return this.#dial(signal);
    return new Promise<PushConnection>((resolve, reject) => {
      this.#waiting.push({ signal, resolve, reject });
    });
  }

  release(link: PushConnection): void {
    if (!link.isUsable) {
      this.#forget(link);
      this.#dialForNext();
      return;
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(link);
    else next.resolve(link);
  }

  /** Closes all connections. Pending calls reject with `error`. */
  close(error: SteleError): void {
    this.#closedWith ??= error;
    for (const { reject } of this.#waiting.splice(0)) reject(error);
    for (const link of this.#open) link.close(error);
  }

  async #dial(signal: AbortSignal): Promise<PushConnection> {
    this.#count++;
    try {
      const socket = await upgrade(this.#node, this.#identity, signal);
      const link = new PushConnection(socket, nameOf(this.#node), () => this.#forget(link));
      this.#open.add(link);
      // `close` was called during the dial.
      if (this.#closedWith !== undefined) link.close(this.#closedWith);
      return link;
    } catch (thrown) {
      this.#count--;
      // The next waiter dials for itself.
      this.#dialForNext();
      throw thrown;
    }
  }

  #dialForNext(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) this.acquire(next.signal).then(next.resolve, next.reject);
  }

  #forget(link: PushConnection): void {
    if (!this.#open.delete(link)) return;
    this.#count--;
    const at = this.#idle.indexOf(link);
    if (at >= 0) this.#idle.splice(at, 1);
  }
}

interface Waiting {
  readonly signal: AbortSignal;
  readonly resolve: (link: PushConnection) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * A connection that carries one segment at a time: `ask`, then `send` and `stored` if the node
 * needs the bytes.
 */
export class PushConnection {
  readonly #socket: Socket;
  readonly #where: string;
  readonly #frame = new FrameReader();
  #failure: SteleError | undefined;
  #awaited:
    { resolve(answer: 'send' | 'stored'): void; reject(error: SteleError): void } | undefined;
  #onPulling: ((bytesDone: number) => void) | undefined;
  #drained: ((error?: SteleError) => void) | undefined;

  /** `onClose` is called once, when the connection has closed. */
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
    socket.on('end', () =>
      this.close(new SteleError('UNAVAILABLE', `${where} closed the connection unexpectedly.`)),
    );
    socket.on('close', () => {
      this.close(new SteleError('UNAVAILABLE', `${where} closed the connection unexpectedly.`));
      onClose();
    });
  }

  get isUsable(): boolean {
    return this.#failure === undefined && this.#awaited === undefined;
  }

  /** Announces a segment and resolves with the node's answer. Rejects with its refusal. */
  ask(announced: SegmentAnnouncement): Promise<'send' | 'stored'> {
    return this.#ask(announced, () => undefined);
  }

  /**
   * Has the node pull a segment out of a store. Resolves when it is stored; `onPulling` is called with
   * the bytes so far, unless the node had it before. Rejects with the node's error, UNSUPPORTED if
   * it runs a release that pulls nothing, and DEADLINE_EXCEEDED when it says nothing any more.
   */
  async pull(
    announced: SegmentAnnouncement,
    origin: SegmentOrigin,
    onPulling: (bytesDone: number) => void,
  ): Promise<void> {
    if ((await this.#ask({ ...announced, origin }, onPulling)) === 'stored') return;
    const text = `${this.#where} runs an earlier release, which cannot pull segments out of a store; upgrade it.`;
    const error = new SteleError('UNSUPPORTED', text);
    // The node waits for bytes on this connection.
    this.close(error);
    throw error;
  }

  #ask(content: object, onPulling: (bytesDone: number) => void): Promise<'send' | 'stored'> {
    const answer = this.#nextAnswer();
    if (this.#failure === undefined) this.#socket.write(encodeFrame(content));
    const text = `${this.#where} did not answer for ${ANSWER_MS_MAX / 1000} s.`;
    const timer = setTimeout(() => {
      this.close(new SteleError('DEADLINE_EXCEEDED', text));
    }, ANSWER_MS_MAX);
    this.#onPulling = (bytesDone) => {
      timer.refresh();
      onPulling(bytesDone);
    };
    return answer.finally(() => {
      clearTimeout(timer);
      this.#onPulling = undefined;
    });
  }

  /** Resolves when the system has taken the bytes, which must not change until then. */
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
    const error = new SteleError('UNAVAILABLE', `${this.#where} asked for the same bytes again.`);
    this.close(error);
    throw error;
  }

  /** Destroys the connection. Pending calls reject with `error`. */
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
        // Several answers may come at once.
        const { exactRoom: room } = this.#frame;
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

  #answer(answer: 'send' | 'stored' | SegmentPulling | SteleError): void {
    if (typeof answer === 'object' && 'pulling' in answer && this.#onPulling !== undefined) {
      this.#onPulling(answer.pulling);
      return;
    }
    const awaited = this.#awaited;
    this.#awaited = undefined;
    if (awaited === undefined || (typeof answer === 'object' && 'pulling' in answer)) {
      // A refusal in the middle of a segment: the protocol has no way to skip the rest.
      const text = `${this.#where} answered without a request.`;
      this.close(answer instanceof SteleError ? answer : new SteleError('UNAVAILABLE', text));
    } else if (answer instanceof SteleError) awaited.reject(answer);
    else awaited.resolve(answer);
  }
}

/** Resolves with a connection that speaks the segment protocol. */
function upgrade(
  node: NodeView,
  { authorization, tls }: DialIdentity,
  signal: AbortSignal,
): Promise<Socket> {
  const where = nameOf(node);
  const host = node.address?.host ?? '';
  return new Promise((resolve, reject) => {
    const call = (tls === undefined ? request : requestTls)({
      host,
      ...tls?.dialOptions(host),
      port: node.address?.httpPort ?? 0,
      path: SEGMENTS_PATH,
      headers: {
        connection: 'upgrade',
        upgrade: SEGMENTS_PROTOCOL,
        ...(authorization === undefined ? {} : { authorization: authorization() }),
      },
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
      const text = `${where} accepts no segments there (HTTP status ${response.statusCode}).`;
      call.destroy();
      const isLogin = String(response.statusCode) === REFUSED_LOGIN;
      reject(isLogin ? refusedLogin(where) : new SteleError('UNAVAILABLE', text));
    });
    call.on('error', (thrown) => reject(connectionError(thrown, where)));
    call.end();
  });
}

function nameOf({ address, id }: NodeView): string {
  return `datanode ${id} (${hostAndPort(address?.host ?? '', address?.httpPort ?? 0)})`;
}

function cancelled(): SteleError {
  return new SteleError('CANCELLED', 'The load has ended.');
}

function connectionError(thrown: unknown, where: string): SteleError {
  if (thrown instanceof SteleError) return thrown;
  if (systemErrorCode(thrown) === 'ABORT_ERR') return cancelled();
  const isHungUp = thrown instanceof Error && thrown.message === 'socket hang up';
  const text = isHungUp
    ? `${where} ${PERHAPS_TLS}.`
    : `${where} cannot be reached: ${dialReason(thrown)}.`;
  return new SteleError('UNAVAILABLE', text, { cause: thrown });
}
