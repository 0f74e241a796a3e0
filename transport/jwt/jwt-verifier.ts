// Verifies JWTs with jose, which is loaded only where they are accepted.
//
// Accepted are signatures by a key pair alone: neither `none` nor a shared secret (HS256 ...),
// whose key every process of the cluster would have to know.

import { createHash } from 'node:crypto';
import type { JWTPayload, createLocalJWKSet } from 'jose';
import type { AccessSettings } from '../../access/access-settings.ts';
import type { VerifiedJwt, VerifyJwt } from '../../access/jwt.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { openKeys } from './jwks.ts';
import type { Jwks, KeySource } from './jwks.ts';

const ALGORITHMS = 'RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA Ed25519'.split(' ');
/** Clocks of machines differ. */
const TOLERANCE_S = 30;
const JWT_CHARACTERS_MAX = 16_384;
const NAME_CHARACTERS_MAX = 120;
const ROLES_MAX = 100;
/** How long, and how many, verified ones are known by their digest. */
const KNOWN_MS = 60_000;
const KNOWN_MAX = 10_000;

type JwtSettings = Pick<
  AccessSettings,
  'auth' | 'jwtAudience' | 'jwtClaim' | 'jwtIssuer' | 'jwtJwks'
>;

/**
 * What verifies the JWTs that the settings name; undefined: none are accepted. Throws
 * INVALID_ARGUMENT.
 */
export function jwtVerifier(settings: JwtSettings, log: Logger): VerifyJwt | undefined {
  const { auth, jwtAudience, jwtIssuer, jwtJwks } = settings;
  const given = [jwtIssuer, jwtAudience, jwtJwks].filter((text) => text !== '');
  if (auth === 'off' || given.length === 0) return undefined;
  if (given.length < 3) {
    throw new SteleError(
      'INVALID_ARGUMENT',
      'Give --jwt-issuer, --jwt-audience and --jwt-jwks together: a JWT of another issuer, or for somebody else, must not be accepted.',
    );
  }
  const verifier = new JwtVerifier(settings, openKeys(jwtJwks, log));
  return (token) => verifier.verify(token);
}

interface Known {
  readonly jwt: VerifiedJwt;
  readonly keys: Jwks;
  readonly untilMs: number;
}

export class JwtVerifier {
  readonly #settings: JwtSettings;
  readonly #source: KeySource;
  readonly #jose = import('jose');
  readonly #sets = new WeakMap<Jwks, ReturnType<typeof createLocalJWKSet>>();
  /** By digest, the oldest first. */
  readonly #known = new Map<string, Known>();

  constructor(settings: JwtSettings, source: KeySource) {
    this.#settings = settings;
    this.#source = source;
    // Each call of `verify` reports it.
    this.#jose.catch(() => undefined);
  }

  /** Throws UNAUTHENTICATED, and UNAVAILABLE without keys. */
  async verify(token: string): Promise<VerifiedJwt> {
    if (token.length > JWT_CHARACTERS_MAX) {
      throw refused(`The JWT has more than ${JWT_CHARACTERS_MAX} characters.`);
    }
    const keys = await this.#source.current();
    const digest = createHash('sha256').update(token).digest('base64');
    const known = this.#known.get(digest);
    if (known?.keys === keys && Date.now() < known.untilMs) return known.jwt;
    const jwt = jwtOf(await this.#payloadOf(token, keys), this.#settings.jwtClaim);
    this.#remember(digest, jwt, keys);
    return jwt;
  }

  async #payloadOf(token: string, keys: Jwks): Promise<JWTPayload> {
    const { errors } = await this.#jose;
    try {
      return await this.#verifyWith(token, keys);
    } catch (thrown) {
      if (!(thrown instanceof errors.JWKSNoMatchingKey)) throw await this.#explain(thrown);
    }
    const renewed = await this.#source.renewed();
    try {
      return await this.#verifyWith(token, renewed);
    } catch (thrown) {
      throw await this.#explain(thrown);
    }
  }

  async #verifyWith(token: string, keys: Jwks): Promise<JWTPayload> {
    const jose = await this.#jose;
    const { jwtAudience: audience, jwtIssuer: issuer } = this.#settings;
    // It keeps the keys in the form in which they verify.
    const set = this.#sets.get(keys) ?? jose.createLocalJWKSet({ keys: [...keys.keys] });
    this.#sets.set(keys, set);
    const { payload } = await jose.jwtVerify(token, set, {
      algorithms: ALGORITHMS,
      audience,
      issuer,
      clockTolerance: TOLERANCE_S,
      requiredClaims: ['exp', 'sub'],
    });
    return payload;
  }

  /** In words that say what is wrong, but nothing of the token. */
  async #explain(thrown: unknown): Promise<SteleError> {
    const { errors } = await this.#jose;
    if (thrown instanceof errors.JWTExpired) {
      return refused('The JWT has expired; get another one.');
    }
    if (thrown instanceof errors.JWTClaimValidationFailed) {
      return refused(`The JWT is not one for this cluster: its claim '${thrown.claim}' is wrong.`);
    }
    if (thrown instanceof errors.JOSEAlgNotAllowed) {
      return refused(`The JWT has to be signed with one of ${ALGORITHMS.join(', ')}.`);
    }
    if (
      thrown instanceof errors.JWKSNoMatchingKey ||
      thrown instanceof errors.JWKSMultipleMatchingKeys
    ) {
      return refused('The JWT names none of the keys of --jwt-jwks (its header `kid`).');
    }
    return refused('The JWT is malformed, or its signature is wrong.');
  }

  #remember(digest: string, jwt: VerifiedJwt, keys: Jwks): void {
    this.#known.delete(digest);
    this.#known.set(digest, {
      jwt,
      keys,
      untilMs: Math.min(jwt.untilMs, Date.now() + KNOWN_MS),
    });
    const [oldest] = this.#known.keys();
    if (this.#known.size > KNOWN_MAX && oldest !== undefined) this.#known.delete(oldest);
  }
}

function jwtOf(payload: JWTPayload, claim: string): VerifiedJwt {
  const { exp = 0, sub } = payload;
  if (typeof sub !== 'string' || sub === '') throw refused('The JWT names no subject (`sub`).');
  return {
    // Names travel in headers.
    name: `jwt:${sub.replace(/[^!-~]/g, '?').slice(0, NAME_CHARACTERS_MAX)}`,
    roles: rolesIn(claimOf(payload, claim)),
    untilMs: (exp + TOLERANCE_S) * 1000,
  };
}

/** The claim of this name, or else the member at the end of a path of names. */
function claimOf(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name];
  let found: unknown = payload;
  for (const part of name.split('.')) {
    const isObject = typeof found === 'object' && found !== null && Object.hasOwn(found, part);
    found = isObject ? (found as Record<string, unknown>)[part] : undefined;
  }
  return found;
}

/** A list of texts, or one text with spaces between the names. */
function rolesIn(claim: unknown): string[] {
  const names: unknown[] = typeof claim === 'string' ? claim.split(/\s+/) : listOf(claim);
  const texts = names.filter((name): name is string => typeof name === 'string' && name !== '');
  return texts.slice(0, ROLES_MAX);
}

function listOf(claim: unknown): unknown[] {
  return Array.isArray(claim) ? claim : [];
}

function refused(why: string): SteleError {
  return new SteleError('UNAUTHENTICATED', why);
}
