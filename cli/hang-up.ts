// What SIGHUP means: that the terminal is gone, or, for a process that writes the file of a log,
// that the file was renamed (logrotate).
//
// The system takes the terminal away before it sends the signal, so /dev/tty tells one from the
// other. A process that never had a terminal (a service) does not lose one.

import { closeSync, openSync } from 'node:fs';

const hadTerminal = hasTerminal();

/** Whether this process was started at a terminal that is no longer there. */
export function isTerminalGone(): boolean {
  return hadTerminal && !hasTerminal();
}

function hasTerminal(): boolean {
  try {
    closeSync(openSync('/dev/tty', 'r'));
    return true;
  } catch {
    return false;
  }
}
