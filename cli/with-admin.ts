// A connection to the master for the duration of one verb.

import type { connectAdmin } from '../client/admin.ts';
import { loginOf } from '../transport/client-identity.ts';
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
    ...loginOf(settings),
  });
  try {
    return await use(admin);
  } finally {
    admin.close();
  }
}
