// Everything that is known of one load: who runs it, how far it is, what came of it, and its
// events.

import { formatBytes, formatDuration } from '../../base/units.ts';
import { LoadMode, LoadState } from '../../proto/gen/stele/v1/load.ts';
import type { LoadStatus } from '../../proto/gen/stele/v1/load.ts';
import { loadJson } from '../../proto/json-shapes.ts';
import { loadStateWord } from '../../proto/view-words.ts';
import { loadOwnerText, loadProgressText } from '../listings/loads.ts';
import type { Output } from '../output.ts';
import { formatCount } from '../text-table.ts';
import type { Admin } from '../with-admin.ts';
import type { Description, Field } from './description.ts';
import { eventsJson, eventsPart, lastEvents } from './events.ts';

/** Throws LOAD_NOT_FOUND. */
export async function describeLoad(admin: Admin, id: string, output: Output): Promise<Description> {
  const load = await admin.getLoad(id);
  const events = await lastEvents(admin, load.keyspace, (event) => event.load === id);
  return {
    fields: fieldsOf(load),
    parts: [await eventsPart(events, output)],
    json: { ...loadJson(load), events: eventsJson(events) },
  };
}

function fieldsOf(load: LoadStatus): Field[] {
  return [
    ['Load', load.loadId],
    ['Keyspace', load.keyspace],
    ['State', loadStateWord(load.state).toLowerCase()],
    ['Why', load.reason],
    ['Mode', load.mode === LoadMode.APPEND ? 'append' : 'replace'],
    ['Source', load.source],
    ['Read as', load.input],
    ['Run by', loadOwnerText(load)],
    ['Started', load.startedAt],
    ['Ended', load.endedAt],
    ['Took', durationOf(load)],
    ['Stage', load.state === LoadState.RUNNING ? loadProgressText(load) : load.stage],
    ['Input', `${formatBytes(load.bytesDone)} of ${formatBytes(load.bytesTotal)}`],
    ['Rows', `${formatCount(load.rows)} read, ${formatCount(load.rejected)} rejected`],
    ['Shards', `${load.shardsDone} of ${load.shardsTotal}`],
    ['Version', load.version === 0 ? 'none' : String(load.version)],
    ['Records', formatCount(load.records)],
    ['Digest', load.digest.toString('hex')],
  ];
}

function durationOf({ endedAt, startedAt }: LoadStatus): string {
  if (endedAt === '' || startedAt === '') return '';
  return formatDuration(Date.parse(endedAt) - Date.parse(startedAt));
}
