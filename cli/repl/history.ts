// The lines typed in earlier sessions: a file that others cannot read (mode 0600).
//
// Each line is appended as it is typed, so that two sessions at a time lose nothing and a killed one
// leaves its lines. The file is cut to LINES_MAX when a session starts. node:repl's own history file is not
// used: it writes over the file in place without cutting it, and keeps 30 lines.

import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { systemErrorCode } from '../../base/errors.ts';

export const LINES_MAX = 1000;
/** A secret typed into AUTH or HELLO does not go into the history. */
const SECRET_LINE = /^\s*(?:auth\b|hello\b.*\bauth\b)/i;
const PRIVATE = { mode: 0o600 } as const;

/** Whether a line may be kept. */
export function isKept(line: string): boolean {
  return line.trim() !== '' && !SECRET_LINE.test(line);
}

/** The last LINES_MAX lines, newest first, as readline wants them; empty without a file. Throws on other errors. */
export function loadHistory(path: string): string[] {
  const lines = readLines(path);
  const kept = lines.slice(-LINES_MAX);
  if (kept.length < lines.length) {
    const temporary = `${path}.${process.pid}`;
    writeFileSync(temporary, `${kept.join('\n')}\n`, PRIVATE);
    renameSync(temporary, path);
  }
  return kept.reverse();
}

/** Adds one line at the end of the file; makes the file where there is none. */
export function appendHistory(path: string, line: string): void {
  appendFileSync(path, `${line.replaceAll('\n', ' ')}\n`, PRIVATE);
}

function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8').split('\n').filter(isKept);
  } catch (thrown) {
    if (systemErrorCode(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}
