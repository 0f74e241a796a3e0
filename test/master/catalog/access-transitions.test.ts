import { expect, it } from 'vitest';
import {
  accessDigestOf,
  accessListOf,
  addUser,
  changeUser,
  hasAdmin,
  putRole,
  removeRole,
  removeUser,
} from '../../../master/catalog/access-transitions.ts';
import { applyChanges, emptyCatalog } from '../../../master/catalog/catalog.ts';
import type { CatalogState, Transition } from '../../../master/catalog/catalog.ts';
import { happeningsOf } from '../../../master/catalog/events.ts';

const rest = { passwordHash: 'hash', disabled: false, defaultKeyspace: '', createdAt: '' };
const alice = { ...rest, name: 'alice', roles: ['admin'] };
const bob = { ...rest, name: 'bob', roles: ['geo'] };
const geo = { name: 'geo', grants: ['read:geo*'] };

type Step = (state: CatalogState) => Transition<unknown>;

function after(...steps: readonly Step[]): CatalogState {
  return steps.reduce((state, step) => applyChanges(state, step(state).changes), emptyCatalog());
}

const filled = after(
  (state) => putRole(state, geo),
  (state) => addUser(state, bob),
  (state) => addUser(state, alice),
);

it('lists users and roles by name, the same object while they are the same', () => {
  expect(accessListOf(filled).users.map(({ name }) => name)).toEqual(['alice', 'bob']);
  expect(accessListOf({ ...filled })).toBe(accessListOf(filled));
  expect(accessDigestOf(emptyCatalog())).toBe('');
  const changed = applyChanges(filled, changeUser(filled, 'bob', { disabled: true }).changes);
  expect(accessDigestOf(changed)).not.toBe(accessDigestOf(filled));
});

it('never leaves the cluster without an enabled user with the right admin', () => {
  expect(hasAdmin(filled)).toBe(true);
  const refused = /No enabled user would have the right admin/;
  expect(() => removeUser(filled, 'alice')).toThrow(refused);
  expect(() => changeUser(filled, 'alice', { disabled: true })).toThrow(refused);
  expect(() => changeUser(filled, 'alice', { roles: ['reader'] })).toThrow(refused);
  const two = applyChanges(filled, changeUser(filled, 'bob', { roles: ['admin'] }).changes);
  expect(hasAdmin(applyChanges(two, removeUser(two, 'alice').changes))).toBe(true);
});

it.each<[string, () => unknown, string]>([
  ['a user twice', () => addUser(filled, bob), 'CONFLICT'],
  ['a user of a role that is not there', () => addUser(after(), bob), 'NOT_FOUND'],
  ['a name with an @', () => addUser(filled, { ...bob, name: 'b@x' }), 'INVALID_ARGUMENT'],
  ['the name of nodes', () => addUser(filled, { ...bob, name: 'node' }), 'INVALID_ARGUMENT'],
  ['the change of nobody', () => changeUser(filled, 'carol', {}), 'NOT_FOUND'],
  ['a built-in role', () => putRole(filled, { ...geo, name: 'admin' }), 'CONFLICT'],
  ['a role of no grants', () => putRole(filled, { ...geo, grants: [] }), 'INVALID_ARGUMENT'],
  ['a grant that is none', () => putRole(filled, { ...geo, grants: ['geo'] }), 'INVALID_ARGUMENT'],
  ['to remove a role that a user has', () => removeRole(filled, 'geo'), 'CONFLICT'],
  ['to remove a role that is not there', () => removeRole(filled, 'x'), 'NOT_FOUND'],
])('refuses %s', (_, change, code) => {
  expect(change).toThrow(expect.objectContaining({ code }));
});

it('records who was added, changed and removed, without a password', () => {
  const of = ({ changes }: Transition<unknown>) => happeningsOf(filled, changes);
  expect(of(addUser(filled, { ...bob, name: 'carol' }))).toEqual([
    { what: 'user-added', to: 'carol', reason: 'roles: geo' },
  ]);
  expect(of(changeUser(filled, 'bob', { disabled: true, passwordHash: 'other' }))).toEqual([
    { what: 'user-disabled', to: 'bob' },
    { what: 'user-password', to: 'bob' },
  ]);
  expect(of(removeUser(filled, 'bob'))).toEqual([{ what: 'user-removed', from: 'bob' }]);
  expect(of(putRole(filled, geo))).toEqual([
    { what: 'role-changed', to: 'geo', reason: 'read:geo*' },
  ]);
});
