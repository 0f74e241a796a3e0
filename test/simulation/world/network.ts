// A network that delays, loses, doubles and reorders messages, and can be cut in one direction.
//
// A call is a message there and a message back; either may be lost or come twice. The caller hears
// of it once: the first answer, the end of the connection, or the end of its deadline. What reaches
// a dead process is lost or refused; what reaches a paused one waits. A call names no run of its
// target: that is for the target to check.

import { SteleError } from '../../../base/errors.ts';
import type { SimClock, SimProcess } from './clock.ts';
import type { SimRandom } from './random.ts';

export type Answer<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: SteleError };

export interface SimNetworkCall {
  readonly from: SimProcess;
  /** The connection has ended. */
  fail(error: SteleError): void;
}

export class SimNetwork {
  readonly faults = { loss: 0, duplication: 0, longDelayMs: 0 };
  /** `from>to`, cut in this direction only. */
  readonly cuts = new Set<string>();
  readonly #clock: SimClock;
  readonly #random: SimRandom;

  constructor(clock: SimClock, random: SimRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  /** Whether messages pass between the two in both directions. */
  isWhole(one: SimProcess, other: SimProcess): boolean {
    const { duplication, longDelayMs, loss } = this.faults;
    if (loss + duplication + longDelayMs > 0) return false;
    return !this.cuts.has(`${one.id}>${other.id}`) && !this.cuts.has(`${other.id}>${one.id}`);
  }

  /**
   * Calls `handle` at `to` for each message that arrives there; `done` is called once at `from`,
   * unless that has died meanwhile. Returns a function that ends the call with an error of the
   * caller's.
   */
  call<Value>(
    from: SimProcess,
    to: SimProcess,
    deadlineMs: number,
    handle: () => Promise<Value>,
    done: (answer: Answer<Value>) => void,
  ): (error: SteleError) => void {
    let isOver = false;
    const { life } = from;
    const finish = (answer: Answer<Value>): void => {
      if (isOver || from.life !== life || !from.alive) return;
      isOver = true;
      cancel();
      to.calls.delete(call);
      done(answer);
    };
    const fail = (error: SteleError): void => finish({ ok: false, error });
    const call: SimNetworkCall = { from, fail };
    const cancel = this.#clock.after(deadlineMs, from, () =>
      fail(new SteleError('DEADLINE_EXCEEDED', `${to.id} did not answer in time.`)),
    );
    to.calls.add(call);
    this.#send(from, to, () => {
      if (!to.alive) {
        if (to.refuses) this.#send(to, from, () => fail(nobodyAt(to)));
        return;
      }
      const answerer = to.life;
      const answer = (value: Answer<Value>): void => {
        if (to.life === answerer && to.alive) this.#send(to, from, () => finish(value));
      };
      handle().then(
        (value) => answer({ ok: true, value }),
        (error: unknown) => answer({ ok: false, error: error as SteleError }),
      );
    });
    return fail;
  }

  /** The process has died, and its host ends its connections: those who wait for it hear so. */
  endCalls(of: SimProcess): void {
    for (const call of [...of.calls]) {
      of.calls.delete(call);
      if (of.refuses) this.#send(of, call.from, () => call.fail(nobodyAt(of)));
    }
  }

  #send(from: SimProcess, to: SimProcess, deliver: () => void): void {
    if (this.cuts.has(`${from.id}>${to.id}`) || this.#random.chance(this.faults.loss)) return;
    const copies = this.#random.chance(this.faults.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const isLate = this.faults.longDelayMs > 0 && this.#random.chance(0.12);
      const delayMs = isLate
        ? this.#random.int(50, this.faults.longDelayMs)
        : this.#random.int(1, 8);
      this.#clock.after(delayMs, undefined, () => this.#arrive(to, deliver));
    }
  }

  /** At whatever runs there by now: addresses outlive processes. */
  #arrive(to: SimProcess, deliver: () => void): void {
    if (to.paused) this.#clock.after(0, to, deliver, 'message');
    else deliver();
  }
}

function nobodyAt({ id }: SimProcess): SteleError {
  return new SteleError('UNAVAILABLE', `Nothing answers at ${id}.`);
}
