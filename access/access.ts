// Who may do what, for all ports of one process: the present list of users and roles, logins, and the
// identity of the cluster's own processes. Without --auth on there is no such object.

import type { Time } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import type { AccessList } from '../proto/gen/stele/v1/access.ts';
import { NO_USERS, accountsOf, digestOf } from './access-list.ts';
import type { Account } from './access-list.ts';
import { Authenticator } from './authenticator.ts';
import { readBasic } from './basic.ts';
import { isNodeCertificate } from './cluster-secret.ts';
import type { ClusterSecret, PeerCertificate } from './cluster-secret.ts';
import type { MetricsDoor } from './metrics-door.ts';
import { CLUSTER, User, notKnown, notNamed } from './subject.ts';
import type { Accounts, Subject } from './subject.ts';

/** What a caller shows, and where it is. */
export interface Shown {
  /** The header or metadata of this name. */
  readonly authorization: string | undefined;
  /** A certificate that a trusted authority has signed; takes a while. */
  readonly certificate: () => PeerCertificate | undefined;
  /** Without a port. */
  readonly address: string;
}

export interface AccessOptions {
  readonly secret: ClusterSecret | undefined;
  /** Whether a certificate of `stele certs node` counts as the secret. */
  readonly trustsNodeCertificates: boolean;
  /** Default: the time of this machine. */
  readonly time?: Time;
  /** Who else may scrape; default: nobody. */
  readonly metrics?: MetricsDoor;
}

export class Access implements Accounts {
  readonly #options: AccessOptions;
  readonly #authenticator: Authenticator;
  #list = NO_USERS;
  #digest = '';
  #accounts: ReadonlyMap<string, Account> = new Map();
  #generation = 1;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#authenticator = new Authenticator((name) => this.#hashOf(name), options.time);
  }

  get generation(): number {
    return this.#generation;
  }

  /** Of the list in force; see ClusterView.access_digest. */
  get digest(): string {
    return this.#digest;
  }

  get accounts(): ReadonlyMap<string, Account> {
    return this.#accounts;
  }

  get list(): AccessList {
    return this.#list;
  }

  /** Decides by `list` from now on, also for those who have logged in. */
  update(list: AccessList): void {
    const digest = digestOf(list);
    if (digest === this.#digest) return;
    this.#list = list;
    this.#digest = digest;
    this.#accounts = accountsOf(list);
    this.#generation++;
  }

  account(name: string): Account | undefined {
    return this.#accounts.get(name);
  }

  /** Whether a request for /metrics needs no user, by its header `authorization`. */
  opensMetrics(authorization: string | undefined): boolean {
    return this.#options.metrics?.opensFor(authorization) === true;
  }

  /** The user with this name and password. Throws UNAUTHENTICATED and OVERLOADED. */
  async login(name: string, password: string, address: string): Promise<User> {
    const isVerified = await this.#authenticator.verify(name, password, address);
    const account = this.#accounts.get(name);
    if (!isVerified || account === undefined || account.user.disabled) throw notKnown();
    return new User(account, this);
  }

  /** Who shows this. Throws UNAUTHENTICATED and OVERLOADED. */
  async identify({ address, authorization, certificate }: Shown): Promise<Subject> {
    const { secret, trustsNodeCertificates } = this.#options;
    if (authorization === undefined) {
      if (trustsNodeCertificates && isNodeCertificate(certificate())) return CLUSTER;
      throw notNamed();
    }
    if (secret?.isShownBy(authorization) === true) return CLUSTER;
    const login = readBasic(authorization);
    if (login === undefined) {
      throw new SteleError(
        'UNAUTHENTICATED',
        'The header authorization is neither Basic with a user and its password nor the secret of this cluster.',
      );
    }
    return this.login(login.user, login.password, address);
  }

  #hashOf(name: string): string | undefined {
    const user = this.#accounts.get(name)?.user;
    return user === undefined || user.disabled ? undefined : user.passwordHash;
  }
}
