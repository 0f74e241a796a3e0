// Starts a datanode without its ports, which server.ts opens in between.
//
//   openNode    the folder is prepared, and what the master said to an earlier process is in force
//   (ports)     health checks and orders are answered, and lookups of segments that are held
//   runNode     announced to the master; segments on disk are verified, held and maintained

import { systemEnv } from '../base/env.ts';
import { namingKeyspaces } from '../base/log.ts';
import type { Registrar } from '../proto/ports.ts';
import type { ScrubLimits } from './maintenance/scrubber.ts';
import { Datanode } from './node.ts';
import type { DatanodeOptions } from './node.ts';
import { keepRegistered } from './registration.ts';
import type { Place } from './registration.ts';
import { DiskStore } from './storage/store.ts';

export type OpenNodeOptions = Omit<DatanodeOptions, 'store'> & {
  /** The data folder; locked by the caller. */
  readonly folder: string;
  readonly diskReserveBytes: number;
};

/**
 * Creates the datanode of a data folder; it verifies and serves nothing before `runNode`. Throws
 * IO.
 */
export async function openNode(options: OpenNodeOptions): Promise<Datanode> {
  const { env = systemEnv } = options;
  let node: Datanode | undefined = undefined;
  const nameOf = (uid: string): string | undefined => node?.cluster.keyspaceOf(uid)?.name;
  const log = namingKeyspaces(options.log, nameOf);
  const store = new DiskStore({ ...options, env, log });
  await store.prepare();
  node = new Datanode({ ...options, store, env, log });
  await node.restore();
  node.contact.askFirst(env.nowMs());
  node.checkContact(env.nowMs());
  return node;
}

export interface RunNodeOptions extends Pick<DatanodeOptions, 'background' | 'log' | 'env'> {
  readonly registrar: Registrar;
  readonly place: Place;
  readonly scrub: ScrubLimits;
  readonly stop: AbortSignal;
}

/**
 * Starts everything that a datanode does by itself, until `stop` aborts. Resolves when it serves
 * the segments that were on disk.
 */
export function runNode(node: Datanode, options: RunNodeOptions): Promise<void> {
  const { background, env = systemEnv, log, place, registrar, scrub, stop } = options;
  background.run('registration', () => keepRegistered(node, registrar, place, log, stop, env));
  const opened = node.open();
  background.run('verify what is on disk', () => opened);
  background.run('missing files', () => node.missingFiles.run(stop));
  background.run('scrub', () => node.scrubber.run(scrub, stop));
  return opened;
}
