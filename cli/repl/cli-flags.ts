// What the flags of `stele cli` mean together.

import { SteleError } from '../../base/errors.ts';
import { shorten } from '../../base/ids.ts';
import { parseDurationMs } from '../../base/units.ts';
import type { ReplyForm } from './reply-form.ts';

const TOOLS = [
  'scan',
  'bigkeys',
  'memkeys',
  'hotkeys',
  'stat',
  'latency',
  'latencyHistory',
  'latencyDist',
] as const;
/** A flag that runs a tool instead of a command. */
export type ToolName = (typeof TOOLS)[number];

const FORMS = ['raw', 'csv', 'json'] as const;

/** The tool that is asked for; undefined: none. Throws INVALID_ARGUMENT if there are several. */
export function toolOf(flags: Readonly<Record<ToolName, boolean>>): ToolName | undefined {
  const wanted = TOOLS.filter((name) => flags[name]);
  if (wanted.length > 1) throw together(wanted);
  return wanted[0];
}

/** The form of replies, by -o or its short forms. Throws INVALID_ARGUMENT if there are several. */
export function formOf(
  flags: Readonly<Record<(typeof FORMS)[number], boolean> & { output: ReplyForm }>,
): ReplyForm {
  const wanted = FORMS.filter((name) => flags[name]);
  if (wanted.length > 1) throw together(wanted);
  return wanted[0] ?? flags.output;
}

/** `-r`: a number of times, or -1 for Infinity. Throws INVALID_ARGUMENT. */
export function timesOf(text: string): number {
  if (text === '-1') return Infinity;
  if (/^[1-9][0-9]{0,8}$/.test(text)) return Number(text);
  const message = `-r '${shorten(text)}' is no number of times; write 1 or more, or -1 to go on until Ctrl-C.`;
  throw new SteleError('INVALID_ARGUMENT', message);
}

/** `-i`: seconds, as redis-cli takes them, or a duration with its unit. Throws INVALID_ARGUMENT. */
export function intervalMsOf(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  return parseDurationMs(/^[0-9]*[.]?[0-9]+$/.test(text) ? `${Number(text)}s` : text);
}

function together(names: readonly string[]): SteleError {
  const flags = names.map(
    (name) => `--${name.replace(/[A-Z]/, (letter) => `-${letter.toLowerCase()}`)}`,
  );
  return new SteleError('INVALID_ARGUMENT', `${flags.join(' and ')} cannot be used together.`);
}
