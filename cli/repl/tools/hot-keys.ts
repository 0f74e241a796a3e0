// `stele cli --hotkeys`: the keys of a keyspace that are read most, as the datanodes sample them.

import type { Reply } from '../../../client/resp-client.ts';
import { formatBytes } from '../../../base/units.ts';
import type { Output } from '../../output.ts';
import { quote } from '../format-reply.ts';
import type { CliSession } from '../repl-session.ts';
import { errorOfReply, fieldsOf, itemsOf, textOf } from '../reply-texts.ts';

/**
 * Prints a line a key, most read first. Throws SteleError; CONFLICT for a server that is not Stele.
 */
export async function printHotKeys(session: CliSession, output: Output): Promise<void> {
  const reply = await session.execute(['STELE', 'HOTKEYS']);
  if (reply?.type === 'error') throw errorOfReply('STELE HOTKEYS', reply.text);
  const answer = fieldsOf(reply);
  for (const hot of itemsOf(answer.get('hottest'))) {
    const fields = fieldsOf(hot);
    const encoding = textOf(fields.get('encoding')) === 'base64' ? 'base64' : 'utf8';
    const key = Buffer.from(textOf(fields.get('key')) ?? '', encoding);
    const bytes = numberOf(fields.get('value_bytes'));
    const size = bytes === undefined ? 'not found' : formatBytes(bytes);
    output.line(`${rateText(fields)}  ${size.padStart(10)}  ${quote(key)}`);
  }
  output.line(`${rateText(answer)}  of all keys, by a sample`);
  const unanswered = itemsOf(answer.get('unanswered')).map(textOf);
  if (unanswered.length > 0) output.line(`without ${unanswered.join(', ')}, which did not answer`);
}

function rateText(fields: ReadonlyMap<string, Reply>): string {
  const rate = numberOf(fields.get('reads_per_second')) ?? 0;
  return `${rate.toFixed(1).padStart(12)} reads/s`;
}

/** A number in RESP2, where fractions are texts, or in RESP3. */
function numberOf(reply: Reply | undefined): number | undefined {
  if (reply?.type === 'integer' || reply?.type === 'double') return reply.value;
  const text = textOf(reply);
  return text === undefined ? undefined : Number(text);
}
