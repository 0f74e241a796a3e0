// How far a load has come, as its checkpoint shows it.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

export interface Steps {
  readonly chunks: number;
  readonly shards: number;
}

/** Counts the lines of the only checkpoint in the work folder; a completed load has removed it. */
export function stepsSoFar(workDir: string): Steps {
  const texts = checkpointsIn(workDir);
  const count = (type: string): number =>
    texts.reduce((sum, text) => sum + text.split(`"type":"${type}"`).length - 1, 0);
  return { chunks: count('chunk'), shards: count('shard') };
}

function checkpointsIn(workDir: string): string[] {
  try {
    return readdirSync(workDir).map((name) =>
      readFileSync(join(workDir, name, 'checkpoint.log'), 'utf8'),
    );
  } catch {
    // It has not been created yet, or is just being removed.
    return [];
  }
}
