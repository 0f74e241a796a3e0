// Waits until the administrator of a cluster that was just started can log in.

import { existsSync } from 'node:fs';
import { basicAuthorization } from '../../access/basic.ts';
import { monotonicNowMs, sleep } from '../../base/clock.ts';
import { AccessAdmin } from '../../client/access-admin.ts';
import { readPassword } from '../../transport/client-identity.ts';
import type { DialIdentity } from '../../transport/dial-identity.ts';

const POLL_MS = 50;
const WAIT_MS_MAX = 10_000;
const CALL_MS = 5_000;

/**
 * Resolves when there is a user and, if `passwordFile` exists, when `admin` can log in with what is
 * in it; after 10 s in any case. Call it at a first start only: later the password may have been
 * changed.
 */
export async function awaitAdmin(
  masters: string,
  identity: DialIdentity,
  passwordFile: string,
  signal: AbortSignal,
): Promise<void> {
  const startMs = monotonicNowMs();
  const hasUsers = () => succeeds(masters, identity, (users) => users > 0);
  const canLogIn = () => {
    if (!existsSync(passwordFile)) return true;
    const login = { user: 'admin', password: readPassword(passwordFile) };
    const text = basicAuthorization(login);
    return succeeds(masters, { ...identity, authorization: () => text }, () => true);
  };
  while (!signal.aborted && monotonicNowMs() - startMs < WAIT_MS_MAX) {
    if ((await hasUsers()) && (await canLogIn())) return;
    await sleep(POLL_MS, signal);
  }
}

async function succeeds(
  masters: string,
  identity: DialIdentity,
  isMet: (userCount: number) => boolean,
): Promise<boolean> {
  const admin = new AccessAdmin(masters, CALL_MS, identity);
  try {
    return isMet((await admin.listUsers()).length);
  } catch {
    return false;
  } finally {
    admin.close();
  }
}
