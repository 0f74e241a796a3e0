// Calls to an etcd cluster: over its endpoints, with one deadline for all attempts together.
//
//   kind      repeated on the next endpoint after      at the deadline
//   read      not-made, unknown                        UNAVAILABLE
//   repeat    not-made, unknown (it is idempotent)     UNAVAILABLE; OUTCOME_UNKNOWN after an unknown
//   write     not-made                                 UNAVAILABLE; OUTCOME_UNKNOWN at once after an
//                                                      unknown
//
// The outcomes are those of outcomes.ts. An attempt of a read or a repeat gets ATTEMPT_MS, so that
// an endpoint that hangs costs little; the attempts become longer, for a cluster that is slow as a
// whole. An attempt of a write gets all the time that is left: giving up early would only lose its
// outcome. For the same reason no attempt of a change is begun shortly before the deadline.
//
// All calls ask for a member that has a leader (`hasleader`), so a member cut off from its cluster
// refuses them before it proposes anything, and they go to another.
//
// Invariant: an answer of a cluster other than the first one that answered is an error (CONFLICT).

import { setMaxListeners } from 'node:events';
import { Metadata } from '@grpc/grpc-js';
import type { MethodDefinition } from '@grpc/grpc-js';
import { monotonicNowMs, sleep } from '../../../base/clock.ts';
import { SteleError, toSteleError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import { formatDuration } from '../../../base/units.ts';
import { AuthService } from '../../../proto/gen/etcd/etcdserverpb.ts';
import type { ResponseHeader } from '../../../proto/gen/etcd/etcdserverpb.ts';
import type { TlsSource } from '../../../transport/tls/tls-files.ts';
import { EtcdAuth } from './auth.ts';
import { Endpoints } from './endpoints.ts';
import type { Connection, Endpoint } from './endpoints.ts';
import { Failure, errorAt } from './outcomes.ts';

export interface EtcdOptions {
  /** `HOST:PORT` of one or more members. */
  readonly endpoints: readonly string[];
  readonly tls?: TlsSource;
  readonly user?: string;
  readonly password?: string;
  readonly log: Logger;
  /** For each call, in all its attempts together. */
  readonly deadlineMs?: number;
  /** The unit of time of a watch's checks (watch-session.ts). */
  readonly watchTickMs?: number;
}

export type CallKind = 'read' | 'repeat' | 'write';

interface CallOptions {
  /** The one endpoint that may answer. */
  readonly only?: Endpoint;
  readonly deadlineMs?: number;
}

/** Any answer of etcd. */
interface Answer {
  readonly header: ResponseHeader | undefined;
}

const DEADLINE_MS_DEFAULT = 5000;
const WATCH_TICK_MS_DEFAULT = 500;
const CONNECT_MS = 1000;
const ATTEMPT_MS = 1500;
/** The least time for an attempt of a change. */
const CHANGE_MS_MIN = 250;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 500;

export class EtcdCalls {
  readonly endpoints: Endpoints;
  readonly log: Logger;
  readonly watchTickMs: number;
  readonly #deadlineMs: number;
  readonly #auth: EtcdAuth | undefined;
  readonly #closing = new AbortController();
  #clusterId = '0';

  constructor({ endpoints, tls, user, password, log, ...times }: EtcdOptions) {
    this.endpoints = new Endpoints(endpoints, tls, log);
    this.log = log;
    // Each call and each watch waits for it.
    setMaxListeners(0, this.#closing.signal);
    this.#deadlineMs = times.deadlineMs ?? DEADLINE_MS_DEFAULT;
    this.watchTickMs = times.watchTickMs ?? WATCH_TICK_MS_DEFAULT;
    if (user === undefined) return;
    this.#auth = new EtcdAuth(() => this.#authenticate(user, password ?? ''));
  }

  /** Aborts when the client is closed. */
  get closing(): AbortSignal {
    return this.#closing.signal;
  }

  /** Makes a call; see the top for its errors. */
  async call<Request, Response extends Answer>(
    method: MethodDefinition<Request, Response>,
    request: Request,
    kind: CallKind,
    { only, deadlineMs = this.#deadlineMs }: CallOptions = {},
  ): Promise<Response> {
    const endpoints = only === undefined ? this.endpoints.count : 1;
    const attempts = new Attempts(kind, deadlineMs, endpoints);
    let endpoint = only ?? this.endpoints.pick();
    for (;;) {
      if (this.closing.aborted) throw attempts.closed();
      if (attempts.isLate()) throw attempts.late();
      try {
        return await this.#attempt(endpoint, method, request, attempts);
      } catch (thrown) {
        if (!(thrown instanceof Failure)) throw thrown;
        if (attempts.failed(thrown) === 'same endpoint') continue;
        this.endpoints.leave(endpoint);
        endpoint = only ?? this.endpoints.pick(endpoint);
        await sleep(attempts.backoffMs(), this.closing);
      }
    }
  }

  /** The metadata of a call, with the user's token. */
  async metadata(): Promise<{ readonly metadata: Metadata; readonly token: string }> {
    const metadata = leaderMetadata();
    const token = (await this.#auth?.token()) ?? '';
    if (token !== '') metadata.set('token', token);
    return { metadata, token };
  }

  /** `token` is no longer valid. Returns false if there is no user who could get another. */
  forgetToken(token: string): boolean {
    this.#auth?.forget(token);
    return this.#auth !== undefined;
  }

  /** Throws CONFLICT for an answer of another cluster. */
  checkCluster(header: ResponseHeader | undefined, address: string): void {
    const clusterId = header?.clusterId ?? '0';
    if (clusterId === '0' || clusterId === this.#clusterId) return;
    if (this.#clusterId !== '0') {
      const reason =
        'it is of another etcd cluster than before; correct --etcd-endpoints, or, if etcd was built again, restore the catalog into it (`stele metadata restore`) and restart all masters';
      throw errorAt(address, 'CONFLICT', reason);
    }
    this.#clusterId = clusterId;
  }

  close(): void {
    this.#closing.abort();
    this.endpoints.close();
  }

  async #attempt<Request, Response extends Answer>(
    endpoint: Endpoint,
    method: MethodDefinition<Request, Response>,
    request: Request,
    attempts: Attempts,
  ): Promise<Response> {
    const isAuthentication = method.path === AuthService.authenticate.path;
    const { metadata, token } = isAuthentication
      ? { metadata: leaderMetadata(), token: '' }
      : await this.#metadataWithin(attempts.leftMs());
    const connection = await endpoint.connect(Math.min(CONNECT_MS, attempts.leftMs()));
    if (attempts.isLate()) throw attempts.late();
    try {
      const deadlineMs = attempts.attemptMs();
      const answer = await connection.ask(method, request, { metadata, deadlineMs });
      this.checkCluster(answer.header, endpoint.address);
      return answer;
    } catch (thrown) {
      this.#learnFrom(thrown, endpoint, connection, token);
      throw thrown;
    }
  }

  #learnFrom(thrown: unknown, endpoint: Endpoint, connection: Connection, token: string): void {
    if (!(thrown instanceof Failure)) return;
    if (thrown.outcome === 'unknown') endpoint.retire(connection);
    if (thrown.outcome === 'token' && !this.forgetToken(token)) {
      const reason =
        'it asks for a user and a password (or a client certificate), and none is given';
      throw errorAt(endpoint.address, 'PERMISSION_DENIED', reason, thrown.error);
    }
  }

  /** The metadata; a Failure if the token is not there in time. */
  async #metadataWithin(withinMs: number): ReturnType<EtcdCalls['metadata']> {
    const done = new AbortController();
    const late = sleep(withinMs, done.signal).then(() => {
      const reason = 'etcd did not authenticate the user in time.';
      throw new Failure('not-made', new SteleError('UNAVAILABLE', reason));
    });
    try {
      return await Promise.race([this.metadata(), late]);
    } catch (thrown) {
      const error = toSteleError(thrown);
      if (error.code !== 'UNAVAILABLE') throw error;
      throw thrown instanceof Failure ? thrown : new Failure('not-made', error);
    } finally {
      late.catch(() => undefined);
      done.abort();
    }
  }

  async #authenticate(name: string, password: string): Promise<string> {
    try {
      const request = { name, password };
      return (await this.call(AuthService.authenticate, request, 'read')).token;
    } catch (thrown) {
      const text = thrown instanceof SteleError ? thrown.message : '';
      if (!text.includes('authentication is not enabled')) throw thrown;
      this.log.warn({ user: name }, 'etcd has no authentication enabled: the user is not checked');
      return '';
    }
  }
}

function leaderMetadata(): Metadata {
  const metadata = new Metadata();
  metadata.set('hasleader', 'true');
  return metadata;
}

/** The attempts of one call: its time, and what the failed ones say of its outcome. */
class Attempts {
  readonly #kind: CallKind;
  readonly #deadlineMs: number;
  readonly #deadlineAtMs: number;
  readonly #endpoints: number;
  #failed = 0;
  #hasNewToken = false;
  #unknown: SteleError | undefined;
  #last: SteleError | undefined;

  constructor(kind: CallKind, deadlineMs: number, endpoints: number) {
    this.#kind = kind;
    this.#deadlineMs = deadlineMs;
    this.#deadlineAtMs = monotonicNowMs() + deadlineMs;
    this.#endpoints = endpoints;
  }

  leftMs(): number {
    return this.#deadlineAtMs - monotonicNowMs();
  }

  /** Whether there is no time for an attempt. */
  isLate(): boolean {
    const leastMs = this.#kind === 'read' ? 0 : Math.min(CHANGE_MS_MIN, this.#deadlineMs / 4);
    return this.leftMs() <= leastMs;
  }

  /** Time for the next attempt. A single endpoint gets more of it, as there is no other. */
  attemptMs(): number {
    const leftMs = this.leftMs();
    if (this.#kind === 'write') return leftMs;
    const least = this.#endpoints === 1 ? leftMs / 2 : 0;
    return Math.min(leftMs, Math.max(ATTEMPT_MS * 2 ** this.#rounds(), least));
  }

  /** Pause before the next attempt: none before every endpoint was tried once. */
  backoffMs(): number {
    if (this.#failed % this.#endpoints !== 0) return 0;
    const fullMs = Math.min(BACKOFF_MS_MIN * 2 ** this.#rounds(), BACKOFF_MS_MAX);
    return Math.min(fullMs * (0.5 + Math.random() / 2), Math.max(this.leftMs(), 0));
  }

  /** Decides what follows a failed attempt. Throws if none does. */
  failed({ outcome, error }: Failure): 'same endpoint' | 'next endpoint' {
    this.#last = error;
    if (outcome === 'refused') throw error;
    if (outcome === 'doubtful') throw this.#kind === 'write' ? unknownOutcome(error) : error;
    if (outcome === 'unknown') {
      this.#unknown = error;
      if (this.#kind === 'write') throw unknownOutcome(error);
    }
    if (outcome === 'token' && !this.#hasNewToken) {
      this.#hasNewToken = true;
      return 'same endpoint';
    }
    if (outcome === 'token') throw unavailable('etcd refuses a new token', error);
    this.#failed++;
    return 'next endpoint';
  }

  late(): SteleError {
    if (this.#kind === 'repeat' && this.#unknown !== undefined)
      return unknownOutcome(this.#unknown);
    return unavailable(`etcd did not answer in ${formatDuration(this.#deadlineMs)}`, this.#last);
  }

  closed(): SteleError {
    if (this.#kind === 'repeat' && this.#unknown !== undefined)
      return unknownOutcome(this.#unknown);
    return new SteleError('CANCELLED', 'The client of etcd was closed.');
  }

  #rounds(): number {
    return Math.floor(this.#failed / this.#endpoints);
  }
}

function unavailable(what: string, last: SteleError | undefined): SteleError {
  const reason = last === undefined ? '' : ` (${last.message.replace(/[.]$/, '')})`;
  return new SteleError(
    'UNAVAILABLE',
    `${what}${reason}; check that most of its members are running and can be reached.`,
    { cause: last },
  );
}

function unknownOutcome(last: SteleError): SteleError {
  return new SteleError(
    'OUTCOME_UNKNOWN',
    `Whether etcd made a change is not known (${last.message.replace(/[.]$/, '')}); read the keys to find out.`,
    { cause: last },
  );
}
