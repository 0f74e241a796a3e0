// Who asks for a change: noted at the door, read where the change is made (catalog/catalog.ts), without being
// handed through everything in between.

import { AsyncLocalStorage } from 'node:async_hooks';
import type { Actor } from '../catalog/records.ts';

const ACTOR_CHARACTERS_MAX = 128;
const MASTER: Actor = { door: 'master', address: '', who: '' };

const storage = new AsyncLocalStorage<Actor>();

/** Runs `call`; changes that it makes, also later, are noted as the actor's. */
export function runAs<Result>({ address, door, who }: Actor, call: () => Result): Result {
  const short = (text: string): string => text.slice(0, ACTOR_CHARACTERS_MAX);
  return storage.run({ door, address: short(address), who: short(who) }, call);
}

/** The master itself where nobody has asked. */
export function currentActor(): Actor {
  return storage.getStore() ?? MASTER;
}
