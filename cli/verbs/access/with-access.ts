// A connection to the master for the verbs of users and roles.

import type { AccessAdmin } from '../../../client/access-admin.ts';
import type { ConnectSettings } from '../../with-admin.ts';

/** Connects, calls `use`, and always closes. Loads gRPC only when called. */
export async function withAccess<T>(
  settings: ConnectSettings,
  use: (admin: AccessAdmin) => Promise<T>,
): Promise<T> {
  const [client, { clientIdentity }] = await Promise.all([
    import('../../../client/access-admin.ts'),
    import('../../../transport/client-identity.ts'),
  ]);
  const admin = new client.AccessAdmin(settings.master, settings.timeout, clientIdentity(settings));
  try {
    return await use(admin);
  } finally {
    admin.close();
  }
}
