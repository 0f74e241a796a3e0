// How `stele cli` prints replies: as redis-cli does for people or for a pipe, as CSV, or as JSON.

import type { Reply } from '../../client/resp-client.ts';
import type { Output } from '../output.ts';
import { formatReplyRawTo, formatReplyTo } from './format-reply.ts';
import { csvLine } from './reply-csv.ts';
import { replyErrorJson, replyJson } from './reply-json.ts';

/** `table`: formatted on a terminal, raw elsewhere. */
export type ReplyForm = 'table' | 'formatted' | 'raw' | 'csv' | 'json';

/** Prints the reply to the command `args`. With `json`, an error goes to stderr. */
export function printReply(
  args: readonly (string | Buffer)[],
  reply: Reply,
  output: Output,
  form: ReplyForm,
): void {
  const actual = form === 'table' ? (output.isTerminal ? 'formatted' : 'raw') : form;
  switch (actual) {
    case 'formatted':
      return output.line(formatReplyTo(args, reply));
    case 'raw':
      return output.write(formatReplyRawTo(args, reply));
    case 'csv':
      return output.line(csvLine(reply));
    case 'json':
      if (reply.type === 'error') return output.errorLine(replyErrorJson(reply.text));
      return output.line(JSON.stringify(replyJson(reply)));
  }
}
