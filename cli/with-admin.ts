// A connection to the master for the duration of one verb.

import { SteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import type { connectAdmin } from '../client/admin.ts';
import { didYouMean } from './suggestions.ts';
import { credentialsOf } from '../transport/client-identity.ts';
import type { UserSettings } from '../transport/client-identity.ts';
import { tlsSource } from '../transport/tls/tls-settings.ts';
import type { TlsSettings } from '../transport/tls/tls-settings.ts';

export type Admin = ReturnType<typeof connectAdmin>;

export type ConnectSettings = TlsSettings &
  UserSettings & { readonly master: string; readonly timeout: number };

/** Connects, calls `use`, and always closes. Loads gRPC only when called. */
export async function withAdmin<T>(
  settings: ConnectSettings,
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const client = await import('../client/admin.ts');
  const admin = client.connectAdmin(settings.master, {
    deadlineMs: settings.timeout,
    tls: tlsSource(settings),
    ...credentialsOf(settings),
  });
  try {
    return await use(admin);
  } catch (thrown) {
    throw await withSuggestion(thrown, admin);
  } finally {
    admin.close();
  }
}

/**
 * Adds the nearest name to the error for a keyspace or a datanode that is not there, if one can be
 * asked for.
 */
async function withSuggestion(thrown: unknown, admin: Admin): Promise<unknown> {
  if (!(thrown instanceof SteleError)) return thrown;
  const { code, message } = thrown;
  const [start, word = ''] = /^[^']*'([^']*)'/.exec(message) ?? [];
  if (start === undefined) return thrown;
  try {
    const names = await namesOf(code, admin);
    const text = start + didYouMean(word, names) + message.slice(start.length);
    return new SteleError(code, text, { cause: thrown });
  } catch {
    // The first error is the one to report.
    return thrown;
  }
}

async function namesOf(code: ErrorCode, admin: Admin): Promise<string[]> {
  if (code === 'KEYSPACE_NOT_FOUND') {
    return (await admin.listKeyspaces()).keyspaces.map(({ name }) => name);
  }
  if (code === 'NODE_NOT_FOUND') {
    return (await admin.listNodes()).nodes.map(({ node }) => node?.id ?? '');
  }
  return [];
}
