import { expect, it, vi } from 'vitest';
import { Attempts } from '../../access/attempts.ts';
import { Authenticator } from '../../access/authenticator.ts';
import { hashOfNobody, hashPassword, isPassword } from '../../access/passwords.ts';
import { systemTime } from '../../base/clock.ts';

const PASSWORD = 'correct horse';

it('keeps a password as a salted hash, and recognises it', async () => {
  const [one, other] = await Promise.all([hashPassword(PASSWORD), hashPassword(PASSWORD)]);
  expect(one).toMatch(/^scrypt[$]14[$]8[$]1[$]/);
  expect(one).not.toBe(other);
  expect(await isPassword(PASSWORD, one)).toBe(true);
  expect(await isPassword(`${PASSWORD} `, one)).toBe(false);
  expect(await isPassword('', hashOfNobody())).toBe(false);
  expect(await isPassword(PASSWORD, 'nonsense')).toBe(false);
  await expect(hashPassword('short')).rejects.toThrow(/8 to 512 characters/);
});

it('verifies a pair once, until the hash of the user is another', async () => {
  let hash: string | undefined = await hashPassword(PASSWORD);
  const asked = vi.fn(() => hash);
  const authenticator = new Authenticator(asked);
  expect(await authenticator.verify('alice', PASSWORD, 'here')).toBe(true);
  const startMs = performance.now();
  for (let count = 0; count < 10_000; count++) {
    expect(await authenticator.verify('alice', PASSWORD, 'here')).toBe(true);
  }
  // A verification takes some 50 ms.
  expect(performance.now() - startMs).toBeLessThan(5_000);
  hash = await hashPassword('another horse');
  expect(await authenticator.verify('alice', PASSWORD, 'there')).toBe(false);
  hash = undefined;
  expect(await authenticator.verify('alice', 'another horse', 'elsewhere')).toBe(false);
});

it('shares one verification among equal attempts, and refuses more than may wait', async () => {
  const hash = await hashPassword(PASSWORD);
  const authenticator = new Authenticator(() => hash);
  const equal = Array.from({ length: 2_000 }, () => authenticator.verify('a', PASSWORD, 'here'));
  expect(new Set(await Promise.all(equal))).toEqual(new Set([true]));
  const different = Array.from({ length: 1_100 }, (_, at) =>
    authenticator.verify(`user ${at}`, PASSWORD, `address ${at}`).then(
      () => 'verified',
      (thrown: unknown) => (thrown as { code: string }).code,
    ),
  );
  const first = await Promise.race(different);
  expect(first).toBe('OVERLOADED');
  await Promise.all(different.slice(0, 4));
});

it('makes failed logins of a user and of an address wait, 5 s at most', () => {
  const attempts = new Attempts();
  expect(attempts.waitMs('alice', '10.0.0.1', 0)).toBe(0);
  attempts.failed('alice', '10.0.0.1', 0);
  expect(attempts.waitMs('alice', '10.0.0.2', 0)).toBe(100);
  expect(attempts.waitMs('bob', '10.0.0.1', 40)).toBe(60);
  expect(attempts.waitMs('bob', '10.0.0.2', 0)).toBe(0);
  for (let count = 0; count < 20; count++) attempts.failed('alice', '10.0.0.1', 0);
  expect(attempts.waitMs('alice', '10.0.0.9', 0)).toBe(5_000);
  attempts.succeeded('alice', '10.0.0.1');
  expect(attempts.waitMs('alice', '10.0.0.1', 0)).toBe(0);
});

it('takes as long to refuse an unknown or disabled user as a wrong password: one scrypt of the same cost', async () => {
  const stored = await hashPassword(PASSWORD);
  const runs: string[] = [];
  const counting = (password: string, hash: string): Promise<boolean> => {
    runs.push(hash.split('$').slice(0, 4).join('$'));
    return isPassword(password, hash);
  };
  // A disabled user has no hash for a login (access.ts).
  const hashOf = (name: string): string | undefined => (name === 'alice' ? stored : undefined);
  const authenticator = new Authenticator(hashOf, systemTime, counting);
  expect(await authenticator.verify('alice', PASSWORD, 'here')).toBe(true);
  const cost = [...runs];
  expect(cost).toHaveLength(1);
  for (const [name, password] of [
    ['alice', `${PASSWORD}x`],
    ['nobody', PASSWORD],
    ['nobody', ''],
    ['alice', ''],
    ['alice', 'x'.repeat(600)],
    ['nobody', 'x'.repeat(600)],
  ] as const) {
    runs.length = 0;
    expect(await authenticator.verify(name, password, `by ${name} ${password}`)).toBe(false);
    expect(runs).toEqual(cost);
  }
});
