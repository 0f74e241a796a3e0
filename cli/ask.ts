// Asks the person at the terminal.

import { createInterface } from 'node:readline/promises';
import { SteleError } from '../base/errors.ts';

/**
 * Asks on stderr and resolves to the trimmed answer. Ctrl-C and Ctrl-D throw CANCELLED with `onCancel` as
 * the message. Must only be called if stdin is a terminal.
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
