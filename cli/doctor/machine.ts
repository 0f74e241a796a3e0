// The machine: Node.js, open files, memory, and settings of the kernel that matter to Stele.

import { readFileSync } from 'node:fs';
import { wallClockIso } from '../../base/clock.ts';
import { CONNECTIONS_MAX_DEFAULT } from '../../base/limits.ts';
import { connectionsWithin } from '../../base/process/descriptors.ts';
import { memoryMaxDefault, memoryWarning } from '../../base/process/usable-memory.ts';
import { formatBytes } from '../../base/units.ts';
import { formatCount } from '../text-table.ts';
import { ok, warn } from './finding.ts';
import type { Finding } from './finding.ts';

/** Until when each line of Node.js gets fixes (https://github.com/nodejs/release). */
const NODE_ENDS: ReadonlyMap<number, string> = new Map([
  [20, '2026-04-30'],
  [22, '2027-04-30'],
  [24, '2028-04-30'],
]);
/** Ports that clients connect to: HTTP and RESP. */
const DOORS = 2;
const CONNECTIONS_ENOUGH = 1_000;
const NEVER_OVERCOMMIT = '2';
const DAY_CHARACTERS = 10;

export interface Machine {
  /** As in process.versions.node. */
  readonly node: string;
  /** YYYY-MM-DD. */
  readonly today: string;
  readonly openFilesMax: number;
  readonly usableMemoryBytes: number;
  /** The content of /proc/sys/vm/overcommit_memory; empty if it cannot be read. */
  readonly overcommit: string;
}

/** As YYYY-MM-DD. */
export function dateOfToday(): string {
  return wallClockIso().slice(0, DAY_CHARACTERS);
}

export function checkMachine(machine: Machine): Finding[] {
  return [nodeVersion(machine), openFiles(machine), memory(machine), ...overcommit(machine)];
}

export function nodeVersion({ node, today }: Pick<Machine, 'node' | 'today'>): Finding {
  const end = NODE_ENDS.get(Number(node.split('.')[0]));
  if (end === undefined || today <= end) return ok('Node.js', node);
  const text = `${node}, which has had no security fixes since ${end}`;
  return warn('Node.js', text, 'Use a line that is maintained; Stele runs on 22 and 24 as well.');
}

function openFiles({ openFilesMax }: Machine): Finding {
  const connections = connectionsWithin(CONNECTIONS_MAX_DEFAULT, DOORS, openFilesMax);
  const limit = openFilesMax === Infinity ? 'no limit known' : formatCount(openFilesMax);
  const text = `${limit}: up to ${formatCount(connections)} clients for each of HTTP and RESP`;
  if (connections >= CONNECTIONS_ENOUGH) return ok('open files', text);
  return warn('open files', text, 'Raise `ulimit -n` (LimitNOFILE in systemd), to 65536 perhaps.');
}

function memory({ usableMemoryBytes }: Machine): Finding {
  const limit = memoryMaxDefault(1, usableMemoryBytes);
  const text = `${formatBytes(usableMemoryBytes)} may be used, ${formatBytes(limit)} of it by one datanode`;
  const warning = memoryWarning(limit, usableMemoryBytes);
  return warning === undefined ? ok('memory', text) : warn('memory', text, `${warning}.`);
}

function overcommit({ overcommit: value }: Machine): Finding[] {
  if (value === '') return [];
  if (value !== NEVER_OVERCOMMIT) return [ok('overcommit', `vm.overcommit_memory is ${value}`)];
  const text = 'vm.overcommit_memory is 2: memory that is only reserved counts as used';
  const advice =
    'Set it to 0 (`sysctl vm.overcommit_memory=0`): Node.js reserves far more than it uses.';
  return [warn('overcommit', text, advice)];
}

/** A small file of the system, without white space around; empty if it cannot be read. */
export function readSystemFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
