// A connection to the master for the length of one verb.

import type { connectAdmin } from '../client/admin.ts';

export type Admin = ReturnType<typeof connectAdmin>;

/** Connects, calls `use`, closes, whatever happens. Loads gRPC only now. */
export async function withAdmin<T>(
  settings: { readonly master: string; readonly timeout: number },
  use: (admin: Admin) => Promise<T>,
): Promise<T> {
  const client = await import('../client/admin.ts');
  const admin = client.connectAdmin(settings.master, { deadlineMs: settings.timeout });
  try {
    return await use(admin);
  } finally {
    admin.close();
  }
}
