// Verifies names and passwords, at a bounded cost.
//
//   known pair          at once: kept as an HMAC under a key of this process, while the user's hash is the same
//   same pair again     shares the verification in progress
//   anything else       waits after failures (attempts.ts), then for one of two verifications at a time
//
// An unknown user costs as much as a wrong password. Nothing here keeps or reports a password.

import { createHmac, randomBytes } from 'node:crypto';
import { systemTime, sleep } from '../base/clock.ts';
import type { Time } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import { Attempts } from './attempts.ts';
import { hashOfNobody, isPassword } from './passwords.ts';

const RUNNING_MAX = 2;
const WAITING_MAX = 1_000;
const KNOWN_MAX = 10_000;

export class Authenticator {
  readonly #hashOf: (name: string) => string | undefined;
  readonly #time: Time;
  readonly #isPassword: typeof isPassword;
  readonly #key = randomBytes(32);
  readonly #nobody = hashOfNobody();
  readonly #attempts = new Attempts();
  /** Verified pairs, with the hash that they were verified against; the oldest first. */
  readonly #known = new Map<string, string>();
  readonly #verifying = new Map<string, Promise<boolean>>();
  readonly #queue: (() => void)[] = [];
  #running = 0;

  /** `hashOf`: the present hash of a user who may log in. `verify` is for tests that count. */
  constructor(
    hashOf: (name: string) => string | undefined,
    time: Time = systemTime,
    verify = isPassword,
  ) {
    this.#hashOf = hashOf;
    this.#time = time;
    this.#isPassword = verify;
  }

  /** Whether this is the password of the user. Throws OVERLOADED if too many logins wait. */
  async verify(name: string, password: string, address: string): Promise<boolean> {
    const stored = this.#hashOf(name);
    const pair = createHmac('sha256', this.#key)
      .update(`${name.length} ${name}${password}`)
      .digest('base64');
    if (stored !== undefined && this.#known.get(pair) === stored) return true;
    const sharer = `${pair}${stored ?? ''}`;
    const verifying = this.#verifying.get(sharer);
    if (verifying !== undefined) return verifying;
    if (this.#verifying.size >= WAITING_MAX) {
      throw new SteleError('OVERLOADED', 'Too many logins wait; try again in a moment.');
    }
    const verified = this.#verify(name, password, address, stored, pair);
    this.#verifying.set(sharer, verified);
    try {
      return await verified;
    } finally {
      this.#verifying.delete(sharer);
    }
  }

  async #verify(
    name: string,
    password: string,
    address: string,
    stored: string | undefined,
    pair: string,
  ): Promise<boolean> {
    const waitMs = this.#attempts.waitMs(name, address, this.#time.nowMs());
    if (waitMs > 0) await sleep(waitMs, undefined, this.#time);
    await this.#turn();
    try {
      const isRight = await this.#isPassword(password, stored ?? this.#nobody);
      if (!isRight || stored === undefined) {
        this.#attempts.failed(name, address, this.#time.nowMs());
        return false;
      }
      this.#attempts.succeeded(name, address);
      this.#remember(pair, stored);
      return true;
    } finally {
      const next = this.#queue.shift();
      if (next === undefined) this.#running--;
      else next();
    }
  }

  /** Resolves when fewer than RUNNING_MAX others run; one that ends passes its place on. */
  async #turn(): Promise<void> {
    if (this.#running < RUNNING_MAX) {
      this.#running++;
      return;
    }
    await new Promise<void>((resolve) => {
      this.#queue.push(resolve);
    });
  }

  #remember(pair: string, stored: string): void {
    this.#known.delete(pair);
    this.#known.set(pair, stored);
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }
}
