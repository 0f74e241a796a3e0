// `stele up --load KEYSPACE=PATH`: loads files that are not the current version already.

import { join } from 'node:path';
import { resolveSettings } from '../../base/config.ts';
import type { Logger } from '../../base/log.ts';
import { runLoad } from '../../loader/load.ts';
import { loadSettings } from '../../loader/settings.ts';
import { shortSummary } from '../load-summary.ts';
import type { RequestedLoad } from './plan.ts';

export interface LoadContext {
  /** `host:port` of the master's gRPC. */
  readonly master: string;
  readonly dataDir: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Loads one; returns the line that tells about it. Throws SteleError. */
export async function loadSample(load: RequestedLoad, context: LoadContext): Promise<string> {
  const { values } = resolveSettings(loadSettings, {
    flags: {
      master: context.master,
      skipIfCurrent: true,
      workDir: join(context.dataDir, 'loads'),
    },
    environment: {},
    file: {},
  });
  const summary = await runLoad(
    { ...values, keyspace: load.keyspace, paths: [load.path] },
    { log: context.log, signal: context.signal },
  );
  return shortSummary(summary);
}
