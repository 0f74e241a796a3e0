// A logger that keeps its lines, for tests of what is logged.

import { pino } from 'pino';
import type { Logger } from '../../base/log.ts';

export type LogLine = Readonly<Record<string, unknown>> & { readonly msg?: string };

export function keepingLogger(): { readonly log: Logger; readonly lines: LogLine[] } {
  const lines: LogLine[] = [];
  const write = (line: string): void => void lines.push(JSON.parse(line) as LogLine);
  return { log: pino({ level: 'debug', base: null, timestamp: false }, { write }), lines };
}

/** The lines of a log as JSON; text between them is left out. */
export function linesOf(log: string): LogLine[] {
  return log
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as LogLine);
}
