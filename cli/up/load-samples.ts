// `stele up --load KEYSPACE=PATH`: loads files that are not the current version already.

import { join } from 'node:path';
import { resolveSettings } from '../../base/config.ts';
import { SteleError } from '../../base/errors.ts';
import type { Logger } from '../../base/log.ts';
import { runLoad } from '../../loader/load.ts';
import { loadSettings } from '../../loader/settings.ts';
import { shortSummary } from '../load/load-summary.ts';
import type { RequestedLoad } from './plan.ts';

export interface LoadContext {
  /** `host:port` of the master's gRPC. */
  readonly master: string;
  readonly dataDir: string;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** What became of one load, in a line. */
export interface LoadedSample {
  readonly line: string;
  /** It did not pass its gate: the version before is served, so the cluster comes up all the same. */
  readonly isRejected: boolean;
}

/** Loads one. Throws SteleError. */
export async function loadSample(load: RequestedLoad, context: LoadContext): Promise<LoadedSample> {
  const { values } = resolveSettings(loadSettings, {
    flags: {
      master: context.master,
      skipIfCurrent: true,
      workDir: join(context.dataDir, 'loads'),
    },
    environment: {},
    file: {},
  });
  try {
    const summary = await runLoad(
      { ...values, keyspace: load.keyspace, paths: [load.path] },
      { log: context.log, signal: context.signal },
    );
    return { line: shortSummary(summary), isRejected: false };
  } catch (thrown) {
    if (!(thrown instanceof SteleError) || thrown.code !== 'GATE_FAILED') throw thrown;
    return { line: thrown.message, isRejected: true };
  }
}
