// The RESP port: accepts clients, limits their number, and closes without losing a reply.

import type { Socket } from 'node:net';
import { hostAndPort } from '../../base/address.ts';
import { monotonicNowMs } from '../../base/clock.ts';
import type { Clock } from '../../base/clock.ts';
import type { Logger } from '../../base/log.ts';
import type { Traffic } from '../../base/process/http-traffic.ts';
import { LoopShare } from '../../base/process/loop-share.ts';
import { certificateOf } from '../../transport/http-access.ts';
import { listenTcp } from '../../transport/listen.ts';
import type { TlsIdentity } from '../../transport/tls/tls-identity.ts';
import type { Access } from '../../access/access.ts';
import type { Audit } from '../../access/audit/audit.ts';
import type { CommandBackend } from '../commands/backend.ts';
import { CommandTimes } from '../commands/command-times.ts';
import { TIMING_DEFAULTS } from '../commands/timing-settings.ts';
import type { TimingSettings } from '../commands/timing-settings.ts';
import { Gate } from '../commands/gate.ts';
import { RespConnection } from './connection.ts';
import type { ConnectionContext } from './connection-context.ts';
import { ReplyWriter } from '../wire/encoder.ts';
import type { ListenerCounts } from '../info/info.ts';
import { ClientLimits } from './client-limits.ts';
import { Session } from '../commands/session.ts';
import { enterByCertificate } from '../session/login.ts';
import { invalidationTarget } from '../session/tracking.ts';
import { noteSwitch } from '../session/transaction-commands.ts';

/** With the sweep, and on a busy machine, such a connection is closed within 30 s. */
const UNFINISHED_MS_MAX_DEFAULT = 25_000;
const SWEEP_MS = 1000;
const KEEPALIVE_MS = 300_000;
const REFUSED_MS_MAX = 1000;

export interface RespListenerOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  /** Makes it a port of TLS; without it there is none. */
  readonly tls?: TlsIdentity | undefined;
  /** Decides who is let in; without it everybody is. */
  readonly access?: Access | undefined;
  /** Undefined: nothing is recorded. */
  readonly audit?: Audit | undefined;
  readonly backend: CommandBackend;
  readonly maxConnections: number;
  readonly log: Logger;
  /** Of SLOWLOG and LATENCY. Default: as without any setting. */
  readonly timing?: TimingSettings;
  /** How long one command may take to arrive completely; 25 s by default. */
  readonly unfinishedMsMax?: number;
  readonly nowMs?: Clock;
  /** Limits over all clients. Default: the usual ones. */
  readonly limits?: ClientLimits;
  /** Whether connections are read into one shared buffer, if Node.js allows it. Default: true. */
  readonly reuseReads?: boolean;
}

export interface RespListener {
  readonly port: number;
  readonly traffic: Traffic;
  readonly counts: ListenerCounts;
  /**
   * Stops accepting, answers what has arrived, closes; connections still open after `deadlineMs`
   * are cut.
   */
  close(deadlineMs: number): Promise<void>;
}

/** Opens the port. Throws PORT_IN_USE or IO. */
export async function startRespListener(options: RespListenerOptions): Promise<RespListener> {
  const clients = new Clients(options);
  const { host, port: wanted, tls } = options;
  const { port, server } = await listenTcp(
    { host, port: wanted, flag: '--resp-port', tls },
    {
      allowHalfOpen: true,
      noDelay: true,
      keepAlive: true,
      keepAliveInitialDelay: KEEPALIVE_MS,
      pauseOnConnect: true,
    },
    (socket) => clients.accept(socket),
  );
  server.on('error', (error) => options.log.error({ err: error }, 'resp listener'));
  const sweeper = setInterval(
    () => clients.sweep(),
    Math.min(SWEEP_MS, options.unfinishedMsMax ?? SWEEP_MS),
  );
  sweeper.unref();
  return {
    port,
    get traffic() {
      return clients.traffic;
    },
    get counts() {
      return clients.counts;
    },
    close: async (deadlineMs) => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      clients.shutdown();
      const deadline = setTimeout(() => clients.destroy(), deadlineMs);
      await closed;
      clearTimeout(deadline);
      clearInterval(sweeper);
    },
  };
}

/** The open connections of one listener, and what they share. */
class Clients {
  readonly #options: RespListenerOptions;
  /** Connections by the id of their session. */
  readonly #connections = new Map<number, RespConnection>();
  readonly #refused = new Set<Socket>();
  readonly #context: ConnectionContext;
  #lastId = 0;
  #closing = false;
  #rejectedTotal = 0;
  #rates = { commandsPerSecond: 0, inputBytesPerSecond: 0, outputBytesPerSecond: 0 };
  /** The totals at the last sweep. */
  #swept = { commands: 0, inputBytes: 0, outputBytes: 0 };
  #sweptAtMs: number;

  constructor(options: RespListenerOptions) {
    this.#options = options;
    const times = new CommandTimes(options.timing ?? TIMING_DEFAULTS);
    this.#context = {
      backend: options.backend,
      gate: new Gate(options.access, options.audit),
      log: options.log,
      out: new ReplyWriter((text) => times.counters.noteError(text)),
      limits: options.limits ?? new ClientLimits(),
      share: new LoopShare(),
      traffic: { commands: 0, inputBytes: 0, outputBytes: 0 },
      times,
      closeMarked: (running) => this.#closeMarked(running),
      unfinishedMsMax: options.unfinishedMsMax ?? UNFINISHED_MS_MAX_DEFAULT,
      reuseReads: options.reuseReads ?? true,
      nowMs: options.nowMs ?? monotonicNowMs,
      sessions: () => this.#sessions(),
      onClosed: ({ id }) => this.#connections.delete(id),
    };
    this.#sweptAtMs = this.#context.nowMs();
    options.backend.watchDatasets(() => this.#noteSwitch());
  }

  get count(): number {
    return this.#connections.size;
  }

  get traffic(): Traffic {
    const { inputBytes, outputBytes } = this.#context.traffic;
    return { connections: this.count, bytesIn: inputBytes, bytesOut: outputBytes };
  }

  get counts(): ListenerCounts {
    const { traffic, times } = this.#context;
    return {
      clients: this.count,
      clientsMax: this.#options.maxConnections,
      connectionsTotal: this.#lastId,
      rejectedTotal: this.#rejectedTotal,
      commandsTotal: traffic.commands,
      inputBytesTotal: traffic.inputBytes,
      outputBytesTotal: traffic.outputBytes,
      ...this.#rates,
      trackingClients: [...this.#sessions()].filter(({ tracking }) => tracking !== undefined)
        .length,
      commands: times,
    };
  }

  accept(socket: Socket): void {
    if (this.#closing || this.#connections.size >= this.#options.maxConnections) {
      this.#refuse(socket);
      return;
    }
    const remote = endpoint(socket.remoteAddress, socket.remotePort);
    const local = endpoint(socket.localAddress, socket.localPort);
    const session = new Session(++this.#lastId, remote, local, this.#context.nowMs());
    session.isTls = this.#options.tls !== undefined;
    session.keyspace = this.#options.backend.resolveKeyspace('0') ?? session.keyspace;
    const { access } = this.#options;
    if (access !== undefined) {
      session.certified = access.ofCertificate(certificateOf(socket));
      session.subject = session.certified;
      enterByCertificate(session, this.#context, access);
    }
    this.#connections.set(session.id, new RespConnection(socket, session, this.#context));
  }

  sweep(): void {
    const nowMs = this.#context.nowMs();
    for (const connection of this.#connections.values()) connection.sweep(nowMs);
    const { commands, inputBytes, outputBytes } = this.#context.traffic;
    const seconds = Math.max(1, nowMs - this.#sweptAtMs) / 1000;
    this.#rates = {
      commandsPerSecond: Math.round((commands - this.#swept.commands) / seconds),
      inputBytesPerSecond: (inputBytes - this.#swept.inputBytes) / seconds,
      outputBytesPerSecond: (outputBytes - this.#swept.outputBytes) / seconds,
    };
    this.#swept = { commands, inputBytes, outputBytes };
    this.#sweptAtMs = nowMs;
  }

  shutdown(): void {
    this.#closing = true;
    for (const connection of this.#connections.values()) connection.shutdown();
  }

  destroy(): void {
    for (const connection of this.#connections.values()) connection.destroy();
    for (const socket of this.#refused) socket.destroy();
  }

  #refuse(socket: Socket): void {
    this.#rejectedTotal++;
    this.#refused.add(socket);
    socket.on('error', (error) => this.#options.log.debug({ err: error }, 'refused client'));
    socket.on('close', () => this.#refused.delete(socket));
    socket.setTimeout(REFUSED_MS_MAX, () => socket.destroy());
    socket.end('-ERR max number of clients reached\r\n');
    socket.resume();
  }

  /** Another version of some keyspace is current: notifies the clients that cache its values. */
  #noteSwitch(): void {
    const targets = new Set<Session>();
    for (const { session } of this.#connections.values()) {
      noteSwitch(session, this.#context);
      const target = invalidationTarget(session, this.#context);
      if (target !== undefined) targets.add(target);
    }
    for (const { id } of targets) this.#connections.get(id)?.invalidate();
  }

  #closeMarked(running: Session): void {
    for (const connection of this.#connections.values()) {
      if (connection.session.closing && connection.session !== running) connection.destroy();
    }
  }

  *#sessions(): Iterable<Session> {
    for (const connection of this.#connections.values()) yield connection.session;
  }
}

/** `host:port`, as CLIENT LIST shows it; a client that is already gone has neither. */
function endpoint(address = '?', port = 0): string {
  return hostAndPort(address, port);
}
