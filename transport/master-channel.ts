// Unary calls to a cluster that may have several masters: the one place that chooses among them.
//
// Every master takes every call, and passes on what only the leader can do, so that one living
// master is enough. A channel keeps to the master that answers, and leaves it when
//
//   the connection is lost, or the deadline of a call passes      the next call goes to another master
//   it answers UNAVAILABLE (it knows no leader, for example)      likewise
//
// A failed call is repeated with the others, each once and within the call's deadline, if it
// certainly was not carried out (there was no connection), or if it may be carried out twice. With
// one address there is no choice: nothing is repeated, and grpc-js reconnects.

import type { ChannelCredentials, ChannelOptions, Client } from '@grpc/grpc-js';
import { addressList } from '../base/address.ts';
import { monotonicNowMs } from '../base/clock.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { CallOptions } from '../proto/ports.ts';
import type { DialIdentity } from './dial-identity.ts';
import { callUnary, openClient } from './grpc-channel.ts';
import type { UnaryMethod } from './grpc-channel.ts';
import { failureOf, noMasterError, outcomeUnknownError } from './master-errors.ts';
import type { UnusedMaster } from './master-errors.ts';
import { MasterLink, firstReady } from './master-link.ts';
import { masterTargets } from './master-targets.ts';
import type { LookUp, MasterTarget } from './master-targets.ts';

const WARM_MS = 60_000;

export interface MasterCallOptions extends CallOptions {
  /** For the cluster's record of who did what. */
  readonly user?: string;
  /** See FORWARDED_KEY. */
  readonly forwardedFor?: string;
  /** The call changes nothing, or may be carried out twice. */
  readonly isRepeatable: boolean;
}

export interface MasterChannelOptions extends DialIdentity {
  /** Names a master in errors. Default: its address. */
  readonly peerOf?: (address: string) => string;
  /** Adds the next step to an error of the master at `address`. */
  readonly explain?: (error: SteleError, address: string) => SteleError;
  readonly random?: () => number;
  readonly lookUp?: LookUp;
}

type ClientClass<Of extends Client> = new (
  address: string,
  credentials: ChannelCredentials,
  options: ChannelOptions,
) => Of;

/** The errors of one call, by the target that it was tried with. */
type Failures = Map<string, UnusedMaster>;

export class MasterChannel<Of extends Client> {
  readonly #clientOf: ClientClass<Of>;
  readonly #addresses: readonly string[];
  readonly #peerOf: (address: string) => string;
  readonly #explain: (error: SteleError, address: string) => SteleError;
  readonly #identity: DialIdentity;
  readonly #targets: () => Promise<MasterTarget[]>;
  readonly #open = new Set<MasterLink<Of>>();
  #link: MasterLink<Of> | undefined;
  /** The target that failed last; it is tried last. */
  #avoided = '';
  #wasReached = false;
  #isClosed = false;

  /** `masters` is HOST:PORT, or a list with commas. Throws INVALID_ARGUMENT for anything else. */
  constructor(clientOf: ClientClass<Of>, masters: string, options: MasterChannelOptions = {}) {
    this.#clientOf = clientOf;
    this.#addresses = addressList(masters);
    this.#peerOf = options.peerOf ?? String;
    this.#explain = options.explain ?? ((error) => error);
    const { authorization, lookUp, random, tls } = options;
    this.#identity = { authorization, tls };
    this.#targets = () => masterTargets(this.#addresses, random, lookUp);
  }

  /** Whether there ever was a connection; if not, no call can have been carried out. */
  get wasReached(): boolean {
    return this.#wasReached;
  }

  /** Connects ahead of the first call. */
  warm(): void {
    this.#linksFor(new Map(), monotonicNowMs() + WARM_MS).then(
      (links) => this.#retireUnused(links),
      () => undefined,
    );
  }

  /**
   * Makes one unary call. Rejects with the master's own error, or with UNAVAILABLE,
   * DEADLINE_EXCEEDED or CANCELLED. If no master could be used, the error names every address with
   * its reason.
   */
  async call<Request, Response>(
    methodOf: (client: Of) => UnaryMethod<Request, Response>,
    request: Request,
    options: MasterCallOptions,
  ): Promise<Response> {
    const untilMs = monotonicNowMs() + options.deadlineMs;
    const failures: Failures = new Map();
    for (;;) {
      const links = await this.#linksFor(failures, untilMs, options.signal);
      try {
        for (const link of links) {
          try {
            return await this.#callOn(link, methodOf, request, options, untilMs);
          } catch (thrown) {
            const error = this.#passedOn(link, toSteleError(thrown), options);
            failures.set(link.to.target, { address: link.to.address, error });
          }
        }
      } finally {
        this.#retireUnused(links);
      }
    }
  }

  /** Calls in flight fail. */
  close(): void {
    this.#isClosed = true;
    for (const link of this.#open) link.close();
    this.#open.clear();
  }

  async #callOn<Request, Response>(
    link: MasterLink<Of>,
    methodOf: (client: Of) => UnaryMethod<Request, Response>,
    request: Request,
    options: MasterCallOptions,
    untilMs: number,
  ): Promise<Response> {
    const deadlineMs = Math.max(0, untilMs - monotonicNowMs());
    const peer = this.#peerOf(link.to.address);
    const response = await link.run((client) =>
      callUnary(methodOf(client).bind(client), request, peer, { ...options, deadlineMs }),
    );
    this.#wasReached = true;
    return response;
  }

  /**
   * The link to use: the present one, or the first to be ready of those without a failure. If none
   * is, those that could not connect, as a call to them fails at once and tells why. Throws if
   * there is none left.
   */
  async #linksFor(
    failures: Failures,
    untilMs: number,
    signal?: AbortSignal,
  ): Promise<readonly MasterLink<Of>[]> {
    const present = this.#link;
    if (present?.isReady === true && !failures.has(present.to.target)) return [present];
    const targets = await this.#targets();
    this.#throwIfEnded(signal);
    const [only] = targets;
    if (only?.isOnly === true) return [this.#onlyLink(only)];
    const left = targets.filter(({ target }) => !failures.has(target));
    if (left.length === 0) throw this.#failed(failures);
    left.sort((a, b) => Number(a.target === this.#avoided) - Number(b.target === this.#avoided));
    const links = left.map((to) => this.#opened(to));
    const ready = await firstReady(links, untilMs, signal);
    const usable = links.filter((link) => (ready === undefined ? link.hasFailed : link === ready));
    const isEnded = this.#isClosed || signal?.aborted === true;
    for (const link of links) {
      if (usable.includes(link) && !isEnded) continue;
      this.#retire(link);
      if (ready === undefined) this.#noteLate(link.to, failures);
    }
    this.#throwIfEnded(signal);
    if (usable.length === 0) throw this.#failed(failures);
    if (ready !== undefined) this.#use(ready);
    return usable;
  }

  #onlyLink(to: MasterTarget): MasterLink<Of> {
    if (this.#link?.to.target === to.target) return this.#link;
    const link = this.#opened(to);
    this.#use(link);
    // Infinity sets no timer; closing the client ends the wait.
    link.client.waitForReady(Infinity, (error) => {
      if (error === undefined) this.#wasReached = true;
    });
    return link;
  }

  /**
   * Returns `error` if the call goes on to another master; otherwise throws what the caller gets.
   */
  #passedOn(link: MasterLink<Of>, error: SteleError, options: MasterCallOptions): SteleError {
    const { isOnly, target, address } = link.to;
    if (this.#isClosed || options.signal?.aborted === true) throw error;
    const failure = failureOf(error);
    if (failure !== 'not sent') this.#wasReached = true;
    if (isOnly || failure === 'answered') throw this.#explain(error, address);
    this.#avoided = target;
    if (this.#link === link) this.#link = undefined;
    const mayBeRepeated = failure === 'not sent' || (options.isRepeatable && failure !== 'late');
    if (mayBeRepeated) return error;
    throw failure === 'lost' && this.#addresses.length > 1
      ? outcomeUnknownError(error, address)
      : this.#explain(error, address);
  }

  #failed(failures: Failures): SteleError {
    const all = [...failures.values()];
    const last = all.at(-1);
    // In the order of the list.
    const at = ({ address }: UnusedMaster): number => this.#addresses.indexOf(address);
    all.sort((left, right) => at(left) - at(right));
    if (this.#addresses.length > 1 || last === undefined) return noMasterError(all);
    return this.#explain(last.error, last.address);
  }

  #noteLate({ address, target }: MasterTarget, failures: Failures): void {
    const error = new SteleError(
      'DEADLINE_EXCEEDED',
      `${this.#peerOf(address)} did not answer in time.`,
    );
    failures.set(target, { address, error });
  }

  #throwIfEnded(signal: AbortSignal | undefined): void {
    if (!this.#isClosed && signal?.aborted !== true) return;
    const peer = this.#peerOf(this.#addresses.join(', '));
    throw new SteleError('CANCELLED', `The call to ${peer} was cancelled.`);
  }

  #opened(to: MasterTarget): MasterLink<Of> {
    const link = new MasterLink(
      to,
      openClient(this.#clientOf, to.target, { ...this.#identity, certifiedAs: to.address }),
    );
    this.#open.add(link);
    return link;
  }

  #use(link: MasterLink<Of>): void {
    this.#wasReached ||= link.isReady;
    if (this.#link !== undefined && this.#link !== link) this.#retire(this.#link);
    this.#link = link;
  }

  #retireUnused(links: readonly MasterLink<Of>[]): void {
    for (const link of links) if (link !== this.#link) this.#retire(link);
  }

  #retire(link: MasterLink<Of>): void {
    link.retire();
    this.#open.delete(link);
  }
}
