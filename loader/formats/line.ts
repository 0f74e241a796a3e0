// The `line` format: key, one space, value (parse/parse-lines.ts).

import { SteleError } from '../../base/errors.ts';
import { listedFormats } from '../format-names.ts';
import type { DialectFlags } from '../detect/opening.ts';
import { LINE_DIALECT } from '../input/dialect.ts';
import { parseLines } from '../parse/parse-lines.ts';
import { lineEnds } from '../parse/record-ends.ts';
import { textFormat, textOpening } from './text.ts';

export const lineFormat = textFormat({
  recordEnds: lineEnds,
  parse: ({ comment, rows }, bytes) => parseLines(bytes, rows, comment),
  open(file, flags, { name }) {
    refuseColumns(flags);
    return { ...textOpening(file, name), dialect: { ...LINE_DIALECT, ...flags.rules } };
  },
});

function refuseColumns({ key, value }: DialectFlags): void {
  if (key === undefined && value === undefined) return;
  throw new SteleError(
    'INVALID_ARGUMENT',
    `--key and --value choose columns, and lines have none; is --format ${listedFormats(['csv', 'tsv', 'jsonl'])} meant?`,
  );
}
