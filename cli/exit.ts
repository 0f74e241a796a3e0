// How a command ends: exit codes, and the sentence that says what went wrong.
//
//   0 ok | 1 failed | 2 wrong usage, or input that needs a flag to be understood
//   3 a gate refused the version | 4 not reachable or not ready | 5 not allowed
//   129 hung up (SIGHUP) | 130 interrupted (SIGINT) | 143 terminated (SIGTERM)
//
// A stack trace is for developers: STELE_DEBUG=1 shows it.

import { constants } from 'node:os';
import { SteleError } from '../base/errors.ts';
import type { ErrorCode } from '../base/errors.ts';
import { shorten } from '../base/ids.ts';
import type { Output } from './output.ts';

export const EXIT_OK = 0;
export const EXIT_FAILED = 1;
export const EXIT_USAGE = 2;

export const INTERRUPT_SIGNALS = ['SIGHUP', 'SIGINT', 'SIGTERM'] as const;
export type InterruptSignal = (typeof INTERRUPT_SIGNALS)[number];

/** 129, 130 or 143, as in shells: 128 + the signal's number. */
export function exitCodeOfSignal(signal: InterruptSignal): number {
  return 128 + constants.signals[signal];
}

export const EXIT_GATE = 3;
export const EXIT_NOT_READY = 4;
const EXIT_NOT_ALLOWED = 5;

/** Codes whose exit code tells a script how to continue; every other code is EXIT_FAILED. */
const EXIT_CODES: ReadonlyMap<ErrorCode, number> = new Map([
  ['INVALID_ARGUMENT', EXIT_USAGE],
  ['INPUT_AMBIGUOUS', EXIT_USAGE],
  ['GATE_FAILED', EXIT_GATE],
  ['UNAVAILABLE', EXIT_NOT_READY],
  ['UNINITIALIZED', EXIT_NOT_READY],
  ['DEADLINE_EXCEEDED', EXIT_NOT_READY],
  ['OUTCOME_UNKNOWN', EXIT_NOT_READY],
  ['REPLICAS_MISSING', EXIT_NOT_READY],
  ['SUSPENDED', EXIT_NOT_READY],
  ['BUILD_INCOMPLETE', EXIT_NOT_READY],
  ['UNAUTHENTICATED', EXIT_NOT_ALLOWED],
  ['PERMISSION_DENIED', EXIT_NOT_ALLOWED],
  ['CANCELLED', exitCodeOfSignal('SIGINT')],
]);

/** The exit code for any thrown value. */
export function exitCodeOfError(thrown: unknown): number {
  const code = thrown instanceof SteleError ? EXIT_CODES.get(thrown.code) : undefined;
  return code ?? EXIT_FAILED;
}

const MESSAGE_CHARACTERS_MAX = 2000;

/** The sentence for any thrown value; one that is not a SteleError is called internal. */
export function sentenceOf(thrown: unknown): string {
  if (thrown instanceof SteleError && thrown.code !== 'INTERNAL') {
    return shorten(thrown.message, MESSAGE_CHARACTERS_MAX);
  }
  const text = thrown instanceof Error ? thrown.message : String(thrown);
  const sentence = shorten(text, MESSAGE_CHARACTERS_MAX).replace(/[.]$/, '');
  return `${sentence} (an internal error; STELE_DEBUG=1 shows where).`;
}

/**
 * Writes the error to stderr: as a sentence, or with `asJson` as `{"error":{"code","message"}}` on
 * one line, with its stack under STELE_DEBUG. Returns the exit code.
 */
export function reportError(
  output: Output,
  caught: unknown,
  environment: Readonly<NodeJS.ProcessEnv>,
  asJson = false,
): number {
  const thrown = isFolderGone(caught) ? folderGone(caught) : caught;
  const stack = environment['STELE_DEBUG'] === '1' ? stackOf(thrown) : undefined;
  if (asJson) output.errorLine(errorJson(codeOf(thrown), sentenceOf(thrown), stack));
  else {
    output.errorLine(`stele: ${sentenceOf(thrown)}`);
    if (stack !== undefined) output.errorLine(stack);
  }
  return exitCodeOfError(thrown);
}

/** Whether the error comes from a deleted current folder, which relative paths need. */
function isFolderGone(thrown: unknown): boolean {
  const cause = thrown instanceof SteleError ? thrown.cause : thrown;
  return cause instanceof Error && 'syscall' in cause && cause.syscall === 'uv_cwd';
}

function folderGone(cause: unknown): SteleError {
  const text =
    'The folder that this command was started in is gone; change to another one and run it again.';
  return new SteleError('INPUT_NOT_FOUND', text, { cause });
}

/** The line on stderr for an error under `-o json`. */
export function errorJson(code: ErrorCode, message: string, stack?: string): string {
  return JSON.stringify({ error: { code, message, stack } });
}

/**
 * Writes a notice, which is not an error, to stderr: as a sentence, or with `asJson` as
 * `{"notice":{"message"}}` on one line, so that all of stderr can be parsed.
 */
export function reportNotice(output: Output, sentence: string, asJson: boolean): void {
  output.errorLine(
    asJson ? JSON.stringify({ notice: { message: sentence } }) : `stele: ${sentence}`,
  );
}

export function codeOf(thrown: unknown): ErrorCode {
  return thrown instanceof SteleError ? thrown.code : 'INTERNAL';
}

function stackOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown);
  const own = thrown.stack ?? thrown.message;
  return thrown.cause === undefined ? own : `${own}\ncaused by: ${stackOf(thrown.cause)}`;
}
