// Yields the versions of one keyspace as they become current, from the stream of views.
//
// Nothing is queued: a slow consumer misses versions in between and gets the newest.

import { unwatchAbort, watchAbort } from '../base/abort.ts';
import type { KeyspaceView } from '../proto/gen/stele/v1/view.ts';
import { throwIfEnded } from './read-options.ts';
import type { ClientScope } from './read-options.ts';
import type { ClientViews } from '../routing/view-watcher.ts';

export interface VersionChange {
  readonly keyspace: string;
  /** The version that is current now; 0 if the keyspace does not exist, or has none yet. */
  readonly version: number;
  /** The previously yielded version; 0 at first. */
  readonly previous: number;
}

/** The current version, then each change; needs a first view. Throws CANCELLED. */
export async function* watchVersions(
  views: ClientViews,
  scope: ClientScope,
  keyspace: string,
  signal: AbortSignal | undefined,
): AsyncGenerator<VersionChange, void, undefined> {
  let wake = (): void => undefined;
  const stir = (): void => wake();
  const unsubscribe = views.subscribe(stir);
  const endings = signal === undefined ? [scope.closing] : [scope.closing, signal];
  for (const ending of endings) watchAbort(ending, stir);
  try {
    let yielded: { uid: string; version: number } | undefined;
    for (;;) {
      throwIfEnded(scope, signal);
      const now = currentOf(views, keyspace);
      if (yielded?.uid !== now.uid || yielded.version !== now.version) {
        const previous = yielded?.version ?? 0;
        yielded = now;
        yield { keyspace, version: now.version, previous };
      } else {
        await new Promise<void>((resolve) => (wake = resolve));
      }
    }
  } finally {
    unsubscribe();
    for (const ending of endings) unwatchAbort(ending, stir);
  }
}

function currentOf(views: ClientViews, keyspace: string): { uid: string; version: number } {
  const named = ({ name }: KeyspaceView): boolean => name === keyspace;
  const found = views.view?.keyspaces.find(named);
  // A keyspace without a version is treated like one that does not exist.
  if (found === undefined || found.currentVersion === 0) return { uid: '', version: 0 };
  return { uid: found.uid, version: found.currentVersion };
}
