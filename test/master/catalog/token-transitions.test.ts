import { expect, it } from 'vitest';
import {
  accessDigestOf,
  accessListOf,
  addUser,
  removeUser,
} from '../../../master/catalog/access-transitions.ts';
import { applyChanges, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Transition } from '../../../master/catalog/catalog.ts';
import { happeningsOf } from '../../../master/catalog/events.ts';
import { addToken, revokeToken, tokensOfUser } from '../../../master/catalog/token-transitions.ts';

const DAY_MS = 86_400_000;
const NOW_MS = 1_000 * DAY_MS;

function userOf(name: string, role: string) {
  const rest = { passwordHash: 'hash', disabled: false, defaultKeyspace: '', createdAt: '' };
  return { ...rest, name, roles: [role] };
}

function tokenOf(id: string, user = 'bob', expiresMs = 0) {
  return { id, user, hash: 'hash', expiresMs, roles: [], createdAt: `2026-01-01 ${id}` };
}

function after(state: CatalogState, ...steps: ((at: CatalogState) => Transition<unknown>)[]) {
  return steps.reduce((at, step) => applyChanges(at, step(at).changes), state);
}

const users = after(
  emptyCatalog(),
  (state) => addUser(state, userOf('alice', 'admin')),
  (state) => addUser(state, userOf('bob', 'reader')),
);
const filled = after(
  users,
  (state) => addToken(state, tokenOf('t2'), NOW_MS),
  (state) => addToken(state, tokenOf('t1', 'alice'), NOW_MS),
  (state) => addToken(state, tokenOf('t0'), NOW_MS),
);

it('adds tokens to the list that processes decide by, and to its digest', () => {
  expect(accessListOf(filled).tokens.map(({ id }) => id)).toEqual(['t0', 't1', 't2']);
  expect(accessListOf(filled)).toBe(accessListOf({ ...filled }));
  expect(accessDigestOf(filled)).not.toBe(accessDigestOf(users));
  expect(tokensOfUser(filled, 'bob').map(({ id }) => id)).toEqual(['t0', 't2']);
  expect(tokensOfUser(filled, '')).toHaveLength(3);
});

it('removes the tokens of a user with the user, so that another one of the name has none', () => {
  const without = after(filled, (state) => removeUser(state, 'bob'));
  expect([...without.token.keys()]).toEqual(['t1']);
  expect(() => addToken(without, tokenOf('t3'), NOW_MS)).toThrow(/There is no user 'bob'/);
});

it('allows a user a hundred tokens, without those that expired a month ago', () => {
  let state = after(filled, (at) => revokeToken(at, 't0'));
  state = after(state, (at) => addToken(at, tokenOf('old', 'bob', 1), 2));
  const add = (at: CatalogState, id: string) => addToken(at, tokenOf(id), NOW_MS);
  for (let count = 0; count < 99; count++) state = after(state, (at) => add(at, `n${count}`));
  expect(state.token.has('old')).toBe(false);
  expect(() => add(state, 'one more')).toThrow(/100 tokens of user 'bob' already/);
  expect(after(state, (at) => addToken(at, tokenOf('other', 'alice'), NOW_MS)).token.size).toBe(
    102,
  );
});

it.each<[string, () => unknown, string]>([
  ['a token of nobody', () => addToken(users, tokenOf('t', 'carol'), NOW_MS), 'NOT_FOUND'],
  [
    'a role that does not exist',
    () => addToken(users, { ...tokenOf('t'), roles: ['x'] }, NOW_MS),
    'NOT_FOUND',
  ],
  [
    'too many roles',
    () => addToken(users, { ...tokenOf('t'), roles: Array<string>(21).fill('reader') }, NOW_MS),
    'INVALID_ARGUMENT',
  ],
  ['to revoke what is not there', () => revokeToken(users, 't0'), 'NOT_FOUND'],
])('refuses %s', (_, change, code) => {
  expect(change).toThrow(expect.objectContaining({ code }));
});

it('records which token was made and revoked, without its hash', () => {
  const of = ({ changes }: Transition<unknown>) => happeningsOf(filled, changes);
  expect(of(addToken(filled, tokenOf('t3'), NOW_MS))).toEqual([
    { what: 'token-created', to: 'bob', reason: 't3' },
  ]);
  expect(of(revokeToken(filled, 't2'))).toEqual([
    { what: 'token-revoked', from: 'bob', reason: 't2' },
  ]);
});
