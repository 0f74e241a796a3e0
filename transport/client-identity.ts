// How a program that only connects appears, by its settings: TLS, and a user with a password, or a
// token.

import { readFileSync } from 'node:fs';
import { DEFAULT_USER, basicAuthorization } from '../access/basic.ts';
import type { Login } from '../access/basic.ts';
import { bearerAuthorization } from '../access/bearer.ts';
import { option } from '../base/config.ts';
import type { SettingsOf } from '../base/config.ts';
import { ReloadedFile } from '../base/disk/reloaded-file.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { DialIdentity } from './dial-identity.ts';
import { clientTls } from './tls/open-tls.ts';
import type { TlsSettings } from './tls/tls-settings.ts';

export const userOptions = {
  user: option.text('who asks, in a cluster with --auth on', '', { placeholder: 'USER' }),
  passwordFile: option.text("file with that user's password", '', { placeholder: 'FILE' }),
  tokenFile: option.text('file with a token, in place of a user and a password', '', {
    placeholder: 'FILE',
  }),
};

export type UserSettings = SettingsOf<typeof userOptions>;

/** A user and its password, or the present token. */
export type Credentials = Login | { readonly token: () => string };

/** Throws INVALID_ARGUMENT for files that cannot be used, and for a user without a password. */
export function clientIdentity(settings: TlsSettings & UserSettings): DialIdentity {
  return { tls: clientTls(settings), authorization: authorizationOf(credentialsOf(settings)) };
}

/** What the settings name; undefined if they name nothing. Throws INVALID_ARGUMENT. */
export function credentialsOf({
  passwordFile,
  tokenFile,
  user,
}: UserSettings): Credentials | undefined {
  if (tokenFile !== '') {
    if (user === '' && passwordFile === '') return { token: tokenIn(tokenFile) };
    throw new SteleError(
      'INVALID_ARGUMENT',
      'Give --token-file, or --user and --password-file, not both; a token says whose it is.',
    );
  }
  if (user === '' && passwordFile === '') return undefined;
  if (user === '' || passwordFile === '') {
    throw new SteleError('INVALID_ARGUMENT', 'Give both --user and --password-file, or neither.');
  }
  return { user, password: readPassword(passwordFile) };
}

/**
 * The login that the settings name over the Redis protocol, where a token is a password without a
 * name.
 */
export function respLoginOf(settings: UserSettings): Login | undefined {
  const found = credentialsOf(settings);
  if (found === undefined || !('token' in found)) return found;
  return { user: DEFAULT_USER, password: found.token() };
}

function authorizationOf(credentials: Credentials | undefined): DialIdentity['authorization'] {
  if (credentials === undefined) return undefined;
  if ('token' in credentials) return () => bearerAuthorization(credentials.token());
  const text = basicAuthorization(credentials);
  return () => text;
}

/** The token in a file. It is read again later, as long work may outlast a token. */
function tokenIn(path: string): () => string {
  const parse = (text: string): string => {
    const token = text.trim();
    bearerAuthorization(token);
    return token;
  };
  const file = new ReloadedFile({ path, what: '--token-file', parse });
  return () => file.content;
}

/** The password in a file, which may end with a line end. Throws INVALID_ARGUMENT. */
export function readPassword(path: string): string {
  try {
    return readFileSync(path, 'utf8').replace(/\r?\n$/, '');
  } catch (thrown) {
    const { message } = toSteleError(thrown);
    throw new SteleError('INVALID_ARGUMENT', `The password file cannot be read: ${message}.`, {
      cause: thrown,
    });
  }
}
