// JSON Lines (parse/json/parse-jsonl.ts).

import assert from 'node:assert/strict';
import { readJsonlDialect, refuseJsonArray } from '../detect/jsonl-head.ts';
import { parseJsonl } from '../parse/json/parse-jsonl.ts';
import { lineEnds } from '../parse/record-ends.ts';
import { openedText, textFormat, textOpening } from './text.ts';

export const jsonlFormat = textFormat({
  recordEnds: lineEnds,
  tellsColumns: true,
  parse(context, bytes) {
    assert(context.line !== undefined);
    parseJsonl(context, context.line, bytes);
  },
  open(file, flags, { name }) {
    const { head, isWhole, start } = openedText(file);
    refuseJsonArray(head, start, name);
    const { dialect, dropped } = readJsonlDialect(head, start, isWhole, flags);
    return {
      ...textOpening(file, name),
      dialect: { ...dialect, ...flags.rules },
      droppedMembers: dropped,
    };
  },
});
