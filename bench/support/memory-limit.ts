// A control group that limits the memory of a process, page cache included.

import { existsSync, mkdirSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const ROOT = '/sys/fs/cgroup';

/** What comes before a command that is to run with at most `mib` MiB, and what ends the group. */
export function memoryLimit(mib: number): {
  readonly before: readonly string[];
  readonly remove: () => void;
} {
  const isUnified = existsSync(join(ROOT, 'cgroup.controllers'));
  const folder = join(ROOT, isUnified ? '' : 'memory', `stele-bench-${process.pid}`);
  if (isUnified) writeFileSync(join(ROOT, 'cgroup.subtree_control'), '+memory');
  mkdirSync(folder);
  const file = isUnified ? 'memory.max' : 'memory.limit_in_bytes';
  writeFileSync(join(folder, file), String(mib * 1024 ** 2));
  return {
    before: ['sh', '-c', `echo $$ > ${join(folder, 'cgroup.procs')} && exec "$@"`, 'sh'],
    remove: () => rmdirSync(folder),
  };
}
