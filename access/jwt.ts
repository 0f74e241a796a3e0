// JSON Web Tokens (RFC 7519), as far as access decides by them. transport/jwt/ verifies them.

/** What a JWT says of who shows it. */
export interface VerifiedJwt {
  /** `jwt:<subject>`, printable. It cannot be the name of a user. */
  readonly name: string;
  /** Names that may be those of roles; others allow nothing. */
  readonly roles: readonly string[];
  /** Unix time in ms at which it expires. */
  readonly untilMs: number;
}

/** Verifies a JWT. Throws UNAUTHENTICATED, and UNAVAILABLE while the keys cannot be fetched. */
export type VerifyJwt = (token: string) => Promise<VerifiedJwt>;
