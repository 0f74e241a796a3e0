// Logs: pino, JSON lines on stderr. stdout belongs to what a verb prints.

import { destination, pino } from 'pino';
import type { Logger } from 'pino';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** A logger on stderr; `name` is the role (`master`, `datanode` ...), `fields` go on every line. */
export function createLogger(
  name: string,
  level: LogLevel,
  fields: Record<string, unknown> = {},
): Logger {
  // Synchronous: a line written just before a crash is the one that is needed.
  return pino(
    { name, level, base: { pid: process.pid, ...fields } },
    destination({ fd: 2, sync: true }),
  );
}

/** A logger that drops everything, for tests and library use. */
export const silentLogger: Logger = pino({ level: 'silent' });
