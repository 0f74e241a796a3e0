// A network that delays, loses, doubles and reorders messages, and can be cut in one direction.
//
// A call is a message there and a message back; either may be lost or come twice. The caller hears of
// it once: the first answer, or the end of its deadline. What reaches a dead process is lost; what
// reaches a paused one waits. A call names no run of its target: that is for the target to check.

import type { SimClock, SimProcess } from './sim-clock.ts';
import type { SimRandom } from './sim-random.ts';

export type Answer<Value> =
  { readonly ok: true; readonly value: Value } | { readonly ok: false; readonly error: string };

export interface NetworkFaults {
  loss: number;
  duplication: number;
  /** Of a few messages: so late that later ones overtake them. */
  longDelayMs: number;
}

export class SimNetwork {
  readonly faults: NetworkFaults = { loss: 0, duplication: 0, longDelayMs: 0 };
  /** `from>to`, cut in this direction only. */
  readonly cuts = new Set<string>();
  readonly #clock: SimClock;
  readonly #random: SimRandom;

  constructor(clock: SimClock, random: SimRandom) {
    this.#clock = clock;
    this.#random = random;
  }

  /**
   * Calls `handle` at `to`, which gives its answer by its argument, at most once a delivery; `done` is
   * called once at `from`, unless that has died meanwhile.
   */
  call<Value>(
    from: SimProcess,
    to: SimProcess,
    deadlineMs: number,
    handle: (answer: (value: Answer<Value>) => void) => void,
    done: (answer: Answer<Value>) => void,
  ): void {
    let isOver = false;
    // A connection ends with either side: no answer reaches the next process of the caller.
    const { life } = from;
    const finish = (answer: Answer<Value>): void => {
      if (isOver || from.life !== life) return;
      isOver = true;
      done(answer);
    };
    this.#clock.after(deadlineMs, from, () => finish({ ok: false, error: 'DEADLINE' }));
    this.#send(from, to, () => {
      if (!to.alive) return;
      handle((answer) =>
        this.#send(to, from, () => this.#clock.after(0, from, () => finish(answer))),
      );
    });
  }

  #send(from: SimProcess, to: SimProcess, deliver: () => void): void {
    if (this.cuts.has(`${from.id}>${to.id}`) || this.#random.chance(this.faults.loss)) return;
    const copies = this.#random.chance(this.faults.duplication) ? 2 : 1;
    for (let copy = 0; copy < copies; copy++) {
      const isLate = this.faults.longDelayMs > 0 && this.#random.chance(0.12);
      const delayMs = isLate
        ? this.#random.int(50, this.faults.longDelayMs)
        : this.#random.int(1, 8);
      // To whatever runs there when it arrives: addresses outlive processes.
      this.#clock.after(delayMs, undefined, () => {
        if (to.paused) to.backlog.push(deliver);
        else deliver();
      });
    }
  }
}
