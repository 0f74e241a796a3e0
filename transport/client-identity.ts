// How a program that only connects appears, by its settings: TLS, and a user with a password.

import { readFileSync } from 'node:fs';
import { basicAuthorization } from '../access/basic.ts';
import type { Login } from '../access/basic.ts';
import { option } from '../base/config.ts';
import type { SettingsOf } from '../base/config.ts';
import { SteleError, toSteleError } from '../base/errors.ts';
import type { DialIdentity } from './dial-identity.ts';
import { clientTls } from './tls/open-tls.ts';
import type { TlsSettings } from './tls/tls-settings.ts';

export const userOptions = {
  user: option.text('who asks, in a cluster with --auth on', '', { placeholder: 'USER' }),
  passwordFile: option.text("file with that user's password", '', { placeholder: 'FILE' }),
};

export type UserSettings = SettingsOf<typeof userOptions>;

/** Throws INVALID_ARGUMENT for files that cannot be used, and for a user without a password. */
export function clientIdentity(settings: TlsSettings & UserSettings): DialIdentity {
  const login = loginOf(settings);
  return {
    tls: clientTls(settings),
    authorization: login && basicAuthorization(login),
  };
}

/** The user and the password of the settings; undefined if they name none. */
export function loginOf({ passwordFile, user }: UserSettings): Login | undefined {
  if (user === '' && passwordFile === '') return undefined;
  if (user === '' || passwordFile === '') {
    throw new SteleError('INVALID_ARGUMENT', 'Give both --user and --password-file, or neither.');
  }
  return { user, password: readPassword(passwordFile) };
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
