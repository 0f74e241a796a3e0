// How a role of the cluster appears to others, and how it decides about them, by its settings.

import { openAccess } from '../access/access-settings.ts';
import type { AccessSettings, OpenedAccess } from '../access/access-settings.ts';
import { auditText } from '../access/audit/audit-report.ts';
import type { Audit } from '../access/audit/audit.ts';
import { openAudit } from '../access/audit/open-audit.ts';
import { exposureOf } from '../access/exposure.ts';
import type { Logger } from '../base/log.ts';
import type { DialIdentity } from './dial-identity.ts';
import { jwtVerifier } from './jwt/jwt-verifier.ts';
import { roleTls } from './tls/open-tls.ts';
import { tlsText } from './tls/tls-report.ts';
import type { TlsSettings } from './tls/tls-settings.ts';

export type RoleIdentity = DialIdentity &
  OpenedAccess & {
    /** Undefined: nothing is recorded. */
    readonly audit: Audit | undefined;
    /** Lines for /readyz?verbose, which do not make the process unready. */
    readonly notes: () => string[];
    /** Writes the rest of the audit log, and looks at no file any more. */
    readonly close: () => Promise<void>;
  };

/**
 * Of the process `name`. Throws INVALID_ARGUMENT for files that cannot be used, settings that do
 * not go together, and a process that would let everybody in from other machines unasked.
 */
export function roleIdentity(
  settings: TlsSettings & AccessSettings & { readonly host: string },
  name: string,
  log: Logger,
): RoleIdentity {
  const exposure = exposureOf(settings);
  if (exposure !== undefined) log.warn(exposure);
  const tls = roleTls(settings);
  // With the authorities of Node.js, anybody's certificate would do.
  const certificate = settings.tlsCa === '' ? undefined : tls?.certificate;
  const verifyJwt = jwtVerifier(settings, log);
  const opened = openAccess(settings, { certificate, verifyJwt }, log);
  const audit = openAudit(settings, name, log);
  const notes = (): string[] => {
    const texts = [exposure, tls && tlsText(tls), auditText(audit)];
    return texts.filter((text) => text !== undefined);
  };
  const close = async (): Promise<void> => {
    await audit?.close();
    tls?.close();
    opened.access?.close();
  };
  return { tls, ...opened, audit, notes, close };
}
