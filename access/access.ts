// Who may do what, for all ports of one process: the present list of users and roles, logins, and
// the identity of the cluster's own processes. Without --auth on there is no such object.
//
//   authorization: Cluster ...   the secret of the cluster
//                  Basic ...     a user and its password, or a token as the password
//                  Bearer ...    a token, or a JWT
//   nothing                      the certificate of the connection: of a process of the cluster, or of a user

import type { Time } from '../base/clock.ts';
import { SteleError } from '../base/errors.ts';
import type { AccessList, AccessToken } from '../proto/gen/stele/v1/access.ts';
import { NO_USERS, accountsOf, digestOf, grantsIn, isName, tokensOf } from './access-list.ts';
import type { Account, HeldToken } from './access-list.ts';
import { Authenticator } from './authenticator.ts';
import { DEFAULT_USER, readBasic } from './basic.ts';
import { readBearer } from './bearer.ts';
import { isNodeCertificate } from './cluster-secret.ts';
import type { ClusterSecret, PeerCertificate } from './cluster-secret.ts';
import type { MetricsDoor } from './metrics-door.ts';
import { ExpiryWatch } from './expiry-watch.ts';
import type { VerifyJwt } from './jwt.ts';
import { Rights } from './rights.ts';
import { CLUSTER, User, bothOf, notKnown, notNamed } from './subject.ts';
import type { Proof, Subject } from './subject.ts';
import { idOfToken, isToken, tokenNotKnown } from './tokens.ts';

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
  /** Whether certificates count: that of a node as the secret, that of a client as its user. */
  readonly trustsCertificates: boolean;
  /** Verifies JWTs; without it there are none. */
  readonly verifyJwt?: VerifyJwt | undefined;
  /** Default: the time of this machine. */
  readonly time?: Time;
  /** Who else may scrape; default: nobody. */
  readonly metrics?: MetricsDoor;
}

export class Access {
  readonly #options: AccessOptions;
  readonly #authenticator: Authenticator;
  /** Ends what expired tokens have let in. */
  readonly #expiries = new ExpiryWatch(() => this.#generation++);
  #list = NO_USERS;
  #digest = '';
  #accounts: ReadonlyMap<string, Account> = new Map();
  #tokens: ReadonlyMap<string, HeldToken> = new Map();
  #grantsOf = grantsIn(NO_USERS);
  #generation = 1;

  constructor(options: AccessOptions) {
    this.#options = options;
    this.#authenticator = new Authenticator(
      (name) => this.#enabled(name)?.user.passwordHash,
      options.time,
    );
  }

  /** Rises with each change of what anybody may do. */
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
    this.#tokens = tokensOf(list);
    this.#grantsOf = grantsIn(list);
    this.#expiries.watch(list.tokens.map(({ expiresMs }) => expiresMs));
    this.#generation++;
  }

  account(name: string): Account | undefined {
    return this.#accounts.get(name);
  }

  /** Whether a request for /metrics needs no user, by its header `authorization`. */
  opensMetrics(authorization: string | undefined): boolean {
    return this.#options.metrics?.opensFor(authorization) === true;
  }

  /** The name of the user of a token; undefined for an unknown id. */
  ownerOf(tokenId: string): string | undefined {
    return this.#tokens.get(tokenId)?.token.user;
  }

  close(): void {
    this.#expiries.close();
  }

  /**
   * The user with this name and password, which may be one of its tokens. Throws UNAUTHENTICATED
   * and OVERLOADED.
   */
  async login(name: string, password: string, address: string): Promise<User> {
    if (idOfToken(password) !== undefined) return this.#byToken(password, name);
    const isVerified = await this.#authenticator.verify(name, password, address);
    const hash = this.#enabled(name)?.user.passwordHash;
    if (!isVerified || hash === undefined) throw notKnown();
    return this.#user({
      name,
      by: 'password',
      allowed: () => {
        const account = this.#enabled(name);
        return account?.user.passwordHash === hash ? account.rights : undefined;
      },
    });
  }

  /** Who shows this. Throws UNAUTHENTICATED and OVERLOADED. */
  async identify({ address, authorization, certificate }: Shown): Promise<Subject> {
    if (authorization === undefined) return this.#byCertificate(certificate());
    if (this.#options.secret?.isShownBy(authorization) === true) return CLUSTER;
    const login = readBasic(authorization);
    if (login !== undefined) return this.login(login.user, login.password, address);
    const token = readBearer(authorization);
    if (token !== undefined && idOfToken(token) !== undefined)
      return this.#byToken(token, DEFAULT_USER);
    const { verifyJwt } = this.#options;
    if (token !== undefined && verifyJwt !== undefined) return this.#byJwt(token, verifyJwt);
    throw new SteleError(
      'UNAUTHENTICATED',
      'The header authorization is neither Basic with a user and its password, nor Bearer with a token, nor the secret of this cluster.',
    );
  }

  /**
   * The user whose certificate this is: of its common name. It is not live while there is no such
   * user. Undefined for a certificate that cannot be one of a user, such as that of a node.
   */
  ofCertificate(certificate: PeerCertificate | undefined): User | undefined {
    const name = certificate?.subject?.CN;
    if (!this.#options.trustsCertificates || typeof name !== 'string' || !isName(name)) {
      return undefined;
    }
    return this.#user({ name, by: 'certificate', allowed: () => this.#enabled(name)?.rights });
  }

  #byCertificate(certificate: PeerCertificate | undefined): Subject {
    if (this.#options.trustsCertificates && isNodeCertificate(certificate)) return CLUSTER;
    const user = this.ofCertificate(certificate);
    if (user === undefined) throw notNamed();
    if (user.isLive) return user;
    throw new SteleError(
      'UNAUTHENTICATED',
      `The certificate is of '${user.name}', who is disabled or no user; give another one, or a user and its password.`,
    );
  }

  #byToken(text: string, name: string): User {
    const id = idOfToken(text) ?? '';
    const { token } = this.#tokens.get(id) ?? {};
    const isRight = isToken(text, token?.hash);
    const isOfName = name === '' || name === DEFAULT_USER || name === token?.user;
    if (!isRight || !isOfName || token === undefined) throw tokenNotKnown();
    const { expiresMs, hash, user } = token;
    // Only the owner of the token gets here.
    if (hasExpired(token)) {
      throw new SteleError(
        'UNAUTHENTICATED',
        `The token ${id} expired at ${new Date(expiresMs).toISOString()}; make another one with \`stele token create\`.`,
      );
    }
    const found = this.#user({
      name: user,
      by: 'token',
      untilMs: expiresMs === 0 ? undefined : expiresMs,
      allowed: () => {
        const held = this.#tokens.get(id);
        const rights = this.#enabled(user)?.rights;
        if (held?.token.hash !== hash || hasExpired(held.token) || rights === undefined) {
          return undefined;
        }
        return held.limits === undefined ? rights : bothOf(rights, held.limits);
      },
    });
    if (!found.isLive) throw tokenNotKnown();
    return found;
  }

  async #byJwt(token: string, verify: VerifyJwt): Promise<User> {
    const { name, roles, untilMs } = await verify(token);
    const allowed = (): Rights => new Rights(this.#grantsOf(roles));
    return this.#user({ name, by: 'jwt', allowed, untilMs });
  }

  #user(proof: Proof): User {
    return new User(proof, this);
  }

  #enabled(name: string): Account | undefined {
    const account = this.#accounts.get(name);
    return account?.user.disabled === false ? account : undefined;
  }
}

function hasExpired({ expiresMs }: AccessToken): boolean {
  return expiresMs !== 0 && Date.now() >= expiresMs;
}
