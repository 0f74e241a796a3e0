// Who asks for something: a user, or a process of the cluster.

import { SteleError } from '../base/errors.ts';
import type { Right } from './rights.ts';
import { tokenNotKnown } from './tokens.ts';

/** How somebody has shown who it is. */
export type Means = 'password' | 'token' | 'certificate' | 'jwt' | 'cluster';

/** What somebody may do. */
export interface Allowed {
  /** Whether this is allowed on a keyspace; without one, on all of them and the cluster itself. */
  may(right: Right, keyspace?: string): boolean;
  /** Whether this is allowed on some keyspaces. */
  has(right: Right): boolean;
}

export interface Subject extends Allowed {
  /** Of a user; `jwt:<subject>` by a JWT; empty for a process of the cluster. */
  readonly name: string;
  readonly by: Means;
  readonly isCluster: boolean;
  /**
   * False once what was shown counts no more: the user was disabled, say, or the token has expired.
   */
  readonly isLive: boolean;
}

/** A process of the cluster. Processes check whom they act for before they pass a request on. */
export const CLUSTER: Subject = {
  name: '',
  by: 'cluster',
  isCluster: true,
  isLive: true,
  may: () => true,
  has: () => true,
};

/** What a user has shown, and what it allows. */
export interface Proof {
  readonly name: string;
  readonly by: Exclude<Means, 'cluster'>;
  /** By the users and roles in force; undefined if the proof does not count any more. */
  readonly allowed: () => Allowed | undefined;
  /** Unix time in ms at which it ends; undefined: never. */
  readonly untilMs?: number | undefined;
}

/** A user who has logged in. Changes of users and roles are noticed by the generation alone. */
export class User implements Subject {
  readonly name: string;
  readonly by: Exclude<Means, 'cluster'>;
  readonly isCluster = false;
  readonly #proof: Proof;
  readonly #accounts: { readonly generation: number };
  #allowed: Allowed | undefined;
  #generation: number;

  /** `generation` of `accounts` rises with each change of them. */
  constructor(proof: Proof, accounts: { readonly generation: number }) {
    this.name = proof.name;
    this.by = proof.by;
    this.#proof = proof;
    this.#accounts = accounts;
    this.#generation = accounts.generation;
    this.#allowed = proof.allowed();
  }

  get isLive(): boolean {
    return this.#present() !== undefined;
  }

  may(right: Right, keyspace?: string): boolean {
    return this.#present()?.may(right, keyspace) === true;
  }

  has(right: Right): boolean {
    return this.#present()?.has(right) === true;
  }

  #present(): Allowed | undefined {
    const { generation } = this.#accounts;
    if (generation !== this.#generation) {
      this.#allowed = this.#proof.allowed();
      this.#generation = generation;
    }
    const { untilMs } = this.#proof;
    return untilMs !== undefined && Date.now() >= untilMs ? undefined : this.#allowed;
  }
}

/** The error for a caller who lacks a right. */
export class Refusal extends SteleError {
  /** What it was about; empty: all keyspaces, and the cluster itself. */
  readonly keyspace: string;

  constructor(message: string, keyspace: string) {
    super('PERMISSION_DENIED', message);
    this.keyspace = keyspace;
  }
}

/** What both allow. */
export function bothOf(one: Allowed, other: Allowed): Allowed {
  return {
    may: (right, keyspace) => one.may(right, keyspace) && other.may(right, keyspace),
    has: (right) => one.has(right) && other.has(right),
  };
}

/**
 * Throws PERMISSION_DENIED. The sentence is the same whether the keyspace exists or not;
 * UNAUTHENTICATED if what the user has shown does not count any more.
 */
export function requireRight(subject: Subject, right: Right, keyspace?: string): void {
  if (subject.may(right, keyspace)) return;
  if (!subject.isLive) throw notLive(subject);
  const what = keyspace === undefined ? 'the cluster and all keyspaces' : `keyspace '${keyspace}'`;
  throw new Refusal(
    `User '${subject.name}' does not have the right '${right}' on ${what}; ${whereRightsAre(subject)}.`,
    keyspace ?? '',
  );
}

function whereRightsAre({ by, name }: Subject): string {
  if (by === 'jwt') return 'what it has are the roles in its JWT';
  const shown = `\`stele user show ${name}\` lists what it has`;
  return by === 'token' ? `${shown}, which the roles of its token may narrow` : shown;
}

function notLive({ by }: Subject): SteleError {
  switch (by) {
    case 'token':
      return tokenNotKnown();
    case 'jwt':
      return new SteleError('UNAUTHENTICATED', 'The JWT has expired; get another one.');
    default:
      return notKnown();
  }
}

/** The error for a wrong name, a wrong password and a disabled user alike. */
export function notKnown(): SteleError {
  return new SteleError(
    'UNAUTHENTICATED',
    'The user or its password is wrong, or the user is disabled.',
  );
}

/** The error for a caller who shows nothing. */
export function notNamed(): SteleError {
  return new SteleError(
    'UNAUTHENTICATED',
    'This cluster asks who you are: give a user and its password (--user and --password-file), a token (--token-file), or the certificate of a user.',
  );
}
