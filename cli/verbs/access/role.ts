// `stele role add|list|remove`: which rights go together.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { RoleSummary } from '../../../proto/gen/stele/v1/access.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import { printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAccess } from './with-access.ts';

const ACTIONS = ['add', 'list', 'remove'];

export const definition = defineVerb({
  name: 'role',
  operands: '<action> [name]',
  actions: ACTIONS,
  schema: settingsOf({
    grant: option.list('add: a right and a pattern of keyspaces; several times for several', {
      placeholder: 'RIGHT:PATTERN',
    }),
    ...listingOptions,
  }),
  examples: [
    "stele role add geo-loader --grant 'read:geo*' --grant 'load:geo*'",
    'stele role list',
    'stele role remove geo-loader',
  ],
  async run({ operands: [action = '', name], settings: { values }, output }) {
    if (action === 'list' && name === undefined) {
      return showListing(ROLES, output, values, async () => ({
        roles: await withAccess(values, (admin) => admin.listRoles()),
      }));
    }
    if (name === undefined || (action !== 'add' && action !== 'remove')) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `'${shorten(action)}' is not an action on roles${didYouMean(action, ACTIONS)}; use list, or add or remove with the name of one.`,
      );
    }
    await withAccess(values, (admin) =>
      action === 'add' ? admin.putRole({ name, grants: values.grant }) : admin.removeRole(name),
    );
    const text = action === 'add' ? `${name} has these rights now.` : `${name} is removed.`;
    await printResult(output, values.output, { name, action }, () => text);
    return EXIT_OK;
  },
});

const ROLES: Listing<{ readonly roles: readonly RoleSummary[] }, RoleSummary> = {
  columns: [
    { title: 'ROLE', cell: ({ role }) => role?.name ?? '' },
    { title: 'KIND', cell: ({ builtIn }) => (builtIn ? 'built in' : '') },
    { title: 'RIGHTS', cell: ({ role }) => role?.grants.join(' ') ?? '' },
  ],
  rows: ({ roles }) => roles,
  name: ({ role }) => role?.name ?? '',
  json: ({ roles }) => ({
    roles: roles.map(({ builtIn, role }) => ({
      name: role?.name ?? '',
      grants: role?.grants ?? [],
      built_in: builtIn,
    })),
  }),
  empty: 'There are no roles.',
};
