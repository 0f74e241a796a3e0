// What a watch of etcd has passed on, for a test.

import type { EtcdEvent, EtcdWatchHandlers } from '../../../master/metadata/etcd/api.ts';
import { until } from '../process/stele-process.ts';

export class WatchRecord {
  readonly revisions: { readonly revision: number; readonly events: readonly EtcdEvent[] }[] = [];
  error: Error | undefined;

  readonly handlers: EtcdWatchHandlers = {
    onEvents: (events, revision) => {
      this.revisions.push({ revision, events });
    },
    onEnd: (error) => {
      this.error = error;
    },
  };

  get lastRevision(): number {
    return this.revisions.at(-1)?.revision ?? 0;
  }

  /** Resolves when the events of `revision` are here. */
  async reaches(revision: number): Promise<void> {
    await until(`revision ${revision}`, () => this.lastRevision >= revision);
  }
}
