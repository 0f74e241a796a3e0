// How a role of the cluster appears to others, and how it decides about them, by its settings.

import { openAccess } from '../access/access-settings.ts';
import type { OpenedAccess } from '../access/access-settings.ts';
import type { Logger } from '../base/log.ts';
import type { DialIdentity } from './dial-identity.ts';
import { roleTls } from './tls/open-tls.ts';
import type { TlsSettings } from './tls/tls-settings.ts';

export type RoleIdentity = DialIdentity & OpenedAccess;

/** Throws INVALID_ARGUMENT for files that cannot be used, and settings that do not go together. */
export function roleIdentity(
  settings: TlsSettings & Parameters<typeof openAccess>[0],
  log: Logger,
): RoleIdentity {
  const tls = roleTls(settings);
  // With the authorities of Node.js, anybody's certificate would do.
  const certificate = settings.tlsCa === '' ? undefined : tls?.certificate;
  return { tls, ...openAccess(settings, certificate, log) };
}
