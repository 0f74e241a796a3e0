// The header `authorization` of a user and its password (RFC 7617).

const BASIC = /^Basic +(?<pair>[\w+/=]+) *$/i;

/** The user of a login without a name, as in Redis. */
export const DEFAULT_USER = 'default';

export interface Login {
  readonly user: string;
  readonly password: string;
}

export function basicAuthorization({ password, user }: Login): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

/** The login in a header; undefined if there is none. */
export function readBasic(authorization: string): Login | undefined {
  const encoded = BASIC.exec(authorization)?.groups?.['pair'];
  if (encoded === undefined) return undefined;
  const pair = Buffer.from(encoded, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon < 0 ? undefined : { user: pair.slice(0, colon), password: pair.slice(colon + 1) };
}
