// Which rows of the input a task reads. All inputs stand one after the other, in their order, and
// each task takes a contiguous part of about the same number of bytes:
//
//     inputs     | a.csv ............... | b.csv.gz ...... | c.csv ......... |
//     nominal          1       |       2       |       3       |       4
//     shares     | a.csv ......|.........| b.csv.gz        | c.csv | ........|
//                                          whole: task 2     whole rows
//
// A file of this machine is cut where a row begins. What can only be read from its start
// (compressed files, UTF-16) or would have to be copied for that (files of other machines) belongs
// to the task in whose part its middle is. Everything depends on the list of inputs and their bytes
// alone, so all tasks find the same bounds without talking to each other.

import { SteleError } from '../../base/errors.ts';
import { formatNamed } from '../formats/formats.ts';
import { STDIN_PATH, nameOf } from '../input/inputs.ts';
import type { FoundInput, InputFile, PreparedInput } from '../input/inputs.ts';
import { isRemote } from '../remote/remote-file.ts';
import { rangeOfPart } from './part.ts';
import type { Part } from './part.ts';

/** The part of one input that a task takes, as fractions of the input. */
interface Span {
  readonly from: number;
  readonly to: number;
}

const WHOLE: Span = { from: 0, to: 1 };

/** What a task takes, by the path of the input; inputs of other tasks are not in it. */
export type Spans = ReadonlyMap<string, Span>;

/**
 * Throws INVALID_ARGUMENT for inputs that several tasks cannot share. Standard input is each task's
 * own: all of it is its share.
 */
export function spansOf(found: readonly FoundInput[], part: Part): Spans {
  const stream = found.find(({ isStream }) => isStream);
  if (stream !== undefined) {
    refuseStream(stream, found.length, part);
    return new Map(found.map(({ path }) => [path, WHOLE]));
  }
  const total = found.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const [start, end] = rangeOfPart(part, total);
  const spans = new Map<string, Span>();
  let before = 0;
  for (const input of found) {
    const { path, sizeBytes } = input;
    const span = spanOf(input, start - before, end - before);
    if (span !== undefined) spans.set(path, span);
    before += sizeBytes;
  }
  return spans;
}

function refuseStream(stream: FoundInput, inputCount: number, { count }: Part): void {
  if (stream.path === STDIN_PATH && inputCount === 1) return;
  if (stream.path === STDIN_PATH) {
    const text = 'Standard input is the whole input of a task; name no other inputs with it.';
    throw new SteleError('INVALID_ARGUMENT', text);
  }
  if (count === 1) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `${nameOf(stream)} can be read once, from its start, so tasks cannot share it; copy it into a file, or send each task its own part through standard input (-).`,
  );
}

/** `start` and `end` are relative to the input. */
function spanOf(input: FoundInput, start: number, end: number): Span | undefined {
  const { sizeBytes } = input;
  if (sizeBytes === 0) return undefined;
  const middle = sizeBytes / 2;
  if (!isCut(input)) return start <= middle && middle < end ? WHOLE : undefined;
  const [from, to] = [Math.max(0, start), Math.min(sizeBytes, end)];
  return from < to ? { from: from / sizeBytes, to: to / sizeBytes } : undefined;
}

function isCut({ compression, isUtf16, path }: FoundInput): boolean {
  return compression === 'none' && isUtf16 !== true && !isRemote(path);
}

/** The inputs of a task, reduced to its share of them. */
export async function takeShare(prepared: PreparedInput, spans: Spans): Promise<PreparedInput> {
  const inputs: InputFile[] = [];
  let bytesTotal = 0;
  for (const input of prepared.inputs) {
    const span = spans.get(input.path);
    if (span === undefined) continue;
    const share = await shareOf(input, span);
    if (share[0] >= share[1]) continue;
    const isAll = share[0] === input.dataStart && share[1] === input.sizeBytes;
    inputs.push(isAll ? input : { ...input, share });
    bytesTotal += share[1] - share[0];
  }
  return { ...prepared, inputs, bytesTotal, wholeBytes: prepared.bytesTotal, headBytes: 0 };
}

async function shareOf(
  input: InputFile,
  { from, to }: Span,
): Promise<readonly [start: number, end: number]> {
  const { dataStart, dialect, sizeBytes } = input;
  const placeOf = (fraction: number): number =>
    fraction === 1 ? sizeBytes : dataStart + Math.floor((sizeBytes - dataStart) * fraction);
  const [start, end] = [placeOf(from), placeOf(to)];
  const { rowStarts } = formatNamed(dialect.format);
  if (rowStarts === undefined) return [start, end];
  const inside = [start, end].filter((at) => at > dataStart && at < sizeBytes);
  const found = inside.length === 0 ? [] : await rowStarts(input, inside);
  const startsAt = (at: number): number => found[inside.indexOf(at)] ?? at;
  return [startsAt(start), startsAt(end)];
}
