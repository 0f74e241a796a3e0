// How a command ends: exit codes, and the one sentence that says what went wrong.
//
//   0 ok | 1 failed | 2 wrong usage | 130 interrupted (SIGINT) | 143 terminated (SIGTERM)
//
// A stack trace is for us, not for users: STELE_DEBUG=1 shows it.

import { SteleError } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import type { Output } from './output.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export type InterruptSignal = 'SIGINT' | 'SIGTERM';

/** 130 or 143, as shells have it: 128 + the signal's number. */
export function exitCodeOfSignal(signal: InterruptSignal): number {
  return signal === 'SIGINT' ? 130 : 143;
}

/** Wrong usage is whatever the caller must write differently; all else has failed. */
export function exitCodeOfError(thrown: unknown): number {
  return thrown instanceof SteleError && thrown.code === 'INVALID_ARGUMENT'
    ? EXIT_USAGE
    : EXIT_FAILED;
}

const MESSAGE_CHARACTERS_MAX = 2000;

/** The sentence for any thrown thing; an error that is not ours is called internal. */
export function sentenceOf(thrown: unknown): string {
  if (thrown instanceof SteleError && thrown.code !== 'INTERNAL') {
    return shorten(thrown.message, MESSAGE_CHARACTERS_MAX);
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const sentence = shorten(text, MESSAGE_CHARACTERS_MAX).replace(/[.]$/, '');
  return `${sentence} (an internal error; STELE_DEBUG=1 shows where).`;
}

/** Writes the sentence to stderr (with the stack under STELE_DEBUG); returns the exit code. */
export function reportError(
  output: Output,
  thrown: unknown,
  environment: Readonly<NodeJS.ProcessEnv>,
): number {
  output.errorLine(`stele: ${sentenceOf(thrown)}`);
  if (environment['STELE_DEBUG'] === '1') output.errorLine(stackOf(thrown));
  return exitCodeOfError(thrown);
}

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const own = thrown.stack ?? thrown.message;
  return thrown.cause === undefined ? own : `${own}\ncaused by: ${stackOf(thrown.cause)}`;
}
