// Who asks for something: a user, or a process of the cluster.

import { SteleError } from '../base/errors.ts';
import type { Account } from './access-list.ts';
import type { Right } from './rights.ts';

export interface Subject {
  /** Of a user; empty for a process of the cluster. */
  readonly name: string;
  readonly isCluster: boolean;
  /** False once the user was disabled or removed, or has another password. */
  readonly isLive: boolean;
  /** Whether this is allowed on a keyspace; without one, on all of them and the cluster itself. */
  may(right: Right, keyspace?: string): boolean;
  /** Whether this is allowed on some keyspaces. */
  has(right: Right): boolean;
}

/** A process of the cluster. Processes check whom they act for before they pass a request on. */
export const CLUSTER: Subject = {
  name: '',
  isCluster: true,
  isLive: true,
  may: () => true,
  has: () => true,
};

/** The accounts in force; `generation` rises with each change of them. */
export interface Accounts {
  readonly generation: number;
  account(name: string): Account | undefined;
}

/** A user who has logged in. Changes of the account are noticed by the generation alone. */
export class User implements Subject {
  readonly name: string;
  readonly isCluster = false;
  readonly #accounts: Accounts;
  readonly #passwordHash: string;
  #account: Account | undefined;
  #generation: number;

  constructor(account: Account, accounts: Accounts) {
    this.name = account.user.name;
    this.#passwordHash = account.user.passwordHash;
    this.#account = account;
    this.#accounts = accounts;
    this.#generation = accounts.generation;
  }

  get isLive(): boolean {
    return this.#present() !== undefined;
  }

  may(right: Right, keyspace?: string): boolean {
    return this.#present()?.rights.may(right, keyspace) === true;
  }

  has(right: Right): boolean {
    return this.#present()?.rights.has(right) === true;
  }

  #present(): Account | undefined {
    const { generation } = this.#accounts;
    if (generation !== this.#generation) {
      const found = this.#accounts.account(this.name);
      const isSame = found?.user.passwordHash === this.#passwordHash && !found.user.disabled;
      this.#account = isSame ? found : undefined;
      this.#generation = generation;
    }
    return this.#account;
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

/**
 * Throws PERMISSION_DENIED. The sentence is the same whether the keyspace exists or not; UNAUTHENTICATED
 * if the user is no longer who logged in.
 */
export function requireRight(subject: Subject, right: Right, keyspace?: string): void {
  if (subject.may(right, keyspace)) return;
  if (!subject.isLive) throw notKnown();
  const what = keyspace === undefined ? 'the cluster and all keyspaces' : `keyspace '${keyspace}'`;
  throw new Refusal(
    `User '${subject.name}' does not have the right '${right}' on ${what}; \`stele user show ${subject.name}\` lists what it has.`,
    keyspace ?? '',
  );
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
    'This cluster asks who you are: give a user and its password (--user and --password-file).',
  );
}
