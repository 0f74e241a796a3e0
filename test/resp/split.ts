// For tests: the commands and replies that are parsed from bytes, whole or cut anywhere.

import { CommandDecoder } from '../../resp/wire/decoder.ts';
import { ReplyDecoder } from '../../resp/wire/reply-decoder.ts';
import type { Reply } from '../../resp/wire/reply-decoder.ts';

/** Copies `bytes` in pieces that end at `cuts`. */
export function cutAt(bytes: Buffer, cuts: readonly number[]): Buffer[] {
  const bounds = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  return bounds.slice(1).map((end, index) => Buffer.from(bytes.subarray(bounds[index], end)));
}

/** The commands in `chunks` as words, and the protocol error that ended them, if any. */
export function decodeCommands(chunks: readonly Buffer[]): {
  commands: string[][];
  error: string | undefined;
} {
  const decoder = new CommandDecoder();
  const commands: string[][] = [];
  try {
    for (const chunk of chunks) {
      decoder.push(chunk);
      while (decoder.next()) commands.push(words(decoder));
    }
  } catch (thrown) {
    return { commands, error: (thrown as Error).message };
  }
  return { commands, error: undefined };
}

/** The arguments of the current command, one character per byte. */
export function words(decoder: CommandDecoder): string[] {
  return Array.from({ length: decoder.argc }, (_, index) =>
    decoder.buffer.toString('latin1', decoder.starts[index], decoder.ends[index]),
  );
}

export function multibulk(...parts: (string | Buffer)[]): Buffer {
  const pieces: Buffer[] = [Buffer.from(`*${parts.length}\r\n`)];
  for (const part of parts) {
    const bytes = typeof part === 'string' ? Buffer.from(part, 'latin1') : part;
    pieces.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
  }
  return Buffer.concat(pieces);
}

export function decodeReplies(chunks: readonly Buffer[]): Reply[] {
  const decoder = new ReplyDecoder();
  const replies: Reply[] = [];
  for (const chunk of chunks) {
    decoder.push(chunk);
    for (let reply = decoder.next(); reply !== undefined; reply = decoder.next()) {
      replies.push(reply);
    }
  }
  return replies;
}
