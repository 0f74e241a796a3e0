// A control group with limits, as a container or a systemd unit has: of version 2, or of version 1
// where a controller is mounted alone. Only root can make one.

import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { skipping } from '../tools.ts';
import { until } from './stele-process.ts';

const ROOT = '/sys/fs/cgroup';
const PERIOD_US = 100_000;

export interface ControlGroup {
  /** A program and its arguments, after which a command runs in the group. */
  readonly within: readonly string[];
  /** Resolves when the group is gone; its processes must have ended. */
  remove(): Promise<void>;
}

export interface Limits {
  readonly memoryMib: number;
  readonly cores: number;
}

/** Undefined, reported like hasTool, if this process may not make one. */
export function controlGroup({ cores, memoryMib }: Limits): ControlGroup | undefined {
  const name = `stele-${process.pid}`;
  const bytes = String(memoryMib * 1024 ** 2);
  const quota = String(Math.round(cores * PERIOD_US));
  const folders: string[] = [];
  const make = (parent: string, limits: Readonly<Record<string, string>>): void => {
    const folder = join(parent, name);
    mkdirSync(folder);
    folders.push(folder);
    for (const [file, text] of Object.entries(limits)) writeFileSync(join(folder, file), text);
  };
  try {
    if (existsSync(join(ROOT, 'cgroup.controllers'))) {
      writeFileSync(join(ROOT, 'cgroup.subtree_control'), '+cpu +memory');
      make(ROOT, { 'memory.max': bytes, 'cpu.max': `${quota} ${PERIOD_US}` });
    } else {
      make(join(ROOT, 'memory'), { 'memory.limit_in_bytes': bytes });
      make(join(ROOT, 'cpu'), { 'cpu.cfs_period_us': `${PERIOD_US}`, 'cpu.cfs_quota_us': quota });
    }
  } catch (thrown) {
    for (const folder of folders) rmdirSync(folder);
    skipping(`no control group can be made here (${String(thrown)})`, 'run it as root');
    return undefined;
  }
  const enter = folders.map((folder) => `echo $$ > ${join(folder, 'cgroup.procs')}`).join(' && ');
  return {
    within: ['sh', '-c', `${enter} && exec "$@"`, 'sh'],
    remove: async () => {
      for (const folder of folders) {
        const processes = (): string => readFileSync(join(folder, 'cgroup.procs'), 'utf8');
        await until(`an empty ${folder}`, () => processes() === '');
        rmdirSync(folder);
      }
    },
  };
}
