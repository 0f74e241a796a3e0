// GET /v1/audit, the same on every process.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { auditJson } from '../../proto/json-shapes.ts';
import type { Audit } from './audit.ts';

const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;

/**
 * The entries that a query (`limit`, `user`, `keyspace`) asks for, as JSON. Throws
 * INVALID_ARGUMENT.
 */
export function auditAnswer(audit: Audit | undefined, query: unknown): object {
  const { keyspace = '', limit, user = '' } = query as Readonly<Record<string, unknown>>;
  const wanted = { limit: limitOf(limit), user: String(user), keyspace: String(keyspace) };
  return { entries: requireAudit(audit).entries(wanted).map(auditJson) };
}

/** Throws UNSUPPORTED if nothing is recorded. */
export function requireAudit(audit: Audit | undefined): Audit {
  if (audit !== undefined) return audit;
  throw new SteleError(
    'UNSUPPORTED',
    'This process records no changes and refused attempts; start it with --auth on, or with --audit-log.',
  );
}

function limitOf(limit: unknown): number {
  if (limit === undefined) return LIMIT_DEFAULT;
  const text = typeof limit === 'string' ? limit : JSON.stringify(limit);
  if (/^[0-9]{1,4}$/.test(text) && Number(text) >= 1 && Number(text) <= LIMIT_MAX) {
    return Number(text);
  }
  throw new SteleError(
    'INVALID_ARGUMENT',
    `limit is '${shorten(text)}'; it must be a number from 1 to ${LIMIT_MAX}.`,
  );
}
