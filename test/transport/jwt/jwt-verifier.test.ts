import { describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../../../base/log.ts';
import { JwtVerifier, jwtVerifier } from '../../../transport/jwt/jwt-verifier.ts';
import { JWT_SETTINGS, TestIssuer } from '../../access/jwts.ts';

const issuer = await TestIssuer.start();

function verifier(jwtClaim = 'roles'): JwtVerifier {
  return new JwtVerifier({ ...JWT_SETTINGS, jwtClaim }, issuer.source);
}

async function whyNot(token: string): Promise<string> {
  try {
    await verifier().verify(token);
    return 'accepted';
  } catch (thrown) {
    const { code, message } = thrown as { code: string; message: string };
    expect(code).toBe('UNAUTHENTICATED');
    // Nothing of the token is repeated.
    for (const part of token.split('.')) if (part.length > 8) expect(message).not.toContain(part);
    return message;
  }
}

it('says who somebody is, with the roles of a claim, until when', async () => {
  const token = await issuer.sign({ claims: { sub: 'anna maria', roles: ['a', 7, '', 'b'] } });
  const { name, roles, untilMs } = await verifier().verify(token);
  expect(name).toBe('jwt:anna?maria');
  expect(roles).toEqual(['a', 'b']);
  expect(untilMs - Date.now()).toBeGreaterThan(3_500_000);
  expect(untilMs - Date.now()).toBeLessThan(3_700_000);
});

it.each<[string, object, string, string[]]>([
  ['a text with spaces', { scope: 'a  b' }, 'scope', ['a', 'b']],
  ['a member of an object', { realm_access: { roles: ['a'] } }, 'realm_access.roles', ['a']],
  ['a name with points', { 'https://x.y/roles': ['a'], https: 1 }, 'https://x.y/roles', ['a']],
  ['no such claim', {}, 'roles', []],
  ['what is no list', { roles: { a: 1 } }, 'roles', []],
  ['what every object has', {}, 'constructor.name', []],
])('reads roles from %s', async (_, claims, claim, roles) => {
  const token = await issuer.sign({ claims: { ...claims } });
  expect((await verifier(claim).verify(token)).roles).toEqual(roles);
});

describe('refuses', () => {
  it.each([
    ['an expired one', () => issuer.sign({ expires: '-1m' }), /has expired/],
    ['another issuer', () => issuer.sign({ issuer: 'https://other' }), /claim 'iss' is wrong/],
    ['another audience', () => issuer.sign({ audience: 'other' }), /claim 'aud' is wrong/],
    ['one from the future', () => issuer.sign({ claims: { nbf: 4e9 } }), /claim 'nbf' is wrong/],
    ['no subject', () => issuer.sign({ claims: { sub: '' } }), /names no subject/],
    ['a key that is not published', () => issuer.sign({ kid: 'two' }), /none of the keys/],
    ['no signature', () => issuer.unsecured({}), /has to be signed with one of/],
    ['a shared secret', () => issuer.signShared({}), /has to be signed with one of/],
    ['nonsense', () => 'a.b.c', /malformed/],
    ['an endless one', () => 'a'.repeat(100_000), /more than 16384 characters/],
  ])('%s', async (_, make, why) => {
    expect(await whyNot(await make())).toMatch(why);
  });

  it('a changed claim under the signature of another', async () => {
    const [head, , signature] = (await issuer.sign({ claims: { roles: ['a'] } })).split('.');
    const [, payload] = (await issuer.sign({ claims: { roles: ['admin'] } })).split('.');
    expect(await whyNot(`${head}.${payload}.${signature}`)).toMatch(/its signature is wrong/);
  });
});

it('tolerates clocks that differ by half a minute', async () => {
  expect(await whyNot(await issuer.sign({ expires: '-10s' }))).toBe('accepted');
});

it('looks once for a key that it does not know, and verifies the same token once', async () => {
  const current = { keys: issuer.jwks.keys };
  const own = await TestIssuer.start();
  const renewed = { keys: own.jwks.keys };
  const source = { current: async () => current, renewed: vi.fn(async () => renewed) };
  await own.addKey('three', true);
  renewed.keys = own.jwks.keys;
  const verifying = new JwtVerifier(JWT_SETTINGS, source);
  expect((await verifying.verify(await own.sign({ kid: 'three' }))).name).toBe('jwt:robot');
  expect(source.renewed).toHaveBeenCalledTimes(1);
  const token = await issuer.sign();
  const first = await verifying.verify(token);
  expect(await verifying.verify(token)).toBe(first);
  // Another set of keys: it counts no more.
  source.current = async () => ({ keys: own.jwks.keys });
  await expect(verifying.verify(token)).rejects.toThrow(/signature is wrong/);
});

it('needs issuer, audience and keys together, and nothing of it without --auth on', () => {
  const none = { ...JWT_SETTINGS, jwtAudience: '', jwtIssuer: '', jwtJwks: '' };
  expect(jwtVerifier(none, silentLogger)).toBe(undefined);
  expect(jwtVerifier({ ...JWT_SETTINGS, auth: 'off' }, silentLogger)).toBe(undefined);
  for (const name of ['jwtAudience', 'jwtIssuer', 'jwtJwks'] as const) {
    expect(() => jwtVerifier({ ...JWT_SETTINGS, [name]: '' }, silentLogger)).toThrow(/together/);
  }
});
