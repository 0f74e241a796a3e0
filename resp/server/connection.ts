// One client: chunks in, commands run in turns, one write per turn.
//
//   data -> decoder -> [ resolve, execute ]* -> one write -> ...
//                          | PendingReply
//                          v
//                      ReplyQueue -> (replyReady) -> one write for all finished replies
//
// A turn ends when the input is empty, after about a millisecond (the rest follows in the queue of
// all busy clients, base/process/loop-share.ts), or when the connection is full. Invariants:
//
// - Replies leave in the order of the commands. HELLO and RESET wait until all earlier replies are
//   written, because they change how replies are encoded.
// - The socket is read only while nothing is left over: no unrun commands, output below its limit,
//   fewer pending replies than allowed. So what one client can make the server hold is bounded.
// - With a backend that answers at once, no closure, promise or object is allocated per command.

import type { Socket } from 'node:net';
import type { SharedTurn } from '../../base/process/loop-share.ts';
import type { PendingReply, PendingReplyWaiter } from '../commands/pending-reply.ts';
import type { CommandSpec } from '../commands/command-spec.ts';
import { CommandRun } from './command-run.ts';
import type { ConnectionContext } from './connection-context.ts';
import { CommandDecoder } from '../wire/decoder.ts';
import type { CommandArguments } from '../wire/decoder.ts';
import { executeCommand, resolveCommand } from './dispatch.ts';
import { Output } from './output.ts';
import { REPLY_BYTES_MAX } from '../wire/encoder.ts';
import type { ReplyWriter } from '../wire/encoder.ts';
import { ProtocolError } from '../wire/protocol-error.ts';
import { ReplyQueue } from './reply-queue.ts';
import { readConnection } from '../../transport/socket-reads.ts';
import { NOTHING } from '../commands/session.ts';
import type { Session } from '../commands/session.ts';
import type { QueuedCommand } from '../commands/transaction.ts';
import { writeInvalidation } from '../session/tracking.ts';

const TURN_MS_MAX = 1;
/** Commands between two readings of the clock (a power of two). */
const CLOCK_EVERY_COMMANDS = 64;
/** Commands between two calls of `lookAhead` (a power of two). */
const LOOK_AHEAD_EVERY_COMMANDS = 16;
/** How long a client may read nothing more after we closed our side. */
const LINGER_MS_MAX = 5000;
/** How long, and for how many bytes, input is discarded after the client has read everything. */
const IGNORED_MS_MAX = 1000;
const IGNORED_BYTES_MAX = 1024 * 1024;

/** `no`: serving. `drain`: run what has arrived, then end. `now`: answer what has run, then end. */
type Stop = 'no' | 'drain' | 'now';

export class RespConnection implements PendingReplyWaiter, SharedTurn {
  readonly session: Session;
  readonly #socket: Socket;
  readonly #output: Output;
  readonly #context: ConnectionContext;
  readonly #decoder = new CommandDecoder();
  readonly #queue = new ReplyQueue();
  readonly #run: CommandRun;
  #stop: Stop = 'no';
  #ended = false;
  #endedMs = 0;
  #paused = false;
  /** The decoder may hold complete commands that have not run. */
  #hasMore = false;
  /** The current command waits until the queue is empty. */
  #atBarrier = false;
  #queueFull = false;
  #turnScheduled = false;
  #flushScheduled = false;
  #queuedInTurn = false;
  /** Bytes that arrived after the end. */
  #ignoredBytes = 0;
  /** Bytes of an unfinished command, as counted in the total. */
  #inputBytes = 0;
  /** When the current unfinished command began; 0 if there is none. */
  #unfinishedSinceMs = 0;

  /** Serves `accepted`, from which nothing has been read, until it closes. */
  constructor(accepted: Socket, session: Session, context: ConnectionContext) {
    this.session = session;
    this.#context = context;
    this.#run = new CommandRun(session, context);
    const socket = readConnection(
      accepted,
      (bytes, byteCount, lent) => this.#onData(bytes, byteCount, lent),
      context.reuseReads,
    );
    this.#socket = socket;
    this.#output = new Output(socket, context.limits, context.nowMs());
    socket.on('end', () => this.shutdown());
    socket.on('drain', () => this.#onDrain());
    socket.on('error', (error) => context.log.debug({ err: error, id: session.id }, 'resp socket'));
    socket.on('close', () => this.#onClose());
  }

  /** Runs what has arrived, sends every reply, then closes. */
  shutdown(): void {
    if (this.#stop === 'no') this.#stop = 'drain';
    this.#settle();
  }

  /** Closes at once. */
  destroy(): void {
    this.#socket.destroy();
  }

  /**
   * Called periodically: closes a connection whose command has been unfinished, or that we ended,
   * too long ago.
   */
  sweep(nowMs: number): void {
    const slow =
      !this.#paused &&
      this.#unfinishedSinceMs > 0 &&
      nowMs - this.#unfinishedSinceMs > this.#context.unfinishedMsMax;
    const stalled = this.#output.isStalled(nowMs, this.#hasMore);
    if (stalled) this.#context.log.warn({ id: this.session.id }, 'resp: reads nothing, closed');
    if (slow) this.#context.log.debug({ id: this.session.id }, 'resp: unfinished command, closed');
    const lingers = this.#ended && this.#lingersTooLong(nowMs);
    if (slow || stalled || lingers) this.destroy();
  }

  #lingersTooLong(nowMs: number): boolean {
    if (nowMs - Math.max(this.#endedMs, this.#output.takenMs) > LINGER_MS_MAX) return true;
    return this.#socket.writableLength === 0 && nowMs - this.#endedMs > IGNORED_MS_MAX;
  }

  /** A pending reply is done. All that finish in one step of the event loop leave together. */
  replyReady(pending: PendingReply): void {
    this.#context.times.noteReply(pending, this.session);
    if (!this.#queue.markReady(pending) || this.#flushScheduled) return;
    this.#flushScheduled = true;
    process.nextTick(() => this.#flush());
  }

  #onData(bytes: Buffer, byteCount: number, lent: boolean): void {
    this.#context.traffic.inputBytes += byteCount;
    if (this.#ended || this.#stop === 'now') return this.#ignore(byteCount);
    this.#decoder.push(bytes, byteCount, lent);
    const nowMs = this.#context.nowMs();
    const mayRun = !this.#paused && !this.#output.isFull;
    if (mayRun && this.#context.share.hasTime(nowMs, byteCount)) this.#turn(nowMs);
    else {
      this.#hasMore = true;
      this.#settle();
    }
    if (lent) this.#decoder.keep();
  }

  #ignore(byteCount: number): void {
    this.#ignoredBytes += byteCount;
    if (this.#ignoredBytes > IGNORED_BYTES_MAX && this.#ended) this.destroy();
  }

  /** Continues with the input; called by the queue of all busy clients. */
  runTurn(): void {
    this.#turnScheduled = false;
    this.#turn(this.#context.nowMs());
  }

  #turn(startMs: number): void {
    if (this.#ended || this.#socket.destroyed) return;
    const { out, limits } = this.#context;
    out.protocol = this.session.protocol;
    out.replyBytesMax = limits.replyBytesMax;
    this.#hasMore = false;
    this.#atBarrier = false;
    try {
      this.#runCommands(out, startMs);
    } catch (thrown) {
      this.#fail(thrown, out);
    }
    out.replyBytesMax = REPLY_BYTES_MAX;
    if (!this.#queue.isEmpty) this.#queueWritten(out);
    if (this.#queuedInTurn) {
      this.#queuedInTurn = false;
      this.#context.backend.endTurn?.();
    }
    this.#sendFinished(out);
  }

  /** Ends this connection: with the protocol error, or silently after a fault of ours. */
  #fail(thrown: unknown, out: ReplyWriter): void {
    this.#stop = 'now';
    if (thrown instanceof ProtocolError) {
      out.error(`ERR ${thrown.message}`);
      return;
    }
    this.#context.log.error({ err: thrown, id: this.session.id }, 'resp connection');
    out.takeChunks();
    this.destroy();
  }

  /** Runs commands until the input is empty or the turn is over; hot. */
  #runCommands(out: ReplyWriter, startMs: number): void {
    const decoder = this.#decoder;
    const run = this.#run;
    const turnBytesMax = this.#context.limits.turnBytesMax;
    this.session.lastCommandMs = startMs;
    // A login ends its turn.
    decoder.isStranger = this.#context.gate.isStranger(this.session);
    run.begin(startMs);
    let count = 0;
    this.#lookAhead();
    while (decoder.next()) {
      this.#runCommand(out);
      count++;
      if (count % LOOK_AHEAD_EVERY_COMMANDS === 0) this.#lookAhead();
      if (this.session.closing) this.#stop = 'now';
      const isOver =
        this.#atBarrier ||
        this.#stop === 'now' ||
        this.#queue.fills(1) ||
        out.byteLength >= turnBytesMax ||
        ((count % CLOCK_EVERY_COMMANDS === 0 ||
          decoder.argc > CLOCK_EVERY_COMMANDS ||
          run.endsHere) &&
          run.end(decoder) - startMs >= TURN_MS_MAX);
      if (isOver) {
        this.#hasMore = this.#stop !== 'now';
        this.#count(count, startMs, this.#atBarrier ? decoder.previous : decoder);
        return;
      }
    }
    this.#count(count, startMs, decoder.previous);
    decoder.forget();
    const { unfinished } = decoder;
    if (!unfinished) this.#unfinishedSinceMs = 0;
    else if (count > 0 || this.#unfinishedSinceMs === 0) this.#unfinishedSinceMs = startMs;
    const heldBytes =
      (unfinished ? decoder.heldBytes : 0) + (this.session.transaction?.byteCount ?? 0);
    if (heldBytes > 0 || this.#inputBytes > 0) this.#accountInput(heldBytes);
  }

  /** Counts the commands of a finished turn, and the time that they took. */
  #count(commands: number, startMs: number, last: CommandArguments): void {
    const { backend, traffic } = this.#context;
    const tookMs = this.#run.end(last) - startMs;
    traffic.commands += commands;
    backend.noteTurn?.(tookMs);
  }

  /**
   * Throws ProtocolError if the unfinished commands of all clients exceed their limit and this
   * client's is large.
   */
  #accountInput(heldBytes: number): void {
    const { limits } = this.#context;
    limits.noteInput(heldBytes - this.#inputBytes);
    this.#inputBytes = heldBytes;
    if (limits.isInputTooMuch(heldBytes)) {
      throw new ProtocolError('too many unfinished requests of all clients; try again later');
    }
  }

  #lookAhead(): void {
    const { backend } = this.#context;
    if (backend.lookAhead === undefined) return;
    const { buffer, end, nextStart } = this.#decoder;
    const at = nextStart < 0 ? end : nextStart;
    backend.lookAhead(buffer, at, end, this.session);
  }

  #runCommand(out: ReplyWriter): void {
    out.mark();
    const { session } = this;
    const spec = resolveCommand(this.#decoder, session, out, this.#context);
    let pending: PendingReply | undefined;
    // What comes before a command that may take long, or before an error, is a run of its own.
    if (spec?.isTimed !== false && this.#run.answered > 0) this.#run.end(this.#decoder.previous);
    if (spec !== undefined) {
      if (spec.barrier && !this.#queue.isEmpty) {
        this.#decoder.hold();
        this.#atBarrier = true;
        return;
      }
      pending = this.#execute(spec, this.#decoder, out);
      // A login: what follows it waits for its outcome.
      if (pending !== undefined && spec.handler === 'session') this.#atBarrier = true;
    }
    this.#answer(pending, out);
    if (session.executing.length > 0) this.#runTransaction(out);
    if (session.replyMode === 'skip') session.replyMode = 'on';
    else if (session.replyMode === 'skip-next') session.replyMode = 'skip';
  }

  #execute(
    spec: CommandSpec,
    command: QueuedCommand | CommandDecoder,
    out: ReplyWriter,
  ): PendingReply | undefined {
    const pending = executeCommand(spec, command, this.session, out, this.#context);
    this.#run.add(spec, pending, command);
    return pending;
  }

  /** Runs the commands that EXEC has released, as if they had been pipelined. */
  #runTransaction(out: ReplyWriter): void {
    const commands = this.session.executing;
    this.session.executing = NOTHING;
    this.#run.end(this.#decoder);
    for (const command of commands) {
      out.mark();
      this.#answer(this.#execute(command.spec, command, out), out);
      this.#run.end(command);
    }
  }

  /**
   * Sends the reply of the command just run, now or once it is known; CLIENT REPLY OFF or SKIP
   * drops it.
   */
  #answer(pending: PendingReply | undefined, out: ReplyWriter): void {
    if (this.session.replyMode !== 'on') out.rewind();
    else if (pending !== undefined) this.#enqueue(pending, out);
  }

  /**
   * Sends, after the replies of all commands that have run, the message to forget all cached
   * values.
   */
  invalidate(): void {
    if (this.#ended || this.#stop !== 'no' || this.#socket.destroyed) return;
    const { out } = this.#context;
    out.mark();
    writeInvalidation(this.session, out);
    if (!this.#queue.isEmpty) this.#queueWritten(out);
    this.#sendFinished(out);
  }

  #enqueue(pending: PendingReply, out: ReplyWriter): void {
    this.#queueWritten(out);
    pending.waiter = this;
    this.#queue.addPending(pending);
    this.#queuedInTurn = true;
  }

  /** Queues written bytes that must wait for an earlier reply; they keep their memory. */
  #queueWritten(out: ReplyWriter): void {
    if (out.byteLength === 0) return;
    this.#queue.addChunks(out.takeChunks());
    out.keepTaken();
  }

  #flush(): void {
    this.#flushScheduled = false;
    if (this.#ended || this.#socket.destroyed) return;
    this.#sendFinished(this.#context.out);
  }

  #sendFinished(out: ReplyWriter): void {
    out.protocol = this.session.protocol;
    if (!this.#queue.isEmpty) this.#queue.drainTo(out, this.#context.log);
    this.#send(out.takeChunks());
    this.#settle();
  }

  #send(chunks: readonly Buffer[]): void {
    if (chunks.length === 0 || !this.#socket.writable) return;
    this.#context.traffic.outputBytes += this.#output.write(chunks, this.#context.out);
  }

  #onDrain(): void {
    this.#output.account();
    this.#settle();
  }

  /** Ends, continues, pauses or resumes, by the present state. Called after every step. */
  #settle(): void {
    if (this.#ended || this.#socket.destroyed) return;
    const { isEmpty } = this.#queue;
    this.#queueFull = this.#queue.fills(this.#queueFull ? 0.5 : 1);
    const blocked = this.#output.isFull || this.#queueFull || (this.#atBarrier && !isEmpty);
    if (this.#hasMore && !blocked) this.#scheduleTurn();
    if (this.#stop !== 'no' && !this.#hasMore && isEmpty) this.#end();
    // If the output is full, input is read once more, to learn whether the client waits for us
    // (sweep).
    else this.#setPaused(this.#hasMore || (blocked && !this.#output.isFull) || this.#stop !== 'no');
  }

  #scheduleTurn(): void {
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#context.share.later(this, this.#decoder.waitingBytes);
  }

  #setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    if (paused) {
      this.#socket.pause();
      return;
    }
    // The time in which we did not read does not count as the client's.
    if (this.#unfinishedSinceMs > 0) this.#unfinishedSinceMs = this.#context.nowMs();
    this.#socket.resume();
  }

  /** Everything is answered: closes our side, and discards input until the client closes too. */
  #end(): void {
    this.#ended = true;
    this.#endedMs = this.#context.nowMs();
    this.#socket.end();
    this.#socket.resume();
  }

  #onClose(): void {
    this.#ended = true;
    this.#queue.abandon();
    this.#output.account(0);
    this.#context.limits.noteInput(-this.#inputBytes);
    this.#inputBytes = 0;
    this.#context.onClosed(this.session);
  }
}
