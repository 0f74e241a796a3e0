import { hostname, userInfo } from 'node:os';
import type { LoadOwner } from '../../proto/gen/stele/v1/load.ts';

/** The process that runs a load, as `stele loads` names it. */
export function thisOwner(): LoadOwner {
  return { host: hostname(), pid: process.pid, user: userName() };
}

function userName(): string {
  try {
    return userInfo().username;
  } catch {
    // A user id without a name, as in many containers.
    return '';
  }
}
