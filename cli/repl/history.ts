// The lines typed in earlier sessions: a file that other users cannot read (mode 0600).
//
// Each line is appended as it is typed, so that parallel sessions lose nothing and a killed session
// leaves its lines. The file is cut to LINES_MAX when a session starts. The history of node:repl is
// not used, because it overwrites the file in place without truncating it, and keeps only 30 lines.

import { appendFileSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { systemErrorCode } from '../../base/errors.ts';

export const LINES_MAX = 1000;
/** A line with a secret for AUTH or HELLO is not stored. */
const SECRET_LINE = /^\s*(?:auth\b|hello\b.*\bauth\b)/i;
const PRIVATE = { mode: 0o600 } as const;

/** Whether a line may be stored. */
export function isKept(line: string): boolean {
  return line.trim() !== '' && !SECRET_LINE.test(line);
}

/**
 * The last LINES_MAX lines, newest first, as readline expects them; empty without a file. Throws on
 * other errors.
 */
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

/** Appends one line to the file, and creates the file if needed. */
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
