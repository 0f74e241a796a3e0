// Asks the person at the terminal.

import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { SteleError } from '../base/errors.ts';

/**
 * Asks on stderr and resolves to the trimmed answer. Ctrl-C and Ctrl-D throw CANCELLED with
 * `onCancel` as the message. Must only be called if stdin is a terminal.
 */
export async function ask(question: string, onCancel: string): Promise<string> {
  const lines = createInterface({ input: process.stdin, output: process.stderr });
  const cancelled = new AbortController();
  lines.once('SIGINT', () => cancelled.abort());
  // Ctrl-D closes the interface; without this the question would wait for ever.
  lines.once('close', () => cancelled.abort());
  try {
    return (await lines.question(question, { signal: cancelled.signal })).trim();
  } catch (thrown) {
    if (!cancelled.signal.aborted) throw thrown;
    process.stderr.write('\n');
    throw new SteleError('CANCELLED', onCancel);
  } finally {
    lines.close();
  }
}

/**
 * Asks on stderr for a password, which is not shown while it is typed. Without a terminal it is the
 * first line of stdin. Throws CANCELLED.
 */
export async function askPassword(question: string): Promise<string> {
  const isTerminal = process.stdin.isTTY;
  // What readline would echo goes nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  if (isTerminal) process.stderr.write(question);
  const lines = createInterface({ input: process.stdin, output: nowhere, terminal: isTerminal });
  try {
    return await new Promise<string>((resolve, reject) => {
      lines.once('line', resolve);
      const cancelled = new SteleError('CANCELLED', 'No password was given.');
      lines.once('SIGINT', () => reject(cancelled));
      lines.once('close', () => reject(cancelled));
    });
  } finally {
    lines.close();
    if (isTerminal) process.stderr.write('\n');
  }
}
