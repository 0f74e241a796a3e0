// Logs: pino, on stderr, as JSON lines or as text for people. stdout is for the output of verbs.

import { isatty } from 'node:tty';
import { inspect } from 'node:util';
import { pino } from 'pino';
import type { Logger } from 'pino';
import { LogSink } from './log-sink.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];
/** `auto`: text on a terminal, otherwise JSON. */
export type LogFormat = 'auto' | 'json' | 'text';

const STDERR = 2;
const LEVEL_WARN = 40;

/**
 * A logger on stderr. `name` is the role (`master`, `datanode` ...); `fields` appear in every line.
 */
export function createLogger(
  name: string,
  { logLevel, logFormat }: { readonly logLevel: LogLevel; readonly logFormat: LogFormat },
  fields: Record<string, unknown> = {},
): Logger {
  const isText = logFormat === 'text' || (logFormat === 'auto' && isatty(STDERR));
  const base = { pid: process.pid, ...fields };
  const lostLine = (lost: number, reason: string): string => {
    const msg = `${lost} lines of this log were lost (${reason})`;
    const line = { level: LEVEL_WARN, time: Date.now(), ...base, name, lost, msg };
    return isText ? textLine(line) : `${JSON.stringify(line)}\n`;
  };
  const format = isText
    ? (line: string): string => textLine(JSON.parse(line) as LogLine)
    : undefined;
  const sink = new LogSink(STDERR, format === undefined ? { lostLine } : { lostLine, format });
  return pino({ name, level: logLevel, base }, sink);
}

/** A logger that drops everything, for tests and library use. */
export const silentLogger: Logger = pino({ level: 'silent' });

/**
 * The same logger, whose lines have the name of a keyspace where `keyspace` is a uid. `nameOf`
 * returns undefined for one that is not known: the uid stays.
 */
export function namingKeyspaces(log: Logger, nameOf: (uid: string) => string | undefined): Logger {
  const keyspace = (value: unknown): unknown =>
    typeof value === 'string' ? (nameOf(value) ?? value) : value;
  return log.child({}, { serializers: { keyspace } });
}

interface LogLine {
  readonly [field: string]: unknown;
  readonly level: number;
  readonly time: number;
  readonly msg?: string;
  readonly err?: { readonly stack?: string };
}

/**
 * `2026-11-29T12:00:00.123Z WARN  master[123]: the message  key=value`, then the stack of an error.
 */
export function textLine({ level, time, name, pid, msg, err, ...fields }: LogLine): string {
  const word = (pino.levels.labels[level] ?? String(level)).toUpperCase().padEnd(5);
  const pairs = Object.entries(fields).map(([field, value]) => `  ${field}=${valueText(value)}`);
  const stack = err === undefined ? '' : `\n${indented(err.stack ?? inspect(err))}`;
  const at = new Date(time).toISOString();
  return `${at} ${word} ${String(name)}[${String(pid)}]: ${msg ?? ''}${pairs.join('')}${stack}\n`;
}

function valueText(value: unknown): string {
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return typeof value === 'string' && /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

function indented(text: string): string {
  return text.replaceAll(/^/gm, '    ');
}
