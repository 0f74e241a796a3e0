// `stele user add|list|show|passwd|roles|disable|enable|remove`: who may log in, and as what.
//
// Passwords come from a file or from the terminal, never from the command line, which other users
// of the machine can read.

import { option, settingsOf } from '../../../base/config.ts';
import type { SettingsValues } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { AccessAdmin } from '../../../client/access-admin.ts';
import type { UserSummary } from '../../../proto/gen/stele/v1/access.ts';
import { readPassword } from '../../../transport/client-identity.ts';
import { askPassword } from '../../ask.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAccess } from './with-access.ts';

const schema = settingsOf({
  role: option.list('add, roles: a role of the user; several times for several', {
    placeholder: 'ROLE',
  }),
  newPasswordFile: option.text(
    'add, passwd: file with the new password; default: it is asked',
    '',
    {
      placeholder: 'FILE',
    },
  ),
  defaultKeyspace: option.optionalText(
    "add, roles: where the user's connections of the Redis protocol begin",
    { placeholder: 'KEYSPACE' },
  ),
  ...listingOptions,
});

type Values = SettingsValues<typeof schema>;

const DONE = {
  add: 'is added.',
  passwd: 'has a new password; its connections have to log in again.',
  roles: 'has these roles now.',
  disable: 'is disabled, and so are its connections.',
  enable: 'may log in again.',
  remove: 'is removed.',
} as const;

type Action = keyof typeof DONE;

const ACTIONS = ['list', 'show', ...Object.keys(DONE)];

export const definition = defineVerb({
  name: 'user',
  operands: '<action> [name]',
  actions: ACTIONS,
  schema,
  examples: [
    'stele user add alice --role reader',
    'stele user add nightly --role loader --new-password-file nightly.password',
    'stele user list',
    'stele user show alice',
    'stele user passwd alice',
    'stele user roles alice --role reader --role geo-loader',
    'stele user disable alice',
    'stele user remove alice',
  ],
  async run({ operands: [action = '', name], settings: { values }, output }) {
    if (action === 'list' && name === undefined) {
      return showListing(USERS, output, values, async () => ({
        users: await withAccess(values, (admin) => admin.listUsers()),
      }));
    }
    if (name === undefined) throw usage(action);
    if (action === 'show') {
      return showListing(USERS, output, values, async () => {
        const users = await withAccess(values, (admin) => admin.listUsers());
        const found = users.filter((user) => user.name === name);
        if (found.length > 0) return { users: found };
        throw new SteleError('NOT_FOUND', `There is no user '${shorten(name)}'.`);
      });
    }
    if (!isAction(action)) throw usage(action);
    const password =
      action === 'add' || action === 'passwd' ? await newPassword(values.newPasswordFile) : '';
    await withAccess(values, (admin) => change(admin, action, name, password, values));
    await printResult(output, values.output, { name, action }, () => `${name} ${DONE[action]}`);
    return EXIT_OK;
  },
});

async function change(
  admin: AccessAdmin,
  action: Action,
  name: string,
  password: string,
  { defaultKeyspace, role: roles }: Values,
): Promise<void> {
  switch (action) {
    case 'add':
      return admin.addUser({ name, password, roles, defaultKeyspace: defaultKeyspace ?? '' });
    case 'passwd':
      return admin.changeUser({ name, password });
    case 'roles':
      return admin.changeUser({ name, roles: { names: roles }, defaultKeyspace });
    case 'disable':
    case 'enable':
      return admin.changeUser({ name, disabled: action === 'disable' });
    case 'remove':
      return admin.removeUser(name);
  }
}

async function newPassword(file: string): Promise<string> {
  if (file !== '') return readPassword(file);
  const password = await askPassword('New password: ');
  if (!process.stdin.isTTY || (await askPassword('Again: ')) === password) return password;
  throw new SteleError('INVALID_ARGUMENT', 'The two passwords differ; nothing was changed.');
}

const USERS: Listing<{ readonly users: readonly UserSummary[] }, UserSummary> = {
  columns: [
    { title: 'USER', cell: ({ name }) => name },
    { title: 'STATE', cell: ({ disabled }) => (disabled ? 'disabled' : 'enabled') },
    { title: 'ROLES', cell: ({ roles }) => roles.join(', ') },
    { title: 'RIGHTS', cell: ({ grants }) => grants.join(' ') },
    { title: 'DEFAULT KEYSPACE', cell: ({ defaultKeyspace }) => defaultKeyspace },
    { title: 'CREATED', wide: true, cell: ({ createdAt }) => createdAt },
  ],
  rows: ({ users }) => users,
  name: ({ name }) => name,
  json: ({ users }) => ({
    users: users.map(({ createdAt, defaultKeyspace, ...rest }) => ({
      ...rest,
      default_keyspace: defaultKeyspace,
      created_at: createdAt,
    })),
  }),
  empty: 'There are no users.',
};

function isAction(text: string): text is Action {
  return Object.hasOwn(DONE, text);
}

function usage(action: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(action)}' is not an action on users${didYouMean(action, ACTIONS)}; use list, or show, ${Object.keys(DONE).join(', ')} with the name of one.`,
  );
}
