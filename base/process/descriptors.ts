// How many client connections the file descriptors of this process allow.
//
// Clients never take the last ones: files, peers, the control plane and the log need some, and a
// datanode without any looks dead to its master.

import { readFileSync } from 'node:fs';
import { CONNECTIONS_MAX_DEFAULT } from '../limits.ts';
import type { Logger } from '../log.ts';

const RESERVE_MIN = 64;
const RESERVE_MAX = 1024;
const RESERVE_SHARE = 0.25;
/** Some clients must be able to connect at any limit. */
const CONNECTIONS_MIN = 4;
const ENOUGH = 1000;

/** `ulimit -n` of this process; Infinity if the system does not report it. */
export function openFilesMax(): number {
  try {
    const limits = readFileSync('/proc/self/limits', 'utf8');
    return Number(/^Max open files +([0-9]+)/m.exec(limits)?.[1] ?? Infinity);
  } catch {
    return Infinity;
  }
}

/**
 * The connections that each of `doors` (kinds of connections with a limit of their own) may have,
 * at most `asked`, so that a reserve of descriptors remains. `filesMax` is `ulimit -n`.
 */
export function connectionsWithin(asked: number, doors: number, filesMax: number): number {
  const reserve = Math.min(RESERVE_MAX, Math.max(RESERVE_MIN, filesMax * RESERVE_SHARE));
  const share = Math.floor((filesMax - reserve) / doors);
  return Math.max(Math.min(asked, share), Math.min(asked, CONNECTIONS_MIN));
}

/** `connectionsWithin` for this process. Logs a result below `asked`. */
export function connectionLimit(asked: number, doors: number, log: Logger): number {
  const filesMax = openFilesMax();
  const limit = connectionsWithin(asked, doors, filesMax);
  if (limit < asked) {
    // The default was not asked for, and with this many connections nobody has to act.
    const level = asked === CONNECTIONS_MAX_DEFAULT && limit >= ENOUGH ? 'info' : 'warn';
    log[level](
      { openFilesMax: filesMax, connectionsMax: limit, asked },
      `at most ${limit} connections of each kind are accepted, and not ${asked}: the process may open ${filesMax} files (raise \`ulimit -n\`, LimitNOFILE in systemd)`,
    );
  }
  return limit;
}
