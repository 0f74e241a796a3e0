// `stele role add|list|remove`: which rights go together.

import { option, settingsOf } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { printJson } from '../../json-output.ts';
import { formatTable } from '../../text-table.ts';
import { defineVerb } from '../../verb.ts';
import { withAccess } from './with-access.ts';

export const definition = defineVerb({
  name: 'role',
  operands: '<action> [name]',
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
    const isJson = values.output === 'json';
    if (action === 'list' && name === undefined) {
      const roles = await withAccess(values, (admin) => admin.listRoles());
      const shapes = roles.map(({ builtIn, role }) => ({
        name: role?.name ?? '',
        grants: role?.grants ?? [],
        built_in: builtIn,
      }));
      if (isJson) printJson(output, { roles: shapes });
      else {
        const rows = shapes.map((role) => [
          role.name,
          role.built_in ? 'built in' : '',
          role.grants.join(' '),
        ]);
        const titles = ['ROLE', 'KIND', 'RIGHTS'];
        output.line(
          formatTable(
            titles.map((title) => ({ title })),
            rows,
          ),
        );
      }
      return EXIT_OK;
    }
    if (name === undefined || (action !== 'add' && action !== 'remove')) {
      throw new SteleError(
        'INVALID_ARGUMENT',
        `'${shorten(action)}' is not an action on roles; use list, or add or remove with the name of one.`,
      );
    }
    await withAccess(values, (admin) =>
      action === 'add' ? admin.putRole({ name, grants: values.grant }) : admin.removeRole(name),
    );
    if (isJson) printJson(output, { name, action });
    else output.line(action === 'add' ? `${name} has these rights now.` : `${name} is removed.`);
    return EXIT_OK;
  },
});
