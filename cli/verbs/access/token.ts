// `stele token create|list|revoke`: what programs log in with.
//
// A token is shown once, alone on stdout, so that a script can keep it. Here --user is whose token
// it is: that is also who asks, unless --as or STELE_USER names another one.

import { option, settingsOf } from '../../../base/config.ts';
import type { SettingsValues } from '../../../base/config.ts';
import { SteleError } from '../../../base/errors.ts';
import { shorten } from '../../../base/ids.ts';
import type { AccessAdmin } from '../../../client/access-admin.ts';
import type { TokenSummary } from '../../../proto/gen/stele/v1/access.ts';
import { listingOptions } from '../../client-settings.ts';
import { EXIT_OK } from '../../exit.ts';
import { showListing } from '../../listings/listing.ts';
import type { Listing } from '../../listings/listing.ts';
import type { Output } from '../../output.ts';
import { isForPrograms, printResult } from '../../result.ts';
import { didYouMean } from '../../suggestions.ts';
import { defineVerb } from '../../verb.ts';
import { withAccess } from './with-access.ts';

const EXPIRES_MS_MAX = 36_500 * 86_400_000;

const schema = settingsOf({
  ...listingOptions,
  user: {
    ...listingOptions.user,
    description: 'create: whose token it is; list: of this user alone',
  },
  as: option.text('who asks, with --password-file; default: STELE_USER, or --user', '', {
    placeholder: 'USER',
  }),
  expires: option.duration('create: how long it is valid; 0: for ever', '90d', {
    min: 0,
    max: EXPIRES_MS_MAX,
  }),
  role: option.list(
    'create: allows only what this role of the user does; several times for several',
    { placeholder: 'ROLE' },
  ),
});

type Values = SettingsValues<typeof schema>;

const ACTIONS = ['create', 'list', 'revoke'];

export const definition = defineVerb({
  name: 'token',
  operands: '<action> [id]',
  actions: ACTIONS,
  schema,
  examples: [
    'stele token create --user nightly > nightly.token',
    'stele token create --user nightly --expires 30d --role reader',
    'stele token create --user nightly --as admin --password-file admin-password',
    'stele token list --user nightly',
    'stele token revoke 3f9a1c2b7d0e',
  ],
  async run({ operands: [action = '', id], settings: { sources, values }, global, output }) {
    const asks = values.as || global.environment['STELE_USER'] || values.user;
    // Without a password, it is the certificate or the token that says who asks.
    const dialled = { ...values, user: values.passwordFile === '' ? '' : asks };
    const call = <T>(use: (admin: AccessAdmin) => Promise<T>): Promise<T> =>
      withAccess(dialled, use);
    if (action === 'list' && id === undefined) {
      const of = sources.get('user') === 'flag' ? values.user : '';
      return showListing(TOKENS, output, values, async () => ({
        tokens: await call((admin) => admin.listTokens(of)),
      }));
    }
    if (action === 'create' && id === undefined) {
      await call((admin) => create(admin, values, output));
    } else if (action === 'revoke' && id !== undefined) {
      await call((admin) => admin.revokeToken(id));
      await printResult(output, values.output, { id, action }, () => `${id} is revoked.`);
    } else throw usage(action);
    return EXIT_OK;
  },
});

async function create(admin: AccessAdmin, values: Values, output: Output): Promise<void> {
  const { expires: expiresInMs, role: roles, user } = values;
  if (user === '') {
    throw new SteleError('INVALID_ARGUMENT', 'Say whose token it is, with --user.');
  }
  const { summary, token } = await admin.createToken({ user, expiresInMs, roles });
  const json = { ...(summary && shapeOf(summary)), token };
  await printResult(output, values.output, json, () => token);
  if (isForPrograms(values.output)) return;
  const until = summary?.expiresAt || 'never';
  output.errorLine(
    `Token ${summary?.id} of ${user} expires: ${until}. It is not shown again; \`stele token revoke ${summary?.id}\` ends it.`,
  );
}

const TOKENS: Listing<{ readonly tokens: readonly TokenSummary[] }, TokenSummary> = {
  columns: [
    { title: 'ID', cell: ({ id }) => id },
    { title: 'USER', cell: ({ user }) => user },
    { title: 'ONLY ROLES', cell: ({ roles }) => roles.join(', ') },
    { title: 'CREATED', cell: ({ createdAt }) => createdAt },
    { title: 'EXPIRES', cell: expiryText },
  ],
  rows: ({ tokens }) => tokens,
  name: ({ id }) => id,
  json: ({ tokens }) => ({ tokens: tokens.map(shapeOf) }),
  empty: 'There are no tokens.',
};

function expiryText({ expiresAt }: TokenSummary): string {
  if (expiresAt === '') return 'never';
  return expiresAt <= new Date().toISOString() ? `${expiresAt} (over)` : expiresAt;
}

function shapeOf({ createdAt, expiresAt, id, roles, user }: TokenSummary) {
  return { id, user, roles, created_at: createdAt, expires_at: expiresAt || null };
}

function usage(action: string): SteleError {
  return new SteleError(
    'INVALID_ARGUMENT',
    `'${shorten(action)}' is not an action on tokens${didYouMean(action, ACTIONS)}; use create with --user, list, or revoke with the id of one.`,
  );
}
