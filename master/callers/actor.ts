// The caller of a change. It is recorded where the request arrives and read where the change is
// made (catalog/catalog.ts), without being passed through every function in between.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Actor } from '../catalog/records.ts';

const ACTOR_CHARACTERS_MAX = 128;
const MASTER: Actor = { door: 'master', address: '', who: '' };

/** In a request that a master passes on to the leader: it is not to be passed on again. */
export const MUST_LEAD = 'leader';

/** An actor, and whether its request was passed on to the leader. */
export type Caller = Actor & { readonly mustLead?: boolean };

const storage = new AsyncLocalStorage<Caller>();

/** Runs `call`. Changes that it makes, also asynchronously, are attributed to the caller. */
export function runAs<Result>(caller: Caller, call: () => Result): Result {
  const short = (text: string): string => text.slice(0, ACTOR_CHARACTERS_MAX);
  const { address, who } = caller;
  return storage.run({ ...caller, address: short(address), who: short(who) }, call);
}

/** Runs `call`. Changes that it makes, also asynchronously, are attributed to the master itself. */
export function runAsMaster<Result>(call: () => Result): Result {
  return storage.exit(call);
}

/** The current actor; the master itself if no request is being served. */
export function currentActor(): Caller {
  return storage.getStore() ?? MASTER;
}
