// For tests: an issuer of JWTs, and JWTs that are wrong in one way each.

import { SignJWT, UnsecuredJWT, exportJWK, generateKeyPair } from 'jose';
import type { CryptoKey, JWTPayload } from 'jose';
import type { KeySource } from '../../transport/jwt/jwks.ts';

export const ISSUER = 'https://issuer.example.com';
export const AUDIENCE = 'stele';

export const JWT_SETTINGS = {
  auth: 'on',
  jwtAudience: AUDIENCE,
  jwtClaim: 'roles',
  jwtIssuer: ISSUER,
  jwtJwks: 'the keys of the test',
} as const;

interface ClaimOptions {
  readonly claims?: JWTPayload;
  readonly expires?: string;
  readonly issuer?: string;
  readonly audience?: string;
}

export class TestIssuer {
  readonly #keys = new Map<string, CryptoKey>();
  readonly jwks: { keys: object[] } = { keys: [] };

  /** With two keys, `one` and `two`, of which only the first is published. */
  static async start(): Promise<TestIssuer> {
    const issuer = new TestIssuer();
    await issuer.addKey('one', true);
    await issuer.addKey('two', false);
    return issuer;
  }

  async addKey(kid: string, isPublished: boolean): Promise<void> {
    const { privateKey, publicKey } = await generateKeyPair('ES256');
    this.#keys.set(kid, privateKey);
    const jwk = { ...(await exportJWK(publicKey)), kid, alg: 'ES256', use: 'sig' };
    if (isPublished) this.jwks.keys = [...this.jwks.keys, jwk];
  }

  get source(): KeySource {
    const current = async () => this.jwks;
    return { current, renewed: current };
  }

  sign({ kid = 'one', ...more }: ClaimOptions & { readonly kid?: string } = {}): Promise<string> {
    const key = this.#keys.get(kid);
    if (key === undefined) throw new Error(`no key ${kid}`);
    return this.#unsigned(more).setProtectedHeader({ alg: 'ES256', kid }).sign(key);
  }

  /** With the public key of `one`, which everybody knows, as the shared secret. */
  signShared(options: ClaimOptions): Promise<string> {
    const secret = Buffer.from(JSON.stringify(this.jwks.keys[0]));
    return this.#unsigned(options).setProtectedHeader({ alg: 'HS256', kid: 'one' }).sign(secret);
  }

  unsecured(claims: JWTPayload): string {
    return new UnsecuredJWT({ sub: 'robot', ...claims })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setExpirationTime('1h')
      .encode();
  }

  #unsigned({
    audience = AUDIENCE,
    claims = {},
    expires = '1h',
    issuer = ISSUER,
  }: ClaimOptions): SignJWT {
    return new SignJWT({ sub: 'robot', ...claims })
      .setIssuer(issuer)
      .setAudience(audience)
      .setExpirationTime(expires);
  }
}
